"""Thread starts, forks, and whether a fork may run while a thread does."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import replace
from enum import Enum, auto
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.scopes import Class, Function
from flake8_forksafe.model.values import (
    ClassReference,
    Constant,
    External,
    FunctionReference,
    Handle,
    Method,
    Resource,
    ResourceKind,
    Unknown,
    Value,
    in_order,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib import multiprocessing as mp
from flake8_forksafe.stdlib.calls import is_safe_between_fork_and_exec
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


class ThreadKind(Enum):
    """By what a thread is started."""

    THREAD = auto()  # threading.Thread or a subclass
    TIMER = auto()  # threading.Timer or a subclass
    POOL = auto()  # work given to a ThreadPoolExecutor, a ThreadPool or the event loop's default executor
    LOW_LEVEL = auto()  # _thread.start_new_thread
    NAMED = auto()  # a callable that the user's settings name


_RESOURCE_KINDS = {
    ResourceKind.THREAD: ThreadKind.THREAD,
    ResourceKind.TIMER: ThreadKind.TIMER,
    ResourceKind.EXECUTOR: ThreadKind.POOL,
}
_NOUNS = {ThreadKind.THREAD: "thread", ThreadKind.TIMER: "Timer", ThreadKind.LOW_LEVEL: "thread"}
_CALL_KINDS = {"asyncio.to_thread": ThreadKind.POOL, "_thread.start_new_thread": ThreadKind.LOW_LEVEL}


@dataclass(frozen=True, slots=True, eq=False)
class ThreadStart:
    """A place at which the module starts a thread.

    Attributes:
        kind: by what it is started.
        event: the start, the submission or the call.
    """

    kind: ThreadKind
    event: Event

    @property
    def noun(self) -> str:
        """What a report calls a thread of its own; empty for work given to a pool, and for what settings name."""
        return _NOUNS.get(self.kind, "")

    @property
    def function(self) -> Function:
        """The function in which it stands."""
        return self.event.function

    @property
    def resource(self) -> Resource | None:
        """The thread, timer or pool, where it is one that the module makes."""
        return self.event.subject if isinstance(self.event.subject, Resource) else None

    @property
    def place(self) -> Related:
        """The place, for a report that rests on it."""
        return Related(Span.of(self.event.site), "a thread is started here")


@dataclass(frozen=True, slots=True, eq=False)
class ProcessStart:
    """A call that makes a multiprocessing process, pool, manager or process executor.

    Attributes:
        subject: what it makes.
        made: the event of its making; a report points there.
        runs: the events at which its processes are started; the making itself where nothing else is in sight.
        method: how they are started, with the default of the target Python and `set_start_method` taken into account.
        explicit: whether the code itself asks for that method.
    """

    subject: Handle | Resource
    made: Event
    runs: list[Event]
    method: mp.StartMethod
    explicit: bool

    @property
    def what(self) -> str:
        """What is made, for a message."""
        if isinstance(self.subject, Handle):
            return "Process"
        return self.subject.name.rpartition(".")[2]


_PROCESS_RESOURCES = frozenset({ResourceKind.POOL, ResourceKind.PROCESS_EXECUTOR, ResourceKind.MANAGER})
#: Managers that start their process at `start()` only; all others do so when they are made.
_LATE_MANAGERS = frozenset({"multiprocessing.managers.SyncManager", "multiprocessing.managers.BaseManager"})


class Threads:
    """The threads of one module."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    @cached_property
    def starts(self) -> list[ThreadStart]:
        """Every place at which the module starts a thread, in source order."""
        flow, settings = self._model.flow, self._model.settings
        found: dict[ast.AST, ThreadStart] = {}
        for event in (*flow.of_kind(EventKind.START), *flow.of_kind(EventKind.SUBMIT)):
            if isinstance(event.subject, Resource) and event.subject.kind in _RESOURCE_KINDS:
                found.setdefault(event.site, ThreadStart(_RESOURCE_KINDS[event.subject.kind], event))
        for event in flow.of_kind(EventKind.EXTERNAL):
            if isinstance(event.subject, External):
                kind = _CALL_KINDS.get(event.subject.name)
                if event.subject.name in settings.thread_starters:
                    kind = ThreadKind.NAMED
                if kind is not None:
                    found.setdefault(event.site, ThreadStart(kind, event))
        return sorted(found.values(), key=lambda s: (s.event.site.lineno, s.event.site.col_offset))

    # -- forks -------------------------------------------------------------------------------------------------------

    @cached_property
    def forks(self) -> list[Event]:
        """Every call of `os.fork`, `os.forkpty` and `pty.fork` that the target platform can reach."""
        return [e for e in self._model.flow.of_kind(EventKind.FORK) if self._model.context.can_happen(e)]

    @cached_property
    def _forks_by_function(self) -> dict[Function, list[Event]]:
        table: dict[Function, list[Event]] = {}
        for event in self.forks:
            table.setdefault(event.function, []).append(event)
        return table

    def forks_in(self, function: Function) -> list[Event]:
        """Those of `forks` that stand in `function`."""
        return self._forks_by_function.get(function, [])

    def thread_before(self, forks: list[Event]) -> ThreadStart | None:
        """The nearest thread start after which one of `forks` may run in the same process; None if there is none."""
        nearest = self._nearest({f.function: None for f in forks})
        return next((s for s in nearest if any(self._may_follow(fork, s) for fork in forks)), None)

    def _nearest(self, functions: Collection[Function]) -> Iterator[ThreadStart]:
        """The thread starts as far apart for a reader as may be: those of `functions`, of their classes, all others."""
        owners = {f.owner: None for f in functions if f.owner is not None}
        for places in (functions, owners):
            near = [pair for place in places for pair in self._live_starts.get(place, ())]
            yield from (start for _, start in sorted(near, key=itemgetter(0)))
        for _, start in self._live_starts.get(None, ()):
            if start.function not in functions and start.function.owner not in owners:
                yield start

    @cached_property
    def _live_starts(self) -> dict[Function | Class | None, list[tuple[int, ThreadStart]]]:
        """The thread starts that can happen, numbered: by function, by the function's class, and under None all."""
        table: dict[Function | Class | None, list[tuple[int, ThreadStart]]] = {}
        for number, start in enumerate(self.starts):
            if self._model.context.can_happen(start.event):
                for place in dict.fromkeys((start.function, start.function.owner, None)):
                    table.setdefault(place, []).append((number, start))
        return table

    def execs_at_once(self, fork: Event) -> bool:
        """Whether all that the child does is to arrange descriptors, session and signals and to exec or end."""
        graph = self._model.evaluator.graph(fork.function)
        branches = self._model.context.child_branches(fork)
        seen, work = set(branches), list(branches)
        while work:
            node = work.pop()
            if node is graph.exit or not self._is_bare(node):
                return False
            for onward in (*node.successors, *node.raises):
                if onward not in seen:
                    seen.add(onward)
                    work.append(onward)
        return bool(branches)

    def _is_bare(self, node: Node) -> bool:
        for event in self._model.flow.by_step.get(node, ()):
            match event.kind, event.subject:
                case EventKind.EXTERNAL, External(name) if is_safe_between_fork_and_exec(name):
                    continue
                case EventKind.CALL | EventKind.EXTERNAL | EventKind.ACQUIRE, _:
                    return False
                case _:
                    continue
        known = {e.call for e in self._model.flow.by_step.get(node, ()) if e.kind is EventKind.EXTERNAL}
        return all(
            part in known for root in node.expressions() for part in ast.walk(root) if isinstance(part, ast.Call)
        )

    # -- order -------------------------------------------------------------------------------------------------------

    def _may_follow(self, fork: Event, start: ThreadStart) -> bool:
        """Whether `fork` may run after a thread start, in the process that has the thread."""
        context, event = self._model.context, start.event
        if context.in_child(event) != context.in_child(fork) or self._exclude(fork, start):
            return False
        tree = self._reaching(fork)
        roots: set[Function] = set()
        seen: set[Event] = {event}
        work = [event]
        while work:
            place = work.pop()
            if self._reached_after(place, fork, tree):
                return True
            above = self._uses(place.function)
            if not above:
                roots.add(place.function)
            for use in above:
                if use not in seen:
                    seen.add(use)
                    work.append(use)
        if fork.site is event.site or self._leaves_parent(fork):
            return False
        return any(
            self._is_repeatable(root) if root in roots else not root.is_module for root in self._roots(fork.function)
        )

    def _exclude(self, fork: Event, start: ThreadStart) -> bool:
        """Whether thread and fork stand on branches that exclude each other, by where they are made or started."""
        threads = [start.event]
        if start.resource is not None:
            if isinstance(fork.subject, Handle | Resource) and fork.subject.site is start.resource.site:
                return True  # one call makes a thread or a process, as its callee is the one or the other
            threads.extend(self._model.flow.events(start.resource, EventKind.CREATE))
        forks = [fork]
        if isinstance(fork.subject, Handle | Resource):
            forks.extend(self._model.flow.events(fork.subject, EventKind.CREATE))
        if isinstance(fork.subject, Handle) and fork.subject.context:
            made = replace(fork.subject, context=())
            forks.extend(self._model.flow.events(made, EventKind.CREATE))
        if self._are_apart(threads, forks):
            return True
        flow = self._model.flow
        calls = flow.callers.get(fork.function, [])
        if not calls or flow.references.get(fork.function):
            return False
        return all(self._are_apart(threads, [call]) for call in calls)

    def _are_apart(self, threads: list[Event], forks: list[Event]) -> bool:
        context = self._model.context
        return any(
            context.excludes(t, f) or context.are_alternatives(t.function, f.function) for t in threads for f in forks
        )

    def _reached_after(self, place: Event, fork: Event, tree: frozenset[Function]) -> bool:
        """Whether some path of `place`'s function leads from just behind it to the fork, or to a use of its callers."""
        by_step = self._model.flow.by_step
        events = by_step.get(place.step, [])
        index = next((i for i, e in enumerate(events) if e is place), -1) + 1
        if self._forks_in([e for e in events[index:] if not _is_instead(e, place, fork)], fork, tree):
            return True
        seen: set[Node] = set()
        work = list(place.step.successors)
        while work:
            node = work.pop()
            if node in seen or (node.kind is NodeKind.ASSUME and not self._model.flow.feasible(node)):
                continue
            seen.add(node)
            if self._forks_in(by_step.get(node, []), fork, tree):
                return True
            work.extend((*node.successors, *node.raises))
        return False

    @staticmethod
    def _forks_in(events: list[Event], fork: Event, tree: frozenset[Function]) -> bool:
        return any(
            e is fork or (isinstance(e.subject, FunctionReference) and e.subject.function in tree and e.kind in _USES)
            for e in events
        )

    def _reaching(self, fork: Event) -> frozenset[Function]:
        """The functions that, once called, may come to the fork."""
        found, work = {fork.function}, [fork.function]
        while work:
            for use in self._uses(work.pop()):
                if use.function not in found:
                    found.add(use.function)
                    work.append(use.function)
        return frozenset(found)

    def _uses(self, function: Function) -> list[Event]:
        """Where other functions call a function or hand it on."""
        flow = self._model.flow
        uses = (*flow.callers.get(function, ()), *flow.references.get(function, ()))
        return [e for e in uses if e.function is not function]

    def _roots(self, function: Function) -> set[Function]:
        """The functions through which code out of sight may come to `function`."""
        found: set[Function] = set()
        seen, work = {function}, [function]
        while work:
            current = work.pop()
            uses = self._uses(current)
            if not uses:
                found.add(current)
            for use in uses:
                if use.function not in seen:
                    seen.add(use.function)
                    work.append(use.function)
        return found

    @staticmethod
    def _is_repeatable(root: Function) -> bool:
        """Whether a function that only code out of sight calls must be expected to run more than once.

        A method does, once for each object; of a plain function that does all in order nothing shows that it does.
        """
        return root.owner is not None

    def _leaves_parent(self, fork: Event) -> bool:
        """Whether the parent ends right after the fork, as in a daemon's double fork."""
        graph = self._model.evaluator.graph(fork.function)
        branches = self._model.context.parent_branches(fork)
        seen, work = set(branches), list(branches)
        while work:
            node = work.pop()
            if node is graph.exit:
                return False
            for onward in node.successors:
                if onward not in seen:
                    seen.add(onward)
                    work.append(onward)
        return bool(branches)

    # -- multiprocessing ---------------------------------------------------------------------------------------------

    @cached_property
    def processes(self) -> list[ProcessStart]:
        """Every call that makes multiprocessing processes and that the target platform can reach, in source order."""
        found: dict[ast.AST, ProcessStart] = {}
        for made in self._model.flow.of_kind(EventKind.CREATE):
            subject = made.subject
            if not self._makes_processes(subject):
                continue
            assert isinstance(subject, Handle | Resource)
            process = self._describe(subject, made)
            if process is not None and subject.site not in found:
                found[subject.site] = process
        return sorted(found.values(), key=lambda p: (p.made.site.lineno, p.made.site.col_offset))

    @staticmethod
    def _makes_processes(subject: Value) -> bool:
        match subject:
            case Handle(family=Family.MULTIPROCESSING):
                return isinstance(subject.site, ast.Call)
            case Resource(kind=kind):
                return kind in _PROCESS_RESOURCES
            case _:
                return False

    @cached_property
    def started_at_import(self) -> list[ProcessStart]:
        """The processes that importing the module starts, other than by a fork that the module asks for."""
        at_import = self._model.context.at_import
        found = []
        for process in self.processes:
            runs = [e for e in process.runs if at_import(e)]
            if runs and not (process.explicit and process.method is mp.StartMethod.FORK) and self._surely_runs(process):
                found.append(replace(process, runs=runs))
        return found

    @staticmethod
    def _surely_runs(process: ProcessStart) -> bool:
        """Whether the processes are seen to be started: those of an executor are at the first submit."""
        lazy = isinstance(process.subject, Handle) or process.subject.kind is ResourceKind.PROCESS_EXECUTOR
        return not lazy or process.runs != [process.made]

    @cached_property
    def forks_in_coroutines(self) -> list[tuple[Event, str]]:
        """Every fork inside an `async def`, and what it is: the call itself, or what is made by fork."""
        found = [
            (fork, f"{fork.subject.name}()")
            for fork in self.forks
            if fork.function.is_async and isinstance(fork.subject, External)
        ]
        for process in self.processes:
            if process.method is mp.StartMethod.FORK:
                starts = [e for e in process.runs if e.kind is EventKind.START]
                event = next((e for e in (process.made, *starts) if e.function.is_async), None)
                if event is not None:
                    found.append((event, f"a forked {process.what}"))
        return found

    def _describe(self, subject: Handle | Resource, made: Event) -> ProcessStart | None:
        made = self._first_made(subject, made)
        if not self._model.context.can_happen(made):
            return None
        asked = self._asked_method(subject, made)
        method = asked
        if asked is mp.StartMethod.DEFAULT:
            method = self.default_method
        explicit = asked is not mp.StartMethod.DEFAULT or bool(self._set_methods)
        runs = self._runs(subject, made)
        return ProcessStart(subject, made, runs, method, explicit) if runs else None

    def _first_made(self, subject: Handle | Resource, made: Event) -> Event:
        """The event at the very call that makes `subject`, wherever it came through."""
        if isinstance(subject, Handle) and subject.context:
            for event in self._model.flow.events(Handle(subject.family, subject.site), EventKind.CREATE):
                return event
        return made

    def _runs(self, subject: Handle | Resource, made: Event) -> list[Event]:
        """The events at which the processes of `subject` are started."""
        flow = self._model.flow
        match subject:
            case Resource(kind=ResourceKind.PROCESS_EXECUTOR):
                return flow.events(subject, EventKind.SUBMIT) or flow.events(subject, EventKind.ESCAPE) or [made]
            case Resource(kind=ResourceKind.MANAGER, name=name) if name in _LATE_MANAGERS:
                return flow.events(subject, EventKind.START, EventKind.ENTER)
            case Resource():
                return [made]
            case Handle(site=site):
                cls = self._subclass(made)
                family = self._model.evaluator.family(cls) if cls is not None else ()
                sites = dict.fromkeys((site, *(c.node for c in family)))  # `self` of a Process subclass is one, too
                found = [pair for one in sites for pair in self._handles_started.get(one, ())]
                return [event for _, event in sorted(found, key=itemgetter(0))] or [made]

    @cached_property
    def _handles_started(self) -> dict[ast.AST, list[tuple[int, Event]]]:
        """The starts of processes, numbered, by where their handle is made."""
        table: dict[ast.AST, list[tuple[int, Event]]] = {}
        for number, event in enumerate(self._model.flow.of_kind(EventKind.START)):
            if isinstance(event.subject, Handle):
                table.setdefault(event.subject.site, []).append((number, event))
        return table

    def _subclass(self, made: Event) -> Class | None:
        assert isinstance(made.call, ast.Call)
        for value in in_order(self._model.evaluator.eval(made.call.func, made.function, made.step)):
            if isinstance(value, ClassReference):
                return value.cls
        return None

    # -- start methods -----------------------------------------------------------------------------------------------

    @cached_property
    def default_method(self) -> mp.StartMethod:
        """The start method of what names none: set in the module, or the target Python's own on Linux."""
        if self._set_methods:
            return self._set_methods[0] if len(set(self._set_methods)) == 1 else mp.StartMethod.UNKNOWN
        if self._model.settings.target_version < mp.FIRST_VERSION_WITHOUT_FORK_DEFAULT:
            return mp.StartMethod.FORK
        return mp.StartMethod.FORKSERVER

    @cached_property
    def _set_methods(self) -> list[mp.StartMethod]:
        """What the module's calls of `set_start_method` ask for; UNKNOWN for a method that cannot be seen."""
        found: list[mp.StartMethod] = []
        for event in self._model.flow.of_kind(EventKind.EXTERNAL):
            if event.subject != External("multiprocessing.set_start_method") or event.call is None:
                continue
            given = [*event.call.args[:1], *(k.value for k in event.call.keywords if k.arg == "method")]
            values = self._model.evaluator.eval(given[0], event.function, event.step) if given else frozenset()
            method = self._model.evaluator.start_method(values)
            if method is not mp.StartMethod.DEFAULT:
                found.append(method)
        return found

    def _asked_method(self, subject: Handle | Resource, made: Event) -> mp.StartMethod:
        """The start method that a constructor's own call asks for; DEFAULT where it leaves that open."""
        call = made.call
        assert call is not None
        if isinstance(subject, Resource):
            given = self._given_context(subject, call, made.function)
            if given is not None:
                return given
        callees = self._model.evaluator.eval(call.func, made.function, made.step)
        methods = {m for v in callees if (m := self._method_of_callee(v)) is not None}
        return methods.pop() if len(methods) == 1 else mp.StartMethod.UNKNOWN

    def _given_context(self, subject: Resource, call: ast.Call, function: Function) -> mp.StartMethod | None:
        """What a context given as an argument asks for, by a subclass's constructor too; None if there is none."""
        evaluator = self._model.evaluator
        if subject.name not in _CONTEXT_PARAMETERS:
            return None
        name, positions = _CONTEXT_PARAMETERS[subject.name]
        init = evaluator.find_method(subject.cls, "__init__") if subject.cls is not None else None
        ways = [given for _, given in evaluator.ways(call, positions, function)]
        for inner in init.calls if init is not None else []:
            match inner.func:
                case ast.Attribute(attr="__init__", value=base):
                    skip = 0 if isinstance(base, ast.Call) else 1
                    ways = [evaluator.arguments(inner, positions, init or function, (call,), skip)]
                case _:
                    continue
        methods: set[mp.StartMethod | None] = set()
        for arguments in ways:
            if not arguments.get(name):
                methods.add(mp.StartMethod.UNKNOWN if arguments.open else None)
            methods.update(self._method_of_context(v) for a in arguments.get(name) for v in evaluator.eval_argument(a))
        return methods.pop() if len(methods) == 1 else mp.StartMethod.UNKNOWN

    @staticmethod
    def _method_of_context(value: Value) -> mp.StartMethod:
        match value:
            case Resource(kind=ResourceKind.CONTEXT, method=method):
                return method
            case Constant(value=None) | External("multiprocessing"):
                return mp.StartMethod.DEFAULT
            case _:
                return mp.StartMethod.UNKNOWN

    def _method_of_callee(self, value: Value) -> mp.StartMethod | None:
        """The start method that a constructor stands for; None for what tells nothing."""
        match value:
            case External(name) if name in mp.NAMED_PROCESSES:
                return mp.NAMED_PROCESSES[name]
            case External():
                return mp.StartMethod.DEFAULT
            case Method(receiver=Resource(kind=ResourceKind.CONTEXT, method=method)):
                return method
            case ClassReference(cls):
                return self._method_of_class(cls)
            case Unknown():
                return None
            case _:
                return mp.StartMethod.UNKNOWN

    def _method_of_class(self, cls: Class) -> mp.StartMethod:
        evaluator = self._model.evaluator
        for kin in (cls, *evaluator.bases(cls)):
            for base in kin.node.bases:
                for value in in_order(evaluator.eval(base, kin.parent, None, ())):
                    if isinstance(value, External | Method):
                        method = self._method_of_callee(value)
                        if method is not None and self._is_process_base(value):
                            return method
        return mp.StartMethod.UNKNOWN

    @staticmethod
    def _is_process_base(value: Value) -> bool:
        match value:
            case External(name):
                return name == "multiprocessing.Process" or name in mp.NAMED_PROCESSES or name in _CONTEXT_PARAMETERS
            case _:
                return True


def _is_instead(event: Event, place: Event, fork: Event) -> bool:
    """Whether one call makes either `event` or `place` happen, by what it is called on: `executor.submit(work)`."""
    return event.site is place.site and (event is fork or event.kind is place.kind is EventKind.CALL)


_USES = frozenset({EventKind.CALL, EventKind.REFERENCE})
#: Where a context can be given: the parameter's name, and the names of the positional parameters.
_CONTEXT_PARAMETERS = {
    "concurrent.futures.ProcessPoolExecutor": ("mp_context", mp.EXECUTOR_POSITIONS),
    "multiprocessing.Pool": ("context", ("processes", "initializer", "initargs", "maxtasksperchild", "context")),
    "multiprocessing.managers.SyncManager": ("ctx", ("address", "authkey", "serializer", "ctx")),
    "multiprocessing.managers.BaseManager": ("ctx", ("address", "authkey", "serializer", "ctx")),
}
