"""Which calls a query means, what is wrong with a query, and what an explanation may say."""

import math
import re

import pytest
from hypothesis import given, settings, strategies as st

from portkey_local.query import MISSING, Facts, WrongQuery, compile_query, look, nearest, one_slip

PATH = "/v1/chat/completions"


def holds(query, metadata=None, params=None):
    return compile_query(query).matches(Facts(metadata or {}, params or {}, PATH))


def wrong(query):
    with pytest.raises(WrongQuery) as caught:
        compile_query(query)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        # a literal is $eq, strict about types
        ("pro", "pro", True),
        ("pro", "Pro", False),
        ("10", 10, False),
        (1, 1.0, True),
        (1, True, False),
        (True, 1, False),
        (True, True, True),
        (False, 0, False),
        (None, None, True),
        (None, MISSING, False),
        (None, False, False),
        ([1, "a"], [1.0, "a"], True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ({"a": {"b": [1]}}, {"a": {"b": [1]}}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"$eq": {}}, {}, True),
        ({"$eq": "x"}, MISSING, False),
        ({"$ne": "x"}, MISSING, True),
        ({"$ne": "x"}, "x", False),
        ({"$ne": 1}, True, True),
        # order, by the number that a text begins with
        ({"$gt": 9}, 10, True),
        ({"$gt": 9}, "10px", True),
        ({"$gt": "9 lives"}, " 10", True),
        ({"$gte": 10}, "1e1", True),
        ({"$lt": 0}, "-.5", True),
        ({"$lt": 10}, "abc", False),
        ({"$lt": 10}, "", False),
        ({"$lt": 10}, MISSING, False),
        ({"$lt": 10}, None, False),
        ({"$lt": 10}, True, False),
        ({"$lt": 10}, [1], False),
        ({"$lte": 10}, 10.0, True),
        ({"$gt": 10}, "Infinity", True),
        ({"$gt": 10}, 10**400, True),
        # membership
        ({"$in": ["us", "ca"]}, "us", True),
        ({"$in": ["us", "ca"]}, ["us"], False),
        ({"$in": ["us", 1]}, True, False),
        ({"$in": ["us", 1]}, 1.0, True),
        ({"$in": ["us"]}, MISSING, False),
        ({"$in": []}, "us", False),
        ({"$nin": ["us"]}, MISSING, True),
        ({"$nin": ["us"]}, "us", False),
        ({"$nin": [None]}, MISSING, True),
        # patterns
        ({"$regex": "ro"}, "pro", True),
        ({"$regex": "RO"}, "pro", False),
        ({"$regex": "^10$"}, 10.0, True),
        ({"$regex": "^true$"}, True, True),
        ({"$regex": "."}, [1], False),
        ({"$regex": "."}, {"a": 1}, False),
        ({"$regex": "undefined|null|None"}, MISSING, False),
        ({"$regex": "null|None"}, None, False),
        ({"$regex": "(?<year>[0-9]{4})-"}, "2024-01", True),
        ({"$regex": "(?<=a)b"}, "ab", True),
        ({"$regex": r"(?<a>\d)-\k<a>"}, "1-1", True),
        ({"$regex": r"(?<a>\d)-\k<a>"}, "1-2", False),
        ({"$regex": r"^\(?<a>"}, "<a>", True),
        ({"$regex": "^[(?<a]$"}, "P", False),
        ({"$regex": "^pro$"}, "pro\n", False),
        ({"$regex": "^pro\n$"}, "pro\n", True),
        ({"$regex": r"^\$[$]$"}, "$$", True),
        ({"$regex": r"^[\]$]+$"}, "$]", True),
        ({"$regex": "(?m)^pro$"}, "x\npro\ny", True),
        ({"$regex": "^pro$"}, "pro", True),
        ({"$regex": "^(?:pro$|team)"}, "pro\n", False),
        ({"$regex": r"^\$5$"}, "$5", True),
        ({"$regex": r"^[\]$]+$"}, "]$", True),
        ({"$regex": r"\(?<a"}, "<a", True),
        ({"$regex": r"^\d$"}, "٣", False),
        # several operators are ANDed
        ({"$gt": 1, "$lt": 3}, 2, True),
        ({"$gt": 1, "$lt": 3}, 3, False),
        ({"$regex": "p", "$eq": "zzz"}, "pro", False),
    ],
)
def test_one_comparison(comparison, value, expected):
    """A comparison holds for the values that the table says."""
    metadata = {} if value is MISSING else {"x": value}
    assert holds({"metadata.x": comparison}, metadata) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, True),
        ({"metadata.a": 1, "params.m": "x"}, True),
        ({"metadata.a": 1, "params.m": "y"}, False),
        ({"metadata.a": 1, "params.m": "x", "url.pathname": PATH}, True),
        ({"$and": [{"metadata.a": 1}, {"params.m": "x"}]}, True),
        ({"$and": [{"metadata.a": 1}, {"params.m": "y"}]}, False),
        ({"$or": [{"metadata.a": 2}, {"params.m": "x"}, {}]}, True),
        ({"$or": [{"metadata.a": 2}, {"params.m": "y"}]}, False),
        ({"$or": [{"metadata.a": 1}], "params.m": "nope"}, False),
        ({"$and": [{}], "$or": [{"$and": [{"metadata.a": 1}, {"$or": [{}]}]}]}, True),
    ],
)
def test_rows_and_groups_are_anded(query, expected):
    """Keys, `$and` and `$or` of one query must all hold."""
    assert holds(query, {"a": 1}, {"m": "x"}) is expected


