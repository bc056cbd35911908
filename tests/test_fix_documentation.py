"""What the pages say about fixes agrees with the fixes that the bad fixtures get."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from fixed_cases import check, text_of
from fixture_cases import FIXTURES, read_cases
from test_rule_docs import page

from flake8_forksafe import registry
from flake8_forksafe.fix import Safety

FIXING = Path(__file__).parent.parent / "docs" / "fixing.md"

codes = pytest.mark.parametrize("code", registry.rules())


@cache
def safeties(code: str) -> frozenset[Safety]:
    """How safe the fixes are that the code's bad cases get; empty if there is none."""
    cases = read_cases(FIXTURES / code / "bad.py")
    found = [finding for case in cases for finding in check(case, text_of(case).encode()) if finding.code == code]
    return frozenset(finding.fix.safety for finding in found if finding.fix is not None)


def tabulated() -> dict[str, frozenset[Safety]]:
    """What the table of docs/fixing.md says, by code."""
    rows = re.findall(
        r"^\| \[(FRK\d{3})\]\(rules/\1\.md\) \|([^|]*)\|([^|]*)\|$", FIXING.read_text("utf-8"), re.MULTILINE
    )
    columns = (Safety.SAFE, Safety.UNSAFE)
    return {code: frozenset(s for s, text in zip(columns, texts, strict=True) if text.strip()) for code, *texts in rows}


def test_every_code_has_its_row() -> None:
    assert list(tabulated()) == list(registry.rules())


@codes
def test_the_table_tells_how_safe_the_fixes_are(code: str) -> None:
    assert tabulated()[code] == safeties(code)


@codes
def test_a_page_denies_fixes_only_where_there_are_none(code: str) -> None:
    first_sentence = page(code).sections["Fix safety"].partition(".")[0].casefold()
    assert ("there is no automatic fix" in first_sentence) == (not safeties(code))


@codes
def test_a_page_tells_how_safe_its_fixes_are(code: str) -> None:
    words = {word.casefold() for word in re.findall(r"\w+", page(code).sections["Fix safety"])}
    assert {safety.value for safety in safeties(code)} <= words
