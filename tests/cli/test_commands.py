"""What the two commands do, print and return."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flake8_forksafe import __version__, registry
from flake8_forksafe.reporting.progress import Progress

BIN = Path(sys.executable).parent

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]


def places(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return `path:line:column: code` of every finding printed in the concise format."""
    return [" ".join(line.split()[:2]) for line in done.stdout.splitlines()]


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(directory.rglob("*")) if p.is_file()}


class TestReporting:
    def test_correct_code_is_silent_and_the_status_is_zero(self, project: Path, forksafe: Command) -> None:
        (project / "hit.py").unlink()
        done = forksafe(".")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing found in 1 file\n")

    def test_a_finding_is_printed_and_the_status_is_one(self, forksafe: Command) -> None:
        done = forksafe("--output-format=concise", ".")
        assert (done.returncode, places(done)) == (1, ["hit.py:3:1: FRK104"])
        assert done.stderr == "1 found in 1 file of 2, 1 fixable by forksafe-fix\n"

    def test_the_current_folder_is_the_default(self, forksafe: Command) -> None:
        assert places(forksafe("--output-format=concise")) == ["hit.py:3:1: FRK104"]

    @pytest.mark.parametrize("options", [(), ("--diff",), ("--unsafe-fixes",), ("--unsafe-fixes", "--diff")], ids=repr)
    def test_forksafe_never_writes(self, project: Path, forksafe: Command, options: tuple[str, ...]) -> None:
        before = snapshot(project)
        assert forksafe(*options, ".").returncode == 1
        assert snapshot(project) == before

    def test_text_shows_the_line_the_span_and_where_it_comes_from(self, project: Path, forksafe: Command) -> None:
        text = "import subprocess\n\nchild = subprocess.Popen(['make'], stdout=subprocess.PIPE)\nprint(child.wait())\n"
        (project / "hit.py").write_text(text, encoding="utf-8")
        assert forksafe("hit.py").stdout.splitlines()[1:6] == [
            "4 | print(child.wait())",
            "  |       ^^^^^^^^^^^^",
            "  = the child is started here",
            "3 | child = subprocess.Popen(['make'], stdout=subprocess.PIPE)",
            "  |         --------------------------------------------------",
        ]

    def test_the_column_of_a_wide_character_counts_one_and_takes_two_cells(
        self, project: Path, forksafe: Command, source: Text
    ) -> None:
        (project / "hit.py").write_text(source("hit").replace("subprocess.check", '"漢字"; subprocess.check'), "utf-8")
        lines = forksafe("hit.py").stdout.splitlines()
        assert lines[0].startswith("hit.py:3:7:")
        assert lines[2].startswith("  |         ^^^")

    def test_quiet_prints_findings_only(self, forksafe: Command) -> None:
        done = forksafe("--quiet", "--output-format=concise", ".")
        assert (done.returncode, places(done), done.stderr) == (1, ["hit.py:3:1: FRK104"], "")

    def test_verbose_names_the_configuration_and_the_number_of_files(self, project: Path, forksafe: Command) -> None:
        done = forksafe("--verbose", ".")
        assert str(project / "pyproject.toml") in done.stderr
        assert "2 Python files, oldest Python 3.11, 1 process" in done.stderr

    def test_steering_characters_of_a_file_do_not_reach_the_terminal(
        self, project: Path, forksafe: Command, source: Text
    ) -> None:
        (project / "hit.py").write_text(source("hit").rstrip() + "  # \x1b[2J\n", encoding="utf-8")
        assert "\x1b" not in forksafe("hit.py").stdout


