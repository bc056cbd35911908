"""A keyword does the same without running Python between fork and exec."""

from __future__ import annotations

import os
import subprocess
import threading

cache: dict[str, str] = {}
cache_lock = threading.Lock()
holding = threading.Event()
started = threading.Event()


def forget() -> None:
    with cache_lock:
        cache.clear()


os.register_at_fork(after_in_child=forget)


def refresh() -> None:
    with cache_lock:
        holding.set()
        started.wait()


def main() -> None:
    refresher = threading.Thread(target=refresh)
    refresher.start()
    holding.wait()
    server = subprocess.Popen(["true"], start_new_session=True)
    started.set()
    refresher.join()
    print(f"main: status {server.wait()}")
    print("main: done")


main()
