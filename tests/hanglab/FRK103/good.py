"""communicate() reads to the end and reaps."""

from __future__ import annotations

import subprocess
import time


def serve() -> None:
    version = subprocess.Popen(["echo", "2.1"], stdout=subprocess.PIPE, text=True)
    output, _ = version.communicate()
    print(f"main: version {output.strip()}")
    time.sleep(1.5)  # stands for the life of the service


serve()
print("main: done")
