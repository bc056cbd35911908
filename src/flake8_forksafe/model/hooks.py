"""What is given as `preexec_fn`: where, by whom, and what could be written instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Span
from flake8_forksafe.model.children import Spawn
from flake8_forksafe.model.evaluate import Argument, Arguments
from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.scopes import BindingKind, Condition, Function
from flake8_forksafe.model.values import (
    NOTHING,
    Constant,
    External,
    FunctionReference,
    Parameter,
    Partial,
    Unknown,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib import hooks as table
from flake8_forksafe.stdlib.subprocess import SPAWNERS

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_PARAMETER = "preexec_fn"
#: Through how many functions of the module a hook is followed back to where it is written.
_FORWARDINGS = 3
#: Classes of other packages that give what they are given to `subprocess.Popen`, by their documentation.
_WRAPPERS = frozenset({External("psutil.Popen")})
#: How deep functions that a hook calls are read.
_CALLS = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a hook does.

    At most one of the three is set: a keyword of Popen does it, a program in front of the command does it, or it is
    done anyway. With none of them nothing replaces it.
    """

    keyword: table.Keyword | None = None
    program: str = ""
    needless: bool = False


_UNKNOWN_EFFECT = Effect()


@dataclass(frozen=True, slots=True)
class Hook:
    """One place at which a `preexec_fn` is written.

    Attributes:
        node: the keyword, dict entry or positional argument.
        spawn: the call that it reaches.
        effects: what it does, in order; None where that cannot be seen.
        values: what it may be, None left out.
    """

    node: ast.AST
    spawn: Spawn
    effects: tuple[Effect, ...] | None
    values: Values

    @property
    def span(self) -> Span:
        """Where it is written."""
        assert isinstance(self.node, ast.expr | ast.stmt | ast.keyword)
        return Span.of(self.node)


