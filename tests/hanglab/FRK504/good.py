"""The child leads a group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def main() -> None:
    server = subprocess.Popen(["sleep", "30"], start_new_session=True)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    print("main: the server is gone")
    print("main: done")


main()
