"""SIGTERM for a child, and nothing in sight that ever sends SIGKILL.

## What it does
Reports a SIGTERM to a handle, or to its process group, when nothing in the function, the class, or a function of the
module that is given the handle ever sends it SIGKILL. `terminate()`, `send_signal(SIGTERM)`, `os.kill(p.pid, 15)`,
`os.killpg(...)`, psutil on the handle's pid, and `terminate` handed on by reference (`Timer(60, p.terminate)`) are all
the same. One report per handle and function.

SIGKILL by any of these means counts as escalation, in another method too, and so does a `send_signal(signum)` whose
caller chooses the signal. A handle that was given to code out of sight is reported only where an unbounded wait follows
the SIGTERM. Silent is the rule about a multiprocessing worker that runs nothing but this module's own code while no
signal handler is installed.

## What happens at run time
```sequence
title: The parent waits for a child that does not die of SIGTERM.
process parent: Parent
process child: Child
parent starts child: Popen(argv)
parent -x child: terminate(): SIGTERM is handled or ignored
child remains: runs on
parent waits for child: wait(), join() or communicate()
end: SIGKILL cannot be refused, but nobody sends it.
```

1. `terminate()` asks. A program may handle SIGTERM, ignore it, have inherited "ignore" from its parent, or be stopped
   by Ctrl-Z, in which case it is not even delivered.
2. The `wait()`, `join()` or `communicate()` behind it has no limit, so the parent hangs with the child. At the end of a
   `with Popen(...)` block the same wait happens unseen.
3. Without a wait the child runs on, keeps its port and its lock file, and the next start fails.

SIGKILL cannot be refused. SIGTERM, a bounded wait, SIGKILL, a second wait: this came to an end in every measured case.
A worker of multiprocessing that was forked inherits the handlers of its parent as well: if those handle SIGTERM,
`terminate()` has no effect at all.

## Example
```python
import subprocess


class Server:
    def start(self, argv):
        self.process = subprocess.Popen(argv)

    def stop(self):
        self.process.terminate()
        self.process.wait()
```

## Use instead
```python
import subprocess


class Server:
    def start(self, argv):
        self.process = subprocess.Popen(argv)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
```

## Fix safety
Unsafe: a child that takes longer than the grace period (5 seconds unless set) is killed, and leaves its lock files and
half written files behind. The wait behind the signal gets the limit, also where it is the wait of a second loop over
the same children; where there is none, one is written right behind the signal, which from then on holds up its caller.

There is no fix where a wait could do harm (in a signal handler, in a coroutine for a child that is not asyncio's, in
`__del__`, where `os.waitpid()` collects the status), where `terminate` is handed on by reference, and where
`communicate()` would lose what an earlier `readline()` has left in the buffer.

## When it is fine to ignore
When the child is known to die of SIGTERM, as `sleep` and `cat` do, or when it must by no means be killed and waiting
for it without limit is the lesser evil. `git` in the middle of a write is such a child.

## What it cannot see
- What the child does with SIGTERM.
- A SIGKILL that another module sends.

## References
- [`Popen.terminate`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.terminate) and
  [`Popen.kill`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.kill)
- [`Process.terminate`](https://docs.python.org/3/library/multiprocessing.html#multiprocessing.Process.terminate)
- [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html): SIGKILL cannot be caught, blocked or ignored
- [PEP 475](https://peps.python.org/pep-0475/): a system call goes on after a handler that only sets a flag
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
    """Report the first SIGTERM of each handle and function that no SIGKILL stands behind."""
    for handle in module.handles:
        for event in module.ending.gentle_signals(handle):
            span, created = Span.of(event.site), module.created(handle)
            name = module.name_of(event)
            message = (
                f"{name} gets SIGTERM and never SIGKILL: a child that handles or ignores SIGTERM runs on, and a wait "
                f"for it never returns; wait with a timeout, then {module.method_of(event, 'kill()')} and wait again"
            )
            yield Finding(RULE.code, span, message, (created,), fixes.ending.make_sure(module, event))


RULE = Rule(
    "FRK501",
    "sigterm-only",
    triggers=(
        ("subprocess", "multiprocess", "billiard"),
        ("Popen", "create_subprocess", "Process"),
        ("subprocess", "Popen", *words.PROCESS_TEXTS),
        ("terminate", "SIGTERM", "send_signal", "kill"),
    ),
    names=(words.HANDLE, words.SIGNAL),
    makers=words.HANDLE | {"active_children"},
    settlers=words.REAPING | words.SESSION | {"SIGTERM"},
    check=check,
)
