"""The copy is as private as the original."""

from __future__ import annotations

import os
import shutil
import threading

AUDIT = 9
SLEEP = shutil.which("sleep") or "/bin/sleep"


def measure() -> None:
    os.waitpid(os.posix_spawn(SLEEP, ["sleep", "1.5"], os.environ), 0)


def main() -> None:
    log = os.open("audit.log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, AUDIT, inheritable=False)
    os.close(log)
    probe = threading.Thread(target=measure)
    probe.start()
    probe.join()
    os.write(AUDIT, b"measured")
    print("main: done")


main()
