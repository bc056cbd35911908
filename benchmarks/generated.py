"""The parts of a documentation page that a benchmark writes, each between two markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path


class PageError(Exception):
    """A page that lacks the markers of a generated part; the message is for people."""


def write(page: Path, parts: Mapping[str, str]) -> None:
    """Put each part into `page`, as `insert` does; raise `PageError` and write nothing where markers are missing."""
    try:
        text = insert(page.read_text(encoding="utf-8"), parts)
    except PageError as problem:
        raise PageError(f"{page}: {problem}") from None
    page.write_text(text, encoding="utf-8")


def insert(text: str, parts: Mapping[str, str]) -> str:
    """Return the page with each part between its markers `<!-- begin: name -->` and `<!-- end: name -->`."""
    for name, content in parts.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise PageError(f"expected one pair of lines {begin!r} and {end!r}")
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)  # type: ignore[misc]
    return text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Return a Markdown table; the columns numbered in `right`, from 0, are flush right."""
    aligned = frozenset(right)
    rule = ["--:" if column in aligned else "---" for column in range(len(header))]
    return "\n".join(_lines((header, rule, *rows)))


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |"
