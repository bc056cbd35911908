"""Where a node stands: its parents, its statement, the block around it. Asked only to build a fix."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from flake8_forksafe.model.scopes import ScopeTable
from flake8_forksafe.model.walking import children


class Syntax:
    """Where the nodes of one tree stand, found in one walk when first asked for."""

    def __init__(self, scopes: ScopeTable) -> None:
        """Prepare for the tree of `scopes`, which is only read."""
        self._scopes = scopes
        self._known: dict[ast.AST, ast.AST] = {}
        self._asleep = -1

    @property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        """The parents of all nodes that the tree has by now: the bodies of sleeping functions come when they wake."""
        if self._asleep != self._scopes.asleep:
            self._known, self._asleep = _parents_in(self._scopes.module.node), self._scopes.asleep
        return self._known

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        """Every node of the module, in no order."""
        self._scopes.wake_all()
        return list(self._parents)

    @cached_property
    def _attributes(self) -> dict[str, list[ast.Attribute]]:
        table: dict[str, list[ast.Attribute]] = {}
        for node in self._nodes:
            if isinstance(node, ast.Attribute):
                table.setdefault(node.attr, []).append(node)
        return table

    @cached_property
    def _reads(self) -> frozenset[str]:
        return frozenset(n.id for n in self._nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))

    @cached_property
    def texts(self) -> frozenset[str]:
        """Every literal text."""
        return frozenset(n.value for n in self._nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))

    def _place(self, statement: ast.stmt) -> tuple[list[ast.stmt], int]:
        """The block that a statement stands in, and its index there."""
        for _, block in ast.iter_fields(self._parents[statement]):
            if isinstance(block, list):
                for index, part in enumerate(block):
                    if part is statement:
                        return block, index
        raise ValueError("the statement stands in no block")

    def is_read(self, name: str) -> bool:
        """Whether a plain name is read anywhere."""
        return name in self._reads

    def attributes(self, name: str) -> list[ast.Attribute]:
        """Every reference to an attribute of that name, reads and writes."""
        return self._attributes.get(name, [])

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node right around `node`; None for the module."""
        return self._parents.get(node)

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around `node`, innermost first."""
        around = self.parent(node)
        while around is not None:
            yield around
            around = self.parent(around)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that `node` is, or is part of.

        Raises:
            ValueError: `node` is the module.
        """
        for around in (node, *self.parents(node)):
            if isinstance(around, ast.stmt):
                return around
        raise ValueError("the module is no statement")

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The list of statements that `statement` stands in."""
        return self._place(statement)[0]

    def following(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements behind `statement` in its block."""
        block, index = self._place(statement)
        return block[index + 1 :]

    def is_alone_on_line(self, statement: ast.stmt) -> bool:
        """Whether no other statement shares a line with `statement` (`a; b`, `if x: a`), and it is no `elif`."""
        block, index = self._place(statement)
        around = self._parents[statement]
        if isinstance(around, ast.stmt | ast.excepthandler) and around.lineno == statement.lineno:
            return False
        if block[0] is statement and self._follows_its_keyword(statement, around):
            return False
        before, behind = block[max(index - 1, 0) : index], block[index + 1 : index + 2]
        return all(s.end_lineno != statement.lineno for s in before) and all(
            s.lineno != statement.end_lineno for s in behind
        )

    @staticmethod
    def _follows_its_keyword(statement: ast.stmt, around: ast.AST) -> bool:
        """Whether the first statement of an `else` or `finally` block shares the line of that keyword."""
        earlier: list[ast.stmt] = []
        match around:
            case ast.If(body=body, orelse=[first, *_]) | ast.For(body=body, orelse=[first, *_]) if first is statement:
                earlier = body
            case ast.While(body=body, orelse=[first, *_]) if first is statement:
                earlier = body
            case ast.Try() if around.body[0] is not statement:
                handled = [s for h in around.handlers for s in h.body]
                earlier = [*around.body, *handled, *(around.orelse if around.orelse[:1] != [statement] else [])]
        last = max((s.end_lineno or s.lineno for s in earlier), default=0)
        return statement.lineno == last + 1 or (
            isinstance(around, ast.If) and isinstance(statement, ast.If) and statement.col_offset == around.col_offset
        )


def _parents_in(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    found: dict[ast.AST, ast.AST] = {}
    stack = [tree]
    while stack:
        node = stack.pop()
        for child in children(node):
            found[child] = node
            stack.append(child)
    return found
