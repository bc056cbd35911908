"""Fixes for the input of a child: close it before a wait, or give it to `communicate()`.

Facts: `tests/hanglab/FRK105`, `tests/hanglab/FRK106`.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, InsertBefore, ReplaceStatement, Safety, SetArgument
from flake8_forksafe.fixes.communicate import TITLE, Communication, communicate
from flake8_forksafe.fixes.regions import is_first_act, is_unconditional
from flake8_forksafe.fixes.writing import as_written
from flake8_forksafe.model.events import Event, EventKind, ReadStyle
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import access_path
from flake8_forksafe.model.values import NONE, Handle
from flake8_forksafe.stdlib.subprocess import Family

_LONGEST = 70
_BROKEN_PIPE = frozenset({"BrokenPipeError", "ConnectionError", "OSError", "IOError", "EnvironmentError", "Exception"})
_FINISHING = frozenset({EventKind.COMMUNICATE, EventKind.WAIT, EventKind.READ})


# -- closing -----------------------------------------------------------------------------------------------------------


def close_input(module: ModuleModel, handle: Handle, event: Event) -> Fix | None:
    """See that stdin is closed before the wait or read at `event`."""
    return communicate(module, handle, event) or _close_before(module, handle, event)


def _close_before(module: ModuleModel, handle: Handle, event: Event) -> Fix | None:
    """Put `p.stdin.close()` in front of the statement of `event`."""
    statement = module.syntax.statement(event.site)
    receiver = _receiver(module, handle, event)
    blocking = _blocking(module, event)
    later = module.query(handle, _uses_input, lambda _e: False, exceptions=True)
    if (
        receiver is None
        or blocking is None
        or not module.syntax.is_alone_on_line(statement)
        or not is_first_act(module, blocking, statement)
        or module.flow.after(event, later).hits
    ):
        return None
    edit = InsertBefore(Span.of(statement), f"{receiver}.stdin.close()")
    return Fix(_closing_safety(module, handle, statement, receiver), (edit,), "close stdin first")


def _uses_input(event: Event) -> bool:
    return event.kind is EventKind.COMMUNICATE or (event.kind is EventKind.WRITE and event.stream == "stdin")


def _closing_safety(module: ModuleModel, handle: Handle, statement: ast.stmt, receiver: str) -> Safety:
    """Whether the close has nothing to write: it flushes, and raises BrokenPipeError when the child has gone."""
    if handle.family is Family.ASYNCIO or not module.flow.events(handle, EventKind.WRITE):
        return Safety.SAFE
    block = module.syntax.block(statement)
    position = block.index(statement)
    flushed = position > 0 and ast.unparse(block[position - 1]) == f"{receiver}.stdin.flush()"
    return Safety.SAFE if flushed else Safety.UNSAFE


def _blocking(module: ModuleModel, event: Event) -> ast.expr | None:
    """The expression at `event` that blocks, with the `await` around it."""
    site = event.site
    if not isinstance(site, ast.expr):
        return None
    around = module.syntax.parent(site)
    return around if isinstance(around, ast.Await) else site


def _receiver(module: ModuleModel, handle: Handle, event: Event) -> str | None:
    """How the program calls `handle` at `event`, if that means it alone."""
    for node in ast.walk(event.site):
        if isinstance(node, ast.Name | ast.Attribute) and (path := access_path(node)):
            found = module.evaluator.eval(node, event.function, event.step)
            if handle in found and found <= {handle, NONE}:
                return path
    return None


# -- giving to communicate() -------------------------------------------------------------------------------------------


class _Input(NamedTuple):
    """What is written: code for all of it at once, and the statement that writes it."""

    code: str
    statement: ast.stmt
    receiver: str


def pass_as_input(module: ModuleModel, handle: Handle, write: Event) -> Fix | None:
    """Give what the only write of a child's input writes to the `communicate()`, wait or read behind it."""
    data = _written(module, handle, write)
    if data is None or not module.syntax.is_alone_on_line(data.statement):
        return None
    replaced, finisher = _up_to_finisher(module, data)
    if finisher is None or not module.syntax.is_alone_on_line(finisher):
        return None
    event = _finishing_event(module, handle, write, finisher)
    if event is None:
        return None
    if event.kind is EventKind.COMMUNICATE:
        fix = _into_communicate(module, data, replaced, event, finisher)
    else:
        fix = Communication(module, handle, event, data=data.code, replaced=tuple(replaced)).fix()
    later = isinstance(data.statement, ast.For)  # the child gets all of it at the end of the loop, not as it comes
    if fix is not None and (later or _handles_broken_pipe(module, data.statement)):
        return replace(fix, safety=Safety.UNSAFE)
    return fix


