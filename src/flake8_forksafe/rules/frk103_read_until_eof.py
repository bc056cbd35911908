"""A read to the end of a handle's only PIPE, which a grandchild can hold open.

## What it does
Reports `read()` and `readlines()` without arguments, straight on the only output PIPE of a `subprocess.Popen` handle
that may still run. Iteration, `readline()` and sized reads are not reported, asyncio is not either, and a pipe whose
child was reaped or signalled before, or that was given to other code, may be read to its end.

## What happens at run time
```sequence
title: The command is over, but a process that it left behind holds the pipe open.
process parent: Parent
pipe out: stdout
process command: Command
process server: Background process
parent starts command: Popen(stdout=PIPE)
command starts server: inherits the write end
command ends: exits
parent waits for out: read(), until the end of file
server remains: runs on, holds the write end
end: The end of file comes when the background process ends. A server or daemon never does.
```

`read()` returns at the end of the pipe, and the end comes when the last process that has the write end open closes it.
That need not be the child:

1. The command starts something in the background (`server &`, a daemon, a helper of its own) that inherits the pipe.
2. The command itself ends at once.
3. `read()` goes on waiting for the background process, for minutes or for ever.

And when `read()` does return, the child has not been waited for: `returncode` is None and it stays a zombie.

`communicate()` reaps the child, takes a timeout and reads a second pipe at the same time, so it is the better form. It
is **no** cure for the background process, though: it waits for the same end of the same pipe, and so do `run()` and
`check_output()`. Only a file in place of the pipe is, or a session of its own whose process group is killed.

## Example
```python
import subprocess

child = subprocess.Popen(["git", "log"], stdout=subprocess.PIPE, text=True)
log = child.stdout.read()
```

## Use instead
```python
import subprocess

child = subprocess.Popen(["git", "log"], stdout=subprocess.PIPE, text=True)
log, _ = child.communicate()
```

Where the command leaves a process in the background, let it write to a file:

```python
import subprocess
from pathlib import Path

with open("start.log", "wb") as file:
    subprocess.run(["./start-server"], stdout=file, check=True)
log = Path("start.log").read_text(encoding="utf-8")
```

## Fix safety
`communicate()` takes the place of the read: safe, because it waits for the same end of the same pipe, and then for the
child. It is unsafe in another method than the `Popen`, where a second call meets closed pipes, and where `returncode`
is looked at next, which was None so far. A bare `wait()` right behind goes away. Nothing is written where the pipe is
used again later, where the handle leaves for code out of sight, where a loop comes back to the read, and after a
`readline()` if stdin is a PIPE as well, because then what is left in the reader's buffer is lost.

## When it is fine to ignore
When the command starts no process of its own that outlives it, and the child is reaped further on.

## What it cannot see
- Which processes the command starts.
- The same wait inside `communicate()`, `run()`, `check_output()` and `os.popen()`, which are not reported.
- A handle whose other output stream comes from code out of sight: then nothing tells that this pipe is the only one.

## References
- [`Popen.communicate`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.communicate)
- [`Popen.stderr`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.stderr), with the warning about
  `.stdout.read`
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html): the end of file is seen when all write ends are closed
- [gh-75893](https://github.com/python/cpython/issues/75893): a background process that holds the pipe open
- [gh-82388](https://github.com/python/cpython/issues/82388): after `kill()`, `communicate()` waits for
  every process that has the pipe
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.prefilter import may_use_pipes
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each `read()` or `readlines()` straight on the pipe of a child that may still run."""
    from flake8_forksafe.model.care import cares_for, either, ends, reads_all_at_once, reaps, waits

    for handle in module.handles:
        if handle.family is not Family.POPEN:
            continue
        for stream, setting in module.spawn(handle).output_pipes():
            if not module.pipes.is_only_output(handle, stream):
                continue
            careful = either(cares_for(stream), ends, waits)
            for hit in module.exposed(
                module.query(handle, reads_all_at_once(stream), careful, setting.facts, beyond=True)
            ):
                created = module.created(handle)
                zombie = "" if module.happens(handle, reaps) else ", and the child stays a zombie"
                message = (
                    f"{module.pipe_name(hit)}.read() returns only when every process that inherited the pipe (line "
                    f"{created.span.line}) has closed it{zombie}; use {module.method_of(hit, 'communicate()')}"
                )
                yield Finding(
                    RULE.code,
                    Span.of(hit.site),
                    message,
                    (created,),
                    fixes.communicate.communicate(module, handle, hit),
                )


RULE = Rule(
    "FRK103",
    "read-until-eof",
    triggers=(("subprocess",), ("PIPE", "Popen"), ("read",)),
    names=(words.POPEN, words.PIPE),
    makers=words.POPEN,
    check=check,
    plausible=may_use_pipes,
)
