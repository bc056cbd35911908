"""Each rule against its near misses and its hits."""

from __future__ import annotations

import pytest
from fixture_cases import FIXTURES, Case, all_cases, read_cases

from flake8_forksafe import registry

CASES = all_cases()
WITH_RULE = [case for case in CASES if case.code in registry.rules()]


@pytest.mark.parametrize("case", WITH_RULE, ids=lambda case: case.name)
def test_exactly_the_expected_lines_are_reported(case: Case) -> None:
    assert {(finding.span.line, finding.code) for finding in case.check()} == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_near_misses_expect_nothing_and_hits_expect_their_rule(case: Case) -> None:
    codes = {code for _, code in case.expected}
    assert (case.code in codes) if case.kind == "bad" else not codes


@pytest.mark.parametrize("code", registry.rules())
def test_every_rule_has_eight_near_misses_and_eight_hits(code: str) -> None:
    for kind in ("good", "bad"):
        assert len(read_cases(FIXTURES / code / f"{kind}.py")) >= 8


@pytest.mark.parametrize("case", WITH_RULE, ids=lambda case: case.name)
def test_messages_are_one_line_and_places_lie_in_the_file(case: Case) -> None:
    lines = case.source.encode().split(b"\n")
    for finding in case.check():
        for span in (finding.span, *(related.span for related in finding.related)):
            assert (span.line, span.column) <= (span.end_line, span.end_column)
            assert 1 <= span.line <= span.end_line <= len(lines)
            assert span.column < len(lines[span.line - 1])
        assert finding.message == " ".join(finding.message.split())
