"""A multiprocessing child that is forked in a module that starts threads.

## What it does
Reports the constructor of a multiprocessing `Process` (a subclass too), `Pool` or `Manager`, or of a
`ProcessPoolExecutor`, whose processes are made by fork, in a module that also starts a thread (see FRK301 for what
starts one). Fork is the start method when the code asks for it (`get_context("fork")`, `set_start_method("fork")`,
`ForkProcess`), and by default if the project supports a Python below 3.14. The message names the line on which the
thread is started.

It is silent with a spawn or forkserver context (`mp_context=` too), when the module sets another start method or one
that cannot be seen, and where the code shows that the processes are started before the first thread, or that thread
and process stand on branches that exclude each other. A `Process` forks at `start()`, an executor at its first
`submit()`.

## What happens at run time
```sequence
title: The worker waits for a lock whose holder was not copied.
thread main: Main thread
process worker: Worker
lock lock: Lock of the log stream
thread monitor: Monitor thread
monitor -> lock: writes a line
main starts worker: Process.start(), by fork
note lock: copied as taken
monitor -x lock: release: in the parent only
worker waits for lock: its first line of output
main waits for worker: join(), map(), result()
end: The thread that would release the lock does not exist in the worker. Neither ever goes on.
```

1. The monitor thread takes a lock: its own, that of a queue, of an import under way, of the stream its log goes to.
2. The main thread starts a `Process`. Fork copies the memory with that lock taken, but not the monitor thread.
3. The child's own code, often just its first import or its first line of output, needs the lock and waits for ever.
4. `join()`, `pool.map()` or `future.result()` in the parent waits for the child.

A fork-context `ProcessPoolExecutor` beside four logging threads hung in 8 to 15 of 60 runs; with spawn and forkserver
in none. A `Popen` in the monitor thread stalled in 34 to 40 of 162 to 300 starts beside a multiprocessing fork every
10 ms, because the forked child holds the pipes that `Popen` has just made. Python 3.14 made forkserver the default on
Linux for this reason.

## Example
```python
import multiprocessing
import threading

from agent import probe_forever, run


class Agent:
    def start(self) -> None:
        threading.Thread(target=probe_forever, daemon=True).start()

    def run_job(self, name: str) -> None:
        worker = multiprocessing.Process(target=run, args=(name,))
        worker.start()
        worker.join()
```

```python
import threading
from concurrent.futures import ProcessPoolExecutor

from hashing import digest, report_progress


def digests(paths: list[str]) -> list[str]:
    threading.Thread(target=report_progress, daemon=True).start()
    with ProcessPoolExecutor() as executor:
        return list(executor.map(digest, paths))
```

## Use instead
```python
import multiprocessing
import threading

from agent import probe_forever, run

_SPAWN = multiprocessing.get_context("spawn")


class Agent:
    def start(self) -> None:
        threading.Thread(target=probe_forever, daemon=True).start()

    def run_job(self, name: str) -> None:
        worker = _SPAWN.Process(target=run, args=(name,))
        worker.start()
        worker.join()
```

```python
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor

from hashing import digest, report_progress


def digests(paths: list[str]) -> list[str]:
    threading.Thread(target=report_progress, daemon=True).start()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as executor:
        return list(executor.map(digest, paths))
```

## Fix safety
The fix is unsafe: a spawned child starts slower, imports the main module anew and has nothing of its parent's memory.
It writes `get_context("spawn")`, `mp_context=`, or changes `"fork"` to `"spawn"` where the code asks for fork. There is
none where the target is not a plain function at the top level of a module (a lambda, a nested function and a bound
method cannot be pickled, or bring their object along), where it reads globals that are more than constants, where an
argument is or may be a lock, queue, pipe, descriptor or open file, for subclasses of Process, for pools whose work is
out of sight, and in a script that starts the process at import without a main guard.

## When it is fine to ignore
When all threads have been joined before the first process starts, or are started only after the last one has.

## What it cannot see
- Threads that libraries start. Those of other modules of the project, and `set_start_method` there, are seen by
  `forksafe --program` only.
- A context that a caller out of sight passes in.
- That a thread has ended before the fork. Two methods that only other modules call are taken to be called in either
  order.

## References
- [Contexts and start methods](https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods)
- [`ProcessPoolExecutor`](https://docs.python.org/3/library/concurrent.futures.html#processpoolexecutor), `mp_context`
- [gh-84559](https://github.com/python/cpython/issues/84559): forkserver as the default of 3.14
- [bpo-6721](https://github.com/python/cpython/issues/50970): locks held at the fork
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.multiprocessing import StartMethod

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each constructor whose forked processes may be started after a thread."""
    for process in module.threads.processes:
        if process.method is not StartMethod.FORK:
            continue
        start = module.threads.thread_before(process.runs)
        if start is None:
            continue
        text = message(process.what, f"line {start.place.span.line}", explicit=process.explicit)
        fix = fixes.start_methods.spawned(module, process)
        yield Finding(RULE.code, Span.of(process.made.site), text, (start.place,), fix)


def message(what: str, where: str, how: str = "", *, explicit: bool) -> str:
    """What is said of `what` if a thread is started at `where`; `how` tells what leads from the one to the other."""
    why = "is forked" if explicit else "is forked (the default below Python 3.14)"
    return (
        f"this {what} {why}, and {where} starts a thread{how}: a lock held by that one "
        f'stays locked in the child, which hangs; use multiprocessing.get_context("spawn")'
    )


RULE = Rule(
    "FRK302",
    "multiprocessing-fork-in-threaded-module",
    triggers=(
        ("multiprocess", "billiard", "concurrent"),
        (*words.PROCESS_TEXTS, "ProcessPoolExecutor"),
        ("Process", "Pool", "Manager"),
        words.THREAD_TEXTS,
    ),
    names=(words.MULTIPROCESSING, words.PROCESS_MODULES, words.THREAD, words.THREAD_MODULES),
    makers=words.MULTIPROCESSING | words.THREAD | words.FORK,
    settlers=words.START_METHOD | words.EXIT,
    check=check,
)
