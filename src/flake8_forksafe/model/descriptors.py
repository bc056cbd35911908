"""Questions about file descriptors: which ones children inherit, and which pipe ends nobody closes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.evaluate import Argument
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.hooks import Hooks
from flake8_forksafe.model.scopes import BindingKind, Condition, Function
from flake8_forksafe.model.values import (
    Constant,
    Descriptor,
    External,
    FunctionReference,
    Parameter,
    Resource,
    ResourceKind,
    Values,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.descriptors import STANDARD_STREAMS
from flake8_forksafe.stdlib.subprocess import POSIX_ONLY

if TYPE_CHECKING:
    from flake8_forksafe.model.children import Spawn
    from flake8_forksafe.model.module import ModuleModel


@dataclass(frozen=True, slots=True, eq=False)
class KeptOpen:
    """A `close_fds` that is false, where it is written."""

    spawn: Spawn
    node: ast.expr | ast.stmt | ast.keyword

    @property
    def place(self) -> Related:
        """The place, for a report that rests on it."""
        return Related(Span.of(self.node), "close_fds is false here")

    @property
    def child(self) -> tuple[Related, ...]:
        """Where the child is started, if that is in sight."""
        return () if self.spawn.call is None else (Related(Span.of(self.spawn.call), "the child is started here"),)


@dataclass(frozen=True, slots=True, eq=False)
class Inheritance:
    """A call that makes a descriptor inheritable; `how` says by what, `cure` what to write instead."""

    event: Event
    how: str
    cure: str


class Descriptors:
    """The descriptors of one module that children inherit."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._keywords = Hooks(model)

    # -- close_fds ---------------------------------------------------------------------------------------------------

    @cached_property
    def kept_open(self) -> list[KeptOpen]:
        """Every place where a call that starts a child is told not to close descriptors, in source order."""
        found: dict[ast.AST, KeptOpen] = {}
        for spawn in self._keywords.spawns():
            by_position = frozenset(spawn.call.args) if spawn.call is not None else frozenset()
            for argument in self._keywords.written(spawn, "close_fds"):
                node = argument.node
                named = node not in by_position and isinstance(node, ast.expr | ast.stmt | ast.keyword)
                if named and self._is_false(argument) and self._can_be_given(argument, spawn):
                    assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
                    found.setdefault(node, KeptOpen(spawn, node))
        return sorted(found.values(), key=lambda k: (k.node.lineno, k.node.col_offset))

    def _is_false(self, argument: Argument) -> bool:
        """Whether an argument is a literal False or 0, perhaps by name; what the program computes does not count."""
        if not isinstance(argument.value, ast.Constant | ast.Name | ast.Attribute):
            return False
        given = {v for v in self._model.evaluator.eval_argument(argument) if not isinstance(v, Parameter)}
        return bool(given) and all(isinstance(v, Constant) and isinstance(v.value, int) and not v.value for v in given)

    def _can_be_given(self, argument: Argument, spawn: Spawn) -> bool:
        """Whether the platform and the Python version let the call, and the setting of the argument, happen at all."""
        evaluator = self._model.evaluator
        if evaluator.rules_out(argument.condition, argument.function) or self._is_for_windows(argument, spawn):
            return False
        call = spawn.call
        home = evaluator.scopes.home.get(call) if call is not None else None
        if call is None or home is None:
            return True
        steps = evaluator.locate(home, call)
        events = [e for step in steps for e in self._model.flow.by_step.get(step, ())]
        return any(self._model.context.can_happen(e) for e in events)

    def _is_for_windows(self, argument: Argument, spawn: Spawn) -> bool:
        """Whether the call asks for what POSIX lacks, or for what Windows lacks on the other side of a test."""
        other_sides = {(link.test, not link.truth) for link in Condition.chain(argument.condition)}
        given = (other for name in POSIX_ONLY if other_sides for other in self._keywords.written(spawn, name))
        return spawn.is_for_windows or any(
            (link.test, link.truth) in other_sides for other in given for link in Condition.chain(other.condition)
        )

    # -- inheritable descriptors -------------------------------------------------------------------------------------

    @cached_property
    def inherited(self) -> list[Inheritance]:
        """Every call that makes a descriptor inheritable for good, in source order."""
        found: list[Inheritance] = []
        for event in (*self._model.flow.of_kind(EventKind.EXTERNAL), *self._model.flow.of_kind(EventKind.INHERIT)):
            made = self._inheritance(event)
            if made is not None and self._model.context.can_happen(event) and not self._is_before_exec(event):
                found.append(made)
        return sorted(found, key=lambda i: (i.event.site.lineno, i.event.site.col_offset))

    def _inheritance(self, event: Event) -> Inheritance | None:
        call = event.call
        if call is None:
            return None
        match event.subject, call.args:
            case Resource() as sock, [flag] if self._is_true(flag, event) and not self._listens(frozenset({sock})):
                return Inheritance(event, f"{self._text(call.func)}(True)", "pass it to its child by pass_fds")
            case External("os.set_inheritable"), [fd, flag] if self._is_true(flag, event) and self._is_private(
                fd, event
            ):
                return Inheritance(event, "set_inheritable(..., True)", "pass it to its child by pass_fds")
            case External("os.dup2"), [_, target, *rest] if self._inherits(call, rest, event) and self._is_high(
                target, event
            ):
                return Inheritance(event, "dup2()", "write inheritable=False, and pass it to its child by pass_fds")
            case External("os.pipe2"), [flags] if self._lacks_close_on_exec(flags, event):
                return Inheritance(event, "pipe2() without O_CLOEXEC", "add os.O_CLOEXEC")
            case External("fcntl.fcntl"), [_, command, flags] if self._clears_close_on_exec(command, flags, event):
                return Inheritance(event, "clearing FD_CLOEXEC", "pass it to its child by pass_fds")
            case _:
                return None

    def _eval(self, node: ast.expr, event: Event) -> Values:
        return self._model.evaluator.eval(node, event.function, event.step)

    def _text(self, node: ast.expr) -> str:
        return self._model.text(node)

    def _is_true(self, node: ast.expr, event: Event) -> bool:
        values = self._eval(node, event)
        return bool(values) and all(isinstance(v, Constant) and bool(v.value) for v in values)

    def _inherits(self, call: ast.Call, rest: list[ast.expr], event: Event) -> bool:
        """Whether a dup2 leaves its target inheritable, as it does unless told otherwise."""
        given = rest[0] if rest else next((k.value for k in call.keywords if k.arg == "inheritable"), None)
        return self._is_true(given, event) if given is not None else not call.keywords

    def _is_private(self, node: ast.expr, event: Event) -> bool:
        """Whether a descriptor is neither a standard stream nor a listening socket."""
        values = self._eval(node, event)
        standard = any(isinstance(v, Constant) and v.value in STANDARD_STREAMS for v in values)
        return not standard and not self._names_standard_stream(node, event) and not self._listens(values)

    def _names_standard_stream(self, node: ast.expr, event: Event) -> bool:
        """Whether an expression is `sys.stdout.fileno()` or its kin."""
        match node:
            case ast.Call(func=ast.Attribute(attr="fileno", value=stream)):
                return any(isinstance(v, External) and v.name.startswith("sys.") for v in self._eval(stream, event))
            case _:
                return False

    def _listens(self, values: Values) -> bool:
        """Whether a socket listens, or is bound so that whoever gets it can."""
        return any(
            isinstance(v, Resource)
            and v.kind is ResourceKind.SOCKET
            and (v.name == "socket.create_server" or self._model.happens(v, lambda e: e.kind is EventKind.SET))
            for v in values
        )

    def _is_high(self, node: ast.expr, event: Event) -> bool:
        """Whether a descriptor is known not to be a standard stream."""
        values = self._eval(node, event)
        numbers = {v.value for v in values if isinstance(v, Constant) and isinstance(v.value, int)}
        known = bool(numbers) or any(isinstance(v, Descriptor) for v in values)
        return known and not numbers & STANDARD_STREAMS

    def _lacks_close_on_exec(self, node: ast.expr, event: Event) -> bool:
        values = self._eval(node, event)
        names = {v.name for v in values if isinstance(v, External)}
        plain = all((isinstance(v, External) and v.name.startswith("os.O_")) or v == Constant(0) for v in values)
        return bool(values) and plain and "os.O_CLOEXEC" not in names

    def _clears_close_on_exec(self, command: ast.expr, flags: ast.expr, event: Event) -> bool:
        if External("fcntl.F_SETFD") not in self._eval(command, event):
            return False
        if self._eval(flags, event) == frozenset({Constant(0)}):
            return True
        if isinstance(flags, ast.Name):
            bindings = event.function.names.get(flags.id, [])
            last = bindings[-1] if bindings else None
            if last is not None and last.value is not None and len(bindings) <= 2:
                inverted = isinstance(last.value, ast.UnaryOp) if last.kind is BindingKind.AUGMENTED else True
                return inverted and self._masks_close_on_exec(last.value, event)
            return False
        return self._masks_close_on_exec(flags, event)

    def _masks_close_on_exec(self, node: ast.expr, event: Event) -> bool:
        """Whether an expression takes FD_CLOEXEC away: `flags & ~FD_CLOEXEC`, or the mask of `flags &= …`."""
        match node:
            case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
                return self._masks_close_on_exec(left, event) or self._masks_close_on_exec(right, event)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return not self._eval(operand, event).isdisjoint({External("fcntl.FD_CLOEXEC"), Constant(1)})
            case _:
                return False

    def _is_before_exec(self, event: Event) -> bool:
        """Whether an event happens only in a forked child, or in the hook that Popen calls there."""
        return self._model.context.in_child(event) or event.function in self._hooks

    @cached_property
    def _hooks(self) -> frozenset[Function]:
        hooks = (
            v.function
            for spawn in self._model.spawns
            for v in spawn.values("preexec_fn")
            if isinstance(v, FunctionReference)
        )
        return frozenset(inner for hook in hooks for inner in self._model.flow.reachable(hook))

    def reasons(self) -> Iterator[Related]:
        """Why an inheritable descriptor can leak here: the module starts threads, or its children close nothing."""
        yield from (start.place for start in self._model.threads.starts[:1])
        yield from (kept.place for kept in self.kept_open[:1])
