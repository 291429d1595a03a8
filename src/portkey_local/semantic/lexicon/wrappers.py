"""What is said around a question without changing it, and the many ways to ask how.

Phrases are sequences of words as `text.words` gives them: contractions spelt out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

__all__ = ["ENDINGS", "FRAMES", "OPENINGS", "Phrases", "longest"]

Phrase: TypeAlias = tuple[str, ...]

Phrases: TypeAlias = dict[str, dict[int, dict[Phrase, Phrase]]]
"""By their first word and their length, longest first: phrases, with what stands for each."""


def _phrases(rows: Iterable[tuple[str, str]]) -> Phrases:
    table: Phrases = {}
    for phrase, meaning in sorted(rows, key=lambda row: -len(row[0].split())):
        found = tuple(phrase.split())
        lengths = table.setdefault(found[0], {})
        lengths.setdefault(len(found), {}).setdefault(found, tuple(meaning.split()))
    return table


def longest(table: Phrases, words: list[str], at: int) -> tuple[int, Phrase] | None:
    """Return the length and the meaning of the longest phrase that starts at a place."""
    for length, phrases in table.get(words[at], {}).items():
        meaning = phrases.get(tuple(words[at : at + length]))
        if meaning is not None:
            return length, meaning
    return None


def _each(pattern: str) -> list[str]:
    """Spell out `(a|b|)` alternatives."""
    head, bracket, rest = pattern.partition("(")
    if not bracket:
        return [" ".join(pattern.split())]
    options, _, tail = rest.partition(")")
    return [each for option in options.split("|") for each in _each(head + option + tail)]


def _spelt(patterns: str) -> list[str]:
    return sorted({each for line in patterns.strip().splitlines() for each in _each(line.strip())})


_ASKED: Final = "(can|could|would|will) you (please|kindly|maybe|possibly|)"
_GROUP: Final = "there|all|everyone|everybody|team|support|support team|guys|folks|again|friend"
_NAMED: Final = f"({_GROUP}|sir|madam|sir or madam|)"

OPENINGS: Final = _phrases(
    (each, "")
    for each in _spelt(f"""
        (hi|hello|hey|hiya|heya|greetings|dear) {_NAMED}
        good (morning|afternoon|evening|day) {_NAMED}
        (morning|afternoon|evening) ({_GROUP}|,|.)
        (please|kindly|um|uh|er|erm|hmm|hm|ok|okay|so|oh|ah|yo|well ,|right ,|alright ,)
        (sorry|excuse me|pardon me|sorry to bother you|sorry to bother|apologies)
        sorry to bother (you|) (,|) but
        (i|) hope (you are well|you are doing well|all is well|you can help|you can help me)
        (i am|i was|) hoping you (can|could) help (me|) (with this|)
        (btw|by the way|out of interest|out of curiosity)
        (thanks|thank you|cheers) (in advance|)
        (a|just a|one|) (quick|small|simple|short|brief) (question|one|query)
        (a|one|my|) question
        (silly|stupid|dumb|basic|random) question (, but|but|)
        (i am|i was|was|am|) (just|) (wondering|curious) (if|whether|about|)
        i wonder (if|whether|)
        (just|) (curious|checking) (if|whether|)
        i (have|had|have got) (a|one) (quick|) question (for you|about this|)
        {_ASKED} (help me|help me out|help) (with|) (this|something|)
        {_ASKED} help me (to|)
        (can|could|may|might) i (just|) ask (you|) (something|a question|)
        i (would|should|) (like|love|want|need) to (know|ask|find out|understand) (if|whether|)
        (can|could) (someone|anyone|somebody|anybody) (please|) tell me (if|whether|)
        (do|would|does anyone|does anybody|anyone|anybody) (you|) (happen to|) know (if|whether|)
        (any|do you have any) (idea|clue) (if|whether|)
        {_ASKED} (tell me|let me know|advise|advise me|inform me|clarify) (if|whether|)
        {_ASKED}
        i (would like|would love|want|need) you to
        (please|) (tell me|let me know|advise me|inform me) (if|whether|)
        is there any chance (that|) you (can|could)
        (would|do) you mind (telling me|letting me know) (if|whether|)
        i (need|want) (you|) to (tell me)
        (help me|help) (with this|please|to)
    """)
)

ENDINGS: Final = _phrases(
    (" ".join(reversed(each.split())), "")
    for each in _spelt(f"""
        (please|pls|thanks|thank you|thx|cheers|ta|kindly) (in advance|a lot|so much|very much|)
        (many|kind|best|) (thanks|regards)
        (if you (can|could|would|do not mind)|if possible)
        {_ASKED} (help|help me|tell me|advise|let me know|assist|assist me)
        (please|,|.) (help|help me|advise|let me know|tell me)
        (,|.) (sorry|lol|tia|any help|any advice|anyone know|anybody know|much appreciated)
        (,|.) have a (nice|good|great|lovely) (day|evening|weekend|one)
        (any help|any advice|help) (is|would be|will be|) (much|greatly|really|) appreciated
        any help would be great
        (any|do you have any) (idea|ideas|clue)
        or not
        i wonder
        thank you for your (help|time|assistance)
    """)
)

_WAY: Final = "(way|ways|process|procedure|method|steps)"
_HOW: Final = _spelt(f"""
    how (can|could|do|should|would|might|will|may) (i|we|one|you|someone|somebody|a person)
    how (does|would|can|could|should|might) (one|someone|somebody|a person|anyone)
    how (i|we|one) (can|could|should|would|might|may)
    how to
    how (do|would) (i|we|you|one) go about
    how (am|are) (i|we) (able|supposed) to
    what (is|are|would be) (the|a|some) (proper|correct|right|usual|normal|) {_WAY} (to|for|of)
    what (do|should|must|can) (i|we|you|one) (do|have to do|need to do) (to|in order to)
    what steps (do|should|must|can) (i|we|you|one) (take|follow) to
    (show|teach|explain|describe|explain to|tell) (me|) how to
    (show|teach|explain|describe|explain to|tell) (me|) how (i|we|one|you) (can|could|should|would)
    (is|are) there (a|any|some) (way|ways|method|option) (to|for me to|that i can|i can)
    i (need|want|would like) to (know|find out|learn|understand) how to
    i (need|want|would like) (help|some help|instructions) (on|with) how to
    (instructions|directions|steps|guide) (on|for|to) how to
    in (what|which) way (can|could|do|should) (i|we|you|one)
