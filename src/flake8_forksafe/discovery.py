"""Which files a run is about."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flake8_forksafe import paths

_SUFFIXES = (".py", ".pyw")
_NEVER = frozenset({"__pycache__", "node_modules"})
#: One of these in a folder says that the folder is an environment of venv or conda.
_ENVIRONMENT = frozenset({"pyvenv.cfg", "conda-meta"})
#: One of these with `activate_this.py` says that it is one of virtualenv before version 20.
_SCRIPTS = frozenset({"bin", "Scripts"})
#: What git sets for its hooks (`git rev-parse --local-env-vars`) and would make it look at another repository.
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")

#: A repository is as little to be trusted as the code in it, but git runs what its configuration names. These switch
#: off the programs that could matter to the two commands used here: the file system monitor, hooks, and the transport
#: that fetches what a partial clone lacks.
_GIT_OPTIONS = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_GIT_SAFEGUARDS = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}


class Target(NamedTuple):
    """A file to check, as the user named it or as it was met; `size` in bytes."""

    path: str
    size: int


class Found(NamedTuple):
    """What discovery has found.

    Arguments:
        targets: the files, in the order of the paths given and of their names.
        problems: path and reason of each path that cannot be looked at.
        notes: what a user who wonders about the result should know.
    """

    targets: list[Target]
    problems: list[tuple[str, str]]
    notes: list[str]


def is_excluded(path: str, exclude: Sequence[str]) -> bool:
    """Return whether `path` or a folder on the way to it from here is excluded; pre-commit names single files."""
    if not exclude:
        return False
    from pathlib import Path

    here, absolute = Path.cwd(), Path(os.path.abspath(path))
    if here.is_relative_to(absolute):
        return False
    below = [step for step in absolute.parents if step != here and step.is_relative_to(here)]
    return any(paths.matches(str(step), exclude) for step in (absolute, *below))


class Search:
    """Finds the files that paths name, and of folders the Python files below them, each file once.

    Below a folder, hidden files and folders, environments and what git ignores are passed over; what the user names is
    taken whatever it is. A symbolic link that leads out of the folder is passed over too, so that a run over a folder
    checks and repairs nothing outside it. What is excluded counts for all.

    Attributes:
        found: what has been found by now.
    """

    def __init__(self, exclude: Sequence[str]) -> None:
        """Prepare to leave out what `exclude`, anchored patterns, match."""
        self._exclude = tuple(exclude)
        self._seen: set[tuple[int, int]] = set()
        self._named = ""  # the folder that is walked, as the user named it
        self.found = Found([], [], [])

    def targets(self, paths: Sequence[str]) -> Iterator[Target]:
        """Yield the files that `paths`, given by the user, stand for, each when it is added to `found`."""
        for path in paths:
            yield from self._of(path)

    def _of(self, path: str) -> Iterator[Target]:
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            self._problem(path, error)
            return
        if is_excluded(path, self._exclude):
            return
        if stat.S_ISDIR(status.st_mode):
            self._named = path
            folder = "" if path in {".", "./"} else path.rstrip("/") or "/"
            yield from self._walk(folder, self._entries(folder), self._ignored_around(path))
        else:
            yield from self._take(path, status)

    def _problem(self, path: str, error: OSError | ValueError) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self.found.problems.append((path, reason))

    def _take(self, path: str, status: os.stat_result) -> Iterator[Target]:
        identity = (status.st_dev, status.st_ino)
        if identity not in self._seen:
            self._seen.add(identity)
            target = Target(path, status.st_size)
            self.found.targets.append(target)
            yield target

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder or ".") as scan:
                return sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            self._problem(folder or ".", error)
            return []

    def _walk(self, folder: str, entries: Sequence[os.DirEntry[str]], ignored: frozenset[str]) -> Iterator[Target]:
        """Take the Python files below `folder`, where `ignored` are the absolute paths that git ignores."""
        prefix = os.path.join(folder, "")
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NEVER:
                continue
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if not self._is_passed_over(path, ignored):
                    yield from self._enter(path, ignored)
            elif entry.name.endswith(_SUFFIXES) and not self._is_passed_over(path, ignored):
                yield from self._take_met(path, entry)

    def _enter(self, folder: str, ignored: frozenset[str]) -> Iterator[Target]:
        """Walk a folder that was met, unless it is an environment."""
        entries = self._entries(folder)
        names = {entry.name for entry in entries}
        if _ENVIRONMENT.isdisjoint(names) and not (names & _SCRIPTS and _is_old_environment(folder)):
            yield from self._walk(
                folder, entries, ignored | self._ignored_in(folder, folder) if ".git" in names else ignored
            )

    def _take_met(self, path: str, entry: os.DirEntry[str]) -> Iterator[Target]:
        try:
            status = entry.stat()
        except OSError as error:  # a symbolic link that leads nowhere
            if not entry.is_symlink():
                self._problem(path, error)
            return
        if not stat.S_ISREG(status.st_mode):
            return
        if entry.is_symlink() and self._leads_out(path):
            self.found.notes.append(f"{path} is passed over: it is a symbolic link that leads out of {self._named}")
            return
        yield from self._take(path, status)

    def _leads_out(self, link: str) -> bool:
        from pathlib import Path

        return not Path(link).resolve().is_relative_to(Path(self._named).resolve())

    def _is_passed_over(self, path: str, ignored: frozenset[str]) -> bool:
        return (bool(ignored) and os.path.abspath(path) in ignored) or (
            bool(self._exclude) and paths.matches(path, self._exclude)
        )

    def _ignored_around(self, folder: str) -> frozenset[str]:
        """Return what git ignores below `folder`, if a git work tree holds it."""
        absolute = os.path.join(os.getcwd(), folder)
        top = next((above for above in paths.upwards(absolute) if os.path.lexists(os.path.join(above, ".git"))), None)
        return self._ignored_in(top, folder) if top is not None else frozenset()

    def _ignored_in(self, top: str, folder: str) -> frozenset[str]:
        """Return the absolute paths below `folder` that git ignores in the work tree `top`.

        A folder stands for all in it. A `folder` that is ignored itself was named by the user, so nothing in it is.
        """
        absolute = os.path.abspath(folder)
        inside = os.path.relpath(os.path.realpath(absolute), os.path.realpath(top))
        if (
            inside != "."
            and self._git(top, folder, "check-ignore", "--quiet", "--no-index", "--", f"./{inside}") is not None
        ):
            return frozenset()
        listing = (
            "--literal-pathspecs",
            "ls-files",
            "-z",
            "--others",
            "--ignored",
            "--exclude-standard",
            "--directory",
        )
        names = (self._git(top, folder, *listing, "--", inside) or b"").split(b"\0")
        prefix = "" if inside == "." else f"{inside}/"
        relative = (os.fsdecode(name).rstrip("/") for name in names if name)
        return frozenset(
            os.path.join(absolute, name.removeprefix(prefix)) for name in relative if name.startswith(prefix)
        )

    def _git(self, top: str, folder: str, *arguments: str) -> bytes | None:
        """Return what git prints in the work tree `top`, None when it says no or fails (then there is a note)."""
        import subprocess

        command = ["git", "-C", top, *_GIT_OPTIONS, *arguments]
        environment = {name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES}
        environment |= _GIT_SAFEGUARDS
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            if done.returncode in {0, 1}:
                return done.stdout if done.returncode == 0 else None
            reason = os.fsdecode(done.stderr).strip().partition("\n")[0]
        note = f"git does not answer ({reason}), so .gitignore is not respected in {folder or '.'}"
        if note not in self.found.notes:
            self.found.notes.append(note)
        return None


def _is_old_environment(folder: str) -> bool:
    return any(os.path.lexists(os.path.join(folder, name, "activate_this.py")) for name in _SCRIPTS)
