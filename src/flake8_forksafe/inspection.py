"""What is done with one file of a run: read, check, repair, write. Nothing a file holds stops the run."""

from __future__ import annotations

import enum
import gc
import os
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

from flake8_forksafe import gate
from flake8_forksafe.reporting import IDENTIFYING
from flake8_forksafe.reporting.outcome import Entry, Outcome, entries
from flake8_forksafe.source import Source, SourceError, syntax_tree, utf8_text

if TYPE_CHECKING:
    from flake8_forksafe.baseline import Baseline
    from flake8_forksafe.config import Config
    from flake8_forksafe.discovery import Target
    from flake8_forksafe.finding import Finding
    from flake8_forksafe.rule import Rule
    from flake8_forksafe.settings import Settings


#: Bytes of source below which starting processes costs more than it saves (measured: 0.05 to 0.2 s of analysis per MB,
#: 0.3 s for two processes).
WORTH_PROCESSES = 5_000_000
#: Bytes of source up to which a run parses every file, so that what is no Python is named; in a longer run, only what
#: mentions processes or threads.
PARSED_ANYWAY = 1_000_000


_ALLOCATIONS = 50_000
#: Bytes that are read at a time of a file whose size is not known.
_PORTION = 100_000
#: What keeps Windows from translating line ends, and other systems from handing the file to programs they start.
_AS_IT_IS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Mode(enum.Enum):
    """What a run does about its findings."""

    REPORT = enum.auto()
    #: Say what would be written.
    DIFF = enum.auto()
    WRITE = enum.auto()


