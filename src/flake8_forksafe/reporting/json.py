"""Everything a run found, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from flake8_forksafe import __version__
from flake8_forksafe.reporting.outcome import Entry, Outcome, Place
from flake8_forksafe.reporting.screen import Screen


def render(outcomes: Sequence[Outcome], *, screen: Screen) -> Iterator[str]:  # noqa: ARG001 - one face for all formats
    """Yield the document."""
    document = {
        "version": __version__,
        "findings": [_entry(outcome.path, entry) for outcome in outcomes for entry in outcome.left],
        "fixed": [_entry(outcome.path, entry) for outcome in outcomes for entry in outcome.fixed],
        "errors": [
            {"path": outcome.path, "line": outcome.problem_line or None, "message": outcome.problem}
            for outcome in outcomes
            if outcome.problem
        ],
    }
    yield json.dumps(document, indent=2)


def _entry(path: str, entry: Entry) -> dict[str, object]:
    fix = {"safety": entry.safety.value, "title": entry.title} if entry.safety is not None else None
    related = [
        {**({"path": item.path} if item.path else {}), **_place(item.place), "message": item.message}
        for item in entry.related
    ]
    return {
        "path": path,
        **_place(entry.place),
        "code": entry.code,
        "message": entry.message,
        "fix": fix,
        "related": related,
    }


def _place(place: Place) -> dict[str, object]:
    return {"line": place.line, "column": place.column, "end_line": place.end_line, "end_column": place.end_column}
