"""Python imports this file at its start when it is on the path; it writes down what the process does that matters.

Each line of the file AUDIT_LOG is one event: its name and what is known of it, in the words of
https://docs.python.org/3/library/audit_events.html, and before all others the command line of the process.
"""

from __future__ import annotations

import json
import os
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Recorded with their arguments as text.
PREFIXES = ("ctypes.dlopen", "ftplib.", "http.", "os.", "pty.", "smtplib.", "subprocess.", "urllib.")
#: They change nothing outside the process.
HARMLESS = frozenset(
    {"os.chdir", "os.fwalk", "os.listdir", "os.listxattr", "os.putenv", "os.scandir", "os.unsetenv", "os.walk"}
)

log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND)


def record(event: str, *details: object) -> None:
    os.write(log, json.dumps([event, *details], default=repr).encode() + b"\n")


def absolute(path: object) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        return repr(path)
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links must stay


def hook(event: str, arguments: tuple[object, ...]) -> None:
    match event, arguments:
        case "open", (int(), *_):
            pass  # a descriptor that something else has opened
        case "open", (path, _, int(flags)):
            record("write" if flags & WRITING else "read", absolute(path))
        case "exec", (code,):
            caller = sys._getframe().f_back
            record("exec", getattr(code, "co_filename", ""), caller.f_code.co_filename if caller else "")
        case "import", (str(name), str(file), *_):
            record("import", name, absolute(file))
        case "os.rename", (source, target, *_):
            record("change", absolute(source), event)
            record("change", absolute(target), event)
        case (("os.remove" | "os.utime" | "os.chmod" | "os.chown" | "os.setxattr" | "tempfile.mkstemp"), (path, *_)):
            record("change", absolute(path), event)
        case "socket.__new__", (_, int(family), *_):
            record("socket", int(family))
        case "subprocess.Popen", (program, command, *_):
            record("start", program, command)
        case _ if event.startswith("socket."):
            record(event, [repr(argument) for argument in arguments])
        case _ if event.startswith(PREFIXES) and event not in HARMLESS:
            record(event, [repr(argument) for argument in arguments])


record("process", sys.orig_argv)
sys.addaudithook(hook)
