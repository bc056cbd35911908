"""Runs small programs as real processes under a hard time limit, and looks at what they leave behind.

`tests/hanglab/FRKnnn/bad.py` is a program with the hazard of its rule, `good.py` its cure by hand; further pairs are
called `bad_<variant>.py` and `good_<variant>.py`. A program is one file, needs no network, works in an empty folder and
prints `main: done` as its last act. Comment lines at its top say how to judge it:

    # hazard: orphan      what must be seen when it runs (the values of `Hazard`); a cure has none
    # run: import         it is imported by a program that does nothing else; otherwise it is run as a script
    # python: <3.12       the Python versions on which the hazard exists; all unless told
    # slow                the tests with it are marked slow

Nothing is taken from the header but the question: `Observation.hazards` answers it from process states, exit statuses,
open descriptors and times alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet

PROGRAMS = Path(__file__).parent

#: Environment variable that every process of one run inherits, whatever session it moves to.
MARK = "FORKSAFE_HANGLAB_RUN"

#: The line that a program prints when its work is done and only the end of the interpreter is left.
LAST_ACT = "main: done"

#: Seconds within which a program without a hazard must have ended, on a machine with much else to do.
GENEROUS = 30.0
#: Seconds after which a program is taken to hang, if its cure needs less than a quarter of that.
IMPATIENT = 2.0
#: Seconds for which a dead child may wait to be reaped, and a child may hold a descriptor on its way to `exec`.
SETTLING = 0.5
#: Seconds after a program's end in which its children may end too.
FAREWELL = 0.3
#: Seconds between two looks at the processes.
INTERVAL = 0.04


class Hazard(Enum):
    """What can be seen of a program that goes wrong."""

    #: It is still at work long after its cure has ended.
    HANG = "hang"
    #: Its work is done and it does not end.
    NEVER_EXITS = "never-exits"
    #: A child is dead and not reaped while it runs.
    ZOMBIE = "zombie"
    #: It has ended and a process that it started runs on.
    ORPHAN = "orphan"
    #: A child told one exit status, and it saw another.
    WRONG_STATUS = "wrong-status"
    #: A child that runs another program holds a descriptor of its parent besides the standard streams.
    LEAK = "leak"
    #: A line that it prints once stands in its output twice.
    DUPLICATE_OUTPUT = "duplicate-output"
    #: It was ended by a signal of its own.
    KILLED = "killed"


@dataclass(frozen=True)
class Program:
    """One program of the laboratory, or what the fixer made of one.

    Arguments:
        name: `FRK101/bad` and the like.
        source: the bytes of its one file.
        hazard: what running it must show; None for a cure.
        imported: whether it is imported, not run as a script.
        pythons: the versions of Python on which it shows its hazard.
        slow: whether its tests are marked slow.
    """

    name: str
    source: bytes
    hazard: Hazard | None
    imported: bool
    pythons: SpecifierSet
    slow: bool

    @classmethod
    def read(cls, path: Path) -> Program:
        """Read a program and its header.

        Raises:
            ValueError: the header has an unknown line, or the hazard does not fit the file's name.
        """
        source = path.read_bytes()
        header = dict(_header_lines(source.decode()))
        if unknown := header.keys() - {"hazard", "run", "python", "slow"}:
            raise ValueError(f"{path}: unknown header line {unknown.pop()!r}")
        hazard = Hazard(header["hazard"]) if "hazard" in header else None
        if (hazard is None) == path.stem.startswith("bad"):
            raise ValueError(f"{path}: a bad program names its hazard, a good one has none")
        return cls(
            name=f"{path.parent.name}/{path.stem}",
            source=source,
            hazard=hazard,
            imported=header.get("run") == "import",
            pythons=SpecifierSet(header.get("python", "")),
            slow="slow" in header,
        )

    @property
    def code(self) -> str:
        """The rule whose hazard this is about."""
        return self.name.partition("/")[0]

    @property
    def cure(self) -> Program:
        """The program of the same folder that does the same work without the hazard."""
        folder, _, stem = self.name.partition("/")
        return Program.read(PROGRAMS / folder / f"{stem.replace('bad', 'good', 1)}.py")

    @property
    def applies(self) -> bool:
        """Whether the running Python is one on which this shows its hazard."""
        return self.pythons.contains(".".join(map(str, sys.version_info[:3])))


def _header_lines(source: str) -> Iterator[tuple[str, str]]:
    for line in source.splitlines():
        match = re.fullmatch(r"# (?P<key>[a-z]+)(: (?P<value>.+))?", line)
        if match is None:
            return
        yield match["key"], match["value"] or ""


def programs(kind: str) -> list[Program]:
    """Return the programs whose file names begin with `kind`, `good` or `bad`, in the order of the codes."""
    return [Program.read(path) for path in sorted(PROGRAMS.glob(f"FRK*/{kind}*.py"))]


@dataclass(frozen=True)
class Observation:
    """What was seen of one run.

    Arguments:
        status: the exit status, negative for a signal; None if the time limit ended the run.
        seconds: how long the program ran.
        output: what it and its children wrote to standard output.
        errors: what they wrote to standard error.
        zombies: the names of children that were dead and not reaped for longer than `SETTLING`.
        orphans: the names of processes that ran on after the program's end.
        leaks: what the program has open and children running other programs held too, as `name: number -> file`.
    """

    status: int | None
    seconds: float
    output: str
    errors: str
    zombies: tuple[str, ...]
    orphans: tuple[str, ...]
    leaks: tuple[str, ...]

    @property
    def hazards(self) -> frozenset[Hazard]:
        """Everything that went wrong, by what was seen."""
        return frozenset(hazard for hazard in Hazard if self._shows(hazard))

    def _shows(self, hazard: Hazard) -> bool:
        match hazard:
            case Hazard.HANG:
                return self.status is None and LAST_ACT not in self._lines
            case Hazard.NEVER_EXITS:
                return self.status is None and LAST_ACT in self._lines
            case Hazard.ZOMBIE:
                return bool(self.zombies)
            case Hazard.ORPHAN:
                return bool(self.orphans)
            case Hazard.WRONG_STATUS:
                return self._statuses("told") != self._statuses("seen")
            case Hazard.LEAK:
                return bool(self.leaks)
            case Hazard.DUPLICATE_OUTPUT:
                return any(times > 1 for times in self._lines.values())
            case Hazard.KILLED:
                return self.status is not None and self.status < 0

    @cached_property
    def _lines(self) -> Counter[str]:
        return Counter(self.output.splitlines())

    def _statuses(self, word: str) -> list[str]:
        """The exit statuses that a child told (`told: 7`) or that its parent saw (`seen: 7`)."""
        return re.findall(rf"^{word}: (\d+)$", self.output, flags=re.MULTILINE)


class Process(NamedTuple):
    """One line of the process table (`man 5 proc`, /proc/pid/stat)."""

    pid: int
    parent: int
    session: int
    state: str
    name: str
    started: int

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and only waits to be reaped."""
        return self.state in {"Z", "X"}

    @property
    def program(self) -> str:
        """The path of the executable, empty if it cannot be told."""
        try:
            return str(Path(f"/proc/{self.pid}/exe").readlink())
        except OSError:
            return ""

    def carries(self, mark: str) -> bool:
        """Whether `mark` stands in its environment."""
        environment = self._environment()
        if not environment and self.program:
            time.sleep(INTERVAL / 4)  # in the middle of `exec` it is empty for a moment
            environment = self._environment()
        return mark.encode() in environment.split(b"\0")

    def _environment(self) -> bytes:
        try:
            return Path(f"/proc/{self.pid}/environ").read_bytes()
        except OSError:
            return b""

    def descriptors(self) -> Iterator[tuple[int, str]]:
        """Its open descriptors besides the standard streams, and what they are."""
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{self.pid}/fd").iterdir():
                if int(entry.name) > 2:
                    yield int(entry.name), str(entry.readlink())


