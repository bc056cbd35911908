"""A loop that ends on `""` over a pipe in bytes mode, which never gives it.

## What it does
Reports a loop over a handle's pipe whose end is an empty `str`: `iter(child.stdout.readline, "")`,
`if line == "": break`, `while line != ""`, where the pipe is certain to be in bytes mode. Handles of asyncio are always
in bytes mode.

Silent is the rule with `text=True`, `universal_newlines=True`, `encoding=` or `errors=`, where one of these comes from
code out of sight, where the line is decoded before it is compared, and where the end is `b""` or a truth test.

It is so as well where the loop ends at the end of the output in another way too: by `if not line`, with the child's
status, after a number of rounds. A way out that only a certain line opens is none, nor is a flag that only other code
sets.

## What happens at run time
```sequence
title: The loop looks for an empty str and is given empty bytes, for ever.
process parent: Parent
pipe out: stdout
process child: Child (make)
parent starts child: Popen(["make"], stdout=PIPE)
child -> out: its output, in bytes
out -> parent: line after line
child ends: exits
out -> parent: readline() returns b""
note parent: b"" == "" is false: once more
parent remains: loops for ever, one core busy
end: The line after the loop is never reached.
```

The idiom is from Python 2, where both were the same type. In Python 3 a pipe without a text mode gives bytes:

1. At the end of the output `readline()` returns `b""`, at once, as often as it is called.
2. `b"" == ""` is false, without an error.
3. The loop goes on: about a million rounds a second of nothing, one core busy for ever, and the line after the loop is
   never reached.

A loop that appends each line to a list takes all memory as well.

## Example
```python
import subprocess

build = subprocess.Popen(["make"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
for line in iter(build.stdout.readline, ""):
    print(line)
```

```python
import subprocess

build = subprocess.Popen(["make"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
while True:
    line = build.stdout.readline()
    if line == "":
        break
    print(line)
```

## Use instead
Iterate over the pipe, which ends by itself in either mode:

```python
import subprocess

with subprocess.Popen(["make"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as build:
    for line in build.stdout:
        print(line, end="")
```

or test for truth:

```python
import subprocess

build = subprocess.Popen(["make"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
while line := build.stdout.readline():
    print(line.decode(), end="")
build.wait()
```

## Fix safety
`""` becomes `b""` in every test of the loop for its end: safe, nothing else changes. Where the lines are used as text
all the same, `text=True` is what was meant; that changes the type of all that is read and written, so it is left to
you.

## When it is fine to ignore
Never while the pipe gives bytes, unless another condition also ends the loop.

## What it cannot see
The mode of a pipe that another file opens, and loops that compare with a name in place of the literal.

## References
- [`iter`](https://docs.python.org/3/library/functions.html#iter) with a sentinel
- [Text mode of `subprocess`](https://docs.python.org/3/library/subprocess.html#frequently-used-arguments)
- [`python -bb`](https://docs.python.org/3/using/cmdline.html#cmdoption-b) turns a comparison of bytes with str into an
  error, which finds such loops at run time
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
    """Report each loop whose only end is an empty `str` from a bytes pipe."""
    from flake8_forksafe.model.events import EventKind

    for handle in module.handles:
        if module.spawn(handle).text_mode is not False or module.spawn(handle).pipe("stdout") is module.spawn(
            handle
        ).pipe("stderr"):
            continue
        for event in module.flow.events(handle, EventKind.EMPTY_TEXT):
            loop = module.loop_around(event)
            if loop is None or module.pipes.ends_otherwise(event, loop):
                continue
            created = module.created(handle)
            message = (
                f'this loop ends on "", but {event.stream} gives bytes (line {created.span.line}): after the end it '
                f'spins for ever on b""; compare with b"" or test for truth, or open the pipe with text=True'
            )
            head = Span(loop.lineno, loop.col_offset, loop.lineno, loop.col_offset + 3)
            yield Finding(RULE.code, head, message, (created,), fixes.sentinels.bytes_sentinel(module, loop))


RULE = Rule(
    "FRK109",
    "endless-readline-loop",
    triggers=(("subprocess",), ("readline", "read"), ("PIPE", "Popen")),
    names=(words.POPEN, words.PIPE),
    makers=words.POPEN,
    check=check,
    plausible=may_use_pipes,
)
