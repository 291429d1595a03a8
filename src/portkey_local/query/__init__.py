"""The queries of conditional routing: which calls a condition means.

Ground rules: a query is read once, when its config is loaded, and everything wrong with it is said
then; what remains are closures, because a query is asked on every call. Keys and operators are all
ANDed, `$and` and `$or` included.
"""

from portkey_local.query.facts import MISSING, PATHNAME, Facts, Look, WrongQuery, facts_of, look
from portkey_local.query.reading import Query, compile_query
from portkey_local.query.spelling import alike, nearest, one_slip

__all__ = [
    "MISSING",
    "PATHNAME",
    "Facts",
    "Look",
    "Query",
    "WrongQuery",
    "alike",
    "compile_query",
    "facts_of",
    "look",
    "nearest",
    "one_slip",
]
