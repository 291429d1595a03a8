"""The guardrail checks that come with the library, and the way to a user's own.

Ground rules: a check gives the verdict the open Portkey gateway gives for the same parameters. Its
parameters are looked at when a config is compiled, and everything wrong with them is said then. Its
`data` holds counts and what the config names, never a text of the call. Adding a check is one row
in `table` and one function.
"""

from portkey_local.checks.parameters import WrongCheck
from portkey_local.checks.preparing import known, prepare

__all__ = ["WrongCheck", "known", "prepare"]
