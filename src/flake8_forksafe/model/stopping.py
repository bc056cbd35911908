"""What can keep a callback from arming itself again: stop flags, Events, counters, and all that is out of sight."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flake8_forksafe.model.cfg import Node, NodeKind, in_evaluation_order
from flake8_forksafe.model.evaluate import Arguments
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Function
from flake8_forksafe.model.values import (
    Collection,
    Constant,
    FunctionReference,
    Handle,
    Instance,
    Method,
    Resource,
    ResourceKind,
    Values,
)

if TYPE_CHECKING:
    from flake8_forksafe.model.context import Assumption
    from flake8_forksafe.model.module import ModuleModel

_ASKS_EVENT = frozenset({"is_set", "isSet", "wait"})
_CONDITIONAL = (ast.IfExp, ast.BoolOp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_PLAIN = (
    ast.Name,
    ast.Attribute,
    ast.Constant,
    ast.Compare,
    ast.cmpop,
    ast.expr_context,
    ast.UnaryOp,
    ast.unaryop,
    ast.BinOp,
    ast.operator,
)
_DEPTH = 4


class Stopping:
    """Whether the steps of one callback's run can be kept from happening in a later run.

    A test is idle if nothing in the module, but for the constructor, changes what it looks at so that it comes out the
    other way; then it has always let the callback arm itself, and always will. Every test that looks at more than plain
    names and attributes of `self` counts as one that can stop the callback.
    """

    def __init__(self, model: ModuleModel, chain: frozenset[Function], callback: Function, armed: Arguments) -> None:
        """Prepare for one callback.

        Arguments:
            model: the module.
            chain: the functions that a run of the callback goes through.
            callback: the function that the timer runs.
            armed: the arguments of the timer that the callback makes.
        """
        self._model, self._chain, self._callback, self._armed = model, chain, callback, armed

    def can_stop(self, event: Event) -> bool:
        """Whether an event of the callback's run stands under something that can keep it from happening."""
        if self._is_conditional(event) or not self._is_straight(event):
            return True
        known = self._model.context.known_at(event)
        assumed = sorted(known, key=lambda a: (a.test.lineno, a.test.col_offset, a.text, a.truth))
        return any(self._can_turn(a.test, event.function, _DEPTH, truth=self._as_written(a)) for a in assumed)

    def _as_written(self, assumption: Assumption) -> bool:
        """The truth of a test as the program writes it, from that of its normal form."""
        key = self._model.flow.key(assumption.test)
        return assumption.truth if key is None or key[1] else not assumption.truth

    def _is_conditional(self, event: Event) -> bool:
        """Whether the event happens on one side of a conditional expression, or in a comprehension."""
        return any(
            isinstance(part, _CONDITIONAL) and any(p is event.site for p in in_evaluation_order(part))
            for part in event.step.parts
        )

    def _is_straight(self, event: Event) -> bool:
        """Whether the step needs neither an exception nor an item of a loop to be reached."""
        entry = self._model.evaluator.graph(event.function).entry
        seen: set[Node] = {entry}
        work = [entry]
        while work:
            node = work.pop()
            if node is event.step:
                return True
            for onward in node.successors:
                if onward not in seen and onward.kind is not NodeKind.NEXT:
                    seen.add(onward)
                    work.append(onward)
        return False

    # -- tests -----------------------------------------------------------------------------------------------------

    def _can_turn(self, test: ast.expr, function: Function, depth: int, *, truth: bool) -> bool:
        """Whether a test that comes out as `truth` on the way to the timer may come out the other way one day."""
        if depth == 0:
            return True
        match test:
            case ast.Constant():
                return False
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._can_turn(operand, function, depth, truth=not truth)
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in _ASKS_EVENT:
                return truth or self._is_set_somewhere(self._model.evaluator.eval(test.func, function, None))
            case _ if not all(isinstance(p, _PLAIN) for p in ast.walk(test)):
                return True
            case _:
                return any(self._can_change(v, test, function, depth, truth=truth) for v in _variables(test))

    def _is_set_somewhere(self, methods: Values) -> bool:
        """Whether an Event is set, or known outside the module, so that somebody may set it."""
        for method in methods:
            match method:
                case Method(receiver=Resource(kind=ResourceKind.EVENT) as event):
                    if self._model.flow.events(event, EventKind.SET) or self._is_known_outside(event):
                        return True
                case _:
                    return True
        return False

    def _is_known_outside(self, event: Resource) -> bool:
        """Whether an Event is given to code out of sight; a function of the module that makes it only returns it."""
        flow = self._model.flow
        return any(
            not (isinstance(e.site, ast.Return) and flow.callers.get(e.function))
            for e in flow.events(event, EventKind.ESCAPE)
        )

    def _can_change(self, variable: ast.expr, test: ast.expr, function: Function, depth: int, *, truth: bool) -> bool:
        match variable:
            case ast.Name():
                return self._name_can_change(variable, test, function, depth, truth=truth)
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                owner = next((f.owner for f in (function, *function.lexical_parents()) if f.receiver == name), None)
                return owner is None or self._attribute_can_change(owner, attr, test, truth=truth)
            case _:
                return True

    def _name_can_change(
        self, variable: ast.Name, test: ast.expr, function: Function, depth: int, *, truth: bool
    ) -> bool:
        scope, bindings = self._bindings(variable.id, function)
        if scope is None or any(b.kind is BindingKind.IMPORT for b in bindings):
            return True
        if scope is function and not scope.is_module:
            match bindings:
                case [Binding(kind=BindingKind.PARAMETER)]:
                    return not self._comes_out_again(variable.id, test, function, truth=truth)
                case [Binding(kind=BindingKind.ASSIGN, value=ast.Name() | ast.Attribute() as value)] if (
                    test is variable
                ):
                    return bool(bindings[0].path) or self._can_turn(value, function, depth - 1, truth=truth)
                case _:
                    return True
        return self._turned_by((b for b in bindings if b.function is not scope), test, truth=truth)

    def _bindings(self, name: str, function: Function) -> tuple[Function | None, list[Binding]]:
        """The scope that binds `name` as seen from `function`, with its bindings there."""
        for scope in (function, *function.lexical_parents()):
            if scope.is_module:
                break
            if name in scope.names and name not in scope.outer_names:
                return scope, scope.names[name]
        module = self._model.scopes
        bindings = module.names_of_module(name)
        return (module.module, bindings) if bindings else (None, [])

    def _comes_out_again(self, name: str, test: ast.expr, function: Function, *, truth: bool) -> bool:
        """Whether the timer gives the callback such a parameter `name` that the test comes out as it did."""
        if function is not self._callback:
            return False
        match self._given_again(name, function):
            case ast.Name(id=given):
                return given == name
            case ast.Constant(value=value):
                return _outcome_of(test, Constant(value)) is truth
            case _:
                return False

    def _given_again(self, name: str, function: Function) -> ast.expr | None:
        """What the timer gives the callback for its parameter `name`: by place, by name, or by leaving the default."""
        if self._armed.open:
            return None
        names = [p.arg for p in function.parameters() if p.arg != function.receiver]
        for argument in self._armed.get("args"):
            match argument.value:
                case ast.Tuple(elts=items) | ast.List(elts=items):
                    for parameter, item in zip(names, items, strict=False):
                        if isinstance(item, ast.Starred):
                            return None
                        if parameter == name:
                            return item
                case ast.Constant(value=None):
                    continue
                case _:
                    return None
        for argument in self._armed.get("kwargs"):
            match argument.value:
                case ast.Dict(keys=keys, values=values):
                    for key, item in zip(keys, values, strict=True):
                        if not isinstance(key, ast.Constant):
                            return None
                        if key.value == name:
                            return item
                case ast.Constant(value=None):
                    continue
                case _:
                    return None
        return function.defaults().get(name)

    # -- attributes ------------------------------------------------------------------------------------------------

    def _attribute_can_change(self, owner: Class, attr: str, test: ast.expr, *, truth: bool) -> bool:
        family = self._model.evaluator.family(owner)
        known = any(attr in cls.attributes or attr in cls.names for cls in family)
        computed = any(attr in cls.methods for cls in family)
        self._model.scopes.wake_storing(attr)
        foreign = any(key.endswith(f".{attr}") for f in self._model.scopes.functions for key in f.names)
        if computed or foreign or not known:
            return True
        later = [b for cls in family for b in cls.attributes.get(attr, ()) if b.function.name != "__init__"]
        return self._turned_by(later, test, truth=truth)

    def _turned_by(self, bindings: Iterable[Binding], test: ast.expr, *, truth: bool) -> bool:
        """Whether any of `bindings` makes the test come out the other way when the callback next looks at it.

        What the callback itself sets back in time does not stop it.
        """
        own, resets = False, False
        for binding in bindings:
            outcome = self._outcome(test, binding)
            if outcome is truth:
                resets = resets or binding.function in self._chain
            elif binding.function in self._chain:
                own = True
            else:
                return True
        return own and not resets

    def _outcome(self, test: ast.expr, binding: Binding) -> bool | None:
        """How a test comes out after a binding; None where that cannot be seen."""
        if binding.kind is not BindingKind.ASSIGN or binding.value is None or binding.path:
            return None
        evaluator = self._model.evaluator
        values = evaluator.eval(binding.value, binding.function, None)
        outcomes = {_outcome_of(test, value) for value in values}
        return outcomes.pop() if len(outcomes) == 1 else None


