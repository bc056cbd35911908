"""Which locks are held while a process forks, and whether the child comes to wait for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.cfg import Node, NodeKind, in_evaluation_order
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.flow import Query
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import (
    ClassReference,
    Constant,
    External,
    FunctionReference,
    Handle,
    Instance,
    Parameter,
    Partial,
    Resource,
    ResourceKind,
    Unknown,
    Value,
    Values,
)
from flake8_forksafe.stdlib import multiprocessing as mp
from flake8_forksafe.stdlib.calls import INSPECTING

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

Place = ast.expr | ast.stmt | ast.excepthandler
_KINDS = frozenset({ResourceKind.LOCK, ResourceKind.PROCESS_LOCK})
_SEMAPHORES = frozenset(
    f"{module}.{name}" for module in ("threading", "multiprocessing") for name in ("Semaphore", "BoundedSemaphore")
)


@dataclass(frozen=True, slots=True, eq=False)
class LockedFork:
    """A fork that happens while this thread holds a lock that the child waits for.

    Attributes:
        fork: the fork, the start of the process, or the call of Popen.
        lock: how the program calls the lock.
        acquired: where it was acquired.
        wanted: where the child acquires it, or the call out of sight that may do so.
    """

    fork: Event
    lock: str
    acquired: Event
    wanted: Place

    @property
    def places(self) -> tuple[Related, Related]:
        """The places that a report rests on."""
        return (
            Related(Span.of(self.acquired.site), "the lock is acquired here"),
            Related(Span.of(self.wanted), "the child waits for it here"),
        )


class Locks:
    """The locks of one module, as far as forks are concerned."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    @cached_property
    def locked_forks(self) -> list[LockedFork]:
        """Every fork under a lock that the child may wait for, once for each fork."""
        if self._repairs_after_fork():
            return []
        found: dict[ast.AST, LockedFork] = {}
        for acquired in self._model.flow.of_kind(EventKind.ACQUIRE):
            lock = acquired.subject
            if not isinstance(lock, Resource) or not self._excludes_child(lock):
                continue
            held = self._held(acquired)
            for fork in held:
                if fork.site not in found and (wanted := self._wanted(fork, lock, held)) is not None:
                    found[fork.site] = LockedFork(fork, self._name(acquired), acquired, wanted)
        return sorted(found.values(), key=lambda f: (f.fork.site.lineno, f.fork.site.col_offset))

    # -- the lock ----------------------------------------------------------------------------------------------------

    def _excludes_child(self, lock: Resource) -> bool:
        """Whether a child that was forked while the lock was held cannot get it: no RLock, no counting semaphore."""
        if lock.kind not in _KINDS:
            return False
        if lock.name not in _SEMAPHORES or not isinstance(lock.site, ast.Call):
            return True
        given = [*lock.site.args, *(k.value for k in lock.site.keywords if k.arg == "value")]
        home = self._model.scopes.home[lock.site]
        return not given or self._model.evaluator.eval(given[0], home, None) == frozenset({Constant(1)})

    def _repairs_after_fork(self) -> bool:
        """Whether the module has `os.register_at_fork` make its locks anew in the child."""
        return any(
            e.call is not None and any(k.arg in ("after_in_child", None) for k in e.call.keywords)
            for e in self._model.flow.of_kind(EventKind.EXTERNAL)
            if e.subject == External("os.register_at_fork")
        )

    def _name(self, acquired: Event) -> str:
        match acquired.site:
            case ast.Call(func=ast.Attribute(value=receiver, attr="acquire")):
                return self._model.text(receiver)
            case site:
                return self._model.text(site)

    # -- how long it is held -----------------------------------------------------------------------------------------

    def _held(self, acquired: Event) -> list[Event]:
        """What happens between an acquisition and the release of the lock, in called functions of the module too."""
        found: dict[Event, None] = {}
        events = self._model.flow.by_step.get(acquired.step, [])
        index = next((i for i, e in enumerate(events) if e is acquired), -1) + 1
        self._collect(acquired.step, index, acquired, found, {acquired.function})
        return list(found)

    def _collect(
        self, start: Node, index: int, acquired: Event, found: dict[Event, None], inside: set[Function]
    ) -> None:
        """Add the events from `start` on to `found`, as far as the lock is surely still held."""
        flow = self._model.flow
        seen: set[Node] = {start}
        work = [(start, index)]
        while work:
            node, first = work.pop()
            if self._failed(node, acquired) or not self._run(node, first, acquired, found, inside):
                continue
            for onward in node.successors:
                if onward not in seen and not (onward.kind is NodeKind.ASSUME and not flow.feasible(onward)):
                    seen.add(onward)
                    work.append((onward, 0))

    @staticmethod
    def _failed(node: Node, acquired: Event) -> bool:
        """Whether the lock was not acquired on this branch: `if not lock.acquire(timeout=1)`."""
        return node.kind is NodeKind.ASSUME and node.item is acquired.site and not node.truth

    def _run(self, node: Node, first: int, acquired: Event, found: dict[Event, None], inside: set[Function]) -> bool:
        """Add one step's events. Return whether the lock is still held behind it."""
        for event in self._model.flow.by_step.get(node, ())[first:]:
            if event.subject == acquired.subject and event.kind in (EventKind.RELEASE, EventKind.ESCAPE):
                return False
            if event.kind is EventKind.CALL and isinstance(event.subject, FunctionReference):
                callee = event.subject.function
                if self._releases(callee, acquired.subject):
                    return False
                if callee not in inside and not callee.is_generator:
                    inside.add(callee)
                    self._collect(self._model.evaluator.graph(callee).entry, 0, acquired, found, inside)
            found.setdefault(event)
        return True

    def _releases(self, function: Function, lock: Value) -> bool:
        """Whether a function, or one that it calls, may release the lock."""
        releases = {e.function for e in self._model.flow.events(lock, EventKind.RELEASE)}
        seen, work = {function}, [function]
        while work and releases:
            current = work.pop()
            if current in releases:
                return True
            for callee, calls in self._model.flow.callers.items():
                if callee not in seen and any(c.function is current for c in calls):
                    seen.add(callee)
                    work.append(callee)
        return False

    # -- what the child wants ----------------------------------------------------------------------------------------

    def _wanted(self, fork: Event, lock: Resource, held: list[Event]) -> Place | None:
        """Where the child made by `fork` waits for `lock`; None if `fork` makes none, or it does not."""
        if lock.kind is ResourceKind.PROCESS_LOCK and not self._is_waited_for(fork, held):
            return None  # shared with the child, which gets it as soon as the parent lets go of it
        if fork.kind is EventKind.FORK:
            return self._wanted_after_fork(fork, lock)
        if fork.kind is EventKind.START and isinstance(fork.subject, Handle) and self._is_forked(fork):
            return self._wanted_by_process(fork.subject, lock)
        if fork in self._hooked:
            return next((w for v in self._hooked[fork] if (w := self._wanted_by_value(v, lock)) is not None), None)
        return None

    def _is_waited_for(self, fork: Event, held: list[Event]) -> bool:
        """Whether the parent waits for the child while it holds the lock."""
        for event in held:
            if event.kind is EventKind.EXTERNAL and event.subject == External("os.wait"):
                return fork.kind is EventKind.FORK
            if event.kind not in (EventKind.WAIT, EventKind.REAP) or not isinstance(event.subject, Handle):
                continue
            if not event.timed and (fork.subject == event.subject or event.subject.site is fork.call):
                return True
        return fork in self._hooked  # Popen itself waits for the hook

    def _is_forked(self, start: Event) -> bool:
        return any(p.method is mp.StartMethod.FORK and start in p.runs for p in self._model.threads.processes)

    @cached_property
    def _hooked(self) -> dict[Event, Values]:
        """The calls of Popen and its kin that run a hook in the forked child, and what the hook may be."""
        hooks: dict[ast.AST, Values] = {}
        for hook in self._model.forks.hooks.all:
            if hook.spawn.call is not None:
                hooks[hook.spawn.call] = hooks.get(hook.spawn.call, frozenset()) | hook.values
        events = (*self._model.flow.of_kind(EventKind.CREATE), *self._model.flow.of_kind(EventKind.EXTERNAL))
        return {e: hooks[e.call] for e in events if e.call is not None and e.call in hooks}

    def _query(self, lock: Resource) -> Query:
        return Query(
            lock,
            target=lambda e: e.kind is EventKind.ACQUIRE and not e.timed and not e.concurrent,
            barrier=lambda e: e.kind is EventKind.RELEASE or (e.kind is EventKind.ACQUIRE and e.timed),
        )

    def _wanted_after_fork(self, fork: Event, lock: Resource) -> Place | None:
        site = next((s for s in self._model.forks.sites if s.call is fork.call), None)
        if site is None:
            return None
        branches = self._model.forks.child_entries(site)
        for branch in branches:
            outcome = self._model.flow.from_step(site.function, branch, self._query(lock))
            if outcome.hits:
                return outcome.hits[0].site
        for branch in branches:
            for call in self._out_of_sight(site.function, branch, lock, frozenset({site.function})):
                return call
        return None

    def _wanted_by_process(self, handle: Handle, lock: Resource) -> Place | None:
        for value in self._targets(handle):
            wanted = self._wanted_by_value(value, lock)
            if wanted is not None:
                return wanted
        return None

    def _targets(self, handle: Handle) -> Iterator[Value]:
        """What a multiprocessing process runs."""
        spawn, evaluator = self._model.spawn(handle), self._model.evaluator
        yield from spawn.values("target")
        if isinstance(handle.site, ast.Call):
            home = self._model.scopes.home[handle.site]
            steps = evaluator.locate(home, handle.site)
            for callee in evaluator.eval(handle.site.func, home, steps[0] if steps else None):
                if isinstance(callee, ClassReference) and (run := evaluator.find_method(callee.cls, "run")) is not None:
                    yield FunctionReference(run, Instance(callee.cls))

    def _wanted_by_value(self, value: Value, lock: Resource) -> Place | None:
        """Where calling `value` in the child waits for the lock."""
        match value:
            case Partial(function=inner):
                return self._wanted_by_value(inner, lock)
            case FunctionReference(function=function) if not function.is_generator:
                hits = self._model.flow.from_entry(function, self._query(lock)).hits
                if hits:
                    return hits[0].site
                entry = self._model.evaluator.graph(function).entry
                return next(self._out_of_sight(function, entry, lock, frozenset({function})), None)
            case _:
                return None

    # -- code out of sight -------------------------------------------------------------------------------------------

    def _out_of_sight(
        self, function: Function, start: Node, lock: Resource, inside: frozenset[Function]
    ) -> Iterator[ast.expr]:
        """Calls of code out of sight that is given the lock, or the object that has it, before a release."""
        flow = self._model.flow
        seen, work = {start}, [start]
        while work:
            node = work.pop()
            events = flow.by_step.get(node, ())
            if any(e.subject == lock and e.kind is EventKind.RELEASE for e in events):
                continue
            yield from self._opaque_calls(function, node, lock)
            for event in events:
                if event.kind is EventKind.CALL and isinstance(event.subject, FunctionReference):
                    callee = event.subject.function
                    if callee not in inside and not callee.is_generator:
                        entry = self._model.evaluator.graph(callee).entry
                        yield from self._out_of_sight(callee, entry, lock, inside | {callee})
            for onward in node.successors:
                if onward not in seen:
                    seen.add(onward)
                    work.append(onward)

    def _opaque_calls(self, function: Function, node: Node, lock: Resource) -> Iterator[ast.expr]:
        evaluator = self._model.evaluator
        for root in node.expressions():
            for part in in_evaluation_order(root):
                if isinstance(part, ast.Call) and all(map(_is_opaque, evaluator.eval(part.func, function, node))):
                    given = (*part.args, *(k.value for k in part.keywords))
                    if any(self._holds(v, lock) for a in given for v in evaluator.eval(a, function, node)):
                        yield part

    def _holds(self, value: Value, lock: Resource) -> bool:
        """Whether a value is the lock, or an object of the module that has it as an attribute."""
        if not isinstance(value, Instance):
            return value == lock
        evaluator = self._model.evaluator
        names = {n for c in evaluator.family(value.cls) for n in (*c.attributes, *c.names)}
        return any(lock in evaluator.class_attribute(value.cls, name) for name in names)


def _is_opaque(callee: Value) -> bool:
    """Whether a callee is code out of sight that may do anything with what it is given."""
    match callee:
        case Unknown() | Parameter():
            return True
        case External(name):
            return name not in INSPECTING
        case _:
            return False
