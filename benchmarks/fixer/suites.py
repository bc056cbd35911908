"""Run the test suites of real projects before and after the safe fixes and compare the outcome of every test.

    python benchmarks/fixer/suites.py [--only watchdog,luigi] [DEST]

DEST keeps the archives and the environments (default: .cache/fixer in the project). README.md in this folder says how
to read the table.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.pinned import ArchiveError, Pin, default_cache, obtain, read_pins

_PINS = Path(__file__).resolve().parent / "suites.txt"
_PIP_SECONDS, _SUITE_SECONDS = 600, 480
_FIX = "import sys; from flake8_forksafe.cli import fix; sys.exit(fix())"


class SuiteError(Exception):
    """A suite that cannot be compared; the message is for people."""


@dataclass(frozen=True, slots=True)
class Suite:
    """How the tests of one project are run: what they need, and pytest's arguments."""

    package: str
    requirements: tuple[str, ...]
    arguments: tuple[str, ...]
    extras: str = ""
    environment: tuple[tuple[str, str], ...] = ()


_PYTEST = ("pytest==9.2.0", "pytest-timeout==2.4.0")

SUITES = (
    Suite("watchdog", (*_PYTEST, "flaky==3.8.1"), ("tests",), extras="[watchmedo]"),
    Suite("pytest-xprocess", _PYTEST, ("tests",)),
    # What tornado's own runner and its tox.ini do: no access log (its tests fail on log lines they do not expect), and
    # time for slow machines.
    Suite(
        "tornado",
        _PYTEST,
        ("--log-disable=tornado.access", "-o", "python_files=*_test.py", "tornado/test"),
        environment=(("ASYNC_TEST_TIMEOUT", "25"),),
    ),
    # The tests of the modules and test modules that the fixes change, and of what builds on these; all of them last
    # longer than the limit.
    Suite(
        "luigi",
        (*_PYTEST, "mock==5.2.0", "requests==2.34.2", "sqlalchemy==2.0.44", "psutil==7.1.3", "toml==0.10.2"),
        (
            *("test/local_target_test.py", "test/lock_test.py", "test/rpc_test.py", "test/target_test.py"),
            *("test/task_running_resources_test.py", "test/test_sigpipe.py", "test/test_ssh.py"),
            *("test/remote_scheduler_test.py", "test/scheduler_test.py", "test/simulate_test.py", "test/util_test.py"),
        ),
    ),
)