DATA = {
    "a": {"b": [{"c": 1}, "two"], "x.y": 3},
    "a.b": 4,
    "a.z.q": 5,
    "3": "three",
    "n": None,
    "l": [10, 20],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("metadata.n", None),
        ("metadata.zz", MISSING),
        ("metadata.a.b.0.c", 1),
        ("metadata.a.b.1", "two"),
        ("metadata.a.b.2", MISSING),
        ("metadata.a.b.-1", MISSING),
        ("metadata.a.b.c", MISSING),
        ("metadata.a.b.1.0", MISSING),
        ("metadata.a.x.y", 3),
        ("metadata.a.z.q", 5),
        ("metadata.3", "three"),
        ("metadata.l.1", 20),
        ("metadata.l.²", MISSING),
        ("metadata.n.x", MISSING),
    ],
)
def test_a_path_goes_down_and_then_tries_names_with_dots(path, found):
    """A dotted path finds the nested value first, and else the name that holds the dots."""
    assert look(path)(Facts(DATA, {}, "")) is found
    assert look(path.replace("metadata", "params"))(Facts({}, DATA, "")) is found


def test_the_nested_value_wins_over_the_name_with_dots():
    """Where both are there, the nested value counts."""
    assert look("metadata.a.b")(Facts(DATA, {}, "")) == DATA["a"]["b"]
    assert look("url.pathname")(Facts({}, {}, PATH)) == PATH


