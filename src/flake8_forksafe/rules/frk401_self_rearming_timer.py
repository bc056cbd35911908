"""A timer callback that starts a new non-daemon Timer on itself.

## What it does
Reports the construction of a `threading.Timer` by its own callback: the callback runs, makes the next Timer on itself
and starts it. The callback may be a method, a function with arguments, a closure, a lambda or a `functools.partial`;
it may arm the Timer itself or through helpers, base classes and Timer subclasses of the module.

Silent is the rule where the Timer is a daemon: by `daemon = True`, `setDaemon(True)`, `_daemonic` or a subclass that
sets it, or because only the callback arms again and every first arming is a daemon (a thread inherits the flag from
the thread that makes it). It is also silent where the arming again is bounded or stands under a test that other code of
the module can turn: a stop flag, an `Event`, a counter, the result of the work.

## What happens at run time
```sequence
title: The exit joins a timer, which arms the next one, which is joined as well.
thread main: Main thread
thread one: Timer
thread two: Next timer
main starts one: Timer.start()
note main: at its end: sys.exit()
one starts two: the callback arms it
one ends: is joined
main waits for two: the exit joins every non-daemon thread
two remains: fires and arms the next, for ever
end: There is always one more thread to join. The interpreter never exits.
```

1. A Timer is a thread. At exit the interpreter joins every thread that is no daemon.
2. The join waits for the timer to fire. Its callback arms the next Timer, a new thread, which is joined as well.
3. So the program never ends. `sys.exit()`, an uncaught exception and dropping the object do not help. The running
   Timer holds the object, whose `__del__` never runs. `atexit.register(timer.cancel)` comes too late: it runs after
   the threads have been joined.

A `cancel()` in a `finally` is no full cure: while the callback runs, the old Timer is cancelled, to no effect, and the
callback arms a new one. Measured, 20 to 31 of 50 chains lived on when the callback took as long as its interval, and
still 4 to 6 of 50 when it took a tenth of it.

## Example
```python
import threading


class CacheRefresher:
    def __init__(self, cache, interval):
        self.cache = cache
        self.interval = interval

    def refresh(self):
        self.cache.reload()
        self.timer = threading.Timer(self.interval, self.refresh)
        self.timer.start()

    def stop(self):
        self.timer.cancel()
```

## Use instead
```python
import threading


class CacheRefresher:
    def __init__(self, cache, interval):
        self.cache = cache
        self.interval = interval
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopped.wait(self.interval):
            self.cache.reload()

    def stop(self):
        self.stopped.set()
        self.thread.join()
```

or, where the work may be cut off in its middle when the program ends:

```python
import threading


def flush_metrics(registry, interval):
    registry.push()
    timer = threading.Timer(interval, flush_metrics, args=(registry, interval))
    timer.daemon = True
    timer.start()
```

## Fix safety
Both fixes are unsafe. A class whose callback arms its Timer last, which arms it first in one other method, and which
does nothing else with it than cancel it, gets one daemon thread that loops on `Event.wait(interval)`, and sets the
Event where it cancelled; the attribute then holds a Thread, and a cancel is not lost any more. Elsewhere the fix sets
`daemon = True` in front of `start()` (after it that raises RuntimeError, and `Timer` takes no `daemon` argument). At
exit a daemon is cut off in the middle of its callback, and no `finally` of it runs.

There is no fix for a subclass of Timer and for a function that arms whatever callback it is given, as the flag would
hold for their other uses too. A callback that arms first is never made a loop: it may overlap itself and survives its
own exceptions, which a loop does not.

## When it is fine to ignore
When the process is meant to run until it is killed.

## What it cannot see
- A callback that is given by another file, or that leads back to its Timer through one.
- Whether a test of the callback's own work ever comes out false: every such test counts as a bound.
- A stop flag that only other files set.

## References
- [`threading.Timer`](https://docs.python.org/3/library/threading.html#timer-objects)
- [`Thread.daemon`](https://docs.python.org/3/library/threading.html#threading.Thread.daemon), which is inherited from
  the creating thread
- [`atexit`](https://docs.python.org/3/library/atexit.html)
- [gh-126168](https://github.com/python/cpython/issues/126168): `atexit` callbacks run after the join of the threads
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
    """Report each Timer that its own callback makes and starts anew, for ever."""
    for rearming in module.timers.rearming:
        name, line = rearming.callback.name, rearming.span.line
        who = "its callback" if name == "<lambda>" else f"{name}()"
        message = (
            f"{who} (line {line}) arms this non-daemon Timer anew each time it runs: the interpreter never exits, "
            f"and a cancel() meanwhile is lost; loop on Event.wait(interval) in one thread, or set daemon = True"
        )
        related = Related(rearming.span, "the callback that leads back to the Timer")
        fix = fixes.timer_loops.as_event_loop(module, rearming) or fixes.timers.as_daemon(module, rearming)
        yield Finding(RULE.code, Span.of(rearming.alarm.call), message, (related,), fix)


RULE = Rule(
    "FRK401",
    "self-rearming-timer",
    triggers=(("hread", "billiard"), ("Timer",), ("thread",), ("start",)),
    names=(words.THREAD_MODULES, frozenset({"Timer"}), frozenset({"start"})),
    makers=words.ALARM | words.EVENT,
    check=check,
)
