"""Which code of a function one call of it can reach, where the call's own arguments decide the tests in between.

`start(capture=False)` never comes to what stands under `if capture:`. Only what is written out decides: literals,
defaults, functions and classes, names that stand for these alone. A constant of the module is a setting that somebody
may change, and what a caller out of sight gives is unknown; both leave a test open.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.model.scopes import BindingKind, Condition, Function
from flake8_forksafe.model.values import (
    ClassReference,
    Collection,
    Constant,
    External,
    FunctionReference,
    Handle,
    Instance,
    Partial,
    Resource,
    Value,
)

if TYPE_CHECKING:
    from flake8_forksafe.model.evaluate import Evaluator

Calls = tuple[ast.Call, ...]
#: How many names and operators one test is followed through.
_DEPTH = 8
#: Members of modules that are known to be something: whatever they are, they are not None and not false.
_SOMETHING = frozenset({"subprocess.PIPE", "subprocess.STDOUT", "subprocess.DEVNULL"})
_ORDERS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class _Place(NamedTuple):
    """An expression, the function that evaluates it, and the calls through which that one is reached."""

    node: ast.expr
    function: Function
    calls: Calls


class Reach:
    """Answers, for one module, what the arguments of a call decide in the function that is called."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Prepare for the module of `evaluator`."""
        self._evaluator = evaluator
        self._excluded: dict[tuple[Condition, Calls], bool] = {}

    def excludes(self, node: ast.AST, function: Function, calls: Calls) -> bool:
        """Whether `node` stands under a test that fails when `function` is reached through `calls`.

        Arguments:
            node: a statement of `function`, or the value of its `return` or `yield`.
            function: what evaluates `node`.
            calls: outermost first; their arguments decide. Without any, the platform and the target version do.
        """
        condition = self._evaluator.scopes.conditions.get(node)
        chain: list[Condition] = []
        while condition is not None and (condition, calls) not in self._excluded:
            chain.append(condition)
            condition = condition.outer
        excluded = condition is not None and self._excluded[condition, calls]
        for link in reversed(chain):  # each test of a long row is asked about once, not once for each that follows
            excluded = excluded or self._fails(link, function, calls)
            self._excluded[link, calls] = excluded
        return excluded

    def _fails(self, link: Condition, function: Function, calls: Calls) -> bool:
        """Whether a test comes out the other way: by the platform if there are no `calls`, else by them alone."""
        truth = self.truth(link.test, function, calls) if calls else self._evaluator.truth(link.test, function, None)
        return truth is (not link.truth)

    def truth(self, test: ast.expr, function: Function, calls: Calls) -> bool | None:
        """How `test` comes out when `function` is reached through `calls`; None if they leave that open."""
        return self._truth(_Place(test, function, calls), _DEPTH)

    def _truth(self, place: _Place, depth: int) -> bool | None:
        if depth == 0:
            return None
        node, function, calls = place
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._truth(place._replace(node=operand), depth - 1)
                return None if inner is None else not inner
            case ast.BoolOp(op=op, values=values):
                stop = isinstance(op, ast.Or)
                truths = {self._truth(place._replace(node=v), depth - 1) for v in values}
                return stop if stop in truths else (not stop) if truths == {not stop} else None
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                mine = self._values(place._replace(node=left), depth - 1)
                its = self._values(place._replace(node=right), depth - 1) if mine else []
                return _agreed(_compare(op, one, other) for one in mine for other in its)
            case ast.Name(id=name):
                sources = self._sources(name, function, calls)
                if sources is None:
                    return _agreed(_is_true(v) for v in self._values(place, depth - 1))
                return _agreed(self._truth(s, depth - 1) for s in sources)
            case ast.Constant(value=value):
                return bool(value)
            case _:
                return None

    def _values(self, place: _Place, depth: int) -> list[Value]:
        """All that an operand can be; empty if that is not known."""
        node, function, calls = place
        match node:
            case ast.Constant(value=value):
                return [Constant(value)]
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
                return [Constant(-number)]
            case ast.Tuple(elts=elts) | ast.List(elts=elts) | ast.Set(elts=elts):
                members = [e.value for e in elts if isinstance(e, ast.Constant)]
                return [Constant(tuple(members))] if len(members) == len(elts) else []
            case ast.Name(id=name) if (sources := self._sources(name, function, calls)) is not None:
                found = [self._values(s, depth - 1) for s in sources] if depth else [[]]
                return [v for values in found for v in values] if all(found) else []
            case ast.Name() | ast.Attribute() | ast.Lambda():
                values = self._evaluator.eval(node, function, None, calls)
                return list(values) if values and all(_is_something(v) for v in values) else []
            case _:
                return []

    def _sources(self, name: str, function: Function, calls: Calls) -> list[_Place] | None:
        """The expressions that a local stands for if it is bound once, a parameter by its call; None if unknown."""
        match function.names.get(name):
            case [binding] if name not in function.outer_names:
                pass
            case _:
                return None
        if binding.kind is BindingKind.ASSIGN and binding.value is not None and not binding.path:
            return [_Place(binding.value, function, calls)] if binding.function is function else None
        if binding.kind is not BindingKind.PARAMETER or not calls or not function.takes(name):
            return None
        if not self._evaluator.calls_directly(calls[-1], function):
            return None  # whoever calls it in the end may give more
        given = self._evaluator.given(calls[-1], function, calls[:-1])
        arguments, default = given.get(name), function.defaults().get(name)
        if given.open or any(a.condition is not None for a in arguments):
            return None
        if arguments:
            return [_Place(a.value, a.function, a.context) for a in arguments]
        return [_Place(default, function.parent or function, ())] if default is not None else None


