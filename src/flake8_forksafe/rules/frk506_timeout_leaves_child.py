"""A handler of a timeout that leaves the child running.

## What it does
Reports the `except` clause that catches the timeout of `communicate(timeout=...)`, `wait(timeout=...)` or
`asyncio.wait_for(process.wait(), ...)`, when neither the clause nor anything after the `try` statement ends the child
or waits for it again. `TimeoutExpired` may stand in a tuple, and `except Exception` catches it too.

Silent is the rule about `subprocess.run`, `call`, `check_call` and `check_output`, which kill the child themselves,
about a child that was signalled before the wait, about loops that try again, and when another method of the class, or a
function that is given the handle, ends the child.

## Why is this bad?
1. `wait(timeout=...)` and `communicate(timeout=...)` give up waiting. They never kill the child.
2. The handler returns or raises as if the job were over. The child runs on, with its locks, its port and its share of
   the machine, and nobody is left who knows it.
3. A caller that tries again starts a second one beside it. When the child ends at last, it becomes a zombie.

Inside `with Popen(...)` it is the other way round: the end of the block waits for the child, and the timeout is void.

## Example
```python
import subprocess


def convert(source, target):
    process = subprocess.Popen(["convert", source, target])
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        return None
```

## Use instead
```python
import subprocess


def convert(source, target):
    process = subprocess.Popen(["convert", source, target])
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
```

`subprocess.run(..., timeout=60)` does the same in one call.

## Fix safety
There is no automatic fix yet. Behind the `kill()` a child with a PIPE is best reaped by `communicate()`, which also
returns what it has written, but not if it was started through a shell: see FRK505.

## When it is fine to ignore
When the child is meant to outlive the call, and the wait only finds out whether it failed at once.

## What it cannot see
- Who else knows the child, and ends it in another module.
- Timeouts that are caught in another module.

## References
- [`Popen.communicate`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.communicate): "The child
  process is not killed if the timeout expires"
- [`asyncio.wait_for`](https://docs.python.org/3/library/asyncio-task.html#asyncio.wait_for) and [asyncio's
  `Process.communicate`](https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.subprocess.Process.communicate)
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.model import ModuleModel
from flake8_forksafe.rule import Rule


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each handler that neither ends the child that timed out nor waits for it again."""
    for handle in module.handles:
        for wait, handler in module.ending.abandoned(handle):
            span, created = Span.of(handler), module.created(handle)
            message = (
                f"the timeout of {module.name_of(wait)} (line {wait.site.lineno}) does not end the child, and nothing "
                f"afterwards does: it runs on; call {module.method_of(wait, 'kill()')} and wait for it here"
            )
            yield Finding(RULE.code, span, message, (Related(Span.of(wait.site), "the wait that times out"), created))


RULE = Rule(
    "FRK506",
    "timeout-leaves-child",
    triggers=(("subprocess", "Popen"), ("wait", "communicate"), ("except",)),
    check=check,
)
