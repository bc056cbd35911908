"""A wait or a read to EOF while the child's stdin is a PIPE that nobody has closed.

## What it does
Reports `wait()` without a timeout, and a read of the output to its end, on a handle with `stdin=PIPE` where some path
leads there and nothing on it closes stdin: `stdin.close()`, `with child.stdin`, `communicate()`, leaving
`with Popen(...)` or giving the pipe to other code. An asyncio handle counts too.

Silent is the rule where more is written to stdin afterwards (a dialogue with the child), where the child is signalled
or known to have ended, and where the handle was given to code out of sight. Where FRK101 reports the same wait, FRK105
does not.

## What happens at run time
```sequence
title: The parent waits for the child's end, the child for the end of its input.
process parent: Parent
pipe stdin: stdin
process child: Child (psql)
parent starts child: Popen(["psql"], stdin=PIPE)
parent -> stdin: write(), flush()
stdin -> child: the data
note stdin: no end of file: the parent holds the write end
child waits for stdin: read(), until data or the end
parent waits for child: wait(), until the child ends
end: The parent would close stdin, but only after the wait. Neither ever goes on.
```

1. A child that reads its input (`cat`, `sort`, `psql`, an interpreter) goes on reading until the end of it.
2. The end comes when every copy of the write end is closed. The parent holds one, in `child.stdin`.
3. The parent waits for the child, or for the end of its output, and so never gets to close it.

`flush()` sends the data and does not end the input. Leaving a `with` block closes stdin, but only after the read or
wait inside the block, which is where it hangs.

## Example
```python
import subprocess

loader = subprocess.Popen(["psql", "shop"], stdin=subprocess.PIPE, text=True)
loader.stdin.write("VACUUM;")
loader.stdin.flush()
loader.wait()
```

## Use instead
```python
import subprocess

loader = subprocess.Popen(["psql", "shop"], stdin=subprocess.PIPE, text=True)
loader.communicate("VACUUM;")
```

or close stdin before the wait:

```python
import subprocess

loader = subprocess.Popen(["psql", "shop"], stdin=subprocess.PIPE, text=True)
with loader.stdin:
    loader.stdin.write("VACUUM;")
loader.wait()
```

A child that needs no input gets none:

```python
import subprocess

loader = subprocess.Popen(["psql", "--file", "vacuum.sql", "shop"], stdin=subprocess.DEVNULL)
loader.wait()
```

## Fix safety
`communicate()` takes the place of the wait or the read, as for FRK101 and FRK103: safe where the output is no PIPE or
is read to its end in any case. Elsewhere `stdin.close()` goes in front: safe if nothing was written, if a `flush()`
stands right before, and for asyncio; otherwise unsafe, because the close flushes and raises BrokenPipeError when the
child has ended already. Nothing is written where stdin or `communicate()` is used later, in a handler too. For asyncio
`communicate()` is only written from Python 3.12 on: before, it leaves stdin open.

## When it is fine to ignore
When the child never reads its input, or ends for a reason of its own while its stdin is open.

## What it cannot see
- Whether the command reads its input at all.
- A copy of the write end in another process: a forked worker inherits it, and then `close()` here gives the child no
  end.
- That asyncio's `communicate()` without input leaves stdin open before Python 3.12.

## References
- [`Popen.communicate`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.communicate)
- [`Popen.stdin`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.stdin)
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html): the end of file is seen when all write ends are closed
- [gh-83925](https://github.com/python/cpython/issues/83925): asyncio's `communicate()` without input
  leaves stdin open before 3.12
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.prefilter import may_use_pipes
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each wait and read that a child waiting for its own end of input can block."""
    for handle in module.handles:
        undrained = {wait.event.site for wait in module.pipes.undrained_waits(handle)}
        for hit in module.pipes.stdin_left_open(handle):
            if hit.site in undrained:
                continue
            name, created = module.name_of(hit), module.created(handle)
            message = (
                f"{name} is waited for while its stdin is a PIPE (line {created.span.line}) that nobody closes: a "
                f"child that reads its input never ends; close its stdin first, or use "
                f"{module.method_of(hit, 'communicate()')}"
            )
            yield Finding(
                RULE.code, Span.of(hit.site), message, (created,), fixes.stdin.close_input(module, handle, hit)
            )


RULE = Rule(
    "FRK105",
    "stdin-left-open",
    triggers=(("subprocess",), ("PIPE", "Popen", "create_subprocess"), ("stdin", "Popen")),
    names=(words.POPEN, words.PIPE),
    makers=words.POPEN,
    check=check,
    plausible=may_use_pipes,
)
