# slow
"""The helpers are forked before the first thread, and hold nothing that a thread opens later."""

from __future__ import annotations

import os
import subprocess
import threading
import time

FEATURES = {f"FEATURE_{number}": "on" for number in range(1500)}


def fork_helper() -> None:
    if os.fork() == 0:
        try:
            time.sleep(0.5)  # stands for the helper's work
        finally:
            os._exit(0)


def build() -> None:
    for _ in range(100):
        subprocess.run(["true"], env={**os.environ, **FEATURES})


def main() -> None:
    for _ in range(6):
        fork_helper()
    builder = threading.Thread(target=build)
    builder.start()
    builder.join()
    for _ in range(6):
        os.wait()
    print("main: done")


main()
