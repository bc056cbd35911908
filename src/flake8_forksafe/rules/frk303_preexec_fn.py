"""A `preexec_fn`: Python that runs in the forked child before the exec.

## What it does
Reports each `preexec_fn` that is anything but None on every branch, in `Popen`, `run`, `call`, `check_call`,
`check_output`, `psutil.Popen`, asyncio's `create_subprocess_exec` and `create_subprocess_shell`, a subclass of `Popen`
and `functools.partial` of one of them: as a keyword, in the seventh position, in a dict that is spread into the call,
or given to a function of the module that hands it on. The report stands where the hook is written. Its message names
the keywords that do the same as the hook.

## What happens at run time
```sequence
title: Popen() waits for the exec, and the hook in front of the exec for a lock.
thread caller: Thread in Popen()
process child: Child
lock lock: Lock
thread other: Other thread
other -> lock: acquire()
caller starts child: fork
note lock: copied as taken
other -x lock: release(): in the parent only
child waits for lock: preexec_fn needs it
caller waits for child: reads the error pipe until the exec
end: The exec never comes, so Popen() itself never returns, and no timeout applies.
```

1. Another thread holds a lock: of your code, of an import that is just under way, of the output stream it prints to.
2. `Popen` forks. The child has a copy of that lock, taken, and no thread that will ever release it.
3. The child runs the hook. The hook needs the lock (to import a module, to print, to call a function that uses it) and
   waits for ever.
4. The parent is still inside `Popen()`: it waits for the child to report that the exec worked. So `Popen()` itself
   never returns, in the thread that called it, and no timeout applies.

A hook that is one system call seldom meets a lock (`preexec_fn=os.setsid` beside four busy threads: no hang in 400
starts), but any hook makes `Popen` use `fork` instead of `vfork`, which costs time in proportion to the memory of the
parent, and it raises RuntimeError in a subinterpreter.

## Example
```python
import os
import subprocess

server = subprocess.Popen(["python3", "-m", "http.server"], preexec_fn=os.setsid)
server.wait()
```

```python
import os
import subprocess


def _drop_privileges() -> None:
    os.setgid(100)
    os.setuid(1000)
    os.umask(0o077)


subprocess.run(["make", "check"], preexec_fn=_drop_privileges, check=True)
```

## Use instead
```python
import subprocess

server = subprocess.Popen(["python3", "-m", "http.server"], start_new_session=True)
server.wait()
```

```python
import subprocess

subprocess.run(["make", "check"], user=1000, group=100, umask=0o077, check=True)
```

What the hook does decides:

| in the hook | instead | from Python |
|---|---|---|
| `os.setsid()` | `start_new_session=True` | 3.2 |
| `os.setpgrp()`, `os.setpgid(0, 0)` | `process_group=0` | 3.11 |
| `os.umask(m)`, `os.setuid(u)`, `os.setgid(g)` | `umask=m`, `user=u`, `group=g` | 3.9 |
| `os.setgroups(l)`, `os.initgroups(u, g)` | `extra_groups=l`, `extra_groups=os.getgrouplist(u, g)` | 3.9 |
| `os.chdir(d)` | `cwd=d` | |
| `signal.signal(signal.SIGPIPE, signal.SIG_DFL)` | nothing: `restore_signals=True` is the default | 3.2 |
| `os.nice`, `resource.setrlimit`, `os.chroot` | `nice`, `prlimit`, `chroot` in front of the command | |

## Fix safety
`start_new_session=True`, `process_group=0` and `umask=` do the same in the same place; these fixes are safe. `user=`,
`group=`, `extra_groups=` and `cwd=` are unsafe, because their values are then computed in the parent and an error of
theirs is raised as itself instead of as SubprocessError. The hook is always taken away, as `start_new_session` beside a
`preexec_fn=os.setsid` raises. There is no fix for a hook of which any part has no keyword (limits, niceness, signal
set-up), which is given on one branch only, or whose arguments have another meaning where the child is started.

## When it is fine to ignore
When the program never has a second thread, neither its own nor one of a library, at any time that it starts a child.

## What it cannot see
- A hook given to a function of another file.
- A parameter or attribute that callers out of sight set.

## References
- [`Popen`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen), the warning at `preexec_fn`
- [gh-82616](https://github.com/python/cpython/issues/82616): `process_group`
- [gh-79718](https://github.com/python/cpython/issues/79718): `vfork`, which a `preexec_fn` switches off
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding
from flake8_forksafe.prefilter import may_give_hook
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words
from flake8_forksafe.stdlib.hooks import PROCESS_GROUP, START_NEW_SESSION

if TYPE_CHECKING:
    from flake8_forksafe.model.hooks import Effect, Hook
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each hook where it is written, with what replaces it on the target Python."""
    for hook in module.forks.hooks.all:
        starter = hook.spawn.name.rpartition(".")[2] or "Popen"
        message = (
            f"preexec_fn runs Python between fork and exec: when another thread holds a lock that it needs, "
            f"{starter}() never returns; {_advice(hook, module.settings.target_version)}"
        )
        yield Finding(RULE.code, hook.span, message, fix=fixes.preexec.as_keywords(module, hook))


def _advice(hook: Hook, target: tuple[int, int]) -> str:
    if hook.effects is None:
        return "use start_new_session=, process_group=, umask=, user= or group=, whichever does what the hook does"
    needed = [e for e in hook.effects if not e.needless]
    if not needed:
        return f"drop it: {'restore_signals=True, the default, does the same' if hook.effects else 'it does nothing'}"
    keywords = list(dict.fromkeys(_keyword(e, target) for e in needed if e.keyword is not None))
    programs = list(dict.fromkeys(e.program for e in needed if e.program))
    unknown = any(e.keyword is None and not e.program for e in needed)
    parts = []
    if keywords:
        parts.append(f"use {_enumeration(keywords)}")
    if programs:
        parts.append(f"put {_enumeration(programs)} in front of the command")
    if unknown:
        parts.append(f"let a small program that execs the command do {'the rest' if parts else 'what the hook does'}")
    return ", and ".join(parts) + (" instead" if keywords and len(parts) == 1 else "")


def _enumeration(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _keyword(effect: Effect, target: tuple[int, int]) -> str:
    keyword = effect.keyword
    assert keyword is not None
    if target >= keyword.since:
        return keyword.text
    since = f"{keyword.since[0]}.{keyword.since[1]}"
    if keyword == PROCESS_GROUP:
        return f"{START_NEW_SESSION.text} ({keyword.text} needs Python {since})"
    return f"{keyword.text} (from Python {since} on)"


RULE = Rule(
    "FRK303",
    "preexec-fn",
    triggers=(
        ("subprocess", "psutil"),
        ("preexec_fn", "Popen"),
    ),
    makers=words.POPEN | words.SUBPROCESS | {"preexec_fn"},
    check=check,
    plausible=may_give_hook,
)
