"""A forked child that comes out of its branch and goes on as a second parent.

## What it does
Reports `os.fork()` whose child branch can

- fall through into the code behind the branch, return to the caller, or go on with the loop that forked it;
- leave by an exception that the code states: a `raise`, or `sys.exit()`, which is one too;

because no `os._exit()` or exec stands in a `finally` or at each of its ends. The report stands at the fork; the message
names the line at which the child leaves. A function of the module that returns what `os.fork()` gave it counts as the
fork where it is called.

Silent is the rule for a daemon's fork (the parent ends), for a function that hands the pid, or another value that tells
the two apart, to its caller, for a pre-fork server (the child returns, the parent never does), and where the child
calls a function of the module that never returns.

## What happens at run time
```sequence
title: The child comes out of its branch and ends what belongs to the parent.
process parent: Parent
file files: Temporary directory
process child: Child
parent -> files: with TemporaryDirectory():
parent starts child: os.fork()
note child: its work is done, its branch is left
child -> files: end of the with: deletes it
parent -x files: open(): FileNotFoundError
child remains: runs on as a second parent
end: Both go on with the callers' code: finally blocks, atexit handlers and buffered output run twice.
```

1. `os.fork()` copies the process: all that stands on the call stack above, open files, unwritten buffers, atexit
   handlers.
2. The child has done its work and runs on. It executes the rest of the function, then of its callers: it waits for
   children that are not its own, answers the same requests, writes the same rows a second time.
3. Every `finally` and `with` around the fork runs twice. A `TemporaryDirectory` is deleted by the child while the
   parent is using it; a lock file or pid file is removed.
4. At its end the child runs the parent's atexit handlers and flushes a copy of what the parent had not yet written.

`sys.exit()` does not help: it raises SystemExit, which goes through steps 3 and 4, and which an `except` or a test
runner above may catch.

## Example
```python
import os

from reports import write_report


def write_in_child(path: str) -> None:
    pid = os.fork()
    if pid == 0:
        write_report(path)
    os.waitpid(pid, 0)
```

```python
import os
import sys

from reports import write_report


def write_in_child(path: str) -> None:
    pid = os.fork()
    if pid == 0:
        write_report(path)
        sys.exit(0)
    os.waitpid(pid, 0)
```

## Use instead
```python
import os
import sys
import traceback

from reports import write_report


def write_in_child(path: str) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            write_report(path)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.waitpid(pid, 0)
```

## Fix safety
The fix is unsafe: `finally` blocks of the parent and `atexit` handlers do not run in the child any more, which is what
is wanted, and its exit status now tells whether its branch raised. The branch is put into `try`, an exception is
printed, standard output is flushed, because `os._exit` loses what is buffered, and `os._exit` stands in a `finally`.
There is no fix where a `return`, `break` or `continue` leaves the branch in its middle, or where the branch is no block
of its own.

## When it is fine to ignore
When the child is meant to go on as a second instance of the whole program and every caller knows of it.

## What it cannot see
- An exception out of a call that nothing around it expects: `work(); os._exit(0)` is not reported.
- A child branch that another function tells apart, by an attribute or a global that holds the pid.
- A function of another file that never returns.

## References
- [`os.fork`](https://docs.python.org/3/library/os.html#os.fork)
- [`os._exit`](https://docs.python.org/3/library/os.html#os._exit): "the standard way to exit is `sys.exit(n)`.
  `_exit()` should normally only be used in the child process after a `fork()`"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.forks import Departure
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each fork once, with the first place at which the child leaves its branch."""
    for site in module.forks.sites:
        departures = module.forks.departures(site)
        if departures:
            first = min(departures, key=lambda d: d.place.span)
            fix = fixes.forked_children.exit_in_finally(module, site, departures)
            yield Finding(RULE.code, Span.of(site.call), _message(first), tuple(d.place for d in departures), fix)


def _message(departure: Departure) -> str:
    return (
        f"the forked child {departure.way.value} (line {departure.place.span.line}): the parent's code, finally "
        f"blocks and atexit handlers run twice; end the child's branch in try: ... finally: os._exit(status)"
    )


RULE = Rule(
    "FRK304",
    "forked-child-returns",
    triggers=(
        ("fork",),
        words.FORK_TEXTS,
    ),
    names=(words.FORK, words.FORK_MODULES),
    makers=words.FORK,
    settlers=words.EXIT,
    check=check,
)
