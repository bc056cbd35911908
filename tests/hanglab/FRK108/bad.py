# hazard: hang
"""A server logs into a pipe that nobody reads, and stops in the middle of its start."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

READY = Path("ready")
SERVER = 'import pathlib, time; print("log" * 100_000); pathlib.Path("ready").touch(); time.sleep(30)'


def main() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    while not READY.exists():
        time.sleep(0.02)
    print("main: the server is ready")
    server.kill()
    server.wait()
    print("main: done")


main()
