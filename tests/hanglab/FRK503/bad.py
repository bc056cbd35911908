# hazard: orphan
"""Only the shell is killed; the command it started runs on."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

READY = Path("ready")


def main() -> None:
    server = subprocess.Popen("sleep 30 & touch ready; wait", shell=True)
    while not READY.exists():
        time.sleep(0.02)
    server.kill()
    server.wait()
    print("main: the server is gone")
    print("main: done")


main()
