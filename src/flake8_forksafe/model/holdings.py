"""What holds the objects of a module: its containers, its attributes and globals, and who asks those for a stream."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.scopes import Binding, Class, Function
from flake8_forksafe.model.values import External, Unknown, Value
from flake8_forksafe.model.walking import walk
from flake8_forksafe.stdlib.names import STANDARD_MODULES

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_AWAY = frozenset({EventKind.COMMUNICATE, EventKind.ESCAPE, EventKind.LEND, EventKind.HAND_OVER})
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class Holdings:
    """The values that one module keeps anywhere but in a local, each table made when first asked for."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._with_attribute: dict[str, frozenset[Value]] = {}
        self._used_streams: dict[tuple[Value, bool], frozenset[str]] = {}
        self._comprehended: dict[Function, frozenset[ast.AST]] = {}

    @cached_property
    def contained(self) -> frozenset[Value]:
        """What some call or assignment puts into a container, by the step at which it does."""
        evaluator, found = self._model.evaluator, set[Value]()
        for mutation in self._model.scopes.mutations:
            steps = evaluator.locate(mutation.function, mutation.node)
            found |= evaluator.eval(mutation.value, mutation.function, steps[0] if steps else None)
        return frozenset(found)

    @cached_property
    def stored(self) -> frozenset[Value]:
        """What attributes, globals and containers hold, whatever the order of statements."""
        found: set[Value] = set()
        for _, binding in self._bindings():
            found |= self._model.evaluator.binding_values(binding, ())
        for binding in [b for group in self._model.scopes.module.names.values() for b in group]:
            if binding.value is not None:
                found |= self._model.evaluator.binding_values(binding, ())
        for mutation in self._model.scopes.mutations:
            found |= self._model.evaluator.eval(mutation.value, mutation.function, None)
        return frozenset(found)

    @cached_property
    def public(self) -> frozenset[Value]:
        """What attributes and written globals without a leading underscore hold, or containers in such attributes."""
        found: set[Value] = set()
        for name, binding in self._bindings():
            if not name.startswith("_"):
                found |= self._model.evaluator.binding_values(binding, ())
        for mutation in self._model.scopes.mutations:
            match mutation.receiver:
                case ast.Attribute(attr=attr) if not attr.startswith("_"):
                    found |= self._model.evaluator.eval(mutation.value, mutation.function, None)
                case _:
                    continue
        return frozenset(found)

    @cached_property
    def shared_with_bases(self) -> frozenset[Value]:
        """What attributes hold in classes with a base of another file, whose methods may use it as well."""
        found: set[Value] = set()
        for cls in self._model.scopes.classes:
            if self._has_foreign_base(cls):
                # A list first: what is evaluated may have more of the module read, which adds to the table.
                bindings = [b for group in cls.attributes.values() for b in group if b.value is not None]
                found = found.union(*(self._model.evaluator.binding_values(b, ()) for b in bindings))
        return frozenset(found)

    def _has_foreign_base(self, cls: Class) -> bool:
        evaluator = self._model.evaluator
        for kin in (cls, *evaluator.bases(cls)):
            for base in kin.node.bases:
                node = base.value if isinstance(base, ast.Subscript) else base
                for value in evaluator.eval(node, kin.parent, None):
                    foreign = isinstance(value, External) and value.name.partition(".")[0] not in STANDARD_MODULES
                    if foreign or isinstance(value, Unknown):
                        return True
        return False

    def _bindings(self) -> Iterator[tuple[str, Binding]]:
        """What attributes of the module's classes and written globals are bound to, by name."""
        groups = [item for cls in self._model.scopes.classes for item in cls.attributes.items()]
        groups.extend(self._model.scopes.globals_written.items())
        yield from ((name, binding) for name, group in groups for binding in group if binding.value is not None)

    def with_attribute(self, name: str) -> frozenset[Value]:
        """Everything whose attribute `name` the module reads or writes."""
        known = self._with_attribute.get(name)
        if known is None:
            evaluator, found = self._model.evaluator, set[Value]()
            for node in self._model.syntax.attributes(name):
                function = self._model.function_around(node)
                steps = evaluator.locate(function, node.value)
                found |= evaluator.eval(node.value, function, steps[0] if steps else None)
            known = self._with_attribute[name] = frozenset(found)
        return known

    def used_streams(self, handle: Value, *, handed_on: bool) -> frozenset[str]:
        """The streams of a handle that some event is about; the empty name where somebody takes the whole handle.

        With `handed_on`, who returns the handle is in sight and takes nothing away.
        """
        known = self._used_streams.get((handle, handed_on))
        if known is None:
            used = (
                event.stream
                for event in self._model.flow.events(handle)
                if (event.stream or event.kind in _AWAY)
                and event.kind is not EventKind.CREATE
                and not (handed_on and event.kind is EventKind.ESCAPE and isinstance(event.site, ast.Return))
            )
            known = self._used_streams[handle, handed_on] = frozenset(used)
        return known

    def is_comprehended(self, call: ast.Call) -> bool:
        """Whether a comprehension of its own function makes `call`, once for each element."""
        home = self._model.scopes.home.get(call)
        if home is None:
            return False
        known = self._comprehended.get(home)
        if known is None:
            comprehensions = (p for p in walk(home.node) if isinstance(p, _COMPREHENSIONS))
            known = self._comprehended[home] = frozenset(n for p in comprehensions for n in walk(p))
        return call in known
