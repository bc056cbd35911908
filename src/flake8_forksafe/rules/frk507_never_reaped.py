"""A child that nobody waits for.

## What it does
Reports the creation of a handle that nothing in sight ever waits for, polls, signals or gives to anybody else, and of
one that is overwritten by the next before anything waits for it.

Silent is the rule about daemons (a session of its own, with stdin, stdout and stderr off the terminal), a child of a
forked child, multiprocessing workers with `daemon=True`, and modules that reap any child. This rule is off unless it is
selected: programs that start a viewer and forget it do so on purpose.

## What happens at run time
```sequence
title: The child has failed, and nobody asks.
process parent: Parent
process child: Child
kernel table: Process table
parent starts child: Popen(argv)
note parent: goes on, no wait()
child -> table: exit status 1
child ends: exits
table remains: a zombie
end: The entry stays until the next Popen of the process, or for ever. The failure goes unnoticed.
```

1. The child ends. The kernel keeps its entry until the parent asks for the exit status: a zombie.
2. `Popen` objects that are dropped are cleaned up at the next `Popen` of the process, which may be a long time away;
   one that is still referenced never is. Each costs a pid and a process slot of the user.
3. Nobody notices that the child failed: no return code, no message. Python says "ResourceWarning: subprocess 123 is
   still running", which is hidden by default.

## Example
```python
import subprocess


def notify(text):
    subprocess.Popen(["notify-send", text])
```

## Use instead
```python
import subprocess


def notify(text):
    subprocess.run(["notify-send", text], check=False, timeout=10)
```

If the caller cannot wait, a thread can:

```python
import subprocess
import threading


def browse(url):
    browser = subprocess.Popen(["firefox", url])
    threading.Thread(target=browser.wait, daemon=True).start()
```

## Fix safety
There is no automatic fix. Waiting makes the caller as slow as the child; a daemon needs `start_new_session=True`
and its streams off the terminal instead.

## When it is fine to ignore
When the process ends soon after, or when the child is meant to outlive it.

## What it cannot see
- Who waits for the child in another module.
- Whether the process that starts the child lives long enough for the zombie to matter.

## References
- [`Popen`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen): its destructor emits a ResourceWarning
  if the child process is still running
- [gh-83071](https://github.com/python/cpython/issues/83071): that warning for a child that is meant to run on
- [wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html), NOTES, on zombies
- [Joining zombie processes](https://docs.python.org/3/library/multiprocessing.html#all-start-methods)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Finding
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each child that becomes a zombie because nothing in sight waits for it."""
    for handle in module.handles:
        if module.ending.is_forgotten(handle):
            wait = "join()" if handle.family is Family.MULTIPROCESSING else "wait(), or use subprocess.run()"
            message = (
                "nothing waits for this child or polls it: it stays a zombie when it has ended, and nobody learns how "
                f"it went; keep the handle and call {wait}"
            )
            yield Finding(RULE.code, module.created(handle).span, message)


RULE = Rule(
    "FRK507",
    "never-reaped",
    triggers=(
        ("subprocess", "multiprocess", "billiard"),
        ("subprocess", "Popen", "multiprocess", "billiard", "Process"),
    ),
    makers=words.HANDLE | words.SUBPROCESS | {"active_children"},
    settlers=words.REAPING,
    check=check,
    opt_in=True,
)
