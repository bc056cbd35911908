"""Makes the edits of fixes on a libcst tree; whatever no edit touches keeps every character."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import dropwhile

import libcst as cst

from flake8_forksafe.fix import (
    Edit,
    ExtractExpression,
    InsertAfter,
    InsertBefore,
    RenameArgument,
    ReplaceExpression,
    ReplaceStatement,
    RequireImport,
    SetArgument,
    Wrap,
    WrapFinally,
)
from flake8_forksafe.fixing.anchors import AnchorError, Anchors

_Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
_BODY, _LAST = "__body__", "__last__"


class EditTransformer(cst.CSTTransformer):
    """Applies edits to the nodes they are anchored at.

    Arguments:
        module: the module that is changed; gives indentation and newline style to new code.
        anchors: where the edits' spans are.
        edits: edits that do not overlap; imports are not made here.

    Raises:
        AnchorError: an edit's place cannot be found.
    """

    def __init__(self, module: cst.Module, anchors: Anchors, edits: Sequence[Edit]) -> None:
        super().__init__()
        self._config = module.config_for_parsing
        self._expressions: dict[cst.CSTNode, str] = {}
        self._arguments: dict[cst.CSTNode, list[SetArgument | RenameArgument]] = {}
        self._extracted: dict[cst.CSTNode, tuple[cst.CSTNode, str]] = {}
        self._bound: dict[cst.CSTNode, list[_Statement]] = {}
        self._replaced: dict[cst.CSTNode, str] = {}
        self._before: dict[cst.CSTNode, list[str]] = {}
        self._after: dict[cst.CSTNode, list[str]] = {}
        self._wraps: dict[cst.CSTNode, tuple[cst.CSTNode, str]] = {}
        self._made: dict[cst.CSTNode, list[_Statement]] = {}
        self._orphans: dict[cst.CSTNode, Sequence[cst.EmptyLine]] = {}
        for edit in edits:
            self._anchor(anchors, edit)

    def _anchor(self, anchors: Anchors, edit: Edit) -> None:
        match edit:
            case ReplaceExpression(span, code):
                self._expressions[anchors.expression(span)] = code
            case SetArgument(span) | RenameArgument(span):
                self._arguments.setdefault(anchors.call(span), []).append(edit)
            case ExtractExpression(span, statement, name):
                self._extracted[anchors.expression(span)] = (anchors.statement(statement), name)
            case ReplaceStatement(span, code):
                self._replaced[anchors.statement(span)] = code
            case InsertBefore(span, code):
                self._before.setdefault(anchors.statement(span), []).append(code)
            case InsertAfter(span, code):
                self._after.setdefault(anchors.statement(span), []).append(code)
            case WrapFinally(first, last, code):
                template = f"try:\n    {_BODY}\nfinally:\n{textwrap.indent(code, '    ')}"
                self._wraps[anchors.statement(first)] = (anchors.statement(last), template)
            case Wrap(first, last, code):
                self._wraps[anchors.statement(first)] = (anchors.statement(last), code)
            case RequireImport():
                return

    def _statements(self, code: str) -> list[_Statement]:
        return list(cst.parse_module(code, config=self._config).body)

    # -- expressions -----------------------------------------------------------------------------------------------

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802  (libcst's name)
        """Change the arguments of a call."""
        for edit in self._arguments.get(original_node, ()):
            updated_node = _with_argument(updated_node, edit, self._config)
        return updated_node

    def on_leave(
        self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT
    ) -> cst.CSTNodeT | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNodeT]:
        """Replace an expression or a statement, or put others around it."""
        result = super().on_leave(original_node, updated_node)
        code = self._expressions.get(original_node)
        if code is not None:
            return self._new_expression(original_node, code)  # type: ignore[return-value]  # an expression for one
        if original_node in self._extracted and isinstance(result, cst.BaseExpression):
            return self._name_for(original_node, result)  # type: ignore[return-value]  # an expression for one
        if isinstance(result, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            return self._around(original_node, result)  # type: ignore[return-value]  # statements for a statement
        if isinstance(result, cst.IndentedBlock | cst.Module):
            return self._wrapped(original_node, result)  # type: ignore[return-value]  # the same kind of node
        return result

    def _new_expression(self, original: cst.CSTNode, code: str) -> cst.BaseExpression:
        expression = cst.parse_expression(code, config=self._config)
        parentheses = getattr(original, "lpar", ())
        if parentheses and not getattr(expression, "lpar", ()):
            return expression.with_changes(lpar=parentheses, rpar=getattr(original, "rpar", ()))
        return expression

    def _name_for(self, original: cst.CSTNode, expression: cst.BaseExpression) -> cst.Name:
        """The name that stands for an extracted expression; its binding is kept for the statement."""
        statement, name = self._extracted[original]
        target = cst.AssignTarget(cst.Name(name))
        binding = cst.SimpleStatementLine([cst.Assign([target], expression)])
        self._bound.setdefault(statement, []).append(binding)
        return cst.Name(name)

    # -- statements ------------------------------------------------------------------------------------------------

    def _around(
        self, original: cst.CSTNode, statement: _Statement
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        before = self._bound.get(original, [])
        before += [s for code in self._before.get(original, ()) for s in self._statements(code)]
        after = [s for code in self._after.get(original, ()) for s in self._statements(code)]
        replacement = self._replaced.get(original)
        middle: list[_Statement] = [statement] if replacement is None else self._in_place(statement, replacement)
        if before and middle == [statement]:
            before[0] = before[0].with_changes(leading_lines=statement.leading_lines)
            middle = [statement.with_changes(leading_lines=())]
        everything = self._made[original] = [*before, *middle, *after]
        if not middle and any(line.comment for line in statement.leading_lines):
            if everything:
                everything[0] = _below(statement.leading_lines, everything[0])
            else:
                self._orphans[original] = statement.leading_lines
        if len(everything) == 1:
            return everything[0]
        return cst.FlattenSentinel(everything)

    def _in_place(self, statement: _Statement, code: str) -> list[_Statement]:
        """The new statements with the comments of the one they replace."""
        new = self._statements(code) if code.strip() else []
        if not new:
            return []
        new[0] = new[0].with_changes(leading_lines=(*statement.leading_lines, *new[0].leading_lines))
        if isinstance(statement, cst.SimpleStatementLine) and isinstance(new[-1], cst.SimpleStatementLine):
            new[-1] = new[-1].with_changes(trailing_whitespace=statement.trailing_whitespace)
        return new

    def _wrapped(self, original: cst.CSTNode, block: cst.IndentedBlock | cst.Module) -> cst.IndentedBlock | cst.Module:
        """Move runs of a block's statements into other ones; comments of one taken away go to the next one."""
        assert isinstance(original, cst.IndentedBlock | cst.Module)
        wraps = [(i, s) for i, s in enumerate(original.body) if s in self._wraps]
        if not wraps and not any(s in self._orphans for s in original.body):
            return block
        made = [self._made.get(s, []) for s in original.body]
        orphans: list[cst.EmptyLine] = []
        for statement, group in zip(original.body, made, strict=True):
            orphans += self._orphans.get(statement, ())
            if group and orphans:
                group[0] = _below(orphans, group[0])
                orphans = []
        for start, first in wraps:
            last, code = self._wraps[first]
            end = next((i for i, s in enumerate(original.body) if s is last), None)
            if end is None or end < start:
                raise AnchorError("the statements to be wrapped stand in different blocks")
            made[start] = self._around_body(code, made[start:end], made[end])
            made[start + 1 : end + 1] = [[] for _ in range(end - start)]
        body = [s for group in made for s in group]
        return block.with_changes(body=body, footer=[*orphans, *block.footer])

    def _around_body(self, code: str, others: list[list[_Statement]], last: list[_Statement]) -> list[_Statement]:
        """The statements of `code` with those that are moved in place of its placeholders."""
        moved = [_without_blank_indent(s) for group in others for s in group]
        last = [_without_blank_indent(s) for s in last]
        if _LAST not in code:
            moved, last = [*moved, *last], []
        elif last:
            comments = list(dropwhile(lambda line: line.comment is None, last[0].leading_lines))
            last = [last[0].with_changes(leading_lines=comments), *last[1:]]
        leading = moved[0].leading_lines
        moved[0] = moved[0].with_changes(leading_lines=())
        filling = _Filling({_BODY: moved, _LAST: last})
        new = [s.visit(filling) for s in self._statements(code)]
        statements = [_merged(s) for s in new if isinstance(s, cst.SimpleStatementLine | cst.BaseCompoundStatement)]
        statements[0] = statements[0].with_changes(leading_lines=leading)
        return statements


