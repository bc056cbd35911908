"""A signal for a shell that leaves the command it runs alone.

## What it does
Reports `terminate()`, `kill()` and `send_signal()` of a handle that was made with `shell=True`, by
`create_subprocess_shell`, or with `["bash", "-c", ...]` and its kin, unless something in sight signals the group of
that handle with `os.killpg` or walks its descendants with psutil.

A session of its own does not help as long as only the shell is signalled. Silent is the rule when the command is a
literal that begins with `exec`, and in a branch that only Windows takes.

## What happens at run time
```sequence
title: The signal ends the shell. The command never hears of it.
process parent: Parent
process shell: /bin/sh
process command: Command (ffmpeg)
parent starts shell: Popen(command, shell=True)
shell starts command: fork, exec
parent -> shell: kill(): SIGKILL
shell ends: killed
parent -x command: no signal for the grandchild
command remains: runs on, an orphan
end: The command keeps its port, its files and the write end of every PIPE, as a child of init.
```

1. `Popen(command, shell=True)` starts `/bin/sh`, and `/bin/sh` starts the command. The handle's pid is the shell's.
2. dash, the `/bin/sh` of Debian and Ubuntu, never replaces itself by the command, not even for a single simple one.
   bash and busybox sometimes do, so it works on one machine and not on the other.
3. The signal ends the shell. The command is a grandchild, gets nothing, and runs on, now as a child of init: it keeps
   its port, its files, and the write end of every PIPE, so that a `communicate()` still waits for it (FRK505).

## Example
```python
import subprocess


def record(path, stop):
    recorder = subprocess.Popen(f"ffmpeg -i /dev/video0 {path}", shell=True)
    stop.wait()
    recorder.kill()
    recorder.wait()
```

## Use instead
Without a shell there is no grandchild:

```python
import subprocess


def record(path, stop):
    recorder = subprocess.Popen(["ffmpeg", "-i", "/dev/video0", path])
    stop.wait()
    recorder.kill()
    recorder.wait()
```

Where the shell is needed, give it a session of its own and signal that:

```python
import os
import signal
import subprocess


def record(command, stop):
    recorder = subprocess.Popen(command, shell=True, start_new_session=True)
    stop.wait()
    os.killpg(recorder.pid, signal.SIGKILL)
    recorder.wait()
```

## Fix safety
Unsafe: the shell gets a session of its own, and every signal for it becomes an `os.killpg()`. With `start_new_session`
or `process_group` Ctrl-C no longer reaches the child, a new session has no `/dev/tty`, and a background group that
reads the terminal is stopped. Where the shell may have been reaped before, an empty group is no error.

There is no fix where one of the signals is handed on by reference, where the call that starts the shell is out of
sight or leaves open whether there is a session, and in a module that asks for Windows, which has no `killpg`.

## When it is fine to ignore
When the shell is known to run the command in its own place (`exec` in a variable), or when its commands end with it.

## What it cannot see
- What a command that is not a literal begins with.
- A grandchild that called `setsid` itself; no `killpg` reaches it.
- Programs other than shells that start children of their own.

## References
- [`Popen`, `shell`, `start_new_session` and
  `process_group`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen)
- [`os.killpg`](https://docs.python.org/3/library/os.html#os.killpg)
- [bpo-31935](https://bugs.python.org/issue31935) and [bpo-37424](https://bugs.python.org/issue37424): timeouts and
  `shell=True`
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
    """Report each signal that reaches the shell and not what the shell has started."""
    for handle in module.handles:
        for event in module.sessions.shell_signals(handle):
            span, created = Span.of(event.site), module.created(handle)
            message = (
                f"this signal reaches only the shell of {module.name_of(event)} (line {created.span.line}): its "
                "command runs on; start it without a shell, or with start_new_session=True, and use os.killpg()"
            )
            yield Finding(RULE.code, span, message, (created,), fixes.sessions.signal_group(module, handle))


RULE = Rule(
    "FRK503",
    "signal-misses-grandchildren",
    triggers=(("subprocess",), ("Popen", "create_subprocess"), ("terminate", "send_signal", "kill"), ("shell", "-c")),
    names=(words.POPEN, words.SIGNAL),
    makers=words.POPEN | words.SESSION,
    settlers=words.SESSION,
    check=check,
)
