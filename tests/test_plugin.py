"""The plugin inside the real flake8, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flake8_forksafe import __version__

HIT = """\
import subprocess

child = subprocess.Popen(["make"], stdout=subprocess.PIPE)
child.wait()
"""
CLEAN = """\
import subprocess

child = subprocess.Popen(["make"], stdout=subprocess.PIPE)
output, _ = child.communicate()
"""


def flake8(directory: Path, *arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run flake8 in `directory` and return what it printed, as text."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [sys.executable, "-m", "flake8", *arguments], cwd=directory, input=data, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def places(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return `path:line:column: code` of every line that flake8 printed."""
    return [" ".join(line.split()[:2]) for line in done.stdout.splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "hit.py").write_text(HIT, encoding="utf-8")
    (tmp_path / "clean.py").write_text(CLEAN, encoding="utf-8")
    return tmp_path


def test_version_lists_the_plugin(tmp_path: Path) -> None:
    assert f"flake8-forksafe: {__version__}" in " ".join(flake8(tmp_path, "--version").stdout.split())


def test_help_shows_the_options_in_a_group_of_their_own(tmp_path: Path) -> None:
    group = flake8(tmp_path, "--help").stdout.split("\nflake8-forksafe:\n")[1].split("\n\n")[0]
    for option in ("--forksafe-target-version", "--forksafe-thread-starters", "--forksafe-process-factories"):
        assert option in group


def test_correct_code_is_silent_and_status_is_zero(project: Path) -> None:
    done = flake8(project, "--select=FRK", "clean.py")
    assert (done.returncode, done.stdout) == (0, "")


def test_codes_are_on_by_default(project: Path) -> None:
    done = flake8(project, "hit.py")
    assert (done.returncode, places(done)) == (1, ["hit.py:4:1: FRK101"])


def test_select_by_prefix_family_and_code(project: Path) -> None:
    for chosen in ("FRK", "FRK1", "FRK101", "E,FRK"):
        assert places(flake8(project, f"--select={chosen}", "hit.py")) == ["hit.py:4:1: FRK101"]
    for other in ("E", "FRK2"):
        assert places(flake8(project, f"--select={other}", "hit.py")) == []


def test_ignore_and_extend_ignore(project: Path) -> None:
    for option in ("--ignore", "--extend-ignore"):
        for code in ("FRK", "FRK101"):
            assert places(flake8(project, f"{option}={code}", "hit.py")) == []


def test_the_longer_prefix_wins(project: Path) -> None:
    assert places(flake8(project, "--select=FRK101", "--ignore=FRK", "hit.py")) == ["hit.py:4:1: FRK101"]


def test_per_file_ignores(project: Path) -> None:
    (project / "other.py").write_text(HIT, encoding="utf-8")
    done = flake8(project, "--per-file-ignores=other.py:FRK101", ".")
    assert places(done) == ["./hit.py:4:1: FRK101"]


def test_parallel_jobs_report_what_one_job_reports(project: Path) -> None:
    for number in range(6):
        (project / f"copy{number}.py").write_text(HIT, encoding="utf-8")
    serial, parallel = (flake8(project, "--select=FRK", jobs, ".").stdout for jobs in ("-j1", "-j2"))
    assert len(serial.splitlines()) == 7
    assert parallel == serial


@pytest.mark.parametrize("comment", ["# noqa", "# noqa: FRK101", "# noqa:E501,FRK101", "# noqa: FRK1"])
def test_noqa_silences_its_line(tmp_path: Path, comment: str) -> None:
    (tmp_path / "hit.py").write_text(HIT.replace(".wait()", f".wait()  {comment}"), encoding="utf-8")
    assert places(flake8(tmp_path, "--select=FRK", "hit.py")) == []
    assert places(flake8(tmp_path, "--select=FRK", "--disable-noqa", "hit.py")) == ["hit.py:4:1: FRK101"]


def test_noqa_for_another_code_silences_nothing(tmp_path: Path) -> None:
    (tmp_path / "hit.py").write_text(HIT.replace(".wait()", ".wait()  # noqa: FRK102"), encoding="utf-8")
    assert places(flake8(tmp_path, "--select=FRK", "hit.py")) == ["hit.py:4:1: FRK101"]


def test_noqa_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "hit.py").write_text(f"# flake8: noqa\n{HIT}", encoding="utf-8")
    assert places(flake8(tmp_path, "--select=FRK", "hit.py")) == []


