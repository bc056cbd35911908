"""The child ends where its work ends, and flushes first."""

from __future__ import annotations

import os
import sys


def report_in_child() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            print("child: report written")
            sys.stdout.flush()
        finally:
            os._exit(0)
    else:
        os.waitpid(pid, 0)


report_in_child()
print("main: done")
