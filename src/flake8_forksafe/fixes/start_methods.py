"""Fixes for multiprocessing beside threads: the spawn start method, where what the child gets can be pickled."""

from __future__ import annotations

import ast
import re

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, ReplaceExpression, Safety, SetArgument
from flake8_forksafe.model.evaluate import Argument
from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import BindingKind, Function
from flake8_forksafe.model.threads import ProcessStart
from flake8_forksafe.model.values import (
    Constant,
    External,
    FunctionReference,
    Handle,
    Parameter,
    Resource,
    ResourceKind,
    Unknown,
    Value,
    Values,
)
from flake8_forksafe.stdlib.multiprocessing import EXECUTOR_POSITIONS, StartMethod

_SPAWN = '"spawn"'
_POOL_POSITIONS = ("processes", "initializer", "initargs", "maxtasksperchild", "context")
#: Names of things that a spawned child cannot be given, or only by the context that also starts it.
_SHARED = re.compile(r"(?i)queue|lock|pipe|conn|event|sem|barrier|sock|file|handle|thread|pool|executor|^[qfs]$|fd")


def spawned(module: ModuleModel, process: ProcessStart) -> Fix | None:
    """Use the spawn start method; None where the child may need something that only fork hands on.

    That is: a target or an argument that is not known to be picklable, globals that the program changes, queues and
    locks of another context, and a main module whose top level starts the process without a guard.

    Unsafe: a spawned child starts slower, imports the main module anew and inherits nothing but its arguments.
    """
    place = _Place(module, process)
    edits = place.edits()
    affected = [p for p in module.threads.processes if p is process or place.covers(p)]
    if not edits or not all(_can_be_spawned(module, p) for p in affected):
        return None
    return Fix(Safety.UNSAFE, edits, "use the spawn start method")


# -- where the start method is written -------------------------------------------------------------------------------


class _Place:
    """Where a process's start method is chosen: the program's default, a context, or its own call."""

    def __init__(self, module: ModuleModel, process: ProcessStart) -> None:
        self._module, self._process = module, process
        self._context = self._context_of(process)
        self._set = [
            e
            for e in module.flow.of_kind(EventKind.EXTERNAL)
            if e.subject == External("multiprocessing.set_start_method")
        ]

    def covers(self, other: ProcessStart) -> bool:
        """Whether the edit changes the start method of another process, too."""
        if self._context is not None:
            return self._context_of(other) == self._context
        return bool(self._set)

    def edits(self) -> tuple[Edit, ...]:
        """The edit, with the import it needs; empty if the place is not understood."""
        call = self._process.made.call
        if call is None:
            return ()
        if self._context is not None:
            return self._changed(self._context.site)
        if self._set:
            return self._changed(self._set[0].site) if len(self._set) == 1 else ()
        if isinstance(self._process.subject, Resource) and (
            self._process.subject.kind is ResourceKind.PROCESS_EXECUTOR
        ):
            return self._given_to_executor(call)
        return self._in_front_of_name(call)

    def _context_of(self, process: ProcessStart) -> Resource | None:
        call, function = process.made.call, process.made.function
        if call is None:
            return None
        given = [k.value for k in call.keywords if k.arg in ("mp_context", "context", "ctx")]
        if isinstance(call.func, ast.Attribute):
            given.append(call.func.value)
        values = [v for g in given for v in self._module.evaluator.eval(g, function, process.made.step)]
        contexts = {v for v in values if isinstance(v, Resource) and v.kind is ResourceKind.CONTEXT}
        return contexts.pop() if len(contexts) == 1 else None

    def _changed(self, site: ast.AST) -> tuple[Edit, ...]:
        """`"fork"` made `"spawn"` in a call of `get_context` or `set_start_method`, which names none by default."""
        if isinstance(self._module.syntax.parent(site), ast.IfExp | ast.BoolOp):
            return ()
        match site:
            case ast.Call(args=[ast.Constant(value="fork" | None) as method], keywords=[]):
                return (ReplaceExpression(Span.of(method), _SPAWN),)
            case ast.Call(args=[ast.Constant(value="fork") as method]):
                return (ReplaceExpression(Span.of(method), _SPAWN),)
            case ast.Call(func=func, args=[], keywords=[]):
                return (ReplaceExpression(Span.of(site), f"{ast.unparse(func)}({_SPAWN})"),)
            case ast.Call(args=[], keywords=[ast.keyword(arg="method", value=ast.Constant(value="fork") as method)]):
                return (ReplaceExpression(Span.of(method), _SPAWN),)
            case _:
                return ()

    def _given_to_executor(self, call: ast.Call) -> tuple[Edit, ...]:
        spelling = self._module.speller.spell("multiprocessing.get_context", self._process.made.function)
        if spelling is None or len(call.args) > 1 or any(k.arg in (None, "mp_context") for k in call.keywords):
            return ()
        if len(self._module.evaluator.eval(call.func, self._process.made.function, self._process.made.step)) != 1:
            return ()  # an executor of threads, which the same name may stand for, takes no context
        return (SetArgument(Span.of(call), "mp_context", f"{spelling.code}({_SPAWN})"), *spelling.imports)

    def _in_front_of_name(self, call: ast.Call) -> tuple[Edit, ...]:
        evaluator, made = self._module.evaluator, self._process.made
        match call.func:
            case ast.Attribute(value=base, attr=attr):
                if evaluator.eval(base, made.function, made.step) != frozenset({External("multiprocessing")}):
                    return ()
                return (ReplaceExpression(Span.of(call.func), f"{ast.unparse(base)}.get_context({_SPAWN}).{attr}"),)
            case ast.Name() if self._module.speller.is_imported(call.func, made.function):
                spelling = self._module.speller.spell("multiprocessing.get_context", made.function)
                if spelling is None or len(evaluator.eval(call.func, made.function, made.step)) != 1:
                    return ()
                code = f"{spelling.code}({_SPAWN}).{self._process.what}"
                return (ReplaceExpression(Span.of(call.func), code), *spelling.imports)
            case _:
                return ()