class ProcessTable:
    """All processes of the machine, read anew when the last reading is older than `INTERVAL`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._processes: dict[int, Process] = {}

    def recent(self) -> dict[int, Process]:
        """Return the processes by their numbers, as they were at most `INTERVAL` seconds ago."""
        with self._lock:
            if time.monotonic() - self._read_at > INTERVAL:
                self._processes, self._read_at = self.now(), time.monotonic()
            return self._processes

    def now(self) -> dict[int, Process]:
        """Return the processes by their numbers, as they are."""
        return {process.pid: process for process in self._read()}

    def _read(self) -> Iterator[Process]:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                stat = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue  # it ended meanwhile
            name, _, rest = stat.partition("(")[2].rpartition(")")
            words = rest.split()
            yield Process(int(entry.name), int(words[1]), int(words[3]), words[0], name, int(words[19]))


@dataclass
class Watch:
    """Looks again and again at the processes under one program, and keeps what lasts."""

    main: int
    table: ProcessTable
    zombies: dict[str, None] = field(default_factory=dict)
    leaks: dict[str, None] = field(default_factory=dict)
    _first_seen: dict[tuple[object, ...], float] = field(default_factory=dict)

    def look(self) -> None:
        """Look once."""
        processes, now = self.table.recent(), time.monotonic()
        if self.main not in processes:
            return
        main = processes[self.main]
        own, shared = main.program, {target for _, target in main.descriptors()}
        for process in self._family(processes):
            if process.is_dead:
                if self._lasts(now, process.pid, process.started):
                    self.zombies[process.name] = None
            elif process.program not in {own, ""}:
                for number, target in process.descriptors():
                    if target in shared and self._lasts(now, process.pid, process.started, number, target):
                        self.leaks[f"{process.name}: {number} -> {target}"] = None

    def _family(self, processes: dict[int, Process]) -> Iterator[Process]:
        known = {self.main: True, 0: False}
        for process in processes.values():
            line = []
            pid = process.pid
            while pid not in known:
                line.append(pid)
                known[pid] = False  # until its ancestors are known
                pid = processes[pid].parent if pid in processes else 0
            known.update(dict.fromkeys(line, known[pid]))
        return (process for process in processes.values() if known[process.pid] and process.pid != self.main)

    def _lasts(self, now: float, *what: object) -> bool:
        return now - self._first_seen.setdefault(what, now) > SETTLING


class Laboratory:
    """Runs programs, several at a time, each once.

    Arguments:
        folder: where each run gets an empty folder of its own.
        workers: how many programs run at the same time.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._table = ProcessTable()
        self._pool = ThreadPoolExecutor(max_workers=workers)
        self._runs: dict[Program, Future[Observation]] = {}

    def close(self) -> None:
        """Wait for the runs under way and drop those not begun."""
        self._pool.shutdown(cancel_futures=True)

    def start(self, program: Program) -> Future[Observation]:
        """Begin to observe `program`, after its cure if that has to tell how long the work takes."""
        if program not in self._runs:
            cure = self.start(program.cure) if program.hazard in {Hazard.HANG, Hazard.NEVER_EXITS} else None
            self._runs[program] = self._pool.submit(self._observe, program, cure)
        return self._runs[program]

    def observe(self, program: Program) -> Observation:
        """Return what is seen when `program` runs."""
        return self.start(program).result()

    def _observe(self, program: Program, cure: Future[Observation] | None) -> Observation:
        limit = GENEROUS if cure is None else max(IMPATIENT, 4 * cure.result().seconds)
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        return run(program, folder=folder, limit=limit, table=self._table)


