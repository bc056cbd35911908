# hazard: hang
"""A forked worker inherits the handler of SIGTERM, and is waited for."""

from __future__ import annotations

import multiprocessing
import signal
import time


def work() -> None:
    time.sleep(30)


def stop(*_: object) -> None:
    pass


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.terminate()
    worker.join()
    print("main: the worker is gone")
    print("main: done")


if __name__ == "__main__":
    main()
