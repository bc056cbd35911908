"""Over all fixtures: what is fixed is gone in a second run, and only lines that a fix speaks of change.

`tests/test_fixes.py` runs the fixer twice over each case; here whole fixture files are fixed, as one module each, so
that fixes meet other code and each other.
"""

from __future__ import annotations

import ast
from collections import Counter

import pytest
from fixed_cases import check, golden, text_of
from fixture_cases import FIXTURES, Case, all_cases, rules_for
from touched import Recorder, stray_changes

from flake8_forksafe import analysis, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.fixing.engine import fix_source
from flake8_forksafe.settings import Settings

WITH_FIXES = [case for case in all_cases() if case.kind == "bad" and golden(case.code).exists()]


@pytest.mark.parametrize("code", registry.rules())
@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
def test_a_whole_file_is_fixed_once_and_only_where_its_fixes_are(code: str, *, unsafe: bool) -> None:
    def findings(version: bytes) -> list[Finding]:
        return analysis.check_source(
            version, filename="module.py", settings=Settings(target_version=(3, 11)), rules=rules_for(code)
        )

    data = (FIXTURES / code / "bad.py").read_bytes()
    recorder = Recorder(findings)
    once = fix_source(data, filename="module.py", check=recorder, unsafe=unsafe)
    again = fix_source(once.data, filename="module.py", check=findings, unsafe=unsafe)
    ast.parse(once.data)
    assert not once.dropped
    assert not stray_changes(once, recorder)
    assert not again.fixed
    assert again.data == once.data
    left = Counter(finding.code for finding in again.left)
    assert left + Counter(finding.code for finding in once.fixed) == Counter(f.code for f in findings(data))


@pytest.mark.parametrize("case", WITH_FIXES, ids=lambda case: case.name)
def test_only_lines_that_a_fix_speaks_of_change(case: Case) -> None:
    recorder = Recorder(lambda version: check(case, version))
    result = fix_source(text_of(case).encode(), filename=case.filename, check=recorder, unsafe=True)
    assert not stray_changes(result, recorder)
