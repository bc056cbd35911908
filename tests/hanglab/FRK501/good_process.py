"""A worker that declines to end is killed."""

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
    worker.join(0.3)
    if worker.is_alive():
        worker.kill()
        worker.join()
    print("main: the worker is gone")
    print("main: done")


if __name__ == "__main__":
    main()