class Inspection:
    """What all files of a run have in common; processes exchange it.

    Most files have nothing to do with processes. What only the others need is imported, and read from the disk, when
    the first of them comes.

    Arguments:
        mode: what is done about findings.
        config: what the user has configured.
        directory: the folder that holds the files, whose project says which Python they must run on.
        baseline: the findings that are not fixed.

    Attributes:
        parses_all: whether files that hold no hazard are parsed all the same, to say where one is no Python.
    """

    def __init__(self, mode: Mode, config: Config, directory: str, baseline: Baseline | None = None) -> None:
        self.mode = mode
        self._config, self._directory, self._baseline = config, directory, baseline
        self.parses_all = True

    @cached_property
    def settings(self) -> Settings:
        """The options of the analysis."""
        return self._config.settings(self._directory)

    def at_sight(self, target: Target) -> Outcome | None:
        """Return what becomes of the file `target` if a look at its bytes tells, else None."""
        if self.parses_all:
            return None
        try:
            data = _read(target.path, target.size)
        except OSError as error:
            return _unreadable(target.path, error)
        return Outcome(target.path) if self._is_harmless(data) else None

    def file(self, path: str) -> Outcome:
        """Inspect the file `path`, and write it if that is the mode."""
        try:
            data = _read(path)
        except OSError as error:
            return _unreadable(path, error)
        outcome = self.data(data, path)
        if self.mode is not Mode.WRITE or outcome.data == data or outcome.problem:
            return outcome._replace(data=b"")
        from flake8_forksafe import writing

        try:
            writing.replace(path, old=data, new=outcome.data)
        except writing.WriteError as error:
            return Outcome(path, problem=str(error))
        return outcome._replace(data=b"")

    def data(self, data: bytes, path: str) -> Outcome:
        """Inspect `data`, the content of the file `path`; the outcome holds the new content."""
        outcome = Outcome(path, data=data) if self._is_harmless(data) else self._inspected(data, path)
        if self.parses_all and not (outcome.left or outcome.fixed or outcome.problem):
            try:
                syntax_tree(utf8_text(data, path), path)
            except SourceError as error:
                return Outcome(path, data=data, problem=error.reason, problem_line=error.line)
            except (RecursionError, MemoryError):  # too deep for the parser, and without a hazard's words
                return outcome
        return outcome

    def _is_harmless(self, data: bytes) -> bool:
        """Whether a look at the bytes is enough to know that a file is text and holds no hazard."""
        if gate.admits(data, self._factories):
            return False
        try:
            text = utf8_text(data, "")
        except SourceError:
            return False
        return text is data or not gate.admits(text, self._factories)

    def _inspected(self, data: bytes, path: str) -> Outcome:
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
        if not findings:
            return Outcome(path, data=data)
        if self.mode is Mode.REPORT or not any(self._is_wanted(finding) for finding in findings):
            return Outcome(path, self.entries(findings, data, path), data=data)
        from flake8_forksafe.fixing.engine import fix_source  # the only way to libcst

        result = fix_source(data, filename=path, check=check, unsafe=self._config.unsafe_fixes)
        return Outcome(
            path,
            left=self.entries(result.left, result.data, path),
            fixed=self.entries(result.fixed, data, path),
            diff=self._diff(data, result.data, path),
            data=result.data,
            dropped=tuple(f"{d.finding.code} in line {d.finding.span.line}: {d.reason}" for d in result.dropped),
        )

    def entries(self, findings: Sequence[Finding], data: bytes, path: str) -> tuple[Entry, ...]:
        """Return `findings`, made in the file `path` when it held `data`, as reports need them."""
        identified = self._config.baseline is not None or self._config.output_format in IDENTIFYING
        return entries(findings, Source.from_bytes(data, path), identified=identified)

    def _is_wanted(self, finding: Finding) -> bool:
        from flake8_forksafe.fix import Safety

        return finding.fix is not None and (self._config.unsafe_fixes or finding.fix.safety is Safety.SAFE)

    def _checker(self, path: str) -> Callable[[bytes], Sequence[Finding]]:
        """Return the function that checks each version of the file `path`, once."""
        if self._baseline is None or self.mode is Mode.REPORT:
            return cache(lambda data: self._check(data, path))
        from flake8_forksafe.baseline import Sparing

        spare = Sparing(self._baseline, path)
        return cache(lambda data: spare(self._check(data, path), data))

    def _check(self, data: bytes, path: str) -> Sequence[Finding]:
        from flake8_forksafe import analysis, noqa
        from flake8_forksafe.codes import TOO_DEEP

        rules = self._config.selection.rules(self._rules, path)
        findings = analysis.check_source(data, filename=path, settings=self.settings, rules=rules)
        if any(finding.code == TOO_DEEP for finding in findings):
            findings = [finding for finding in findings if self._config.selection.admits(finding.code, path)]
        return noqa.unsilenced(findings, data, path)

    def _diff(self, old: bytes, new: bytes, path: str) -> bytes:
        if self.mode is not Mode.DIFF:
            return b""
        from flake8_forksafe.reporting.diff import unified

        return unified(old, new, os.fsencode(path))

    @cached_property
    def _factories(self) -> frozenset[str]:
        return gate.last_names(self._config.thread_starters | self._config.process_factories)

    @cached_property
    def _rules(self) -> tuple[Rule, ...]:
        from flake8_forksafe import registry

        return tuple(registry.rules().values())


def collect_seldom() -> None:
    """Let the garbage collector come seldom in this process: next to nothing that a run makes goes round.

    See `flake8_forksafe.model.scopes.ScopeTable.dissolve`.
    """
    gc.set_threshold(_ALLOCATIONS, 20, 100)


def load() -> None:
    """Import all that a file with a hazard needs, but for the parts of the model that few ask."""
    from flake8_forksafe import analysis, noqa, registry  # noqa: F401 - for the inspections to come
    from flake8_forksafe.model import liveness, module  # noqa: F401

    registry.rules()


def _read(path: str, size: int = 0) -> bytes:
    """Return the content of the file `path`, which is about `size` bytes long; once per file of the tree."""
    file = os.open(path, os.O_RDONLY | _AS_IT_IS)
    try:
        data = os.read(file, size + 1)
        while part := os.read(file, len(data) + _PORTION):
            data += part
    finally:
        os.close(file)
    return data


def _unreadable(path: str, error: OSError) -> Outcome:
    return Outcome(path, problem=error.strerror or str(error))
