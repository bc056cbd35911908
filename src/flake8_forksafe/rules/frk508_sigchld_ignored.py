"""An ignored SIGCHLD, or a wait for any child, in a module that reads return codes.

## What it does
Reports `signal.signal(signal.SIGCHLD, signal.SIG_IGN)` in a module that reads return codes of subprocess or
multiprocessing, and `os.wait()` or `os.waitpid(-1, ...)` beside them.

Return codes are read by `returncode`, `exitcode`, the value of `wait()` or of `call()`, `check=True`, `check_call` and
`check_output`. Silent is the rule when SIGCHLD is ignored in a forked child only, when the module only forks, and when
the `run()` calls and the wait for any child follow each other in one thread.

## What happens at run time
```sequence
title: The kernel has thrown the status away, and a failure reads as success.
process parent: Parent
kernel kernel: Process table
process child: Child (xmllint)
parent -> kernel: signal(SIGCHLD, SIG_IGN)
parent starts child: run(["xmllint", ...])
child -> kernel: exit status 1
child ends: exits
note kernel: keeps no status
parent -> kernel: waitpid(), inside run()
kernel -> parent: ECHILD: no such child
parent remains: takes it for return code 0
end: Every command that fails has succeeded.
```

1. While SIGCHLD is ignored, the kernel reaps every child by itself.
2. The child fails. The kernel throws its status away.
3. `waitpid` in `Popen.wait()` fails with ECHILD, and subprocess takes that for return code 0: every command that fails
   has succeeded.

An ignored SIGCHLD is also inherited by the children and their children.

`os.wait()` and `os.waitpid(-1)` take the status of whichever child ended, one of subprocess's too, whose own `waitpid`
then meets ECHILD as well. That is a race: with a SIGCHLD handler that calls `waitpid(-1)`, 6 to 16 of 50
`subprocess.run()` calls reported a wrong status.

## Example
```python
import signal
import subprocess

signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def is_valid(path):
    return subprocess.run(["xmllint", "--noout", path]).returncode == 0
```

```python
import os
import signal
import subprocess


def reap(signum, frame):
    os.waitpid(-1, os.WNOHANG)


def deploy(argv):
    signal.signal(signal.SIGCHLD, reap)
    subprocess.run(argv, check=True)
```

## Use instead
Wait for the children you start, each by its own pid:

```python
import subprocess


def is_valid(path):
    return subprocess.run(["xmllint", "--noout", path]).returncode == 0
```

## Fix safety
Unsafe: SIG_IGN becomes SIG_DFL. Code that relied on the ignored SIGCHLD to get rid of its zombies has to wait for its
children afterwards, so there is no fix in a module that forks. For `os.wait()` and `os.waitpid(-1, ...)` there is none
either: which pids to wait for is not to be seen.

## When it is fine to ignore
When the children whose return codes are read are started while SIGCHLD still has its default action.

## What it cannot see
- Return codes that other modules of the same process read.
- SIGCHLD ignored by the parent of this process, and inherited.

## References
- [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html) and
  [wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html), NOTES: SIGCHLD set to SIG_IGN
- [`os.waitpid`](https://docs.python.org/3/library/os.html#os.waitpid) and
  [`signal.signal`](https://docs.python.org/3/library/signal.html#signal.signal)
- [bpo-15756](https://bugs.python.org/issue15756): `Popen.poll()` and ECHILD
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.events import Event
    from flake8_forksafe.model.module import ModuleModel
    from flake8_forksafe.model.statuses import StatusRead


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each call that takes the status of children away from those who read it."""
    for event in module.statuses.ignored():
        if read := module.statuses.first_read():
            message = (
                "with SIGCHLD ignored the kernel throws every exit status away, and every return code reads 0; leave "
                "SIGCHLD at SIG_DFL and wait for the children"
            )
            yield _report(event, read, message)._replace(fix=fixes.statuses.default_action(module, event))
    for event in module.statuses.waits_for_any():
        if read := module.statuses.stolen_by(event):
            message = (
                "this takes the exit status of whichever child ends first, and subprocess then reads 0 for its own; "
                "wait for the pids you started yourself"
            )
            yield _report(event, read, message)


def _report(event: Event, read: StatusRead, message: str) -> Finding:
    return Finding(
        RULE.code, Span.of(event.site), message, (Related(Span.of(read.site), "a return code is read here"),)
    )


RULE = Rule(
    "FRK508",
    "sigchld-ignored",
    triggers=(
        ("subprocess", "multiprocess", "billiard"),
        ("SIGCHLD", "SIGCLD", "waitpid", "os.wait", ".wait3", ".wait4", "waitid", "from os import"),
        ("subprocess", "Popen", *words.PROCESS_TEXTS),
    ),
    names=(words.REAPING,),
    makers=words.HANDLE | words.SUBPROCESS | words.REAPING,
    check=check,
)
