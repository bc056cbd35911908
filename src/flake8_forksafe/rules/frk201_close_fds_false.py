"""A child that is started with `close_fds=False`.

## What it does
Reports `close_fds=False` (or `0`) in `Popen`, `run`, `call`, `check_call`, `check_output` and asyncio's
`create_subprocess_exec` and `create_subprocess_shell`, also if it comes from a dict that the call spreads with `**`.

On a branch for Windows nothing is reported: one behind a test of the platform, one whose other side gives what only
POSIX has (`pass_fds`, `preexec_fn`), or a call with `creationflags=`.

## What happens at run time
```sequence
title: Child B keeps the pipe of child A open, about which it knows nothing.
process parent: Parent
pipe pipe: Pipe of child A
process a: Child A
process b: Child B
note pipe: write end made inheritable
parent starts a: gets the write end
parent starts b: another thread, close_fds=False: inherits it too
note parent: closes its own copy
a -> pipe: its answer
a ends: exits
parent waits for pipe: read(), until the end of file
b remains: runs on, holds the write end
end: The end of file comes when child B ends, too. A server or daemon never does.
```

Since Python 3.4 (PEP 446) the descriptors that Python makes are not inherited, so the flag has an effect on the
others only: those made inheritable by `set_inheritable`, `dup2`, `os.pipe2(0)`, a C library or the process's own
parent. Of these the child keeps every one:

1. One thread makes the write end of a pipe inheritable for a child of its own.
2. Before it closes its copy, another thread starts a child with `close_fds=False`. That child now holds the write end
   too.
3. The first child exits. Whoever reads its pipe waits for the end, which comes only when the *other* child exits,
   too: a server or a daemon never does.

Sockets, lock files and deleted files stay open the same way. Without inheritable descriptors nothing leaks (measured:
0 stalls in 400 rounds of two threads with plain Popen, a hang with an inheritable write end), so the flag gains
nothing either.

## Example
```python
import subprocess


def convert(source, target):
    subprocess.run(["magick", source, target], check=True, close_fds=False)
```

## Use instead
Leave it out, and name the descriptors that the child is meant to have:

```python
import subprocess


def convert(source, target, progress_fd):
    subprocess.run(
        ["magick", source, target, "--progress-fd", str(progress_fd)],
        check=True,
        pass_fds=(progress_fd,),
    )
```

## Fix safety
The fix drops the argument, or writes True in a dict of options. It is safe only where a literal command is not known
to make use of inherited descriptors (make, compilers, shells and other programs that start programs are) and nothing
in the file speaks of inherited descriptors. Elsewhere it is unsafe: a child that is meant to inherit descriptors, such
as a make jobserver's or systemd's `LISTEN_FDS`, loses them; those belong into `pass_fds`.

## When it is fine to ignore
When the child must get descriptors whose numbers this program does not know, as in a wrapper that hands on whatever
its caller gave it.

## What it cannot see
- A value that is computed (`close_fds=not WINDOWS`), or given by a caller out of sight.
- Whether any descriptor is inheritable; FRK202 reports the calls that make one so.
- `os.system`, `os.spawnv` and `os.posix_spawn`, which never close inheritable descriptors.

## References
- [`subprocess.Popen`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen), `close_fds` and `pass_fds`
- [PEP 446](https://peps.python.org/pep-0446/): newly created file descriptors are not inheritable
- [Inheritance of file descriptors](https://docs.python.org/3/library/os.html#inheritance-of-file-descriptors)
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
    """Report each place that sets `close_fds` to false."""
    for kept in module.descriptors.kept_open:
        function = kept.spawn.name.rpartition(".")[2]
        message = (
            f"{function}() with close_fds=False hands the child every inheritable descriptor, and whoever reads a pipe "
            f"that it holds open waits until it exits; leave close_fds out and name what it needs in pass_fds"
        )
        yield Finding(
            RULE.code, Span.of(kept.node), message, kept.child, fixes.descriptors.without_close_fds(module, kept)
        )


RULE = Rule(
    "FRK201",
    "close-fds-false",
    triggers=(("close_fds",),),
    makers=words.POPEN | words.SUBPROCESS | {"close_fds"},
    check=check,
)