def test_standard_input(tmp_path: Path) -> None:
    assert places(flake8(tmp_path, "-", stdin=HIT)) == ["stdin:4:1: FRK101"]
    named = flake8(tmp_path, "--stdin-display-name=jobs/run.py", "-", stdin=HIT)
    assert places(named) == ["jobs/run.py:4:1: FRK101"]
    ignored = flake8(tmp_path, "--stdin-display-name=jobs/run.py", "--per-file-ignores=jobs/*:FRK", "-", stdin=HIT)
    assert places(ignored) == []


def test_columns_are_counted_in_characters(tmp_path: Path) -> None:
    (tmp_path / "hit.py").write_text(HIT.replace("child.wait", '"äöü€😀"; child.wait'), encoding="utf-8")
    assert places(flake8(tmp_path, "--select=FRK", "hit.py")) == ["hit.py:4:10: FRK101"]


def test_byte_order_mark_line_ends_and_declared_encodings(tmp_path: Path) -> None:
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf" + HIT.encode())
    (tmp_path / "crlf.py").write_bytes(HIT.replace("\n", "\r\n").encode())
    latin = "# coding: latin-1\n" + HIT.replace("child.wait", '"äöü"; child.wait')
    (tmp_path / "latin.py").write_bytes(latin.encode("latin-1"))
    done = flake8(tmp_path, "--select=FRK", "bom.py", "crlf.py", "latin.py")
    assert places(done) == ["bom.py:4:1: FRK101", "crlf.py:4:1: FRK101", "latin.py:5:8: FRK101"]


