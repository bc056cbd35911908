"""`subprocess` and `asyncio.subprocess`: who starts a child, with which parameters, in which order.

Source: https://docs.python.org/3/library/subprocess.html, https://docs.python.org/3/library/asyncio-subprocess.html.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Family(Enum):
    """Which library's object a handle is."""

    POPEN = auto()
    ASYNCIO = auto()
    MULTIPROCESSING = auto()
    FORK = auto()


class Spawner(NamedTuple):
    """A callable that starts a child.

    `positions` are the names of the positional parameters; `returns_handle` is False for `run` and its kin, which
    wait themselves; `shell` is True when the command always goes to a shell.
    """

    family: Family
    returns_handle: bool
    positions: tuple[str, ...]
    shell: bool = False


_POPEN = (
    "args",
    "bufsize",
    "executable",
    "stdin",
    "stdout",
    "stderr",
    "preexec_fn",
    "close_fds",
    "shell",
    "cwd",
    "env",
    "universal_newlines",
    "startupinfo",
    "creationflags",
    "restore_signals",
    "start_new_session",
    "pass_fds",
)

SPAWNERS = {
    "subprocess.Popen": Spawner(Family.POPEN, True, _POPEN),
    "subprocess.run": Spawner(Family.POPEN, False, _POPEN),
    "subprocess.call": Spawner(Family.POPEN, False, _POPEN),
    "subprocess.check_call": Spawner(Family.POPEN, False, _POPEN),
    "subprocess.check_output": Spawner(Family.POPEN, False, _POPEN),
    "asyncio.create_subprocess_exec": Spawner(Family.ASYNCIO, True, ()),
    "asyncio.create_subprocess_shell": Spawner(Family.ASYNCIO, True, ("args", "stdin", "stdout", "stderr"), shell=True),
}

#: Types by which a parameter or attribute may be annotated as a handle.
HANDLE_TYPES = {
    "subprocess.Popen": Family.POPEN,
    "asyncio.Process": Family.ASYNCIO,
    "multiprocessing.Process": Family.MULTIPROCESSING,
}

#: What opens a file, which a stream that it is given to goes to.
MAKES_FILE = frozenset(
    {
        "builtins.open",
        "io.open",
        "codecs.open",
        "os.open",
        "os.fdopen",
        "os.popen",
        "tempfile.TemporaryFile",
        "tempfile.NamedTemporaryFile",
        "tempfile.SpooledTemporaryFile",
    }
)
#: Parameters that only POSIX has.
POSIX_ONLY = ("pass_fds", "preexec_fn", "start_new_session", "process_group", "user", "group", "extra_groups", "umask")
#: Values of `creationflags`, which only Windows has.
WINDOWS_FLAGS = frozenset(
    f"subprocess.{name}"
    for name in (
        "CREATE_NEW_CONSOLE",
        "CREATE_NEW_PROCESS_GROUP",
        "CREATE_NO_WINDOW",
        "CREATE_DEFAULT_ERROR_MODE",
        "CREATE_BREAKAWAY_FROM_JOB",
        "DETACHED_PROCESS",
        "ABOVE_NORMAL_PRIORITY_CLASS",
        "BELOW_NORMAL_PRIORITY_CLASS",
        "HIGH_PRIORITY_CLASS",
        "IDLE_PRIORITY_CLASS",
        "NORMAL_PRIORITY_CLASS",
        "REALTIME_PRIORITY_CLASS",
    )
)
STREAMS = ("stdin", "stdout", "stderr")
#: The other output of a child.
SIBLING = {"stdout": "stderr", "stderr": "stdout"}
TEXT_PARAMETERS = ("text", "universal_newlines", "encoding", "errors")

_BROAD = {"builtins.Exception", "builtins.BaseException"}
#: What an `except` clause may name to catch the timeout of a bounded wait. On asyncio it comes from `wait_for`.
TIMEOUT_CATCHERS = {
    Family.POPEN: frozenset({"subprocess.TimeoutExpired", "subprocess.SubprocessError", *_BROAD}),
    Family.ASYNCIO: frozenset({"asyncio.TimeoutError", "TimeoutError", "builtins.TimeoutError", *_BROAD}),
    Family.MULTIPROCESSING: frozenset(),
    Family.FORK: frozenset(),
}
