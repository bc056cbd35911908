"""A wait for a child whose stdout or stderr is a PIPE that nobody drains.

## What it does
Reports `wait()`, with or without a timeout, and loops on `poll()` or `returncode`, on a handle whose stdout or stderr
is a PIPE, where some path leads from the creation of the handle to the wait and nothing on it drains the pipe, closes
it or hands it over. `await process.wait()`, `asyncio.wait_for(process.wait(), 5)` and `asyncio.to_thread(popen.wait)`
count too.

One `readline()` drains nothing, and neither does a read loop that is left early. Silent is the rule about a wait behind
`kill()`, `terminate()` or `send_signal()`, about the implicit wait at the end of `with Popen(...)`, which closes the
pipe first, and about a handle given to code out of sight.

## What happens at run time
```sequence
title: The parent waits for the child's end, the child for a reader.
process parent: Parent
pipe out: stdout
process child: Child (make)
parent starts child: Popen(["make"], stdout=PIPE)
child -> out: write 64 KiB
note out: full
parent waits for child: wait(), until the child ends
child waits for out: write(), until somebody reads
end: The parent would read, but only after the wait. Neither ever goes on.
```

1. The child writes into the pipe. On Linux a pipe holds 64 KiB, and less for an unprivileged user with many open pipes.
2. The pipe is full: the child's next `write` blocks until somebody reads.
3. The parent reads nothing, because it waits for the child to end. Neither ever goes on.

65,536 bytes of output pass, one more byte hangs: the program works in tests and stops in production, on the first
verbose day. With a timeout the parent gets a `TimeoutExpired` although the child was well and only waited to be read. A
poll loop spins for ever for the same reason. An asyncio handle buffers some more in the parent, which moves the limit
and changes nothing else.

## Example
```python
import subprocess

make = subprocess.Popen(["make"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
status = make.wait()
output = make.stdout.read()
```

```python
import subprocess
import time

backup = subprocess.Popen(["backup", "--verbose"], stderr=subprocess.PIPE)
while backup.poll() is None:
    time.sleep(1)
```

## Use instead
If the output is wanted, `communicate()` reads it while it waits:

```python
import subprocess

make = subprocess.Popen(["make"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
output, _ = make.communicate()
status = make.returncode
```

If it is not, open no pipe:

```python
import subprocess

backup = subprocess.Popen(["backup", "--verbose"], stderr=subprocess.DEVNULL)
backup.wait()
```

## Fix safety
Output that nothing in the file ever touches goes to DEVNULL, together with an untouched stdin that would be left open:
safe, because the child cannot tell the two apart. It is unsafe where a public attribute or global holds the handle,
since another file may use the pipe, which is None then.

Otherwise `communicate()` takes the place of the wait, or of a loop that only polls and sleeps; what was read afterwards
is its result. It waits until every process that inherited the pipe has closed it, `wait()` only for the child itself.
So the fix is safe where the output is read to its end in any case, and unsafe where it is not, where the call stands
in another method than the `Popen` (a second call meets closed pipes), and where text is decoded that was not before.
Nothing is written for a shell whose output is not read in any case, where a pipe or the handle is used elsewhere or
later in another way, where a loop comes back to the wait, after a `readline()` whose buffer would be lost, and where a
handler of the timeout reads the pipes.

## When it is fine to ignore
When the child can never write more than fits the pipe, as `git rev-parse HEAD` does. Keep in mind that warnings and
tracebacks are output as well.

## What it cannot see
- How much the child writes.
- Pipes that are set in another file, and handles that another file waits for.
- That a child does not die of the SIGTERM it was sent: one whose handler only sets a flag stays blocked in its `write`
  (PEP 475), and the wait behind `terminate()` hangs.

## References
- [`Popen.wait`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.wait), with the note about the
  deadlock
- [asyncio subprocesses](https://docs.python.org/3/library/asyncio-subprocess.html#interacting-with-subprocesses), with
  the same note
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html), "Pipe capacity"
- [PEP 475](https://peps.python.org/pep-0475/): a system call that a signal interrupts is restarted
- [bpo-1606](https://bugs.python.org/issue1606): `wait()` may lead to a deadlock
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
    """Report each wait, and each poll loop, that some path reaches with a pipe still to be drained."""
    from flake8_forksafe.model.care import waits

    for handle in module.handles:
        created = module.created(handle)
        for wait in module.pipes.undrained_waits(handle):
            name = module.name_of(wait.event)
            verb = "waiting for" if waits(wait.event) else "polling"
            outcome = "only time out" if wait.event.timed else "never end"
            pipes = " and ".join(wait.streams)
            they, full = ("PIPEs", "one is full") if len(wait.streams) > 1 else ("a PIPE", "it is full")
            message = (
                f"{verb} {name} may {outcome}: nobody reads its {pipes}, {they} (line {created.span.line}), and the "
                f"child blocks once {full}; use {module.method_of(wait.event, 'communicate()')}, or DEVNULL if "
                f"you do not need the output"
            )
            fix = fixes.unread.discard_all(module, handle, wait.streams) or fixes.communicate.communicate(
                module, handle, wait.event
            )
            yield Finding(RULE.code, Span.of(wait.event.site), message, (created,), fix)


RULE = Rule(
    "FRK101",
    "wait-with-undrained-pipe",
    triggers=(("subprocess",), ("PIPE", "Popen", "create_subprocess"), ("wait", "poll", "returncode")),
    names=(words.POPEN, words.PIPE, words.WAIT),
    makers=words.POPEN,
    check=check,
    plausible=may_use_pipes,
)
