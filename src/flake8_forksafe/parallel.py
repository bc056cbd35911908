"""Inspects many files in several processes.

`concurrent.futures` would do but for two things: its processes wait for ever when their parent is killed, for each
holds the write end of the queue it reads from, and one that dies takes the whole pool with it. Here each process has a
pipe of its own whose other end only the parent holds: a process ends when the parent does, and of a process that dies
the parent knows which files it was at. The parent reads every file first: most hold no hazard by the look of their
bytes, and no process has to hear of those.

A process needs a tenth of a second until it has imported the analysis, and the search for the files of a large project
takes longer than that: the processes are started when the first files are found, and get those while the others are
still searched.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.inspection import Inspection, collect_seldom, load
from flake8_forksafe.reporting.outcome import Outcome
from flake8_forksafe.signals import exit_at_signal

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from flake8_forksafe.discovery import Target

#: Bytes of the smallest and of the largest portion of files that a process is given.
_SMALLEST, _LARGEST = 32_000, 500_000
#: How many portions of the size of the next one each process would have had by then.
_PORTIONS = 8
#: Seconds that a process is given to finish the file it is at.
_GRACE = 10.0


class Worker(NamedTuple):
    """A process that waits for what it is to inspect, and the pipe to it."""

    connection: Connection
    process: BaseProcess


def start() -> Worker:
    """Start a process that imports the analysis, and then waits for an `Inspection` and for paths."""
    context = multiprocessing.get_context("spawn")  # the caller may have threads
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,))
    with _interrupts_held(), _folder_off_the_import_path(), _program_left_out():
        process.start()
    theirs.close()
    return Worker(ours, process)


def dismiss(workers: Iterable[Worker]) -> None:
    """End `workers`, each after the file it is at."""
    workers = list(workers)
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        worker.process.join(_GRACE)
        if worker.process.is_alive():
            worker.process.kill()  # a file is written by one rename, so it is whole even now
            worker.process.join()


def inspect(inspection: Inspection, targets: Iterable[Target], jobs: int, idle: list[Worker]) -> Iterator[Outcome]:
    """Yield what becomes of each of `targets`, in any order, using `jobs` processes.

    A process that dies (out of memory, a crash of the interpreter) costs only the file it died of.

    Arguments:
        inspection: what is done with each file.
        targets: the files, which may still be searched.
        jobs: the number of processes.
        idle: processes that have nothing to do; they are used first, and those that live at the end are added. The
            caller dismisses them.
    """
    settled: list[Outcome] = []
    suspects: list[str] = []
    for outcomes in _run(inspection, _chunks(_unsettled(inspection, targets, settled), jobs), jobs, suspects, idle):
        yield from outcomes
        yield from settled
        settled.clear()
    yield from settled
    alone: list[str] = []
    for outcomes in _run(inspection, iter([path] for path in suspects), 1, alone, idle):
        yield from outcomes
    for path in alone:
        yield Outcome(path, problem="the process that checked it died (out of memory?)")


def _unsettled(inspection: Inspection, targets: Iterable[Target], settled: list[Outcome]) -> Iterator[Target]:
    """Yield those of `targets` for which a look at their bytes is not enough; what becomes of the others is added."""
    for target in targets:
        outcome = inspection.at_sight(target)
        if outcome is None:
            yield target
        else:
            settled.append(outcome)


def _chunks(targets: Iterable[Target], jobs: int) -> Iterator[list[str]]:
    """Yield the paths in portions for `jobs` processes.

    They are small at first, so that each process soon has something to do, and grow with what has come by then, but
    never so far that one process has much left when the others are done.
    """
    chunk: list[str] = []
    filled, passed = 0, 0
    for target in targets:
        chunk.append(target.path)
        filled += target.size
        passed += target.size
        if filled >= min(max(passed // (jobs * _PORTIONS), _SMALLEST), _LARGEST):
            yield chunk
            chunk, filled = [], 0
    if chunk:
        yield chunk


def _run(
    inspection: Inspection, chunks: Iterator[list[str]], jobs: int, lost: list[str], idle: list[Worker]
) -> Iterator[Sequence[Outcome]]:
    """Inspect `chunks`; the files of a process that died are added to `lost`, and another takes its place.

    As long as no process has an answer, more chunks are made: there is always one for a process that is done.
    """
    busy: dict[Connection, tuple[Worker, list[str]]] = {}
    waiting: deque[list[str]] = deque()
    all_made = False
    try:
        while busy or waiting or not all_made:
            while waiting and len(busy) < jobs:
                worker = idle.pop() if idle else start()
                busy[worker.connection] = worker, waiting.popleft()
                with suppress(OSError):  # the next recv says so
                    worker.connection.send(inspection)
                    worker.connection.send(busy[worker.connection][1])
            answers = wait(list(busy), None if all_made else 0)
            if not answers:
                chunk = next(chunks, None)
                if chunk is None:
                    all_made = True
                else:
                    waiting.append(chunk)
            for connection in answers:
                assert isinstance(connection, Connection)
                worker, chunk = busy.pop(connection)
                try:
                    outcomes = connection.recv()
                except (EOFError, OSError):
                    lost += chunk
                    outcomes = ()
                    dismiss([worker])
                else:
                    if waiting:
                        busy[connection] = worker, waiting.popleft()
                        with suppress(OSError):  # the next recv says so
                            connection.send(busy[connection][1])
                    else:
                        idle.append(worker)
                yield outcomes
    finally:
        dismiss(worker for worker, _ in busy.values())


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C go by while a process starts: it inherits that, so only the parent ever speaks of the interruption."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _folder_off_the_import_path() -> Iterator[None]:
    """Let a process that starts import nothing from the current folder, for that is the code which is inspected.

    multiprocessing starts its processes by `python -c`, which searches the current folder first; see PYTHONSAFEPATH in
    https://docs.python.org/3/using/cmdline.html.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextmanager
def _program_left_out() -> Iterator[None]:
    """Let a process that starts not import the program again that this process runs, for it needs nothing of it.

    See the safe importing of the main module in
    https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _work(connection: Connection) -> None:
    """Be a worker until the other end of `connection` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, exit_at_signal)
    collect_seldom()
    load()
    with suppress(EOFError, OSError):
        _serve(connection)
    os._exit(0)  # there is nothing left to say or to write, and to free all objects one by one takes its time


def _serve(connection: Connection) -> None:
    """Inspect the files that come through `connection`, as the `Inspection` says that came last."""
    inspection: Inspection | None = None
    while True:
        message = connection.recv()
        if isinstance(message, Inspection):
            inspection = message
            continue
        assert inspection is not None
        outcomes = []
        for path in message:
            if connection.poll():  # nothing is sent meanwhile: the parent has gone
                return
            outcomes.append(inspection.file(path))
        connection.send(outcomes)
