"""A child that declines to end is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

READY = Path("ready")
SERVER = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("ready").touch()
time.sleep(30)
"""


def main() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER])
    while not READY.exists():
        time.sleep(0.02)
    server.terminate()
    try:
        server.wait(timeout=0.3)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    print("main: the server is gone")
    print("main: done")


main()