@pytest.mark.parametrize(
    ("query", "place", "words"),
    [
        ({"metdata.plan": 1}, ("metdata.plan",), "did you mean 'metadata.plan'?"),
        ({"param.model": 1}, ("param.model",), "did you mean 'params.model'?"),
        ({"url.path": 1}, ("url.path",), "did you mean 'url.pathname'?"),
        ({"headers.x": 1}, ("headers.x",), "'metadata.' or 'params.'"),
        ({"metadata": 1}, ("metadata",), "as in 'metadata.name'"),
        ({"metadata..a": 1}, ("metadata..a",), "as in 'metadata.name'"),
        ({"and": [{}]}, ("and",), "did you mean '$and'?"),
        ({"$nor": [{}]}, ("$nor",), "did you mean '$or'?"),
        ({"$AND": [{}]}, ("$AND",), "did you mean '$and'?"),
        ({"METADATA.plan": 1}, ("METADATA.plan",), "did you mean 'metadata.plan'?"),
        ({"Url.Pathname": 1}, ("Url.Pathname",), "did you mean 'url.pathname'?"),
        ({"metadata.a": {"$GTE": 1}}, ("metadata.a", "$GTE"), "did you mean '$gte'?"),
        ({"metadata.a": {"$gtE": 1}}, ("metadata.a", "$gtE"), "did you mean '$gte'?"),
        ({"$not": {}}, ("$not",), "not an operator that joins queries"),
        ({"$gt": 3}, ("$gt",), "stands under a path"),
        ({"$and": []}, ("$and",), "at least one query"),
        ({"$or": {"metadata.a": 1}}, ("$or",), "at least one query"),
        ({"$or": [{}, 3]}, ("$or", 1), "not an object"),
        (
            {"$or": [{}, {"$and": [{"metadata.a": {"$foo": 1}}]}]},
            ("$or", 1, "$and", 0, "metadata.a", "$foo"),
            "not an operator",
        ),
        (
            {"metadata.a": {"$greater": 1}},
            ("metadata.a", "$greater"),
            "($eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $regex)",
        ),
        ({"metadata.a": {"gt": 1}}, ("metadata.a", "gt"), "did you mean '$gt'?"),
        ({"metadata.a": {"$and": []}}, ("metadata.a", "$and"), "stands beside paths"),
        ({"metadata.a": {"$eq": 1, "plain": 1}}, ("metadata.a", "plain"), "plain name"),
        ({"metadata.a": {}}, ("metadata.a",), "empty"),
        ({"metadata.a": {"$in": "us"}}, ("metadata.a", "$in"), "a list"),
        ({"metadata.a": {"$nin": {}}}, ("metadata.a", "$nin"), "a list"),
        ({"metadata.a": {"$regex": "("}}, ("metadata.a", "$regex"), "not a valid pattern"),
        ({"metadata.a": {"$regex": "a{99999999999}"}}, ("metadata.a", "$regex"), "not a valid"),
        ({"metadata.a": {"$regex": 5}}, ("metadata.a", "$regex"), "a string"),
        ({"metadata.a": {"$gt": "abc"}}, ("metadata.a", "$gt"), "not a number"),
        ({"metadata.a": {"$lte": None}}, ("metadata.a", "$lte"), "not a number"),
    ],
)
def test_a_wrong_query_is_refused_at_its_place(query, place, words):
    """What is wrong is said at its own place, with the name that was probably meant."""
    problems = wrong(query)
    assert list(problems) == [place]
    assert words in problems[place]


@pytest.mark.parametrize("group", ["$adn", "or", "$OR"])
def test_what_stands_below_a_misspelt_group_is_found_too(group):
    """Every mistake at once."""
    query = {group: [{"metdata.a": 1}, {"metadata.a": {"$qe": 1}}]}
    places = [(group,), (group, 0, "metdata.a"), (group, 1, "metadata.a", "$qe")]
    assert list(wrong(query)) == places


def test_all_problems_are_found_in_one_go():
    """One reading finds every problem of a query."""
    query = {"a.b": {"$foo": 1, "$in": 3}, "$or": [{"c.d": 1}, {"metadata.x": {"$regex": "["}}]}
    assert list(wrong(query)) == [
        ("a.b",),
        ("a.b", "$foo"),
        ("a.b", "$in"),
        ("$or", 0, "c.d"),
        ("$or", 1, "metadata.x", "$regex"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"metdata.sk-hunter2": 1},
        {"metadata.a": {"$regex": "(?P=sk-hunter2)"}},
        {"metadata.a": {"sk-hunter2": 1, "$eq": 1}},
        {"sk-hunter2": 1},
        {"metadata.a": {"$in": "sk-hunter2"}},
    ],
)
def test_no_problem_gives_a_secret_away(query):
    """A message quotes nothing that may be a key."""
    assert not [text for text in wrong(query).values() if "hunter2" in text]


