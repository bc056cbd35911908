"""Identifiers that a module must spell before something can be made or done at all.

Rules use them to say without what they certainly have nothing to report; see `Rule.names`.
"""

from __future__ import annotations

from flake8_forksafe.stdlib.objects import CONSTRUCTORS


def _constructors(*kinds: str) -> frozenset[str]:
    return frozenset(name.rpartition(".")[2] for name, kind in CONSTRUCTORS.items() if kind in kinds)


#: What makes a handle of `subprocess` or asyncio.
POPEN = frozenset({"Popen", "create_subprocess_exec", "create_subprocess_shell"})
#: What makes a multiprocessing handle.
WORKER = frozenset({"Process", "BaseProcess", "ForkProcess", "SpawnProcess", "ForkServerProcess"})
HANDLE = POPEN | WORKER
#: What makes processes by a start method.
MULTIPROCESSING = WORKER | _constructors("PROCESS_EXECUTOR", "POOL", "MANAGER")
FORK = frozenset({"fork", "forkpty"})
#: What `FORK` is imported from.
FORK_MODULES = frozenset({"os", "posix", "pty"})
#: What a text that calls one of `FORK`, or uses multiprocessing, or starts a thread, holds one of: for triggers.
FORK_TEXTS = ("fork(", ".fork", "fork as", "= fork", "forkpty")
PROCESS_TEXTS = ("multiprocessing", "import multiprocess", "from multiprocess", "billiard")
THREAD_TEXTS = ("Thread", "Timer", "start_new_thread", "to_thread", "run_in_executor", "dummy")
#: What starts a thread.
THREAD = _constructors("THREAD", "TIMER", "EXECUTOR") | {
    "start_new_thread",
    "start_new",
    "to_thread",
    "run_in_executor",
    "dummy",
}
#: What starts a thread that has been made, and what starts a process: a pool or manager is started by being made.
STARTING_THREAD = frozenset({"start", "start_new_thread", "start_new"})
STARTING_PROCESS = frozenset(
    {"start", "Pool", "Manager", "SyncManager", "ProcessPoolExecutor", "submit", "map"}
    | {"apply", "apply_async", "imap", "imap_unordered", "map_async", "starmap", "starmap_async"}
)
#: What makes a thread or timer that somebody starts.
ALARM = (_constructors("THREAD", "TIMER") - {"Process"}) | {"dummy"}
#: What a module that uses `MULTIPROCESSING`, or `THREAD`, imports, wherever it does.
PROCESS_MODULES = frozenset({"multiprocessing", "multiprocess", "billiard", "concurrent"})
MODULES = PROCESS_MODULES | {"threading", "_thread", "thread", "asyncio"}
THREAD_MODULES = MODULES | {"to_thread", "run_in_executor"}
LOCK = _constructors("LOCK", "REENTRANT_LOCK", "PROCESS_LOCK")
PIPE = frozenset({"PIPE"})
#: What the functions that start a child and wait for it are imported from.
SUBPROCESS = frozenset({"subprocess"})
QUEUE = _constructors("QUEUE")
#: What makes a descriptor that children inherit.
INHERITING = frozenset({"set_inheritable", "dup2", "pipe2", "F_SETFD"})
PIPE_ENDS = frozenset({"pipe", "pipe2"})
SOCKET = _constructors("SOCKET")
EVENT = _constructors("EVENT")
EXIT = frozenset({"exit", "_exit", "quit", "SystemExit", "abort"})
#: What puts a process into a group of its own, or signals one.
SESSION = frozenset(
    {"setsid", "setpgid", "setpgrp", "start_new_session", "process_group", "preexec_fn", "killpg", "getpgid"}
)
#: What decides how multiprocessing starts its processes.
START_METHOD = frozenset({"set_start_method"})
#: What takes the status of a child that somebody else waits for.
REAPING = frozenset({"SIGCHLD", "SIGCLD", "wait", "waitpid", "waitid", "wait3", "wait4"})
#: Without one of these, or an attribute that is a stream, nobody waits for a child or reads from it but `communicate`.
WAIT_OR_REFLECT = frozenset(
    {"wait", "poll", "wait_for", "wait_procs", "waitpid", "waitid", "wait3", "wait4"}
    | {"getattr", "attrgetter", "methodcaller", "__dict__", "vars"}
)
#: What gives a wait a time limit, but for its place among the arguments.
TIME_LIMIT = frozenset({"timeout", "wait_for", "getattr", "attrgetter", "methodcaller"})
SIGNAL = frozenset({"terminate", "kill", "send_signal", "killpg", "pidfd_send_signal"})
WAIT = frozenset({"wait", "poll", "returncode", "communicate", "to_thread", "run_in_executor", "wait_for"})
