"""One line per finding, as flake8 prints it: nothing but words, for programs and for screen readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flake8_forksafe.reporting.colour import printable
from flake8_forksafe.reporting.outcome import Outcome
from flake8_forksafe.reporting.screen import Screen


def render(outcomes: Sequence[Outcome], *, screen: Screen) -> Iterator[str]:  # noqa: ARG001 - the same on any screen
    """Yield the lines."""
    for outcome in outcomes:
        for entry in outcome.left:
            place = f"{printable(outcome.path)}:{entry.place.line}:{entry.place.column}:"
            yield f"{place} {entry.code} {printable(entry.message)}"
