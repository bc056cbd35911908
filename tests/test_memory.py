"""What an analysis makes goes when it has answered, without the garbage collector, which seldom comes in a long run."""

from __future__ import annotations

import ast
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fixture_cases import FIXTURES

from flake8_forksafe import analysis, registry
from flake8_forksafe.settings import Settings


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def left_over() -> Counter[str]:
    """How many objects of the model, and how many nodes of syntax trees, there are."""
    kinds = Counter(type(thing) for thing in gc.get_objects() if not isinstance(thing, type))
    return Counter(
        {
            kind.__name__: count
            for kind, count in kinds.items()
            if kind.__module__.startswith("flake8_forksafe.model") or issubclass(kind, ast.AST)
        }
    )


@pytest.mark.parametrize("code", registry.rules())
@pytest.mark.parametrize("parsed", [False, True], ids=["of bytes", "of a tree"])
def test_nothing_of_an_analysis_is_left(code: str, *, parsed: bool) -> None:
    data = (FIXTURES / code / "bad.py").read_bytes()
    settings, rules = Settings((3, 11)), registry.rules().values()

    def check() -> int:
        if not parsed:
            return len(analysis.check_source(data, filename="bad.py", settings=settings, rules=rules))
        tree = ast.parse(data)
        return len(analysis.check_tree(tree, data, filename="bad.py", settings=settings, rules=rules))

    assert check()  # what is remembered for good is there from now on
    with no_collector():
        before = left_over()
        check()
        more = left_over() - before
    assert more.total() == 0, more
