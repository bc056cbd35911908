"""A communicate() that waits for the grandchildren of a killed shell.

## What it does
Reports `communicate()` without a timeout, and a read to the end, behind a `kill()` or `terminate()` of a handle that
has a PIPE and was made with `shell=True`, by `create_subprocess_shell`, or with `["bash", "-c", ...]`.

Silent is the rule when something in sight signals the group of the handle with `os.killpg` or walks its descendants
with psutil, and when the command is a literal that begins with `exec`. A read that this rule reports is not reported by
FRK102 or FRK103.

## What happens at run time
```sequence
title: The shell is dead, but its command holds the pipe open.
process parent: Parent
pipe out: stdout
process shell: /bin/sh
process command: Command
parent starts shell: Popen(shell=True, stdout=PIPE)
shell starts command: inherits the write end
note parent: TimeoutExpired after 60 s
parent -> shell: kill(): SIGKILL
shell ends: killed
parent waits for out: communicate(), until the end of file
command remains: runs on, holds the write end
end: The end of file comes when the command ends, which is what the timeout was to prevent.
```

1. `kill()` ends the shell and nothing else: its command runs on (FRK503).
2. The command has inherited the write end of the PIPE. The pipe has an end of file only when every process that holds
   it has closed it.
3. `communicate()` reads until then: for as long as the command likes, which is what the timeout was meant to prevent.

This is the idiom of the documentation, `communicate(timeout)`, `kill()`, `communicate()`. It is right for a command
given as a list, and hangs with `shell=True`.

## Example
```python
import subprocess


def capture(command):
    process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE)
    try:
        output, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return output
```

## Use instead
```python
import os
import signal
import subprocess


def capture(command):
    process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    return output
```

If it must be bounded whatever the command has started, do not read again: `killpg`, `wait()`, close the pipes, and take
what was read so far from `TimeoutExpired.output`.

## Fix safety
Unsafe: the fix is that of FRK503, a session of its own and `os.killpg()` for every signal. A session of its own keeps
Ctrl-C from the command; a grandchild that called `setsid` is out of reach of `killpg` and still holds the pipe.

## When it is fine to ignore
When the command is known to end on its own soon after its shell.

## What it cannot see
- Commands that are not shells and start children of their own.
- What a command that is not a literal begins with.

## References
- [`Popen.communicate`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.communicate), with the idiom
- [bpo-37424](https://bugs.python.org/issue37424): `subprocess.run` with a timeout, `shell=True` and captured output
- [gh-82388](https://github.com/python/cpython/issues/82388): after `kill()`, `communicate()` waits for
  every process that has the pipe
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
    """Report each unbounded collection of output behind a signal that reached the shell alone."""
    for handle in module.handles:
        for event in module.sessions.collected_after_shell_signal(handle):
            span, created = Span.of(event.site), module.created(handle)
            message = (
                f"only the shell of {module.name_of(event)} was signalled: its command runs on, holds the pipe (line "
                f"{created.span.line}) open, and this waits for it; use start_new_session=True and os.killpg()"
            )
            yield Finding(RULE.code, span, message, (created,), fixes.sessions.signal_group(module, handle))


RULE = Rule(
    "FRK505",
    "communicate-after-kill-of-shell",
    triggers=(
        ("subprocess",),
        ("Popen", "create_subprocess"),
        ("PIPE",),
        ("terminate", "send_signal", "kill"),
        ("shell", "-c"),
    ),
    names=(words.POPEN, words.SIGNAL, words.PIPE),
    makers=words.POPEN,
    settlers=words.SESSION,
    check=check,
)