def test_files_that_are_no_python_get_flake8s_own_line(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_bytes(b"")
    (tmp_path / "prose.py").write_text("a subprocess is no Popen\n", encoding="utf-8")
    (tmp_path / "bytes.py").write_bytes(b"# \xff\xfe\n" + HIT.encode())
    done = flake8(tmp_path, "--select=FRK,E9", "empty.py", "prose.py", "bytes.py")
    assert places(done) in (
        ["bytes.py:5:1: FRK101", "prose.py:1:4: E999"],
        ["bytes.py:5:1: FRK101", "prose.py:1:5: E999"],
        ["bytes.py:5:1: FRK101", "prose.py:1:6: E999"],
    )


class TestOptIn:
    """An opt-in code is off until it is named, whatever else the user configures."""

    @pytest.fixture
    def config(self, project: Path) -> Path:
        plugins = Path(__file__).parent / "local_plugins"
        config = project / ".flake8"
        config.write_text(
            f"[flake8:local-plugins]\nextension =\n    FRK9 = opt_in_plugin:OptInPlugin\npaths = {plugins}\n[flake8]\n",
            encoding="utf-8",
        )
        return config

    @pytest.mark.parametrize("options", [[], ["--ignore=E501"], ["--extend-ignore=W503"], ["--select=FRK"]], ids=repr)
    def test_it_stays_off(self, config: Path, options: list[str]) -> None:
        assert places(flake8(config.parent, *options, "clean.py")) == ["clean.py:1:1: FRK998"]

    def test_it_stays_off_with_ignore_in_the_configuration(self, config: Path) -> None:
        config.write_text(config.read_text(encoding="utf-8") + "ignore = E501\n", encoding="utf-8")
        assert places(flake8(config.parent, "clean.py")) == ["clean.py:1:1: FRK998"]

    @pytest.mark.parametrize(
        "options",
        [["--extend-select=FRK999"], ["--select=FRK,FRK999"], ["--extend-select=FRK999", "--ignore=E501"]],
        ids=repr,
    )
    def test_it_comes_on_by_its_name(self, config: Path, options: list[str]) -> None:
        done = flake8(config.parent, *options, "clean.py")
        assert places(done) == ["clean.py:1:1: FRK998", "clean.py:1:1: FRK999"]

    def test_it_comes_on_by_its_name_in_the_configuration(self, config: Path) -> None:
        text = config.read_text(encoding="utf-8")
        config.write_text(text + "extend-select = FRK999\nignore = E501\n", encoding="utf-8")
        assert places(flake8(config.parent, "clean.py")) == ["clean.py:1:1: FRK998", "clean.py:1:1: FRK999"]

    def test_it_can_be_selected_alone(self, config: Path) -> None:
        assert places(flake8(config.parent, "--select=FRK999", "clean.py")) == ["clean.py:1:1: FRK999"]

    def test_ignore_beats_its_name(self, config: Path) -> None:
        done = flake8(config.parent, "--extend-select=FRK999", "--per-file-ignores=clean.py:FRK999", "clean.py")
        assert places(done) == ["clean.py:1:1: FRK998"]


class TestOptions:
    """The options on the command line and in the configuration file."""

    FACTORY = """\
from subprocess import PIPE
from jobs.pool import spawn

child = spawn(["make"], stdout=PIPE)
child.wait()
"""
    STARTER = """\
import os
import jobs

jobs.in_background(print)
read, write = os.pipe()
os.set_inheritable(write, True)
"""

    def test_process_factories(self, tmp_path: Path) -> None:
        (tmp_path / "use.py").write_text(self.FACTORY, encoding="utf-8")
        assert places(flake8(tmp_path, "--select=FRK", "use.py")) == []
        done = flake8(tmp_path, "--select=FRK", "--forksafe-process-factories=a.b,jobs.pool.spawn", "use.py")
        assert places(done) == ["use.py:5:1: FRK101"]

    def test_thread_starters(self, tmp_path: Path) -> None:
        (tmp_path / "use.py").write_text(self.STARTER, encoding="utf-8")
        assert places(flake8(tmp_path, "--select=FRK", "use.py")) == []
        done = flake8(tmp_path, "--select=FRK", "--forksafe-thread-starters=jobs.in_background", "use.py")
        assert places(done) == ["use.py:6:1: FRK202"]

    def test_options_in_the_configuration_file(self, tmp_path: Path) -> None:
        (tmp_path / "use.py").write_text(self.FACTORY, encoding="utf-8")
        (tmp_path / ".flake8").write_text(
            "[flake8]\nselect = FRK\nforksafe-process-factories =\n    jobs.pool.spawn,\n    a.b\n", encoding="utf-8"
        )
        assert places(flake8(tmp_path, "use.py")) == ["use.py:5:1: FRK101"]

    @pytest.mark.parametrize(
        ("option", "named"),
        [
            ("--forksafe-target-version=three", "three"),
            ("--forksafe-target-version=2.7", "2.7"),
            ("--forksafe-thread-starters=a.b,c-d", "c-d"),
            ("--forksafe-process-factories=spawn()", "spawn()"),
        ],
    )
    def test_a_senseless_value_is_one_clear_line(self, project: Path, option: str, named: str) -> None:
        done = flake8(project, option, "hit.py")
        message = done.stdout + done.stderr
        assert done.returncode == 1
        assert named in message
        assert option.partition("=")[0].removeprefix("--") in message


IMPORTS = """\
import sys
from flake8.main.cli import main
status = main(sys.argv[1:])
print(status, *sorted(name for name in sys.modules if name.partition(".")[0] in ("flake8_forksafe", "libcst")))
"""


def imported(directory: Path, *arguments: str) -> list[str]:
    """Return what a flake8 run imported of this package and of libcst, after its exit status."""
    command = [sys.executable, "-c", IMPORTS, "-j1", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, check=True, text=True)
    return done.stdout.splitlines()[-1].split()


def test_a_run_with_findings_never_imports_libcst(project: Path) -> None:
    status, *modules = imported(project, "--select=FRK", "hit.py")
    assert status == "1"
    assert "flake8_forksafe.analysis" in modules
    assert "libcst" not in modules


def test_a_run_with_findings_words_no_fixes(project: Path) -> None:
    _, *modules = imported(project, "--select=FRK", "hit.py")
    assert [name for name in modules if name.startswith("flake8_forksafe.fixes")] == ["flake8_forksafe.fixes"]


FROZEN = """\
import gc
import sys
from flake8.main.cli import main
at_start = gc.get_freeze_count()  # Python 3.12 freezes some objects by itself
main(sys.argv[1:])
print(gc.get_freeze_count() - at_start)
"""


@pytest.mark.parametrize(
    ("source", "frozen"),
    [
        pytest.param("print('nothing to see')\n", False, id="not when nothing is imported"),
        pytest.param(HIT, True, id="once the model is"),
    ],
)
def test_the_collector_leaves_alone_what_has_been_imported(tmp_path: Path, source: str, *, frozen: bool) -> None:
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-c", FROZEN, "-j1", "module.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True)
    assert (int(done.stdout.splitlines()[-1]) > 0) is frozen


def test_a_run_without_candidates_imports_neither_rules_nor_model(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("print('nothing to see')\n", encoding="utf-8")
    _, *modules = imported(tmp_path, "plain.py")
    assert modules == [
        "flake8_forksafe",
        "flake8_forksafe.gate",
        "flake8_forksafe.plugin",
        "flake8_forksafe.source",
    ]
