# hazard: hang
"""A coroutine waits for a child that is blocked in its write."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE


async def check() -> int:
    checker = await asyncio.create_subprocess_exec("head", "-c", "2000000", "/dev/zero", stdout=PIPE)
    await checker.wait()
    return checker.returncode


print(f"main: status {asyncio.run(check())}")
print("main: done")