class TestStandardInput:
    def test_report(self, forksafe: Command, source: Text) -> None:
        done = forksafe("--output-format=concise", "-", stdin=source("hit").encode())
        assert (done.returncode, places(done)) == (1, ["stdin:3:1: FRK104"])

    def test_the_name_is_shown_and_decides_what_is_ignored(
        self, project: Path, forksafe: Command, source: Text
    ) -> None:
        named = forksafe("--output-format=concise", "--stdin-filename=a/b.py", "-", stdin=source("hit").encode())
        assert places(named) == ["a/b.py:3:1: FRK104"]
        (project / "pyproject.toml").write_text("[tool.forksafe.per-file-ignores]\n'a/*' = ['FRK']\n", "utf-8")
        assert forksafe("--stdin-filename=a/b.py", "-", stdin=source("hit").encode()).returncode == 0

    def test_fixed_source_goes_to_standard_output(self, forksafe_fix: Command, source: Text) -> None:
        done = forksafe_fix("-", stdin=source("hit").encode())
        assert (done.returncode, done.stdout) == (0, source("fixed"))
        assert "1 fixed in 1 file, 0 left" in done.stderr

    def test_what_cannot_be_fixed_comes_out_as_it_went_in(self, forksafe_fix: Command, source: Text) -> None:
        for text, status in (
            (source("clean"), 0),
            (source("unfixable"), 1),
            ("def (: subprocess.call(stdout=PIPE)\n", 2),
        ):
            done = forksafe_fix("-", stdin=text.encode())
            assert (done.returncode, done.stdout) == (status, text)

    def test_an_excluded_name_is_left_alone(self, forksafe_fix: Command, source: Text) -> None:
        done = forksafe_fix("--exclude=hit.py", "--stdin-filename=hit.py", "-", stdin=source("hit").encode())
        assert (done.returncode, done.stdout) == (0, source("hit"))

    def test_it_cannot_be_mixed_with_paths(self, forksafe: Command) -> None:
        done = forksafe("-", "hit.py")
        assert done.returncode == 2
        assert "standard input" in done.stderr


class TestFixing:
    def test_it_writes_and_says_so(self, project: Path, forksafe_fix: Command, source: Text) -> None:
        done = forksafe_fix(".")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "forksafe-fix: fixed hit.py (FRK104)\n1 fixed in 1 file, 0 left\n"
        assert (project / "hit.py").read_text(encoding="utf-8") == source("fixed")

    def test_a_second_run_finds_nothing_and_writes_nothing(self, project: Path, forksafe_fix: Command) -> None:
        forksafe_fix(".")
        before = snapshot(project)
        done = forksafe_fix(".")
        assert (done.returncode, done.stderr) == (0, "0 fixed in 0 files, 0 left\n")
        assert snapshot(project) == before

    def test_what_is_left_is_printed(self, project: Path, forksafe_fix: Command, source: Text) -> None:
        (project / "left.py").write_text(source("unfixable"), encoding="utf-8")
        done = forksafe_fix("--output-format=concise", ".")
        assert done.returncode == 1
        assert {place.partition(":")[0] for place in places(done)} == {"left.py"}
        assert re.search(r"^1 fixed in 1 file, \d+ left", done.stderr, flags=re.MULTILINE)

    def test_correct_files_are_not_touched(self, project: Path, forksafe_fix: Command) -> None:
        before = (project / "clean.py").stat()
        forksafe_fix(".")
        after = (project / "clean.py").stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)

    def test_it_wants_to_be_told_where(self, project: Path, forksafe_fix: Command) -> None:
        before = snapshot(project)
        done = forksafe_fix()
        assert done.returncode == 2
        assert snapshot(project) == before

    def test_a_silenced_finding_is_not_fixed(self, project: Path, forksafe_fix: Command, source: Text) -> None:
        text = source("hit").replace("PIPE)", "PIPE)  # noqa: FRK104")
        (project / "hit.py").write_text(text, encoding="utf-8")
        assert forksafe_fix(".").returncode == 0
        assert (project / "hit.py").read_text(encoding="utf-8") == text

    def test_encoding_newlines_and_byte_order_mark_stay(
        self, project: Path, forksafe_fix: Command, source: Text
    ) -> None:
        hit, fixed = source("hit"), source("fixed")
        for old, new in (
            (b"\xef\xbb\xbf" + hit.encode(), b"\xef\xbb\xbf" + fixed.encode()),
            (hit.replace("\n", "\r\n").encode(), fixed.replace("\n", "\r\n").encode()),
            (hit.rstrip().encode(), fixed.rstrip().encode()),
            (f"# coding: latin-1\n# ä\n{hit}".encode("latin-1"), f"# coding: latin-1\n# ä\n{fixed}".encode("latin-1")),
        ):
            (project / "hit.py").write_bytes(old)
            assert forksafe_fix("hit.py").returncode == 0
            assert (project / "hit.py").read_bytes() == new

    def test_a_file_without_write_permission_stays_and_is_named(
        self, project: Path, forksafe_fix: Command, source: Text
    ) -> None:
        if os.geteuid() == 0:
            pytest.skip("root may write everything")
        (project / "hit.py").chmod(0o444)
        done = forksafe_fix(".")
        assert done.returncode == 2
        assert "hit.py: not written" in done.stderr
        assert (project / "hit.py").read_text(encoding="utf-8") == source("hit")


