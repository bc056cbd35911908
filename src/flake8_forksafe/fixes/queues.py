"""Fixes that take what a worker has put on a queue before they join the worker."""

from __future__ import annotations

import ast

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, InsertAfter, InsertBefore, ReplaceExpression, ReplaceStatement, Safety
from flake8_forksafe.fixes.regions import free_name, is_first_act, is_removable
from flake8_forksafe.fixes.writing import as_written
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.queues import EarlyJoin
from flake8_forksafe.model.scopes import access_path
from flake8_forksafe.model.values import Resource, ResourceKind

_TITLE = "get before join"
_LONGEST = 100
#: What looks at the child or the queue, and would see something else after the move.
_LOOKING = frozenset(
    {"exitcode", "is_alive", "empty", "qsize", "full", "terminate", "kill", "close", "active_children"}
)


def get_before_join(module: ModuleModel, early: EarlyJoin) -> Fix | None:
    """Move the gets behind a join in front of it; None where code between them looks at the child or the queue.

    A child that dies before it puts makes the get wait for ever, in either order.
    """
    join, get = early.join, early.get
    if join.function is not get.function:
        return None
    joining = _in_block_of(module, join, get)
    if joining is None:
        return None
    gets = _gets_behind(module, join, joining)
    between = _between(module, joining, gets)
    if not gets or between is None or any(_looks(s) for s in (joining, *between)):
        return None
    if not module.syntax.is_alone_on_line(joining) or not _only_joins(joining):
        return None
    if isinstance(gets[0], ast.For):
        return _join_later(joining, gets, between)
    return _get_earlier(module, joining, gets, between)


def _in_block_of(module: ModuleModel, join: Event, get: Event) -> ast.stmt | None:
    """The statement around `join` that stands in one block with a statement around `get`."""
    getting = {id(n) for n in (module.syntax.statement(get.site), *module.syntax.parents(get.site))}
    node = module.syntax.statement(join.site)
    while True:
        if any(id(s) in getting for s in module.syntax.following(node)):
            return node
        around = module.syntax.parent(node)
        if not isinstance(around, ast.For):
            return None
        node = around


def _gets_behind(module: ModuleModel, join: Event, joining: ast.stmt) -> list[ast.stmt]:
    """The statements behind `joining` that get from any queue, if all gets behind it are in them and are plain."""
    following = module.syntax.following(joining)
    found: list[ast.stmt] = []
    for event in module.flow.of_kind(EventKind.GET):
        if event.function is not join.function or event.site.lineno < joining.lineno:
            continue
        if not isinstance(event.subject, Resource) or event.subject.kind is not ResourceKind.QUEUE:
            continue
        statement = next((s for s in following if event.site in set(ast.walk(s))), None)
        if statement is None or not _is_plain_get(event.site):
            return []
        if statement not in found:
            found.append(statement)
    return sorted(found, key=lambda s: s.lineno)


def _is_plain_get(site: ast.AST) -> bool:
    return (
        isinstance(site, ast.Call)
        and isinstance(site.func, ast.Attribute)
        and site.func.attr == "get"
        and not site.args
        and not site.keywords
        and bool(access_path(site.func.value))
    )


def _between(module: ModuleModel, joining: ast.stmt, gets: list[ast.stmt]) -> list[ast.stmt] | None:
    """The statements from the join to the last get that are neither; None if one of them may lead elsewhere."""
    following = module.syntax.following(joining)
    if not gets:
        return None
    between = [s for s in following[: following.index(gets[-1])] if s not in gets]
    return None if any(not isinstance(s, ast.Expr | ast.For) or not _only_joins(s) for s in between) else between


def _only_joins(statement: ast.stmt) -> bool:
    """Whether a statement is a join, or a loop over nothing but joins."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="join"))):
            return True
        case ast.For(body=body, orelse=[]):
            return all(_only_joins(s) for s in body)
        case _:
            return False


def _looks(statement: ast.stmt) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr in _LOOKING for n in ast.walk(statement))


def _get_earlier(module: ModuleModel, joining: ast.stmt, gets: list[ast.stmt], between: list[ast.stmt]) -> Fix | None:
    """Move each get in front of the join, under the name it has or a new one."""
    edits: list[Edit] = []
    lines: list[str] = []
    mentioned = {n.id for s in (joining, *between) for n in ast.walk(s) if isinstance(n, ast.Name)}
    for statement in gets:
        if not module.syntax.is_alone_on_line(statement) or _looks(statement):
            return None
        taken = _taken(module, statement)
        if taken is None or not is_first_act(module, taken, statement):
            return None
        code = as_written(taken)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is taken:
                if name in mentioned or not is_removable(module, statement):
                    return None
                lines.append(f"{name} = {code}")
                edits.append(ReplaceStatement(Span.of(statement), ""))
            case _:
                function = next(
                    (module.scopes.by_node[p] for p in module.syntax.parents(statement) if p in module.scopes.by_node),
                    module.scopes.module,
                )
                candidates = ("result", "answer", "received") if isinstance(taken, ast.Call) else ("results", "answers")
                fresh = free_name(function, candidates)
                if fresh is None or statement is not gets[-1]:
                    return None
                lines.append(f"{fresh} = {code}")
                edits.append(ReplaceExpression(Span.of(taken), fresh))
        if len(lines[-1]) > _LONGEST:
            return None
    return Fix(Safety.SAFE, (InsertBefore(Span.of(joining), "\n".join(lines)), *edits), _TITLE)


def _taken(module: ModuleModel, statement: ast.stmt) -> ast.expr | None:
    """What gets: one `queue.get()`, or a list comprehension over nothing but gets."""
    calls = [n for n in ast.walk(statement) if _is_plain_get(n)]
    if len(calls) != 1:
        return None
    (call,) = calls
    assert isinstance(call, ast.Call)
    around = module.syntax.parent(call)
    if isinstance(around, ast.ListComp) and around.elt is call:
        simple = all(not g.ifs and not g.is_async for g in around.generators)
        return around if simple and around.lineno == around.end_lineno else None
    return call


def _join_later(joining: ast.stmt, gets: list[ast.stmt], between: list[ast.stmt]) -> Fix | None:
    """Move the join behind a loop of gets."""
    loop = gets[0]
    if len(gets) > 1 or between or not isinstance(loop, ast.For) or loop.orelse or _looks(loop):
        return None
    if any(isinstance(n, ast.Break | ast.Return | ast.Raise | ast.Continue | ast.If | ast.Try) for n in ast.walk(loop)):
        return None
    if joining.end_lineno is None or joining.end_lineno - joining.lineno > 1:
        return None
    code = ast.unparse(joining)
    edits = (ReplaceStatement(Span.of(joining), ""), InsertAfter(Span.of(loop), code))
    return Fix(Safety.SAFE, edits, _TITLE)
