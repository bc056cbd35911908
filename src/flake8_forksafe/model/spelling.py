"""How a file itself would write a name of the standard library, given what it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from flake8_forksafe.fix import RequireImport
from flake8_forksafe.model.scopes import BindingKind, Function, ScopeTable
from flake8_forksafe.stdlib.names import canonical


class Spelling(NamedTuple):
    """Code that names something, and the imports it needs besides those that are there."""

    code: str
    imports: tuple[RequireImport, ...] = ()


class Speller:
    """Spells dotted names as one module would."""

    def __init__(self, scopes: ScopeTable) -> None:
        """Prepare for one module."""
        self._scopes = scopes
        self._imported: dict[Function, list[tuple[str, str]]] = {}

    def spell(self, dotted: str, function: Function) -> Spelling | None:
        """How `function` would write `dotted` (`subprocess.DEVNULL`); None if the name it needs means something else.

        The module's own style is kept: `sp.DEVNULL` after `import subprocess as sp`, `DEVNULL` with one more import
        after `from subprocess import PIPE`.
        """
        module, _, name = dotted.rpartition(".")
        for alias, imported in self._imports(function):
            if canonical(imported) == dotted:
                return Spelling(alias)
        for alias, imported in self._imports(function):
            if canonical(imported) == module:
                return Spelling(f"{alias}.{name}")
        for _, imported in self._imports(function):
            source = imported.rpartition(".")[0]
            if canonical(f"{source}.{name}") == dotted and self._is_free(name, function):
                return Spelling(name, (RequireImport(source, name),))
        top = module.partition(".")[0]
        return Spelling(dotted, (RequireImport(module),)) if self._is_free(top, function) else None

    def is_imported(self, node: ast.expr, function: Function) -> bool:
        """Whether `node` is an imported name or an attribute of an imported module, spelled out."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and any(alias == node.id for alias, _ in self._imports(function))

    def _imports(self, function: Function) -> Iterator[tuple[str, str]]:
        """The names bound by imports that are visible in `function`, with what they name."""
        for scope in (function, *function.lexical_parents()):
            known = self._imported.get(scope)
            if known is None:
                known = self._imported[scope] = [
                    (name, bindings[0].imported)
                    for name, bindings in scope.names.items()
                    if len(bindings) == 1 and bindings[0].kind is BindingKind.IMPORT
                ]
            yield from known

    def _is_free(self, name: str, function: Function) -> bool:
        return not any(name in scope.names for scope in (function, *function.lexical_parents()))
