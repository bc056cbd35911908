"""SECURITY.md says what the tool never does; here Python's own audit hooks watch it read files that try to make it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
AUDIT = Path(__file__).parent / "audit"
BIN = Path(sys.executable).parent
LIMIT = 100

#: A line that leaves a trace wherever it is run, and a hazard that has a safe fix.
TRACE = "open({marker!r}, 'a').write(__file__)\n"
HAZARD = "import subprocess\n\nsubprocess.check_call(['rsync'], stdout=subprocess.PIPE)\n"
FIXED = HAZARD.replace("subprocess.PIPE", "subprocess.DEVNULL")

#: Modules that the tool, flake8 or Python itself may import; a process started in the wrong way finds these first.
SHADOWS = [
    *("ast", "copyreg", "flake8_forksafe", "json", "libcst", "multiprocessing", "pickle", "signal", "socket", "struct"),
    *("subprocess", "tomllib", "tqdm", "usercustomize"),
]
ENCODINGS = ["unicode_escape", "raw_unicode_escape", "utf_7", "idna", "punycode", "undefined", "klingon"]
BYTES_ENCODINGS = ["rot13", "zlib", "bz2"]
LITERALS = {
    "digits": f"x = {'9' * 100_000}\n",
    "text": f"x = {'a' * 1_000_000!r}\n",
    "folded": "x = 9**9**9**9\ny = 'a' * 10**12\nz = 1 << 10**12\n",
    "hexadecimal": f"x = 0x{'f' * 1_000_000}\n",
    "parentheses": f"x = {'(' * 10_000}{')' * 10_000}\n",
    "format": "x = f'{1:{10**9}}'\n",
}
NAMES = [
    "--fix.py",
    "-.py",
    "--output-file=made.py",
    "@arguments.py",
    "--jobs=2",
    "$(touch made).py",
    ";touch made;.py",
]
PYPROJECT = """\
[project]
requires-python = ">=3.11,!=3.99999999999999999999.*"
[tool.forksafe]
thread-starters = ["os.system", "builtins.exec"]
process-factories = ["builtins.eval"]
exclude = ["nothing/**/**/**/*a*a*a*a*a*b", "$(touch made)", "[", "!"]
[tool.forksafe.per-file-ignores]
"../other/**" = ["FRK1"]
"""
#: flake8 loads what this names, by design; `--isolated` keeps it from that, and forksafe never does.
SETUP_CFG = """\
[flake8]
per-file-ignores =
    other.py: FRK101
[flake8:local-plugins]
extension =
    XYZ = usercustomize:x
