"""The small words of English, by what they do to a question."""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.lexicon import vocabulary
from portkey_local.semantic.stemming import stem

__all__ = [
    "AUXILIARIES",
    "CLAUSES",
    "DETERMINERS",
    "EMPTY",
    "FOREIGN",
    "FUNCTION",
    "GENERIC",
    "HELPERS",
    "LINGUISTIC",
    "MODALS",
    "NEGATIONS",
    "OWNERS",
    "PARTICLES",
    "PERSONS",
    "PREPOSITIONS",
    "QUESTIONS",
    "SAME_USE",
    "TENSES",
]


def _table(rows: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in rows.items() for word in words.split()}


PERSONS: Final = _table(
    {
        "i": "i me my mine myself we us our ours ourselves",
        "you": "you your yours yourself yourselves",
        "he": "he him his himself",
        "she": "she her hers herself",
        "they": "they them their theirs themselves",
    }
)
"""Who is spoken of: two questions that differ here may still ask the same of anybody's account."""

OWNERS: Final = vocabulary("my our your his her its their one's 's")
"""What comes before a thing and says whose it is."""

MODALS: Final = _table(
    {"can": "can could may might", "should": "should ought", "must": "must", "will": "will shall"}
)

TENSES: Final = {
    word: vocabulary(times)
    for words, times in (
        ("did was were had", "past"),
        ("do does", "usual now"),
        ("is are am", "state now"),
        ("has have", "past state"),
        ("will shall", "usual state now"),
    )
    for word in words.split()
}
"""Which times a word may speak of: what has expired did expire, and is expired."""

HELPERS: Final = frozenset(MODALS) | frozenset(("do", "does", "did"))
"""Those that send the verb behind what is spoken of."""

AUXILIARIES: Final = frozenset(TENSES) | vocabulary("be been being would done doing")

QUESTIONS: Final = {
    "what": "what", "which": "what", "whats": "what", "how": "how", "when": "when",
    "where": "where", "why": "why", "who": "who", "whom": "who", "whose": "whose",
}  # fmt: skip

PREPOSITIONS: Final = vocabulary(
    "in on at for of to from with by about into onto as via through regarding concerning upon "
    "toward towards"
)
"""Those that may move with their words; the others (before, without, under ...) count as words."""

CLAUSES: Final = vocabulary(
    "if unless because while before after during until till since once despite except"
)
"""Those that begin what may move as a whole: "if it rains, ..." is "... if it rains"."""

DETERMINERS: Final = frozenset(PERSONS) | vocabulary(
    "a an the this that these those it all every each some any another"
)
"""What comes before a thing; after the first word of a text, that word is a verb."""

PARTICLES: Final = vocabulary("on off up down out in back away")

NEGATIONS: Final = {
    "not": "not", "no": "not", "never": "never", "none": "not", "nobody": "not", "nothing": "not",
    "nowhere": "not", "neither": "not", "nor": "not", "without": "without",
}  # fmt: skip

EMPTY: Final = vocabulary(
    "a an the and but so that this these those it its itself there here then just please kindly "
    "um uh er erm hmm hm ah oh eh quite very really actually exactly basically simply also "
    "already still yet some any such own one's ones oclock etc s"
)

FUNCTION: Final = (
    frozenset(PERSONS)
    | frozenset(MODALS)
    | AUXILIARIES
    | frozenset(QUESTIONS)
    | PREPOSITIONS
    | EMPTY
)
"""Words that do not count by themselves."""

GENERIC: Final = frozenset(
    map(
        stem,
        vocabulary(
            "get have go stay offer provide available exist happen possible able know "
            "look see find tell show kind sort type away if usually"
        ),
    )
)
"""Verbs and nouns that say little beside the words around them; stems."""

SAME_USE: Final = frozenset(
    (one, other)
    for group in (
        "have get", "have offer provide available exist", "possible able", "kind sort type",
        "find see look get", "tell show know find", "happen have",
    )
    for one in map(stem, group.split())
    for other in map(stem, group.split())
)  # fmt: skip
"""Those of them that may stand for each other; one offers what the other gets."""

LINGUISTIC: Final = frozenset(
    map(
        stem,
        vocabulary(
            "plural singular tense spell spelling misspell pronounce pronunciation conjugate "
            "synonym antonym rhyme translate translation grammar grammatical syllable anagram "
            "palindrome verb noun adjective word phrase sentence capitalize punctuate paraphrase "
            "rewrite"
        ),
    )
)
"""Stems by which a question is known to be about words: then their very forms matter."""

FOREIGN: Final = vocabulary(
    # Spanish and Portuguese
    "los las una unos del qué que cómo cuál cual cuánto dónde por para con su está puedo hacer uma "
    "não como meu minha você qual onde quando fazer "
    # French and Italian
    "le les des une du je ne pas est comment quel quelle quels où pourquoi mon ma mes votre dans "
    "avec pour sur puis peut gli di della che è mio mia posso fare perché dove "
    # German and Dutch
    "der das ein eine einen ist nicht wie ich wir sie mein meine kann und oder zu mit für auf "
    "warum wo wann het een van ik niet hoe mijn kan waar wat "
    # Polish, Swedish, Danish
    "jest nie jak czy gdzie mój det är jag inte hur och hvordan"
)
"""Small words of other languages that are no words of English."""
