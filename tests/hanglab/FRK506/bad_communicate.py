# hazard: orphan
"""The timeout ends the reading and not the child."""

from __future__ import annotations

import subprocess


def main() -> None:
    probe = subprocess.Popen(["sleep", "30"], stdout=subprocess.PIPE)
    try:
        output, _ = probe.communicate(timeout=0.2)
        print(f"main: {output!r}")
    except subprocess.TimeoutExpired:
        print("main: the probe took too long")
    print("main: done")


main()
