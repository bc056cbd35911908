# hazard: killed
"""The child's group is the parent's own."""

from __future__ import annotations

import os
import signal
import subprocess


def main() -> None:
    server = subprocess.Popen(["sleep", "30"])
    os.killpg(os.getpgid(server.pid), signal.SIGKILL)
    server.wait()
    print("main: the server is gone")
    print("main: done")


main()
