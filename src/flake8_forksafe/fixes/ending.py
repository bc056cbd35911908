"""Fixes that make sure of a child's end: a bounded wait and SIGKILL behind SIGTERM, a wait behind SIGKILL."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import (
    Edit,
    Fix,
    InsertAfter,
    InsertBefore,
    ReplaceExpression,
    ReplaceStatement,
    Safety,
    SetArgument,
    Wrap,
)
from flake8_forksafe.fixes.child_code import ChildCode, call_of, code_at, interrupts, pipes_of, receiver_of
from flake8_forksafe.fixes.sessions import own_session
from flake8_forksafe.model.ending import AbandonedChild, nothing
from flake8_forksafe.model.events import Event, EventKind, Signal
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.values import External, Handle
from flake8_forksafe.stdlib.subprocess import STREAMS, Family

_LOG_METHODS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "log"})
#: What loggers are called; `parser.error()` is no log line, and never returns.
_LOGGERS = frozenset({"log", "logger", "logging", "warnings"})
_LIVENESS = frozenset({"poll", "is_alive"})
#: Functions whose callers do not expect to be held up: those at an object's end, and those that are like Popen's own.
_NEVER_WAITING = frozenset({"__del__", "terminate", "send_signal"})
_WAITS = frozenset({EventKind.WAIT, EventKind.COMMUNICATE})
_ITERATED = (ast.Name, ast.Attribute, ast.expr_context)


def make_sure(module: ModuleModel, signal: Event) -> Fix | None:
    """Bound the wait behind a SIGTERM and escalate to SIGKILL; write that wait if there is none."""
    code = _code_of_signal(module, signal)
    if code is None or interrupts(module, signal.function):
        return None
    edits = _bound_wait(module, signal, code) or _wait_behind(module, signal, code)
    return Fix(Safety.UNSAFE, (*edits, *code.imports), "wait with a timeout, then kill") if edits else None


def reap(module: ModuleModel, signal: Event) -> Fix | None:
    """Wait for a child behind the last signal that it gets.

    Safe behind SIGKILL, which no child survives for long; a coroutine is held up by it only if it can await.
    """
    code = _code_of_signal(module, signal)
    statement = _signal_statement(module, signal)
    if code is None or statement is None:
        return None
    if interrupts(module, signal.function):
        return None
    if signal.signal is not Signal.KILL:
        edits = _wait_behind(module, signal, code)
        return Fix(Safety.UNSAFE, (*edits, *code.imports), "wait with a timeout, then kill") if edits else None
    if _reaps_by_pid(module, signal):
        return None
    blocks_loop = code.family is not Family.ASYNCIO and signal.function.is_async
    safety = Safety.UNSAFE if blocks_loop or code.family is Family.ASYNCIO else Safety.SAFE
    return Fix(safety, (InsertAfter(Span.of(statement), code.reap),), "wait for the killed child")


def end_after_timeout(module: ModuleModel, handle: Handle, abandoned: AbandonedChild) -> Fix | None:
    """End and reap a child whose bounded wait has timed out."""
    wait = abandoned.wait
    receiver = receiver_of(wait)
    if receiver is None or wait.concurrent or _reaps_by_pid(module, wait) or interrupts(module, wait.function):
        return None
    if handle.family is not Family.ASYNCIO and wait.function.is_async:
        return None
    if _is_lent(receiver, wait):
        return None
    session: tuple[Edit, ...] | None = ()
    group = ""
    if module.sessions.uses_shell(module.spawn(handle)):
        session, group = own_session(module, handle), f"{ast.unparse(receiver)}.pid"
    code = code_at(module, handle, receiver, wait, group=group)
    if code is None or session is None:
        return None
    edits = _in_handler(module, handle, abandoned, code)
    return Fix(Safety.UNSAFE, (*edits, *session, *code.imports), "end the child and wait for it") if edits else None


# -- SIGTERM and what comes behind it ----------------------------------------------------------------------------------


def _code_of_signal(module: ModuleModel, signal: Event) -> ChildCode | None:
    """The code for the child of a signal that is a statement of its own."""
    handle, receiver = signal.subject, receiver_of(signal)
    if not isinstance(handle, Handle) or receiver is None or signal.concurrent:
        return None
    if _signal_statement(module, signal) is None:
        return None
    killed_alone = not signal.group and signal.signal is not Signal.KILL
    is_worker = handle.family is Family.MULTIPROCESSING
    if killed_alone and not is_worker and module.sessions.uses_shell(module.spawn(handle)):
        return None  # FRK503's fix comes first and writes killpg
    group = signal.call if signal.group and signal.call is not None else ""
    if signal.group and not group:
        return None  # psutil's descendants
    return code_at(module, handle, receiver, signal, group=group)


def _signal_statement(module: ModuleModel, signal: Event) -> ast.stmt | None:
    """The statement that a signal is, if it is one and stands alone."""
    statement = module.syntax.statement(signal.site)
    is_all = isinstance(statement, ast.Expr) and statement.value is signal.site
    return statement if is_all and is_movable(module, statement) else None


def is_movable(module: ModuleModel, statement: ast.stmt) -> bool:
    """Whether others can be written around a statement: it has lines of its own."""
    around = module.syntax.parent(statement)
    if isinstance(around, ast.ExceptHandler | ast.match_case):
        head = around.lineno if isinstance(around, ast.ExceptHandler) else around.pattern.lineno
        if head == statement.lineno:
            return False
    if not isinstance(around, ast.Module | ast.ExceptHandler | ast.match_case) and _shares_line_with_keyword(
        module, statement
    ):
        return False
    return module.syntax.is_alone_on_line(statement)


def _shares_line_with_keyword(module: ModuleModel, statement: ast.stmt) -> bool:
    """`else: a`, `finally: a`: the only statement of a block, not further in than a statement that holds it."""
    block, around = module.syntax.block(statement), module.syntax.parent(statement)
    if len(block) != 1 or around is None:
        return False
    return statement.col_offset - getattr(around, "col_offset", 0) not in (1, 2, 3, 4, 8)


def _bound_wait(module: ModuleModel, signal: Event, code: ChildCode) -> list[Edit]:
    """Give the wait that comes right behind a signal a limit, and SIGKILL behind that."""
    wait = _next_wait(module, signal)
    if wait is None:
        return []
    statement, call, receiver = module.syntax.statement(wait.site), call_of(wait), receiver_of(wait)
    handle = signal.subject
    if call is None or receiver is None or not isinstance(handle, Handle) or not is_movable(module, statement):
        return []
    if not isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return):
        return []
    if ast.unparse(receiver) != code.receiver:
        other = code_at(
            module, handle, receiver, wait, group="" if not signal.group else f"{ast.unparse(receiver)}.pid"
        )
        if other is None:
            return []
        code = other
    if wait.timed:
        return _behind_bounded_wait(module, wait, statement, code)
    span = Span.of(statement)
    match code.family, wait.kind:
        case Family.MULTIPROCESSING, EventKind.WAIT if isinstance(statement, ast.Expr):
            limit = SetArgument(Span.of(call), "timeout", code.grace)
            return [limit, InsertAfter(span, code.kill_if_alive())]
        case Family.POPEN, _ if wait.kind is EventKind.WAIT or _may_retry(module, signal):
            again = _again(statement, call, code, f"{code.receiver}.{_method(call)}()")
            body = f"try:\n    __body__\nexcept {code.timeout_error}:\n    {code.kill}\n    {again}"
            return [SetArgument(Span.of(call), "timeout", code.grace), Wrap(span, span, body)]
        case Family.ASYNCIO, _ if isinstance(statement, ast.Expr) or (
            wait.kind is EventKind.WAIT and not pipes_of(module, handle)
        ):
            limited = f"{code.wait_for}({ast.unparse(call)}, timeout={code.grace})"
            again = _again(statement, call, code, ast.unparse(call))
            if isinstance(statement, ast.Expr):
                again = code.reap or ast.unparse(statement)
            body = f"try:\n    __body__\nexcept {code.timeout_error}:\n    {code.kill}\n    {again}"
            return [ReplaceExpression(Span.of(call), limited), Wrap(span, span, body)]
        case _:
            return []


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else "wait"


def _again(statement: ast.stmt, call: ast.Call, code: ChildCode, repeated: str) -> str:
    """The statement of a wait once more, now without a limit."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call | ast.Await):
        return code.reap if _method(call) == "wait" else repeated
    text = ast.unparse(statement)
    return text.replace(ast.unparse(call), repeated, 1)


