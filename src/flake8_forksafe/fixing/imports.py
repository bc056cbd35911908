"""Adds the imports that fixes need, in the place where a reader of the file would look for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import libcst as cst

from flake8_forksafe.fix import RequireImport

_Line = cst.SimpleStatementLine


def add_imports(tree: cst.Module, needed: Sequence[RequireImport]) -> cst.Module:
    """The module with `needed` imported at its top, each once.

    A module of the standard library goes into the first group of imports that has others of the standard library, at
    its place in the alphabet; a name into the line that imports others from its module; everything else where
    `AddImportsVisitor` puts it.
    """
    elsewhere: list[RequireImport] = []
    for module in sorted({n.module for n in needed if n.name is None}):
        placed = _placed(tree, module)
        if placed is None:
            elsewhere.append(RequireImport(module))
        else:
            tree = placed
    for module, name in sorted({(n.module, n.name) for n in needed if n.name is not None}):
        joined = _joined(tree, module, name)
        if joined is None:
            elsewhere.append(RequireImport(module, name))
        else:
            tree = joined
    if not elsewhere:
        return tree
    from libcst.codemod import CodemodContext  # it takes longer to import than all the rest of libcst
    from libcst.codemod.visitors import AddImportsVisitor

    context = CodemodContext()
    for one in elsewhere:
        AddImportsVisitor.add_needed_import(context, one.module, one.name)
    return AddImportsVisitor(context).transform_module(tree)


def _placed(tree: cst.Module, module: str) -> cst.Module | None:
    """The tree with `import module` in a group of its kind; None if there is no such group."""
    if any(_plain(s) == module for s in tree.body):
        return tree
    if not _is_standard(module):
        return None
    start, group = _group(tree)
    if not group:
        return None
    names = [(i, name) for i, s in enumerate(group) if (name := _plain(s)) is not None]
    ordered = [name.lower() for _, name in names]
    index = next((i for i, name in names if name.lower() > module), names[-1][0] + 1 if names else 0)
    if ordered != sorted(ordered):
        index = names[-1][0] + 1
    new = _Line([cst.Import([cst.ImportAlias(_dotted(module))])])
    body = list(tree.body)
    if index == 0:
        first = group[0]
        if any(line.comment for line in first.leading_lines):
            return None
        new = new.with_changes(leading_lines=first.leading_lines)
        body[start] = first.with_changes(leading_lines=())
    body.insert(start + index, new)
    return tree.with_changes(body=body)


def _joined(tree: cst.Module, module: str, name: str) -> cst.Module | None:
    """The tree with `name` in its first `from module import ...`; None if there is none, or it is a long one."""
    for statement in tree.body:
        match statement:
            case _Line(body=[cst.ImportFrom(names=[*names]) as line]) if _source(statement) == module:
                break
            case _:
                continue
    else:
        return None
    if any(alias.evaluated_name == name and alias.asname is None for alias in names):
        return tree
    if "\n" in tree.code_for_node(line):
        return None
    known = [alias.evaluated_name for alias in names]
    ordered = known == sorted(known, key=_rank)
    later = (i for i, other in enumerate(known) if ordered and _rank(other) > _rank(name))
    names.insert(next(later, len(known)), cst.ImportAlias(cst.Name(name)))
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    changed = [alias.with_changes(comma=comma) for alias in names[:-1]]
    changed.append(names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT))
    return tree.with_deep_changes(line, names=changed)


def _rank(name: str) -> tuple[int, str]:
    """Where a name stands among those that one line imports: constants, classes, then functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def _group(tree: cst.Module) -> tuple[int, list[_Line]]:
    """The first run of imports with no blank line in it that imports from the standard library, and where it begins.

    Nothing but imports, a docstring and names bound to literals may come before it.
    """
    start, group = 0, list[_Line]()
    for index, statement in enumerate(tree.body):
        line = statement if isinstance(statement, _Line) and _source(statement) is not None else None
        if group and (line is None or any(e.comment is None for e in line.leading_lines)):
            if any(_is_standard(_source(s) or "") for s in group):
                break
            group = []
        if line is not None and _source(line) != "__future__":
            start = start if group else index
            group.append(line)
        elif line is None and not _is_harmless(statement):
            break
    return (start, group) if any(_is_standard(_source(s) or "") for s in group) else (0, [])


def _is_harmless(statement: cst.BaseStatement) -> bool:
    match statement:
        case _Line(body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())]):
            return True
        case _Line(body=[cst.Assign(value=cst.SimpleString() | cst.Integer() | cst.List() | cst.Tuple())]):
            return True
        case _:
            return False


def _plain(statement: cst.BaseStatement | cst.BaseSmallStatement) -> str | None:
    """The module that a line `import module`, with no alias, imports."""
    match statement:
        case _Line(body=[cst.Import(names=[cst.ImportAlias(name=name, asname=None)])]):
            return _text(name)
        case _:
            return None


def _source(line: _Line) -> str | None:
    """The module that an import line imports (from); None for other lines and for relative imports."""
    match line.body:
        case [cst.Import(names=[cst.ImportAlias(name=name), *_])]:
            return _text(name)
        case [cst.ImportFrom(module=cst.Name() | cst.Attribute() as name, relative=[])]:
            return _text(name)
        case _:
            return None


def _text(name: cst.BaseExpression) -> str:
    return cst.Module([]).code_for_node(name)


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names and module != "__future__"


def _dotted(module: str) -> cst.Name | cst.Attribute:
    first, *rest = module.split(".")
    node: cst.Name | cst.Attribute = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node
