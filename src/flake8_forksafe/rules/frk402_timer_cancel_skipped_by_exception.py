"""A timer whose `cancel()` is skipped when the code it guards raises.

## What it does
Reports a `cancel()` of a `threading.Timer` that the same function has started, with code between the two that can
raise, when no `finally`, handler or context manager sees to the cancel on that way.

Silent is the rule for daemon timers, for a cancel that only makes room for a replacement, where `cancel` is handed to
an `ExitStack` or the like, and where another function of the module cancels the timer too.

## What happens at run time
```sequence
title: The timer fires although the work is over.
thread main: capture()
thread timer: Timer (watchdog)
process child: Child
main starts child: Popen(argv)
main starts timer: start(), 60 s
note main: communicate() raises: cancel() is skipped
note main: the exit has to wait for the timer
timer -> child: after 60 s: kill()
timer ends: its callback is done
main ends: up to 60 s late
child remains: killed, though it was to live on
end: The exception was handled long ago. The timer still ended the child, and held up the exit.
```

1. `start()` makes a thread that sleeps for the interval and then runs the callback.
2. The guarded code raises. The function is left, and the line with `cancel()` is never reached.
3. The callback fires although the work is long over: it kills a process that was to live on, closes a connection that
   somebody else uses now, or reports a timeout that was none.
4. The thread is no daemon, so the program does not exit before it has fired.

## Example
```python
import subprocess
import threading


def capture(argv, timeout):
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE)
    watchdog = threading.Timer(timeout, proc.kill)
    watchdog.start()
    output, _ = proc.communicate()
    watchdog.cancel()
    return output
```

## Use instead
```python
import subprocess
import threading


def capture(argv, timeout):
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE)
    watchdog = threading.Timer(timeout, proc.kill)
    watchdog.start()
    try:
        output, _ = proc.communicate()
    finally:
        watchdog.cancel()
    return output
```

## Fix safety
The fix is safe. It puts what stands between `start()` and `cancel()` into `try` and the cancel into `finally`. There is
none where a `return`, `break` or `continue` between the two skips the cancel, perhaps on purpose, and where start and
cancel do not stand in one block.

## When it is fine to ignore
When the callback does no harm at any time and the interval is so short that nobody minds a late exit.

## What it cannot see
- A timer that is started in one function and cancelled in another.
- Whether the code between really can raise; it takes that of every call, `await` and `yield`, but for printing, logging
  and looking at the clock.

## References
- [`threading.Timer.cancel`](https://docs.python.org/3/library/threading.html#threading.Timer.cancel)
- [The `finally` clause](https://docs.python.org/3/reference/compound_stmts.html#finally-clause)
- [`contextlib.ExitStack.callback`](https://docs.python.org/3/library/contextlib.html#contextlib.ExitStack.callback)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each cancel that an exception between the start and it can skip."""
    for skipped in module.timers.skipped_cancels:
        name = module.timers.text_of(skipped.cancel)
        message = (
            f"an exception in line {skipped.raiser.line} skips this cancel(): {name} (line {skipped.start.site.lineno})"
            f" still fires, and the interpreter cannot exit before it has; put {name}.cancel() in a finally"
        )
        related = (
            Related(Span.of(skipped.start.site), "the timer is started here"),
            Related(skipped.raiser, "an exception here skips the cancel"),
        )
        yield Finding(
            RULE.code, Span.of(skipped.cancel.site), message, related, fixes.timers.cancel_in_finally(module, skipped)
        )


RULE = Rule(
    "FRK402",
    "timer-cancel-skipped-by-exception",
    triggers=(("hread", "billiard"), ("Timer",), ("thread",), ("start",), ("cancel",)),
    names=(words.THREAD_MODULES, frozenset({"Timer"}), frozenset({"start"}), frozenset({"cancel"})),
    makers=words.ALARM | words.EVENT,
    check=check,
)
