"""Questions about the two ends of an `os.pipe()`: who reads it while a write end that nobody needs is open."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.events import Event, EventKind, ReadStyle
from flake8_forksafe.model.flow import Predicate, Query
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import (
    Descriptor,
    External,
    Handle,
    Method,
    Resource,
    ResourceKind,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import FORKS
from flake8_forksafe.stdlib.descriptors import EXECS, USING, WAITING_FOR_READY
from flake8_forksafe.stdlib.multiprocessing import StartMethod
from flake8_forksafe.stdlib.subprocess import SPAWNERS, Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_FORKS: frozenset[Value] = frozenset(External(name) for name in FORKS)
_EXECS: frozenset[Value] = frozenset(External(name) for name in EXECS)
_WHOLE = frozenset({ReadStyle.TO_END, ReadStyle.ITERATION, ReadStyle.BY_CALLEE})


@dataclass(frozen=True, slots=True, eq=False)
class OpenEnd:
    """An `os.pipe()` that is read at `read` while a needless write end is open.

    `name` is what the program calls the write end. `holder` is the fork or the process start whose child has a copy;
    `own` tells that the reading process itself has the needless one.
    """

    made: Event
    name: str
    read: Event
    holder: Event
    own: bool

    @property
    def places(self) -> tuple[Related, ...]:
        """Where the pipe is read, and where a child gets the write end."""
        return (
            Related(Span.of(self.read.site), "the pipe is read here"),
            Related(Span.of(self.holder.site), "a child gets the write end here"),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """The two ends of one pipe, with the event that makes them."""

    made: Event
    read: Descriptor
    write: Descriptor

    @property
    def both(self) -> frozenset[Value]:
        return frozenset({self.read, self.write})


class PipeEnds:
    """The `os.pipe()` ends of one module."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    def left_open(self) -> Iterator[OpenEnd]:
        """Every pipe that is read while a write end nobody needs is open; once per pipe."""
        for made in self._model.flow.of_kind(EventKind.CREATE):
            if not isinstance(made.subject, Descriptor) or made.subject.end != "both":
                continue
            site = made.subject.site
            ends = _Ends(made, Descriptor(site, "read"), Descriptor(site, "write"))
            if self._reads(ends) and not self._read_when_ready(ends) and self._model.context.can_happen(made):
                found = self._own_copy(ends) or self._strangers_copy(ends)
                if found is not None:
                    yield found

    # -- the reader's own copy ---------------------------------------------------------------------------------------

    def _own_copy(self, ends: _Ends) -> OpenEnd | None:
        """A read by a process whose own write end is open, although another process is the one that writes."""
        heirs = self._heirs(ends)
        sharing = [*self._shares(ends), *heirs]
        if not sharing:
            return None
        flow, context = self._model.flow, self._model.context
        query = self._query(ends, self._is_read(ends), self._lets_go(ends))
        hits = list(flow.onward(ends.made, query))
        for root in self._roots(ends):
            if context.runs_in_child(root):
                if any(
                    isinstance(h.subject, Handle) and root in self._model.children.entries(h.subject) for h in heirs
                ):
                    hits.extend(flow.from_entry(root, query).hits)
            elif not self._let_go_elsewhere(root, ends):
                hits.extend(flow.from_entry(root, query).hits)
        return self._finding(ends, hits, sharing[0], own=True)

    def _shares(self, ends: _Ends) -> list[Event]:
        """Where the write end is given to a child on purpose: as a stream, in `pass_fds`, as an argument."""
        return [e for e in self._model.flow.events(ends.write, EventKind.ESCAPE) if self._is_given_to_child(e)]

    def _is_given_to_child(self, event: Event) -> bool:
        call = event.site
        if not isinstance(call, ast.Call):
            return False
        for value in in_order(self._model.evaluator.eval(call, event.function, event.step)):
            if isinstance(value, Handle) and value.origin is call:
                return value.family is not Family.MULTIPROCESSING or self._is_forked(value)
        return any(isinstance(v, External) and v.name in SPAWNERS for v in self._callees(call, event))

    def _lets_go(self, ends: _Ends) -> Predicate:
        """Whether an event shows that the process closes or needs its write end, or that somebody may close it."""

        def lets_go(event: Event) -> bool:
            if event.concurrent and self._model.context.runs_in_child(event.function):
                return False
            if event.subject == ends.read:
                return event.kind is EventKind.CLOSE
            if event.subject == ends.write:
                return event.kind in (EventKind.CLOSE, EventKind.WRITE) or self._is_lost(event)
            return False

        return lets_go

    def _let_go_elsewhere(self, root: Function, ends: _Ends) -> bool:
        """Whether any other function of the same process closes, uses or gives away the write end, at some time."""
        inside, lets_go = self._model.flow.reachable(root), self._lets_go(ends)
        return any(
            e.function not in inside and not self._model.context.in_child(e) and lets_go(e)
            for e in self._model.flow.events(ends.write)
        )

    # -- somebody else's copy ----------------------------------------------------------------------------------------

    def _strangers_copy(self, ends: _Ends) -> OpenEnd | None:
        """A read that waits for a child which has inherited the write end and has no business with the pipe."""
        flow = self._model.flow
        written_here = any(not self._model.context.in_child(e) for e in flow.events(ends.write, EventKind.WRITE))
        is_read = self._is_read(ends)
        target: Predicate = lambda e: is_read(e) and (not written_here or e.style in _WHOLE)  # noqa: E731
        query = self._query(ends, target, lambda e: e.subject == ends.read and e.kind is EventKind.CLOSE)
        for heir in self._heirs(ends):
            if self._has_no_use(heir, ends):
                hits = flow.onward(heir, query)
                for root in self._roots(ends):
                    if not self._model.context.runs_in_child(root) and heir.function not in flow.called(root):
                        hits.extend(flow.from_entry(root, query).hits)
                found = self._finding(ends, hits, heir, own=False)
                if found is not None:
                    return found
        return None

    def _has_no_use(self, heir: Event, ends: _Ends) -> bool:
        """Whether the code that a child runs is in sight and never touches the pipe."""
        flow = self._model.flow
        if isinstance(heir.subject, Handle):
            return self._target_has_no_use(heir.subject, ends)
        touched: Predicate = lambda _event: True  # noqa: E731
        never: Predicate = lambda _event: False  # noqa: E731
        query = Query(ends.write, touched, never, exceptions=True, also=ends.both | _EXECS)
        outcomes = [flow.from_step(heir.function, b, query) for b in self._model.context.child_branches(heir)]
        if any(o.completes for o in outcomes) and heir.function is not ends.made.function:
            # The child returns from the function that forks: what the callers do next, it does too.
            outcomes += [flow.after(call, query) for call in flow.callers.get(heir.function, ())]
        return bool(outcomes) and not any(o.hits for o in outcomes)

    def _target_has_no_use(self, handle: Handle, ends: _Ends) -> bool:
        flow = self._model.flow
        entries = self._model.children.entries(handle)
        inside = {f for entry in entries for f in flow.reachable(entry)}
        touched = any(
            e.function in inside or e.site is handle.site for end in (ends.read, ends.write) for e in flow.events(end)
        )
        in_sight = bool(entries) or (self._is_local(ends) and self._model.children.class_of(handle) is None)
        return in_sight and not touched

    @staticmethod
    def _is_local(ends: _Ends) -> bool:
        """Whether the ends are plain local names, out of reach of other functions unless given to them."""
        match ends.made.step.item:
            case ast.Assign(targets=[ast.Tuple(elts=names) | ast.List(elts=names)]):
                return not ends.made.function.is_module and all(isinstance(n, ast.Name) for n in names)
            case ast.Assign(targets=[ast.Name()]):
                return not ends.made.function.is_module
            case _:
                return False

    # -- who inherits ------------------------------------------------------------------------------------------------

    def _heirs(self, ends: _Ends) -> list[Event]:
        """The forks, and the starts of fork-started processes, that happen while the write end is open."""
        flow = self._model.flow
        handles = frozenset(h for h in self._model.handles if h.family is Family.MULTIPROCESSING and self._is_forked(h))
        if not handles and not flow.of_kind(EventKind.FORK):
            return []

        def forks(event: Event) -> bool:
            return event.kind is EventKind.FORK or (event.kind is EventKind.START and event.subject in handles)

        def closes(event: Event) -> bool:
            elsewhere = event.concurrent and self._model.context.runs_in_child(event.function)
            return event.subject == ends.write and event.kind is EventKind.CLOSE and not elsewhere

        query = Query(ends.write, forks, closes, beyond=True, also=ends.both | _FORKS | handles)
        hits = list(flow.onward(ends.made, query))
        for root in self._roots(ends):
            makes_it = ends.made.function in flow.called(root)  # what it does before has no pipe to inherit
            if not makes_it and not self._model.context.runs_in_child(root):
                hits.extend(flow.from_entry(root, query).hits)
        return sorted(dict.fromkeys(hits), key=_place)

    def _is_forked(self, handle: Handle) -> bool:
        """Whether a multiprocessing child is made by fork: asked for, or the default of the target version."""
        return handle.site in self._forked_sites

    @cached_property
    def _forked_sites(self) -> frozenset[ast.AST]:
        return frozenset(p.subject.site for p in self._model.threads.processes if p.method is StartMethod.FORK)

    # -- reads -------------------------------------------------------------------------------------------------------

    def _reads(self, ends: _Ends) -> list[Event]:
        return self._model.flow.events(ends.read, EventKind.READ)

    @staticmethod
    def _is_read(ends: _Ends) -> Predicate:
        return lambda e: e.subject == ends.read and e.kind is EventKind.READ and not e.concurrent

    def _read_when_ready(self, ends: _Ends) -> bool:
        """Whether the read end is non-blocking, or somebody asks first whether there is something to read."""
        if any("O_NONBLOCK" in ast.unparse(a) for a in ends.read.site.args):
            return True
        for event in self._model.flow.events(ends.read, EventKind.ESCAPE):
            if not isinstance(event.site, ast.Call):
                continue
            for callee in self._callees(event.site, event):
                match callee:
                    case External(name) if name in WAITING_FOR_READY or name in {"os.set_blocking", "fcntl.fcntl"}:
                        return True
                    case Method(receiver=Resource(kind=ResourceKind.SELECTOR | ResourceKind.LOOP)):
                        return True
                    case _:
                        continue
        return False

    # -- shared ------------------------------------------------------------------------------------------------------

    def _query(self, ends: _Ends, target: Predicate, barrier: Predicate) -> Query:
        return Query(ends.write, target, barrier, also=ends.both)

    def _roots(self, ends: _Ends) -> list[Function]:
        """The functions that see the pipe and that neither its maker nor another one of them calls."""
        flow = self._model.flow
        own = flow.called(ends.made.function)
        roots = dict.fromkeys((*flow.roots(ends.read), *flow.roots(ends.write)))
        return [root for root in roots if root not in own]

    def _callees(self, call: ast.Call, event: Event) -> Values:
        return self._model.evaluator.eval(call.func, event.function, event.step)

    def _is_lost(self, event: Event) -> bool:
        """Whether the write end is given to code that may close it or need it: neither a child nor a plain use."""
        if event.kind is not EventKind.ESCAPE or self._is_given_to_child(event):
            return False
        if not isinstance(event.site, ast.Call):
            return True
        made = self._model.evaluator.eval(event.site, event.function, event.step)
        if any(isinstance(v, Handle) and v.origin is event.site for v in made):
            return False
        return not any(isinstance(c, External) and c.name in USING for c in self._callees(event.site, event))

    def _finding(self, ends: _Ends, reads: list[Event], holder: Event, *, own: bool) -> OpenEnd | None:
        read = min(reads, key=_place, default=None)
        return OpenEnd(ends.made, self._name(ends), read, holder, own) if read is not None else None

    def _name(self, ends: _Ends) -> str:
        match ends.made.step.item:
            case ast.Assign(targets=[ast.Tuple(elts=[_, write]) | ast.List(elts=[_, write])]):
                return self._model.text(write)
            case ast.Assign(targets=[ast.Name() | ast.Attribute() as pair]):
                return f"{self._model.text(pair)}[1]"
            case _:
                return "the write end"


def _place(event: Event) -> tuple[int, int]:
    return (event.site.lineno, event.site.col_offset)
