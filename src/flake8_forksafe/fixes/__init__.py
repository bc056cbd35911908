"""How fixes are worded: each module builds the edits of one kind of repair from what the model knows. No libcst.

A module is imported when a rule first has a finding that it may repair: most runs have none.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flake8_forksafe.fixes import (
        communicate,
        descriptors,
        ending,
        forked_children,
        main_guard,
        preexec,
        queues,
        sentinels,
        sessions,
        start_methods,
        statuses,
        stdin,
        streams,
        timer_loops,
        timers,
        unread,
    )

__all__ = (
    "communicate",
    "descriptors",
    "ending",
    "forked_children",
    "main_guard",
    "preexec",
    "queues",
    "sentinels",
    "sessions",
    "start_methods",
    "statuses",
    "stdin",
    "streams",
    "timer_loops",
    "timers",
    "unread",
)


def __getattr__(name: str) -> ModuleType:
    """Import a module of this package when it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
