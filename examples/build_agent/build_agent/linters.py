"""Runs the slow linters in worker processes."""

from __future__ import annotations

import multiprocessing


def lint(paths: list[str], results: multiprocessing.Queue) -> None:
    results.put([problem for path in paths for problem in problems_in(path)])


def problems_in(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return [f"{path}:{number}" for number, line in enumerate(file, start=1) if "\t" in line]


def lint_all(batches: list[list[str]]) -> list[str]:
    results: multiprocessing.Queue = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=lint, args=(batch, results)) for batch in batches]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()  # a worker ends only when its results have been taken from the queue
    return [problem for _ in workers for problem in results.get()]
