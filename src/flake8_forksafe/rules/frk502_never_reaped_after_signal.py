"""A child that is signalled to end and never waited for.

## What it does
Reports the last signal that is meant to end a child (SIGTERM, SIGKILL, SIGINT, SIGQUIT or SIGABRT, by whatever means)
when a path leads from there to the end of all functions in sight and nothing on it reaps the child, and no other
function of the module does.

Reaping is `wait()`, `communicate()`, `poll()`, leaving `with Popen(...)`, `os.waitpid()` on the pid, or passing the
bound `wait` on; for multiprocessing `join()`, `is_alive()`, `exitcode`, `close()` and `active_children()`. A
`wait(timeout)` that timed out before the signal does not count. Silent is the rule when the handle has been given to
code out of sight, when the process exits next, and where FRK501 speaks about the same signal.

## What happens at run time
```sequence
title: The child is dead, and its entry stays because nobody asks for the status.
process parent: Parent
process child: Child
kernel table: Process table
parent starts child: Popen(argv)
parent -> child: kill(): SIGKILL
child -> table: exit status
child ends: killed
note parent: goes on without wait()
table remains: a zombie
end: Each call leaves one more zombie. At the limit fork fails with EAGAIN, for every program of the user.
```

1. The signal ends the child. The kernel keeps its entry, a zombie, until the parent asks for the exit status.
2. Nobody asks. While the handle is referenced, not even a later `Popen` cleans it up.
3. Each round leaves one more zombie: a pid, and a process slot of the user, that are not given back. When the limit is
   reached, `fork` fails with EAGAIN, in every program of that user.

Besides, nobody knows that the child has really ended when the code behind the signal runs: its port may still be bound
and its files may still be open.

## Example
```python
import subprocess


def run_limited(argv):
    process = subprocess.Popen(argv)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        return None
```

## Use instead
```python
import subprocess


def run_limited(argv):
    process = subprocess.Popen(argv)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
```

## Fix safety
Safe behind SIGKILL: the `wait()` or `join()` that is written there returns at once. `wait()` looks at the child alone,
so that grandchildren that hold a PIPE do not matter. Unsafe for asyncio, and in a coroutine.

Unsafe behind SIGTERM and SIGINT, where the wait needs a limit and an escalation: a child that takes longer than the
grace period (5 seconds unless set) is killed, and the caller is held up for as long.

There is no fix in a signal handler, which may have interrupted the very `wait()` that it would then wait for, and where
`os.waitpid()` collects the status.

## When it is fine to ignore
When the process ends soon after, out of sight: init adopts the zombie then. Or when something else reaps every child of
the process.

## What it cannot see
- A wait for the child in another module.
- Handlers of SIGCHLD that other modules install.

## References
- [wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html), NOTES, on zombies
- [`Popen.wait`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.wait)
- [Joining zombie processes](https://docs.python.org/3/library/multiprocessing.html#all-start-methods)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each last signal after which the child stays a zombie."""
    for handle in module.handles:
        for event in module.ending.unreaped_signals(handle):
            span, created = Span.of(event.site), module.created(handle)
            wait = "join()" if handle.family is Family.MULTIPROCESSING else "wait()"
            message = (
                f"{module.name_of(event)} is signalled and never reaped: it stays a zombie while this process runs; "
                f"call {module.method_of(event, wait)} after the signal"
            )
            yield Finding(RULE.code, span, message, (created,), fixes.ending.reap(module, event))


RULE = Rule(
    "FRK502",
    "never-reaped-after-signal",
    triggers=(
        ("subprocess", "multiprocess", "billiard"),
        ("Popen", "create_subprocess", "Process"),
        ("subprocess", "Popen", *words.PROCESS_TEXTS),
        ("terminate", "send_signal", "kill"),
    ),
    names=(words.HANDLE, words.SIGNAL),
    makers=words.HANDLE | {"active_children"},
    settlers=words.REAPING | words.SESSION,
    check=check,
)
