"""`subprocess.call` or `check_call` with a PIPE: nobody can ever read or close it.

## What it does
Reports `subprocess.call` and `subprocess.check_call` with `PIPE` as stdout, stderr or stdin, also when it comes from a
dict of keyword arguments, a default or a conditional expression. `run` and `check_output`, which read their pipes, are
not reported. Where the call stands in a function of the module that passes its own arguments on, the report stands at
the call of that function that gives the pipe.

## What happens at run time
```sequence
title: The call waits for the child, and the child for a reader that cannot exist.
process parent: Parent
pipe out: stdout
process child: Child (rsync)
parent starts child: check_call(stdout=PIPE)
child -> out: write 64 KiB
note out: full
child waits for out: write(), until somebody reads
parent waits for child: wait() inside check_call()
end: The handle never leaves check_call(), so no code can read the pipe. Neither ever goes on.
```

1. Both functions make a `Popen`, call `wait()` on it and return the exit status. The handle never leaves them, so no
   code of yours can reach the pipe.
2. The child writes. When the pipe holds 64 KiB, its next `write` blocks until somebody reads.
3. `wait()` waits for the child to end. Neither ever goes on.

With less output nothing happens except that it is thrown away, so the call works until the day the command has more to
say. With a `timeout` the child is killed in the middle of its work and TimeoutExpired is raised.

With `stdin=PIPE` it is the input that never ends: the open write end is in the handle, so a child that reads its input
(`cat`, `sort`, `psql`, every interpreter) hangs at once.

## Example
```python
import subprocess

subprocess.check_call(["rsync", "--verbose", "build/", "server:/srv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
```

```python
import subprocess

subprocess.call(["psql", "shop"], stdin=subprocess.PIPE)
```

## Use instead
DEVNULL throws the output away, or gives an empty input, without a pipe:

```python
import subprocess

subprocess.check_call(
    ["rsync", "--verbose", "build/", "server:/srv"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
subprocess.call(["psql", "shop"], stdin=subprocess.DEVNULL)
```

`run` keeps the output:

```python
import subprocess

done = subprocess.run(["rsync", "--verbose", "build/", "server:/srv"], capture_output=True, check=True, text=True)
print(done.stdout)
```

## Fix safety
PIPE becomes DEVNULL, which is safe: the child gets no terminal either way, and nobody could ever use the pipe. Nothing
is written where the value comes from a dict, a variable or a parameter that other calls may share.

## When it is fine to ignore
For stdout and stderr, when the command can never write more than fits the pipe; DEVNULL costs nothing even then.

## What it cannot see
Streams that come from another file or from a caller's `**kwargs`, and how much the command writes.

## References
- [`subprocess.call`](https://docs.python.org/3/library/subprocess.html#subprocess.call), with the note "Do not use
  `stdout=PIPE` or `stderr=PIPE` with this function"
- [`subprocess.check_call`](https://docs.python.org/3/library/subprocess.html#subprocess.check_call)
- [`subprocess.DEVNULL`](https://docs.python.org/3/library/subprocess.html#subprocess.DEVNULL)
- [bpo-1606](https://bugs.python.org/issue1606): `wait()` may lead to a deadlock
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.subprocess import STREAMS

if TYPE_CHECKING:
    from flake8_forksafe.model.children import Spawn
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each call once, whatever the number of its pipes."""
    for made in module.spawns:
        if made.call is None or made.name not in {"subprocess.call", "subprocess.check_call"}:
            continue
        for spawn in module.as_called(made, lambda s: bool(_pipes(s))):
            pipes = _pipes(spawn)
            function = spawn.name.rpartition(".")[2]
            it = "it" if len(pipes) == 1 else "them"
            fate = f"close {it}" if pipes == ["stdin"] else f"read {it}"
            message = (
                f"{function}() with {' and '.join(pipes)}=PIPE: nobody can ever {fate}, and the child blocks; "
                f"use DEVNULL, or run() if you want the output"
            )
            fix = fixes.streams.to_devnull(module, spawn, pipes) if spawn.through is None else None
            yield Finding(RULE.code, Span.of(spawn.through or made.call), message, fix=fix)


def _pipes(spawn: Spawn) -> list[str]:
    return [name for name in STREAMS if spawn.pipe(name) is not None]


RULE = Rule(
    "FRK104",
    "call-with-pipe",
    triggers=(("subprocess",), ("PIPE",), ("call",), ("subprocess",)),
    names=(frozenset({"call", "check_call"}), words.PIPE),
    makers=words.POPEN | words.SUBPROCESS,
    check=check,
)
