# hazard: hang
"""A fork-started worker inherits a lock from a thread that it does not inherit."""

from __future__ import annotations

import multiprocessing
import threading

cache_lock = threading.Lock()
holding = threading.Event()
forked = threading.Event()


def refresh() -> None:
    with cache_lock:
        holding.set()
        forked.wait()


def work() -> None:
    with cache_lock:
        print("worker: has the cache", flush=True)


def main() -> None:
    refresher = threading.Thread(target=refresh)
    refresher.start()
    holding.wait()
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    forked.set()
    refresher.join()
    worker.join()
    print("main: done")


if __name__ == "__main__":
    main()
