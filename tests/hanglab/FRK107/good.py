"""The queue is emptied first."""

from __future__ import annotations

import multiprocessing


def render(results: multiprocessing.Queue[bytes]) -> None:
    results.put(bytes(1_000_000))


def main() -> None:
    results: multiprocessing.Queue[bytes] = multiprocessing.Queue()
    worker = multiprocessing.Process(target=render, args=(results,))
    worker.start()
    frame = results.get()
    worker.join()
    print(f"main: {len(frame)} bytes")
    print("main: done")


if __name__ == "__main__":
    main()