def _written(module: ModuleModel, handle: Handle, write: Event) -> _Input | None:
    """All that is written to stdin, if one statement writes it and its code is short."""
    statement = module.syntax.statement(write.site)
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(
                    attr="write" | "writelines" as method, value=ast.Attribute(attr="stdin", value=base)
                ),
                args=[given],
                keywords=[],
            ) as call
        ) if call is write.site and access_path(base):
            pass
        case _:
            return None
    if any(e.site is not write.site for e in module.flow.events(handle, EventKind.WRITE)) or not _is_plain(given):
        return None
    code: str | None = as_written(given)
    joining = {True: '""', False: 'b""'}.get(module.spawn(handle).text_mode)  # type: ignore[arg-type]  # None: unknown
    whole: ast.stmt = statement
    loop = module.syntax.parent(statement)
    if method == "writelines":
        code = f"{joining}.join({code})" if joining else None
    if write.step.loops:
        code = _joined(write, loop, given, joining) if method == "write" else None
        assert isinstance(loop, ast.stmt)
        whole = loop
    if code is None or len(code) > _LONGEST or _receiver(module, handle, write) is None:
        return None
    return _Input(code, whole, access_path(base))


def _joined(write: Event, loop: ast.AST | None, given: ast.expr, joining: str | None) -> str | None:
    """`"".join(… for x in xs)` for a loop of nothing but the write."""
    if (
        not isinstance(loop, ast.For)
        or len(loop.body) != 1
        or loop.orelse
        or joining is None
        or len(write.step.loops) != 1
    ):
        return None
    names = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    inside = set(ast.walk(loop))
    seen_elsewhere = any(
        isinstance(n, ast.Name) and n.id in names and n not in inside for n in ast.walk(write.function.node)
    )
    if seen_elsewhere or not _is_plain(loop.iter):
        return None
    element, target, source = as_written(given), ast.unparse(loop.target), as_written(loop.iter)
    if element == target:
        return f"{joining}.join({source})"
    return f"{joining}.join({element} for {target} in {source})"


def _is_plain(node: ast.expr) -> bool:
    """Whether code can be evaluated a little later and be written anew: one line, no suspension, no binding."""
    if node.lineno != node.end_lineno:
        return False
    return not any(
        isinstance(n, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr | ast.Lambda) for n in ast.walk(node)
    )


def _up_to_finisher(module: ModuleModel, data: _Input) -> tuple[list[ast.stmt], ast.stmt | None]:
    """The write and the statements right behind it that only flush or close stdin; then the next statement."""
    replaced = [data.statement]
    idle = {f"{data.receiver}.stdin.{call}" for call in ("flush()", "close()", "write_eof()")}
    idle |= {f"await {data.receiver}.stdin.{call}" for call in ("drain()", "wait_closed()")}
    for statement in module.syntax.following(data.statement):
        if not isinstance(statement, ast.Expr) or ast.unparse(statement) not in idle:
            return replaced, statement
        if not module.syntax.is_alone_on_line(statement):
            return replaced, None
        replaced.append(statement)
    return replaced, None


def _finishing_event(module: ModuleModel, handle: Handle, write: Event, finisher: ast.stmt) -> Event | None:
    """The first thing in `finisher` that reads the output or waits."""
    inside = set(ast.walk(finisher))
    header = finisher.test if isinstance(finisher, ast.If | ast.While) else finisher
    found = [
        e
        for e in module.flow.events(handle)
        if e.kind in _FINISHING and e.site in inside and e.site in set(ast.walk(header)) and not e.concurrent
    ]
    if not found or isinstance(finisher, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.Try):
        return None
    if any(e.kind is EventKind.READ and e.style is ReadStyle.PARTIAL for e in found):
        return None
    return found[0] if found[0].function is write.function else None


def _into_communicate(
    module: ModuleModel, data: _Input, replaced: list[ast.stmt], event: Event, finisher: ast.stmt
) -> Fix | None:
    match event.site:
        case ast.Call(func=ast.Attribute(attr="communicate", value=base), args=[], keywords=keywords) as call:
            if access_path(base) != data.receiver or any(k.arg in (None, "input") for k in keywords):
                return None
        case _:
            return None
    if not is_unconditional(module, call, finisher):
        return None
    edits: list[Edit] = [ReplaceStatement(Span.of(s), "") for s in replaced]
    return Fix(Safety.SAFE, (*edits, SetArgument(Span.of(call), "input", data.code)), TITLE)


def _handles_broken_pipe(module: ModuleModel, statement: ast.stmt) -> bool:
    """Whether an `except` around the write is there for a child that has gone."""
    for around in module.syntax.parents(statement):
        if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        if isinstance(around, ast.Try):
            for handler in around.handlers:
                names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else set()
                if handler.type is None or names & _BROKEN_PIPE:
                    return True
    return False
