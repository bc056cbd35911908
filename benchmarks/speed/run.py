"""Measure how fast the commands and the flake8 plugin are, over pinned corpora of real packages.

    python benchmarks/speed/run.py [--only ruff,start-up] [--rounds N] [--packages celery,luigi] [--write] [DEST]

DEST keeps the downloads, the corpora and the virtual environments (default: .cache/speed in the project). README.md in
this folder says how to read the table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import generated
from benchmarks.accuracy.fetch import fetch
from benchmarks.pinned import PROJECT, ArchiveError, default_cache
from benchmarks.speed import against_ruff, command_start, environments, fix_cost, machine, plugin_cost, table
from benchmarks.speed.corpus import Corpus, Kind, build
from benchmarks.speed.environments import Environment, InstallError
from benchmarks.speed.measure import Comparison, RunError, compare, warm_up

_HERE = Path(__file__).resolve().parent
_PAGE = PROJECT / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Result:
    """What one part has to say: `about` are lines on what was measured, `text` is the output of a program."""

    about: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    text: str = ""

    def plain(self) -> str:
        """The result for a terminal."""
        return "\n".join((*self.about, *(table.text(self.comparisons) if self.comparisons else ()), self.text)).strip()

    def markdown(self) -> str:
        """The result for the documentation."""
        blocks = ["\n".join(f"- {line}" for line in (machine.description(), *self.about))]
        if self.comparisons:
            blocks.append(table.markdown(self.comparisons))
        if self.text:
            blocks.append(f"```text\n{self.text}\n```")
        return "\n\n".join(blocks)


class Benchmark:
    """The parts, and what several of them need: made when the first of them asks."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the parsed `options`; nothing is made yet."""
        self._rounds, self._start_up_rounds = options.rounds, options.start_up_rounds
        self._packages = [name for name in options.packages.split(",") if name]
        self._project = options.project.resolve()
        self._destination = (options.dest or default_cache("speed")).resolve()
        self._labelled = self._destination / "labelled" if options.dest else default_cache("accuracy")

    @cached_property
    def _ours(self) -> Environment:
        return environments.flake8_with_plugin(self._destination / "with", self._project)

    @cached_property
    def _ruff(self) -> Environment:
        return environments.ruff(self._destination / "ruff")

    @cached_property
    def _large(self) -> Corpus:
        return build(Kind.LARGE, self._destination, self._packages)

    @cached_property
    def _start_up(self) -> Path:
        folder = self._destination / "start-up"
        command_start.prepare(folder)
        return folder

    def ruff(self) -> Result:
        """`forksafe` against ruff over the large corpus."""
        ruff_reports, reports = against_ruff.count_reports(self._large, self._ruff, self._ours)
        scenario = against_ruff.whole_check(self._large, self._ruff, self._ours, rounds=self._rounds)
        about = (
            f"{self._ruff.version('ruff')}; {self._ours.version('forksafe')}",
            f"{self._large}; forksafe reports {reports}, ruff's five rules {ruff_reports}",
        )
        return Result(about, tuple(compare(scenario)))

    def fix(self) -> Result:
        """`forksafe-fix --diff` against checking and parsing, over the large corpus."""
        folder = self._large.folder
        changed = fix_cost.changed_files(folder, self._ours)
        comparisons: list[Comparison] = []
        for scenario in fix_cost.fixes(folder, self._ours, changed, rounds=self._rounds):
            warm_up(scenario)
            comparisons += compare(scenario)
        size = sum((folder / name).stat().st_size for name in changed)
        about = (
            self._ours.version("forksafe-fix"),
            f"{self._large}; forksafe-fix changes {len(changed)} files of {size / 1e6:.2f} MB",
        )
        return Result(about, tuple(comparisons))

    def plugin(self) -> Result:
        """What the plugin adds to flake8, over the small corpus and at its start."""
        corpus = build(Kind.SMALL, self._destination, self._packages)
        alone = environments.flake8_alone(self._destination / "without")
        check = plugin_cost.whole_check(corpus.folder, alone, self._ours, rounds=self._rounds)
        start = plugin_cost.start_up(self._start_up, alone, self._ours, rounds=self._start_up_rounds)
        added = plugin_cost.count_added_reports(check)
        plugin_cost.count_added_reports(start)
        about = (
            f"flake8 {self._ours.flake8_version()}",
            f"{corpus}; the plugin adds {added} reports",
        )
        return Result(about, (*compare(check), *compare(start)))

    def start_up(self) -> Result:
        """How long `forksafe` takes to start."""
        comparisons: list[Comparison] = []
        for scenario in command_start.starts(self._start_up, self._ours, rounds=self._start_up_rounds):
            warm_up(scenario)
            comparisons += compare(scenario)
        return Result((self._ours.version("forksafe"),), tuple(comparisons))

    def scaling(self) -> Result:
        """How the cost grows with the size of one file."""
        return Result((self._ours.version("forksafe"),), text=self._printed("scaling.py"))

    def prefilter(self) -> Result:
        """Whether the prefilter loses a finding."""
        folder = self._large.folder
        fetched = fetch(self._labelled)  # here, because the other environment has no pip
        if fetched.problems:
            raise ArchiveError("\n".join(fetched.problems))
        text = self._printed("prefilter.py", f"--corpus={folder}", f"--labelled={self._labelled}")
        return Result((self._ours.version("forksafe"), str(self._large)), text=text)

    def _printed(self, script: str, *arguments: str) -> str:
        """Return what a script of this folder prints, run with the project that is measured."""
        command = (str(self._ours.python), str(_HERE / script), *arguments)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RunError(f"status {done.returncode} from {' '.join(command)}\n{done.stdout}")
        return done.stdout.rstrip()


PARTS: dict[str, Callable[[Benchmark], Result]] = {
    "ruff": Benchmark.ruff,
    "fix": Benchmark.fix,
    "plugin": Benchmark.plugin,
    "start-up": Benchmark.start_up,
    "scaling": Benchmark.scaling,
    "prefilter": Benchmark.prefilter,
}


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, help="where everything is kept")
    parser.add_argument("--only", type=_parts, default=tuple(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=_positive, default=5, help="over a corpus (%(default)s)")
    parser.add_argument("--start-up-rounds", type=_positive, default=40, help="(%(default)s)")
    parser.add_argument("--packages", default="", help="only these of the pins files, comma-separated")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the checkout to measure")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")
    options = parser.parse_args(arguments)
    if options.write and options.packages:
        parser.error("--write is for the whole corpora, so leave --packages out")
    return options


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PARTS)}")
    return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def measure(options: argparse.Namespace) -> None:
    """Print what is measured and the table of each part; write them to the documentation if wished.

    Raises `ArchiveError`, `InstallError` or `RunError` when there are no figures, `PageError` when they cannot be
    written.
    """
    print(machine.description(), flush=True)
    benchmark = Benchmark(options)
    for name in options.only:
        result = PARTS[name](benchmark)
        print(f"\n== {name}", result.plain(), sep="\n", flush=True)
        if options.write:
            generated.write(_PAGE, {name: result.markdown()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line; 1 when there are no figures."""
    try:
        measure(_parse_arguments(arguments))
    except (ArchiveError, InstallError, RunError, generated.PageError) as problem:
        print(f"speed: {problem}", file=sys.stderr)
        return 1
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"speed: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
