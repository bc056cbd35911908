"""Repair real packages with `forksafe-fix`, twice, without and with the unsafe fixes; print what became of them.

    python benchmarks/fixer/run.py [--packages luigi,salt] [DEST]

DEST keeps the downloads (default: .cache/fixer in the project). README.md in this folder says how to read the table.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "tests" / "fixing"))

from touched import Recorder, stray_changes

from benchmarks.pinned import ArchiveError, Pin, default_cache, obtain, python_members, read_pins
from flake8_forksafe import analysis, noqa, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.fixing.engine import fix_source
from flake8_forksafe.settings import Settings

_PINS = Path(__file__).resolve().parent / "pins.txt"
_SECONDS = 900
_TARGET = (3, 11)
_COMMANDS = {
    name: (sys.executable, "-c", f"import sys; from flake8_forksafe.cli import {name}; sys.exit({name}())")
    for name in ("report", "fix")
}


class RunError(Exception):
    """A run of a command that says nothing; the message is for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run of a command said."""

    left: tuple[Mapping[str, object], ...]
    fixed: tuple[Mapping[str, object], ...]
    taken_back: int
    unreadable: frozenset[str]
    exceptions: tuple[str, ...]

    def codes(self, entries: Sequence[Mapping[str, object]]) -> Counter[tuple[object, object]]:
        """How many of `entries` there are by file and code."""
        return Counter((entry["path"], entry["code"]) for entry in entries)


@dataclass(slots=True)
class Repair:
    """A package repaired in one way, and all that is wrong with the result."""

    fixed: int
    left: int
    taken_back: int
    exceptions: int
    changed: int
    wrong: list[str] = field(default_factory=list)
    idempotent: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One package."""

    package: str
    files: int
    findings: int
    safe: Repair
    unsafe: Repair
    seconds: float


def repair(pin: Pin, dest: Path) -> Row:
    """Repair one package in both ways.

    Raises:
        ArchiveError: the archive cannot be had.
        RunError: a command ends without an answer.
    """
    started = time.monotonic()
    files = dict(_members(obtain(pin, dest / ".archives")))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / pin.package
        _write(folder, files)
        found = _run("report", folder, ["."])
        paths = sorted({str(entry["path"]) for entry in found.left})
        ways = [_repair(folder, files, found, paths, unsafe=unsafe) for unsafe in (False, True)] if paths else []
    if not ways:
        ways = [Repair(0, 0, 0, len(found.exceptions), 0)] * 2
    return Row(pin.package, len(files), len(found.left), ways[0], ways[1], time.monotonic() - started)


def _repair(folder: Path, files: Mapping[str, bytes], found: Answer, paths: list[str], *, unsafe: bool) -> Repair:
    """Repair the files at `paths`, and prove what was written."""
    _write(folder, files)
    options = ["--unsafe-fixes"] if unsafe else []
    once = _run("fix", folder, [*options, *paths])
    written = {name: data for name in files if (data := (folder / name).read_bytes()) != files[name]}
    again = _run("fix", folder, [*options, *paths])
    result = Repair(
        len(once.fixed), len(once.left), once.taken_back, len({*found.exceptions, *once.exceptions}), len(written)
    )
    result.wrong += [f"{name}: changed by the second run" for name in written if _read(folder, name) != written[name]]
    result.idempotent = not again.fixed and not result.wrong
    if again.codes(again.left) != once.codes(once.left):
        result.wrong.append("the second run finds other things than the first one left")
    if once.codes(once.fixed) + once.codes(once.left) != found.codes(found.left):
        result.wrong.append("what is fixed and what is left are together not what was found")
    if {name.removeprefix("./") for name in written} - {str(e["path"]).removeprefix("./") for e in once.fixed}:
        result.wrong.append("a file is changed in which nothing is said to be fixed")
    for name, data in written.items():
        result.wrong += _parse_errors(data, name)
        result.wrong += _strays(files[name], data, name, unsafe=unsafe)
    return result


def _strays(old: bytes, new: bytes, name: str, *, unsafe: bool) -> list[str]:
    """Fix a file once more, watching the rounds, and name the changes that no fix speaks of."""
    rules = [rule for rule in registry.rules().values() if not rule.opt_in]

    def check(data: bytes) -> list[Finding]:
        settings = Settings(target_version=_TARGET)
        return noqa.unsilenced(analysis.check_source(data, filename=name, settings=settings, rules=rules), data, name)

    recorder = Recorder(check)
    result = fix_source(old, filename=name, check=recorder, unsafe=unsafe)
    if result.data != new:
        return [f"{name}: two runs give two results"]
    return [f"{name}: {change}" for change in stray_changes(result, recorder)]


