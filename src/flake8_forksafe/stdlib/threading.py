"""`threading`: the parameters of its constructors, in order.

Source: https://docs.python.org/3/library/threading.html.
"""

from __future__ import annotations

THREAD_POSITIONS = ("group", "target", "name", "args", "kwargs")
TIMER_POSITIONS = ("interval", "function", "args", "kwargs")
