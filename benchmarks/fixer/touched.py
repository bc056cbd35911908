"""Whether the changes to a file stay at the places that its fixes speak of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

from flake8_forksafe import analysis, noqa, registry
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.fix import Edit, RequireImport
from flake8_forksafe.fixing.engine import fix_source
from flake8_forksafe.settings import Settings

_IMPORT = re.compile(r"\s*(import|from)\s|\s*$")


class Recorder:
    """The check of one file that remembers which versions it was asked about and what it said."""

    def __init__(self, filename: str, target: tuple[int, int]) -> None:
        self._filename = filename
        self._settings = Settings(target_version=target)
        self._rules = [rule for rule in registry.rules().values() if not rule.opt_in]
        self.asked: list[tuple[bytes, Sequence[Finding]]] = []

    def __call__(self, data: bytes) -> Sequence[Finding]:
        findings = analysis.check_source(data, filename=self._filename, settings=self._settings, rules=self._rules)
        self.asked.append((data, noqa.unsilenced(findings, data, self._filename)))
        return self.asked[-1][1]

    def versions(self) -> Iterator[tuple[bytes, Sequence[Finding]]]:
        """The versions that were kept: the first one, and those that were asked about once more when they were made."""
        yield self.asked[0]
        for (tried, _), (data, findings) in zip(self.asked, self.asked[1:], strict=False):
            if tried == data:
                yield data, findings


def stray_changes(old: bytes, new: bytes, filename: str, *, unsafe: bool, target: tuple[int, int]) -> list[str]:
    """Fix `old` again and name each change that is neither at an edit of a fix that was made nor an import.

    Raises:
        ValueError: the result is not `new`.
    """
    recorder = Recorder(filename, target)
    result = fix_source(old, filename=filename, check=recorder, unsafe=unsafe)
    if result.data != new:
        raise ValueError(f"{filename}: two runs gave two results")
    made = {id(finding) for finding in result.fixed}
    versions = list(recorder.versions())
    return [
        f"{filename}: {change}"
        for (before, findings), (after, _) in zip(versions, versions[1:], strict=False)
        for change in _strays(_lines(before), _lines(after), [f for f in findings if id(f) in made])
    ]


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _strays(before: list[str], after: list[str], made: Sequence[Finding]) -> Iterator[str]:
    edits = [edit for finding in made if finding.fix is not None for edit in finding.fix.edits]
    places = [_place(span, before) for edit in edits if (span := _span(edit)) is not None]
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    matcher = SequenceMatcher(a=before[head:], b=after[head:], autojunk=False)
    for kind, i, j, k, l in matcher.get_opcodes():  # noqa: E741  (the names in difflib's documentation)
        if kind == "equal":
            continue
        first, last = head + i + 1, head + max(i + 1, j)
        if all(_IMPORT.match(line) for line in (*before[head + i : head + j], *after[head + k : head + l])):
            continue
        if not any(start <= first and last <= end for start, end in places):
            yield f"lines {first} to {last} of a version are changed, the fixes are at {places}"


def _span(edit: Edit) -> Span | None:
    return None if isinstance(edit, RequireImport) else edit.span


def _place(span: Span, lines: Sequence[str]) -> tuple[int, int]:
    """The lines next to an edit: one line either way, and all that is blank or a comment above."""
    start = span.line - 1
    while start > 1 and (not lines[start - 1].strip() or lines[start - 1].lstrip().startswith("#")):
        start -= 1
    return start, span.end_line + 1
