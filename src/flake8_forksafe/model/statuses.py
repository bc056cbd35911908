"""Questions about exit statuses: who reads them, and who takes them away."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.model.care import waits
from flake8_forksafe.model.children import Spawn
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.scopes import Condition, Function
from flake8_forksafe.model.values import Constant, Derived, External
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_SIGCHLD = frozenset({External("signal.SIGCHLD"), External("signal.SIGCLD")})
_IGNORED = frozenset({External("signal.SIG_IGN")})
_ANY_PID = frozenset({Constant(-1)})


class StatusRead(NamedTuple):
    """A place that reads a return code; `outstanding` when the child runs on between its start and this place."""

    site: ast.expr | ast.stmt | ast.excepthandler
    function: Function
    outstanding: bool


class Statuses:
    """The exit statuses of one module's children."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    # -- who takes them away ---------------------------------------------------------------------------------------

    @cached_property
    def are_all_taken(self) -> bool:
        """Whether something takes the status of every child: a wait for any of them, or an ignored SIGCHLD."""
        return any(True for _ in self.waits_for_any()) or any(True for _ in self.ignored())

    def ignored(self) -> Iterator[Event]:
        """The calls that ignore SIGCHLD in this process, not in a forked child of it."""
        for event in self._model.flow.named_calls("signal.signal"):
            if event.call is None or len(event.call.args) != 2 or not self._is_in_force(event):
                continue
            signal, action = (self._model.evaluator.eval(a, event.function, event.step) for a in event.call.args)
            if signal <= _SIGCHLD and action == _IGNORED:
                yield event

    def waits_for_any(self) -> Iterator[Event]:
        """The calls that take the status of whichever child ends first."""
        for event in self._model.flow.named_calls("os.wait", "os.wait3"):
            if self._is_in_force(event):
                yield event
        for event in self._model.flow.named_calls("os.waitpid", "os.wait4"):
            pid = event.call.args[0] if event.call is not None and event.call.args else None
            if pid is None or not self._is_in_force(event):
                continue
            if self._model.evaluator.eval(pid, event.function, event.step) == _ANY_PID:
                yield event

    def _is_in_force(self, event: Event) -> bool:
        return self._model.ending.can_happen(event.step, event.function) and not self.in_forked_child(event)

    def in_forked_child(self, event: Event) -> bool:
        """Whether an event happens only where `os.fork()` returned 0."""
        innermost = self._model.scopes.conditions.get(event.call or event.site)
        return any(self._says_child(c.test, event, truth=c.truth) for c in Condition.chain(innermost))

    def _says_child(self, test: ast.expr, event: Event, *, truth: bool) -> bool:
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._says_child(operand, event, truth=not truth)
            case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=0)]):
                wanted = isinstance(op, ast.Eq) if truth else isinstance(op, ast.NotEq | ast.Gt)
                return wanted and self._is_forked_pid(left, event)
            case _:
                return not truth and self._is_forked_pid(test, event)

    def _is_forked_pid(self, node: ast.expr, event: Event) -> bool:
        values = self._model.evaluator.eval(node, event.function, event.step)
        return any(isinstance(v, Derived) and v.handle.family is Family.FORK for v in values)

    # -- who reads them --------------------------------------------------------------------------------------------

    def first_read(self) -> StatusRead | None:
        """Where the module reads the return code of a child of subprocess or multiprocessing, if it does."""
        return next(self._reads(), None)

    def stolen_by(self, wait: Event) -> StatusRead | None:
        """A read of a return code that a wait for any child may have taken.

        A `run` that some function calls as well as the wait is over before or comes after: the two share a thread.
        """
        waiting = self._callers_of(wait.function)
        for read in self._reads():
            if read.outstanding or waiting.isdisjoint(self._callers_of(read.function)):
                return read
        return None

    def _callers_of(self, function: Function) -> frozenset[Function]:
        """`function` and what calls it, directly or not, in one thread."""
        found, work = {function}, [function]
        while work:
            for call in self._model.flow.callers.get(work.pop(), ()):
                if call.function not in found and not call.function.is_module:
                    found.add(call.function)
                    work.append(call.function)
        return frozenset(found)

    def _reads(self) -> Iterator[StatusRead]:
        flow = self._model.flow
        for handle in self._model.handles:
            for event in flow.events(handle, EventKind.STATUS, EventKind.WAIT, EventKind.POLL):
                by_name = event.kind is EventKind.STATUS or isinstance(event.site, ast.Attribute)
                by_wait = waits(event) and handle.family is not Family.MULTIPROCESSING and not _is_dropped(event)
                if by_name or by_wait:
                    yield StatusRead(event.site, event.function, not _is_made_there(event))
        for spawn in self._model.spawns:
            if spawn.handle is None and spawn.call is not None and self._is_read(spawn, spawn.call):
                yield StatusRead(spawn.call, spawn.function, outstanding=False)

    def _is_read(self, spawn: Spawn, call: ast.Call) -> bool:
        """Whether a `run`-like call looks at the return code, or gives it to somebody."""
        if spawn.name in {"subprocess.check_call", "subprocess.check_output"} or spawn.flag("check") is not False:
            return True
        steps = self._model.evaluator.locate(spawn.function, call)
        return not any(isinstance(s.item, ast.Expr) and s.item.value is call for s in steps)


def _is_made_there(event: Event) -> bool:
    """`Popen(argv).wait()`: nothing comes between the start and the wait."""
    match event.site:
        case ast.Call(func=ast.Attribute(value=ast.Call())):
            return True
        case _:
            return False


def _is_dropped(event: Event) -> bool:
    """Whether the value of a wait is thrown away."""
    match event.step.item:
        case ast.Expr(value=ast.Await(value=value)) | ast.Expr(value=value):
            return value is event.site
        case _:
            return False
