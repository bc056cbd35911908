"""Questions about multiprocessing queues: what a child puts on them, and when the parent gets it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.care import waits
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import Handle, Resource, ResourceKind
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


@dataclass(frozen=True, slots=True, eq=False)
class EarlyJoin:
    """A join of a child that puts on a queue, with the first `get` from that queue behind it."""

    join: Event
    put: Event
    get: Event

    @property
    def places(self) -> tuple[Related, ...]:
        """Where the child puts, and where the parent gets."""
        return (
            Related(Span.of(self.put.site), "the child puts on the queue here"),
            Related(Span.of(self.get.site), "the queue is read only here"),
        )


class Queues:
    """The queues between one module's processes."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    def early_joins(self, handle: Handle) -> Iterator[EarlyJoin]:
        """The joins of `handle` at which nobody has begun to take what its child puts on a queue."""
        if handle.family is not Family.MULTIPROCESSING:
            return
        seen: set[Event] = set()
        for put in self._puts(handle):
            queue = put.subject
            gets = self._model.flow.events(queue, EventKind.GET)
            query = self._model.query(handle, waits, _ends)
            for join in self._model.exposed(query) if gets else ():
                get = self._first_get_after(join, put)
                if get is not None and join not in seen and not self._is_drained_before(join, gets, put):
                    seen.add(join)
                    yield EarlyJoin(join, put, get)

    def _puts(self, handle: Handle) -> list[Event]:
        """The first place for each queue at which the child of `handle` puts something on it."""
        flow = self._model.flow
        inside = {f for entry in self._model.children.entries(handle) for f in flow.reachable(entry)}
        first: dict[Resource, Event] = {}
        for event in flow.of_kind(EventKind.PUT):
            if (
                event.function in inside
                and isinstance(event.subject, Resource)
                and event.subject.kind is ResourceKind.QUEUE
            ):
                first.setdefault(event.subject, event)
        return list(first.values())

    def _first_get_after(self, join: Event, put: Event) -> Event | None:
        query = self._model.query(put.subject, _gets, _never)
        return min(self._model.flow.onward(join, query), key=_line, default=None)

    def _is_drained_before(self, join: Event, gets: list[Event], put: Event) -> bool:
        """Whether some `get` may come before the join, or at any time: in a thread, a process, another method."""
        in_turn = self._called_with(join.function)
        if any(get.function not in in_turn for get in gets):
            return True
        query = self._model.query(join.subject, lambda e: e.site is join.site and waits(e), _creates)
        query.also = frozenset({put.subject})
        # What one round of a loop over the children takes is not what the next child puts.
        by_turns = replace(query, one_element=True, inside={})
        rounds = set(join.step.loops)
        onward = self._model.flow.onward
        return any(onward(get, query if rounds.isdisjoint(get.step.loops) else by_turns) for get in gets)

    def _called_with(self, function: Function) -> set[Function]:
        """The functions that run in turn with `function`: its callers, and all that they call."""
        flow = self._model.flow
        roots, work = {function}, [function]
        while work:
            for call in flow.callers.get(work.pop(), ()):
                if call.function not in roots:
                    roots.add(call.function)
                    work.append(call.function)
        return {called for root in roots for called in flow.called(root)}


def _gets(event: Event) -> bool:
    return event.kind is EventKind.GET and not event.concurrent


def _never(_event: Event) -> bool:
    return False


def _ends(event: Event) -> bool:
    """Whether the child is signalled or known to have ended, so that a join comes back."""
    return event.kind in (EventKind.SIGNAL, EventKind.ENDED)


def _creates(event: Event) -> bool:
    """Whether the queue or the child is made anew: what came before concerns another one."""
    return event.kind is EventKind.CREATE


def _line(event: Event) -> tuple[int, int]:
    return (event.site.lineno, event.site.col_offset)
