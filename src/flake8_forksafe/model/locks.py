"""Which locks are held while a process forks, and whether the child comes to wait for them."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.cfg import Node, NodeKind, in_evaluation_order
from flake8_forksafe.model.events import Event, EventKind
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
    in_order,
)
from flake8_forksafe.records import dataclass
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
class Acquisition:
    """A place from which on a lock is held: its own acquisition, or a call that comes back with it.

    Attributes:
        lock: the lock; `name` is how the program calls it.
        site: the place.
        function: the function in which it stands.
        step: the step in which it happens, and how many of the step's events come before it.
        closes: the `with` item whose end gives the lock back, where no event tells.
    """

    lock: Resource
    name: str
    site: Place
    function: Function
    step: Node
    index: int
    closes: ast.withitem | None = None


@dataclass(slots=True, eq=False)
class _Held:
    """What happens while a lock is held: the events in order, and whether its function returns or yields with it."""

    events: dict[Event, None] = field(default_factory=dict)
    returns: bool = False
    yields: bool = False
    inside: set[Function] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class LockedFork:
    """A fork that happens while this thread holds a lock that the child waits for.

    Attributes:
        fork: the fork, the start of the process, or the call of Popen.
        acquired: where the lock was acquired.
        wanted: where the child acquires it, or the call out of sight that may do so.
    """

    fork: Event
    acquired: Acquisition
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
        for acquired, held in self._acquisitions():
            for fork in held.events:
                if fork.site in found:
                    continue
                wanted = self._wanted(fork, acquired.lock, list(held.events))
                if wanted is not None:
                    found[fork.site] = LockedFork(fork, acquired, wanted)
        return sorted(found.values(), key=lambda f: (f.fork.site.lineno, f.fork.site.col_offset))

    def _acquisitions(self) -> Iterator[tuple[Acquisition, _Held]]:
        """Every place from which on a lock is held, with what happens until its release."""
        work = [self._acquisition(e) for e in self._model.flow.of_kind(EventKind.ACQUIRE)]
        seen = {(a.lock, a.site) for a in work if a is not None}
        while work:
            acquired = work.pop(0)
            if acquired is None:
                continue
            held = self._held(acquired)
            yield acquired, held
            for further in self._carried_on(acquired, held):
                if (further.lock, further.site) not in seen:
                    seen.add((further.lock, further.site))
                    work.append(further)

    def _acquisition(self, event: Event) -> Acquisition | None:
        lock = event.subject
        if not isinstance(lock, Resource) or not self._excludes_child(lock):
            return None
        match event.site:
            case ast.Call(func=ast.Attribute(value=receiver, attr="acquire")):
                name = self._model.text(receiver)
            case site:
                name = self._model.text(site)
        return Acquisition(lock, name, event.site, event.function, event.step, self._behind(event))

    def _behind(self, event: Event) -> int:
        events = self._model.flow.by_step.get(event.step, [])
        return next((i for i, e in enumerate(events) if e is event), -1) + 1

    def _carried_on(self, acquired: Acquisition, held: _Held) -> Iterator[Acquisition]:
        """Where a function that returns or yields with the lock held is called or entered."""
        function = acquired.function
        if function.is_module or not (held.yields if function.is_generator else held.returns):
            return
        for call in self._model.flow.callers.get(function, ()):
            item = call.step.item if call.step.kind is NodeKind.ENTER else None
            closes = item if isinstance(item, ast.withitem) else None
            if function.is_context_manager is (closes is not None):
                yield Acquisition(
                    acquired.lock, acquired.name, call.site, call.function, call.step, self._behind(call), closes
                )
        if function.name == "__enter__":
            for home, step, item in self._entered_objects(function):
                site = item.context_expr
                yield Acquisition(acquired.lock, acquired.name, site, home, step, len(self._events(step)), item)

    def _events(self, step: Node) -> list[Event]:
        return self._model.flow.by_step.get(step, [])

    def _entered_objects(self, enter: Function) -> Iterator[tuple[Function, Node, ast.withitem]]:
        """The `with` items whose object has `enter` as its `__enter__`."""
        evaluator = self._model.evaluator
        for function in self._model.scopes.functions:
            for step in evaluator.graph(function).nodes:
                if step.kind is NodeKind.ENTER and isinstance(step.item, ast.withitem):
                    for value in evaluator.eval(step.item.context_expr, function, step):
                        if isinstance(value, Instance) and evaluator.find_method(value.cls, "__enter__") is enter:
                            yield function, step, step.item
                            break

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

    # -- how long it is held -----------------------------------------------------------------------------------------

    def _held(self, acquired: Acquisition) -> _Held:
        """What happens between an acquisition and the release of the lock, in called functions of the module too."""
        held = _Held(inside={acquired.function})
        self._collect(acquired.function, acquired.step, acquired.index, acquired, held)
        return held

    def _collect(self, function: Function, start: Node, index: int, acquired: Acquisition, held: _Held) -> None:
        """Add the events from `start` on, as far as the lock is still held."""
        flow, graph = self._model.flow, self._model.evaluator.graph(function)
        seen: set[Node] = {start}
        work = [(start, index)]
        while work:
            node, first = work.pop()
            if self._ends(node, acquired) or not self._run(node, first, acquired, held):
                continue
            if function is acquired.function:
                held.returns = held.returns or node is graph.exit
                held.yields = held.yields or any(
                    isinstance(p, ast.Yield) for e in node.expressions() for p in ast.walk(e)
                )
            for onward in node.successors:
                if onward not in seen and not (onward.kind is NodeKind.ASSUME and not flow.feasible(onward)):
                    seen.add(onward)
                    work.append((onward, 0))

    @staticmethod
    def _ends(node: Node, acquired: Acquisition) -> bool:
        """Whether the lock is given back here, or was not acquired on this branch: `if not lock.acquire(timeout=1)`."""
        if node.kind is NodeKind.LEAVE:
            return node.item is acquired.closes
        return node.kind is NodeKind.ASSUME and node.item is acquired.site and not node.truth

    def _run(self, node: Node, first: int, acquired: Acquisition, held: _Held) -> bool:
        """Add one step's events. Return whether the lock is still held behind it."""
        events = self._events(node)
        made = {e.site for e in events if e.kind is EventKind.CREATE and isinstance(e.subject, Handle)}
        for event in events[first:]:
            if event.subject == acquired.lock:
                if event.kind is EventKind.RELEASE or (event.kind is EventKind.ESCAPE and event.site not in made):
                    return False
            elif event.kind is EventKind.CALL and isinstance(event.subject, FunctionReference):
                callee = event.subject.function
                if self._releases(callee, acquired.lock):
                    return False
                if callee not in held.inside and not callee.is_generator:
                    held.inside.add(callee)
                    self._collect(callee, self._model.evaluator.graph(callee).entry, 0, acquired, held)
            held.events.setdefault(event)
        return True

    def _releases(self, function: Function, lock: Value) -> bool:
        """Whether a function, or one that it calls, may release the lock."""
        releases = {e.function for e in self._model.flow.events(lock, EventKind.RELEASE)}
        seen, work = {function}, [function]
        while work and releases:
            current = work.pop()
            if current in releases:
                return True
            further = self._callees.get(current, set()) - seen
            seen |= further
            work.extend(further)
        return False

    @cached_property
    def _callees(self) -> dict[Function, set[Function]]:
        """The functions of the module that each of them calls."""
        found: dict[Function, set[Function]] = {}
        for callee, calls in self._model.flow.callers.items():
            for call in calls:
                found.setdefault(call.function, set()).add(callee)
        return found

    # -- what the child wants ----------------------------------------------------------------------------------------

    def _wanted(self, fork: Event, lock: Resource, held: list[Event]) -> Place | None:
        """Where the child made by `fork` waits for `lock`; None if `fork` makes none, or it does not."""
        if lock.kind is ResourceKind.PROCESS_LOCK and not self._is_waited_for(fork, held):
            return None  # shared with the child, which gets it as soon as the parent lets go of it
        if fork.kind in (EventKind.FORK, EventKind.CALL):
            return self._wanted_after_fork(fork, lock)
        if fork.kind is EventKind.START and isinstance(fork.subject, Handle) and self._is_forked(fork):
            return self._wanted_by_process(fork.subject, lock)
        if fork in self._hooked:
            return next(
                (w for v in in_order(self._hooked[fork]) if (w := self._wanted_by_value(v, lock)) is not None), None
            )
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

    def _wanted_after_fork(self, fork: Event, lock: Resource) -> Place | None:
        site = next((s for s in self._model.forks.sites if s.call is fork.call), None)
        if site is None:
            return None
        branches = self._model.forks.child_entries(site)
        return self._wanted_from(site.function, branches, lock)

    def _wanted_from(self, function: Function, starts: list[Node], lock: Resource) -> Place | None:
        """Where code that begins at one of `starts` waits for the lock, or else gives it to code out of sight."""
        inside = frozenset({function})
        waits = (place for start in starts for place in self._waits(start, lock, inside))
        given = (place for start in starts for place in self._out_of_sight(function, start, lock, inside))
        return next(itertools.chain(waits, given), None)

    def _waits(self, start: Node, lock: Resource, inside: frozenset[Function]) -> Iterator[Place]:
        """The blocking acquisitions of the lock that come before any release, in called functions too."""
        for node in self._before_release(start, lock):
            for event in self._events(node):
                if event.subject == lock:
                    if event.kind is EventKind.ACQUIRE and not event.timed and not event.concurrent:
                        yield event.site
                    if event.kind in (EventKind.ACQUIRE, EventKind.RELEASE):
                        break
                callee = self._called(event)
                if callee is not None and callee not in inside:
                    entry = self._model.evaluator.graph(callee).entry
                    yield from self._waits(entry, lock, inside | {callee})

    @staticmethod
    def _called(event: Event) -> Function | None:
        """The function of the module whose body an event runs now: a call, or the entering of a context manager."""
        if event.kind is not EventKind.CALL or not isinstance(event.subject, FunctionReference):
            return None
        callee = event.subject.function
        runs = event.step.kind is NodeKind.ENTER if callee.is_context_manager else not callee.is_generator
        return callee if runs else None

    def _before_release(self, start: Node, lock: Resource) -> Iterator[Node]:
        """The steps that can come before the lock is released or, by a call that may give up, acquired."""
        flow = self._model.flow
        seen, work = {start}, [start]
        while work:
            node = work.pop()
            yield node
            if self._settles(node, lock):
                continue
            for onward in node.successors:
                if onward not in seen and not (onward.kind is NodeKind.ASSUME and not flow.feasible(onward)):
                    seen.add(onward)
                    work.append(onward)

    def _settles(self, node: Node, lock: Resource) -> bool:
        """Whether behind a step nothing can be said of the lock that was held at the fork."""
        for event in self._events(node):
            if event.subject == lock and event.kind in (EventKind.RELEASE, EventKind.ACQUIRE):
                return True
            callee = self._called(event)
            if callee is not None and self._releases(callee, lock):
                return True
        return False

    def _wanted_by_process(self, handle: Handle, lock: Resource) -> Place | None:
        for value in self._targets(handle):
            wanted = self._wanted_by_value(value, lock)
            if wanted is not None:
                return wanted
        return None

    def _targets(self, handle: Handle) -> Iterator[Value]:
        """What a multiprocessing process runs."""
        spawn, evaluator = self._model.spawn(handle), self._model.evaluator
        yield from in_order(spawn.values("target"))
        classes = []
        if isinstance(handle.site, ast.Call):
            home = self._model.scopes.home[handle.site]
            steps = evaluator.locate(home, handle.site)
            made = evaluator.eval(handle.site.func, home, steps[0] if steps else None)
            classes = [c.cls for c in in_order(made) if isinstance(c, ClassReference)]
        elif isinstance(handle.site, ast.ClassDef):
            classes = [self._model.scopes.class_by_node[handle.site]]
        for cls in classes:
            run = evaluator.find_method(cls, "run")
            if run is not None:
                yield FunctionReference(run, Instance(cls))

    def _wanted_by_value(self, value: Value, lock: Resource) -> Place | None:
        """Where calling `value` in the child waits for the lock."""
        match value:
            case Partial(function=inner):
                return self._wanted_by_value(inner, lock)
            case FunctionReference(function=function) if not function.is_generator:
                return self._wanted_from(function, [self._model.evaluator.graph(function).entry], lock)
            case _:
                return None

    # -- code out of sight -------------------------------------------------------------------------------------------

    def _out_of_sight(
        self, function: Function, start: Node, lock: Resource, inside: frozenset[Function]
    ) -> Iterator[Place]:
        """Calls of code out of sight that is given the lock, or the object that has it, before a release."""
        for node in self._before_release(start, lock):
            if any(e.subject == lock and e.kind is EventKind.RELEASE for e in self._events(node)):
                continue
            yield from self._opaque_calls(function, node, lock)
            for event in self._events(node):
                callee = self._called(event)
                if callee is not None and callee not in inside:
                    entry = self._model.evaluator.graph(callee).entry
                    yield from self._out_of_sight(callee, entry, lock, inside | {callee})

    def _opaque_calls(self, function: Function, node: Node, lock: Resource) -> Iterator[ast.expr]:
        evaluator = self._model.evaluator
        for root in node.expressions():
            for part in in_evaluation_order(root):
                if isinstance(part, ast.Call) and all(map(_is_opaque, evaluator.eval(part.func, function, node))):
                    given = (*part.args, *(k.value for k in part.keywords))
                    if any(self._holds(v, lock) for a in given for v in in_order(evaluator.eval(a, function, node))):
                        yield part

    def _holds(self, value: Value, lock: Resource) -> bool:
        """Whether a value is the lock, or an object of the module that has it as an attribute."""
        if not isinstance(value, Instance):
            return value == lock
        evaluator = self._model.evaluator
        names = dict.fromkeys(n for c in evaluator.family(value.cls) for n in (*c.attributes, *c.names))
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
