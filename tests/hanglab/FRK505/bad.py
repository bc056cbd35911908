# hazard: hang
"""The shell is killed, its command lives and holds the pipe, and the pipe is read to its end."""

from __future__ import annotations

import subprocess


def sample() -> bytes:
    meter = subprocess.Popen("echo 42; sleep 30", shell=True, stdout=subprocess.PIPE)
    try:
        output, _ = meter.communicate(timeout=1)
    except subprocess.TimeoutExpired:
        meter.kill()
        output, _ = meter.communicate()
    return output


print(f"main: {sample().decode().strip()}")
print("main: done")
