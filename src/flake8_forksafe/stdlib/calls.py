"""Calls that matter for what they do to their arguments, by canonical name."""

from __future__ import annotations

from flake8_forksafe.stdlib.subprocess import SPAWNERS

#: Calls that look at an argument and keep nothing of it: no escape, no hand-over.
INSPECTING = frozenset(
    {
        "builtins.print",
        "builtins.len",
        "builtins.isinstance",
        "builtins.issubclass",
        "builtins.id",
        "builtins.repr",
        "builtins.str",
        "builtins.hasattr",
        "builtins.bool",
        "builtins.type",
        "builtins.hash",
        "builtins.callable",
        "builtins.format",
        "builtins.int",
        "builtins.vars",
        "builtins.dir",
        "builtins.all",
        "builtins.any",
        "builtins.enumerate",
        "builtins.zip",
        "builtins.list",
        "builtins.tuple",
        "builtins.set",
        "builtins.dict",
        "builtins.sorted",
        "builtins.reversed",
        "builtins.iter",
        "builtins.next",
        "builtins.min",
        "builtins.max",
        "builtins.sum",
        "builtins.map",
        "builtins.filter",
        "builtins.getattr",
        "builtins.super",
        "logging.debug",
        "logging.info",
        "logging.warning",
        "logging.error",
        "logging.exception",
        "logging.critical",
        "typing.cast",
        "contextlib.closing",
        "weakref.ref",
        "weakref.proxy",
        "os.getpgid",
        "os.getsid",
        "contextlib.suppress",
        "psutil.Process",
        "psutil.pid_exists",
        "time.sleep",
        "warnings.warn",
    },
)

#: Method names that only log or format; a handle among their arguments does not escape.
LOGGING_METHODS = frozenset(
    {
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "critical",
        "log",
        "format",
        "join",
        "sleep",
        "assertEqual",
        "assertIsNotNone",
        "assertIsNone",
        "assertTrue",
        "assertFalse",
        "assertIsInstance",
        "assertIn",
        "assertIs",
        "assertNotEqual",
    },
)

#: Method names after whose call the analysis counts an argument among what a container holds.
ADDING_METHODS = frozenset({"append", "add", "insert", "extend", "appendleft", "update", "setdefault", "put", "push"})

#: Method names that put an argument into a container of the program.
CONTAINER_METHODS = frozenset(
    {"append", "add", "insert", "extend", "appendleft", "update", "setdefault", "remove", "discard", "index", "pop"}
)

#: Methods of a file object that read.
READING_METHODS = frozenset(
    {"read", "read1", "readline", "readlines", "readinto", "readinto1", "readuntil", "readexactly", "peek"}
)

#: Calls that make text of bytes, or bytes of text: what is empty stays empty.
CONVERSIONS = frozenset({"builtins.str", "builtins.bytes", "os.fsdecode", "os.fsencode"})

#: Calls that read a file object to its end before they return. Source: the functions' documentation pages.
READS_TO_END = frozenset(
    {
        "builtins.list",
        "builtins.tuple",
        "builtins.sorted",
        "builtins.set",
        "builtins.frozenset",
        "builtins.sum",
        "builtins.max",
        "builtins.min",
        "json.load",
        "pickle.load",
        "csv.reader",
        "csv.DictReader",
        "shutil.copyfileobj",
        "xml.etree.ElementTree.parse",
        "yaml.safe_load",
        "yaml.load",
        "collections.deque",
        "collections.Counter",
        "hashlib.file_digest",
        "marshal.load",
        "plistlib.load",
        "tomllib.load",
        "xml.dom.minidom.parse",
        "numpy.genfromtxt",
        "numpy.loadtxt",
        "pandas.read_csv",
        "pandas.read_json",
        "pandas.read_table",
    },
)

#: Calls whose result reads the file objects they are given, as far as somebody asks it for lines.
READS_LAZILY = frozenset({f"builtins.{name}" for name in ("enumerate", "filter", "iter", "map", "next", "zip")})

#: Calls that run another program, by a list of words or a command line.
RUNS_COMMANDS = frozenset(
    {*SPAWNERS, "subprocess.getoutput", "subprocess.getstatusoutput", "os.system", "os.popen"},
)

#: What stands in the name of each program that sends a signal: `kill`, `pkill`, `taskkill`.
SENDS_SIGNAL = "kill"

