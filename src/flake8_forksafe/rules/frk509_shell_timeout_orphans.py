"""`subprocess.run` with a shell and a timeout: only the shell is killed.

## What it does
Reports `run`, `call`, `check_call` and `check_output` with `shell=True` and a `timeout`, also when the keywords come
from a dict or from the defaults of parameters. Where the call stands in a function of the module that passes its own
arguments on, the report stands at the call of that function that gives them.

Silent is the rule when the command is a literal that begins with `exec`, when the timeout is `None`, and in a branch
that only Windows takes.

## What happens at run time
```sequence
title: The timeout ends the shell. The command runs on.
process parent: Parent
process shell: /bin/sh
process command: Command (du)
parent starts shell: check_output(shell=True, timeout=30)
shell starts command: fork, exec
parent -> shell: after 30 s: SIGKILL
shell ends: killed
note parent: raises TimeoutExpired, in time
parent -x command: no signal for the grandchild
command remains: runs on, an orphan
end: The command keeps its files and its port, and the retry starts a second one beside it.
```

1. `shell=True` starts `/bin/sh`, which starts the command. dash, the `/bin/sh` of Debian and Ubuntu, never replaces
   itself by the command.
2. At the timeout, `run` kills its child, which is the shell, and raises `TimeoutExpired` in time.
3. The command is a grandchild. It gets no signal and runs on: it keeps its files, its port and its share of the
   machine, and the retry that follows starts a second one beside it.

`start_new_session=True` does not change that: `run` never signals the group.

## Example
```python
import subprocess


def disk_usage(directory):
    return subprocess.check_output(f"du -sk {directory}", shell=True, timeout=30)
```

## Use instead
```python
import subprocess


def disk_usage(directory):
    return subprocess.check_output(["du", "-sk", directory], timeout=30)
```

Where the shell is needed, give it a session of its own and end that:

```python
import os
import signal
import subprocess


def run_limited(command, seconds):
    process = subprocess.Popen(command, shell=True, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
```

## Fix safety
There is no automatic fix: `run` never kills a group; only a `Popen` in a session of its own can have that done. A
command with pipes, redirections or variables needs its shell; a literal one can be given `exec` in front, if it is a
single simple command.

## When it is fine to ignore
When the command is known to end soon after its shell, or may well run on.

## What it cannot see
- What a command that is not a literal begins with.
- Programs other than shells that start children of their own.

## References
- [`subprocess.run`](https://docs.python.org/3/library/subprocess.html#subprocess.run): at the timeout "the child
  process will be killed and waited for"
- [bpo-37424](https://bugs.python.org/issue37424): `subprocess.run` with a timeout and `shell=True`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each call whose timeout leaves the shell's command running."""
    for spawn in module.sessions.orphaning_calls():
        assert spawn.call is not None
        function = spawn.name.rpartition(".")[2]
        message = (
            f"at the timeout {function}() kills only the shell, and its command runs on; pass a list without "
            "shell=True, or use Popen with start_new_session=True and os.killpg()"
        )
        yield Finding(RULE.code, Span.of(spawn.through or spawn.call), message)


RULE = Rule(
    "FRK509",
    "shell-timeout-orphans",
    triggers=(("subprocess",), ("shell",), ("timeout",)),
    names=(frozenset({"shell"}), frozenset({"timeout"})),
    makers=words.POPEN | words.SUBPROCESS,
    settlers=words.SESSION,
    check=check,
)
