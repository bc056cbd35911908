"""What the tests of traps share: code in, code out, and programs that are run under a hard time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from flake8_forksafe import analysis, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.fix import Safety
from flake8_forksafe.fixing.engine import FixResult, fix_source
from flake8_forksafe.settings import Settings


def check(data: bytes, code: str, target: tuple[int, int] = (3, 11)) -> list[Finding]:
    """What one rule reports."""
    rules = [registry.rules()[code]]
    return analysis.check_source(data, filename="module.py", settings=Settings(target_version=target), rules=rules)


def repair(code: str, source: str, *, unsafe: bool = True, target: tuple[int, int] = (3, 11)) -> FixResult:
    data = textwrap.dedent(source).lstrip().encode()
    assert check(data, code, target), "the source must be reported"
    result = fix_source(data, filename="module.py", check=lambda d: check(d, code, target), unsafe=unsafe)
    assert not result.dropped
    return result


def assert_becomes(code: str, source: str, expected: str, *, unsafe: bool = True) -> None:
    assert repair(code, source, unsafe=unsafe).data.decode() == textwrap.dedent(expected).lstrip()


def assert_left_alone(code: str, source: str, *, unsafe: bool = True, target: tuple[int, int] = (3, 11)) -> None:
    result = repair(code, source, unsafe=unsafe, target=target)
    assert result.data.decode() == textwrap.dedent(source).lstrip()
    assert result.left


def safety(code: str, source: str) -> Safety:
    """The safety of the fixes of all findings, which must be the same."""
    found = {f.fix.safety if f.fix else None for f in check(textwrap.dedent(source).lstrip().encode(), code)}
    (only,) = found
    assert only is not None
    return only


def run(code: str, source: str, tmp_path: Path, *, seconds: float = 10) -> subprocess.CompletedProcess[str]:
    """Run the repaired program in a session of its own, which is ended with all that is left in it.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    program = tmp_path / "program.py"
    program.write_bytes(repair(code, source).data)
    out = tmp_path / "out"
    with out.open("w") as target:
        process = subprocess.Popen(
            [sys.executable, "-X", "utf8", str(program)],
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return subprocess.CompletedProcess(process.args, status, out.read_text(encoding="utf-8"))
