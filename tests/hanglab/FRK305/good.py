"""Only the program itself starts the pool."""

from __future__ import annotations

import multiprocessing

if __name__ == "__main__":
    pool = multiprocessing.get_context("spawn").Pool(2)
    print(f"main: {pool.map(abs, [-1, 2])}")
    pool.close()
    pool.join()
    print("main: done")
