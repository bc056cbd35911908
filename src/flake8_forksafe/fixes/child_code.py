"""The code that signals, waits for and reaps one child, worded for its library and for the place where it stands."""

from __future__ import annotations

import ast

from flake8_forksafe.fix import RequireImport
from flake8_forksafe.fixes.writing import as_written
from flake8_forksafe.model.ending import nothing
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import (
    Constant,
    External,
    FunctionReference,
    Handle,
    Instance,
    Parameter,
    Partial,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.subprocess import STREAMS, Family

_OWN_METHODS = ("wait", "join", "communicate", "poll", "is_alive", "terminate", "kill", "send_signal")
#: Libraries whose processes lack methods that the code written here needs.
_WITHOUT_KILL = frozenset({"billiard"})


@dataclass(frozen=True, slots=True)
class ChildCode:
    """How a child is written at one place.

    Attributes:
        receiver: the handle, `self._proc`.
        family: whose object it is.
        grace: the seconds between SIGTERM and SIGKILL, as code.
        timeout_error: the exception of a wait that times out; empty for multiprocessing.
        terminate: the statement that asks the child to end.
        kill: the statement that ends it.
        reap: the statement that waits for a child that has been killed; empty where the code behind does that.
        imports: the imports that all this needs.
    """

    receiver: str
    family: Family
    grace: str
    timeout_error: str
    wait_for: str
    terminate: str
    kill: str
    reap: str
    imports: tuple[RequireImport, ...]

    def wait_a_while(self) -> str:
        """The statement that waits for at most the grace period."""
        match self.family:
            case Family.MULTIPROCESSING:
                return f"{self.receiver}.join(timeout={self.grace})"
            case Family.ASYNCIO:
                wait = self.reap.removeprefix("await ") or f"{self.receiver}.wait()"
                return f"await {self.wait_for}({wait}, timeout={self.grace})"
            case _:
                return f"{self.receiver}.wait(timeout={self.grace})"

    def make_sure(self, wait: str | None = None, last: str | None = None) -> str:
        """Wait for at most the grace period, then kill.

        `wait` is written in place of the plain bounded wait, `last` in place of the plain wait for the killed child.
        """
        wait, last = wait or self.wait_a_while(), last or self.reap
        if self.family is Family.MULTIPROCESSING:
            return f"{wait}\n{self.kill_if_alive()}"
        return f"try:\n    {wait}\nexcept {self.timeout_error}:\n    {self.kill}\n    {last}".rstrip()

    def kill_if_alive(self) -> str:
        """Kill and reap a multiprocessing child whose bounded `join` did not see its end."""
        return f"if {self.receiver}.is_alive():\n    {self.kill}\n    {self.reap}"

    def end(self) -> str:
        """SIGTERM, a bounded wait, SIGKILL, a second wait."""
        return f"{self.terminate}\n{self.make_sure()}"


def code_at(
    module: ModuleModel, handle: Handle, receiver: ast.expr, at: Event, *, group: ast.Call | str = ""
) -> ChildCode | None:
    """How `handle` is ended at the place of the event `at`; None where that cannot be written.

    Arguments:
        module: the model of the file.
        handle: the child.
        receiver: the expression that is the child there.
        at: what happens there.
        group: the `killpg` call there by which the child's group is signalled, or the code of the group; empty for
            signals to the child alone.
    """
    function = at.function
    if not _is_plain(receiver) or not _fits(module, handle, function) or not _is_sure(module, receiver, at):
        return None
    name = as_written(receiver)
    imports: list[RequireImport] = []
    terminate, kill = f"{name}.terminate()", f"{name}.kill()"
    if group:
        signals = [_killpg(module, group, s, function, imports) for s in ("signal.SIGTERM", "signal.SIGKILL")]
        if signals[0] is None or signals[1] is None:
            return None
        terminate, kill = signals[0], signals[1]
    error = wait_for = ""
    if handle.family is Family.POPEN:
        error = _spell(module, "subprocess.TimeoutExpired", function, imports) or ""
        if not error:
            return None
    if handle.family is Family.ASYNCIO:
        wait_for = _spell(module, "asyncio.wait_for", function, imports) or ""
        error = _timeout_error(module, function, imports)
        if not wait_for or not error:
            return None
    reap = _reap(module, handle, name, at, group=bool(group))
    if reap is None:
        return None
    grace = f"{module.settings.grace_period:g}"
    return ChildCode(name, handle.family, grace, error, wait_for, terminate, kill, reap, tuple(imports))


def receiver_of(event: Event) -> ast.expr | None:
    """The expression that is the handle in `p.kill()`, `p.wait()`, `os.kill(p.pid, …)`, `killpg(getpgid(p.pid), …)`."""
    call = call_of(event)
    match call:
        case ast.Call(func=ast.Attribute(value=receiver)) if event.call is None:
            return receiver
        case ast.Call(args=[target, *_]) if event.call is not None:
            pids = [n for n in ast.walk(target) if isinstance(n, ast.Attribute) and n.attr == "pid"]
            return pids[0].value if len(pids) == 1 else None
        case _:
            return None


def call_of(event: Event) -> ast.Call | None:
    """The call that an event is; None for what is no call."""
    node: ast.AST = event.site
    while isinstance(node, ast.Await):
        node = node.value
    return node if isinstance(node, ast.Call) else None


def pipes_of(module: ModuleModel, handle: Handle) -> bool:
    """Whether the output of a child goes, or may go, to a PIPE."""
    return any(module.spawn(handle).pipe(name) is not None for name in STREAMS[1:])


def interrupts(module: ModuleModel, function: Function) -> bool:
    """Whether `function` runs inside a signal handler, where a wait may stop the very wait that it interrupted."""
    for event in module.flow.named_calls("signal.signal"):
        for argument in event.call.args[1:2] if event.call is not None else ():
            for value in module.evaluator.eval(argument, event.function, event.step):
                inner = value.function if isinstance(value, Partial) else value
                if isinstance(inner, FunctionReference) and function in module.flow.reachable(inner.function):
                    return True
    return False


# -- parts -------------------------------------------------------------------------------------------------------------


def _is_plain(node: ast.expr) -> bool:
    """Whether evaluating `node` once more gives the same and does nothing else."""
    plain = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.expr_context)
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and all(
        isinstance(p, plain) for p in ast.walk(node)
    )