# --- compiled closures against a slow reading -----------------------------------------------------


def as_number(value):
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    if isinstance(value, str):
        found = re.match(r"[+-]?[0-9]+(\.[0-9]*)?", value.strip())
        return float(found.group()) if found else math.nan
    return value


def equal(one, other):
    if one is MISSING or other is MISSING:
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


SLOW = {
    "$eq": equal,
    "$ne": lambda value, operand: not equal(value, operand),
    "$gt": lambda value, operand: as_number(value) > as_number(operand),
    "$gte": lambda value, operand: as_number(value) >= as_number(operand),
    "$lt": lambda value, operand: as_number(value) < as_number(operand),
    "$lte": lambda value, operand: as_number(value) <= as_number(operand),
    "$in": lambda value, operand: any(equal(value, each) for each in operand),
    "$nin": lambda value, operand: not any(equal(value, each) for each in operand),
    "$regex": lambda value, operand: (
        isinstance(value, str) and re.search(operand, value) is not None
    ),
}


def read_slowly(query, metadata):
    verdicts = []
    for key, value in query.items():
        if key == "$and":
            verdicts.append(all(read_slowly(each, metadata) for each in value))
        elif key == "$or":
            verdicts.append(any(read_slowly(each, metadata) for each in value))
        else:
            found = metadata.get(key.partition(".")[2], MISSING)
            operators = value if isinstance(value, dict) else {"$eq": value}
            verdicts += [SLOW[name](found, operand) for name, operand in operators.items()]
    return all(verdicts)


scalars = st.sampled_from(["", "a", "ab", "b", "1", "2x", 0, 1, 1.0, 2, -3, True, False, None])
values = scalars | st.lists(scalars, max_size=2)
numbers = st.sampled_from([0, 1, 2.5, -1, "1", "2 px"])
operators = st.fixed_dictionaries(
    {},
    optional={
        "$eq": values,
        "$ne": values,
        "$gt": numbers,
        "$gte": numbers,
        "$lt": numbers,
        "$lte": numbers,
        "$in": st.lists(values, max_size=3),
        "$nin": st.lists(values, max_size=3),
    },
).filter(bool) | st.just({"$regex": "^a|b$"})
paths = st.sampled_from(["metadata.x", "metadata.y", "metadata.z"])
rows = st.dictionaries(paths, values | operators, max_size=3)


def joined(inner):
    groups = st.lists(inner, min_size=1, max_size=3)
    return st.builds(
        lambda row, group: {**row, **group},
        rows,
        st.fixed_dictionaries({}, optional={"$and": groups, "$or": groups}),
    )


queries = st.recursive(rows, joined, max_leaves=6)
# The pattern holds for the text of no number, bool or null, which the slow reading leaves out.
metadatas = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)


@settings(max_examples=300)
@given(queries, metadatas)
def test_compiled_queries_agree_with_a_slow_reading(query, metadata):
    """The closures decide as a plain reading of the rules does."""
    facts = Facts(metadata, {}, PATH)
    compiled = compile_query(query)
    assert compiled.matches(facts) is read_slowly(query, metadata)
    why = compiled.why(facts)
    assert why
    assert len(why.splitlines()) == 1


names = st.sampled_from(
    ["metadata.x", "params.y.0", "url.pathname", "$and", "$or", "$in", "$regex", "$gt", "x", ""]
) | st.text(max_size=4)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)


@settings(max_examples=300)
@given(st.dictionaries(names, anything, max_size=4), st.dictionaries(st.text(max_size=3), anything))
def test_any_object_is_taken_or_refused_and_asking_never_raises(query, data):
    """Whatever is written is compiled or refused; what is compiled can be asked about anything."""
    try:
        compiled = compile_query(query)
    except WrongQuery:
        return
    facts = Facts(data, {"x": data, **data}, PATH)
    assert isinstance(compiled.matches(facts), bool)
    assert isinstance(compiled.why(facts), str)


