"""A process or a pool of processes started while the module is imported.

## What it does
Reports a multiprocessing `Process` that is started, and a `Pool`, a `Manager` or a used `ProcessPoolExecutor` that is
made, by the top level of a module or a class body, with no `if __name__ == "__main__"` around it. The report stands
at `start()` for a Process, else at the constructor. An explicit fork context is left alone: its children import
nothing.

## What happens at run time
```sequence
title: Every worker dies in the import that is to prepare it, and the pool replaces it.
process main: Main program
process one: Worker
process two: Next worker
note main: Pool(4) at the top level
main starts one: spawn
note one: imports the main module: Pool(4) again
one ends: RuntimeError
main starts two: the pool replaces it
note two: imports the main module
two ends: RuntimeError
main waits for two: map(), until a worker answers
end: Workers are started and die for ever. map() never returns.
```

1. With the start methods spawn (the default on macOS and Windows) and forkserver (the default on Linux from 3.14 on),
   the child is a new interpreter. To find its target it imports the program's main module again.
2. That import comes to the same line and starts a child of its own, before the first one has done anything.
3. multiprocessing notices part of this and raises RuntimeError in the child. A `Pool` replaces each worker that dies,
   so the parent starts dying workers for ever and `map()` never returns. With forkserver the parent gets a
   ConnectionResetError on 3.13 and 3.14 and is in for a storm of workers on 3.15.

With fork none of this happens, which is why the mistake stays hidden until the program runs on another platform or
Python. Even then, every importer (a test run, a linter, a documentation build) pays for processes it did not ask for.

## Example
```python
import multiprocessing

from thumbnails import make_thumbnail

POOL = multiprocessing.Pool(4)


def make_all(paths: list[str]) -> list[str]:
    return POOL.map(make_thumbnail, paths)
```

## Use instead
```python
import multiprocessing

from thumbnails import make_thumbnail


def make_all(paths: list[str]) -> list[str]:
    with multiprocessing.Pool(4) as pool:
        return pool.map(make_thumbnail, paths)


if __name__ == "__main__":
    make_all(["a.png", "b.png"])
```

## Fix safety
The fix puts everything from the making of the process to the end of the file under a main guard. It is unsafe, since
importing the module does not run that code any more, and it is made only in scripts: files that begin with `#!`, are
named `__main__.py`, or wait at import for the process that they start and leave no names to importers. There is none
where a function, class or import comes behind. Elsewhere the start must be moved into a function, and a place must be
found that calls it.

## When it is fine to ignore
In a file that is never the main module and never imported in a child, on a system where the start method is always
fork.

## What it cannot see
- A function of the module that is called at import and starts the process itself.
- A guard other than a test of `__name__`.

## References
- [The spawn and forkserver start
  methods](https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods), "Safe
  importing of main module"
- [`ProcessPoolExecutor`](https://docs.python.org/3/library/concurrent.futures.html#processpoolexecutor): the workers
  must be able to import the main module
- [gh-84559](https://github.com/python/cpython/issues/84559): forkserver as the default of 3.14
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.prefilter import may_start_made_process_at_import, may_start_process_at_import
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each process started, and each pool made, at import without a main guard."""
    from flake8_forksafe.model.events import EventKind

    for process in module.threads.started_at_import:
        event = process.runs[0] if process.runs[0].kind is EventKind.START else process.made
        message = (
            f"importing this module starts a {process.what}: a child made by spawn or forkserver imports it again, "
            f'and fails or starts children of its own; start it in a function or under if __name__ == "__main__"'
        )
        yield Finding(RULE.code, Span.of(event.site), message, fix=fixes.main_guard.guard_process(module, process))


RULE = Rule(
    "FRK305",
    "import-time-process",
    triggers=(
        ("multiprocess", "billiard", "concurrent"),
        (*words.PROCESS_TEXTS, "ProcessPoolExecutor"),
        (".start", "Pool", "Manager", "Executor"),
    ),
    names=(words.MULTIPROCESSING, words.PROCESS_MODULES),
    makers=words.MULTIPROCESSING,
    settlers=words.START_METHOD,
    check=check,
    possible=may_start_process_at_import,
    plausible=may_start_made_process_at_import,
)
