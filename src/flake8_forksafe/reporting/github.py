"""Annotations on the lines of a pull request: the workflow commands of GitHub Actions.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flake8_forksafe.reporting.outcome import Entry, Outcome
from flake8_forksafe.reporting.sarif import relative_posix
from flake8_forksafe.reporting.screen import Screen

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = _DATA | {":": "%3A", ",": "%2C"}


def render(outcomes: Sequence[Outcome], *, screen: Screen) -> Iterator[str]:  # noqa: ARG001 - one face for all formats
    """Yield one command per finding and per file that could not be checked."""
    for outcome in outcomes:
        for entry in outcome.left:
            yield _command(_properties(outcome.path, entry), f"{entry.code} {entry.message}")
        if outcome.problem:
            line = {"line": str(outcome.problem_line)} if outcome.problem_line else {}
            yield _command({"title": "forksafe", "file": relative_posix(outcome.path), **line}, outcome.problem)


def _properties(path: str, entry: Entry) -> dict[str, str]:
    place = entry.place
    properties = {
        "title": entry.code,
        "file": relative_posix(path),
        "line": str(place.line),
        "endLine": str(place.end_line),
    }
    if place.line == place.end_line:  # GitHub shows columns of one line only
        properties |= {"col": str(place.column), "endColumn": str(place.end_column)}
    return properties


def _command(properties: Mapping[str, str], message: str) -> str:
    written = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    return f"::error {written}::{_escaped(message, _DATA)}"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(char, char) for char in text)
