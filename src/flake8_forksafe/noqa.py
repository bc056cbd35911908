"""`# noqa` and `# flake8: noqa`, as flake8 understands them."""

from __future__ import annotations

import io
import tokenize
from typing import TYPE_CHECKING

from flake8_forksafe.outline import Outline, OutlineError
from flake8_forksafe.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flake8_forksafe.finding import Finding


def unsilenced(findings: Sequence[Finding], data: bytes, filename: str) -> list[Finding]:
    """Return those of `findings`, made in the file `data`, that no comment silences."""
    if not findings or b"noqa" not in data.lower():
        return list(findings)
    from flake8.defaults import NOQA_FILE  # late: only files with findings and such a comment pay for flake8

    text = Source.from_bytes(data, filename).text
    lines = io.StringIO(text).readlines()
    if any(NOQA_FILE.match(line) for line in lines):
        return []
    joined: dict[int, str] = {}
    for first, last in _stretches(text, findings) or [(1, len(lines))]:
        joined.update(_joined(lines[first - 1 : last], first))
    return [finding for finding in findings if not _is_silenced(finding, filename, lines, joined)]


def _is_silenced(finding: Finding, filename: str, lines: Sequence[str], joined: dict[int, str]) -> bool:
    from flake8.violation import Violation

    line = finding.span.line
    physical = lines[line - 1] if line <= len(lines) else ""
    text = joined.get(line, physical)
    violation = Violation(finding.code, filename, line, finding.span.column, finding.message, text)
    return violation.is_inline_ignored(disable_noqa=False)


def _stretches(text: str, findings: Sequence[Finding]) -> set[tuple[int, int]]:
    """Return the first and last lines of the functions that hold `findings`; nothing if one is in none."""
    try:
        outline = Outline.of(text.encode("utf-8", errors="surrogatepass"))
    except OutlineError:
        return set()
    around = [outline.around(finding.span.line) for finding in findings]
    blocks = [block for block in around if block is not None]
    return {(b.line, b.line + b.height - 1) for b in blocks} if len(blocks) == len(around) else set()


def _joined(lines: Sequence[str], number: int) -> dict[int, str]:
    """Return for each line, the first of which is `number`, the lines that one comment serves.

    Those are the lines that a string or a backslash holds together.
    """
    result: dict[int, str] = {}
    first, last = len(lines) + 1, 0
    try:
        for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
            if token.type in {tokenize.ENDMARKER, tokenize.DEDENT}:
                continue
            first, last = min(first, token.start[0]), max(last, token.end[0])
            if token.type in {tokenize.NL, tokenize.NEWLINE}:
                text = "".join(lines[first - 1 : last])
                result.update(dict.fromkeys(range(first + number - 1, last + number), text))
                first, last = len(lines) + 1, 0
    except (tokenize.TokenError, SyntaxError):
        return {}
    return result
