# hazard: hang
"""There is no group with the child's number: nobody is killed, and the wait goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def main() -> None:
    server = subprocess.Popen(["sleep", "30"])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    print("main: the server is gone")
    print("main: done")


main()
