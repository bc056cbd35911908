"""Both pipes are read at the same time."""

from __future__ import annotations

import subprocess
import sys

COMPILER = [sys.executable, "-c", 'import sys; sys.stderr.write("w" * 200_000); sys.stdout.write("result")']


def compile_all() -> tuple[str, str]:
    compiler = subprocess.Popen(COMPILER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return compiler.communicate()


output, warnings = compile_all()
print(f"main: {output}, {len(warnings)} characters of warnings")
print("main: done")
