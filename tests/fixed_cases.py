"""The bad cases of the fixtures after fixing: what `tests/fixtures/FRKnnn/bad.fixed.py` holds.

Each bad case is fixed as a module of its own, the unsafe fixes included. The expectations in bad.fixed.py tell what is
left, so that the file has the format of the other two. Only codes of which some finding has a fix have such a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from fixture_cases import FIXTURES, Case, read_cases, rules_for

from flake8_forksafe import analysis
from flake8_forksafe.finding import Finding
from flake8_forksafe.fixing.engine import FixResult, fix_source

_EXPECT = re.compile(r" *# expect: FRK\d{3}(, *FRK\d{3})*$")


def golden(code: str) -> Path:
    return FIXTURES / code / "bad.fixed.py"


def text_of(case: Case) -> str:
    """The module alone, without the padding that keeps its line numbers."""
    return re.sub(r"\A#!.*\n\n+(?=#!)", "", case.source).lstrip("\n")


def check(case: Case, data: bytes) -> list[Finding]:
    return analysis.check_source(data, filename=case.filename, settings=case.settings, rules=rules_for(case.code))


@cache
def fixed(case: Case, *, unsafe: bool) -> FixResult:
    return fix(case, text_of(case).encode(), unsafe=unsafe)


def fix(case: Case, data: bytes, *, unsafe: bool) -> FixResult:
    return fix_source(data, filename=case.filename, check=lambda version: check(case, version), unsafe=unsafe)


def expected_golden(code: str) -> str | None:
    """The text of the code's bad.fixed.py; None if none of its findings has a fix."""
    path = FIXTURES / code / "bad.py"
    if not path.is_file():
        return None
    cases = read_cases(path)
    if not any(f.code == code and f.fix is not None for case in cases for f in check(case, text_of(case).encode())):
        return None
    return "\n\n\n".join(map(_section, cases)) + "\n"


def _section(case: Case) -> str:
    head = [f"# case: {case.reason}"]
    if case.target != (3, 11):
        head.append(f"# target: {case.target[0]}.{case.target[1]}")
    if case.filename != "module.py":
        head.append(f"# filename: {case.filename}")
    result = fixed(case, unsafe=True)
    lines = [_EXPECT.sub("", line) for line in result.data.decode().splitlines()]
    for number, codes in _by_line(result.left).items():
        lines[number - 1] += f"  # expect: {', '.join(codes)}"
    return "\n".join([*head, *lines]).rstrip("\n")


def _by_line(findings: Sequence[Finding]) -> dict[int, list[str]]:
    table: dict[int, list[str]] = {}
    for finding in findings:
        codes = table.setdefault(finding.span.line, [])
        if finding.code not in codes:
            codes.append(finding.code)
    return table
