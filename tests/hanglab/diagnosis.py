"""The cases of the guide docs/my-process-hangs.md: programs that hang, and the commands that tell why.

`record` starts the program of a case, runs the commands of its steps against it under a time limit, and checks that
their output shows what the guide says of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hanglab.harness import PROGRAMS, Process, ProcessTable, Program, Run, started

#: Where the programs find the system's Python and their commands.
PATH = "/usr/bin:/bin"

#: Seconds that a command may take.
LIMIT = 20.0
#: Seconds within which a program must have come to what a case looks at.
PATIENCE = 30.0


class Step(NamedTuple):
    """One command and what it must show.

    Arguments:
        command: a shell command; `{its.main}` and the like stand for what `Look` finds out.
        shows: patterns that the output must match, each somewhere.
        keep: the lines that are recorded; others become `...`. All unless told.
        tool: the program that must be installed; the first word of `command` unless told.
        root: whether the command needs the rights of root.
    """

    command: str
    shows: tuple[str, ...]
    keep: str = ""
    tool: str = ""
    root: bool = False

    @property
    def missing(self) -> str | None:
        """What this machine lacks to run it."""
        tool = self.tool or self.command.split()[0]
        if _which(tool) is None:
            return f"{tool} is not installed"
        return "it needs root" if self.root and os.geteuid() != 0 else None


class Case(NamedTuple):
    """A program that hangs, and the steps that tell why.

    Arguments:
        program: its name below `tests/hanglab`.
        name: what the program is called while it is looked at.
        settled: says whether it has come to what the steps look at.
        steps: the commands by name, in the order in which they run.
    """

    program: str
    name: str
    settled: Callable[[Look], bool]
    steps: Mapping[str, Step]


class Blocked(NamedTuple):
    """A thread that waits in a read from or a write to a pipe."""

    pid: int
    tid: int
    fd: int
    pipe: str


@dataclass(frozen=True)
class Look:
    """What there is to see of a running program; every fact is looked up when it is asked for."""

    run: Run
    folder: Path

    @property
    def errors(self) -> Path:
        """The file with what the program writes to standard error."""
        return self.folder / "errors"

    @property
    def main(self) -> int:
        """The number of the program's process."""
        return self.run.main.pid

    @property
    def others(self) -> list[Process]:
        """Its living processes but the first, by age."""
        return sorted((p for p in self.run.living() if p.pid != self.main), key=lambda process: process.started)

    @property
    def child(self) -> int:
        """The oldest of them."""
        return self.others[0].pid

    @property
    def dead(self) -> list[int]:
        """Children that have ended and wait to be reaped."""
        return [p.pid for p in self.run.table.now().values() if p.is_dead and p.parent == self.main]

    @property
    def blocked(self) -> list[Blocked]:
        """The threads that wait for a pipe, those of the program's process first."""
        return [found for pid in (self.main, *(p.pid for p in self.others)) for found in _blocked(pid)]

    @property
    def stays_blocked(self) -> bool:
        """Whether a thread waits for a pipe for longer than any start of a command takes."""
        before = self.blocked
        time.sleep(0.5)
        return bool(before) and before == self.blocked

    @cached_property
    def stuck(self) -> Blocked:
        """The first of them."""
        return self.blocked[0]

    @property
    def pipe(self) -> str:
        """The pipe for which a thread waits, or else one that the program's process has open."""
        if self.blocked:
            return self.stuck.pipe
        targets = (str(entry.readlink()) for entry in _listed(f"/proc/{self.main}/fd"))
        return next(target for target in targets if target.startswith("pipe:"))

    @property
    def holder(self) -> int:
        """A process besides the program's that holds the write end of this pipe."""
        pids = [process.pid for process in self.others]
        return next(pid for pid in pids if any(_writes(entry, self.pipe) for entry in _listed(f"/proc/{pid}/fd")))


def _blocked(pid: int) -> Iterator[Blocked]:
    for task in _listed(f"/proc/{pid}/task"):
        if re.search(r"pipe_(read|write)$", _read(task / "wchan")):
            words = _read(task / "syscall").split()
            if len(words) > 1:
                fd = int(words[1], 16)
                yield Blocked(pid, int(task.name), fd, str(Path(f"/proc/{pid}/fd/{fd}").readlink()))


def _writes(entry: Path, pipe: str) -> bool:
    try:
        return str(entry.readlink()) == pipe and bool(entry.lstat().st_mode & 0o200)
    except OSError:
        return False


