"""What is left out of a file while it is changed comes back as it was, at its place."""

from __future__ import annotations

import ast
from pathlib import Path

import libcst as cst
import pytest

from flake8_forksafe.finding import Span
from flake8_forksafe.fixing.excerpt import Excerpt

FIXTURES = Path(__file__).parents[1] / "fixtures"

MODULE = b'''\
import os


@os.register
def first(a):
    """Say
    something."""
    return a  # the first


class Middle:
    limit = 3

    async def short(self):
        pass

    def long(self):
        if self.limit:
            return 1
        return 2
        # a comment at the end


x = first(1)


def last():
    y = 1
    z = 2
    return y + z'''


def excerpt(data: bytes, *lines: int) -> Excerpt:
    return Excerpt.of(data, ast.parse(data), [Span(line, 0, line, 1) for line in lines])


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("line", [1, 5, 12, 15, 18, 25, 29])
def test_what_is_left_out_comes_back(newline: bytes, line: int) -> None:
    data = MODULE.replace(b"\n", newline)
    found = excerpt(data, line)
    assert len(found.data) < len(data)
    assert found.restored(found.data) == data
    assert found.data.splitlines()[found.line(line) - 1] == data.splitlines()[line - 1]


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("FRK*/bad.py")), ids=lambda path: path.parent.name)
def test_a_file_of_cases_comes_back(path: Path) -> None:
    data = path.read_bytes()
    for line in range(1, data.count(b"\n"), 40):
        found = excerpt(data, line)
        assert found.restored(found.data) == data
        assert cst.parse_module(found.data).bytes == found.data


def test_methods_that_no_edit_touches_are_left_out() -> None:
    text = excerpt(MODULE, 19).data.decode()
    assert "return 1" in text
    assert "limit = 3" in text
    assert not {"Say", "y = 1"} & set(text.split())


def test_an_edit_that_moves_a_function_keeps_it() -> None:
    found = Excerpt.of(MODULE, ast.parse(MODULE), [Span(1, 0, 32, 1)])
    assert found.data == MODULE
    assert found.parts == ()


def test_lines_that_an_edit_adds_push_the_rest_down() -> None:
    found = excerpt(MODULE, 1)
    changed = found.data.replace(b"import os\n", b"import os\nimport sys\n")
    assert found.restored(changed) == MODULE.replace(b"import os\n", b"import os\nimport sys\n")


def test_a_part_that_is_lost_or_doubled_is_noticed() -> None:
    found = excerpt(MODULE, 1)
    mark = next(line for line in found.data.split(b"\n") if line.startswith(b"class __"))
    assert found.restored(found.data.replace(mark, b"")) is None
    assert found.restored(found.data.replace(mark, mark + b"\n" + mark)) is None


def test_a_file_that_spells_the_mark_is_noticed() -> None:
    data = b"class __left_out_7__: ...\n" + MODULE
    found = excerpt(data, 2)
    assert found.restored(found.data) is None


@pytest.mark.parametrize(
    "data", [b"x = 1; y = 2\nif x:\n    def f():\n        a\n        b\n        c\n        d\n", b"", b"\n"]
)
def test_there_may_be_nothing_to_leave_out(data: bytes) -> None:
    found = excerpt(data, 1)
    assert found.restored(found.data) == data