class Hooks:
    """The hooks of one module."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    @cached_property
    def all(self) -> list[Hook]:
        """Every `preexec_fn` that is something else than None, once for each place at which it is written."""
        found: dict[ast.AST, Hook] = {}
        for spawn in self.spawns():
            for hook in self.of(spawn):
                found.setdefault(hook.node, hook)
        return sorted(found.values(), key=lambda h: h.span)

    def of(self, spawn: Spawn) -> list[Hook]:
        """What `spawn` is given as `preexec_fn`; empty where that is None or may well be."""
        if not self._can_run(spawn.call, spawn.function):
            return []
        given = self.written(spawn, _PARAMETER)
        return [h for argument in given if (h := self._hook(argument, spawn)) is not None]

    def written(self, spawn: Spawn, parameter: str) -> list[Argument]:
        """What `spawn` may get for `parameter`, where the module writes it: once for each such place."""
        given: dict[ast.AST, Argument] = {}
        for arguments in self._views(spawn):
            for argument in arguments.get(parameter):
                for source in self._sources(argument, _FORWARDINGS):
                    given.setdefault(source.node, source)
        return list(given.values())

    def spawns(self) -> Iterator[Spawn]:
        """Every call that hands its keywords to Popen, now or, as a partial, when it is called."""
        yield from (s for s in self._model.spawns if s.call is not None)
        evaluator, flow = self._model.evaluator, self._model.flow
        for event in flow.of_kind(EventKind.EXTERNAL):
            call = event.call
            if call is None:
                continue
            if event.subject in _WRAPPERS:
                names, positions = {"subprocess.Popen"}, SPAWNERS["subprocess.Popen"].positions
            elif event.subject == External("functools.partial") and call.args:
                made = evaluator.eval(call.args[0], event.function, event.step)
                names = {v.name for v in made if isinstance(v, External) and v.name in SPAWNERS}
                positions = ("func", *(SPAWNERS[min(names)].positions if names else ()))
            else:
                continue
            for name in sorted(names):
                arguments = evaluator.arguments(call, positions, event.function, ())
                yield Spawn(evaluator, flow, call, name, SPAWNERS[name], event.function, None, arguments)

    # -- where a hook is written -------------------------------------------------------------------------------------

    def _views(self, spawn: Spawn) -> Iterator[Arguments]:
        """The arguments of a spawn as written and, where `**kwargs` brings some, as each caller gives them."""
        yield spawn.arguments
        if not spawn.arguments.open or spawn.call is None or (spawn.handle is not None and spawn.handle.context):
            return
        evaluator = self._model.evaluator
        positions = SPAWNERS[spawn.name].positions if spawn.name in SPAWNERS else ()
        work: list[tuple[ast.Call, ...]] = [(i.call,) for i in evaluator.invocations(spawn.function) if i.direct]
        while work:
            context = work.pop()
            yield evaluator.arguments(spawn.call, positions, spawn.function, context)
            if len(context) < _FORWARDINGS:
                caller = self._model.scopes.home[context[0]]
                work.extend(
                    (i.call, *context) for i in evaluator.invocations(caller) if i.direct and i.call not in context
                )

    def _sources(self, argument: Argument, depth: int) -> Iterator[Argument]:
        """The place or places at which what comes in through parameters is written."""
        parameter = self._parameter(argument)
        if parameter is None or depth == 0:
            yield argument
            return
        evaluator, function = self._model.evaluator, argument.function
        calls = [argument.context[-1]] if argument.context else [i.call for i in evaluator.invocations(function)]
        for call in calls:
            for given in evaluator.given(call, function).get(parameter):
                yield from self._sources(replace(given, context=argument.context[:-1]), depth - 1)
        default = function.defaults().get(parameter)
        if default is not None and not argument.context:
            yield Argument(default, function.parent or function, (), default)

    @staticmethod
    def _parameter(argument: Argument) -> str | None:
        """The parameter that an argument is, where nothing else is bound to its name."""
        match argument.value:
            case ast.Name(id=name):
                kinds = [b.kind for b in argument.function.names.get(name, ())]
                return name if kinds == [BindingKind.PARAMETER] else None
            case _:
                return None

    def _can_run(self, node: ast.AST | None, function: Function, condition: Condition | None = None) -> bool:
        """Whether the target platform and Python version let a call or an argument be reached."""
        innermost = condition or (self._model.scopes.conditions.get(node) if node is not None else None)
        return not self._model.evaluator.rules_out(innermost, function)

    # -- what it is --------------------------------------------------------------------------------------------------

    def _hook(self, argument: Argument, spawn: Spawn) -> Hook | None:
        if not self._can_run(None, argument.function, argument.condition):
            return None
        values = frozenset(v for v in self._model.evaluator.eval_argument(argument) if v != Constant(None))
        shown = frozenset(v for v in values if not isinstance(v, Unknown | Parameter | Constant))
        if not shown and not (values and self._is_made_elsewhere(argument)):
            return None
        return Hook(argument.node, spawn, self._effects_of(values), shown)

    def _is_made_elsewhere(self, argument: Argument) -> bool:
        """Whether a hook comes out of a call of an imported function, which has it made for this purpose."""
        if not isinstance(argument.value, ast.Call):
            return False
        callees = self._model.evaluator.eval(argument.value.func, argument.function, None)
        return bool(callees) and all(isinstance(c, External) for c in callees)

    # -- what it does ------------------------------------------------------------------------------------------------

    def _effects_of(self, values: Values) -> tuple[Effect, ...] | None:
        """What the hook does if it is one known callable; None if it may be several that differ."""
        found = {tuple(self._of_value(v, _CALLS)) for v in in_order(values)}
        return found.pop() if len(found) == 1 else None

    def _of_value(self, value: Value, depth: int) -> Iterator[Effect]:
        match value:
            case External(name):
                yield self._of_name(name, [])
            case Partial(function=External(name), call=outer):
                yield self._of_name(name, outer.args[1:])
            case FunctionReference(function=function) if depth > 0:
                yield from self._of_function(function, depth)
            case _:
                yield _UNKNOWN_EFFECT

    def _of_function(self, function: Function, depth: int) -> Iterator[Effect]:
        self._model.scopes.wake((function,))
        match function.node:
            case ast.Lambda(body=body):
                yield from self._of_expression(body, function, depth)
            case ast.FunctionDef(body=body):
                for statement in body:
                    yield from self._of_statement(statement, function, depth)
            case _:
                yield _UNKNOWN_EFFECT

    def _of_statement(self, node: ast.stmt, function: Function, depth: int) -> Iterator[Effect]:
        match node:
            case ast.Pass() | ast.Import() | ast.ImportFrom() | ast.Global() | ast.Expr(value=ast.Constant()):
                return
            case ast.Return(value=None | ast.Constant()):
                return
            case ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
                yield from self._of_expression(value, function, depth)
            case ast.If(test=test, body=body, orelse=orelse):
                truth = self._model.evaluator.truth(test, function, None)
                if truth is None:
                    yield _UNKNOWN_EFFECT
                for statement in orelse if truth is False else body:
                    yield from self._of_statement(statement, function, depth)
            case ast.Try(body=body, orelse=[], finalbody=[]):
                for statement in body:
                    yield from self._of_statement(statement, function, depth)
            case _:
                yield _UNKNOWN_EFFECT

    def _of_expression(self, node: ast.expr, function: Function, depth: int) -> Iterator[Effect]:
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
                for part in parts:
                    yield from self._of_expression(part, function, depth)
            case ast.Constant():
                return
            case ast.Call(func=func, args=args, keywords=[]):
                callees = self._model.evaluator.eval(func, function, None) or NOTHING
                if len(callees) != 1:
                    yield _UNKNOWN_EFFECT
                    return
                (callee,) = callees
                if isinstance(callee, External):
                    yield self._of_call(callee.name, args, function)
                else:
                    yield from self._of_value(callee, depth - 1 if not args else 0)
            case _:
                yield _UNKNOWN_EFFECT

    def _of_call(self, name: str, args: list[ast.expr], function: Function) -> Effect:
        if name == "signal.signal" and len(args) == 2:
            signals, handlers = (self._model.evaluator.eval(a, function, None) for a in args)
            restored = {v.name for v in signals if isinstance(v, External)} & table.RESTORED_SIGNALS
            return Effect(needless=bool(restored) and handlers == frozenset({External("signal.SIG_DFL")}))
        return self._of_name(name, args)

    @staticmethod
    def _of_name(name: str, args: list[ast.expr]) -> Effect:
        texts = [_text(a, octal=name == "os.umask") for a in args]
        if name == "os.setpgid" and texts == ["0", "0"]:
            return Effect(table.PROCESS_GROUP)
        if name in table.PLAIN:
            return Effect(table.PLAIN[name])
        if name in table.WITH_ARGUMENTS:
            keyword = table.WITH_ARGUMENTS[name]
            if name in table.SEVERAL_IDS and len(set(texts)) > 1:
                return _UNKNOWN_EFFECT
            if len(texts) >= keyword.text.count("{"):
                return Effect(keyword._replace(text=keyword.text.format(*texts)))
        return Effect(program=table.PROGRAMS.get(name, ""))


def _text(node: ast.expr, *, octal: bool) -> str:
    match node:
        case ast.Constant(value=int(number)) if octal and not isinstance(number, bool):
            return f"0o{number:03o}"
        case _:
            return ast.unparse(node)