def _may_retry(module: ModuleModel, signal: Event) -> bool:
    """Whether `communicate(timeout)` loses nothing: no line was read before, no grandchild is known to hold a pipe."""
    handle = signal.subject
    assert isinstance(handle, Handle)
    reads = (EventKind.READ, EventKind.DRAIN, EventKind.HAND_OVER)
    touched = any(e.kind in reads and e.stream in STREAMS[1:] for e in module.ending.happens_to(handle))
    return not touched and (signal.group or not module.sessions.uses_shell(module.spawn(handle)))


def _behind_bounded_wait(module: ModuleModel, wait: Event, statement: ast.stmt, code: ChildCode) -> list[Edit]:
    """Kill behind a bounded wait whose timeout nothing, or nothing but a log line, answers."""
    span, handle = Span.of(statement), wait.subject
    if code.family is Family.MULTIPROCESSING:
        return [InsertAfter(span, code.kill_if_alive())] if isinstance(statement, ast.Expr) else []
    assert isinstance(handle, Handle)
    clause = module.ending.catcher(wait, handle.family)
    if clause is not None and _names_timeout(module, wait, clause):
        return _into(module, clause, f"{code.kill}\n{code.reap}")
    if not isinstance(statement, ast.Expr):
        return []
    body = f"try:\n    __body__\nexcept {code.timeout_error}:\n    {code.kill}\n    {code.reap}"
    return [Wrap(span, span, body)]


