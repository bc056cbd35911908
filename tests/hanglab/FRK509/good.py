"""At the timeout the whole group is killed."""

from __future__ import annotations

import os
import signal
import subprocess


def main() -> None:
    backup = subprocess.Popen("sleep 30", shell=True, start_new_session=True)
    try:
        backup.wait(timeout=1)
    except subprocess.TimeoutExpired:
        os.killpg(backup.pid, signal.SIGKILL)
        backup.wait()
        print("main: the backup took too long")
    print("main: done")


main()
