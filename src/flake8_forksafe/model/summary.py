"""What one module does with threads and forks, as plain data that `program` links with what other modules do.

A summary is a function of one file alone. It names what it cannot see in the file by the name it is imported by: a
dotted name, with leading dots where the import is relative. What the module itself defines has a colon before it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Function, access_path
from flake8_forksafe.model.threads import ProcessStart, ThreadStart
from flake8_forksafe.model.values import (
    ClassReference,
    External,
    FunctionReference,
    Instance,
    ResourceKind,
    Value,
    in_order,
)
from flake8_forksafe.stdlib.multiprocessing import StartMethod

#: The key of a module's top level among its functions.
TOP_LEVEL = "<module>"
#: What is called on an object to end the thread that it has started.
_ENDING_METHODS = frozenset({"join", "stop", "shutdown", "close", "terminate", "cancel"})
#: Of the calls of one function in another one this many are looked at from the beginning, and as many from the end.
_SAME_SITES = 4
_SET_START_METHOD = "multiprocessing.set_start_method"
_PARAMETERS = {ResourceKind.THREAD: ("group", "target"), ResourceKind.TIMER: ("interval", "function")}


class Act(Enum):
    """What happens at a site."""

    THREAD = auto()  # a thread is started
    FORK = auto()
    CALL = auto()  # of a function of this module or of another one of the project
    IMPORT = auto()


class Target(NamedTuple):
    """What is called, imported or run by a thread.

    Arguments:
        name: the function, class or module; that of a class if there is a method.
        method: a method of an object of that class.
        above: whether it is looked for in the class's bases only, as by `super()`.
    """

    name: str
    method: str = ""
    above: bool = False


class Fork(NamedTuple):
    """What is forked.

    Arguments:
        span: where it is reported.
        what: the call (`os.fork`), or what is made (`Process`).
        by_call: whether it is a call that forks, not something of multiprocessing.
        explicit: whether the code asks for the start method fork.
        open: whether the start method is left to the program.
    """

    span: Span
    what: str
    by_call: bool = False
    explicit: bool = False
    open: bool = False


class Site(NamedTuple):
    """One place of a function that matters.

    Arguments:
        act: what happens there.
        span: the place.
        targets: what is called or imported; of a thread start, what the thread runs.
        then: the sites of the same function, by number, that some path reaches after this one, while the thread that
            it starts, if it does, is not seen to end.
        lasts: whether the thread that it starts may still run when the function returns; what a generator starts ends
            with the loop over it.
        guarded: whether it stands under `if __name__ == "__main__"`.
        in_loop: whether the thread is one of an event loop, which ends them when it ends.
        fork: what is forked; of a call of `start()`, what is if its object is a process.
    """

    act: Act
    span: Span
    targets: tuple[Target, ...] = ()
    then: tuple[int, ...] = ()
    lasts: bool = True
    guarded: bool = False
    in_loop: bool = False
    fork: Fork | None = None


class FunctionSummary(NamedTuple):
    """What a function does that matters, in no particular order; `is_async` for an `async def`."""

    sites: tuple[Site, ...]
    is_async: bool


class ModuleSummary(NamedTuple):
    """What one module does with threads and forks.

    Arguments:
        functions: by qualified name; `<module>` is the top level.
        classes: the bases of each class.
        names: what the names of the top level stand for that are imported or bound to an object of a project's class.
        start_methods: what the module sets as the program's start method.
    """

    functions: dict[str, FunctionSummary]
    classes: dict[str, tuple[str, ...]]
    names: dict[str, Target]
    start_methods: frozenset[StartMethod]


def summarise(model: ModuleModel, project: frozenset[str]) -> ModuleSummary:
    """Return the summary of a module whose functions are all live in `model`.

    Arguments:
        model: the module.
        project: the first parts of the names by which the project's modules are imported.
    """
    return _Summary(model, project).made()


class _Draft(NamedTuple):
    """A site before its order is known: `ends` are the steps at which its thread is seen to end."""

    site: Site
    event: Event
    ends: frozenset[Node]


class _Summary:
    def __init__(self, model: ModuleModel, project: frozenset[str]) -> None:
        self._model, self._project = model, project
        self._names = _qualified_names(model)
        self._own = {f":{name}": function for function, name in self._names.items()}
        self._threads: dict[Function, list[ThreadStart]] = {}
        for start in model.threads.starts:
            if not start.event.concurrent and not self._ends_threads_at_forks():
                self._threads.setdefault(start.function, []).append(start)
        self._forks: dict[Function, list[tuple[Event, Fork]]] = {}
        for event, fork in self._all_forks():
            self._forks.setdefault(event.function, []).append((event, fork))

    def _ends_threads_at_forks(self) -> bool:
        """Whether the module has something done before each fork, as only what has threads needs."""
        hooks = self._model.flow.named_calls("os.register_at_fork")
        return any(k.arg == "before" for event in hooks if event.call is not None for k in event.call.keywords)

    def made(self) -> ModuleSummary:
        drafts = {f: list(self._drafts(f)) for f in self._model.scopes.functions}
        telling = self._telling(drafts)
        functions = {}
        for function, found in drafts.items():
            kept = [d for d in found if d.site.act is not Act.CALL or not self._is_idle(d, telling)]
            kept = _first_and_last(kept)
            if kept:
                functions[self._names[function]] = FunctionSummary(self._ordered(kept), function.is_async)
            elif function.owner is not None or "@" in self._names[function]:
                functions[self._names[function]] = FunctionSummary((), function.is_async)
        classes = {self._class_name(c): tuple(self._bases(c)) for c in self._model.scopes.classes}
        sets = self._model.flow.named_calls(_SET_START_METHOD)
        methods = frozenset({self._model.threads.default_method} if sets else ())
        return ModuleSummary(functions, classes, self._top_level_names(), methods)

    # -- what matters ------------------------------------------------------------------------------------------------

    def _telling(self, drafts: dict[Function, list[_Draft]]) -> set[Function]:
        """The functions in which something may happen that matters, here or in another module."""
        callers: dict[Function, list[Function]] = {}
        found: set[Function] = set()
        for function, sites in drafts.items():
            for draft in sites:
                callees = [self._own[t.name] for t in draft.site.targets if not t.method and t.name in self._own]
                for callee in callees:
                    callers.setdefault(callee, []).append(function)
                if draft.site.act is not Act.CALL or len(callees) < len(draft.site.targets):
                    found.add(function)
        work = list(found)
        while work:
            for caller in callers.get(work.pop(), ()):
                if caller not in found:
                    found.add(caller)
                    work.append(caller)
        return found

    def _is_idle(self, draft: _Draft, telling: set[Function]) -> bool:
        """Whether a call is only of functions of the module in which nothing happens that matters."""
        targets = draft.site.targets
        return all(not t.method and t.name in self._own and self._own[t.name] not in telling for t in targets)

    def _drafts(self, function: Function) -> Iterator[_Draft]:
        """The sites of a function that happen in the parent on the target platform."""
        made: dict[tuple[Act, ast.AST], _Draft] = {}
        for draft in (*self._own_acts(function), *self._calls(function), *self._imports(function)):
            key = draft.site.act, draft.event.site
            known = made.get(key)
            if known is not None:
                targets = tuple(dict.fromkeys((*known.site.targets, *draft.site.targets)))
                made[key] = known._replace(site=known.site._replace(targets=targets))
            elif self._counts(draft.event):
                guarded = function.is_module and self._model.context.is_guarded(draft.event)
                made[key] = draft._replace(site=draft.site._replace(guarded=guarded))
        yield from made.values()

    def _counts(self, event: Event) -> bool:
        context = self._model.context
        if not context.can_happen(event) or context.in_child(event):
            return False
        return not any(access_path(a.test).endswith("TYPE_CHECKING") and a.truth for a in context.known_at(event))

    def _own_acts(self, function: Function) -> Iterator[_Draft]:
        for start in self._threads.get(function, ()):
            in_loop = start.event.subject == External("asyncio.to_thread")
            site = Site(Act.THREAD, Span.of(start.event.site), self._run_by(start), in_loop=in_loop)
            yield _Draft(site, start.event, self._ends_of(start))
        for event, fork in self._forks.get(function, ()):
            yield _Draft(Site(Act.FORK, Span.of(event.site), fork=fork), event, frozenset())

    def _all_forks(self) -> Iterator[tuple[Event, Fork]]:
        """Every fork that a thread of another module may make unsafe, and that none of this one is seen to."""
        threads = self._model.threads
        for event in threads.forks:
            if threads.thread_before([event]) is None and not threads.execs_at_once(event):
                assert isinstance(event.subject, External)
                yield event, Fork(Span.of(event.site), event.subject.name, by_call=True)
        sets = bool(self._model.flow.named_calls(_SET_START_METHOD))
        for process in threads.processes:
            is_open = not process.explicit or sets
            if process.method is not StartMethod.FORK and not (is_open and not sets):
                continue
            if process.method is StartMethod.FORK and threads.thread_before(process.runs) is not None:
                continue
            fork = Fork(Span.of(process.made.site), process.what, explicit=process.explicit, open=is_open)
            yield from ((event, fork) for event in self._runs(process))

    @staticmethod
    def _runs(process: ProcessStart) -> list[Event]:
        return [event for event in process.runs if event.kind is not EventKind.ESCAPE]

    def _run_by(self, start: ThreadStart) -> tuple[Target, ...]:
        """What a thread runs."""
        evaluator, event, resource = self._model.evaluator, start.event, start.resource
        if resource is not None and resource.kind in _PARAMETERS:
            if resource.cls is not None:
                return (Target(f":{self._class_name(resource.cls)}", "run"),)
            if not isinstance(resource.site, ast.Call):
                return ()
            home = self._model.scopes.home.get(resource.site, event.function)
            names = _PARAMETERS[resource.kind]
            given = evaluator.arguments(resource.site, names, home, ()).get(names[1])
            return self._references([v for a in given for v in evaluator.eval_argument(a)])
        call = event.call
        if call is None:
            return ()
        last = isinstance(call.func, ast.Attribute) and call.func.attr == "run_in_executor"
        arguments = call.args[1:2] if last else call.args[:1]
        return self._references([v for a in arguments for v in evaluator.eval(a, event.function, event.step)])

    def _references(self, values: list[Value]) -> tuple[Target, ...]:
        found: dict[Target, None] = {}
        for value in values:
            match value:
                case FunctionReference(function=inner):
                    found[Target(f":{self._names[inner]}")] = None
                case External(name) if self._is_of_project(name):
                    found[Target(name)] = None
                case _:
                    continue
        return tuple(sorted(found))

    def _ends_of(self, start: ThreadStart) -> frozenset[Node]:
        """The steps of the function at which the thread is seen to end: joined, or its executor left."""
        if start.resource is None:
            return frozenset()
        events = self._model.flow.events(start.resource, EventKind.WAIT, EventKind.LEAVE)
        ends = {e.step for e in events if e.function is start.function and not e.timed}
        ends |= self._endings(
            start.function, lambda on, step: start.resource in self._model.evaluator.eval(on, start.function, step)
        )
        return frozenset(ends | self._skipped(start.function, ends))

    def _endings(self, function: Function, is_it: Callable[[ast.expr, Node], bool]) -> set[Node]:
        """The steps that call a method which ends a thread on what `is_it` accepts."""
        found = set()
        for node in self._model.evaluator.graph(function).nodes:
            for part in node.parts:
                match part:
                    case ast.Call(func=ast.Attribute(attr=attr, value=on)) if attr in _ENDING_METHODS:
                        if is_it(on, node):
                            found.add(node)
                    case _:
                        continue
        return found

    def _skipped(self, function: Function, ends: set[Node]) -> set[Node]:
        """The steps that pass over a loop in which threads end: there are none then."""
        loops = {loop for end in ends for loop in end.loops}
        nodes = self._model.evaluator.graph(function).nodes
        return {n for n in nodes if n.kind is NodeKind.SKIPPED and n.item in loops}

    # -- calls and imports -------------------------------------------------------------------------------------------

    def _calls(self, function: Function) -> Iterator[_Draft]:
        for node in self._model.evaluator.graph(function).nodes:
            for part in node.parts:
                if isinstance(part, ast.Call):
                    targets = tuple(dict.fromkeys(self._targets(part, node, function)))
                    if len(targets) == 1:  # of several, nothing shows which one it is
                        yield self._call(part, targets, node, function)

    def _call(self, call: ast.Call, targets: tuple[Target, ...], node: Node, function: Function) -> _Draft:
        event = Event(EventKind.EXTERNAL, External(targets[0].name), call, node, function, call=call)
        ends: frozenset[Node] = frozenset()
        fork = None
        func = call.func
        if isinstance(func, ast.Attribute):
            path = access_path(func.value)
            if path:
                named = self._endings(function, lambda on, _: on is not func.value and access_path(on) == path)
                ends = frozenset(named | self._skipped(function, named))
            if func.attr == "start":
                maker = self._maker(func.value, function, node)
                fork = Fork(Span.of(maker[1] if maker is not None else call), "Process", open=True)
        return _Draft(Site(Act.CALL, Span.of(call), targets, fork=fork), event, ends)

    def _targets(self, call: ast.Call, node: Node, function: Function) -> Iterator[Target]:
        """What a call calls, as far as it is of the project."""
        evaluator = self._model.evaluator
        for value in in_order(evaluator.eval(call.func, function, node)):
            match value:
                case External(name) if self._is_of_project(name):
                    yield Target(name)
                case External(name) if name.startswith("builtins.super.") and name.count(".") == 2:
                    owner = self._owner(function)
                    if owner is not None:
                        yield Target(f":{self._class_name(owner)}", name.rpartition(".")[2], above=True)
                case FunctionReference(function=inner):
                    yield Target(f":{self._names[inner]}")
                case ClassReference(cls):
                    yield Target(f":{self._class_name(cls)}", "__init__")
                case _:
                    continue
        if isinstance(call.func, ast.Attribute):
            yield from self._method_targets(call.func, node, function)

    def _method_targets(self, func: ast.Attribute, node: Node, function: Function) -> Iterator[Target]:
        """A method that is not of the module: of a base class, or of an object of a class of another module."""
        evaluator = self._model.evaluator
        for value in in_order(evaluator.eval(func.value, function, node)):
            match value:
                case Instance(cls):
                    if evaluator.find_method(cls, func.attr) is None:
                        yield Target(f":{self._class_name(cls)}", func.attr)
                case _:
                    continue
        maker = self._maker(func.value, function, node)
        if maker is not None:
            yield Target(maker[0], func.attr)

    def _maker(self, node: ast.expr, function: Function, step: Node | None) -> tuple[str, ast.Call] | None:
        """The class of another module that an object is made of, and the call that makes it; None if that is open."""
        match node:
            case ast.Call(func=func):
                values = self._model.evaluator.eval(func, function, step)
                names = [v.name for v in values if isinstance(v, External) and self._is_of_project(v.name)]
                return (names[0], node) if len(names) == 1 == len(values) else None
            case ast.Name(id=name):
                scope: Function | None = function
                while scope is not None and not scope.is_module and name not in scope.names:
                    scope = scope.parent
                bindings = [] if scope is None else scope.names.get(name, [])
                if scope is not None and scope.is_module:
                    bindings = self._model.scopes.names_of_module(name)
                return self._made_at(bindings)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name and name == function.receiver:
                assert function.owner is not None
                return self._made_at(function.owner.attributes.get(attr, []))
            case _:
                return None

    def _made_at(self, bindings: list[Binding]) -> tuple[str, ast.Call] | None:
        found = []
        for binding in bindings:
            if isinstance(binding.value, ast.Constant) and binding.value.value is None:
                continue
            if binding.kind is not BindingKind.ASSIGN or binding.path or not isinstance(binding.value, ast.Call):
                return None
            found.append(self._maker(binding.value, binding.function, None))
        makers = {maker[0] for maker in found if maker is not None}
        return found[0] if len(makers) == 1 and None not in found else None

    def _imports(self, function: Function) -> Iterator[_Draft]:
        for node in self._model.evaluator.graph(function).nodes:
            match node.item:
                case ast.Import(names=names) as statement if node.kind is NodeKind.STATEMENT:
                    modules = [alias.name for alias in names]
                case ast.ImportFrom() as statement if node.kind is NodeKind.STATEMENT:
                    base = "." * statement.level + (statement.module or "")
                    joint = "" if base.endswith(".") else "."
                    modules = [base, *(f"{base}{joint}{alias.name}" for alias in statement.names)]
                case _:
                    continue
            targets = tuple(Target(name) for name in modules if self._is_of_project(name))
            if targets:
                event = Event(EventKind.EXTERNAL, External(targets[0].name), statement, node, function)
                yield _Draft(Site(Act.IMPORT, Span.of(statement), targets), event, frozenset())

    # -- order -------------------------------------------------------------------------------------------------------

    def _ordered(self, drafts: list[_Draft]) -> tuple[Site, ...]:
        """The sites with what may come after each."""
        at: dict[Node, list[tuple[int, int]]] = {}
        steps: list[dict[Node, int]] = []
        for number, draft in enumerate(drafts):
            site = draft.event.site
            nodes = (draft.event.step, *self._model.evaluator.locate(draft.event.function, site))
            ranks = {n: next((i for i, part in enumerate(n.parts) if part is site), -1) for n in nodes}
            steps.append(ranks)
            for node, rank in ranks.items():
                at.setdefault(node, []).append((rank, number))
        tested = {n for n, draft in enumerate(drafts) if self._model.context.known_at(draft.event)}
        excludes = self._model.context.excludes
        sites = []
        for number, draft in enumerate(drafts):
            then, returns = self._after(draft, steps[number], at)
            then = {
                n
                for n in then - {number}
                if number not in tested or n not in tested or not excludes(draft.event, drafts[n].event)
            }
            lasts = returns and not draft.event.function.is_generator
            sites.append(draft.site._replace(then=tuple(sorted(then)), lasts=lasts))
        return tuple(sites)

    def _after(
        self, draft: _Draft, steps: dict[Node, int], at: dict[Node, list[tuple[int, int]]]
    ) -> tuple[set[int], bool]:
        """The sites that some path reaches after one, and whether one reaches the end of the function."""
        then = {number for step, own in steps.items() for rank, number in at[step] if rank > own}
        seen: set[Node] = set()
        work = [onward for step in steps for onward in step.successors]
        while work:
            node = work.pop()
            if node in seen or (node.kind is NodeKind.ASSUME and not self._model.flow.feasible(node)):
                continue
            seen.add(node)
            if node in draft.ends:
                continue
            then.update(number for _, number in at.get(node, ()))
            work.extend((*node.successors, *node.raises))
        return then, self._model.evaluator.graph(draft.event.function).exit in seen

    # -- names -------------------------------------------------------------------------------------------------------

    def _is_of_project(self, name: str) -> bool:
        return name.startswith(".") or name.partition(".")[0] in self._project

    def _owner(self, function: Function) -> Class | None:
        scope: Function | None = function
        while scope is not None and scope.owner is None:
            scope = scope.parent
        return None if scope is None else scope.owner

    def _class_name(self, cls: Class) -> str:
        name = cls.dotted_name
        return name if cls.parent.is_module else f"{self._names[cls.parent]}.<locals>.{name}"

    def _bases(self, cls: Class) -> Iterator[str]:
        for base in cls.node.bases:
            for value in in_order(self._model.evaluator.eval(base, cls.parent, None)):
                match value:
                    case External(name):
                        yield name
                    case ClassReference(inner) if inner is not cls:
                        yield f":{self._class_name(inner)}"
                    case _:
                        continue

    def _top_level_names(self) -> dict[str, Target]:
        found: dict[str, Target] = {}
        for name in self._model.scopes.module.names:
            bindings = self._model.scopes.names_of_module(name)
            imported = {b.imported for b in bindings}
            if len(imported) == 1 and all(b.kind is BindingKind.IMPORT for b in bindings):
                (dotted,) = imported
                if self._is_of_project(dotted):
                    found[name] = Target(dotted)
                continue
            if len(bindings) != 1 or not isinstance(bindings[0].value, ast.Call) or bindings[0].path:
                continue
            match list(self._model.evaluator.eval(bindings[0].value, self._model.scopes.module, None)):
                case [Instance(cls)]:
                    found[name] = Target(f":{self._class_name(cls)}", "*")
                case _:
                    pass
            maker = self._made_at(bindings)
            if maker is not None:
                found[name] = Target(maker[0], "*")
        return found


def _first_and_last(drafts: list[_Draft]) -> list[_Draft]:
    """The sites without those in the middle of many that do the same: tables are made by thousands of calls."""
    same: dict[object, list[_Draft]] = {}
    for draft in drafts:
        site = draft.site
        key = (site.act, site.targets) if site.act in (Act.CALL, Act.IMPORT) else site
        same.setdefault(key, []).append(draft)
    left = {id(d) for found in same.values() for d in (*found[:_SAME_SITES], *found[-_SAME_SITES:])}
    return [draft for draft in drafts if id(draft) in left]


def _qualified_names(model: ModuleModel) -> dict[Function, str]:
    """The name of each function; those of one name that are defined again have their line behind it."""
    found: dict[Function, str] = {}
    taken: set[str] = set()
    for function in model.scopes.functions:
        name = _qualified_name(function, found)
        if name in taken:
            name = f"{name}@{getattr(function.node, 'lineno', 0)}:{getattr(function.node, 'col_offset', 0)}"
        taken.add(name)
        found[function] = name
    return found


def _qualified_name(function: Function, known: dict[Function, str]) -> str:
    if function.is_module:
        return TOP_LEVEL
    name = function.name if function.owner is None else f"{function.owner.dotted_name}.{function.name}"
    parent = function.parent
    return name if parent is None or parent.is_module else f"{known[parent]}.<locals>.{name}"
