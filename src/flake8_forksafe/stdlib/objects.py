"""Constructors of the standard library by canonical name, and what they make.

Sources: the documentation pages of `threading`, `queue`, `concurrent.futures`, `multiprocessing`, `selectors`,
`socket` and `contextlib` at https://docs.python.org/3/library/.
"""

from __future__ import annotations

#: Constructor -> the name of the `ResourceKind` that it makes.
CONSTRUCTORS = {
    "threading.Thread": "THREAD",
    "threading.Timer": "TIMER",
    "concurrent.futures.ThreadPoolExecutor": "EXECUTOR",
    "multiprocessing.pool.ThreadPool": "EXECUTOR",
    "multiprocessing.dummy.Process": "THREAD",
    "concurrent.futures.ProcessPoolExecutor": "PROCESS_EXECUTOR",
    "multiprocessing.Pool": "POOL",
    "multiprocessing.Manager": "MANAGER",
    "multiprocessing.managers.SyncManager": "MANAGER",
    "multiprocessing.managers.BaseManager": "MANAGER",
    "threading.Lock": "LOCK",
    "threading._allocate_lock": "LOCK",
    "_thread.allocate_lock": "LOCK",
    "threading.Semaphore": "LOCK",
    "threading.BoundedSemaphore": "LOCK",
    "threading.RLock": "REENTRANT_LOCK",
    "threading.Condition": "REENTRANT_LOCK",
    "multiprocessing.Lock": "PROCESS_LOCK",
    "multiprocessing.Semaphore": "PROCESS_LOCK",
    "multiprocessing.BoundedSemaphore": "PROCESS_LOCK",
    "multiprocessing.RLock": "REENTRANT_LOCK",
    "multiprocessing.Condition": "REENTRANT_LOCK",
    "threading.Event": "EVENT",
    "multiprocessing.Event": "EVENT",
    "asyncio.Event": "EVENT",
    "multiprocessing.Queue": "QUEUE",
    "multiprocessing.JoinableQueue": "QUEUE",
    "multiprocessing.SimpleQueue": "QUEUE",
    "selectors.DefaultSelector": "SELECTOR",
    "selectors.SelectSelector": "SELECTOR",
    "selectors.PollSelector": "SELECTOR",
    "selectors.EpollSelector": "SELECTOR",
    "select.poll": "SELECTOR",
    "select.epoll": "SELECTOR",
    "socket.socket": "SOCKET",
    "socket.create_server": "SOCKET",
    "socket.create_connection": "SOCKET",
    "socket.socketpair": "SOCKET",
    "asyncio.get_event_loop": "LOOP",
    "asyncio.get_running_loop": "LOOP",
    "asyncio.new_event_loop": "LOOP",
    "contextlib.ExitStack": "EXIT_STACK",
    "contextlib.AsyncExitStack": "EXIT_STACK",
}

#: Constructors that take hold of a lock given to them instead of making one of their own.
LOCK_WRAPPERS = frozenset({"threading.Condition", "multiprocessing.Condition"})

#: Names a multiprocessing context offers, as the `multiprocessing` name they stand for.
CONTEXT_MEMBERS = frozenset(
    {
        "Process",
        "Pool",
        "Manager",
        "Queue",
        "JoinableQueue",
        "SimpleQueue",
        "Lock",
        "RLock",
        "Semaphore",
        "BoundedSemaphore",
        "Condition",
        "Event",
        "Pipe",
    },
)

#: Calls that hand back their first argument, or what it resolves to.
TRANSPARENT = frozenset(
    {
        "builtins.staticmethod",
        "contextlib.closing",
        "contextlib.aclosing",
        "asyncio.run",
        "asyncio.wait_for",
        "asyncio.create_task",
        "asyncio.ensure_future",
        "asyncio.shield",
        "weakref.ref",
        "weakref.proxy",
        "weakref.WeakMethod",
        "copy.copy",
    },
)

#: Calls that make a collection, empty or from their first argument.
COLLECTIONS = frozenset(
    {
        "builtins.list",
        "builtins.tuple",
        "builtins.set",
        "builtins.frozenset",
        "builtins.dict",
        "builtins.sorted",
        "builtins.reversed",
        "builtins.iter",
        "collections.deque",
        "collections.defaultdict",
        "collections.OrderedDict",
        "builtins.filter",
    },
)

#: Decorators under which each call still runs the function's body and returns what that returns.
TRANSPARENT_DECORATORS = frozenset(
    {
        "builtins.staticmethod",
        "builtins.classmethod",
        "builtins.property",
        "abc.abstractmethod",
        "typing.override",
        "typing.no_type_check",
        "contextlib.contextmanager",
        "contextlib.asynccontextmanager",
        "functools.wraps",
        "typing_extensions.override",
        "pytest.fixture",
    },
)
