"""A coroutine that does not want the output gives the child nowhere to block."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL


async def check() -> int:
    checker = await asyncio.create_subprocess_exec("head", "-c", "2000000", "/dev/zero", stdout=DEVNULL)
    await checker.wait()
    return checker.returncode


print(f"main: status {asyncio.run(check())}")
print("main: done")