#: How functions are handed to code that runs them concurrently: where the callable stands.
STARTERS = {
    "threading.Thread": ("target", 1),
    "threading.Timer": ("function", 1),
    "_thread.start_new_thread": ("function", 0),
    "asyncio.to_thread": ("func", 0),
    "multiprocessing.Process": ("target", 1),
}

#: Calls that only look at the clock, at a value or at this very process, or write a line of the log: nobody expects
#: an exception of them.
NEVER_RAISING = frozenset(
    {
        "time.time",
        "time.monotonic",
        "time.perf_counter",
        "time.sleep",
        "builtins.print",
        "builtins.len",
        "builtins.isinstance",
        "builtins.id",
        "builtins.repr",
        "builtins.str",
        "builtins.bool",
        "builtins.callable",
        "logging.debug",
        "logging.info",
        "logging.warning",
        "logging.error",
        "logging.exception",
        "logging.critical",
        "os.getpid",
        "threading.current_thread",
    },
)

#: Calls after which this process runs no more Python of its own: no `finally`, no atexit handler.
EXITS_AT_ONCE = frozenset(
    {
        "os._exit",
        "os.abort",
        "os.execv",
        "os.execve",
        "os.execvp",
        "os.execvpe",
        "os.execl",
        "os.execle",
        "os.execlp",
        "os.execlpe",
    },
)

#: Calls that raise what `except Exception` does not catch: SystemExit, and pytest's outcomes.
RAISES_SYSTEM_EXIT = frozenset(
    {"sys.exit", "builtins.exit", "builtins.quit", "pytest.fail", "pytest.skip", "pytest.exit"}
)

#: Ways to end this very process.
ENDS_PROCESS = frozenset({"os._exit", "sys.exit", "os.abort", "builtins.exit", "builtins.quit"})

#: Calls of the standard library that run code from elsewhere, which may do anything, such as handle SIGTERM.
RUNS_FOREIGN_CODE = frozenset(
    {
        "importlib.import_module",
        "importlib.reload",
        "importlib.util.module_from_spec",
        "builtins.__import__",
        "builtins.exec",
        "builtins.eval",
        "runpy.run_path",
        "runpy.run_module",
        "unittest.main",
    },
)

#: Method names that on an object out of sight, in a worker, mean a queue, pipe, event, lock, file or container.
PLAIN_METHODS = (
    LOGGING_METHODS
    | CONTAINER_METHODS
    | frozenset(
        {
            "put",
            "put_nowait",
            "get",
            "get_nowait",
            "send",
            "send_bytes",
            "recv",
            "recv_bytes",
            "poll",
            "close",
            "set",
            "is_set",
            "wait",
            "clear",
            "acquire",
            "release",
            "task_done",
            "empty",
            "full",
            "qsize",
            "write",
            "writelines",
            "flush",
            "read",
            "readline",
            "readlines",
            "seek",
            "encode",
            "decode",
            "strip",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "endswith",
            "replace",
            "lower",
            "upper",
            "items",
            "keys",
            "values",
            "copy",
            "sort",
            "sum",
            "get_lock",
        },
    )
)

#: Calls by which a process gets a session or process group of its own.
GROUP_MAKERS = frozenset({"os.setsid", "os.setpgrp", "os.setpgid"})

FORKS = frozenset({"os.fork", "os.forkpty", "pty.fork"})

#: Modules whose functions are thin wrappers of system calls on descriptors, terminals, signals and limits.
_SYSTEM_MODULES = frozenset({"os", "fcntl", "termios", "tty", "resource", "signal"})
_NO_SYSTEM_CALLS = frozenset({"os.fork", "os.forkpty", "os.system", "os.popen", "os.walk", "os.fdopen", "os.makedirs"})
_LOCK_FREE = frozenset(
    {
        "builtins.range",
        "builtins.int",
        "builtins.str",
        "builtins.len",
        "builtins.min",
        "builtins.max",
        "struct.pack",
        "sys.stdin.fileno",
        "sys.stdout.fileno",
        "sys.stderr.fileno",
    },
)


def is_safe_between_fork_and_exec(name: str) -> bool:
    """Return whether a call takes no lock that another thread of the parent may hold.

    Source: https://pubs.opengroup.org/onlinepubs/9799919799/functions/fork.html (async-signal-safe functions), and the
    C sources of the modules named here, which do little more than the system call.
    """
    if name in _NO_SYSTEM_CALLS or name.startswith(("os.spawn", "os.posix_spawn")):
        return False
    return name.partition(".")[0] in _SYSTEM_MODULES or name in _LOCK_FREE
