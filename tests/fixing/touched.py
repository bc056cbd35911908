"""Whether the changes to a file stay at the places that its fixes speak of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise, takewhile

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.fix import Edit, RequireImport
from flake8_forksafe.fixing.engine import FixResult

_IMPORT_OR_BLANK = re.compile(r"\s*((import|from)\s|$)")


class Recorder:
    """The check of one file, which remembers what it was asked about and what it said."""

    def __init__(self, check: Callable[[bytes], Sequence[Finding]]) -> None:
        self._check = check
        self._asked: list[tuple[bytes, Sequence[Finding]]] = []

    def __call__(self, data: bytes) -> Sequence[Finding]:
        findings = self._check(data)
        self._asked.append((data, findings))
        return findings

    def versions(self) -> Iterator[tuple[bytes, Sequence[Finding]]]:
        """The versions of the file that were kept: the engine asks about each of them once more after the attempt."""
        yield self._asked[0]
        for (tried, _), (data, findings) in pairwise(self._asked):
            if tried == data:
                yield data, findings


def stray_changes(result: FixResult, recorder: Recorder) -> list[str]:
    """Name each change that is neither at nor next to an edit of a fix that was made, nor an import."""
    made = {id(finding) for finding in result.fixed}
    return [
        change
        for (before, findings), (after, _) in pairwise(recorder.versions())
        for change in _strays(_lines(before), _lines(after), [f for f in findings if id(f) in made])
    ]


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _strays(before: list[str], after: list[str], made: Sequence[Finding]) -> Iterator[str]:
    edits = [edit for finding in made if finding.fix is not None for edit in finding.fix.edits]
    near = {line for edit in edits if (span := _span(edit)) is not None for line in _near(span, before)}
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    old, new = before[same:], after[same:]
    for kind, i, j, m, n in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal" or all(_IMPORT_OR_BLANK.match(line) for line in (*old[i:j], *new[m:n])):
            continue
        changed = range(same + i + 1, same + max(i + 1, j) + 1)
        if not near.issuperset(changed):
            yield f"changes of lines {changed.start} to {changed.stop - 1} that no fix speaks of"


def _span(edit: Edit) -> Span | None:
    return None if isinstance(edit, RequireImport) else edit.span


def _near(span: Span, lines: Sequence[str]) -> range:
    """The lines of an edit and those next to it, with all that is blank or a comment above."""
    start = span.line - 1
    while start > 1 and (not lines[start - 1].strip() or lines[start - 1].lstrip().startswith("#")):
        start -= 1
    return range(start, span.end_line + 2)
