"""The programs that hung in production and started this project, and their cures, line by line."""

from __future__ import annotations

import pytest
from fixture_cases import FIXTURES, Case, read_cases

PROGRAMS = [case for kind in ("good", "bad") for case in read_cases(FIXTURES / "founding" / f"{kind}.py")]


@pytest.mark.parametrize("case", PROGRAMS, ids=lambda case: case.name)
def test_the_hazard_is_reported_and_the_cure_is_silent(case: Case) -> None:
    assert {(finding.span.line, finding.code) for finding in case.check()} == case.expected
