"""Strong references: whether what a thread is given keeps an object of a class alive."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from flake8_forksafe.model.evaluate import Argument, Arguments
from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Function
from flake8_forksafe.model.values import External, Partial

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_DEPTH = 8


class Keepers:
    """Which expressions hold a strong reference to the `self` of one class."""

    def __init__(self, model: ModuleModel, cls: Class) -> None:
        """Prepare for one class; its relatives in the module share `self` with it."""
        self._model = model
        self._family = model.evaluator.family(cls)

    def hold(self, arguments: Arguments, call: ast.Call, made: Class | None) -> bool:
        """Whether a timer or thread holds the object.

        Arguments:
            arguments: what reaches the library's constructor.
            call: the call that makes the timer or thread.
            made: the module's own subclass that it is an object of.
        """
        given = [a for name in ("function", "target", "args", "kwargs") for a in arguments.get(name)]
        return any(self._argument_holds(a) for a in given) or (made is not None and self._is_stored(call, made))

    def _argument_holds(self, argument: Argument) -> bool:
        return self._holds(argument.value, argument.function, argument.context, _DEPTH)

    def _is_stored(self, call: ast.Call, made: Class) -> bool:
        """Whether the constructor of a Thread or Timer subclass stores the object that it is given."""
        init = self._model.evaluator.find_method(made, "__init__")
        if init is None:
            return False
        ways = self._model.evaluator.given_in_the_end(call, init)
        stored = dict.fromkeys(
            binding.value.id
            for bindings in made.attributes.values()
            for binding in bindings
            if binding.function is init and isinstance(binding.value, ast.Name)
        )
        return any(self._argument_holds(a) for given in ways for name in stored for a in given.get(name))

    def _holds(self, node: ast.expr, function: Function, context: tuple[ast.Call, ...], depth: int) -> bool:
        if depth == 0:
            return False
        match node:
            case ast.Starred(value=value) | ast.NamedExpr(value=value):
                return self._holds(value, function, context, depth)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Dict(values=parts) | ast.BoolOp(values=parts):
                return any(self._holds(p, function, context, depth - 1) for p in parts)
            case ast.Lambda():
                return self._captures(self._model.scopes.by_node[node], depth)
            case ast.Call():
                return self._partial_holds(node, function, context, depth)
            case ast.Attribute(value=ast.Name() as base, attr=attr) if self._is_self(base.id, function):
                return self._member_holds(attr, depth)
            case ast.Attribute(value=base, attr=attr):
                method = self._method(attr)
                return method is not None and bool(method.receiver) and self._holds(base, function, context, depth - 1)
            case ast.Name(id=name):
                return self._is_self(name, function) or self._name_holds(name, function, context, depth)
            case _:
                return False

    def _partial_holds(self, call: ast.Call, function: Function, context: tuple[ast.Call, ...], depth: int) -> bool:
        if not any(isinstance(v, Partial) for v in self._model.evaluator.eval(call, function, None, context)):
            return False
        given = (*call.args, *(k.value for k in call.keywords))
        return any(self._holds(a, function, context, depth - 1) for a in given)

    def _is_self(self, name: str, function: Function) -> bool:
        """Whether `name` is the `self` of a method of the class, seen from it or from a function nested in it."""
        for scope in (function, *function.lexical_parents()):
            if scope.owner in self._family and scope.receiver == name:
                return not self._is_classmethod(scope)
            if name in scope.names:
                return False
        return False

    def _is_classmethod(self, function: Function) -> bool:
        return any(
            isinstance(v, External) and v.name == "builtins.classmethod"
            for d in function.decorators
            for v in self._model.evaluator.eval(d, function.parent or function, None)
        )

    def _method(self, attr: str) -> Function | None:
        return next((cls.methods[attr] for cls in self._family if attr in cls.methods), None)

    def _member_holds(self, attr: str, depth: int) -> bool:
        """Whether `self.attr` is a bound method, or was set to something that holds the object."""
        method = self._method(attr)
        if method is not None:
            return bool(method.receiver) and not self._is_classmethod(method)
        return any(self._binding_holds(b, depth) for cls in self._family for b in cls.attributes.get(attr, ()))

    def _name_holds(self, name: str, function: Function, context: tuple[ast.Call, ...], depth: int) -> bool:
        for scope in (function, *function.lexical_parents()):
            if scope.is_module or name in scope.outer_names:
                return False
            if name in scope.names:
                return any(self._binding_holds(b, depth, context) for b in scope.names[name])
        return False

    def _binding_holds(self, binding: Binding, depth: int, context: tuple[ast.Call, ...] = ()) -> bool:
        match binding:
            case Binding(kind=BindingKind.DEFINITION, definition=Function() as inner):
                return self._captures(inner, depth - 1)
            case Binding(kind=BindingKind.ASSIGN, value=ast.expr() as value, path=()):
                return self._holds(value, binding.function, context, depth - 1)
            case Binding(kind=BindingKind.PARAMETER, statement=ast.arg(arg=name)):
                evaluator, function = self._model.evaluator, binding.function
                calls = [context[-1]] if context else [i.call for i in evaluator.invocations(function) if i.direct]
                return any(
                    self._holds(a.value, a.function, context[:-1], depth - 1)
                    for call in calls
                    for a in evaluator.given(call, function).get(name)
                )
            case _:
                return False

    def _captures(self, function: Function, depth: int) -> bool:
        """Whether a nested function or lambda uses the object, or a local that holds it, from around it."""
        if depth == 0:
            return False
        defaults = function.defaults().values()
        if function.parent is not None and any(self._holds(d, function.parent, (), depth - 1) for d in defaults):
            return True
        inside = self._model.nest(function)
        return any(
            self._holds(ast.Name(word, ast.Load()), function.parent, (), depth - 1)
            for f in inside
            for word in sorted(f.words)
            if function.parent is not None and not any(word in g.names for g in inside)
        )
