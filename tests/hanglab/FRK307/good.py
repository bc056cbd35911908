"""No lock is held at the fork."""

from __future__ import annotations

import os
import threading

state_lock = threading.Lock()


def report() -> None:
    with state_lock:
        os.write(1, b"child: state reported\n")


def main() -> None:
    with state_lock:
        print("main: state is whole", flush=True)
    pid = os.fork()
    if pid == 0:
        try:
            report()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    print("main: done")


main()