def _fits(module: ModuleModel, handle: Handle, function: Function) -> bool:
    """Whether the place can wait for such a child: a coroutine for asyncio's, no lambda, no module top for them."""
    if handle.family is Family.ASYNCIO:
        return function.is_async
    if handle.family is Family.MULTIPROCESSING:
        bindings = (b for group in module.scopes.module.names.values() for b in group)
        return not any(b.imported.partition(".")[0] in _WITHOUT_KILL for b in bindings)
    return handle.family is Family.POPEN


def _is_sure(module: ModuleModel, receiver: ast.expr, at: Event) -> bool:
    """Whether `receiver` is nothing but handles of one library, with that library's own methods."""
    values = module.evaluator.eval(receiver, at.function, at.step)
    handles = [v for v in values if isinstance(v, Handle)]
    classes = [c for h in handles if (c := module.children.class_of(h)) is not None]
    if len({h.family for h in handles}) != 1 or not all(
        isinstance(v, Handle | Constant | Parameter) or (isinstance(v, Instance) and v.cls in classes) for v in values
    ):
        return False
    return not any(module.evaluator.find_method(c, name) is not None for c in classes for name in _OWN_METHODS)


def _killpg(
    module: ModuleModel, group: ast.Call | str, signal: str, function: Function, imports: list[RequireImport]
) -> str | None:
    """`os.killpg(<the same group>, signal.SIGKILL)`."""
    number = _spell(module, signal, function, imports)
    if number is None:
        return None
    if isinstance(group, ast.Call):
        target = group.args[0]
        if any(isinstance(n, ast.NamedExpr) for n in ast.walk(target)):
            return None
        return f"{as_written(group.func)}({as_written(target)}, {number})"
    killpg = _spell(module, "os.killpg", function, imports)
    return f"{killpg}({group}, {number})" if killpg is not None else None


def _reap(module: ModuleModel, handle: Handle, name: str, at: Event, *, group: bool) -> str | None:
    """The statement that waits for a killed child.

    On Python 3.11 asyncio's `wait()` waits for the end of the pipes too, which nobody reads any more: `communicate()`
    does. A grandchild would hold them open, so a shell that is signalled alone gets neither; and where the output is
    read afterwards, nothing may take it before.
    """
    match handle.family:
        case Family.MULTIPROCESSING:
            return f"{name}.join()"
        case Family.ASYNCIO if pipes_of(module, handle) and not _is_read_elsewhere(module, handle):
            if module.sessions.uses_shell(module.spawn(handle)) and not group:
                return None
            if taken := module.follows(at, _takes_output):
                query = module.query(at.subject, nothing, _takes_output)
                always = not module.flow.after(at, query).completes
                reaps = all(e.kind is EventKind.COMMUNICATE and not e.timed for e in taken)
                return "" if always and reaps else None
            return f"await {name}.communicate()"
        case Family.ASYNCIO:
            return f"await {name}.wait()"
        case _:
            return f"{name}.wait()"


def _takes_output(event: Event) -> bool:
    return not event.concurrent and (
        event.kind is EventKind.COMMUNICATE or (event.kind is EventKind.READ and event.stream in STREAMS[1:])
    )


def _is_read_elsewhere(module: ModuleModel, handle: Handle) -> bool:
    """Whether a task or thread of its own reads the output."""
    kinds = (EventKind.READ, EventKind.HAND_OVER, EventKind.LEND)
    return any(
        e.kind in kinds and e.stream in ("", *STREAMS[1:]) and (e.concurrent or e.kind is not EventKind.READ)
        for e in module.ending.happens_to(handle)
    )


def _timeout_error(module: ModuleModel, function: Function, imports: list[RequireImport]) -> str:
    """The exception of `wait_for`: the builtin one, which is asyncio's own from Python 3.11 on."""
    builtin = ast.Name("TimeoutError", ast.Load())
    if module.evaluator.eval(builtin, function, None) <= {
        External("builtins.TimeoutError"),
        External("asyncio.TimeoutError"),
    }:
        return builtin.id
    return _spell(module, "asyncio.TimeoutError", function, imports) or ""


def _spell(module: ModuleModel, dotted: str, function: Function, imports: list[RequireImport]) -> str | None:
    spelling = module.speller.spell(dotted, function)
    if spelling is None:
        return None
    imports.extend(i for i in spelling.imports if i not in imports)
    return spelling.code
