"""The fixture format: many small modules in one file.

`tests/fixtures/FRKnnn/good.py` and `bad.py` hold cases. A case begins at a line `# case: <reason>`; the lines after it
may be `# target: 3.14` (the oldest Python to support, 3.11 unless told) and `# filename: __main__.py` (`module.py`
unless told). Everything up to the next case is a module of its own, analysed at the line numbers it has in the fixture
file. A case whose first line of code is a `#!` line is analysed as a script: that line is also put at line 1.

In bad.py a line that must be reported ends in `# expect: FRK101`, several codes separated by commas. In good.py nothing
may be reported at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_forksafe import analysis, registry
from flake8_forksafe.settings import Settings

if TYPE_CHECKING:
    from flake8_forksafe.finding import Finding
    from flake8_forksafe.rule import Rule

FIXTURES = Path(__file__).parent / "fixtures"

_CASE = re.compile(r"# case: (?P<reason>.+)")
_TARGET = re.compile(r"# target: 3\.(?P<minor>\d+)")
_FILENAME = re.compile(r"# filename: (?P<name>\S+)")
_EXPECT = re.compile(r"# expect: (?P<codes>FRK\d{3}(?:, *FRK\d{3})*)$")


@dataclass(frozen=True)
class Case:
    """One module of a fixture file and what must be reported in it, as `(line, code)`."""

    code: str
    kind: str
    reason: str
    target: tuple[int, int]
    filename: str
    source: str
    expected: frozenset[tuple[int, str]]

    @property
    def name(self) -> str:
        return f"{self.code}-{self.kind}-{self.reason.replace(' ', '-')}"

    @property
    def settings(self) -> Settings:
        return Settings(target_version=self.target)

    def check(self) -> list[Finding]:
        """Run every rule that is on by default, and the case's own."""
        return analysis.check_source(
            self.source.encode(), filename=self.filename, settings=self.settings, rules=rules_for(self.code)
        )


def rules_for(code: str) -> list[Rule]:
    """Return the rules that are on by default and the rule `code` itself."""
    return [rule for rule in registry.rules().values() if not rule.opt_in or rule.code == code]


def read_cases(path: Path) -> list[Case]:
    """Return the cases of one fixture file.

    Raises:
        ValueError: the file breaks the format; the message names the line.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [index for index, line in enumerate(lines) if _CASE.fullmatch(line)]
    cases = [_read_case(path, lines, start, end) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    reasons = [case.reason for case in cases]
    for reason in reasons:
        if reasons.count(reason) > 1:
            raise ValueError(f"{path}: two cases are called {reason!r}")
    return cases


def all_cases() -> list[Case]:
    """Return the cases of every fixture file, near misses before hits."""
    return [
        case
        for folder in sorted(FIXTURES.glob("FRK*"))
        for kind in ("good", "bad")
        if (folder / f"{kind}.py").is_file()
        for case in read_cases(folder / f"{kind}.py")
    ]


def _read_case(path: Path, lines: list[str], start: int, end: int) -> Case:
    target, filename, body = (3, 11), "module.py", start + 1
    while body < end:
        if match := _TARGET.fullmatch(lines[body]):
            target = (3, int(match["minor"]))
        elif match := _FILENAME.fullmatch(lines[body]):
            filename = match["name"]
        else:
            break
        body += 1
    padding = [""] * body
    if body < end and lines[body].startswith("#!"):
        padding[0] = lines[body]
    match = _CASE.fullmatch(lines[start])
    assert match is not None
    return Case(
        code=path.parent.name,
        kind=path.stem,
        reason=match["reason"].strip(),
        target=target,
        filename=filename,
        source="\n".join([*padding, *lines[body:end]]) + "\n",
        expected=frozenset(_expectations(path, lines, body, end)),
    )


def _expectations(path: Path, lines: list[str], body: int, end: int) -> list[tuple[int, str]]:
    expected = []
    for number, line in enumerate(lines[body:end], start=body + 1):
        match = _EXPECT.search(line)
        if match is not None:
            expected += [(number, code.strip()) for code in match["codes"].split(",")]
        elif "# expect" in line:
            raise ValueError(f"{path}:{number}: an expectation is written '# expect: FRK101' at the end of its line")
    return expected
