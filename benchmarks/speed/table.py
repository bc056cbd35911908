"""The figures as a table, of plain text or in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from benchmarks import generated
from benchmarks.speed.measure import Against, Comparison, Goal, Measure

_HEADER = (
    *("subject / baseline", "measure", "baseline", "subject", "difference", "ratio", "(range)"),
    *("goal", "met"),
)
_LEFT = 2  # the first columns are words, the rest figures


def markdown(comparisons: Iterable[Comparison]) -> str:
    """Return the table in Markdown: one row per scenario and measure, and one more for each further goal."""
    return generated.table(_HEADER, _rows(comparisons), right=range(_LEFT, len(_HEADER)))


def text(comparisons: Iterable[Comparison]) -> Iterator[str]:
    """Yield the lines of the same table, in plain text."""
    rows = [_HEADER, *_rows(comparisons)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(
            cell.ljust(width) if column < _LEFT else cell.rjust(width) for column, (cell, width) in enumerate(cells)
        ).rstrip()


def _rows(comparisons: Iterable[Comparison]) -> Iterator[tuple[str, ...]]:
    for comparison in comparisons:
        figures = _figures(comparison)
        goals = [(_goal(goal), "yes" if comparison.meets(goal) else "NO") for goal in comparison.goals]
        first, *more = goals or [("", "")]
        yield (*figures, *first)
        for goal in more:
            yield (*("" for _ in figures), *goal)


def _figures(comparison: Comparison) -> tuple[str, ...]:
    low, high = comparison.ratio_range
    return (
        comparison.scenario.title,
        comparison.measure.value,
        _amount(comparison.measure, comparison.baseline),
        _amount(comparison.measure, comparison.subject),
        _amount(comparison.measure, comparison.difference, sign="+"),
        f"{comparison.ratio:.3f}",
        f"({low:.3f}-{high:.3f})",
    )


def _goal(goal: Goal) -> str:
    return f"{goal.note}: {_limit(goal)}" if goal.note else _limit(goal)


def _limit(goal: Goal) -> str:
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
