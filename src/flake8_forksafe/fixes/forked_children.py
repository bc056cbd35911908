"""Fixes for the child of `os.fork()`: it ends where its branch ends, whatever happens in it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, InsertAfter, ReplaceStatement, RequireImport, Safety, Wrap
from flake8_forksafe.fixes.blocks import free_name, leaves
from flake8_forksafe.model.forks import Departure, ForkSite, Side, Way
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import External
from flake8_forksafe.stdlib.calls import RAISES_SYSTEM_EXIT

_FALLS_OUT = frozenset({Way.RETURNS, Way.RUNS_ON, Way.FORKS_AGAIN})
_FINALLY = """\
finally:
    try:
        {stdout}.flush()
    finally:
        {exit}({status})
"""
_SYSTEM_EXIT = """\
except SystemExit as {stop}:
    {status} = {stop}.code if isinstance({stop}.code, int) else int({stop}.code is not None)
"""


def exit_in_finally(module: ModuleModel, site: ForkSite, departures: Sequence[Departure]) -> Fix | None:
    """End the child's branch by `os._exit` in a `finally`; None where the branch leaves by a `return` in its middle.

    Unsafe: the `finally` blocks of the parent and `atexit` do not run in the child any more, and its exit status says
    whether its branch has raised. Standard output is flushed, as `os._exit` does not do it.
    """
    function = site.function
    branch = branch_of(module, site)
    if not branch or function.is_async or function.is_generator:
        return None
    if not all(module.syntax.is_alone_on_line(s) for s in branch):
        return None
    words = _Words.choose(module, function)
    if words is None:
        return None
    edits = _edits(module, function, branch, departures, words)
    return Fix(Safety.UNSAFE, edits, "end the child by os._exit() in a finally") if edits else None


class _Words(NamedTuple):
    """How the function writes what the fix needs."""

    names: dict[str, str]
    imports: dict[str, tuple[RequireImport, ...]]

    @classmethod
    def choose(cls, module: ModuleModel, function: Function) -> _Words | None:
        """Spell everything; None if a name is taken."""
        names, imports = {}, {}
        dotted = {"exit": "os._exit", "stdout": "sys.stdout", "print_exc": "traceback.print_exc"}
        for key, name in dotted.items():
            spelling = module.speller.spell(name, function)
            if spelling is None:
                return None
            names[key], imports[key] = spelling.code, spelling.imports
        status = free_name(module, function, ("status", "exit_status", "child_status"))
        stop = free_name(module, function, ("stop", "system_exit"))
        if status is None or stop is None:
            return None
        return cls({**names, "status": status, "stop": stop}, imports)

    def needed(self, *keys: str) -> tuple[RequireImport, ...]:
        """The imports for some of the words."""
        return tuple(i for key in keys for i in self.imports[key])


def _edits(
    module: ModuleModel, function: Function, branch: list[ast.stmt], departures: Sequence[Departure], words: _Words
) -> tuple[Edit, ...]:
    *earlier, last = branch
    names, ways = words.names, {d.way for d in departures}
    code = _status_of(module, function, last)
    if any(leaves(s) for s in (branch if code is None else earlier)):
        return ()
    if code is not None and not earlier:
        return (ReplaceStatement(Span.of(last), f"{names['exit']}({code})"), *words.needed("exit"))
    if code is None and ways <= _FALLS_OUT and len(branch) == 1 and _catches_errors(last):
        ending = f"{names['stdout']}.flush()\n{names['exit']}(0)"
        return (InsertAfter(Span.of(last), ending), *words.needed("exit", "stdout"))
    exits = [d for d in departures if d.way is Way.SYSTEM_EXIT and not _is_inside(module, d.node, last, code)]
    template = [f"{names['status']} = 1", "try:", "    __body__"]
    if code is None and ways & _FALLS_OUT:
        template.append(f"    {names['status']} = 0")
    if exits:
        template.append(_SYSTEM_EXIT.format(**names).rstrip())
    template += ["except Exception:", f"    {names['print_exc']}()", _FINALLY.format(**names)]
    edits: list[Edit] = [Wrap(Span.of(branch[0]), Span.of(last), "\n".join(template))]
    if code is not None:
        edits.append(ReplaceStatement(Span.of(last), f"{names['status']} = {code}"))
    return (*edits, *words.needed("exit", "stdout", "print_exc"))


def _is_inside(module: ModuleModel, node: ast.AST, last: ast.stmt, code: str | None) -> bool:
    """Whether an exit is the last statement, which becomes the status."""
    return code is not None and (node is last or any(p is last for p in module.syntax.parents(node)))


def _status_of(module: ModuleModel, function: Function, last: ast.stmt) -> str | None:
    """The exit status that a last statement asks for, if that is all it does; None for any other statement."""
    match last:
        case ast.Return(value=None | ast.Constant(value=None)) | ast.Continue() | ast.Break():
            return "0"
        case ast.Expr(value=ast.Call(func=func, args=args, keywords=[])):
            callees = module.evaluator.eval(func, function, None)
            known = callees and all(isinstance(c, External) and c.name in RAISES_SYSTEM_EXIT for c in callees)
        case ast.Raise(exc=ast.Call(func=ast.Name(id="SystemExit"), args=args, keywords=[]), cause=None):
            known = True
        case ast.Raise(exc=ast.Name(id="SystemExit"), cause=None):
            args, known = [], True
        case _:
            return None
    match args:
        case [] if known:
            return "0"
        case [ast.Constant(value=None | bool() | int() as value)] if known:
            return str(int(value or 0))
        case _:
            return None


def _catches_errors(statement: ast.stmt) -> bool:
    """Whether a statement is a `try` that lets no error of its body out."""
    match statement:
        case ast.Try(handlers=[*_, ast.ExceptHandler(type=None | ast.Name(id="Exception" | "BaseException"))]):
            return True
        case _:
            return False


# -- the child's branch ----------------------------------------------------------------------------------------------


def branch_of(module: ModuleModel, site: ForkSite) -> list[ast.stmt]:
    """The statements that only the child runs; empty where they are no block of their own."""
    found = {(id(t), truth): (t, truth) for t, truth in _tests(module, site)}
    if len(found) != 1:
        return []
    ((test, truth),) = found.values()
    block = test.body if truth else test.orelse
    if block:
        return block
    following = module.syntax.following(test)
    parent = module.forks.region(site, Side.PARENT).nodes
    if not following or any(step in parent for step in module.evaluator.locate(site.function, following[0])):
        return []
    return following


def _tests(module: ModuleModel, site: ForkSite) -> list[tuple[ast.If, bool]]:
    """The `if` statements that tell the child, each with the branch that is the child's."""
    found = []
    for node in module.forks.child_entries(site):
        item, truth = node.item, node.truth
        around = module.syntax.parent(item) if item is not None else None
        while isinstance(around, ast.UnaryOp) and isinstance(around.op, ast.Not):
            item, truth, around = around, not truth, module.syntax.parent(around)
        if not isinstance(around, ast.If) or around.test is not item:
            return []
        found.append((around, truth))
    return found
