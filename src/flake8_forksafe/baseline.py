"""A baseline: the findings that a project has decided to live with for now, so that only new ones are shown.

A finding is known by its file, relative to the baseline's folder, and by its fingerprint, with a count for those that
are alike. No line numbers are kept: code may move, and the file changes only where findings come and go.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe import fingerprint, registry, writing
from flake8_forksafe.records import dataclass
from flake8_forksafe.source import Source

if TYPE_CHECKING:
    from flake8_forksafe.codes import Selection
    from flake8_forksafe.finding import Finding
    from flake8_forksafe.reporting.outcome import Entry, Outcome

_FORMAT, _VERSION = "forksafe-baseline", 1
_ELSE = "name another file, or remove this one and write it anew"


class BaselineError(Exception):
    """A baseline that cannot be read or written; the message names the file and says what to do."""


@dataclass(frozen=True, order=True, slots=True)
class Known:
    """Findings that are alike; the fields are those of `fingerprint.Identity`."""

    path: str
    code: str
    function: str
    statement: str
    fingerprint: str
    count: int


class Comparison(NamedTuple):
    """What is new: `outcomes` without the known findings, how many those were, and how many known ones have gone."""

    outcomes: list[Outcome]
    hidden: int
    gone: int


@dataclass(frozen=True)
class Baseline:
    """The known findings and the file they stand in."""

    file: Path
    entries: tuple[Known, ...] = ()

    @classmethod
    def read(cls, file: Path, *, may_be_missing: bool = False) -> Baseline:
        """Read a baseline.

        Arguments:
            file: where it stands.
            may_be_missing: whether a file that does not exist is an empty baseline.

        Raises:
            BaselineError: the file cannot be read or holds something else.
        """
        try:
            if not file.exists():
                if may_be_missing:
                    return cls(file)
                raise BaselineError(f"{file}: there is no such file; make it with --write-baseline {file}")
            if not file.is_file():  # nothing that a reader would wait for, or never come to the end of
                raise BaselineError(f"{file}: no regular file; name another one")
            document = json.loads(file.read_bytes())
        except OSError as error:
            raise BaselineError(f"{file}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError
            raise BaselineError(f"{file}: no baseline: {_reason(error)}; {_ELSE}") from error
        version = document.get(_FORMAT) if isinstance(document, dict) else None
        if version is None:
            raise BaselineError(f"{file}: no baseline: the key {_FORMAT!r} is missing; {_ELSE}")
        if version != _VERSION:
            raise BaselineError(f"{file}: a baseline of version {version}, not {_VERSION}; {_ELSE}")
        try:
            return cls(file, tuple(_entry(item) for item in document["findings"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BaselineError(f"{file}: a damaged baseline: {_reason(error)}; {_ELSE}") from error

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            BaselineError: it cannot be written.
        """
        lines = ",\n".join(f"    {json.dumps(asdict(entry))}" for entry in self.entries)
        findings = f"[\n{lines}\n  ]" if lines else "[]"
        text = f'{{\n  "{_FORMAT}": {_VERSION},\n  "findings": {findings}\n}}\n'
        try:
            writing.write(str(self.file), text.encode())
        except writing.WriteError as error:
            raise BaselineError(f"{self.file}: {error}") from error

    def are_known(self, path: str, fingerprints: Iterable[str]) -> list[bool]:
        """Return for each finding of the file `path`, in the order of its lines, whether it is known."""
        counts = self._counts.get(self._path_of(path), Counter())
        seen: Counter[str] = Counter()
        known = []
        for each in fingerprints:
            seen[each] += 1
            known.append(seen[each] <= counts[each])
        return known

    def compare(self, outcomes: Sequence[Outcome], paths: Sequence[str], selection: Selection) -> Comparison:
        """Take the known findings out of the outcomes of a run over `paths`, with the codes of `selection`."""
        found = Counter(
            (self._path_of(outcome.path), entry.who.fingerprint) for outcome in outcomes for entry in outcome.left
        )
        gone = sum(
            max(0, entry.count - found[entry.path, entry.fingerprint])
            for entry in self._looked_at(outcomes, paths, selection)
        )
        new = [outcome._replace(left=self._new(outcome)) if outcome.left else outcome for outcome in outcomes]
        hidden = sum(len(before.left) - len(after.left) for before, after in zip(outcomes, new, strict=True))
        return Comparison(new, hidden, gone)

    def rewritten(self, outcomes: Sequence[Outcome], paths: Sequence[str], selection: Selection) -> Baseline:
        """Return the baseline that knows all that a run found, and still what it knew of the rest."""
        alike: dict[tuple[str, str], list[Known]] = {}
        for outcome in outcomes:
            path = self._path_of(outcome.path)
            for entry in outcome.left:
                known = Known(path, entry.code, *entry.who, count=1)
                alike.setdefault((path, known.fingerprint), []).append(known)
        found = {replace(min(same), count=len(same)) for same in alike.values()}
        kept = set(self.entries).difference(self._looked_at(outcomes, paths, selection))
        return replace(self, entries=tuple(sorted(found | kept)))

    def _new(self, outcome: Outcome) -> tuple[Entry, ...]:
        known = self.are_known(outcome.path, (entry.who.fingerprint for entry in outcome.left))
        return tuple(entry for entry, is_known in zip(outcome.left, known, strict=True) if not is_known)

    def _looked_at(self, outcomes: Sequence[Outcome], paths: Sequence[str], selection: Selection) -> list[Known]:
        """Return the entries about which a run can say whether they still occur."""
        checked = {self._path_of(outcome.path) for outcome in outcomes if not outcome.problem}
        folders = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - as in `_path_of`
        return [
            entry
            for entry in self.entries
            if (entry.path in checked or self._has_gone_from(entry.path, folders))
            and _is_on(entry.code, os.path.join(self._folder, entry.path), selection)  # noqa: PTH118 - text
        ]

    def _has_gone_from(self, path: str, folders: Sequence[str]) -> bool:
        file = Path(os.path.normpath(os.path.join(self._folder, path)))  # noqa: PTH118 - `..` must go
        return any(file.is_relative_to(folder) for folder in folders) and not file.exists()

    def _path_of(self, path: str) -> str:
        """Return the path of a file as the baseline writes it: with slashes, relative to the baseline's folder."""
        absolute = os.path.abspath(path)  # noqa: PTH100 - `a/../b` must become `b`, symbolic links must stay
        try:
            return Path(os.path.relpath(absolute, self._folder)).as_posix()
        except ValueError:  # another drive
            return Path(absolute).as_posix()

    @cached_property
    def _folder(self) -> str:
        return os.path.dirname(os.path.abspath(self.file))  # noqa: PTH100, PTH120 - as in `_path_of`

    @cached_property
    def _counts(self) -> dict[str, Counter[str]]:
        counts: dict[str, Counter[str]] = {}
        for entry in self.entries:
            counts.setdefault(entry.path, Counter())[entry.fingerprint] += entry.count
        return counts