# --- explanations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "an empty query holds for every call"),
        ({"metadata.plan": "pro"}, "metadata.plan is 'free': $eq 'pro' does not hold"),
        ({"metadata.plan": "free", "metadata.n": 3}, "metadata.n is 2: $eq 3 does not hold"),
        ({"metadata.plan": {"$in": ["free"]}}, "metadata.plan is 'free': $in a list holds"),
        ({"metadata.zz": {"$ne": None}}, "metadata.zz is missing: $ne null holds"),
        ({"params.stream": True}, "params.stream is true: $eq true holds"),
        (
            {"metadata.plan": "free", "metadata.n": 2},
            "metadata.plan is 'free': $eq 'free' holds, and metadata.n is 2: $eq 2 holds",
        ),
        (
            {"$or": [{"metadata.n": 1}, {"metadata.n": 2}]},
            "metadata.n is 2: $eq 2 holds",
        ),
        (
            {"$or": [{"metadata.n": 1}, {"metadata.n": 3}]},
            "none of 2 alternatives holds; the last: metadata.n is 2: $eq 3 does not hold",
        ),
    ],
)
def test_why_names_the_row_that_decided(query, text):
    """An explanation names the deciding row, its value and what it was compared with."""
    facts = Facts({"plan": "free", "n": 2}, {"stream": True}, PATH)
    assert compile_query(query).why(facts) == text


SECRET = "hunter2"
SAID = {
    "messages": [{"role": "user", "content": SECRET}],
    "prompt": SECRET,
    "input": [SECRET, 7391],
    "instructions": SECRET,
    "tools": [{"description": SECRET}],
    "user": SECRET * 9,
    "my_token": SECRET,
    "key": f"sk-{SECRET}",
}


@pytest.mark.parametrize(
    "path",
    [
        "messages.0.content", "messages", "prompt", "input.0", "input.1", "instructions",
        "tools.0.description", "user", "my_token", "key",
    ],
)  # fmt: skip
def test_why_repeats_nothing_that_was_said_and_no_secret(path):
    """Texts of the conversation, long texts and secrets are hidden in an explanation."""
    why = compile_query({f"params.{path}": {"$ne": "x"}}).why(Facts({}, SAID, PATH))
    assert SECRET not in why
    assert "7391" not in why
    why = compile_query({"metadata.m": {"$ne": "x"}}).why(Facts({"m": SECRET * 9}, {}, PATH))
    assert SECRET not in why


# --- spelling -------------------------------------------------------------------------------------


@given(st.text("abc", min_size=1, max_size=6), st.data())
def test_one_slip_sees_every_single_mistake(name, data):
    """A letter too many, too few, wrong or swapped is one slip, whichever way one looks."""
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abcx"))
    slips = [
        name[:at] + name[at + 1 :],
        name[:at] + letter + name[at:],
        name[:at] + letter + name[at + 1 :],
        name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
    ]
    assert all(one_slip(name, slip) and one_slip(slip, name) for slip in slips)


@pytest.mark.parametrize(("one", "other"), [("abcd", "badc"), ("a", "bcd"), ("abc", "cab")])
def test_two_slips_are_not_one(one, other):
    """What takes two corrections is no single slip."""
    assert not one_slip(one, other)


def test_nearest_prefers_a_slip_and_knows_when_to_be_silent():
    """A name one slip away is found however short; a name unlike all others is not guessed."""
    assert nearest("di", ["id", "deny"]) == "id"
    assert nearest("request_timout_ms", ["request_timeout", "retry"]) == "request_timeout"
    assert nearest("zzz", ["id", "deny"]) is None


def test_a_number_of_thousands_of_digits_matches_no_pattern():
    """An integer that Python would not spell out is no error, and no match."""
    assert not holds({"metadata.x": {"$regex": "."}}, {"x": 10**9999})