def run(program: Program, *, folder: Path, limit: float, table: ProcessTable) -> Observation:
    """Run `program` for at most `limit` seconds, and end everything that it started.

    Raises:
        RuntimeError: a process of the run could not be ended.
    """
    orphans: tuple[str, ...] = ()
    with started(program, folder=folder, table=table) as under_way:
        watch = Watch(under_way.main.pid, table)
        while not (ended := under_way.has_ended) and under_way.seconds < limit:
            watch.look()
            time.sleep(INTERVAL)
        seconds = under_way.seconds
        if ended:
            orphans = tuple(sorted(process.name for process in under_way.survivors()))
    return Observation(
        status=under_way.main.returncode if ended else None,
        seconds=seconds,
        output=(folder / "output").read_text(errors="replace"),
        errors=(folder / "errors").read_text(errors="replace")[-4000:],
        zombies=tuple(watch.zombies),
        orphans=orphans,
        leaks=tuple(watch.leaks),
    )


@contextlib.contextmanager
def started(
    program: Program,
    *,
    folder: Path,
    table: ProcessTable,
    name: str = "program",
    interpreter: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """Start `program`, and in the end kill everything that it started.

    Arguments:
        program: what to start.
        folder: an empty folder; the program works in `folder/work` and writes to `folder/output` and `folder/errors`.
        table: the processes of the machine.
        name: what the program's file is called, without `.py`.
        interpreter: the Python that runs it, a path or the name of a command.
        environment: variables that it gets besides those of this process.

    Raises:
        RuntimeError: a process of the run could not be ended.
    """
    work = folder / "work"
    work.mkdir()
    (work / f"{name}.py").write_bytes(program.source)
    arguments = ["-c", f"import {name}; print({LAST_ACT!r}, flush=True)"] if program.imported else [f"{name}.py"]
    mark = uuid.uuid4().hex
    with (folder / "output").open("wb") as stdout, (folder / "errors").open("wb") as stderr:
        begin = time.monotonic()
        main = subprocess.Popen(
            [interpreter, *arguments],
            cwd=work,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {}), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    under_way = Run(main, f"{MARK}={mark}", begin, table)
    try:
        yield under_way
    finally:
        under_way.end()


@dataclass(frozen=True)
class Run:
    """A program that was started, and all that it starts.

    Arguments:
        main: the program.
        mark: what stands in the environment of all its processes.
        begin: when it was started, by the monotonic clock.
        table: the processes of the machine.
    """

    main: subprocess.Popen[bytes]
    mark: str
    begin: float
    table: ProcessTable

    @property
    def seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self.begin

    @property
    def has_ended(self) -> bool:
        """Whether the program has ended; it is not reaped, so that its number stays its own and its group's."""
        return os.waitid(os.P_PID, self.main.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def living(self) -> list[Process]:
        """The living processes of the run: those of its session and those that carry its mark."""
        return [
            process
            for process in self.table.now().values()
            if not process.is_dead and (process.session == self.main.pid or process.carries(self.mark))
        ]

    def survivors(self) -> list[Process]:
        """The processes that run on after the program has ended and they have had time to."""
        end = time.monotonic() + FAREWELL
        while (living := self.living()) and time.monotonic() < end:
            time.sleep(INTERVAL)
        return living

    def end(self) -> None:
        """Kill the program's group and every process of the run outside it, and reap the program."""
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.main.pid, signal.SIGKILL)
            living = self.living()
            if not living:
                break
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            if time.monotonic() > end:
                raise RuntimeError(f"{living} cannot be ended")
            time.sleep(INTERVAL / 4)
        self.main.wait()