class Sparing:
    """Takes the fixes away from what is known, in each version of one file that is being repaired.

    Where another fix has changed the statement of a known finding, which then is known no more, as many findings of
    the same code are spared as were known at first.
    """

    def __init__(self, baseline: Baseline, path: str) -> None:
        self._baseline, self._path = baseline, path
        self._first: Counter[str] | None = None

    def __call__(self, findings: Sequence[Finding], data: bytes) -> list[Finding]:
        """Return `findings`, made in `data`, without the fixes that must not be made."""
        text = Source.from_bytes(data, self._path).text if findings else ""
        fingerprints = (identity.fingerprint for identity in fingerprint.identities(findings, text))
        known = self._baseline.are_known(self._path, fingerprints)
        codes = Counter(finding.code for finding, is_known in zip(findings, known, strict=True) if is_known)
        if self._first is None:
            self._first = codes
        owed = self._first - codes
        spared = []
        for finding, is_known in zip(findings, known, strict=True):
            is_owed = not is_known and owed[finding.code] > 0
            owed[finding.code] -= is_owed
            spared.append(finding._replace(fix=None) if is_known or is_owed else finding)
        return spared


def _is_on(code: str, path: str, selection: Selection) -> bool:
    rule = registry.rules().get(code)
    return selection.admits(code, path) if rule is None else bool(selection.rules([rule], path))


def _entry(item: dict[str, object]) -> Known:
    entry = Known(**item)  # type: ignore[arg-type] # looked at below
    for name, value in asdict(entry).items():
        if type(value) is not (int if name == "count" else str):
            raise ValueError(f"{name} is {value!r}")
    return entry


def _reason(error: Exception) -> str:
    return f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
