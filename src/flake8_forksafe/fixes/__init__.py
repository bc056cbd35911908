"""How fixes are worded: each module builds the edits of one kind of repair from what the model knows. No libcst.

A module is imported when a rule first has a finding that it may repair: most runs have none. Where nobody will look at
fixes, as in a run of flake8, none is imported, and there are no fixes. So each function takes the model of the module
that is checked as its first argument.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flake8_forksafe.fix import Fix
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
    from flake8_forksafe.model.module import ModuleModel

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


class _Module:
    """Stands for one module of this package until a function of it is called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, function: str) -> partial[Fix | None]:
        return partial(_worded, self._name, function)


def _worded(name: str, function: str, model: ModuleModel, *args: object) -> Fix | None:
    """Return what a function of the module `name` makes of its arguments, if the fixes of `model` are asked for."""
    if not model.settings.with_fixes:
        return None
    fix: Fix | None = getattr(importlib.import_module(f"{__name__}.{name}"), function)(model, *args)
    return fix


def __getattr__(name: str) -> _Module:
    """Return what stands for a module of this package (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _Module(name)