class _Filling(cst.CSTTransformer):
    """Puts statements in place of the lines that stand for them."""

    def __init__(self, moved: Mapping[str, Sequence[_Statement]]) -> None:
        super().__init__()
        self._moved = moved

    def leave_SimpleStatementLine(  # noqa: N802  (libcst's name)
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        """Replace a line that is only a placeholder."""
        match original_node.body:
            case [cst.Expr(value=cst.Name(value=name))] if name in self._moved:
                return cst.FlattenSentinel(self._moved[name])
            case _:
                return updated_node


def _below(lines: Sequence[cst.EmptyLine], statement: _Statement) -> _Statement:
    return statement.with_changes(leading_lines=(*lines, *statement.leading_lines))


def _without_blank_indent(statement: _Statement) -> _Statement:
    """The statement, for another indentation: blank lines in front of it stay empty."""
    lines = [line if line.comment else line.with_changes(indent=False) for line in statement.leading_lines]
    return statement.with_changes(leading_lines=lines)


def _merged(statement: _Statement) -> _Statement:
    """`try: (try: … except: …) finally: …` as one statement."""
    match statement:
        case cst.Try(
            body=cst.IndentedBlock(body=[cst.Try(finalbody=None) as inner]), handlers=[], orelse=None, finalbody=last
        ):
            return inner.with_changes(finalbody=last)
        case _:
            return statement


def _with_argument(call: cst.Call, edit: SetArgument | RenameArgument, config: cst.PartialParserConfig) -> cst.Call:
    """The call with one keyword argument set, taken away or made another one."""
    args = list(call.args)
    position = next((i for i, a in enumerate(args) if a.keyword is not None and a.keyword.value == edit.name), None)
    if isinstance(edit, RenameArgument):
        if position is None:
            raise AnchorError(f"the call has no argument {edit.name}")
        value = cst.parse_expression(edit.code, config=config)
        args[position] = args[position].with_changes(keyword=cst.Name(edit.new_name), value=value)
        return call.with_changes(args=args)
    if edit.code is None:
        if position is None:
            raise AnchorError(f"the call has no argument {edit.name}")
        return call.with_changes(args=_without(args, position))
    value = cst.parse_expression(edit.code, config=config)
    if position is not None:
        args[position] = args[position].with_changes(value=value)
        return call.with_changes(args=args)
    new = cst.Arg(
        keyword=cst.Name(edit.name),
        value=value,
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    spread = next((i for i, a in enumerate(args) if a.star == "**"), len(args))
    return call.with_changes(args=_with_inserted(call, spread, new))


def _without(args: list[cst.Arg], position: int) -> list[cst.Arg]:
    """The arguments less one, with the comma and line layout of the last one kept."""
    removed = args.pop(position)
    if position == 0:
        return args
    before = args[position - 1]
    rest, removed_rest = _rest_of_line(before), _rest_of_line(removed)
    if position == len(args) or removed_rest is not None:
        # What follows the removed argument now follows the one before; a comment behind that one stays.
        after = before.with_changes(comma=removed.comma, whitespace_after_arg=removed.whitespace_after_arg)
        args[position - 1] = after if rest is None else _with_rest_of_line(after, rest)
    return args


def _rest_of_line(arg: cst.Arg) -> cst.TrailingWhitespace | None:
    """The comment and line end behind an argument, if it ends its line."""
    space = arg.comma.whitespace_after if isinstance(arg.comma, cst.Comma) else arg.whitespace_after_arg
    return space.first_line if isinstance(space, cst.ParenthesizedWhitespace) else None


def _with_rest_of_line(arg: cst.Arg, rest: cst.TrailingWhitespace) -> cst.Arg:
    comma, space = arg.comma, arg.whitespace_after_arg
    if isinstance(comma, cst.Comma) and isinstance(comma.whitespace_after, cst.ParenthesizedWhitespace):
        after = comma.whitespace_after.with_changes(first_line=rest)
        return arg.with_changes(comma=comma.with_changes(whitespace_after=after))
    if isinstance(space, cst.ParenthesizedWhitespace):
        return arg.with_changes(whitespace_after_arg=space.with_changes(first_line=rest))
    return arg


def _with_inserted(call: cst.Call, position: int, new: cst.Arg) -> list[cst.Arg]:
    """The arguments with one more, laid out as its neighbours are; comments stay with the argument they follow."""
    args = list(call.args)
    if not args:
        return [new]
    separator = _separator(call)
    if position < len(args):
        return [*args[:position], new.with_changes(comma=separator), *args[position:]]
    last = args[-1]
    rest = _rest_of_line(last)
    new = new.with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
    args[-1] = last.with_changes(comma=separator, whitespace_after_arg=cst.SimpleWhitespace(""))
    if rest is not None and _rest_of_line(args[-1]) is not None:
        args[-1] = _with_rest_of_line(args[-1], rest)
        new = _with_rest_of_line(new, cst.TrailingWhitespace())
    return [*args, new]


def _separator(call: cst.Call) -> cst.Comma:
    """A comma with the white space that goes between the arguments of a call, without comments."""
    between = [a.comma for a in call.args[:-1] if isinstance(a.comma, cst.Comma)]
    if between:
        space = between[0].whitespace_after
    elif isinstance(call.whitespace_before_args, cst.ParenthesizedWhitespace):
        space = call.whitespace_before_args
    else:
        space = cst.SimpleWhitespace(" ")
    if isinstance(space, cst.ParenthesizedWhitespace):
        space = space.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=())
    return cst.Comma(whitespace_after=space)
