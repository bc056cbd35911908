"""Streams the test output of a package while it runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable


class TestRunner:
    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report
        self.process: subprocess.Popen[str] | None = None

    def start(self, package: str) -> None:
        self.process = subprocess.Popen(
            ["python", "-m", "unittest", package], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def follow(self) -> int:
        for line in self.process.stdout:  # unittest writes its results to stderr, which fills meanwhile
            self.report(line.rstrip())
        errors = self.process.stderr.read()
        self.report(errors)
        return self.process.wait()
