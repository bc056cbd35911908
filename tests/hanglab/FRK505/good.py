"""The whole group is killed, and with it goes the last holder of the pipe."""

from __future__ import annotations

import os
import signal
import subprocess


def sample() -> bytes:
    meter = subprocess.Popen("echo 42; sleep 30", shell=True, stdout=subprocess.PIPE, start_new_session=True)
    try:
        output, _ = meter.communicate(timeout=1)
    except subprocess.TimeoutExpired:
        os.killpg(meter.pid, signal.SIGKILL)
        output, _ = meter.communicate()
    return output


print(f"main: {sample().decode().strip()}")
print("main: done")