""")
_MAY: Final = _spelt("""
    is it (possible|okay|ok|allowed|permitted|alright) (for me|for us|for one|) to
    (am|are) (i|we) (able|allowed|permitted) to
    (would|will|might) (i|we) be able to
    is there (a|any) (chance|possibility) (i|we) (can|could)
    (do|does) (i|we|one) have (the option|permission|the ability) to
""")

FRAMES: Final = _phrases(
    [
        *((each, "?how i") for each in _HOW),
        *((each, "can i") for each in _MAY),
        *((each, "?want i") for each in _spelt("""
            (i|we) (want|need|wish|would like|would love|would want|have|am trying|am looking) to
            (i|we) (want|need|would like|am trying|am looking) (help|some help|assistance) to
            (i|we) wanna
        """)),
        *((each, "?want i") for each in ("help me", "help me to")),
        *((each, "where") for each in _spelt("(where|in which place|in what place) (abouts|)")),
        *((each, "when") for each in _spelt("""
            (at|on|by|) (what|which) (time|date|day|hour)
            (what|which) (is|are) the (time|date|day) (of|for|when)
        """)),
        *((each, "why") for each in _spelt("""
            (how come|what for)
            (what is|what are|what was|what were) the (reason|reasons) (for|why|that|behind|)
            for (what|which) reason
        """)),
        *((each, "?count") for each in ("how many", "what number of", "what is the number of")),
        *((each, "?amount") for each in ("how much", "what amount of")),
        *((each, "?cost") for each in _spelt("""
            how much (is|are|was|were)
            how much (does|do|did|will|would|is) (it|) cost
            what (is|are|was|were) the (price|prices|cost|costs|charge|fee|fees) (of|for)
        """)),
        *((each, "?duration") for each in _spelt("""
            how long
            how much time
            what length of time
            how many (minutes|hours|days|weeks|months|years) (does it take|will it take|until)
        """)),
        *((each, "?distance") for each in ("how far", "how far away")),
        *((each, "?rate") for each in ("how often", "how frequently", "how regularly")),
        *((each, "?age") for each in ("how old",)),
        *((each, f"{each.split()[0]} {each.split()[1]} must") for each in _spelt("""
            (do|does|did|will|would) (i|we|you|one|he|she|they) (need|have) to
        """)),
        ("log into", "login to"), ("sign into", "login to"), ("e mail", "email"),
        ("e mails", "emails"), ("switch on", "turn on"), ("switch off", "turn off"),
        ("with no", "without"), ("the need to", "the need for"), ("the us", "the usa"),
        ("whether", "if"),
        ("such as", ""), ("so that", "to"), ("in order to", "to"), ("whether or not", ""),
        ("or not", ""), ("no longer", "not longer"), ("not any more", "not longer"),
        ("need to", "must"), ("needs to", "must"), ("have to", "must"), ("has to", "must"),
        ("had to", "must"), ("have got to", "must"), ("be required to", "must"),
        ("supposed to", "should"), ("be able to", "can"), ("out of", "out"),
        ("set up", "setup"), ("log in", "login"), ("sign up", "signup"), ("sign in", "login"),
        ("log on", "login"), ("check in", "checkin"), ("check out", "checkout"),
        ("back up", "backup"), ("find out", "find"), ("carry out", "do"), ("look up", "find"),
        ("go live", "activate"), ("get rid of", "remove"), ("instead of", "instead"),
        ("as well as", "and"), ("as soon as possible", "asap"), ("a couple of", "couple"),
        ("a lot of", "many"), ("lots of", "many"), ("the same as", "same"),
        ("to do list", "todo list"), ("at the moment", "currently"),
    ]
)  # fmt: skip
