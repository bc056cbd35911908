"""A `__del__` that is to stop a timer or thread which keeps the object alive.

## What it does
Reports a `__del__` that, itself or through helpers of the module, cancels, joins or stops (by an `Event` or a flag
that the thread goes by) a Timer or Thread that holds a strong reference to the same object: its callback is a bound
method, a closure or lambda over `self`, a partial of one of these, or `self` is among its arguments.

Silent is the rule where the callback gets a weak reference, or is a static method or plain function that is not given
the object.

## What happens at run time
```sequence
title: The object waits for its thread to let it go, the thread for the object to stop it.
thread main: Main thread
object tail: Tail
thread follower: Its thread
main -> tail: Tail(path)
tail starts follower: Thread(target=self.follow)
note follower: holds self
main -> tail: drops its last reference
tail waits for follower: __del__ runs once nobody holds self
follower waits for tail: runs until __del__ sets stopped
main waits for follower: the exit joins the thread
end: __del__ never runs, the thread never stops, the interpreter never exits.
```

1. A running thread is held by the interpreter, and holds its target and arguments; a bound method holds its object.
2. When the program drops its last reference to the object, that of the thread is left. The object is not collected.
3. So `__del__` does not run, and nobody stops the thread: each waits for the other. A thread, or a timer that arms
   itself again, lives as long as the process; if it is no daemon, the process never exits. A daemon leaks the object,
   its thread, and all that it holds.

The `gc` module does not help: this is no unreachable cycle, because the running thread is reachable.

## Example
```python
import threading


class Tail:
    def __init__(self, path):
        self.path = path
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def follow(self):
        with open(self.path) as source:
            while not self.stopped.wait(0.2):
                print(source.read(), end="")

    def __del__(self):
        self.stopped.set()
        self.thread.join()
```

## Use instead
```python
import threading


class Tail:
    def __init__(self, path):
        self.path = path
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def follow(self):
        with open(self.path) as source:
            while not self.stopped.wait(0.2):
                print(source.read(), end="")

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stopped.set()
        self.thread.join()
```

or, where nobody can be asked to close the object, a thread that does not know it:

```python
import threading
import weakref


def follow(path, stopped):
    with open(path) as source:
        while not stopped.wait(0.2):
            print(source.read(), end="")


class Tail:
    def __init__(self, path):
        stopped = threading.Event()
        threading.Thread(target=follow, args=(path, stopped)).start()
        weakref.finalize(self, stopped.set)
```

## Fix safety
There is no automatic fix yet. A fix that turns `__del__` into `close()` has to find every place that makes the object
and close it there.

## When it is fine to ignore
When the thread is known to end by itself soon, and `__del__` is only a second belt.

## What it cannot see
- A reference that goes through another object: a thread that runs `self.pump.run` where the pump knows the object.
- What another file gives the thread.

## References
- [`object.__del__`](https://docs.python.org/3/reference/datamodel.html#object.__del__)
- [`weakref.WeakMethod`](https://docs.python.org/3/library/weakref.html#weakref.WeakMethod) and
  [`weakref.finalize`](https://docs.python.org/3/library/weakref.html#weakref.finalize)
- [`threading.Thread`](https://docs.python.org/3/library/threading.html#thread-objects)
- [PEP 442](https://peps.python.org/pep-0442/): when finalizers of collected objects run
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each `__del__` that waits for the end of what keeps it from running."""
    for undying in module.timers.undying:
        kind, made = undying.alarm.noun, Span.of(undying.alarm.call)
        message = (
            f"__del__ cannot run while the {kind} that it should stop is alive: that {kind} (line {made.line}) keeps "
            f"the object alive; stop it in close() or __exit__, or give it a function without self"
        )
        yield Finding(RULE.code, undying.span, message, (Related(made, f"the {kind} is given the object here"),))


RULE = Rule(
    "FRK403",
    "timer-cancelled-in-del",
    triggers=(("hread", "billiard"), ("__del__",), ("Thread", "Timer")),
    names=(frozenset({"__del__"}), words.ALARM, words.THREAD_MODULES),
    makers=words.ALARM | words.EVENT | {"__del__"},
    check=check,
)
