"""What the calls of the standard library do with a file descriptor that they are given.

Sources: https://docs.python.org/3/library/os.html#file-descriptor-operations and
https://docs.python.org/3/library/fcntl.html.
"""

from __future__ import annotations

#: Calls that use a descriptor, or make a file object of it, and do not keep it from their caller.
USING = frozenset(
    {
        "builtins.open",
        "io.open",
        "io.FileIO",
        "os.fdopen",
        "os.close",
        "os.read",
        "os.readv",
        "os.write",
        "os.writev",
        "os.fstat",
        "os.isatty",
        "os.set_blocking",
        "os.get_blocking",
        "os.set_inheritable",
        "os.get_inheritable",
        "os.dup",
        "os.dup2",
        "os.sendfile",
        "os.splice",
        "fcntl.fcntl",
        "fcntl.ioctl",
        "fcntl.flock",
        "fcntl.lockf",
    },
)

#: Calls that tell when a descriptor is ready, so that a read behind them does not block.
WAITING_FOR_READY = frozenset(
    {"select.select", "select.poll", "selectors.DefaultSelector", "multiprocessing.connection.wait"},
)

EXECS = frozenset(f"os.exec{suffix}" for suffix in ("v", "ve", "vp", "vpe", "l", "le", "lp", "lpe"))
STANDARD_STREAMS = frozenset({0, 1, 2})
