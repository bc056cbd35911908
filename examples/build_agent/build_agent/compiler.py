"""Runs the compiler and reports what it printed."""

from __future__ import annotations

import subprocess


class CompilerError(Exception):
    pass


def compile_package(package: str, *, quiet: bool = False) -> list[str]:
    command = ["make", "-C", package]
    if quiet:
        command.append("--silent")
    make = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    status = make.wait()  # make stops as soon as it has printed 64 KiB that nobody reads
    output = make.stdout.read()
    if status != 0:
        raise CompilerError(output)
    return output.splitlines()
