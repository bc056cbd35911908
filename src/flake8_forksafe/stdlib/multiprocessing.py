"""`multiprocessing` and process pools: what forks, what queues, and which start method is in force.

Source: https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods.
"""

from __future__ import annotations

from enum import Enum


class StartMethod(Enum):
    """How a multiprocessing child is made. DEFAULT is what the platform and the Python version choose."""

    DEFAULT = "default"
    FORK = "fork"
    SPAWN = "spawn"
    FORKSERVER = "forkserver"
    UNKNOWN = "unknown"


#: The Linux default was fork until 3.13 and is forkserver from 3.14 on (gh-84559).
FIRST_VERSION_WITHOUT_FORK_DEFAULT = (3, 14)

#: Names a context (and the module itself) offers, by what they make.
PROCESS_NAMES = frozenset({"Process"})
POOL_NAMES = frozenset({"Pool"})
MANAGER_NAMES = frozenset({"Manager"})
QUEUE_NAMES = frozenset({"Queue", "JoinableQueue", "SimpleQueue"})
LOCK_NAMES = frozenset({"Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"})

#: Classes that carry their start method in their name (multiprocessing.context).
NAMED_CONTEXTS = {
    "multiprocessing.context.ForkContext": StartMethod.FORK,
    "multiprocessing.context.SpawnContext": StartMethod.SPAWN,
    "multiprocessing.context.ForkServerContext": StartMethod.FORKSERVER,
    "multiprocessing.context.DefaultContext": StartMethod.DEFAULT,
}
NAMED_PROCESSES = {
    "multiprocessing.context.ForkProcess": StartMethod.FORK,
    "multiprocessing.context.SpawnProcess": StartMethod.SPAWN,
    "multiprocessing.context.ForkServerProcess": StartMethod.FORKSERVER,
}

PROCESS_POSITIONS = ("group", "target", "name", "args", "kwargs")
EXECUTOR_POSITIONS = ("max_workers", "mp_context", "initializer", "initargs")