class TestDiff:
    @pytest.mark.parametrize("name", ["forksafe", "forksafe-fix"])
    def test_git_and_patch_can_apply_it(
        self, project: Path, forksafe: Command, forksafe_fix: Command, source: Text, name: str
    ) -> None:
        (project / "crlf.py").write_bytes(source("hit").replace("\n", "\r\n").encode())
        (project / "short.py").write_bytes(source("hit").rstrip().encode())
        (project / "latin.py").write_bytes(f"# coding: latin-1\n{source('hit')}# ä\n".encode("latin-1"))
        before = snapshot(project)
        done = {"forksafe": forksafe, "forksafe-fix": forksafe_fix}[name]("--diff", ".")
        assert snapshot(project) == before
        assert done.returncode == 1
        assert "4 would be fixed in 4 files, 0 left" in done.stderr
        subprocess.run(
            ["git", "apply", "-"], cwd=project, input=done.stdout.encode("utf-8", "surrogateescape"), check=True
        )
        assert (project / "hit.py").read_text(encoding="utf-8") == source("fixed")
        assert (project / "crlf.py").read_bytes() == source("fixed").replace("\n", "\r\n").encode()
        assert (project / "short.py").read_bytes() == source("fixed").rstrip().encode()

    def test_it_is_what_forksafe_fix_writes(self, forksafe_fix: Command, source: Text) -> None:
        shown = forksafe_fix("--diff", ".").stdout
        assert [line for line in shown.splitlines() if re.match(r"[-+](?![-+])", line)] == [
            "-" + source("hit").splitlines()[2],
            "+" + source("fixed").splitlines()[2],
        ]

    def test_nothing_to_change_is_no_output(self, forksafe_fix: Command) -> None:
        done = forksafe_fix("--diff", "clean.py")
        assert (done.returncode, done.stdout) == (0, "")


