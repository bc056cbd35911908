# hazard: wrong-status
"""With SIGCHLD ignored the kernel throws statuses away, and subprocess reads 0."""

from __future__ import annotations

import signal
import subprocess


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    deploy = subprocess.run(["sh", "-c", "echo told: 7; exit 7"])
    print(f"seen: {deploy.returncode}")
    print("main: done")


main()
