# hazard: zombie
"""Reading to the end tells that the pipe is closed; it reaps nothing."""

from __future__ import annotations

import subprocess
import time


def serve() -> None:
    version = subprocess.Popen(["echo", "2.1"], stdout=subprocess.PIPE, text=True)
    print(f"main: version {version.stdout.read().strip()}")
    time.sleep(1.5)  # stands for the life of the service


serve()
print("main: done")
