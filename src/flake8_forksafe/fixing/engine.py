"""Applies fixes to one file until nothing is left that can be fixed, and proves each step by checking again."""

from __future__ import annotations

import ast
import codecs
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import libcst as cst
from libcst.metadata import MetadataWrapper

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.fix import Edit, ExtractExpression, RequireImport, Safety, Wrap, WrapFinally
from flake8_forksafe.fixing.anchors import AnchorError, Anchors
from flake8_forksafe.fixing.edits import EditTransformer
from flake8_forksafe.fixing.excerpt import Excerpt
from flake8_forksafe.fixing.imports import add_imports
from flake8_forksafe.records import dataclass
from flake8_forksafe.source import Source

#: Fixes that touch the same statements wait for the next round; more rounds than this mean that two undo each other.
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Dropped:
    """A fix that was not kept because its result was wrong: a bug in the fix, named so that it can be reported."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class FixResult:
    """What became of one file.

    Attributes:
        data: the new content; the old one if nothing was changed.
        fixed: the findings whose fixes were made, at the lines they had when that happened.
        left: the findings of the new content.
        unsafe_available: how many of `left` have an unsafe fix that was not asked for.
        dropped: fixes that were taken back.
    """

    data: bytes
    fixed: tuple[Finding, ...]
    left: tuple[Finding, ...]
    unsafe_available: int
    dropped: tuple[Dropped, ...]


def fix_source(data: bytes, *, filename: str, check: Callable[[bytes], Sequence[Finding]], unsafe: bool) -> FixResult:
    """Make the fixes of one file.

    Arguments:
        data: the file's bytes.
        filename: the file's name, for messages.
        check: gives the findings of a version of the file, less those that the user has silenced; it is asked of one
            version more than once.
        unsafe: whether unsafe fixes are made too.

    Raises:
        SourceError: the file cannot be decoded or parsed.
    """
    findings = list(check(data))
    fixed: list[Finding] = []
    dropped: list[Dropped] = []
    for _ in range(_ROUNDS):
        wanted = [f for f in findings if _is_wanted(f, unsafe=unsafe) and not _was_dropped(f, dropped)]
        if not wanted:
            break
        step = _Step(data, filename, findings, check)
        data, made = step.apply(_apart(wanted), dropped)
        if not made:
            continue
        left = list(check(data))
        fixed += [*made, *_gone_besides(made, findings, left)]
        findings = left
    unmade = sum(f.fix is not None and f.fix.safety is Safety.UNSAFE for f in findings) if not unsafe else 0
    return FixResult(data, tuple(fixed), tuple(findings), unmade, tuple(dropped))


def _gone_besides(made: Sequence[Finding], before: Sequence[Finding], left: Sequence[Finding]) -> list[Finding]:
    """The findings that went away with others: one `killpg` for a shell answers all that was said about it."""
    others = [f for f in before if f not in made]
    surplus = Counter(f.code for f in others) - Counter(f.code for f in left)
    messages = {(f.code, f.message) for f in left}
    gone: list[Finding] = []
    for finding in sorted(others, key=lambda f: (f.code, f.message) in messages):
        if surplus[finding.code] > 0:
            surplus[finding.code] -= 1
            gone.append(finding)
    return gone


def _is_wanted(finding: Finding, *, unsafe: bool) -> bool:
    return finding.fix is not None and (unsafe or finding.fix.safety is Safety.SAFE)


def _was_dropped(finding: Finding, dropped: Iterable[Dropped]) -> bool:
    return any(d.finding.code == finding.code and d.finding.fix == finding.fix for d in dropped)


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """The first of `findings` and all that touch no line which an earlier one touches."""
    taken: list[tuple[int, int]] = []
    chosen: list[Finding] = []
    for finding in findings:
        assert finding.fix is not None
        lines = [(s.line, s.end_line) for e in finding.fix.edits if (s := _span(e)) is not None]
        if all(last < start or end < begin for begin, last in lines for start, end in taken):
            taken += lines
            chosen.append(finding)
    return chosen


def _span(edit: Edit) -> Span | None:
    return None if isinstance(edit, RequireImport) else edit.span


class _Step:
    """One round over one version of a file."""

    def __init__(
        self, data: bytes, filename: str, findings: Sequence[Finding], check: Callable[[bytes], Sequence[Finding]]
    ) -> None:
        self._data, self._filename, self._check = data, filename, check
        self._before = Counter(f.code for f in findings)
        self._source = Source.from_bytes(data, filename)

    def apply(self, wanted: Sequence[Finding], dropped: list[Dropped]) -> tuple[bytes, list[Finding]]:
        """Make all of `wanted` at once; if the result is not what it should be, one by one without the culprits."""
        result = self._attempt(wanted)
        if isinstance(result, bytes):
            return result, list(wanted)
        for finding in wanted:
            single = self._attempt([finding])
            if isinstance(single, bytes):
                return single, [finding]
            dropped.append(Dropped(finding, single))
        return self._data, []

    def _attempt(self, wanted: Sequence[Finding]) -> bytes | str:
        """The new content, or what is wrong with it."""
        edits = [e for f in wanted if f.fix is not None for e in f.fix.edits]
        try:
            result = rewrite(self._data, self._source, edits)
        except (AnchorError, cst.ParserSyntaxError, cst.CSTValidationError) as error:
            return str(error).splitlines()[0]
        if result == self._data:
            return "the fix changes nothing"
        after = Counter(f.code for f in self._check(result))
        expected = self._before - Counter(f.code for f in wanted)
        if after - expected:
            return f"the result still has, or newly has, {', '.join(sorted(after - expected))}"
        return result


def rewrite(data: bytes, source: Source, edits: Sequence[Edit]) -> bytes:
    """Make `edits` on a file and return the bytes in the file's own encoding, newlines and byte order mark.

    Raises:
        AnchorError: a place cannot be found, the file's encoding would change lines that no edit touches, or the result
            does not parse.
        libcst.ParserSyntaxError: libcst cannot parse the file.
    """
    placed = [_in_characters(source, e) for e in edits]
    touched = [e.span for e in placed if not isinstance(e, RequireImport)]
    touched += [e.statement for e in placed if isinstance(e, ExtractExpression)]
    excerpt = Excerpt.of(data, ast.parse(source.text), touched)
    result = excerpt.restored(_rewritten(excerpt.data, [_moved(e, excerpt) for e in placed]))
    return _rewritten(data, placed) if result is None else result


def _rewritten(data: bytes, edits: Sequence[Edit]) -> bytes:
    module = cst.parse_module(data)
    if module.encoding != "utf-8" and module.bytes != data:  # unicode_escape writes a newline as \n, utf-7 as it likes
        raise AnchorError(f"the encoding {module.encoding} does not write back what was read")
    spans = [s for e in edits if not isinstance(e, RequireImport) for s in _spans(e)]
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    tree = wrapper.module.visit(EditTransformer(module, Anchors(wrapper, spans), edits))
    imports = [e for e in edits if isinstance(e, RequireImport)]
    if imports:
        tree = add_imports(tree, imports)
    result = tree.bytes
    if data.startswith(codecs.BOM_UTF8) and not result.startswith(codecs.BOM_UTF8):
        result = codecs.BOM_UTF8 + result
    try:
        ast.parse(Source.from_bytes(result, "").text)
    except (SyntaxError, ValueError) as error:
        raise AnchorError(f"the result does not parse: {error}") from error
    return result


def _spans(edit: Edit) -> tuple[Span, ...]:
    match edit:
        case WrapFinally(first, last) | Wrap(first, last):
            return first, last
        case ExtractExpression(span, statement):
            return span, statement
        case RequireImport():
            return ()
        case _:
            return (edit.span,)


def _in_characters(source: Source, edit: Edit) -> Edit:
    """The edit with its columns counted in characters, as libcst counts them."""
    return _placed(edit, lambda span: _characters(source, span))


def _moved(edit: Edit, excerpt: Excerpt) -> Edit:
    """The edit with the lines that an excerpt has."""
    return _placed(edit, lambda s: s._replace(line=excerpt.line(s.line), end_line=excerpt.line(s.end_line)))


def _placed(edit: Edit, place: Callable[[Span], Span]) -> Edit:
    match edit:
        case RequireImport():
            return edit
        case WrapFinally(first, last) | Wrap(first, last):
            return edit._replace(first=place(first), last=place(last))
        case ExtractExpression(span, statement):
            return edit._replace(span=place(span), statement=place(statement))
        case _:
            return edit._replace(span=place(edit.span))


def _characters(source: Source, span: Span) -> Span:
    return Span(
        span.line,
        source.column(span.line, span.column),
        span.end_line,
        source.column(span.end_line, span.end_column),
    )
