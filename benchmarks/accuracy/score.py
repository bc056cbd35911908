"""Score a run of the linter against hand labels.

    python benchmarks/accuracy/score.py LABELS.jsonl FILES_DIR [--cmd CMD] [--show]

LABELS: one JSON object a line: {package, version, path, sha256,
labels: [{code, lines, level, why}], clean}. A finding is a true positive if a "must"
label of the same code accepts its line, ignored if a "may" label does, otherwise a
false positive. A "must" label that no finding meets is a miss.
FILES_DIR holds each file anywhere below it; a file is known by its sha256.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import assert_never

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.accuracy.labels import Label, LabelledFile, Level, read_labels
from benchmarks.pinned import sha256

_LINE = re.compile(r"^(?P<path>.+?):(?P<line>\d+):(?P<column>\d+): (?P<code>FRK\d{3})\b(?P<text>.*)$")
_DEFAULT_COMMAND = "flake8 --isolated --select=FRK"


@dataclass(frozen=True, slots=True)
class Report:
    """One line of the linter's output, without its path."""

    code: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """The linter's reports by path; `crash`: the end of stderr if it did not finish."""

    reports: Mapping[str, tuple[Report, ...]]
    crash: str | None


class Outcome(Enum):
    """What a report, or a label without a report, counts as."""

    HIT = "hit"
    REPEATED = "repeated"  # a further report of a label that is met already
    TOLERATED = "tolerated"
    FALSE_ALARM = "false alarm"
    MISSED = "missed alarm"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One counted event: where, which code, the report's text or the label's why."""

    outcome: Outcome
    code: str
    path: str
    lines: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        lines = ",".join(map(str, self.lines))
        return f"{self.outcome.value}: {self.path}:{lines} {self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class Criteria:
    """How strictly to judge: `only` code prefixes (empty: all), lines of `slack`."""

    only: tuple[str, ...] = ()
    slack: int = 0

    def wants(self, code: str) -> bool:
        """Whether this code is judged at all."""
        return not self.only or code.startswith(self.only)

    def accepts(self, label: Label, report: Report) -> bool:
        """Whether the report meets the label: same code, near enough to one of its lines."""
        return label.code == report.code and any(abs(report.line - line) <= self.slack for line in label.lines)


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one row of the table."""

    hits: int
    false_alarms: int
    misses: int
    tolerated: int

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> Tally:
        """Count judgements by outcome."""
        count = Counter(judgement.outcome for judgement in judgements)
        return cls(
            hits=count[Outcome.HIT],
            false_alarms=count[Outcome.FALSE_ALARM],
            misses=count[Outcome.MISSED],
            tolerated=count[Outcome.TOLERATED],
        )

    def row(self, name: str) -> str:
        """Return the counts as one line of the table; precision and recall as shares of 1."""
        precision = _share(self.hits, self.hits + self.false_alarms)
        recall = _share(self.hits, self.hits + self.misses)
        return (
            f"{name:8}{self.hits:>5}{self.false_alarms:>5}{self.misses:>5}{precision:>8}{recall:>8}{self.tolerated:>5}"
        )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def locate(labelled: Iterable[LabelledFile], folder: Path) -> tuple[dict[str, LabelledFile], int]:
    """Find the labelled files below `folder` by content: by path, and how many lack."""
    paths = {sha256(file.read_bytes()): str(file) for file in sorted(folder.rglob("*.py")) if file.is_file()}
    files = tuple(labelled)
    found = {paths[file.sha256]: file for file in files if file.sha256 in paths}
    return found, sum(file.sha256 not in paths for file in files)


def lint(command: Sequence[str], paths: Iterable[str]) -> Run:
    """Run the linter over `paths`, read its reports (statuses 0 and 1 are normal)."""
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    reports: dict[str, list[Report]] = defaultdict(list)
    for line in done.stdout.splitlines():
        if match := _LINE.match(line):
            report = Report(match["code"], int(match["line"]), match["text"].strip())
            reports[match["path"]].append(report)
    return Run(
        reports={path: tuple(found) for path, found in reports.items()},
        crash=None if done.returncode in (0, 1) else done.stderr[-2000:],
    )


