"""The shell has a session of its own, and the whole group is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

READY = Path("ready")


def main() -> None:
    server = subprocess.Popen("sleep 30 & touch ready; wait", shell=True, start_new_session=True)
    while not READY.exists():
        time.sleep(0.02)
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    print("main: the server is gone")
    print("main: done")


main()
