"""The frozen options that one run of the analysis obeys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user can set and the analysis must know.

    Arguments:
        target_version: the oldest Python the code must run on, as `(major, minor)`; below `(3, 14)` the default
            start method of multiprocessing on Linux is fork
            (https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods).
        thread_starters: dotted names of further callables whose call starts a thread.
        process_factories: dotted names of further callables that return a `subprocess.Popen`-like handle.
        grace_period: seconds that written code leaves a child between SIGTERM and SIGKILL.
    """

    target_version: tuple[int, int]
    thread_starters: frozenset[str] = frozenset()
    process_factories: frozenset[str] = frozenset()
    grace_period: float = 5.0
