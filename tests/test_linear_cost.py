"""The work of a check grows no faster than the program, and no program that CPython parses is too much for it.

Work is counted, not timed: how many calls of Python functions, and of built-in ones, a check makes. For each program
the count at one size is compared with that at twice the size. What every program costs, however small, is taken off.
The work of the parser is no call; it is counted by the text that it is given.
"""

from __future__ import annotations

import ast
import sys
from types import FrameType

import pytest

from benchmarks.speed.shapes import SHAPES, Shape
from flake8_forksafe import analysis, outline, registry
from flake8_forksafe.codes import TOO_DEEP
from flake8_forksafe.settings import Settings
from flake8_forksafe.source import syntax_tree

#: Twice the program may take this many times the work; 4 would be quadratic.
FACTOR = 2.2
WIDE = 60
#: The growing programs to count.
GUARDED = (
    "all hazards by turns",
    "copies: wait for a full pipe",
    "copies: fork beside a thread",
    "copies: timer that arms itself",
    "copies: SIGTERM alone",
    "copies: kill in a handler",
    "copies: list of children",
    "copies among other functions",
    "tries in a row",
    "signals in a row",
    "waits in a row",
    "returns in a row",
    "children with a name each",
    "children under one name",
    "children in one list",
    "methods of one class",
    "functions that call each other",
    "method chain",
)


DEEP = [shape for shape in SHAPES if shape.title.startswith("nested") or shape.title.endswith("chain")]


def codes_of(source: str) -> set[str]:
    """The codes that the check of `source` reports."""
    rules = [rule for rule in registry.rules().values() if not rule.opt_in]
    found = analysis.check_source(source.encode(), filename="module.py", settings=Settings((3, 11)), rules=rules)
    return {finding.code for finding in found}


def calls_of_check(source: str) -> int:
    """How many function calls the check of `source` makes."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        codes_of(source)
    finally:
        sys.setprofile(before)
    return counted


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    """Import and compile everything first, so that no count has it in it."""
    calls_of_check(SHAPES[0].source(10))


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.title in GUARDED], ids=lambda shape: shape.title)
def test_twice_the_program_takes_about_twice_the_work(shape: Shape) -> None:
    fixed = calls_of_check(shape.source(1))
    once, twice = (calls_of_check(shape.source(size)) - fixed for size in (WIDE, 2 * WIDE))
    assert twice < FACTOR * once


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.title in GUARDED], ids=lambda shape: shape.title)
def test_the_parser_goes_over_about_twice_the_text_of_twice_the_program(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[bytes] = []

    def parse(text: bytes, filename: str) -> ast.Module:
        texts.append(text)
        return syntax_tree(text, filename)

    for module in (analysis, outline):
        monkeypatch.setattr(module, "syntax_tree", parse)
    lengths = []
    for size in (2 * WIDE, 4 * WIDE):
        texts.clear()
        codes_of(shape.source(size))
        lengths.append(sum(map(len, texts)))
    assert lengths[1] <= FACTOR * lengths[0]


@pytest.mark.parametrize("shape", DEEP, ids=lambda shape: shape.title)
def test_what_the_parser_takes_is_reported_or_called_too_deep(shape: Shape) -> None:
    for size in shape.sizes:
        codes = codes_of(shape.source(size))
        assert shape.finds in codes or codes == {TOO_DEEP}
