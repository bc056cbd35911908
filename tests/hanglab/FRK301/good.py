"""The fork comes before the first thread."""

from __future__ import annotations

import os
import threading

cache_lock = threading.Lock()
holding = threading.Event()
forked = threading.Event()


def refresh() -> None:
    with cache_lock:
        holding.set()
        forked.wait()


def report() -> None:
    with cache_lock:
        os.write(1, b"child: has the cache\n")


def main() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            report()
        finally:
            os._exit(0)
    refresher = threading.Thread(target=refresh)
    refresher.start()
    holding.wait()
    forked.set()
    refresher.join()
    os.waitpid(pid, 0)
    print("main: done")


main()
