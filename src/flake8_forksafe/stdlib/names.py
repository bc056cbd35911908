"""Canonical dotted names: twins and re-exports of the standard library mapped to one spelling."""

from __future__ import annotations

import sys

#: The modules of the running Python, `builtins` for what needs no import.
STANDARD_MODULES = frozenset({"builtins", *sys.stdlib_module_names})

#: A module that does the same thing under another name, and the name it counts as.
#: Sources: RULES.md's terms; the packages' own documentation.
TWIN_MODULES = {
    "subprocess32": "subprocess",
    "gevent.subprocess": "subprocess",
    "eventlet.green.subprocess": "subprocess",
    "asyncio.subprocess": "asyncio.subprocess",
    "billiard": "multiprocessing",
    "multiprocess": "multiprocessing",
    "torch.multiprocessing": "multiprocessing",
    "eventlet.green.threading": "threading",
    "eventlet.green.os": "os",
    "gevent.os": "os",
    "posix": "os",
    "thread": "_thread",
}

#: Re-exports inside the standard library: https://docs.python.org/3/library/asyncio-subprocess.html and the sources.
ALIASES = {
    "asyncio.subprocess.PIPE": "subprocess.PIPE",
    "asyncio.subprocess.DEVNULL": "subprocess.DEVNULL",
    "asyncio.subprocess.STDOUT": "subprocess.STDOUT",
    "asyncio.subprocess.create_subprocess_exec": "asyncio.create_subprocess_exec",
    "asyncio.subprocess.create_subprocess_shell": "asyncio.create_subprocess_shell",
    "asyncio.subprocess.Process": "asyncio.Process",
    "asyncio.exceptions.TimeoutError": "asyncio.TimeoutError",
    "asyncio.threads.to_thread": "asyncio.to_thread",
    "multiprocessing.process.BaseProcess": "multiprocessing.Process",
    "multiprocessing.process.Process": "multiprocessing.Process",
    "multiprocessing.context.Process": "multiprocessing.Process",
    "multiprocessing.Process.Process": "multiprocessing.Process",
    "multiprocessing.pool.Pool": "multiprocessing.Pool",
    "multiprocessing.pool.ThreadPool": "multiprocessing.pool.ThreadPool",
    "multiprocessing.dummy.Pool": "multiprocessing.pool.ThreadPool",
    "multiprocessing.queues.Queue": "multiprocessing.Queue",
    "multiprocessing.queues.JoinableQueue": "multiprocessing.JoinableQueue",
    "multiprocessing.queues.SimpleQueue": "multiprocessing.SimpleQueue",
    "concurrent.futures.process.ProcessPoolExecutor": "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "threading._Timer": "threading.Timer",
    "_thread.start_new": "_thread.start_new_thread",
    "builtins.TimeoutError": "TimeoutError",
}


def canonical(name: str) -> str:
    """Return the one spelling under which the tables know `name`."""
    head, _, rest = name.partition(".")
    while head and head not in TWIN_MODULES and rest:
        part, _, rest = rest.partition(".")
        head = f"{head}.{part}"
    if head in TWIN_MODULES:
        name = f"{TWIN_MODULES[head]}.{rest}" if rest else TWIN_MODULES[head]
    return ALIASES.get(name, name)
