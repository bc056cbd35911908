"""A run that is killed in the middle leaves every file either old or new."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "forksafe-fix"
FILES = 60
ROUNDS = 8


def old(number: int) -> bytes:
    """Return a file with its number in it, long enough that a torn write would show."""
    filler = "".join(f"VALUE_{number}_{line} = {line}\n" for line in range(400))
    return f"import subprocess\n\nsubprocess.call(['make'], stdout=subprocess.PIPE)\n{filler}".encode()


def new(number: int) -> bytes:
    return old(number).replace(b"subprocess.PIPE", b"subprocess.DEVNULL")


def state(folder: Path) -> list[bool]:
    """Return for each file whether it is new; fail if one is neither new nor old."""
    result = []
    for number in range(FILES):
        content = (folder / f"file{number:03}.py").read_bytes()
        assert content in {old(number), new(number)}, f"file{number:03}.py is torn"
        result.append(content == new(number))
    return result


def test_kill_9_leaves_each_file_old_or_new(tmp_path: Path) -> None:
    delays = random.Random(9)
    killed_in_the_middle = 0
    for jobs in ["1", "2"] * (ROUNDS // 2):
        for number in range(FILES):
            (tmp_path / f"file{number:03}.py").write_bytes(old(number))
        process = subprocess.Popen(
            [SCRIPT, "--quiet", "--jobs", jobs, "."], cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL
        )
        while (tmp_path / "file000.py").read_bytes() == old(0) and process.poll() is None:
            time.sleep(0.005)
        time.sleep(delays.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        written = state(tmp_path)
        killed_in_the_middle += 0 < sum(written) < FILES
    assert killed_in_the_middle >= ROUNDS // 2, "the runs were over before they were killed"
    subprocess.run([SCRIPT, "--quiet", "."], cwd=tmp_path, check=True)
    assert all(state(tmp_path))
