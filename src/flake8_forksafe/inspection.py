"""What is done with one file of a run: read, check, repair, write. Nothing a file holds stops the run."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_forksafe import analysis, noqa, registry
from flake8_forksafe.fix import Safety
from flake8_forksafe.reporting.outcome import Outcome, entries
from flake8_forksafe.source import Source, SourceError

if TYPE_CHECKING:
    from flake8_forksafe.baseline import Baseline
    from flake8_forksafe.codes import Selection
    from flake8_forksafe.finding import Finding
    from flake8_forksafe.rule import Rule
    from flake8_forksafe.settings import Settings


#: Bytes of source below which starting processes costs more than it saves (measured: 0.8 s of analysis per MB, 0.2 s of
#: start per process).
WORTH_PROCESSES = 1_000_000


class Mode(enum.Enum):
    """What a run does about its findings."""

    REPORT = enum.auto()
    #: Say what would be written.
    DIFF = enum.auto()
    WRITE = enum.auto()


@dataclass(frozen=True)
class Inspection:
    """What all files of a run have in common; processes exchange it.

    Arguments:
        mode: what is done about findings.
        settings: the options of the analysis.
        selection: the codes that are on.
        unsafe: whether unsafe fixes are made.
        baseline: the findings that are not fixed.
    """

    mode: Mode
    settings: Settings
    selection: Selection
    unsafe: bool = False
    baseline: Baseline | None = None

    def file(self, path: str) -> Outcome:
        """Inspect the file `path`, and write it if that is the mode."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            return Outcome(path, problem=error.strerror or str(error))
        outcome = self.data(data, path)
        if self.mode is not Mode.WRITE or outcome.data == data or outcome.problem:
            return replace(outcome, data=b"")
        from flake8_forksafe import writing

        try:
            writing.replace(path, old=data, new=outcome.data)
        except writing.WriteError as error:
            return Outcome(path, problem=str(error))
        return replace(outcome, data=b"")

    def data(self, data: bytes, path: str) -> Outcome:
        """Inspect `data`, the content of the file `path`; the outcome holds the new content."""
        try:
            return self._inspect(data, path)
        except SourceError as error:
            return Outcome(path, data=data, problem=error.reason, problem_line=error.line)
        except (Exception, RecursionError, MemoryError) as error:  # noqa: BLE001 - no file may stop the others
            problem = f"internal error, please report it: {type(error).__name__}: {error}"
            return Outcome(path, data=data, problem=problem)

    def _inspect(self, data: bytes, path: str) -> Outcome:
        check = self._checker(path)
        findings = check(data)
        if self.mode is Mode.REPORT or not any(self._is_wanted(finding) for finding in findings):
            return Outcome(path, entries(findings, Source.from_bytes(data, path)), data=data)
        from flake8_forksafe.fixing.engine import fix_source  # the only way to libcst

        result = fix_source(data, filename=path, check=check, unsafe=self.unsafe)
        return Outcome(
            path,
            left=entries(result.left, Source.from_bytes(result.data, path)),
            fixed=entries(result.fixed, Source.from_bytes(data, path)),
            diff=self._diff(data, result.data, path),
            data=result.data,
            dropped=tuple(f"{d.finding.code} in line {d.finding.span.line}: {d.reason}" for d in result.dropped),
        )

    def _is_wanted(self, finding: Finding) -> bool:
        return finding.fix is not None and (self.unsafe or finding.fix.safety is Safety.SAFE)

    def _checker(self, path: str) -> Callable[[bytes], Sequence[Finding]]:
        """Return the function that checks each version of the file `path`."""
        if self.baseline is None or self.mode is Mode.REPORT:
            return lambda data: self._check(data, path)
        from flake8_forksafe.baseline import Sparing

        spare = Sparing(self.baseline, path)
        return lambda data: spare(self._check(data, path), data)

    def _check(self, data: bytes, path: str) -> Sequence[Finding]:
        rules = self.selection.rules(self._rules, path)
        findings = analysis.check_source(data, filename=path, settings=self.settings, rules=rules)
        if any(finding.code == analysis.TOO_DEEP for finding in findings):
            findings = [finding for finding in findings if self.selection.admits(finding.code, path)]
        return noqa.unsilenced(findings, data, path)

    def _diff(self, old: bytes, new: bytes, path: str) -> bytes:
        if self.mode is not Mode.DIFF:
            return b""
        from flake8_forksafe.reporting.diff import unified

        return unified(old, new, os.fsencode(path))

    @cached_property
    def _rules(self) -> tuple[Rule, ...]:
        return tuple(registry.rules().values())
