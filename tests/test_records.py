"""Records hash and compare as frozen dataclasses do, and the type checker keeps them frozen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flake8_forksafe.records import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    name: str
    size: int = 0


@dataclass(frozen=True, order=True, slots=True)
class Pair:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    name: str


@dataclass(slots=True)
class Changing:
    name: str


def test_what_is_frozen_is_equal_and_hashes_by_its_fields() -> None:
    assert Value("a") == Value("a", 0)
    assert Value("a") != Value("a", 1)
    assert len({Value("a"), Value("a"), Value("b")}) == 2


def test_another_class_with_the_same_fields_is_not_equal() -> None:
    assert Value("a", 1) != Pair("a", 1)


def test_what_has_no_fields_is_equal_to_its_like() -> None:
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())


def test_a_single_field_compares_and_hashes() -> None:
    assert Changing("a") == Changing("a")
    assert Changing("a") != Changing("b")


def test_records_sort_by_their_fields() -> None:
    assert sorted([Pair("b", 1), Pair("a", 2), Pair("a", 1)]) == [Pair("a", 1), Pair("a", 2), Pair("b", 1)]


def test_the_text_of_a_record_names_its_fields_and_ends_where_it_holds_itself() -> None:
    changing = Changing("a")
    assert repr(changing) == "Changing(name='a')"
    changing.name = changing  # type: ignore[assignment]
    assert repr(changing) == "Changing(name=...)"


def test_what_has_no_equality_is_told_by_identity() -> None:
    thing = Thing("a")
    assert len({thing, thing, Thing("a")}) == 2


def test_what_is_not_frozen_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Changing("a"))


@pytest.mark.slow
def test_the_type_checker_finds_an_assignment_to_what_is_frozen(tmp_path: Path) -> None:
    mypy = pytest.importorskip("mypy")
    assert mypy
    code = (
        "from flake8_forksafe.records import dataclass\n"
        "@dataclass(frozen=True)\nclass A:\n    x: int\n"
        "@dataclass()\nclass B:\n    x: int\n"
        "A(1).x = 2\nB(1).x = 2\n"
    )
    (tmp_path / "module.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "module.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line.partition(":")[2].partition(":")[0] for line in errors] == ["8"], done.stdout
