# hazard: hang
"""Every spawned worker imports the script, which starts a pool; the pool replaces its dead workers for ever."""

from __future__ import annotations

import multiprocessing

pool = multiprocessing.get_context("spawn").Pool(2)
print(f"main: {pool.map(abs, [-1, 2])}")
pool.close()
pool.join()
print("main: done")
