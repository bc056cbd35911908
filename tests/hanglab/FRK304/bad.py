# hazard: duplicate-output
"""The child of a fork returns to the caller and does the parent's work a second time."""

from __future__ import annotations

import os


def report_in_child() -> None:
    pid = os.fork()
    if pid == 0:
        print("child: report written")
    else:
        os.waitpid(pid, 0)


report_in_child()
print("main: done")
