"""A fork in a module that starts threads.

## What it does
Reports each `os.fork()`, `os.forkpty()` and `pty.fork()` in a module that also starts a thread: `threading.Thread` or
a subclass, `threading.Timer`, work submitted to a `ThreadPoolExecutor` or `ThreadPool`, `_thread.start_new_thread`,
`asyncio.to_thread`, `loop.run_in_executor(None, ...)`, or a callable named in the settings as a thread starter. The
message names the line on which the thread is started.

It is silent where the code shows that the fork comes before the first thread start, that thread and fork stand on
branches that exclude each other, that only the child starts threads, or that the child does nothing but arrange its
descriptors, session and signals and then execs or ends.

## What happens at run time
```sequence
title: The child waits for a lock whose holder was not copied.
thread main: Main thread
process child: Child
lock lock: Lock
thread other: Other thread
other -> lock: acquire()
main starts child: os.fork()
note lock: copied as taken
other -x lock: release(): in the parent only
child waits for lock: acquire(), import, print, put
main waits for child: waitpid()
end: The thread that would release the lock does not exist in the child. Neither ever goes on.
```

1. A thread takes a lock: its own, that of a queue, the import lock of a module, the buffer lock of the stream it
   prints to.
2. Another thread calls `fork()`. The child is a copy of the whole memory, with one thread: the one that called. The
   lock is copied as taken, and the thread that would release it does not exist there.
3. The child needs the lock: it imports, prints, puts something on the queue, submits to the executor. It waits for
   ever.
4. The parent waits for the child.

How often depends on how busy the threads are. A forked child that prints while another thread does hung 35 to 50
times in 50 in a tight loop and 2 times in 300 at a thousand lines a second. A `Popen` beside another thread's fork
that does not exec stalled in 1 to 13 of 150 starts, with `close_fds=True` too: the forked child keeps the pipe open
that `Popen` reads. Since 3.12 Python warns of such a fork with DeprecationWarning, but only at run time and if a
thread is running.

## Example
```python
import os
import threading

from store import dump, expire_forever


class Cache:
    def start(self) -> None:
        threading.Thread(target=expire_forever, daemon=True).start()

    def save(self, path: str) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                dump(path)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
```

## Use instead
A new interpreter, which inherits no locks:

```python
import multiprocessing
import threading

from store import dump, expire_forever


class Cache:
    def start(self) -> None:
        threading.Thread(target=expire_forever, daemon=True).start()

    def save(self, path: str) -> None:
        saver = multiprocessing.get_context("spawn").Process(target=dump, args=(path,))
        saver.start()
        saver.join()
```

Or the fork first, the threads after it:

```python
import os
import threading

from store import expire_forever, serve


def daemonize() -> None:
    if os.fork() > 0:
        os._exit(0)
    os.setsid()


def main() -> None:
    daemonize()
    threading.Thread(target=expire_forever, daemon=True).start()
    serve()


if __name__ == "__main__":
    main()
```

## Fix safety
There is no automatic fix yet. A fix must mind that a spawned child sees none of the parent's changes to global state,
and that its target and arguments must be picklable.

## When it is fine to ignore
When each thread has been joined before the fork, or when every lock that the child may need is re-initialised in it
by `os.register_at_fork`.

## What it cannot see
- Threads that a library or the interpreter's embedder starts; those of other modules of the project are seen by
  `forksafe --program` only.
- That a thread has ended before the fork.
- The order of two functions that only other modules call. It takes them to be called in either order, and a method to
  be called once for each object.

## References
- [`os.fork`](https://docs.python.org/3/library/os.html#os.fork), with the warning about threads, and
  [`os.register_at_fork`](https://docs.python.org/3/library/os.html#os.register_at_fork)
- [bpo-6721](https://github.com/python/cpython/issues/50970): locks held at the fork
- [gh-100228](https://github.com/python/cpython/issues/100228): the DeprecationWarning of 3.12
- [fork in POSIX](https://pubs.opengroup.org/onlinepubs/9799919799/functions/fork.html): the child has one thread
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.events import Event
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each fork that may run after a thread start and whose child runs Python code."""
    for fork in module.threads.forks:
        start = module.threads.thread_before([fork])
        if start is None or module.threads.execs_at_once(fork):
            continue
        text = message(_name(fork), f"line {start.place.span.line}")
        yield Finding(RULE.code, Span.of(fork.site), text, (start.place,))


def message(fork: str, where: str, how: str = "") -> str:
    """What is said of a fork after a thread start that stands at `where`; `how` tells what leads to it."""
    return (
        f"{fork}() copies only the thread that calls it, and {where} starts another{how}: a "
        f"lock held by that one stays locked in the child, which hangs; use subprocess or a spawn context"
    )


def _name(fork: Event) -> str:
    from flake8_forksafe.model.values import External

    assert isinstance(fork.subject, External)
    return fork.subject.name


RULE = Rule(
    "FRK301",
    "fork-in-threaded-module",
    triggers=(
        ("fork",),
        words.FORK_TEXTS,
        words.THREAD_TEXTS,
    ),
    names=(words.FORK, words.FORK_MODULES, words.THREAD, words.THREAD_MODULES),
    makers=words.FORK | words.THREAD,
    settlers=words.EXIT,
    check=check,
)
