# hazard: hang
"""The worker ends when its queue is emptied, and the queue is emptied when the worker has ended."""

from __future__ import annotations

import multiprocessing


def render(results: multiprocessing.Queue[bytes]) -> None:
    results.put(bytes(1_000_000))


def main() -> None:
    results: multiprocessing.Queue[bytes] = multiprocessing.Queue()
    worker = multiprocessing.Process(target=render, args=(results,))
    worker.start()
    worker.join()
    frame = results.get()
    print(f"main: {len(frame)} bytes")
    print("main: done")


if __name__ == "__main__":
    main()
