"""A command of its own lowers the priority."""

from __future__ import annotations

import subprocess
import threading

settings_lock = threading.Lock()
holding = threading.Event()
started = threading.Event()


def reload_settings() -> None:
    with settings_lock:
        holding.set()
        started.wait()


def main() -> None:
    reloader = threading.Thread(target=reload_settings)
    reloader.start()
    holding.wait()
    server = subprocess.Popen(["nice", "-n", "5", "true"])
    started.set()
    reloader.join()
    print(f"main: status {server.wait()}")
    print("main: done")


main()
