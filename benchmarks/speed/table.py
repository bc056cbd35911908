"""The figures as one table of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from benchmarks.speed.measure import Against, Comparison, Goal, Measure

_HEADER = (
    *("scenario", "measure", "without", "with", "added", "ratio", "(range)"),
    *("goal", "met"),
)
_LEFT = 2  # the first columns are words, the rest figures


def render(comparisons: Iterable[Comparison]) -> Iterator[str]:
    """Yield the lines of the table: one per scenario and measure."""
    rows = [_HEADER, *map(_row, comparisons)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(
            cell.ljust(width) if column < _LEFT else cell.rjust(width) for column, (cell, width) in enumerate(cells)
        ).rstrip()


def _row(comparison: Comparison) -> tuple[str, ...]:
    low, high = comparison.ratio_range
    return (
        comparison.scenario.title,
        comparison.measure.value,
        _amount(comparison.measure, comparison.baseline),
        _amount(comparison.measure, comparison.subject),
        _amount(comparison.measure, comparison.difference, sign="+"),
        f"{comparison.ratio:.3f}",
        f"({low:.3f}-{high:.3f})",
        _goal(comparison.goal),
        {None: "", True: "yes", False: "NO"}[comparison.met],
    )


def _goal(goal: Goal | None) -> str:
    if goal is None:
        return ""
    match goal.against:
        case Against.RATIO:
            return f"<= {goal.limit:.3f}"
        case Against.DIFFERENCE:
            return f"<= {_amount(goal.measure, goal.limit, sign='+')}"
        case _:
            assert_never(goal.against)


def _amount(measure: Measure, value: float, sign: str = "-") -> str:
    match measure:
        case Measure.PEAK:
            return f"{value / 1e6:{sign}.1f} MB"
        case Measure.CPU | Measure.WALL if abs(value) < 1:
            return f"{value * 1e3:{sign}.1f} ms"
        case Measure.CPU | Measure.WALL:
            return f"{value:{sign}.2f} s"
        case _:
            assert_never(measure)