def _agreed(truths: Iterable[bool | None]) -> bool | None:
    """What all of `truths` are; None if there are none or they differ."""
    found = set(truths)
    return found.pop() if len(found) == 1 else None


def _is_something(value: Value) -> bool:
    """Whether a value is known not to be None."""
    match value:
        case External(name):
            return name in _SOMETHING
        case FunctionReference() | ClassReference() | Partial() | Handle() | Instance() | Resource() | Collection():
            return True
        case _:
            return False


def _is_none(value: Value) -> bool | None:
    if isinstance(value, Constant):
        return value.value is None
    return False if _is_something(value) else None


def _is_true(value: Value) -> bool | None:
    """The truth of a value that is no literal; an empty collection and an object with a length are false."""
    match value:
        case External(name):
            return True if name in _SOMETHING else None
        case FunctionReference() | ClassReference():
            return True
        case _:
            return None


def _compare(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """How a comparison of two known values comes out."""
    match op, left, right:
        case ast.NotEq() | ast.IsNot() | ast.NotIn(), _, _:
            opposite = {ast.NotEq: ast.Eq, ast.IsNot: ast.Is, ast.NotIn: ast.In}[type(op)]
            inner = _compare(opposite(), left, right)
            return None if inner is None else not inner
        case ast.Eq() | ast.Is(), _, Constant(value=None):
            return _is_none(left)
        case ast.Eq() | ast.Is(), Constant(value=None), _:
            return _is_none(right)
        case ast.Eq(), Constant(value=mine), Constant(value=its):
            return mine == its
        case ast.Is(), Constant(value=mine), Constant(value=bool(its)):
            return mine is its
        case ast.Eq() | ast.Is(), External(name=mine), External(name=its) if {mine, its} <= _SOMETHING:
            return mine == its
        case ast.In(), Constant(value=mine), Constant(value=tuple(members)):
            return mine in members
        case _, Constant(value=int(mine)), Constant(value=int(its)) if type(op) in _ORDERS:
            return _ORDERS[type(op)](mine, its)
        case _:
            return None
