"""Where new statements may stand: which code runs only after a statement, and what a name may be called."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from flake8_forksafe.model.cfg import in_evaluation_order
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Function

_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_SIMPLE = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Raise, ast.Assert)
_DOING = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)  # a generator expression runs later
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def is_first_act(module: ModuleModel, expression: ast.expr, statement: ast.stmt) -> bool:
    """Whether `expression` is evaluated always and first when `statement` runs, so that it may move in front of it."""
    match statement:
        case ast.If(test=header):
            around = module.syntax.parent(statement)
            if isinstance(around, ast.If) and around.col_offset == statement.col_offset:
                return False  # an `elif`: nothing can stand in front of it
        case ast.For(iter=header):
            pass
        case ast.AnnAssign(value=ast.expr() as header) | ast.Return(value=ast.expr() as header):
            pass
        case ast.Expr(value=header) | ast.Assign(value=header) | ast.AugAssign(value=header) | ast.Assert(test=header):
            pass
        case ast.Raise(exc=ast.expr() as header):
            pass
        case _:
            return False
    if not is_unconditional(module, expression, header):
        return False
    inside = set(ast.walk(expression))
    for part in in_evaluation_order(header):
        if part is expression:
            return True
        if isinstance(part, _DOING) and part not in inside:
            return False
    return False


def is_unconditional(module: ModuleModel, expression: ast.AST, header: ast.AST) -> bool:
    """Whether `expression`, a part of `header`, is evaluated exactly once whenever `header` is."""
    node = expression
    while node is not header:
        around = module.syntax.parent(node)
        match around:
            case None | ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return False
            case ast.comprehension(iter=source):
                owner = module.syntax.parent(around)
                if source is not node or not isinstance(owner, _COMPREHENSIONS) or owner.generators[0] is not around:
                    return False
                node = owner
            case ast.BoolOp(values=[first, *_]) if first is not node:
                return False
            case ast.IfExp(test=test) | ast.Assert(test=test) if test is not node:
                return False
            case ast.Compare(left=left, comparators=[_, _, *_]) if left is not node:
                return False
            case _:
                node = around
    return True


class After:
    """The code that runs only when a statement has run to its end.

    Attributes:
        blocks: runs of statements, each in one block, in order.
        handlers: the `except` clauses that an exception of the statement can take.
    """

    def __init__(self, module: ModuleModel, statement: ast.stmt) -> None:
        """Climb out of the blocks around `statement` as far as nothing else leads to what is behind them."""
        self.blocks: list[list[ast.stmt]] = []
        self.handlers: list[ast.ExceptHandler] = []
        climbing, node = True, statement
        for around in _statements_around(module, statement):
            if climbing:
                self.blocks.append(module.syntax.following(node))
            if isinstance(around, ast.Try):
                in_body = node in around.body
                if in_body:
                    self.handlers += around.handlers
                    if climbing:
                        self.blocks.append(around.orelse)
                if node in _handler_statements(around) or (in_body and not all(map(leaves, around.handlers))):
                    climbing = False
            elif not isinstance(around, ast.With | ast.AsyncWith):
                climbing = False
            if around is None or isinstance(around, _NESTED):
                return
            node = around

    def statements(self) -> Iterator[ast.stmt]:
        """The statements of all blocks, outer ones only."""
        for block in self.blocks:
            yield from block

    def nodes(self) -> Iterator[ast.AST]:
        """Every node of the region, nested functions included."""
        for statement in self.statements():
            yield from ast.walk(statement)


def _statements_around(module: ModuleModel, statement: ast.stmt) -> Iterator[ast.stmt | None]:
    for node in module.syntax.parents(statement):
        if isinstance(node, ast.stmt):
            yield node
    yield None


def _handler_statements(node: ast.Try) -> list[ast.stmt]:
    return [s for h in node.handlers for s in h.body]


def leaves(block: ast.ExceptHandler) -> bool:
    """Whether control never runs out of the end of an `except` clause."""
    return isinstance(block.body[-1], _LEAVING)


def runs_straight_to(statements: Iterable[ast.stmt], target: ast.stmt) -> bool:
    """Whether `target`, one of `statements`, is always reached from the first of them, if all calls come back."""
    for statement in statements:
        if statement is target:
            return True
        if any(isinstance(n, (*_LEAVING, ast.Assert)) for n in ast.walk(statement)):
            return False
    return False


def stands_in_text(module: ModuleModel, node: ast.AST) -> bool:
    """Whether `node` is part of an f-string whose parts have wrong places before Python 3.12, being on many lines."""
    return any(isinstance(n, ast.JoinedStr) and n.lineno != n.end_lineno for n in module.syntax.parents(node))


def is_simple(statement: ast.stmt) -> bool:
    """Whether a statement holds no others."""
    return isinstance(statement, _SIMPLE)


def is_removable(module: ModuleModel, statement: ast.stmt) -> bool:
    """Whether a statement can be taken away: alone on its line, and not the only one of its block."""
    return module.syntax.is_alone_on_line(statement) and len(module.syntax.block(statement)) > 1


def free_name(function: Function, candidates: Iterable[str]) -> str | None:
    """The first of `candidates` that occurs nowhere in `function`."""
    taken = set(function.names) | function.outer_names
    for node in ast.walk(function.node):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                taken.add(name)
            case ast.alias(name=name, asname=other):
                taken.add(other or name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                taken.add(name)
            case _:
                continue
    return next((c for c in candidates if c not in taken), None)


def can_drop(module: ModuleModel, function: Function) -> bool:
    """Whether `_` can take a value nobody needs: no code of the module reads it, as gettext's users do."""
    if "_" in function.outer_names:
        return False
    return not module.syntax.is_read("_") and not module.scopes.module.names.get("_")
