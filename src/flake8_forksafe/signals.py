"""SIGTERM ends a run as an exception does, so that no temporary file stays behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Exit at SIGTERM by way of every `finally` on the stack; does nothing outside of the main thread."""
    try:
        before = signal.signal(signal.SIGTERM, exit_at_signal)
    except ValueError:  # another thread than the main one may not do that
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the few milliseconds of a write are over.

    A signal that came between the making of the temporary file and the `try` around it would leave the file behind.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_at_signal(number: int, _frame: object) -> None:
    """Raise the exit with the status that shells give to a process that a signal ended."""
    sys.exit(128 + number)