def _listed(folder: str) -> list[Path]:
    try:
        return sorted(Path(folder).iterdir(), key=lambda entry: int(entry.name))
    except OSError:
        return []


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _which(tool: str) -> str | None:
    return shutil.which(tool, path=_path())


def _path() -> str:
    """Where tools are found: beside the running Python first."""
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


PS = "ps -o pid,ppid,stat,wchan:16,args -p {its.main} --ppid {its.main}"
HOLDERS = "ls -l /proc/[0-9]*/fd/* 2>/dev/null | grep -F '{its.pipe}'"
SESSION = "ps -o pid,ppid,pgid,stat,etimes,args -s {its.main}"
DUMP = "py-spy dump --pid {its.main}"

CASES: dict[str, Case] = {
    "start": Case(
        "FRK301/bad_popen",
        "stuck_start",
        lambda its: its.stays_blocked,
        {
            "dump": Step(
                DUMP, (r"_execute_child \(subprocess\.py", r"build \(stuck_start\.py", r"join \(threading\.py")
            ),
            "wchan": Step("grep . /proc/{its.main}/task/*/wchan", (r"task/\d+/wchan:\w*pipe_read", r"wchan:\w*futex")),
            "syscall": Step("cat /proc/{its.stuck.tid}/syscall", (r"\A0 0x",)),
            "holders": Step(HOLDERS, ("l-wx------",)),
            "holder": Step("py-spy dump --pid {its.holder}", (r"fork_helper \(stuck_start\.py",)),
        },
    ),
    "preexec": Case(
        "FRK303/bad_lock",
        "preexec",
        lambda its: bool(its.blocked) and bool(its.others),
        {
            "ps": Step(PS, (r"pipe_read +python3 preexec\.py", r"futex\w* +python3 preexec\.py")),
            "dump": Step("py-spy dump --pid {its.child}", (r"lower_priority \(preexec\.py",)),
        },
    ),
    "full": Case(
        "FRK101/bad",
        "full_pipe",
        lambda its: bool(its.blocked),
        {
            "ps": Step(PS, (r"do_wait +python3 full_pipe\.py", r"pipe_write +head")),
            "dump": Step(DUMP, (r"wait \(subprocess\.py", r"listing \(full_pipe\.py")),
            "status": Step("grep -E '^(Name|State|PPid|Threads)' /proc/{its.child}/status", (r"State:\tS", "head")),
            "syscall": Step("cat /proc/{its.child}/syscall", (r"\A1 0x1 ",)),
            "fd": Step("ls -l /proc/{its.child}/fd", (r"1 -> pipe:\[\d+\]",)),
            "lsof": Step("lsof +E -a -p {its.child} -d 1", (r"head +\d+ .* 1w .*,python3,\d+r", r"python3 .*,head,1w")),
            "stack": Step("cat /proc/{its.child}/stack", (r"pipe_write\+",), root=True),
            "strace": Step("timeout 1 strace -p {its.child}", (r"write\(1, ",), tool="strace"),
            "forksafe": Step(
                "forksafe --quiet --output-format concise {its.folder}/work/full_pipe.py",
                (r"full_pipe\.py:\d+:\d+: FRK101 ",),
            ),
        },
    ),
    "sibling": Case(
        "FRK102/bad",
        "two_pipes",
        lambda its: len(its.blocked) == 2,
        {"ps": Step(PS, (r"pipe_read +python3 two_pipes\.py", r"pipe_write +/usr\S*python\S* -c|pipe_write +\S+ -c"))},
    ),
    "both": Case(
        "FRK106/bad",
        "both_write",
        lambda its: len(its.blocked) == 2,
        {"ps": Step(PS, (r"pipe_write +python3 both_write\.py", r"pipe_write +cat"))},
    ),
    "stdin": Case(
        "FRK105/bad",
        "open_stdin",
        lambda its: bool(its.blocked),
        {
            "ps": Step(PS, (r"do_wait +python3 open_stdin\.py", r"pipe_read +wc -l")),
            "holders": Step(HOLDERS, (r"lr-x-.*/fd/0 ->", r"l-wx-.*/fd/\d+ ->")),
        },
    ),
    "own": Case(
        "FRK203/bad",
        "own_end",
        lambda its: bool(its.blocked) and bool(its.dead),
        {"holders": Step(HOLDERS, (r"lr-x-.*/proc/(\d+)/fd/\d+(.*\n)*l-wx-.*/proc/\1/fd/\d+",))},
    ),
    "queue": Case(
        "FRK107/bad",
        "full_queue",
        lambda its: bool(its.blocked),
        {
            "dump": Step(
                "py-spy dump --subprocesses --pid {its.main}",
                (r"join \(multiprocessing/process\.py", r"_finalize_join \(multiprocessing/queues\.py", "QueueFeeder"),
            )
        },
    ),
    "asyncio": Case(
        "FRK101/bad_asyncio",
        "full_pipe_asyncio",
        lambda its: bool(its.blocked),
        {
            "ps": Step(PS, (r"(ep_poll|epoll_wait) +python3 full_pipe_asyncio\.py", r"pipe_write +head")),
            "dump": Step(DUMP, (r"select \(selectors\.py", r"_run_once \(asyncio/base_events\.py")),
            "ss": Step("ss -xp | grep pid={its.main},", (r"u_str .*pid=",), tool="ss"),
        },
    ),
    "spin": Case(
        "FRK109/bad",
        "spin",
        lambda its: its.run.seconds > 1.5,
        {
            "ps": Step("ps -o pid,stat,pcpu,time,args -p {its.main} --ppid {its.main}", (r" R\S* ", "<defunct>")),
            "dump": Step(DUMP, (r"\(active", r"total \(spin\.py")),
        },
    ),
    "sigterm": Case(
        "FRK501/bad",
        "deaf_child",
        lambda its: its.run.seconds > 1.5 and bool(its.others),
        {
            "ps": Step(PS, (r"do_wait +python3 deaf_child\.py",)),
            "status": Step(
                "grep -E '^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd)' /proc/{its.child}/status",
                (r"Sig(Ign|Cgt):\t[0-9a-f]{12}[4567cdef]",),
            ),
        },
    ),
    "zombie": Case(
        "FRK502/bad",
        "zombie",
        lambda its: bool(its.dead),
        {
            "ps": Step("ps -o pid,ppid,stat,etimes,args --ppid {its.main}", (r"Z\S* .*\[sleep\] <defunct>",)),
            "status": Step("grep -E '^(Name|State|PPid)' /proc/{its.dead[0]}/status", (r"State:\tZ \(zombie\)",)),
        },
    ),
    "orphan": Case(
        "FRK505/bad",
        "orphan",
        lambda its: bool(its.dead),
        {
            "dump": Step(DUMP, (r"communicate \(subprocess\.py", r"sample \(orphan\.py")),
            "ps": Step(PS, (r"poll\w* +python3 orphan\.py", r"Z .*\[sh\] <defunct>")),
            "fd": Step("ls -l /proc/{its.main}/fd", (r" -> pipe:\[\d+\]",)),
            "holders": Step(HOLDERS, (r"lr-x-", r"l-wx-.*/fd/1 ->")),
            "holder": Step("ps -o pid,ppid,pgid,stat,args -p {its.holder}", (r" 1 +\d+ S\S* +sleep 30",)),
        },
    ),
    "timer": Case(
        "FRK401/bad",
        "heartbeat",
        lambda its: its.run.seconds > 1,
        {
            "dump": Step(DUMP, (r"_shutdown \(threading\.py", r"Thread-\d+")),
            "again": Step("sleep 1; py-spy dump --pid {its.main} | grep Thread-", (r"Thread-\d+",), tool="py-spy"),
        },
    ),
    "thread": Case(
        "FRK306/bad",
        "rates",
        lambda its: its.run.seconds > 0.7,
        {
            "threads": Step("grep Threads /proc/{its.main}/status", (r"Threads:\t2",)),
            "gdb": Step(
                "gdb -p {its.main} -batch -ex 'thread apply all py-bt' 2>/dev/null",
                (r"in refresh_forever", r"_shutdown"),
                keep=r"^Thread|^Traceback|^  File|^    ",
                tool="gdb",
            ),
        },
    ),
    "shell": Case(
        "FRK509/bad",
        "backup",
        lambda its: len(its.others) == 2,
        {"before": Step(SESSION, (r"S +\d+ /bin/sh -c sleep 30", r"S +\d+ sleep 30"))},
    ),
    "shell-after": Case(
        "FRK509/bad",
        "backup",
        lambda its: its.run.seconds > 3 and its.run.main.poll() == 0,
        {"ps": Step(SESSION, (r" 1 +\d+ S\S* +\d+ sleep 30",))},
    ),
    "lock": Case(
        "FRK301/bad",
        "forked_lock",
        lambda its: its.run.seconds > 0.7 and bool(its.others),
        {
            "ps": Step(
                "ps -o pid,ppid,nlwp,stat,wchan:16,args -p {its.main} --ppid {its.main}",
                (r"do_wait +python3 forked_lock\.py", r"futex\w* +python3 forked_lock\.py"),
            ),
            "dump": Step("py-spy dump --pid {its.child}", (r"report \(forked_lock\.py",)),
            "gdb": Step(
                "gdb -p {its.child} -batch -ex py-bt 2>/dev/null",
                (r"in report", "with cache_lock"),
                keep=r"^Traceback|^  File|^    ",
                tool="gdb",
            ),
        },
    ),
    "abort": Case(
        "FRK106/bad",
        "both_write",
        lambda its: len(its.blocked) == 2,
        {
            "dump": Step(
                "kill -ABRT {its.main}; sleep 1; cat {its.errors}",
                ("Fatal Python error: Aborted", r'both_write\.py", line \d+ in filtered'),
                tool="bash",
            )
        },
    ),
    "leak": Case(
        "FRK202/bad",
        "leak",
        lambda its: bool(its.others),
        {
            "lsof": Step("lsof +E -a -p {its.child} -d 3-99", (r"sleep +\d+ .* 9w .*audit\.log",)),
            "fdinfo": Step("grep flags /proc/{its.main}/fdinfo/9", (r"flags:\t0?100001\n",)),
        },
    ),
}