def _wait_behind(module: ModuleModel, signal: Event, code: ChildCode) -> list[Edit]:
    """Write a bounded wait and SIGKILL right behind a signal."""
    statement = _signal_statement(module, signal)
    function = signal.function
    if statement is None or _reaps_by_pid(module, signal):
        return []
    if function.is_async and code.family is not Family.ASYNCIO:
        return []  # it would hold up the event loop
    if getattr(function.node, "name", "") in _NEVER_WAITING:
        return []
    loop = module.syntax.parent(statement)
    if isinstance(loop, ast.For) and _is_signal_round(loop, code):
        again = f"for {ast.unparse(loop.target)} in {ast.unparse(loop.iter)}:\n"
        return [InsertAfter(Span.of(loop), again + _indented(code.make_sure()))] if is_movable(module, loop) else []
    return [InsertAfter(Span.of(statement), code.make_sure())]


def _is_signal_round(loop: ast.For, code: ChildCode) -> bool:
    """Whether a loop does nothing but signal each of some children, so that these can end at the same time."""
    plain = all(isinstance(n, _ITERATED) for n in ast.walk(loop.iter))
    return len(loop.body) == 1 and not loop.orelse and plain and ast.unparse(loop.target) == code.receiver


def _indented(code: str) -> str:
    return "\n".join("    " + line for line in code.splitlines())


def _next_wait(module: ModuleModel, signal: Event) -> Event | None:
    """The wait that every path meets behind a signal, and that no path reaches with a child that was not signalled."""
    assert isinstance(signal.subject, Handle)
    found = module.ending.aftermath(signal, lambda e: e.kind in _WAITS and not e.concurrent, nothing).hits
    waits: dict[ast.stmt, Event] = {}
    for hit in sorted(found, key=lambda e: (e.site.lineno, e.site.col_offset)):
        if hit.function is signal.function:
            waits.setdefault(module.syntax.statement(hit.site), hit)
    receiver = receiver_of(signal)
    if not waits or receiver is None:
        return None
    statement = module.syntax.statement(signal.site)
    while True:
        for following in module.syntax.following(statement):
            wait = next((waits[s] for s in _first_of(statement, following) if s in waits), None)
            if wait is not None:
                return wait
        around = module.syntax.parent(statement)
        if isinstance(around, ast.Try) and statement in around.body:
            if not all(isinstance(h.body[-1], ast.Pass | ast.Expr) for h in around.handlers):
                return None
        elif isinstance(around, ast.If):
            if around.orelse or not _asks_whether_alive(around.test, ast.unparse(receiver)):
                return None
        elif isinstance(around, ast.With):
            if not _only_suppresses(module, around, signal):
                return None
        elif not (isinstance(around, ast.For) and not around.orelse):
            return None
        if isinstance(around, ast.For) and ast.unparse(around.target) != ast.unparse(receiver):
            return None
        statement = around


