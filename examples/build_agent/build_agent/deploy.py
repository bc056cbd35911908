"""Copies finished builds to the servers."""

from __future__ import annotations

import subprocess

QUIET = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def deploy(build: str, servers: list[str]) -> None:
    for server in servers:
        subprocess.check_call(["rsync", "--archive", "--verbose", build, f"{server}:/srv/builds/"], **QUIET)


def restart(server: str) -> bool:
    return subprocess.call(["ssh", server, "systemctl", "restart", "app"], close_fds=False) == 0