def _variables(test: ast.expr) -> Iterator[ast.expr]:
    """The names and attributes that a test of plain operands looks at."""
    stack: list[ast.AST] = [test]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name | ast.Attribute):
            yield node
        else:
            stack.extend(ast.iter_child_nodes(node))


def _outcome_of(test: ast.expr, value: object) -> bool | None:
    """How `x`, `x is None`, `x == constant` and their opposites come out for one value of x."""
    match value:
        case Constant(value=held):
            is_object = False
        case Resource() | Handle() | Instance() | FunctionReference() | Method():
            held, is_object = value, True
        case Collection():
            return None if not isinstance(test, ast.Compare) else _compared(test, value, is_object=True)
        case _:
            return None
    match test:
        case ast.Name() | ast.Attribute():
            return True if is_object else bool(held)
        case ast.Compare():
            return _compared(test, held, is_object=is_object)
        case _:
            return None


def _compared(test: ast.Compare, held: object, *, is_object: bool) -> bool | None:
    match test:
        case ast.Compare(left=ast.Name() | ast.Attribute(), ops=[op], comparators=[ast.Constant(value=other)]):
            pass
        case _:
            return None
    same = (held is None or other is None or isinstance(held, bool) or isinstance(other, bool)) and held is other
    if is_object:
        equal: bool | None = False if other is None else None
    else:
        equal = same or held == other
    match op:
        case ast.Is() | ast.Eq():
            return equal
        case ast.IsNot() | ast.NotEq():
            return None if equal is None else not equal
        case _:
            return None
