"""A read of an `os.pipe()` while a write end that nobody needs is open.

## What it does
Reports an `os.pipe()` that some process reads while a write end is open that will never be written to: the reader's
own copy (after a fork, after a fork-started `Process`, after a child got the write end as a stream or in `pass_fds`),
or the copy of a child that was forked between `os.pipe()` and the close and has nothing to do with the pipe.

## What happens at run time
```sequence
title: The reader waits for a pipe that only it could end itself.
process parent: Parent
pipe pipe: os.pipe()
process child: Child
parent starts child: fork: now both have both ends
child -> pipe: its answer
child ends: exits, its copies are closed
pipe -> parent: the answer
note pipe: one write end is left: the parent's
parent waits for pipe: read(), until the end of file
end: The parent would close its write end, but only after the read. It waits for itself.
```

1. A read returns when there is data, or, with nothing, when the *last* copy of the write end has been closed.
2. `fork` copies every descriptor, so from then on the parent and the child both have both ends. Giving the write end
   to a child (`stdout=w`, `pass_fds=(w,)`) leaves the parent's copy open, too.
3. The child writes its answer and exits. Its copy is gone; the reader's own is still there.
4. The reader, at the end of the data, waits for more. The only process that could send any is the reader itself: it
   waits for ever. If the child dies before it writes, the very first read hangs.

The same happens if some other worker was forked in between: it holds a copy of a pipe it knows nothing about, and the
reader waits until that worker exits. With multiprocessing this depends on the start method: fork is the default on
Linux up to Python 3.13 and hangs; spawn and forkserver (the default from 3.14 on) hand on only what is passed.

## Example
```python
import os


def run_isolated(compute):
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write_fd, compute())
        finally:
            os._exit(0)
    with os.fdopen(read_fd, "rb") as reader:
        answer = reader.read()
    os.waitpid(pid, 0)
    os.close(write_fd)
    return answer
```

## Use instead
Each side closes the end that it does not use, before it does anything else:

```python
import os


def run_isolated(compute):
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_fd)
            os.write(write_fd, compute())
        finally:
            os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as reader:
        answer = reader.read()
    os.waitpid(pid, 0)
    return answer
```

Start workers that have no business with the pipe before it is made, or with the spawn or forkserver start method.

## Fix safety
The fix is safe. It closes the write end right behind the start of the child, or first thing in the forked child that
has no use for it, and takes away a later close of the same number, which by then may belong to somebody else. There is
none if the ends are attributes, if several children get the write end, or if the later close is all there is in a
`finally` or `if`.

## When it is fine to ignore
When the protocol tells the reader how much to read, and a child that dies early is noticed in another way.

## What it cannot see
- Pipes that are made in one file and read in another.
- Whether code out of sight that gets the write end closes it; such a pipe is not reported.
- `multiprocessing.Pipe` and `socket.socketpair`, which have the same trap.

## References
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html), "I/O on pipes and FIFOs"
- [`os.pipe`](https://docs.python.org/3/library/os.html#os.pipe) and
  [`pass_fds`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen)
- [Contexts and start methods](https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods)
- [PEP 446](https://peps.python.org/pep-0446/): descriptors are not inheritable over an exec; a fork copies all of them
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
    """Report each pipe once, at its making."""
    for end in module.pipe_ends.left_open():
        line, given = end.read.site.lineno, end.holder.site.lineno
        if end.own:
            message = (
                f"the read in line {line} may never end: {end.name} is still open in the reading process as well as in "
                f"the child of line {given}; close it right after the child is started, before the read"
            )
        else:
            message = (
                f"the read in line {line} may never end: the child forked in line {given} inherits {end.name} and "
                f"keeps it open; start that child before os.pipe(), close {end.name} in it, or use spawn"
            )
        yield Finding(
            RULE.code, Span.of(end.made.site), message, end.places, fixes.descriptors.close_write_end(module, end)
        )


RULE = Rule(
    "FRK203",
    "pipe-end-left-open",
    triggers=(
        ("subprocess", "multiprocess", "billiard", "fork"),
        ("pipe(", "pipe2", ".pipe", "= pipe"),
        ("fork", "subprocess", "Popen", *words.PROCESS_TEXTS),
    ),
    names=(words.PIPE_ENDS, words.POPEN | words.SUBPROCESS | words.MULTIPROCESSING | words.FORK),
    makers=words.PIPE_ENDS | words.POPEN | words.MULTIPROCESSING | words.FORK,
    settlers=words.EXIT,
    check=check,
)
