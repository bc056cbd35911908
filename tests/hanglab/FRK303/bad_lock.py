# hazard: hang
"""A preexec_fn takes a lock that another thread held at the fork: Popen() itself never returns."""

from __future__ import annotations

import os
import subprocess
import threading

settings_lock = threading.Lock()
holding = threading.Event()
started = threading.Event()


def lower_priority() -> None:
    with settings_lock:
        os.nice(5)


def reload_settings() -> None:
    with settings_lock:
        holding.set()
        started.wait()


def main() -> None:
    reloader = threading.Thread(target=reload_settings)
    reloader.start()
    holding.wait()
    server = subprocess.Popen(["true"], preexec_fn=lower_priority)
    started.set()
    reloader.join()
    print(f"main: status {server.wait()}")
    print("main: done")


main()
