"""Fixes for timers: the daemon flag in front of the start, and the cancel in a `finally`."""

from __future__ import annotations

import ast

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import (
    Edit,
    ExtractExpression,
    Fix,
    InsertAfter,
    InsertBefore,
    ReplaceExpression,
    Safety,
    Wrap,
)
from flake8_forksafe.fixes.blocks import free_name, leaves
from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.timers import Alarm, Rearming, SkippedCancel

_NAMES = ("timer", "next_timer", "rearmed_timer")


# -- daemon = True ---------------------------------------------------------------------------------------------------


def as_daemon(module: ModuleModel, rearming: Rearming) -> Fix | None:
    """Set `daemon` in front of the start of the timer; None where the two are not in sight together.

    Unsafe: at exit a daemon timer is cut off in the middle of its callback, and no `finally` of it runs.
    """
    alarm = rearming.alarm
    if alarm.resource.cls is not None or any(c.via for c in alarm.callbacks):
        return None  # the flag would hold for other timers of the class or the function, too
    edits = _flag_corrected(module, alarm) or _flag_after_binding(module, alarm) or _flag_of_new_name(module, alarm)
    return Fix(Safety.UNSAFE, edits, "set daemon = True in front of start()") if edits else None


def _flag_corrected(module: ModuleModel, alarm: Alarm) -> tuple[Edit, ...]:
    """`timer.daemon = False` made True."""
    match list({e.site: None for e in module.flow.events(alarm.resource, EventKind.DAEMON)}):
        case [ast.Assign(value=ast.Constant(value=False) as value)]:
            return (ReplaceExpression(Span.of(value), "True"),)
        case _:
            return ()


def _flag_after_binding(module: ModuleModel, alarm: Alarm) -> tuple[Edit, ...]:
    """The flag set behind `timer = Timer(…)`."""
    if module.flow.events(alarm.resource, EventKind.DAEMON):
        return ()
    statement = module.syntax.statement(alarm.call)
    match statement:
        case ast.Assign(targets=[*_, ast.Name() | ast.Attribute() as target], value=value) if value is alarm.call:
            pass
        case ast.AnnAssign(target=ast.Name() | ast.Attribute() as target, value=value) if value is alarm.call:
            pass
        case _:
            return ()
    if not module.syntax.is_alone_on_line(statement):
        return ()
    return (InsertAfter(Span.of(statement), f"{ast.unparse(target)}.daemon = True"),)


def _flag_of_new_name(module: ModuleModel, alarm: Alarm) -> tuple[Edit, ...]:
    """`Timer(…).start()` taken apart."""
    statement = module.syntax.statement(alarm.call)
    name = free_name(module, alarm.home, _NAMES)
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=timer, attr="start"), args=[], keywords=[])):
            if timer is not alarm.call or name is None or not module.syntax.is_alone_on_line(statement):
                return ()
        case _:
            return ()
    return (
        ExtractExpression(Span.of(alarm.call), Span.of(statement), name),
        InsertBefore(Span.of(statement), f"{name}.daemon = True"),
    )


# -- try / finally ---------------------------------------------------------------------------------------------------


def cancel_in_finally(module: ModuleModel, skipped: SkippedCancel) -> Fix | None:
    """Put what stands between start and cancel into `try`, and the cancel into `finally`.

    None where start and cancel do not stand in one block, or where a `return` between them skips the cancel, perhaps
    on purpose. A `try` that is all there is between gets the `finally` itself.
    """
    syntax = module.syntax
    cancel = _whole(module, skipped.cancel.site)
    start = syntax.statement(skipped.start.site)
    if cancel is None:
        return None
    block = syntax.block(cancel)
    starting = next((s for s in block if s is start or any(p is s for p in syntax.parents(start))), None)
    if starting is None or isinstance(starting, ast.If | ast.Try | ast.With | ast.While | ast.Match):
        return None
    between = block[block.index(starting) + 1 : block.index(cancel)]
    while between and _only_binds_constant(between[0]):
        between = between[1:]
    if not between or not all(syntax.is_alone_on_line(s) for s in (*between, cancel)):
        return None
    if any(leaves(s) for s in between) or _rebinds(between, skipped.cancel.site):
        return None
    edit = Wrap(Span.of(between[0]), Span.of(cancel), "try:\n    __body__\nfinally:\n    __last__")
    return Fix(Safety.SAFE, (edit,), "cancel the timer in a finally")


def _whole(module: ModuleModel, site: ast.AST) -> ast.stmt | None:
    """The statement that does nothing but the cancel: `timer.cancel()`, alone or in a loop over timers."""
    statement = module.syntax.statement(site)
    match statement:
        case ast.Expr(value=value) if value is site:
            around = module.syntax.parent(statement)
        case _:
            return None
    match around:
        case ast.For(body=[_], orelse=[], iter=ast.Name() | ast.Attribute()):
            return around
        case _:
            return statement


def _only_binds_constant(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name()], value=ast.Constant() | ast.List(elts=[]) | ast.Dict(keys=[])):
            return True
        case _:
            return False


def _rebinds(between: list[ast.stmt], site: ast.AST) -> bool:
    """Whether the statements give another value to what the cancel names."""
    names = {n.id for n in ast.walk(site) if isinstance(n, ast.Name)}
    attributes = {n.attr for n in ast.walk(site) if isinstance(n, ast.Attribute)}
    for node in (n for s in between for n in ast.walk(s)):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in names:
                return True
            case ast.Attribute(attr=attr, ctx=ast.Store() | ast.Del()) if attr in attributes:
                return True
            case _:
                continue
    return False
