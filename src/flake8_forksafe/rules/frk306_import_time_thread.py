"""A thread started while the module is imported.

## What it does
Reports the start of a `threading.Thread` (a subclass too) or `threading.Timer` by the top level of a module or by a
class body, with no `if __name__ == "__main__"` around it. Programs are left alone: files whose first line is `#!` and
files named `__main__.py`. So are thread pools, which start no thread before their first task.

## What happens at run time
```sequence
title: The import waits for the thread, and the thread for the import.
thread importer: Importing thread
lock lock: Import lock of the module
thread new: New thread
importer -> lock: import module
importer starts new: start() at the top level
new waits for lock: imports a name out of the module
importer waits for new: join(), or for its first result
end: The import ends after the join. Neither ever goes on, nor does anybody who imports the module.
```

1. Everybody who imports the module gets the thread: the program, the test runner, a linter plugin, a worker process
   that multiprocessing has just spawned.
2. The importing thread still holds the lock of the module it imports. If the new thread imports that module, or a
   name out of it, it waits for the import to end; if the importing code waits for the thread, both wait for ever.
3. The process has a second thread before `main()` begins. Each later `os.fork()` and each forked multiprocessing
   child can copy a lock that this thread holds and that nobody will release in the child (FRK301, FRK302). A
   pre-forking server that imports the application first forks workers in which the thread does not exist at all.
4. A thread that is no daemon keeps the interpreter alive: a program that only imported the module never ends.

## Example
```python
import threading

from metrics import report_forever

_reporter = threading.Thread(target=report_forever, daemon=True)
_reporter.start()
```

## Use instead
```python
import threading

from metrics import report_forever

_reporter = threading.Thread(target=report_forever, daemon=True)


def start_reporting() -> None:
    if not _reporter.is_alive():
        _reporter.start()
```

## Fix safety
The fix puts everything from the making of the thread to the end of the file under a main guard. It is unsafe, since
importing the module does not run that code any more, and it is made only where the file is a script by what it does: it
joins the thread at import and leaves no names to importers. Elsewhere the start must be moved into a function, and a
place must be found that calls it.

## When it is fine to ignore
In a script that is never imported but has neither a shebang nor a guard.

## What it cannot see
- A function of the module that is called at import and starts the thread itself.
- That a file without a shebang is only ever run, never imported.

## References
- [`threading.Thread`](https://docs.python.org/3/library/threading.html#thread-objects): the program exits when
  only daemon threads are left
- [The import system](https://docs.python.org/3/reference/import.html)
- [`os.fork`](https://docs.python.org/3/library/os.html#os.fork), with the warning about threads
- [gh-125037](https://github.com/python/cpython/issues/125037): a thread that is joined at import and imports, too
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.prefilter import may_start_thread_at_import
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each Thread and Timer that the top level of an importable module starts."""
    if module.context.is_script:
        return
    for start in module.threads.starts:
        if not start.noun or start.event.concurrent or not module.context.at_import(start.event):
            continue
        message = (
            f"importing this module starts a {start.noun}, which may wait for the import lock and makes each "
            f"later fork of the program unsafe; start it in a function that the program calls"
        )
        yield Finding(RULE.code, Span.of(start.event.site), message, fix=fixes.main_guard.guard_thread(module, start))


RULE = Rule(
    "FRK306",
    "import-time-thread",
    triggers=(
        ("hread", "billiard"),
        ("threading", "_thread", "Thread", "Timer", "billiard"),
        (".start", "start_new_thread"),
    ),
    names=(words.ALARM | words.STARTING_THREAD - {"start"}, words.THREAD_MODULES, words.STARTING_THREAD),
    makers=words.ALARM | words.STARTING_THREAD - {"start"},
    check=check,
    possible=may_start_thread_at_import,
)