"""


class Trap:
    """A folder whose files try to be run, the marker that tells it, and a file outside that a link leads to."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.marker, self.outside = folder / "tree", folder / "marker", folder / "outside" / "job.py"
        self.log = folder / "log"
        self.log.touch()
        self.tree.mkdir()
        self.outside.parent.mkdir()
        self.outside.write_text(HAZARD, encoding="utf-8")
        self.trace = TRACE.format(marker=str(self.marker))

    def write(self, name: str, text: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def fill(self) -> None:
        for name in SHADOWS:
            self.write(f"{name}.py", self.trace + HAZARD)
        for name in ENCODINGS:
            self.write(f"encoding_{name}.py", f"# coding: {name}\n# \\n{self.trace}# \\x0a{self.trace}{HAZARD}")
        for name, text in LITERALS.items():
            self.write(f"literal_{name}.py", text + HAZARD)
        for name in NAMES:
            self.write(name, self.trace + HAZARD)
        self.write("\x1b[31m.py", HAZARD.replace("rsync", "\x1b]0;title\x07"))
        self.write("pyproject.toml", PYPROJECT)
        self.write("setup.cfg", SETUP_CFG)
        (self.tree / "link.py").symlink_to(self.outside)
        (self.tree / "folder").symlink_to(self.outside.parent)

    def add_what_flake8_cannot_bear(self) -> None:
        """Add what flake8, which opens every name that ends in .py, fails at, waits for, or reads without an end."""
        for name in BYTES_ENCODINGS:
            self.write(f"encoding_{name}.py", f"# coding: {name}\n{self.trace}{HAZARD}")
        self.write("nested.py", f"x = 1{' + 1' * 50_000}\n{HAZARD}")
        os.mkfifo(self.tree / "pipe.py")
        (self.tree / "zero.py").symlink_to("/dev/zero")

    def add_repository(self) -> None:
        """Add a git repository that names programs to be run: for the file system monitor, for hooks, to fetch."""
        program = self.tree / "program"
        program.write_text(f"#!/bin/sh\necho $0 >> {self.marker}\n", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.write(".gitignore", "*.tmp\n")
        self.write("package/.gitignore", "ignored.py\n")
        self.write("package/__init__.py", HAZARD)
        self.write("package/untracked.py", HAZARD)
        self.git("init", "--quiet")
        self.git("add", ".gitignore", "package/.gitignore", "package/__init__.py")
        blob = self.git("rev-parse", ":package/.gitignore")
        self.git("update-index", "--skip-worktree", "package/.gitignore")
        (self.tree / "package" / ".gitignore").unlink()
        (self.tree / ".git" / "objects" / blob[:2] / blob[2:]).unlink()  # as in a partial clone
        for name, value in {
            "core.fsmonitor": str(program),
            "core.hooksPath": str(self.tree),
            "core.repositoryFormatVersion": "1",
            "extensions.partialClone": "origin",
            "remote.origin.promisor": "true",
            "remote.origin.url": f"ext::sh -c {program}",
            "protocol.ext.allow": "always",
        }.items():
            self.git("config", name, value)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.tree, *arguments], capture_output=True, check=True, text=True, timeout=LIMIT
        )
        return done.stdout.strip()

    def watched(self, *command: str | Path, expected: set[int] | None = None) -> list[list[object]]:
        """Run a command in the folder and return the events of all its Python processes."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(AUDIT),
            "AUDIT_LOG": str(self.log),
            "PYTHONDONTWRITEBYTECODE": "1",  # else Python would write the cache of the tool's own modules
        }
        done = subprocess.run(command, cwd=self.tree, env=environment, capture_output=True, check=False, timeout=LIMIT)
        assert expected is None or done.returncode in expected, done.stderr.decode()
        assert b"Traceback" not in done.stderr or expected is None, done.stderr.decode()
        self.output = done.stdout.decode(errors="replace")
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


@pytest.fixture
def full_trap(trap: Trap) -> Trap:
    trap.fill()
    trap.add_what_flake8_cannot_bear()
    trap.add_repository()
    return trap


def is_inside(path: object, folder: Path) -> bool:
    return Path(str(path)).is_relative_to(folder)


def is_allowed(event: list[object], trap: Trap, writable: Callable[[object], bool]) -> bool:
    """Return whether SECURITY.md allows an event."""
    match event:
        case ["process", [_, *arguments]]:
            script, *flags = (str(argument) for argument in arguments)
            return is_inside(script, BIN) or any("from multiprocessing." in flag for flag in (script, *flags))
        case ["read", path]:
            return os.path.realpath(str(path)) != str(trap.outside)
        case ["write", path]:
            return path == os.devnull or writable(path)
        case ["change", path, _]:
            return writable(path)
        case ["exec", str(file), caller]:
            is_module = not is_inside(file, trap.tree) and Path(file).is_absolute()
            is_of_standard_library = not is_inside(caller, ROOT) and not is_inside(caller, trap.tree)
            return is_module or (file.startswith("<") and is_of_standard_library)  # namedtuple, dataclass, frozen
        case ["import", _, file]:
            return not is_inside(file, trap.tree)
        case ["socket", family]:
            return family == socket.AF_UNIX  # the pair of ends of a pipe to a worker
        case ["start", "git", command]:
            assert isinstance(command, list)
            return "ls-files" in command or "check-ignore" in command
        case _:
            return False


def forbidden(events: list[list[object]], trap: Trap, writable: Callable[[object], bool] | None = None) -> list[object]:
    return [event for event in events if not is_allowed(event, trap, writable or (lambda _: False))]


def contents(folder: Path) -> dict[str, bytes]:
    files = (
        path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and ".git" not in path.parts
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def workers(events: list[list[object]]) -> int:
    return sum(event[0] == "process" and "multiprocessing.spawn" in repr(event[1]) for event in events)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param(["forksafe", "--jobs=2", "."], 2, id="report"),
        pytest.param(["forksafe-fix", "--diff", "--unsafe-fixes", "--jobs=2", "."], 2, id="diff"),
    ],
)
def test_a_run_that_only_reads(full_trap: Trap, command: list[str], status: int) -> None:
    before = contents(full_trap.tree.parent)
    events = full_trap.watched(BIN / command[0], *command[1:], expected={status})
    assert workers(events) == 2
    assert ["start", "git"] in [event[:2] for event in events]
    assert "pickle.py" in full_trap.output
    assert "untracked.py" in full_trap.output
    assert "--diff" in command or "\x1b" not in full_trap.output
    assert forbidden(events, full_trap) == []
    assert not full_trap.marker.exists()
    del before["log"]
    after = contents(full_trap.tree.parent)
    del after["log"]
    assert after == before


def test_a_run_that_writes_changes_nothing_but_the_files_it_repairs(full_trap: Trap) -> None:
    def writable(path: object) -> bool:
        return is_inside(path, full_trap.tree) and str(path).endswith((".py", ".forksafe-tmp"))

    before = contents(full_trap.tree)
    events = full_trap.watched(BIN / "forksafe-fix", "--jobs=2", ".", expected={2})
    written = {str(path) for kind, path, *_ in events if kind == "write"} - {os.devnull}
    assert all(path.endswith(".forksafe-tmp") for path in written)
    assert forbidden(events, full_trap, writable) == []
    assert not full_trap.marker.exists()
    after = contents(full_trap.tree)
    assert after.keys() == before.keys()
    changed = {name for name in before if after[name] != before[name]}
    assert {f"{name}.py" for name in SHADOWS} <= changed
    assert "encoding_unicode_escape.py" not in changed  # written back, it would be one line
    assert all(after[name] == before[name].replace(b"subprocess.PIPE", b"subprocess.DEVNULL") for name in changed)
    assert full_trap.outside.read_text(encoding="utf-8") == HAZARD


def test_flake8_with_the_plugin(trap: Trap) -> None:
    """flake8 reads through links and starts its own processes; all else holds for it too."""
    trap.fill()
    trap.outside = trap.marker
    command = ["--isolated", "--select=FRK", "--jobs=2", "."]
    events = [e for e in trap.watched(BIN / "flake8", *command, expected={1}) if e[0] != "os.fork"]
    assert "FRK104" in trap.output
    assert forbidden(events, trap) == []
    assert not trap.marker.exists()


@pytest.mark.parametrize(
    "code",
    [
        "open('made', 'w')",
        "import os; os.remove('trap.py')",
        "import socket; socket.socket(socket.AF_INET)",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.execv('/bin/true', ['true'])",
        "import module_of_the_tree",
        "open({outside!r})",
    ],
)
def test_the_watch_sees_what_is_forbidden(trap: Trap, code: str) -> None:
    """Else the tests above would show nothing."""
    trap.write("trap.py", code.replace("{outside!r}", repr(str(trap.outside))))
    trap.write("module_of_the_tree.py", "")
    events = trap.watched(sys.executable, "-c", "import runpy; runpy.run_path('trap.py')")
    events = [event for event in events if event[0] != "process" and event[:2] != ["exec", "trap.py"]]
    assert forbidden(events, trap)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f"[tool.forksafe]\nx = {'[' * 20_000}", "nested too deeply", id="nested"),
        pytest.param(f"[tool.forksafe]\ngrace-period = {'9' * 400}", "no number of seconds", id="long number"),
        pytest.param(f"[tool.forksafe]\njobs = {'9' * 5000}", "not valid TOML", id="longer number"),
        pytest.param("[tool.forksafe]\n'\\u001b[31m' = 1".replace("'", '"'), "no key '\\x1b[31m'", id="colour"),
    ],
)
def test_odd_configuration_is_one_clear_line(trap: Trap, text: str, said: str) -> None:
    trap.write("pyproject.toml", text)
    trap.write("package.py", "import subprocess\n")
    done = subprocess.run(
        [BIN / "forksafe", "."], cwd=trap.tree, capture_output=True, check=False, text=True, timeout=LIMIT
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    flake8 = subprocess.run(
        [BIN / "flake8", "--isolated", "--select=FRK", "."],
        cwd=trap.tree,
        capture_output=True,
        check=False,
        text=True,
        timeout=LIMIT,
    )
    assert (flake8.returncode, flake8.stdout, flake8.stderr) == (0, "", "")