#: How often one looks again at what /proc shows.
_LOOKS = 10


class Recording(NamedTuple):
    """What one step printed; `missing` says why it did not run."""

    key: str
    text: str = ""
    missing: str | None = None


def record(name: str, folder: Path) -> list[Recording]:
    """Start the program of the case called `name` in `folder`, run the steps and return what they print.

    The system's Python runs it, whose paths are those that readers know.

    Raises:
        RuntimeError: the program does not come to what the case looks at, or a step does not show what it should.
    """
    case = CASES[name]
    program = Program.read(PROGRAMS / f"{case.program}.py")
    folder.mkdir()
    with started(
        program,
        folder=folder,
        table=ProcessTable(),
        name=case.name,
        interpreter="python3",
        environment={"PATH": PATH, "PYTHONFAULTHANDLER": "1"},
    ) as run:
        its = Look(run, folder)
        while not case.settled(its):
            if run.seconds > PATIENCE:
                raise RuntimeError(f"{name}: {case.program} does not settle")
            time.sleep(0.05)
        return [_taken(f"{name}/{key}", step, its) for key, step in case.steps.items()]


def _taken(key: str, step: Step, its: Look) -> Recording:
    if step.missing:
        return Recording(key, missing=step.missing)
    command = step.command.format(its=its)
    output = _output(command)
    for _ in range(_LOOKS):  # py-spy stops the program for a moment, and its threads wait for nothing until they go on
        if "/proc/" not in command or all(re.search(pattern, output, re.MULTILINE) for pattern in step.shows):
            break
        time.sleep(0.2)
        output = _output(command)
    if "py-spy" in command and output.startswith("Error"):  # it does not know the newest Python
        return Recording(key, missing=output.splitlines()[0])
    if "py-bt" in command and "Traceback" not in output:
        return Recording(key, missing="gdb has no debug symbols of this Python")
    for pattern in step.shows:
        if not re.search(pattern, output, re.MULTILINE):
            raise RuntimeError(f"{key}: {command!r} does not show {pattern!r} but:\n{output}")
    return Recording(key, f"$ {command}\n{_shortened(output, step.keep)}")


def _output(command: str) -> str:
    """Run a shell command, for at most `LIMIT` seconds, and return what it prints."""
    process = subprocess.Popen(
        ["bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PATH": _path(), "LC_ALL": "C.UTF-8"},
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{command!r} takes longer than {LIMIT:.0f} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return output


def _shortened(output: str, keep: str) -> str:
    lines: list[str] = []
    for line in output.splitlines():
        if re.search(keep, line):
            lines.append(line.rstrip())
        elif lines[-1:] != ["..."]:
            lines.append("...")
    return "".join(f"{line}\n" for line in lines)
