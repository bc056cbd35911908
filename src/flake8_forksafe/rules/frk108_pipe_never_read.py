"""A child kept alive with a PIPE that nothing in sight ever reads.

## What it does
Reports the creation of a handle that is stored or used later, with stdout or stderr PIPE, if nothing in the module ever
reads, drains or closes that pipe or hands it over. Where FRK101 reports a wait for the same handle, FRK108 does not;
and a handle given to code out of sight (returned, passed to another file's function) is not reported, nor is a
`with Popen(...)` whose body ends at once.

## What happens at run time
```sequence
title: The server waits for a reader of its log, and does nothing else any more.
process parent: Parent
pipe out: stdout
process server: Server
parent starts server: Popen(["./server"], stdout=PIPE)
server -> out: log lines, for minutes or weeks
note out: full after 64 KiB
server waits for out: write(), until somebody reads
note parent: poll() is None, so it seems well
parent -x server: a request: no answer
end: Nobody ever reads the pipe. The server is alive, uses no processor time and serves nobody.
```

1. A server, a browser or a worker is started with `stdout=PIPE`, often only to keep its output off the terminal.
2. It writes its log. After 64 KiB the pipe is full and its next `write` blocks.
3. From then on it does nothing, for ever. It is alive (`poll()` says None), uses no processor time, and answers nobody.

The time until then depends on how much it logs: minutes or weeks. A restart helps, until the pipe is full again.

## Example
```python
import subprocess


class Server:
    def start(self) -> None:
        self.process = subprocess.Popen(["./server"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def is_running(self) -> bool:
        return self.process.poll() is None
```

## Use instead
Throw the output away, or write it to a file:

```python
import subprocess


class Server:
    def start(self) -> None:
        with open("server.log", "ab") as log:
            self.process = subprocess.Popen(["./server"], stdout=log, stderr=subprocess.STDOUT)

    def is_running(self) -> bool:
        return self.process.poll() is None
```

or read the pipe for as long as the child lives:

```python
import logging
import subprocess
import threading


class Server:
    def start(self) -> None:
        self.process = subprocess.Popen(["./server"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._log, daemon=True).start()

    def is_running(self) -> bool:
        return self.process.poll() is None

    def _log(self) -> None:
        for line in self.process.stdout:
            logging.info("server: %s", line.rstrip())
```

## Fix safety
The pipe becomes DEVNULL where the call itself says PIPE and nothing in the file so much as looks at it. This is safe
for local and private names, and unsafe where a public attribute or global holds the handle: `process.stdout` is None
then for any other file that uses it.

## When it is fine to ignore
When the child writes less than a pipe holds in its whole life, or when another file reads the pipe through the stored
handle.

## What it cannot see
- How much the child writes.
- Readers in other files that reach the handle through the object it is stored in.

## References
- [`subprocess.PIPE`](https://docs.python.org/3/library/subprocess.html#subprocess.PIPE) and
  [`subprocess.DEVNULL`](https://docs.python.org/3/library/subprocess.html#subprocess.DEVNULL)
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html), "Pipe capacity"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding
from flake8_forksafe.prefilter import may_neglect_pipes
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each handle that is kept or used with an output pipe nobody looks after."""
    from flake8_forksafe.model.care import looks_after

    for handle in module.handles:
        if (
            not module.is_kept(handle)
            or module.pipes.undrained_waits(handle)
            or module.pipes.read_beside_sibling(handle)
            or handle in module.holdings.shared_with_bases
        ):
            continue
        pipes = [s for s, _ in module.spawn(handle).output_pipes() if not module.happens(handle, looks_after(s))]
        if pipes:
            created = module.created(handle)
            message = (
                f"{' and '.join(pipes)} of this child {'are PIPEs' if len(pipes) > 1 else 'is a PIPE'} that nothing "
                f"here ever reads: the child stops when 64 KiB are full; use DEVNULL or a file, or read it in a thread"
            )
            yield Finding(RULE.code, created.span, message, fix=fixes.unread.discard_output(module, handle, pipes))


RULE = Rule(
    "FRK108",
    "pipe-never-read",
    triggers=(
        ("subprocess",),
        ("PIPE", "Popen", "create_subprocess"),
    ),
    names=(words.POPEN, words.PIPE),
    makers=words.POPEN,
    check=check,
    plausible=may_neglect_pipes,
)
