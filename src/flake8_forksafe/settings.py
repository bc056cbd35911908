"""The frozen options that one run of the analysis obeys."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

Version = tuple[int, int]


class Settings:
    """What the user can set and the analysis must know.

    Arguments:
        target_version: the oldest Python the code must run on, as `(major, minor)`, or what finds it out: few rules
            ask, and it takes the parsers of TOML and of version specifiers. Below `(3, 14)` the default start method
            of multiprocessing on Linux is fork
            (https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods).
        thread_starters: dotted names of further callables whose call starts a thread.
        process_factories: dotted names of further callables that return a `subprocess.Popen`-like handle.
        grace_period: seconds that written code leaves a child between SIGTERM and SIGKILL.
        with_fixes: whether findings are to hold their fixes.
    """

    def __init__(
        self,
        target_version: Version | Callable[[], Version],
        thread_starters: frozenset[str] = frozenset(),
        process_factories: frozenset[str] = frozenset(),
        grace_period: float = 5.0,
        *,
        with_fixes: bool = True,
    ) -> None:
        self._target_version = target_version
        self.thread_starters = thread_starters
        self.process_factories = process_factories
        self.grace_period = grace_period
        self.with_fixes = with_fixes

    @cached_property
    def target_version(self) -> Version:
        """The oldest Python the code must run on."""
        return self._target_version if isinstance(self._target_version, tuple) else self._target_version()
