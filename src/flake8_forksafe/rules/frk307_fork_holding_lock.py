"""A fork while this thread holds a lock that the child will wait for.

## What it does
Reports `os.fork()`, the `start()` of a Process that is forked, and a `Popen` with a `preexec_fn`, inside `with lock:`
or between `lock.acquire()` and `lock.release()`, when what the child runs acquires the same lock, or gives the lock or
the object that has it to code out of sight. Locks are `Lock`, a `Semaphore` of one and a `Condition` over a plain
`Lock`, of threading or multiprocessing; a multiprocessing lock counts if the parent waits for the child while it holds
it.

Silent is the rule for an `RLock` and a `Condition()`, which the forking thread owns in the child too, for a child that
releases the lock first, for file locks, for a plain `Popen`, for spawn and forkserver, and in a module that has
`os.register_at_fork(after_in_child=...)` make its locks anew.

## What happens at run time
```sequence
title: The child waits for a lock that was taken by its own copy of the thread.
thread parent: Parent
lock lock: threading.Lock
process child: Child
parent -> lock: with lock:
parent starts child: Process.start(), by fork
note lock: copied as taken
parent -x lock: release(): in the parent only
child waits for lock: with lock:
parent waits for child: join()
end: Nobody can release the child's copy. It happens on every run, and no second thread is needed.
```

1. The thread acquires the lock and forks.
2. The child gets a copy of the memory: the lock is taken in it. A `threading.Lock` knows no owner, so nothing tells the
   child that the holder is itself.
3. The parent releases its own lock, not the copy.
4. The child calls `acquire()` and waits for ever. A parent that joins or reaps it hangs as well.

It happens on every run that comes there; no second thread is needed. A lock of multiprocessing is shared instead of
copied: the child waits until the parent releases it, and if the parent waits for the child first, neither goes on.

## Example
```python
import multiprocessing
import threading

from exporter import export

_lock = threading.Lock()


def _export(target: str) -> None:
    with _lock:
        export(target)


def export_all(targets: list[str]) -> None:
    with _lock:
        workers = [multiprocessing.Process(target=_export, args=(target,)) for target in targets]
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join()
```

## Use instead
```python
import multiprocessing
import threading

from exporter import export

_lock = threading.Lock()


def _export(target: str) -> None:
    with _lock:
        export(target)


def export_all(targets: list[str]) -> None:
    with _lock:
        workers = [multiprocessing.Process(target=_export, args=(target,)) for target in targets]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
```

## Fix safety
There is no automatic fix yet. A fix has to move the fork behind the release, and what the lock protects may change
between the two.

## When it is fine to ignore
When the lock is taken on purpose so that no *other* thread holds it at the fork, and the child makes it anew.

## What it cannot see
- A lock that code of another file takes in the child.
- A lock that another thread holds at the fork: FRK301 and FRK302 report the fork itself.

## References
- [`threading.Lock`](https://docs.python.org/3/library/threading.html#lock-objects): a lock is not owned by a thread
- [`os.register_at_fork`](https://docs.python.org/3/library/os.html#os.register_at_fork)
- [bpo-6721](https://github.com/python/cpython/issues/50970): locks in the standard library should be sanitized on fork
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each fork under a lock once."""
    from flake8_forksafe.model.events import EventKind
    from flake8_forksafe.model.values import ResourceKind

    for locked in module.forks.locks.locked_forks:
        match locked.fork.kind:
            case EventKind.FORK | EventKind.CALL:
                what = "this fork"
            case EventKind.START:
                what = "the fork of this process"
            case _:
                what = "the fork of this Popen"
        lock = locked.acquired.name
        shared = locked.acquired.lock.kind is ResourceKind.PROCESS_LOCK
        stuck = "while the parent waits for the child" if shared else "where nobody will release it"
        message = (
            f"{what} happens while {lock} is held (line {locked.acquired.site.lineno}), and the child waits "
            f"for it (line {locked.wanted.lineno}), {stuck}; fork after {lock} is released"
        )
        yield Finding(RULE.code, Span.of(locked.fork.site), message, locked.places)


RULE = Rule(
    "FRK307",
    "fork-holding-lock",
    triggers=(
        ("fork", "multiprocess", "billiard", "concurrent", "preexec_fn"),
        (
            *words.FORK_TEXTS,
            *words.PROCESS_TEXTS,
            "ProcessPoolExecutor",
            "preexec_fn",
        ),
        ("Lock", "Semaphore", "Condition", "lock("),
    ),
    names=(words.MULTIPROCESSING | words.FORK | {"preexec_fn"}, words.LOCK),
    makers=words.MULTIPROCESSING | words.FORK | words.LOCK | {"preexec_fn"},
    settlers=words.START_METHOD | words.EXIT,
    check=check,
)