class TestTrouble:
    """One bad file never stops the others; it is named at the end, and the status is 2."""

    @pytest.mark.parametrize("jobs", ["1", "2"])
    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("bad.py", b"def broken(: subprocess.call(stdout=PIPE)\n", "bad.py:1: syntax error"),
            ("bad.py", b"def harmless(:\n", "bad.py:1: syntax error"),
            ("bad.py", b"x = 1\n# \xff\n", "bad.py:2: not text in utf-8"),
            ("bad.py", b"# coding: no-such-thing\n", "bad.py:1: unknown encoding"),
            ("bad.py", b"x = '\0'; subprocess.call(stdout=PIPE)\n", "bad.py:1: "),
            ("bad.py", None, "bad.py: No such file or directory"),
        ],
        ids=["syntax", "syntax without a hazard", "bytes", "encoding", "null", "missing"],
    )
    def test_others_are_done(
        self,
        project: Path,
        forksafe_fix: Command,
        source: Text,
        jobs: str,
        name: str,
        content: bytes | None,
        reason: str,
    ) -> None:
        if content is not None:
            (project / name).write_bytes(content)
        done = forksafe_fix("--jobs", jobs, name, "hit.py")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(f"forksafe-fix: {reason}")
        assert (project / "hit.py").read_text(encoding="utf-8") == source("fixed")
        if content is not None:
            assert (project / name).read_bytes() == content

    @pytest.mark.parametrize(("mentions", "status"), [("nothing", 0), ("subprocess.call(stdout=PIPE)", 2)])
    def test_a_long_run_parses_only_what_may_hold_a_hazard(
        self, project: Path, forksafe: Command, mentions: str, status: int
    ) -> None:
        (project / "long.py").write_text("# a line\n" * 150_000, encoding="utf-8")
        (project / "bad.py").write_text(f"def broken(: {mentions}\n", encoding="utf-8")
        assert forksafe("long.py", "bad.py").returncode == status

    def test_a_bug_in_the_analysis_is_one_line_with_the_name_of_the_file(
        self, project: Path, forksafe: Command
    ) -> None:
        call = "subprocess.call(stdout=subprocess.PIPE)"  # a file without a hazard's words is not looked at
        (project / "deep.py").write_text(f"import subprocess\n{call}\nx = {'-' * 50_000}1\n", encoding="utf-8")
        done = forksafe("--output-format=concise", ".")
        assert done.returncode in {1, 2}
        assert "hit.py:3:1: FRK104" in places(done)
        assert "deep.py" in done.stdout + done.stderr

    def test_a_folder_that_cannot_be_listed_is_named(self, project: Path, forksafe: Command) -> None:
        if os.geteuid() == 0:
            pytest.skip("root may list everything")
        (project / "locked").mkdir(mode=0)
        done = forksafe(".")
        (project / "locked").chmod(0o755)
        assert done.returncode == 2
        assert "locked: Permission denied" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--select=FRK999"], "unknown code 'FRK999'; the nearest is FRK"),
            (["--ignore=E501"], "unknown code 'E501'"),
            (["--extend-select=frk101"], "unknown code 'frk101'; the nearest is FRK101"),
            (["--target-version=2.7"], "'2.7' is no version"),
            (["--grace-period=0"], "'0' is no number of seconds"),
            (["--grace-period=soon"], "'soon' is no number of seconds"),
            (["--grace-period=inf"], "'inf' is no number of seconds"),
            (["--jobs=0"], "'0' is no number of processes"),
            (["--output-format=xml"], "xml"),
            (["--quiet", "--verbose"], "not allowed"),
            (["--no-such-option"], "--no-such-option"),
            (["--explain=FRK100"], "the nearest is FRK10"),
        ],
        ids=lambda value: value if isinstance(value, str) else " ".join(value),
    )
    def test_wrong_usage_is_status_two_and_says_what_is_wrong(
        self, forksafe: Command, arguments: list[str], said: str
    ) -> None:
        done = forksafe(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr

    def test_a_reader_that_has_seen_enough_is_no_error(self, project: Path, source: Text) -> None:
        (project / "many.py").write_text(
            source("hit") + source("hit").splitlines()[2] * 1 + "\n" + source("hit") * 2000
        )
        process = subprocess.Popen(
            [BIN / "forksafe", "many.py"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(timeout=60)
        assert b"Traceback" not in errors
        assert b"BrokenPipe" not in errors


class TestAbout:
    def test_version(self, forksafe: Command, forksafe_fix: Command) -> None:
        assert forksafe("--version").stdout == f"forksafe {__version__}\n"
        assert forksafe_fix("--version").stdout == f"forksafe-fix {__version__}\n"

    @pytest.mark.parametrize("code", ["FRK101", "frk101", "wait-with-undrained-pipe"])
    def test_explain(self, forksafe: Command, code: str) -> None:
        done = forksafe("--explain", code)
        assert done.returncode == 0
        assert done.stdout.startswith("FRK101 wait-with-undrained-pipe\n")
        assert "## What happens at run time" in done.stdout

    def test_every_code_has_a_page(self, forksafe: Command) -> None:
        assert forksafe("--explain=FRK000").returncode == 0
        assert "opt-in" in forksafe("--explain=FRK507").stdout

    def test_list_rules(self, forksafe: Command) -> None:
        done = forksafe("--list-rules")
        assert [line.split()[0] for line in done.stdout.splitlines()] == list(registry.rules())
        assert [line.split()[0] for line in done.stdout.splitlines() if "(opt-in)" in line] == ["FRK507"]

    def test_both_have_the_same_options(self, forksafe: Command, forksafe_fix: Command) -> None:
        reading, writing = (set(re.findall(r"--[a-z-]+", c("--help").stdout)) for c in (forksafe, forksafe_fix))
        assert reading - {"--help"} >= {
            *("--diff", "--select", "--ignore", "--extend-select", "--unsafe-fixes", "--target-version"),
            *("--grace-period", "--exclude", "--jobs", "--quiet", "--verbose", "--explain", "--list-rules"),
            *("--version", "--output-format", "--stdin-filename"),
        }
        assert reading == writing


def imported(project: Path, *arguments: str) -> set[str]:
    """Return the modules that `forksafe` imports beyond those that argparse and ast bring along."""
    script = "import sys, argparse, ast; before = set(sys.modules)\n"
    script += "from flake8_forksafe.cli import report\n"
    script += "try: report(sys.argv[1:])\nexcept SystemExit: pass\n"
    script += "print(*(set(sys.modules) - before), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=project, capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


class TestImports:
    def test_version_needs_nothing(self, project: Path) -> None:
        ours = {name for name in imported(project, "--version") if name.startswith("flake8")}
        assert ours == {"flake8_forksafe", "flake8_forksafe.cli", "flake8_forksafe.reporting"}

    @pytest.mark.parametrize("configured", [False, True], ids=["unconfigured", "configured"])
    @pytest.mark.parametrize("arguments", [["plain.py"], ["--diff", "plain.py"], ["windows.py"]], ids=" ".join)
    def test_an_ordinary_file_needs_next_to_nothing(
        self, project: Path, arguments: list[str], *, configured: bool
    ) -> None:
        (project / "plain.py").write_text("print('nothing to see')\n", encoding="utf-8")
        (project / "windows.py").write_bytes(b"print('nothing to see')\r\n")
        table = "[tool.forksafe]\nselect = ['FRK1', 'FRK000']\n" if configured else ""
        (project / "pyproject.toml").write_text(f"[project]\nrequires-python = '>=3.9'\n{table}", encoding="utf-8")
        modules = imported(project, *arguments)
        ours = {name.split(".")[1] for name in modules if name.startswith("flake8_forksafe.")}
        assert not ours & {
            "analysis",
            "model",
            "fixes",
            "fixing",
            "rule",
            "fix",
            "finding",
            "noqa",
            "settings",
            "parallel",
        }
        assert not {name for name in modules if name.startswith("flake8_forksafe.rules.")}
        assert not modules & {
            *("libcst", "flake8", "packaging", "tqdm", "rich", "subprocess", "multiprocessing", "pathlib"),
            *("dataclasses", "inspect", "pkgutil", "difflib", "json", "configparser", "textwrap", "hashlib"),
        }
        assert ("tomllib" in modules) is configured

    def test_reporting_never_imports_libcst_flake8_or_what_shows_progress(self, project: Path) -> None:
        modules = imported(project, ".")
        assert "flake8_forksafe.model" in modules
        assert not {"libcst", "flake8", "tqdm", "difflib", "multiprocessing"} & modules

    def test_a_diff_does(self, project: Path) -> None:
        assert "libcst" in imported(project, "--diff", ".")


class TestTerminal:
    """Colours and the progress bar are for terminals."""

    def on_terminal(self, project: Path, *arguments: str, **env: str) -> str:
        leader, follower = pty.openpty()
        environment = {n: v for n, v in os.environ.items() if n not in {"NO_COLOR", "FORCE_COLOR"}} | {"TERM": "xterm"}
        with subprocess.Popen(
            [BIN / "forksafe", *arguments], cwd=project, stdout=follower, stderr=follower, env=environment | env
        ) as process:
            os.close(follower)
            output = b""
            while True:
                try:
                    piece = os.read(leader, 65536)
                except OSError:  # the other side is closed
                    break
                if not piece:
                    break
                output += piece
            process.wait(timeout=60)
        os.close(leader)
        return output.decode()

    def test_colours_on_a_terminal(self, project: Path) -> None:
        assert "\x1b[1;31mFRK104\x1b[0m" in self.on_terminal(project, ".")
        assert "\x1b[32m+" in self.on_terminal(project, "--diff", ".")

    def test_no_color(self, project: Path) -> None:
        assert "\x1b" not in self.on_terminal(project, ".", NO_COLOR="1")
        assert "\x1b" not in self.on_terminal(project, ".", TERM="dumb")

    def test_no_colours_on_a_pipe_unless_forced(self, forksafe: Command) -> None:
        assert "\x1b" not in forksafe(".").stdout
        assert "\x1b" in forksafe(".", env={"FORCE_COLOR": "1"}).stdout
        assert "\x1b" not in forksafe(".", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout

    def test_machines_get_no_colours_even_when_forced(self, forksafe: Command) -> None:
        for style in ("json", "sarif", "gitlab"):
            json.loads(forksafe(f"--output-format={style}", ".", env={"FORCE_COLOR": "1"}).stdout)

    def test_a_progress_bar_for_a_long_run_on_a_terminal_only(self) -> None:
        for terminal, wanted, patience, shown in (
            (True, True, 0.0, True),
            (True, True, 60.0, False),
            (True, False, 0.0, False),
            (False, True, 0.0, False),
        ):
            stream = Screen(terminal=terminal)
            progress = Progress(lambda: 42, stream, wanted=wanted, patience=patience)
            progress.advance(2)
            progress.advance(1)
            progress.close()
            assert ("2/42" in stream.getvalue()) is shown


class Screen(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def living(group: int) -> list[int]:
    """Return the processes of a process group that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = entry.read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
        except OSError:  # it has ended meanwhile
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at the processes in /proc")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interruption_leaves_every_file_whole_and_nothing_behind(
    project: Path, source: Text, number: int, status: int, jobs: str
) -> None:
    files = [project / f"file{index}.py" for index in range(150)]
    for file in files:
        file.write_text(source("hit"), encoding="utf-8")
    process = subprocess.Popen(
        [BIN / "forksafe-fix", "--jobs", jobs, "."], cwd=project, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while all(file.read_text(encoding="utf-8") == source("hit") for file in files) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    texts = {file.read_text(encoding="utf-8") for file in files}
    assert texts <= {source("hit"), source("fixed")}
    over = {0, 1, -number} if texts == {source("fixed")} else set()  # the signal came when the work was done
    assert process.returncode in {status} | over
    assert b"Traceback" not in errors
    assert list(project.glob(".*.forksafe-tmp")) == []
    while living(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(process.pid) == []
