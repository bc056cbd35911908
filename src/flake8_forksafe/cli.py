"""The commands `forksafe`, which reports and never writes, and `forksafe-fix`, which repairs.

This module is all that `--version` and `--help` load; everything else is imported when it is needed.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from flake8_forksafe import __version__
from flake8_forksafe.reporting import FORMATS

if TYPE_CHECKING:
    from flake8_forksafe.baseline import Baseline
    from flake8_forksafe.config import Config
    from flake8_forksafe.discovery import Target
    from flake8_forksafe.inspection import Inspection
    from flake8_forksafe.parallel import Worker
    from flake8_forksafe.program import Surveyor
    from flake8_forksafe.reporting.outcome import Outcome

CLEAN, FINDINGS, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


def report(arguments: Sequence[str] | None = None) -> int:
    """Run `forksafe` and return its exit status."""
    return _guarded("forksafe", arguments)


def fix(arguments: Sequence[str] | None = None) -> int:
    """Run `forksafe-fix` and return its exit status."""
    return _guarded("forksafe-fix", arguments)


class _UsageError(Exception):
    """The command cannot be carried out as it was given; the message says why."""


def _guarded(program: str, arguments: Sequence[str] | None) -> int:
    """Run `program` with one line, not a traceback, for all that can go wrong outside of it."""
    for stream in (sys.stdout, sys.stderr):  # file names are not always text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parser(program).parse_args(arguments)
        from flake8_forksafe.signals import ended_by_sigterm

        with ended_by_sigterm():
            status = _run(program, options)
            sys.stdout.flush()
    except _UsageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINDINGS
    except KeyboardInterrupt:
        print(f"{program}: interrupted; every file is whole", file=sys.stderr)
        return INTERRUPTED
    return status


def _parser(program: str) -> argparse.ArgumentParser:
    fixes = program == "forksafe-fix"
    what = (
        "Repair code that will hang: write the safe fixes."
        if fixes
        else "Find code that will hang; nothing is written."
    )
    parser = argparse.ArgumentParser(
        program,
        description=f"{what} Options can stand in [tool.forksafe] of pyproject.toml.",
        epilog="Exit status: 0 nothing left, 1 findings left, 2 wrong usage or a file that cannot be read.",
        allow_abbrev=False,
        formatter_class=partial(argparse.HelpFormatter, width=80),
    )
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="file, folder, or - for standard input")
    add("--version", action="version", version=f"{program} {__version__}")
    add("--diff", action="store_true", help="show what the fixes change as a unified diff; nothing is written")
    add("--unsafe-fixes", action=argparse.BooleanOptionalAction, help="make the unsafe fixes too")
    add("--select", metavar="CODES", type=_typed("codes"), help="codes or prefixes that are on, instead of all")
    add("--extend-select", metavar="CODES", type=_typed("codes"), help="codes that are on besides; opt-in ones too")
    add("--ignore", metavar="CODES", type=_typed("codes"), help="codes or prefixes that are off")
    add("--exclude", metavar="GLOBS", help="comma-separated patterns of files and folders to leave out")
    add("--target-version", metavar="3.N", type=_typed("version"), help="oldest Python the code must run on")
    add("--grace-period", metavar="SECONDS", type=_typed("seconds"), help="time between SIGTERM and SIGKILL in fixes")
    add("--output-format", choices=FORMATS, help="how findings are printed (default: text)")
    add("--stdin-filename", metavar="PATH", default="stdin", help="name that standard input goes by")
    add("--program", action=argparse.BooleanOptionalAction, help="report forks after threads of other modules, too")
    add("--jobs", metavar="N", type=_typed("job_count"), help="number of processes (default: one per CPU)")
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--baseline", metavar="FILE", help="leave out the findings that this file names")
    known.add_argument("--no-baseline", action="store_const", const="", dest="baseline", help="leave out nothing")
    known.add_argument("--write-baseline", metavar="FILE", help="make what is found now the baseline")
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("--quiet", "-q", action="store_true", help="print findings and errors only")
    volume.add_argument("--verbose", "-v", action="store_true", help="say what is done")
    about = parser.add_mutually_exclusive_group()
    about.add_argument("--explain", metavar="CODE", help="print the page of a rule")
    about.add_argument("--list-rules", action="store_true", help="print all rules")
    parser.formatter_class = argparse.HelpFormatter  # it asks how wide the terminal is, by a module that takes 2 ms
    return parser


def _typed(name: str) -> Callable[[str], object]:
    """Return the parser of values that `config` has by this name, imported when a value is given."""

    def parse(text: str) -> object:
        from flake8_forksafe import config
        from flake8_forksafe.codes import checked

        try:
            return checked([text]) if name == "codes" else getattr(config, name)(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def _run(program: str, options: argparse.Namespace) -> int:
    if options.explain is not None or options.list_rules:
        _print_rules(options.explain)
        return CLEAN
    writes = program == "forksafe-fix"
    if not options.paths and writes:
        raise _UsageError("name the files or folders to repair; . is this folder")
    paths: list[str] = options.paths or ["."]
    if "-" in paths and len(paths) > 1:
        raise _UsageError("standard input (-) cannot be checked together with other paths")
    if options.program and paths == ["-"]:
        raise _UsageError("--program needs the files of the program; leave - out")
    if options.write_baseline and (options.diff or paths == ["-"]):
        raise _UsageError(f"--write-baseline writes what files hold; leave {'--diff' if options.diff else '-'} out")
    config = _config(options, paths)
    baseline = _baseline(options, config)
    run = _Run(program, options, config, _inspection(options, config, paths, baseline, writes=writes))
    outcomes = run.standard_input() if paths == ["-"] else run.files(paths)
    if baseline is None:
        run.show(outcomes, run.summary(outcomes))
    elif options.write_baseline:
        outcomes = run.make_known(baseline, outcomes, paths)
    else:
        outcomes = run.show_new(baseline, outcomes, paths)
    return _status(outcomes, diff=options.diff)


def _print_rules(explained: str | None) -> None:
    from flake8_forksafe import rule_pages
    from flake8_forksafe.reporting.screen import Screen

    screen = Screen.of(sys.stdout)
    try:
        if explained is None:
            _write(rule_pages.listing(colours=screen.colours))
        elif screen.width is None:  # a pipe or a file gets the page as it is written
            _write(rule_pages.explain(explained, colours=screen.colours))
        else:
            from flake8_forksafe.reporting import page

            page.show(rule_pages.explain(explained, colours=False), sys.stdout, screen)
    except ValueError as error:
        raise _UsageError(str(error)) from error


def _config(options: argparse.Namespace, paths: Sequence[str]) -> Config:
    """Return the configuration of the project with what the command line says put over it."""
    from flake8_forksafe import config as configuration

    try:
        config = configuration.read([options.stdin_filename] if list(paths) == ["-"] else paths)
    except configuration.ConfigError as error:
        raise _UsageError(str(error)) from error
    selection: dict[str, Any] = {"select": options.select, "ignore": options.ignore}
    said = {name: value for name, value in selection.items() if value is not None}
    if options.extend_select:
        said["extend_select"] = (*config.selection.extend_select, *options.extend_select)
    changes: dict[str, Any] = {
        name: value
        for name in ("target_version", "grace_period", "unsafe_fixes", "output_format", "jobs", "program")
        if (value := getattr(options, name)) is not None
    }
    if options.exclude:
        globs = [glob for glob in (text.strip() for text in options.exclude.split(",")) if glob]
        changes["exclude"] = (*config.exclude, *configuration.exclude(globs, os.getcwd()))
    file = options.write_baseline or options.baseline
    if file is not None:
        changes["baseline"] = file or None
    return config._replace(selection=config.selection._replace(**said), **changes)


def _baseline(options: argparse.Namespace, config: Config) -> Baseline | None:
    """Return the baseline of the run; one that is yet to be written is empty."""
    if config.baseline is None:
        return None
    from pathlib import Path

    from flake8_forksafe.baseline import Baseline, BaselineError

    try:
        return Baseline.read(Path(config.baseline), may_be_missing=bool(options.write_baseline))
    except BaselineError as error:
        raise _UsageError(str(error)) from error


def _inspection(
    options: argparse.Namespace, config: Config, paths: Sequence[str], baseline: Baseline | None, *, writes: bool
) -> Inspection:
    from flake8_forksafe.config import common_directory
    from flake8_forksafe.inspection import Inspection, Mode

    named = [options.stdin_filename] if list(paths) == ["-"] else paths
    mode = Mode.DIFF if options.diff else Mode.WRITE if writes else Mode.REPORT
    return Inspection(mode, config, common_directory(named), baseline)


def _status(outcomes: Sequence[Outcome], *, diff: bool) -> int:
    if any(outcome.problem for outcome in outcomes):
        return UNUSABLE
    if any(outcome.left or (diff and outcome.fixed) for outcome in outcomes):
        return FINDINGS
    return CLEAN


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _Run(NamedTuple):
    """One run of one of the commands."""

    program: str
    options: argparse.Namespace
    config: Config
    inspection: Inspection

    def standard_input(self) -> list[Outcome]:
        """Inspect standard input; what `forksafe-fix` makes of it goes to standard output."""
        from flake8_forksafe.discovery import is_excluded
        from flake8_forksafe.inspection import Mode
        from flake8_forksafe.reporting.outcome import Outcome

        data, name = sys.stdin.buffer.read(), self.options.stdin_filename
        excluded = is_excluded(name, self.config.exclude)
        outcome = Outcome(name, data=data) if excluded else self.inspection.data(data, name)
        if self.inspection.mode is Mode.WRITE:
            sys.stdout.buffer.write(outcome.data)
            sys.stdout.flush()
        return [outcome]

    def files(self, paths: Sequence[str]) -> list[Outcome]:
        """Inspect the files that `paths` stand for, in one process or in several."""
        from flake8_forksafe.discovery import Search
        from flake8_forksafe.inspection import PARSED_ANYWAY, WORTH_PROCESSES, collect_seldom
        from flake8_forksafe.reporting.outcome import Outcome
        from flake8_forksafe.reporting.progress import Progress

        collect_seldom()
        search = Search(self.config.exclude)
        found, coming = search.found, search.targets(paths)
        size = 0
        for target in coming:
            size += target.size
            if size >= WORTH_PROCESSES:
                break
        jobs = self._jobs(size, len(found.targets))
        workers = self._workers(jobs) if size >= WORTH_PROCESSES else []
        try:
            if not workers or not self._takes_files_as_they_come():
                size += sum(target.size for target in coming)
                jobs = self._jobs(size, len(found.targets))
            self._say_what_is_done(len(found.targets), jobs)
            outcomes: dict[str, Outcome] = {}
            program = self._program(paths, found.targets)
            inspection = program or self.inspection
            inspection.parses_all = size < PARSED_ANYWAY
            progress = Progress(lambda: len(found.targets), sys.stderr, wanted=not self.options.quiet)
            try:
                for outcome in self._inspected(inspection, chain(tuple(found.targets), coming), jobs, workers):
                    outcomes[outcome.path] = outcome
                    progress.advance(1)
            finally:
                progress.close()
            if not self.options.quiet:
                for note in found.notes:
                    self._tell(f"note: {note}")
            ordered = [outcomes[target.path] for target in found.targets]
            if program is not None:
                ordered = self._linked(program, ordered, found.targets, jobs, workers)
        finally:
            if workers:
                from flake8_forksafe import parallel

                parallel.dismiss(workers)
        return [*ordered, *(Outcome(path, problem=reason) for path, reason in found.problems)]

    def _takes_files_as_they_come(self) -> bool:
        """Whether the first files may be inspected while others are still searched.

        Not if files are written, for that changes the folders that are searched, nor if their number is told first.
        """
        from flake8_forksafe.inspection import Mode

        return self.inspection.mode is not Mode.WRITE and not self.config.program and not self.options.verbose

    @staticmethod
    def _workers(jobs: int) -> list[Worker]:
        """Start `jobs` processes, if that is more than this one."""
        if jobs == 1:
            return []
        from flake8_forksafe import parallel

        return [parallel.start() for _ in range(jobs)]

    @staticmethod
    def _inspected(
        inspection: Inspection, targets: Iterable[Target], jobs: int, workers: list[Worker]
    ) -> Iterator[Outcome]:
        if jobs == 1:
            return (inspection.file(target.path) for target in targets)
        from flake8_forksafe import parallel

        return parallel.inspect(inspection, targets, jobs, workers)

    def _program(self, paths: Sequence[str], targets: Sequence[Target]) -> Surveyor | None:
        """Return the inspection of all files as one program, if that is wanted and nothing is to be fixed."""
        if not self.config.program:
            return None
        from flake8_forksafe.inspection import Mode

        if self.inspection.mode is not Mode.REPORT:
            if self.options.program:
                self._tell("note: --program only reports, and has no fixes; here it does nothing")
            return None
        from flake8_forksafe.config import common_directory
        from flake8_forksafe.program import surveyor

        return surveyor(self.config, common_directory(paths), [target.path for target in targets])

    def _linked(
        self,
        program: Surveyor,
        outcomes: Sequence[Outcome],
        targets: Sequence[Target],
        jobs: int,
        workers: list[Worker],
    ) -> list[Outcome]:
        """Return the outcomes of all files of a program with the findings that only the whole of it shows."""
        from flake8_forksafe.program import linked

        by_path = {target.path: target for target in targets}

        def inspect(inspection: Inspection, paths: Sequence[str]) -> Iterator[Outcome]:
            return self._inspected(
                inspection, [by_path[path] for path in paths], min(jobs, max(1, len(paths))), workers
            )

        return linked(program, outcomes, inspect)

    def _jobs(self, size: int, count: int) -> int:
        if self.config.jobs is not None:
            return max(1, min(self.config.jobs, count))
        from flake8_forksafe.inspection import WORTH_PROCESSES

        if size < WORTH_PROCESSES:
            return 1
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(available, count))

    def _say_what_is_done(self, count: int, jobs: int) -> None:
        if not self.options.verbose:
            return
        major, minor = self.inspection.settings.target_version
        self._tell(f"configuration: {self.config.file or 'no pyproject.toml'}")
        self._tell(
            f"{count} Python files, oldest Python {major}.{minor}, {jobs} {'process' if jobs == 1 else 'processes'}"
        )

    def _tell(self, text: str) -> None:
        from flake8_forksafe.reporting.colour import printable

        print(f"{self.program}: {printable(text)}", file=sys.stderr)

    def show_new(self, baseline: Baseline, outcomes: Sequence[Outcome], paths: Sequence[str]) -> list[Outcome]:
        """Show and return the outcomes without what the baseline knows."""
        from flake8_forksafe.reporting.summary import of_comparison

        new, hidden, gone = baseline.compare(outcomes, paths, self.config.selection)
        if paths == ["-"]:
            gone = 0  # what an editor holds is not yet what the project holds
        parts = [self.summary(new, hidden=hidden), *of_comparison(hidden, gone, str(baseline.file))]
        self.show(new, ", ".join(parts))
        return new

    def make_known(self, baseline: Baseline, outcomes: Sequence[Outcome], paths: Sequence[str]) -> list[Outcome]:
        """Write the baseline anew, so that nothing is left to be shown; return the outcomes without findings."""
        from flake8_forksafe.baseline import BaselineError

        known = baseline.rewritten(outcomes, paths, self.config.selection)
        try:
            known.write()
        except BaselineError as error:
            self.show(outcomes, self.summary(outcomes))
            raise _UsageError(str(error)) from error
        count = sum(entry.count for entry in known.entries)
        left = known.compare(outcomes, paths, self.config.selection).outcomes
        self.show(left, f"{self.summary(outcomes)}, {count} written to {known.file}")
        return left

    def show(self, outcomes: Sequence[Outcome], summary: str) -> None:
        """Print the findings or the diff to standard output; all else, the bad files last, to standard error."""
        if self.options.diff:
            self._show_diff(outcomes)
        else:
            self._show_findings(outcomes)
        self._show_fixed(outcomes)
        for outcome in outcomes:
            for dropped in outcome.dropped:
                self._tell(f"{outcome.path}: a wrong fix was taken back, please report it: {dropped}")
        if not self.options.quiet:
            print(summary, file=sys.stderr)
        for outcome in outcomes:
            if outcome.problem:
                place = f"{outcome.path}:{outcome.problem_line}" if outcome.problem_line else outcome.path
                self._tell(f"{place}: {outcome.problem}")

    def _show_diff(self, outcomes: Sequence[Outcome]) -> None:
        from flake8_forksafe.reporting.colour import wanted

        if wanted(sys.stdout):
            from flake8_forksafe.reporting.diff import coloured

            for outcome in outcomes:
                _write(coloured(outcome.diff))
            return
        for outcome in outcomes:
            sys.stdout.buffer.write(outcome.diff)
        sys.stdout.flush()

    def _show_findings(self, outcomes: Sequence[Outcome]) -> None:
        from importlib import import_module

        from flake8_forksafe.inspection import Mode
        from flake8_forksafe.reporting.screen import Screen

        render = import_module(f"flake8_forksafe.reporting.{self.config.output_format}").render
        if self.options.paths == ["-"] and self.inspection.mode is Mode.WRITE:
            for line in render(outcomes, screen=Screen.of(sys.stderr)):  # standard output holds the source
                print(line, file=sys.stderr)
        else:
            _write(render(outcomes, screen=Screen.of(sys.stdout)))

    def _show_fixed(self, outcomes: Sequence[Outcome]) -> None:
        from flake8_forksafe.inspection import Mode

        if self.options.quiet or self.inspection.mode is not Mode.WRITE:
            return
        for outcome in outcomes:
            if outcome.fixed:
                counts = Counter(entry.code for entry in outcome.fixed)
                codes = ", ".join(code if count == 1 else f"{count} {code}" for code, count in sorted(counts.items()))
                self._tell(f"fixed {outcome.path} ({codes})")

    def summary(self, outcomes: Sequence[Outcome], *, hidden: int = 0) -> str:
        """Return the line at the end of the run."""
        from flake8_forksafe.inspection import Mode
        from flake8_forksafe.reporting import summary

        mode = self.inspection.mode
        if mode is Mode.REPORT:
            return summary.of_report(outcomes, hidden=hidden)
        return summary.of_fixes(outcomes, written=mode is Mode.WRITE)
