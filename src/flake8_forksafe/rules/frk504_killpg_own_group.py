"""A killpg for a child that has no process group of its own.

## What it does
Reports `os.killpg` with the pid of a handle, or with `os.getpgid` of it, when the handle was started without
`start_new_session`, `process_group` or a `preexec_fn` that makes a group, and nobody calls `os.setpgid` for it.

The message says which of the two it is. Silent is the rule when keywords come from out of sight, when the function
compares with the group of this process, and about `killpg(0, ...)`, which is meant.

## What happens at run time
```sequence
title: The signal that is meant for the child ends the parent as well.
process parent: Parent
group group: The parent's group
process child: Child
parent starts child: Popen(argv): in the same group
parent -> group: killpg(getpgid(child.pid), SIGKILL)
group -> child: SIGKILL
child ends: killed
group -> parent: SIGKILL
parent ends: killed by its own signal
end: Whatever else runs in that group dies, too: other children, the shell script, the CI job.
```

1. The child starts in the process group of its parent. Nobody asks for another one.
2. `os.getpgid(child.pid)` therefore is the parent's own group.
3. `os.killpg` on it signals the parent, all its other children, and in a shell script or a CI job whatever else runs in
   that group: the program kills itself.

The other form, `os.killpg(child.pid, ...)`, names a group that does not exist: `ProcessLookupError`, and nobody is
signalled. Where that is caught, the child simply runs on.

## Example
```python
import os
import signal
import subprocess


def run_limited(argv):
    process = subprocess.Popen(argv)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(os.getpgid(process.pid), signal.SIGKILL)
        return process.wait()
```

## Use instead
```python
import os
import signal
import subprocess


def run_limited(argv):
    process = subprocess.Popen(argv, start_new_session=True)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()
```

## Fix safety
Unsafe: the child is started with `start_new_session=True`. It then no longer gets the Ctrl-C of the terminal, which
the parent has to pass on, and has no `/dev/tty`.

There is no fix for a multiprocessing worker, which has no such argument and has to call `os.setsid()` itself, and in
a module that asks for Windows.

## When it is fine to ignore
When the parent leads a group that holds nothing but itself and its children and is meant to go down with them.

## What it cannot see
- A child that makes its own group after it has started.
- Groups that another module makes for the handle.

## References
- [`os.killpg`](https://docs.python.org/3/library/os.html#os.killpg) and
  [`os.getpgid`](https://docs.python.org/3/library/os.html#os.getpgid)
- [`start_new_session` and `process_group`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen)
- [setpgid(2)](https://man7.org/linux/man-pages/man2/setpgid.2.html): a child inherits the group of its parent
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each killpg whose child was started into the parent's own group."""
    for handle in module.handles:
        for event, is_ours in module.sessions.wrong_groups(handle):
            span, created = Span.of(event.site), module.created(handle)
            start = f"{module.name_of(event)} is started in this process's own group (line {created.span.line})"
            effect = (
                "its getpgid() is ours, and killpg() signals this very process too"
                if is_ours
                else "no group has its pid, and killpg() raises ProcessLookupError"
            )
            message = f"{start}: {effect}; start it with start_new_session=True or process_group=0"
            yield Finding(RULE.code, span, message, (created,), fixes.sessions.start_in_session(module, handle))


RULE = Rule(
    "FRK504",
    "killpg-own-group",
    triggers=(("killpg",),),
    makers=words.POPEN | words.SESSION,
    check=check,
)