def _first_of(before: ast.stmt, statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement, or those of a `try` body, or of a second loop over the same children."""
    match statement, before:
        case ast.Try(body=body) | ast.With(body=body), _:
            yield from body
        case ast.For(body=body, iter=again), ast.For(iter=first) if ast.unparse(again) == ast.unparse(first):
            for inner in body:
                yield from _first_of(inner, inner)
        case _, ast.For():
            return
        case _:
            yield statement


def _only_suppresses(module: ModuleModel, block: ast.With, signal: Event) -> bool:
    """`with contextlib.suppress(…)`: what is behind it is reached even if the child had ended already."""
    for item in block.items:
        call = item.context_expr
        if not isinstance(call, ast.Call):
            return False
        if External("contextlib.suppress") not in module.evaluator.eval(call.func, signal.function, signal.step):
            return False
    return True


def _asks_whether_alive(test: ast.expr, receiver: str) -> bool:
    """`if p.poll() is None`, `if p.is_alive()`, `if p is not None`: who does not pass has no child to wait for."""
    root = receiver.partition(".")[0].partition("[")[0]
    for node in ast.walk(test):
        match node:
            case ast.Name(id=name) if name != root:
                return False
            case ast.Call(func=ast.Attribute(attr=attr, value=value), args=[]):
                if attr not in _LIVENESS or ast.unparse(value) != receiver:
                    return False
            case ast.Call():
                return False
            case ast.Attribute(attr=attr) if attr not in (*_LIVENESS, "returncode", "exitcode", "pid"):
                if not receiver.startswith(ast.unparse(node)):
                    return False
            case _:
                continue
    return receiver in ast.unparse(test)


def _reaps_by_pid(module: ModuleModel, event: Event) -> bool:
    """Whether `os.waitpid(p.pid, …)` collects the status, which then fails behind any other wait."""
    assert isinstance(event.subject, Handle)
    return any(e.kind is EventKind.REAP and not e.concurrent for e in module.ending.happens_to(event.subject))


def _is_lent(receiver: ast.expr, wait: Event) -> bool:
    """Whether the child came in by a parameter: whoever started it may want to do something else about the timeout."""
    root = receiver
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    args = wait.function.arguments
    own = [*args.posonlyargs, *args.args, *args.kwonlyargs] if args is not None else []
    return isinstance(root, ast.Name) and root.id != wait.function.receiver and root.id in {a.arg for a in own}


# -- timeouts ----------------------------------------------------------------------------------------------------------


def _in_handler(module: ModuleModel, handle: Handle, abandoned: AbandonedChild, code: ChildCode) -> list[Edit]:
    wait, clause = abandoned
    around = module.syntax.parent(clause)
    assert isinstance(around, ast.Try | ast.TryStar)
    if _names_timeout(module, wait, clause) and not _is_made_in(module, handle, around.body):
        return _into(module, clause, code.end())
    statement = module.syntax.statement(wait.site)
    if not isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return) or not is_movable(
        module, statement
    ):
        return []
    ending = _indented(f"{code.end()}\nraise")
    span = Span.of(statement)
    return [Wrap(span, span, f"try:\n    __body__\nexcept {code.timeout_error}:\n{ending}")]


def _names_timeout(module: ModuleModel, wait: Event, clause: ast.ExceptHandler) -> bool:
    """Whether a clause is for the timeout alone."""
    if clause.type is None or isinstance(clause.type, ast.Tuple):
        return False
    names = {getattr(v, "name", "") for v in module.evaluator.eval(clause.type, wait.function, None)}
    return names <= {"subprocess.TimeoutExpired", "asyncio.TimeoutError", "builtins.TimeoutError", "TimeoutError"}


def _is_made_in(module: ModuleModel, handle: Handle, body: Sequence[ast.stmt]) -> bool:
    first, last = body[0].lineno, body[-1].end_lineno or body[-1].lineno
    return any(first <= e.site.lineno <= last for e in module.flow.starts(handle)) or any(
        first <= getattr(call, "lineno", 0) <= last for call in handle.context
    )


def _into(module: ModuleModel, clause: ast.ExceptHandler, code: str) -> list[Edit]:
    """Write `code` into a clause: behind its log lines, in front of what may leave it."""
    body = clause.body
    if not all(is_movable(module, s) for s in body[:2]):
        return []
    if len(body) == 1 and isinstance(body[0], ast.Pass):
        return [ReplaceStatement(Span.of(body[0]), code)]
    logs = 0
    while logs < len(body) and _is_log(body[logs]) and is_movable(module, body[logs]):
        logs += 1
    if logs:
        return [InsertAfter(Span.of(body[logs - 1]), code)]
    return [InsertBefore(Span.of(body[0]), code)]


def _is_log(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method))
        ):
            return method in _LOG_METHODS and name.strip("_").lower() in _LOGGERS
        case _:
            return False
