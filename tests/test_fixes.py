"""Every fix over every fixture: what it repairs is gone, nothing new appears, the result is that of bad.fixed.py."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable

import pytest
from fixed_cases import check, expected_golden, fix, fixed, golden, text_of
from fixture_cases import Case, all_cases

from flake8_forksafe import registry
from flake8_forksafe.fix import Safety

CASES = [case for case in all_cases() if case.code in registry.rules()]
BAD = [case for case in CASES if case.kind == "bad"]
GOOD = [case for case in CASES if case.kind == "good"]


def _every(cases: list[Case]) -> Callable[..., pytest.MarkDecorator]:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


with_and_without_unsafe = pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])


@pytest.mark.parametrize("code", registry.rules())
def test_the_fixed_fixtures_are_up_to_date(code: str) -> None:
    expected = expected_golden(code)
    text = golden(code).read_text(encoding="utf-8") if golden(code).exists() else None
    assert text == expected, "run scripts/update_fixed_fixtures.py, and read what it changes"


@_every(BAD)
@with_and_without_unsafe
def test_what_is_fixed_is_gone_and_nothing_new_appears(case: Case, *, unsafe: bool) -> None:
    result = fixed(case, unsafe=unsafe)
    before = Counter(f.code for f in check(case, text_of(case).encode()))
    ast.parse(result.data)
    assert not result.dropped
    # One fix can do away with other findings, so that these are neither fixed nor left.
    assert Counter(f.code for f in result.fixed) + Counter(f.code for f in result.left) <= before
    assert list(result.left) == check(case, result.data)


@_every(BAD)
@with_and_without_unsafe
def test_every_fix_that_is_offered_is_made(case: Case, *, unsafe: bool) -> None:
    for finding in fixed(case, unsafe=unsafe).left:
        assert finding.fix is None or (finding.fix.safety is Safety.UNSAFE and not unsafe)


@_every(BAD)
@with_and_without_unsafe
def test_fixing_a_second_time_changes_nothing(case: Case, *, unsafe: bool) -> None:
    once = fixed(case, unsafe=unsafe).data
    again = fix(case, once, unsafe=unsafe)
    assert again.data == once
    assert not again.fixed


@_every(BAD)
def test_without_unsafe_fixes_the_unsafe_ones_are_counted(case: Case) -> None:
    result = fixed(case, unsafe=False)
    assert result.unsafe_available == sum(f.fix is not None for f in result.left)
    assert all(f.fix is not None and f.fix.safety is Safety.SAFE for f in result.fixed)


@_every(GOOD)
def test_correct_code_is_left_alone(case: Case) -> None:
    result = fixed(case, unsafe=True)
    assert result.data == text_of(case).encode()
