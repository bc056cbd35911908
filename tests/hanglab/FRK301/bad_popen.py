# hazard: hang
# slow
"""A helper forked while another thread starts a command keeps the pipe open by which that start is awaited."""

from __future__ import annotations

import os
import subprocess
import threading
import time

FEATURES = {f"FEATURE_{number}": "on" for number in range(1500)}


def fork_helper() -> None:
    if os.fork() == 0:
        try:
            time.sleep(30)  # stands for the helper's work
        finally:
            os._exit(0)


def build() -> None:
    for _ in range(100):
        subprocess.run(["true"], env={**os.environ, **FEATURES})


def build_beside_helpers() -> None:
    builder = threading.Thread(target=build)
    builder.start()
    for _ in range(6):
        fork_helper()
        builder.join(0.03)
    builder.join()


def main() -> None:
    for _ in range(20):
        build_beside_helpers()
    print("main: done")


main()