# -- what the child gets ---------------------------------------------------------------------------------------------


def _can_be_spawned(module: ModuleModel, process: ProcessStart) -> bool:
    """Whether all that the child is given can be pickled, and the main module can be imported again."""
    if process.method is not StartMethod.FORK:
        return True
    call, function = process.made.call, process.made.function
    if call is None or _runs_at_import(module, function):
        return False
    match process.subject:
        case Handle() as handle:
            arguments = module.spawn(handle).arguments
            entry = arguments.get("target")
            others = [a for name in ("args", "kwargs") for a in arguments.get(name)]
            return (
                module.children.class_of(handle) is None
                and not arguments.open
                and _all_importable(module, entry)
                and all(_may_travel(module, a.value, a.function) for a in others)
            )
        case Resource(kind=ResourceKind.MANAGER, name=name):
            return name == "multiprocessing.Manager" and not call.args and not call.keywords
        case Resource(cls=None) as pool:
            return _work_can_be_sent(module, pool, call, function)
        case _:
            return False


def _work_can_be_sent(module: ModuleModel, pool: Resource, call: ast.Call, function: Function) -> bool:
    """Whether everything that a pool or executor is told to run is in sight and can be pickled."""
    positions = EXECUTOR_POSITIONS if pool.kind is ResourceKind.PROCESS_EXECUTOR else _POOL_POSITIONS
    arguments = module.evaluator.arguments(call, positions, function, ())
    initializer = arguments.get("initializer")
    if arguments.open or (initializer and not _all_importable(module, initializer)):
        return False
    if not all(_may_travel(module, a.value, a.function) for a in arguments.get("initargs")):
        return False
    submissions = list(module.flow.events(pool, EventKind.SUBMIT))
    if not submissions or module.flow.events(pool, EventKind.ESCAPE):
        return False
    for event in submissions:
        if event.call is None or not event.call.args:
            return False
        work, *others = event.call.args
        if not _is_importable(module, module.evaluator.eval(work, event.function, event.step)):
            return False
        if not all(_may_travel(module, o, event.function) for o in others):
            return False
    return True


def _all_importable(module: ModuleModel, given: list[Argument]) -> bool:
    return bool(given) and all(_is_importable(module, module.evaluator.eval_argument(a)) for a in given)


def _is_importable(module: ModuleModel, values: Values) -> bool:
    """Whether a callable is found by name in a module that the child imports, and needs no state of the parent."""
    for value in values:
        match value:
            case External():
                continue
            case FunctionReference(function=function, receiver=None):
                plain = function.parent is module.scopes.module and function.owner is None and not function.decorators
                if not plain or isinstance(function.node, ast.Lambda) or _uses_state(module, function):
                    return False
            case _:
                return False
    return bool(values)


def _uses_state(module: ModuleModel, function: Function) -> bool:
    """Whether a function reads a global of the module that is more than a constant: the child has its own copy."""
    top = module.scopes.module
    state = {
        name
        for name, bindings in top.names.items()
        if any(
            b.kind not in (BindingKind.IMPORT, BindingKind.DEFINITION) and not _is_constant(b.value) for b in bindings
        )
    } | set(module.scopes.globals_written)
    return any(name in f.words and name not in f.names for f in module.flow.reachable(function) for name in state)


def _is_constant(node: ast.expr | None) -> bool:
    return node is not None and not any(
        isinstance(part, ast.Call | ast.List | ast.Dict | ast.Set | ast.Name | ast.Lambda | ast.ListComp)
        for part in ast.walk(node)
    )


def _may_travel(module: ModuleModel, node: ast.expr, function: Function) -> bool:
    """Whether an argument is not seen to be something that cannot be pickled, or only for a context of its own."""
    for part in ast.walk(node):
        match part:
            case ast.Lambda() | ast.GeneratorExp():
                return False
            case ast.Name() | ast.Attribute():
                values = module.evaluator.eval(part, function, None)
                name = part.id if isinstance(part, ast.Name) else part.attr
                if name == function.receiver and not isinstance(module.syntax.parent(part), ast.Attribute):
                    return False
                if any(not _can_be_pickled(v) for v in values) or (_is_unknown(values) and _SHARED.search(name)):
                    return False
            case ast.Call(func=ast.Name(id="open")):
                return False
            case _:
                continue
    return True


def _is_unknown(values: Values) -> bool:
    return not values or any(isinstance(v, Unknown | Parameter) for v in values)


def _can_be_pickled(value: Value) -> bool:
    match value:
        case External() | Constant() | Parameter() | Unknown():
            return True
        case Resource(kind=ResourceKind.PROXY):
            return True
        case FunctionReference(function=function, receiver=None):
            return function.parent is not None and function.parent.is_module
        case _:
            return type(value).__name__ in ("Collection", "Instance", "ClassReference")


def _runs_at_import(module: ModuleModel, function: Function) -> bool:
    """Whether importing the main module again, as a spawned child does, would start the process again."""
    if function.is_module:
        return not any(
            module.context.is_guarded(p.made) for p in module.threads.processes if p.made.function is function
        )
    return any(
        isinstance(e.subject, FunctionReference)
        and module.context.at_import(e)
        and function in module.flow.reachable(e.subject.function)
        for e in module.flow.of_kind(EventKind.CALL)
        if e.function.is_module
    )
