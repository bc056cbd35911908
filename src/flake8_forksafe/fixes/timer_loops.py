"""The fix that makes one thread, waiting on an Event, out of a class's chain of Timers."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, InsertBefore, ReplaceExpression, ReplaceStatement, Safety, Wrap
from flake8_forksafe.fixes.blocks import free_name
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Class, Function
from flake8_forksafe.model.spelling import Spelling
from flake8_forksafe.model.timers import Rearming


class _Arming(NamedTuple):
    """`self.timer = Timer(interval, self.callback)` and `self.timer.start()`, one behind the other."""

    binding: ast.Assign
    call: ast.Call
    start: ast.Expr
    interval: str


def as_event_loop(module: ModuleModel, rearming: Rearming) -> Fix | None:
    """Loop on `Event.wait(interval)` in one daemon thread, and set the Event where the timer was cancelled.

    Made only where everything that touches the timer is in sight and plain: a method that arms it last, one other
    method that arms it first, in the same way, and `cancel()`. Then nothing changes but for the hang, the lost cancel,
    and the kind of object in the attribute; because of that, and as a daemon is cut off at exit, the fix is unsafe.
    """
    callback, cls = rearming.callback, rearming.callback.owner
    if cls is None or callback is not rearming.alarm.home or not _is_plain(module, cls, callback):
        return None
    again = _arming(callback.node.body[-2:], callback) if isinstance(callback.node, ast.FunctionDef) else None
    if again is None or again.call is not rearming.alarm.call:
        return None
    attribute = _attribute(again.binding)
    first = _first_arming(cls, callback, attribute, again)
    cancels = _cancels(module, cls, attribute)
    if first is None or not cancels or _mentions(module, callback.name) != 2:
        return None
    if any(module.function_around(cancel) in module.timers.called_from(callback) for cancel in cancels):
        return None  # it cancels the timer that has just run, which does nothing; the loop would end
    return _fix(module, callback, first, again, cancels)


def _fix(
    module: ModuleModel, callback: Function, first: _Arming, again: _Arming, cancels: list[ast.Call]
) -> Fix | None:
    spellings = [module.speller.spell(f"threading.{name}", callback) for name in ("Event", "Thread")]
    event, thread = spellings
    local = free_name(module, callback, ("stopped", "stop_event"))
    stem = "_stopped" if _attribute(again.binding).startswith("_") else "stopped"
    member = next((n for n in (stem, f"{stem}_event") if not _mentions(module, n)), None)
    body = _work(callback)
    syntax, self = module.syntax, callback.receiver
    lines: list[ast.stmt] = [*body, again.binding, again.start, first.binding]
    if event is None or thread is None or local is None or member is None or not body:
        return None
    if not all(syntax.is_alone_on_line(s) for s in lines):
        return None
    loop = f"{local} = {self}.{member}\nwhile not {local}.wait({again.interval}):\n    __body__"
    edits: list[Edit] = [
        InsertBefore(Span.of(first.binding), f"{self}.{member} = {event.code}()"),
        ReplaceExpression(Span.of(first.call), f"{thread.code}(target={self}.{callback.name}, daemon=True)"),
        Wrap(Span.of(body[0]), Span.of(body[-1]), loop),
        ReplaceStatement(Span.of(again.binding), ""),
        ReplaceStatement(Span.of(again.start), ""),
    ]
    edits += [ReplaceExpression(Span.of(c), f"{self}.{member}.set()") for c in cancels]
    return Fix(Safety.UNSAFE, (*edits, *_imports(event, thread)), "loop on Event.wait() in one thread")


def _imports(*spellings: Spelling) -> tuple[Edit, ...]:
    return tuple(dict.fromkeys(i for s in spellings for i in s.imports))


def _is_plain(module: ModuleModel, cls: Class, callback: Function) -> bool:
    """Whether a class stands alone and its callback is a plain method without parameters."""
    node = callback.node
    if not isinstance(node, ast.FunctionDef) or node.decorator_list or callback.is_generator:
        return False
    alone = len(module.evaluator.family(cls)) == 1 and "__del__" not in cls.methods
    receivers = {m.receiver for m in cls.methods.values()} - {""}
    args = node.args
    return alone and receivers == {callback.receiver} and len(args.args) == 1 and not (args.kwonlyargs or args.kwarg)


def _arming(statements: list[ast.stmt], function: Function) -> _Arming | None:
    """The two statements that arm the timer, with nothing of the function's own in the interval."""
    match statements:
        case [
            ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=name), attr=attr)],
                value=ast.Call(args=[interval, ast.Attribute(value=ast.Name(id=owner))], keywords=[]) as call,
            ) as binding,
            ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=started), attr=same), attr="start"),
                    args=[],
                    keywords=[],
                )
            ) as start,
        ] if name == owner == started == function.receiver and attr == same:
            names = {n.id for n in ast.walk(interval) if isinstance(n, ast.Name)} - {name}
            if any(n in function.names for n in names):
                return None
            return _Arming(binding, call, start, ast.unparse(interval))
        case _:
            return None


def _attribute(binding: ast.Assign) -> str:
    (target,) = binding.targets
    assert isinstance(target, ast.Attribute)
    return target.attr


def _first_arming(cls: Class, callback: Function, attribute: str, again: _Arming) -> _Arming | None:
    """The one other place that arms the timer, by the same words; None if the attribute is bound in any other way."""
    found: list[_Arming] = []
    for binding in cls.attributes.get(attribute, ()):
        if binding.statement is again.binding or (isinstance(binding.value, ast.Constant) and not binding.value.value):
            continue
        pairs = [
            _arming([one, other], binding.function)
            for block in _blocks(binding.function.node)
            for one, other in pairwise(block)
            if one is binding.statement
        ]
        if len(pairs) != 1 or pairs[0] is None or binding.function is callback:
            return None
        found.append(pairs[0])
    same = len(found) == 1 and ast.unparse(found[0].call) == ast.unparse(again.call)
    return found[0] if same else None


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """Every list of statements in a function."""
    fields = (value for n in ast.walk(node) for _, value in ast.iter_fields(n))
    return [value for value in fields if isinstance(value, list) and value and isinstance(value[0], ast.stmt)]


def _cancels(module: ModuleModel, cls: Class, attribute: str) -> list[ast.Call]:
    """The calls of `self.timer.cancel()`; empty if anything else is done with the timer, in the class or out of it."""
    found: list[ast.Call] = []
    if attribute in module.syntax.texts:
        return []  # getattr, __slots__
    for node in module.syntax.attributes(attribute):
        if isinstance(node.ctx, ast.Store):
            continue
        around, call = module.syntax.parent(node), None
        if isinstance(around, ast.Attribute):
            call = module.syntax.parent(around)
        own = isinstance(node.value, ast.Name) and any(p is cls.node for p in module.syntax.parents(node))
        match around, call:
            case ast.Attribute(attr="start"), ast.Call() if own:
                continue
            case ast.Attribute(attr="cancel"), ast.Call(args=[], keywords=[]) if own and isinstance(
                module.syntax.parent(call), ast.Expr
            ):
                found.append(call)
            case ast.If() | ast.Compare() | ast.BoolOp() | ast.UnaryOp(), _ if own:
                continue
            case _:
                return []
    return found


def _mentions(module: ModuleModel, name: str) -> int:
    """How often the module reads or writes an attribute of that name."""
    return len(module.syntax.attributes(name))


def _work(callback: Function) -> list[ast.stmt]:
    """The statements of the callback between its docstring and its arming again."""
    node = callback.node
    assert isinstance(node, ast.FunctionDef)
    body = node.body[:-2]
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body
