"""A blocking read of one of stdout and stderr while the other is a PIPE that nobody drains at the same time.

## What it does
Reports, once per handle, the first blocking read of stdout or stderr while the other of the two is a PIPE that nobody
reads meanwhile: `read()`, `read(n)`, `readline()`, `readlines()`, iteration, `os.read` on the descriptor, or giving
that pipe alone to a call that reads it (`json.load`, `shutil.copyfileobj`). Reading one to its end and then the other
is not at the same time. Handles of `subprocess` and of asyncio are treated alike.

Silent is the rule where the other stream is STDOUT, DEVNULL or a file, where it is closed or handed to a thread, task
or selector first, and where the child is known to have ended.

## What happens at run time
```sequence
title: The parent waits for stdout, the child for a reader of stderr.
process parent: Parent
pipe out: stdout
pipe err: stderr
process child: Child
parent starts child: Popen(stdout=PIPE, stderr=PIPE)
child -> err: write 64 KiB of errors
note err: full
parent waits for out: read, until a line or the end
child waits for err: write(), until somebody reads
end: Only the child can fill stdout, only the parent can empty stderr. Neither ever goes on.
```

1. The child writes to stderr, which nobody reads. After 64 KiB the pipe is full and the child's `write` blocks.
2. The parent blocks in the read of stdout. It would come back at the next line, or at the end of the output.
3. The blocked child writes no next line and does not end.

It does not matter which of the two is read first, or whether line by line: what counts is that the other one outgrows
its pipe. asyncio is no cure. It reads ahead a little (200 KB of errors still passed in a measurement, 1 MB did not) and
then waits just as long.

## Example
```python
import subprocess

tests = subprocess.Popen(["python", "-m", "unittest"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
for line in tests.stdout:
    print(line, end="")
errors = tests.stderr.read()
```

## Use instead
`communicate()` reads both at the same time:

```python
import subprocess

tests = subprocess.Popen(["python", "-m", "unittest"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
output, errors = tests.communicate()
```

To see the lines as they come, let both streams share one pipe:

```python
import subprocess

tests = subprocess.Popen(["python", "-m", "unittest"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
with tests:
    for line in tests.stdout:
        print(line, end="")
```

or give one of them a reader of its own:

```python
import asyncio


async def run_tests() -> tuple[bytes, bytes]:
    tests = await asyncio.create_subprocess_exec(
        "python", "-m", "unittest", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.gather(tests.stdout.read(), tests.stderr.read())
    await tests.wait()
    return output, errors
```

## Fix safety
Reads to the end become the results of one `communicate()`; lines are taken from an `io.StringIO` or `io.BytesIO`,
because `splitlines()` knows more line ends than a pipe. Safe, but where the other pipe is not read in any case: then
the fix is unsafe if a shell may have left a process behind that holds it open, or if its text was never decoded before.
It is unsafe, too, in another method than the `Popen`, because a second call meets closed pipes.

A loop over the lines is left as it is. If nothing ever touches the other pipe, that one goes to DEVNULL: safe, or
unsafe where a public name holds the handle. Otherwise there is no fix: whether the lines are needed as they come, only
you know.

## When it is fine to ignore
When the child can write only a few lines to the other stream, whatever goes wrong in it.

## What it cannot see
- How much the child writes to which stream.
- A reader of the other stream that another file starts. A handle or pipe given to code out of sight silences the rule.

## References
- [`Popen.stderr`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.stderr), with the warning about
  `.stdout.read` and `.stderr.read`
- [asyncio subprocesses](https://docs.python.org/3/library/asyncio-subprocess.html#interacting-with-subprocesses), with
  the same warning
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html), "Pipe capacity"
- [PEP 324](https://peps.python.org/pep-0324/): the `subprocess` module and `communicate()`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.prefilter import may_use_pipes
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.subprocess import SIBLING

if TYPE_CHECKING:
    from flake8_forksafe.model.events import Event
    from flake8_forksafe.model.module import ModuleModel
    from flake8_forksafe.model.values import Handle


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report, once per handle, the first read that leaves the sibling pipe to fill up."""
    for handle in module.handles:
        hit = module.pipes.read_beside_sibling(handle)
        if hit is not None:
            yield _report(module, handle, hit)


def _report(module: ModuleModel, handle: Handle, hit: Event) -> Finding:
    sibling, created = SIBLING[hit.stream], module.created(handle)
    instead = "stderr=STDOUT or DEVNULL" if sibling == "stderr" else "stdout=DEVNULL"  # only stderr can be STDOUT
    message = (
        f"reading {module.pipe_name(hit)} may never end: nobody reads {sibling} meanwhile, a PIPE too (line "
        f"{created.span.line}), and the child blocks once that is full; use "
        f"{module.method_of(hit, 'communicate()')}, or {instead}"
    )
    fix = fixes.communicate.communicate(module, handle, hit) or fixes.unread.discard_output(module, handle, [sibling])
    made = Related(created.span, f"{sibling} is made a PIPE here")
    return Finding(RULE.code, Span.of(hit.site), message, (made,), fix)


RULE = Rule(
    "FRK102",
    "read-with-undrained-sibling",
    triggers=(("subprocess",), ("PIPE", "Popen", "create_subprocess"), ("stdout", "stderr")),
    names=(words.POPEN, words.PIPE),
    makers=words.POPEN,
    check=check,
    plausible=may_use_pipes,
)
