# hazard: hang
"""A child fills stderr while the parent waits for the end of stdout."""

from __future__ import annotations

import subprocess
import sys

COMPILER = [sys.executable, "-c", 'import sys; sys.stderr.write("w" * 200_000); sys.stdout.write("result")']


def compile_all() -> tuple[str, str]:
    compiler = subprocess.Popen(COMPILER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = compiler.stdout.read()
    warnings = compiler.stderr.read()
    compiler.wait()
    return output, warnings


output, warnings = compile_all()
print(f"main: {output}, {len(warnings)} characters of warnings")
print("main: done")
