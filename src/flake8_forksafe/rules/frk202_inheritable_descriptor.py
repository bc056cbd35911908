"""A descriptor that is made inheritable in a program with threads, or whose children close nothing.

## What it does
Reports `os.set_inheritable(fd, True)`, `sock.set_inheritable(True)`, `os.dup2(a, b)` without `inheritable=False`,
`os.pipe2()` without `O_CLOEXEC` and an `fcntl` that clears `FD_CLOEXEC`, in a module that starts threads or passes
`close_fds=False`. The standard streams, listening sockets and what a forked child does before its exec are not
reported.

## What happens at run time
```sequence
title: Thread 1 waits for a child that thread 2 has started.
thread one: Thread 1
thread two: Thread 2
process first: First child
process second: Second child
note one: makes the write end of a pipe inheritable
two starts second: os.system(): inherits it
one starts first: gets the write end
note one: closes its own copy
first ends: exits
one waits for second: read(), until every write end is closed
second remains: runs on, holds the write end
end: The end of file comes when the second child ends, too. A server or daemon never does.
```

Whether a descriptor is inherited is a property of the whole process, and every child sees it:

1. One thread makes the write end of a pipe inheritable and starts the child that is to have it.
2. Between the two, another thread starts a different child, by `os.system`, `os.spawnv`, `os.posix_spawn`, a C
   library or with `close_fds=False`. That child inherits the write end too.
3. The first child exits. The read of its pipe still waits for the end of file, until the second child has exited as
   well.

Python's own descriptors have not been inheritable since Python 3.4 (PEP 446), which is why two threads with plain
Popen do not meet this (measured: 0 stalls in 400 rounds); an inheritable write end brings it back. A socket held open
this way never tells its peer that the connection is closed, and a lock file stays locked.

## Example
```python
import os
import subprocess
import threading


def start_helper(control_fd, watch):
    threading.Thread(target=watch, args=(control_fd,), daemon=True).start()
    os.set_inheritable(control_fd, True)
    return subprocess.call(["helper", str(control_fd)], close_fds=True)
```

## Use instead
`pass_fds` gives the descriptor to this one child alone:

```python
import subprocess
import threading


def start_helper(control_fd, watch):
    threading.Thread(target=watch, args=(control_fd,), daemon=True).start()
    return subprocess.call(["helper", str(control_fd)], pass_fds=(control_fd,))
```

For `dup2` write `inheritable=False`, for `pipe2` add `os.O_CLOEXEC`.

## Fix safety
The fix is unsafe, because which child is meant to have the descriptor cannot be proven. `dup2` gets
`inheritable=False` and `pipe2` gets `O_CLOEXEC`. `set_inheritable` is replaced by `pass_fds` at the one child that the
same block starts after it, if that is started by subprocess and its command names the descriptor, or is unknown and
has `close_fds=False`. For a cleared `FD_CLOEXEC`, for several children, and where the child is started by `os.execv`,
`os.spawnv` or somewhere else, there is no fix; give the descriptor to its child by `pass_fds` yourself.

## When it is fine to ignore
When the process is about to replace itself by `os.execv` and no other thread starts children any more.

## What it cannot see
- Threads that other files start.
- Children that other files start with `close_fds=False`.
- A `dup2` onto a descriptor whose number it cannot see; it may be a standard stream.

## References
- [Inheritance of file descriptors](https://docs.python.org/3/library/os.html#inheritance-of-file-descriptors)
- [PEP 446](https://peps.python.org/pep-0446/): newly created file descriptors are not inheritable
- [`os.dup2`](https://docs.python.org/3/library/os.html#os.dup2),
  [`os.pipe2`](https://docs.python.org/3/library/os.html#os.pipe2)
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
    """Report each call that makes a descriptor inheritable where other children may get hold of it."""
    reasons = tuple(module.descriptors.reasons())
    for made in module.descriptors.inherited if reasons else ():
        other = "starts threads" if module.threads.starts else "passes close_fds=False"
        message = (
            f"{made.how} lets every child inherit the descriptor, and this module {other} (line "
            f"{reasons[0].span.line}): a child started meanwhile keeps it open, and its reader waits; {made.cure}"
        )
        yield Finding(
            RULE.code, Span.of(made.event.site), message, reasons, fixes.descriptors.not_inheritable(module, made)
        )


RULE = Rule(
    "FRK202",
    "inheritable-descriptor",
    triggers=(("set_inheritable", "dup2", "pipe2", "CLOEXEC", "SETFD"),),
    names=(words.INHERITING, words.THREAD | {"close_fds"}),
    makers=words.INHERITING | words.SOCKET | words.THREAD | words.POPEN | words.SUBPROCESS | words.FORK,
    check=check,
)
