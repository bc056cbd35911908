"""Measure how the cost of a check grows with the program, and say which cost grows faster than the program.

    python benchmarks/speed/scaling.py [--only "nested ifs,elifs"] [--limit 1.15]

Each program of `shapes.py` is checked at growing sizes, with every rule that is on by default. The exponent is the
slope of log(CPU) over log(size), fitted to the larger sizes: 1 where twice the program takes twice the time. It needs a
Python that has the project installed. Exit status 1: something was raised, or a hazard was not reported.
"""

from __future__ import annotations

import argparse
import ast
import gc
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.shapes import SHAPES, Shape
from flake8_forksafe import analysis, registry
from flake8_forksafe.codes import TOO_DEEP
from flake8_forksafe.settings import Settings
from flake8_forksafe.source import SourceError

_SETTINGS = Settings(target_version=(3, 11))
T = TypeVar("T")

_ENOUGH = 0.2  # seconds of CPU after which a size is not measured again
#: Rounds of one size, at least and at most. One round of a large program beside twenty of a small one would make the
#: large one seem slow: the least of few times is greater than the least of many.
_FEWEST_ROUNDS, _ROUNDS = 5, 20
_LARGER = 8  # the fit takes the sizes down to this fraction of the largest
_HEADER = ("program", "n", "file", "parse", "check", "per n", "exponent", "")


class ShapeError(Exception):
    """A program that was not analysed as it should be; the message is for people."""


@dataclass(frozen=True, slots=True)
class Point:
    """One program of one size; times are the least CPU seconds of all rounds."""

    size: int
    length: int  # bytes
    parse: float
    check: float
    too_deep: bool


@dataclass(frozen=True, slots=True)
class Growth:
    """One shape at all sizes that the parser takes; `refused` is the least size that it does not."""

    shape: Shape
    points: tuple[Point, ...]
    refused: int | None

    @property
    def exponent(self) -> float:
        """The slope of log(check) over log(size)."""
        largest = self.points[-1].size
        larger = [point for point in self.points if point.size * _LARGER >= largest]
        sizes = [math.log(point.size) for point in larger]
        return statistics.linear_regression(sizes, [math.log(point.check) for point in larger]).slope


def grow(shape: Shape) -> Growth:
    """Measure `shape` at its sizes, up to the first that CPython's own parser refuses.

    Raises `ShapeError` where a program within the parser's limits is neither reported nor called too deep, or one
    beyond them leads to anything but the one clear line.
    """
    points: list[Point] = []
    for size in shape.sizes:
        source = shape.source(size)
        try:
            parse, _ = _least(partial(ast.parse, source))
        except (SyntaxError, RecursionError, MemoryError):
            _codes(shape, size, source)
            return Growth(shape, tuple(points), size)
        check, codes = _least(partial(_codes, shape, size, source))
        if codes != {TOO_DEEP} and shape.finds not in codes:
            raise ShapeError(f"{shape.title}, n = {size}: no {shape.finds} among {sorted(codes)}")
        points.append(Point(size, len(source), parse, check, too_deep=codes == {TOO_DEEP}))
    return Growth(shape, tuple(points), None)


def _codes(shape: Shape, size: int, source: str) -> set[str]:
    """Return the codes that are reported; empty for what is no Python."""
    rules = [rule for rule in registry.rules().values() if not rule.opt_in]
    try:
        found = analysis.check_source(source.encode(), filename="module.py", settings=_SETTINGS, rules=rules)
    except SourceError:
        return set()
    except (RecursionError, MemoryError) as error:
        raise ShapeError(f"{shape.title}, n = {size}: {type(error).__name__}") from error
    return {finding.code for finding in found}


def _least(work: Callable[[], T]) -> tuple[float, T]:
    """Return the least CPU time of several rounds of `work`, and what it returns."""
    times: list[float] = []
    while True:
        gc.collect()
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
        if (sum(times) >= _ENOUGH and len(times) >= _FEWEST_ROUNDS) or len(times) == _ROUNDS:
            return min(times), result


def _rows(growths: Iterable[Growth], limit: float) -> Iterator[tuple[str, ...]]:
    for growth in growths:
        last = growth.points[-1]
        notes = [
            "SUPER-LINEAR" if growth.exponent > limit else "",
            "too deep: FRK000" if last.too_deep else "",
            "" if growth.refused is None else f"the parser refuses {growth.refused:,}",
        ]
        yield (
            growth.shape.title,
            f"{last.size:,}",
            f"{last.length / 1e3:,.1f} kB",
            _milliseconds(last.parse),
            _milliseconds(last.check),
            f"{last.check / last.size * 1e6:,.0f} us",
            f"{growth.exponent:.2f}",
            ", ".join(filter(None, notes)),
        )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for title, *figures, note in rows:
        cells = [cell.rjust(width) for cell, width in zip(figures, widths[1:-1], strict=True)]
        yield "  ".join([title.ljust(widths[0]), *cells, note]).rstrip()


def measure(options: argparse.Namespace) -> None:
    """Print the table and, below it, what is super-linear. Raises `ShapeError`."""
    wanted = [name for name in options.only.split(",") if name]
    unknown = set(wanted).difference(shape.title for shape in SHAPES)
    if unknown:
        raise ShapeError(f"no such program: {', '.join(sorted(unknown))}")
    growths = [grow(shape) for shape in SHAPES if not wanted or shape.title in wanted]
    print(*_table([_HEADER, *_rows(growths, options.limit)]), sep="\n")
    steep = [growth.shape.title for growth in growths if growth.exponent > options.limit]
    print(f"\nexponent above {options.limit}: {', '.join(steep) or 'none'}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 1 when there are no figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only these programs of the table, comma-separated")
    parser.add_argument("--limit", type=float, default=1.15, help="above which exponent to complain (%(default)s)")
    try:
        measure(parser.parse_args(arguments))
    except ShapeError as problem:
        print(f"scaling: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
