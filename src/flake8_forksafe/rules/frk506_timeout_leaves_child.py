"""A handler of a timeout that leaves the child running.

## What it does
Reports the `except` clause that catches the timeout of `communicate(timeout=...)`, `wait(timeout=...)` or
`asyncio.wait_for(process.wait(), ...)`, when neither the clause nor anything after the `try` statement ends the child
or waits for it again. `TimeoutExpired` may stand in a tuple, and `except Exception` catches it too.

Silent is the rule about `subprocess.run`, `call`, `check_call` and `check_output`, which kill the child themselves,
about a child that was signalled before the wait, about loops that try again, and when another method of the class, or a
function that is given the handle, ends the child.

## What happens at run time
```sequence
title: The timeout is caught, and the child runs on.
process parent: Parent
process child: Child
process second: Second child
parent starts child: Popen(argv)
note parent: wait(timeout=60): TimeoutExpired
note parent: returns None
child remains: runs on, nobody knows it
parent starts second: the next try
end: wait(timeout) gives up waiting and kills nothing. The old child keeps its locks and its port.
```

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
Unsafe: the child is ended. SIGTERM, a wait of at most the grace period (5 seconds unless set), SIGKILL and a wait are
written into the handler, behind its log lines. Where that is for other exceptions too, or the child is made inside the
`try`, they go into a `try` of their own around the bounded wait, which raises the timeout again. A shell also gets a
session of its own, and the signals go to that. What is left in a PIPE is not read: `wait()` is bounded whatever the
child's own children hold open.

There is no fix in a signal handler, in a coroutine for a child that is not asyncio's, and where `os.waitpid()` collects
the status.

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
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.prefilter import may_time_out
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each handler that neither ends the child that timed out nor waits for it again."""
    for handle in module.handles:
        for abandoned in module.ending.abandoned(handle):
            wait, handler = abandoned
            span, created = Span.of(handler), module.created(handle)
            if module.ending.outlasts_block(abandoned):
                message = (
                    f"the timeout of {module.name_of(wait)} (line {wait.site.lineno}) is void: the with block still "
                    f"waits until the child has ended; call {module.method_of(wait, 'kill()')} inside the block"
                )
            else:
                message = (
                    f"the timeout of {module.name_of(wait)} (line {wait.site.lineno}) does not end the child, and "
                    f"nothing afterwards does: it runs on; call {module.method_of(wait, 'kill()')} and wait for it here"
                )
            related = (Related(Span.of(wait.site), "the wait that times out"), created)
            yield Finding(RULE.code, span, message, related, fixes.ending.end_after_timeout(module, handle, abandoned))


RULE = Rule(
    "FRK506",
    "timeout-leaves-child",
    triggers=(
        ("subprocess",),
        ("Popen", "create_subprocess"),
        ("wait", "communicate"),
        ("Timeout", "Exception", "except:"),
    ),
    names=(words.POPEN, frozenset({"wait", "communicate"})),
    makers=words.POPEN,
    settlers=words.REAPING,
    check=check,
    plausible=may_time_out,
)