def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _parse_errors(data: bytes, name: str) -> list[str]:
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(data)
    except (SyntaxError, ValueError) as error:
        return [f"{name}: does not parse: {error}"]
    return []


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every `.py` file of a wheel or sdist."""
    if archive.suffix == ".whl":
        yield from python_members(archive)
        return
    with tarfile.open(archive) as sdist:
        for member in sdist:
            opened = sdist.extractfile(member) if member.isfile() and member.name.endswith(".py") else None
            if opened is not None:
                yield os.path.normpath(member.name), opened.read()


def _run(command: str, folder: Path, arguments: Sequence[str]) -> Answer:
    version = f"{_TARGET[0]}.{_TARGET[1]}"
    done = subprocess.run(
        (*_COMMANDS[command], "--target-version", version, "--output-format", "json", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise RunError(f"{folder.name}: no answer: {done.stderr.strip()[-500:]}") from None
    problems = [(str(error["path"]), str(error["message"])) for error in answer["errors"]]
    return Answer(
        left=tuple(answer["findings"]),
        fixed=tuple(answer["fixed"]),
        taken_back=done.stderr.count("a wrong fix was taken back"),
        unreadable=frozenset(path for path, message in problems if "internal error" not in message),
        exceptions=tuple(path for path, message in problems if "internal error" in message or "died" in message),
    )


def _table(rows: Sequence[Row]) -> Iterator[str]:
    line = "{:20} {:>6} {:>8} {:>6} {:>6} {:>6} {:>7} {:>10} {:>10} {:>5}".format
    yield line("package", "files", "findings", "safe", "all", "left", "dropped", "exceptions", "idempotent", "s")
    for row in [*rows, _total(rows)]:
        ways = (row.safe, row.unsafe)
        yield line(
            row.package,
            row.files,
            row.findings,
            row.safe.fixed,
            row.unsafe.fixed,
            row.unsafe.left,
            sum(way.taken_back for way in ways),
            sum(way.exceptions for way in ways),
            "yes" if all(way.idempotent for way in ways) else "NO",
            f"{row.seconds:.0f}",
        )


def _total(rows: Sequence[Row]) -> Row:
    def added(ways: Sequence[Repair]) -> Repair:
        names = ("fixed", "left", "taken_back", "exceptions", "changed")
        total = Repair(*(sum(getattr(way, name) for way in ways) for name in names))
        total.idempotent = all(way.idempotent for way in ways)
        return total

    return Row(
        f"{len(rows)} packages",
        sum(row.files for row in rows),
        sum(row.findings for row in rows),
        added([row.safe for row in rows]),
        added([row.unsafe for row in rows]),
        sum(row.seconds for row in rows),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Repair the packages; 0 if nothing is wrong with any result, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, help="where downloads are kept")
    parser.add_argument("--packages", default="", help="comma-separated; without it all of the pins file")
    options = parser.parse_args(arguments)
    dest: Path = (options.dest or default_cache("fixer")).resolve()
    wanted = options.packages.split(",") if options.packages else []
    rows: list[Row] = []
    failed = False
    for pin in read_pins(_PINS):
        if wanted and pin.package not in wanted:
            continue
        print(pin.package, file=sys.stderr, flush=True)
        try:
            rows.append(repair(pin, dest))
        except (ArchiveError, RunError, ValueError, subprocess.TimeoutExpired) as error:
            print(f"{pin.package}: {error}", file=sys.stderr)
            failed = True
    for text in _table(rows):
        print(text)
    changed = [sum(way.changed for way in ways) for ways in ([r.safe for r in rows], [r.unsafe for r in rows])]
    print(f"files changed: {changed[0]} by the safe fixes, {changed[1]} with the unsafe ones")
    wrong = [f"{row.package}: {text}" for row in rows for way in (row.safe, row.unsafe) for text in way.wrong]
    broken = sum(way.taken_back + way.exceptions + (not way.idempotent) for r in rows for way in (r.safe, r.unsafe))
    for text in wrong:
        print(f"WRONG {text}")
    return 1 if failed or wrong or broken else 0


if __name__ == "__main__":
    sys.exit(main())
