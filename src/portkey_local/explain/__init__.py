"""What a router would do with a call, without making it.

Ground rules: nothing is sent, no lot is drawn, no state changes: circuits and sessions are only
read. What is said of a request names its model and its metadata, never its text.
"""

from portkey_local.explain.reading import explain
from portkey_local.explain.words import Explanation, Order, Step

__all__ = ["Explanation", "Order", "Step", "explain"]
