"""What counts as taking care of a pipe or a child: the terms of the rule catalogue as predicates over events."""

from __future__ import annotations

from flake8_forksafe.model.events import Event, EventKind, ReadStyle
from flake8_forksafe.model.flow import Predicate

_REAPING = frozenset({EventKind.WAIT, EventKind.COMMUNICATE, EventKind.POLL, EventKind.LEAVE, EventKind.REAP})
_TO_END = frozenset({ReadStyle.TO_END, ReadStyle.ITERATION})


def cares_for(stream: str, *, by_itself: bool = False) -> Predicate:
    """Whether an event sees to it that `stream` cannot fill up: drained, closed, handed over, or out of sight.

    With `by_itself`, only what does so while the caller goes on: closing, handing over, a reader of its own.
    """

    def cares(event: Event) -> bool:
        match event.kind:
            case EventKind.ESCAPE | EventKind.LEAVE | EventKind.CREATE:
                return True
            case EventKind.COMMUNICATE:
                return not by_itself or event.concurrent
            case EventKind.DRAIN:
                return event.stream == stream and (not by_itself or event.concurrent)
            case EventKind.CLOSE | EventKind.HAND_OVER:
                return event.stream == stream
            case EventKind.READ:
                return event.stream == stream and event.concurrent
            case _:
                return False

    return cares


def looks_after(stream: str) -> Predicate:
    """Whether an event shows that somebody reads `stream` at all, or may do so out of sight."""
    return lambda e: (
        (e.kind is not EventKind.CREATE and cares_for(stream)(e))
        or reads_from(stream)(e)
        or (e.kind is EventKind.LEND and e.stream in ("", stream))
    )


def lends(stream: str) -> Predicate:
    """Whether a context manager gives `stream` itself to the body of the `with`, whose business it is to read it."""
    return lambda e: e.kind is EventKind.LEND and e.stream == stream


def ends(event: Event) -> bool:
    """Whether the child is signalled or known to have ended: what is left in its pipes no longer matters."""
    sent = event.kind is EventKind.SIGNAL or (event.kind is EventKind.TELL and event.signal is not None)
    return event.kind is EventKind.ENDED or (sent and not event.concurrent)


def waits(event: Event) -> bool:
    """Whether the caller blocks here until the child has ended."""
    return event.kind is EventKind.WAIT and not event.concurrent


def waits_for_ever(event: Event) -> bool:
    """Whether the caller blocks until the child has ended, with no limit of time."""
    return waits(event) and not event.timed


def reads(stream: str) -> Predicate:
    """Whether an event is a blocking read of `stream` in this thread."""

    def is_read(event: Event) -> bool:
        return event.kind is EventKind.READ and event.stream == stream and not event.concurrent and not event.timed

    return is_read


def reads_from(stream: str, *, partly: bool = False) -> Predicate:
    """Whether an event reads `stream`; with `partly`, only reads that come back before its end."""
    return lambda e: e.kind is EventKind.READ and e.stream == stream and not (partly and e.style in _TO_END)


def reads_to_end(event: Event) -> bool:
    """Whether the caller blocks until a stream's end."""
    return event.kind is EventKind.READ and not event.concurrent and event.style in _TO_END


def reads_all_at_once(stream: str) -> Predicate:
    """Whether an event is one call that returns at the end of `stream`: `read()`, `readlines()`."""
    return lambda e: reads_to_end(e) and e.stream == stream and e.style is ReadStyle.TO_END


def writes(stream: str, *, large: bool = False) -> Predicate:
    """Whether an event writes to `stream`; with `large`, more than certainly fits the pipe."""
    return lambda e: e.kind is EventKind.WRITE and e.stream == stream and not e.concurrent and not (large and e.small)


def finishes(event: Event) -> bool:
    """Whether the caller blocks until the child has ended or said all it has to say."""
    return waits(event) or reads_to_end(event) or (event.kind is EventKind.COMMUNICATE and not event.concurrent)


def reaps(event: Event) -> bool:
    """Whether the child's status is collected."""
    return event.kind in _REAPING


def either(*predicates: Predicate) -> Predicate:
    """Whether any of `predicates` holds."""
    return lambda event: any(p(event) for p in predicates)
