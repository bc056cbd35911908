"""A fork inside a coroutine.

## What it does
Reports, inside `async def`, each `os.fork()`, `os.forkpty()` and `pty.fork()`, and each multiprocessing `Process`,
`Pool`, `Manager` or `ProcessPoolExecutor` whose processes are made by fork: asked for, or by default if the project
supports a Python below 3.14. Spawn and forkserver contexts are fine.

## What happens at run time
```sequence
title: SIGTERM to the child ends up in the event loop of the parent.
process parent: Parent, in a coroutine
object loop: The parent's event loop
process child: Child
note loop: has a handler for SIGTERM
parent starts child: os.fork(): inherits handler and wakeup fd
parent -> child: SIGTERM
child -> loop: the signal, through the shared wakeup fd
note loop: runs the handler in the parent
child remains: runs on, SIGTERM had no effect
parent waits for child: waitpid(), join()
end: The signal never reaches the child's own code. The parent waits for ever.
```

1. A coroutine runs while its event loop does. The fork copies the loop in the middle of its work: the selector (an
   epoll descriptor that parent and child then share), the self-pipe, the callbacks that are due, the signal wakeup
   descriptor.
2. In the child the loop still counts as running. `asyncio.run()` there raises RuntimeError, or, where the code resets
   that, registers descriptors in an epoll object that is also the parent's.
3. A signal that reaches the child is written to the wakeup descriptor, which is the parent's: `terminate()` on the
   worker then wakes the parent's loop and has no effect on the child. A `join()` after it waits for ever.
4. The loop's default executor and any `to_thread` call have started threads. A lock that one of them holds stays
   taken in the child for ever: a fork-context executor beside four logging threads hung in 8 to 15 of 60 runs, with
   spawn in none.

## Example
```python
import asyncio
import os

from reports import write_report


async def write_in_child(path: str) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            write_report(path)
        finally:
            os._exit(0)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        await asyncio.sleep(0.1)
```

```python
import asyncio
from concurrent.futures import ProcessPoolExecutor

from hashing import digest


async def digests(paths: list[str]) -> list[str]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor() as executor:
        return await asyncio.gather(*(loop.run_in_executor(executor, digest, path) for path in paths))
```

## Use instead
```python
import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from hashing import digest


async def digests(paths: list[str]) -> list[str]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as executor:
        return await asyncio.gather(*(loop.run_in_executor(executor, digest, path) for path in paths))
```

## Fix safety
There is no automatic fix yet. A fix must mind that spawn needs picklable targets and arguments and a `__main__`
guard.

## When it is fine to ignore
When the child does nothing but exec, and the parent's loop has no signal handlers.

## What it cannot see
- A plain function that forks and that a coroutine calls.
- A context that a caller out of sight passes in.
- `set_start_method` in the program that imports the module.

## References
- [asyncio, concurrency and multithreading](https://docs.python.org/3/library/asyncio-dev.html#concurrency-and-multithreading)
- [Contexts and start methods](https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods)
- [`signal.set_wakeup_fd`](https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd)
- [gh-66285](https://github.com/python/cpython/issues/66285): asyncio and fork
- [gh-84559](https://github.com/python/cpython/issues/84559): forkserver as the default of 3.14
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
    """Report each fork, and each multiprocessing child that is forked, inside `async def`."""
    for event, what in module.threads.forks_in_coroutines:
        message = (
            f"{what} in a coroutine copies the running event loop: child and parent share its selector and its signal "
            f'wakeup descriptor; use multiprocessing.get_context("spawn"), or fork before the loop runs'
        )
        yield Finding(RULE.code, Span.of(event.site), message)


RULE = Rule(
    "FRK308",
    "fork-in-event-loop",
    triggers=(
        ("fork", "multiprocess", "billiard", "concurrent"),
        ("async def",),
        (
            *words.FORK_TEXTS,
            *words.PROCESS_TEXTS,
            "ProcessPoolExecutor",
        ),
        ("fork", "Process", "Pool", "Manager"),
    ),
    names=(words.MULTIPROCESSING | words.FORK, words.PROCESS_MODULES | words.FORK),
    makers=words.MULTIPROCESSING | words.FORK,
    settlers=words.START_METHOD | words.EXIT,
    check=check,
)
