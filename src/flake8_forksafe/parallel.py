"""Inspects many files in several processes.

`concurrent.futures` would do but for two things: its processes wait for ever when their parent is killed, for each
holds the write end of the queue it reads from, and one that dies takes the whole pool with it. Here each process has a
pipe of its own whose other end only the parent holds: a process ends when the parent does, and of a process that dies
the parent knows which files it was at.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from flake8_forksafe.inspection import Inspection
from flake8_forksafe.reporting.outcome import Outcome
from flake8_forksafe.signals import exit_at_signal

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from flake8_forksafe.discovery import Target

_SMALLEST, _LARGEST = 32_000, 500_000
#: Seconds that a process is given to finish the file it is at.
_GRACE = 10.0


def inspect(inspection: Inspection, targets: Sequence[Target], jobs: int) -> Iterator[Outcome]:
    """Yield what becomes of each of `targets`, in any order, using `jobs` processes.

    A process that dies (out of memory, a crash of the interpreter) costs only the file it died of.
    """
    suspects: list[str] = []
    yield from _run(inspection, deque(_chunks(targets, jobs)), jobs, suspects)
    alone: list[str] = []
    yield from _run(inspection, deque([path] for path in suspects), 1, alone)
    for path in alone:
        yield Outcome(path, problem="the process that checked it died (out of memory?)")


def _chunks(targets: Sequence[Target], jobs: int) -> Iterator[list[str]]:
    """Yield the paths in portions of about as many bytes each; many per process, so that none waits long at the end."""
    size = min(max(sum(target.size for target in targets) // (jobs * 8), _SMALLEST), _LARGEST)
    chunk: list[str] = []
    filled = 0
    for target in targets:
        chunk.append(target.path)
        filled += target.size
        if filled >= size:
            yield chunk
            chunk, filled = [], 0
    if chunk:
        yield chunk


def _run(inspection: Inspection, chunks: deque[list[str]], jobs: int, lost: list[str]) -> Iterator[Outcome]:
    """Inspect `chunks`; the files of a process that died are added to `lost`, and another takes its place."""
    workers: dict[Connection, tuple[BaseProcess, list[str]]] = {}
    try:
        for _ in range(min(jobs, len(chunks))):
            _start(inspection, chunks, workers)
        while workers:
            for ready in wait(list(workers)):
                assert isinstance(ready, Connection)
                process, chunk = workers[ready]
                try:
                    outcomes = ready.recv()
                except (EOFError, OSError):
                    _end(ready, process)
                    del workers[ready]
                    lost += chunk
                    if chunks:
                        _start(inspection, chunks, workers)
                    continue
                if chunks:
                    workers[ready] = process, chunks.popleft()
                    with suppress(OSError):  # the next recv says so
                        ready.send(workers[ready][1])
                else:
                    del workers[ready]
                    _end(ready, process)
                yield from outcomes
    finally:
        for connection in workers:
            connection.close()
        for connection, (process, _) in workers.items():
            _end(connection, process)


def _start(
    inspection: Inspection, chunks: deque[list[str]], workers: dict[Connection, tuple[BaseProcess, list[str]]]
) -> None:
    context = multiprocessing.get_context("spawn")  # the caller may have threads
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, inspection))
    with _interrupts_held(), _folder_off_the_import_path():
        process.start()
    theirs.close()
    chunk = chunks.popleft()
    workers[ours] = process, chunk
    with suppress(OSError):
        ours.send(chunk)


def _end(connection: Connection, process: BaseProcess) -> None:
    connection.close()
    process.join(_GRACE)
    if process.is_alive():
        process.kill()  # a file is written by one rename, so it is whole even now
        process.join()


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


def _serve(connection: Connection, inspection: Inspection) -> None:
    """Inspect the files that come through `connection` until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, exit_at_signal)
    with suppress(EOFError, OSError):
        while True:
            outcomes = []
            for path in connection.recv():
                if connection.poll():  # nothing is sent meanwhile: the parent has gone
                    return
                outcomes.append(inspection.file(path))
            connection.send(outcomes)
