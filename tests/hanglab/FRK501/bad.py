# hazard: hang
"""A child is asked to end, declines, and is waited for."""

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
    server.wait()
    print("main: the server is gone")
    print("main: done")


main()