#: Every test by its name, with its outcome: passed, failed, error or skipped (several times if it ran so).
Outcomes = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One project: its outcomes before (twice, to know the tests that vary by themselves) and after."""

    suite: Suite
    files: int
    before: Outcomes
    again: Outcomes
    after: Outcomes
    seconds: float

    @property
    def varying(self) -> set[str]:
        """The tests whose outcome is not the same twice before any fix."""
        return {name for name in {*self.before, *self.again} if self.before.get(name) != self.again.get(name)}

    @property
    def different(self) -> set[str]:
        """The tests, but for those that vary, whose outcome is another one after the fixes."""
        names = {*self.before, *self.after} - self.varying
        return {name for name in names if self.before.get(name) != self.after.get(name)}


def compare(suite: Suite, pin: Pin, dest: Path) -> Comparison:
    """Run the suite twice, repair the project, run the suite once more.

    Raises:
        SuiteError: the project cannot be installed, a suite gives no outcomes, or nothing is repaired.
        ArchiveError: the source archive cannot be had.
    """
    started = time.monotonic()
    reports = dest / "suites" / suite.package
    reports.mkdir(parents=True, exist_ok=True)
    # Outside of any git work tree, whose .gitignore forksafe-fix would obey, and of any other project's configuration.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = _unpacked(obtain(pin, dest / ".archives"), Path(scratch))
        python = _environment(dest / "environments" / suite.package, folder, suite)
        before = _outcomes(suite, python, folder, reports / "before")
        again = _outcomes(suite, python, folder, reports / "again")
        files = _repair(folder)
        after = _outcomes(suite, python, folder, reports / "after")
    return Comparison(suite, files, before, again, after, time.monotonic() - started)


def _unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project


def _environment(where: Path, project: Path, suite: Suite) -> Path:
    """Make a virtual environment with the project, installed editable, and return its interpreter."""
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(where)
    python = where / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "-q")
    what = (*suite.requirements, "-e", f"{project}{suite.extras}")
    done = subprocess.run((*pip, *what), capture_output=True, text=True, check=False, timeout=_PIP_SECONDS)
    if done.returncode != 0:
        raise SuiteError(f"{suite.package}: pip cannot install it:\n{done.stderr.strip()}")
    return python


def _repair(project: Path) -> int:
    """Make the safe fixes and return how many files they changed."""
    files = _sources(project)
    done = subprocess.run(
        (sys.executable, "-c", _FIX, "--target-version", "3.11", "."),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SUITE_SECONDS,
    )
    changed = sum(path.read_bytes() != data for path, data in files.items())
    if not changed:
        raise SuiteError(f"{project.name}: forksafe-fix changed nothing: {done.stderr.strip()}")
    return changed


def _sources(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.rglob("*.py") if path.is_file()}


def _outcomes(suite: Suite, python: Path, project: Path, where: Path) -> Outcomes:
    """Run the suite in a session of its own, which is ended with all that is left in it."""
    report = where.with_suffix(".xml")
    report.unlink(missing_ok=True)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    with where.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            (str(python), "-m", "pytest", "-q", "--timeout=120", f"--junitxml={report}", *suite.arguments),
            cwd=project,
            env={**os.environ, "PATH": path, **dict(suite.environment)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(timeout=_SUITE_SECONDS)
        except subprocess.TimeoutExpired:
            raise SuiteError(f"{suite.package}: the suite did not end in {_SUITE_SECONDS} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not report.exists():
        raise SuiteError(f"{suite.package}: the suite gave no outcomes, see {log.name}")
    outcomes = dict(_read(report))
    if not any("passed" in several for several in outcomes.values()):
        raise SuiteError(f"{suite.package}: no test passes, see {log.name}")
    return outcomes


def _read(report: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    found: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case}
        outcome = next((kind for kind in ("failure", "error", "skipped") if kind in kinds), "passed")
        found.setdefault(name, []).append(outcome)
    for name, outcomes in found.items():
        yield name, tuple(sorted(outcomes))


def _summary(outcomes: Outcomes) -> str:
    counts = Counter(outcome for several in outcomes.values() for outcome in several)
    return " ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failure", "error", "skipped") if counts[kind])


def _print(comparison: Comparison) -> None:
    same = "the same" if not comparison.different else f"{len(comparison.different)} DIFFER"
    print(f"{comparison.suite.package}: {comparison.files} files changed, {comparison.seconds:.0f} s, {same}")
    print(f"    before  {_summary(comparison.before)}")
    print(f"    after   {_summary(comparison.after)}")
    for name in sorted(comparison.varying):
        print(f"    varies by itself: {name}")
    for name in sorted(comparison.different):
        print(f"    DIFFERS: {name}: {comparison.before.get(name)} -> {comparison.after.get(name)}")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the suites; 0 if all are the same, 1 if one differs or cannot be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, help="where downloads and environments are kept")
    parser.add_argument("--only", default="", help="comma-separated projects")
    options = parser.parse_args(arguments)
    dest: Path = (options.dest or default_cache("fixer")).resolve()
    pins = {pin.package: pin for pin in read_pins(_PINS)}
    wanted = options.only.split(",") if options.only else [suite.package for suite in SUITES]
    status = 0
    for suite in SUITES:
        if suite.package not in wanted:
            continue
        try:
            comparison = compare(suite, pins[suite.package], dest)
        except (SuiteError, ArchiveError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        _print(comparison)
        status |= bool(comparison.different)
    return status


if __name__ == "__main__":
    sys.exit(main())