def judge(files: Mapping[str, LabelledFile], run: Run, criteria: Criteria) -> Iterator[Judgement]:
    """Judge every report of `run` and every label of `files`, file by file."""
    for path, file in files.items():
        yield from _judge_file(path, file, run.reports.get(path, ()), criteria)


def _judge_file(path: str, file: LabelledFile, reports: Iterable[Report], criteria: Criteria) -> Iterator[Judgement]:
    unmet = [label for label in file.labels if label.level is Level.MUST and criteria.wants(label.code)]
    for report in reports:
        if criteria.wants(report.code):
            outcome, met = _judge_report(report, file.labels, unmet, criteria)
            unmet = [label for label in unmet if label not in met]
            yield Judgement(outcome, report.code, path, (report.line,), report.text)
    for label in unmet:
        lines = tuple(sorted(label.lines))
        yield Judgement(Outcome.MISSED, label.code, path, lines, label.why)


def _judge_report(
    report: Report,
    labels: Iterable[Label],
    unmet: Sequence[Label],
    criteria: Criteria,
) -> tuple[Outcome, tuple[Label, ...]]:
    accepting = tuple(label for label in labels if criteria.accepts(label, report))
    due = tuple(label for label in accepting if label.level is Level.MUST)
    if any(label in unmet for label in due):
        return Outcome.HIT, due
    if due:
        return Outcome.REPEATED, ()
    return (Outcome.TOLERATED if accepting else Outcome.FALSE_ALARM), ()


def table(judgements: Sequence[Judgement], *, aside: frozenset[str]) -> Iterator[str]:
    """Yield the lines of the table; codes in `aside` are counted below it only."""
    counted = [judgement for judgement in judgements if judgement.code not in aside]
    by_code: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in counted:
        if _has_row(judgement.outcome):
            by_code[judgement.code] = []
    for judgement in counted:
        if judgement.code in by_code:
            by_code[judgement.code].append(judgement)
    yield f"{'code':8}{'tp':>5}{'fp':>5}{'fn':>5}{'prec':>8}{'recall':>8}{'may':>5}"
    for code in sorted(by_code):
        yield Tally.of(by_code[code]).row(code)
    yield Tally.of(counted).row("ALL")
    yield from _aside_lines(judgements, aside)


def _has_row(outcome: Outcome) -> bool:
    match outcome:
        case Outcome.HIT | Outcome.FALSE_ALARM | Outcome.MISSED:
            return True
        case Outcome.REPEATED | Outcome.TOLERATED:
            return False
        case _:
            assert_never(outcome)


def _aside_lines(judgements: Iterable[Judgement], aside: frozenset[str]) -> Iterator[str]:
    reported = Counter(
        judgement.code
        for judgement in judgements
        if judgement.code in aside and judgement.outcome is not Outcome.MISSED
    )
    if reported:
        counts = ", ".join(f"{code} {count}" for code, count in sorted(reported.items()))
        yield f"reported, but not labelled and not in the figures: {counts}"


def mistakes(judgements: Iterable[Judgement], *, aside: frozenset[str]) -> Iterator[str]:
    """Yield one line for every false alarm and every missed alarm, sorted by code."""
    wrong = (Outcome.FALSE_ALARM, Outcome.MISSED)
    for judgement in sorted(judgements, key=lambda judgement: judgement.code):
        if judgement.outcome in wrong and judgement.code not in aside:
            yield str(judgement)


def code_prefixes(text: str) -> tuple[str, ...]:
    """Split ``--only``'s value, ``FRK1,FRK302``, into its prefixes."""
    return tuple(prefix for prefix in text.split(",") if prefix)


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("files", type=Path)
    parser.add_argument("--cmd", default=_DEFAULT_COMMAND)
    parser.add_argument("--slack", type=int, default=0, help="lines a finding may be off")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--only", default="", help="comma-separated code prefixes")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score from the command line."""
    options = _parse_arguments(arguments)
    files, missing = locate(read_labels(options.labels), options.files)
    run = lint(shlex.split(options.cmd), files)
    if run.crash is not None:
        print(run.crash, file=sys.stderr)
    criteria = Criteria(code_prefixes(options.only), options.slack)
    judgements = tuple(judge(files, run, criteria))
    if options.show:
        print(*mistakes(judgements, aside=frozenset()), sep="\n")
    print(*table(judgements, aside=frozenset()), sep="\n")
    print(f"files scored {len(files)}, missing {missing}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
