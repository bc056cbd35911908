"""A baseline hides what a project has decided to live with, wherever it moves, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path

import libcst as cst
import pytest
from libcst.codemod import CodemodContext

from flake8_forksafe import cli
from flake8_forksafe.fixing.command import FixHazards

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]

SHELL = 'import subprocess\n\n\ndef build():\n    subprocess.run("make | tee log", shell=True, timeout=60)\n'
FIELDS = ("path", "code", "function", "statement", "fingerprint", "count")
OTHER = '    subprocess.run("make test | tee log", shell=True, timeout=60)\n'


def codes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return `path:line: code` of every finding of the concise format."""
    return [f"{line.split(':')[0]}:{line.split(':')[1]}: {line.split()[1]}" for line in done.stdout.splitlines()]


@pytest.fixture
def command(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Command]:
    """The commands, run in this process: the whole of them but for the start of Python."""
    monkeypatch.chdir(project)

    def command(run: Callable[[Sequence[str]], int]) -> Command:
        def call(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
            monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
            try:
                status = run([str(argument) for argument in arguments])
            except SystemExit as error:
                status = int(str(error.code))
            return subprocess.CompletedProcess(arguments, status, *capfd.readouterr())

        return call

    return command


@pytest.fixture
def check(command: Callable[..., Command]) -> Command:
    return command(cli.report)


@pytest.fixture
def repair(command: Callable[..., Command]) -> Command:
    return command(cli.fix)


@pytest.fixture
def project(project: Path) -> Path:
    """The usual project with a finding that no fix repairs besides, and the format that tests read best."""
    (project / "shell.py").write_text(SHELL, encoding="utf-8")
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("output-format = 'concise'\n")
    return project


@pytest.fixture
def adopted(project: Path, check: Command) -> Path:
    """The project with all it holds in base.json."""
    assert check("--write-baseline=base.json").returncode == 0
    return project


class TestWriting:
    def test_the_status_is_zero_and_the_summary_says_how_many(self, project: Path, check: Command) -> None:
        done = check("--write-baseline=base.json", ".")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "2 found in 2 files of 3, 1 fixable by forksafe-fix, 2 written to base.json\n"
        assert codes(check(".")) == ["hit.py:3: FRK104", "shell.py:5: FRK509"]
        assert (project / "hit.py").read_text(encoding="utf-8").endswith("PIPE)\n")

    def test_it_is_sorted_one_line_for_each_and_holds_no_line_numbers(self, adopted: Path) -> None:
        lines = (adopted / "base.json").read_text(encoding="utf-8").splitlines()
        entries = json.loads("".join(lines))["findings"]
        assert [(e["path"], e["code"], e["function"], e["count"]) for e in entries] == [
            ("hit.py", "FRK104", "", 1),
            ("shell.py", "FRK509", "build", 1),
        ]
        assert [json.loads(line.rstrip(",")) for line in lines[3:5]] == entries
        assert entries[1]["statement"] == 'subprocess.run("make | tee log", shell=True, timeout=60)'
        assert not {"line", "column"} & entries[0].keys()

    def test_writing_it_again_changes_no_byte(self, adopted: Path, check: Command) -> None:
        before = (adopted / "base.json").read_bytes()
        assert check("--write-baseline=base.json", "shell.py", "hit.py").returncode == 0
        assert (adopted / "base.json").read_bytes() == before

    def test_what_the_run_did_not_look_at_stays(self, adopted: Path, check: Command) -> None:
        before = (adopted / "base.json").read_bytes()
        assert check("--write-baseline=base.json", "clean.py").returncode == 0
        assert check("--write-baseline=base.json", "--select=FRK1", ".").returncode == 0
        (adopted / "shell.py").write_text("(subprocess.run(shell=True, timeout=60)", encoding="utf-8")
        assert check("--write-baseline=base.json", ".").returncode == 2
        assert (adopted / "base.json").read_bytes() == before

    def test_what_is_repaired_and_whose_file_is_gone_leaves_it(
        self, adopted: Path, check: Command, source: Text
    ) -> None:
        (adopted / "hit.py").write_text(source("fixed"), encoding="utf-8")
        (adopted / "shell.py").unlink()
        assert check("--write-baseline=base.json", ".").returncode == 0
        assert json.loads((adopted / "base.json").read_bytes())["findings"] == []

    def test_forksafe_fix_repairs_first_and_writes_down_the_rest(self, project: Path, repair: Command) -> None:
        done = repair("--write-baseline=base.json", ".")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.splitlines()[-1] == "1 fixed in 1 file, 1 left, 1 written to base.json"
        (entry,) = json.loads((project / "base.json").read_bytes())["findings"]
        assert entry["path"] == "shell.py"

    def test_nothing_stays_behind_and_a_new_file_has_the_usual_mode(self, adopted: Path) -> None:
        assert not list(adopted.glob(".*.forksafe-tmp"))
        (adopted / "new").touch()
        assert (adopted / "base.json").stat().st_mode == (adopted / "new").stat().st_mode

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--write-baseline=base.json", "--diff", "."], "--diff"),
            (["--write-baseline=base.json", "-"], "leave - out"),
            (["--write-baseline=base.json", "--baseline=base.json", "."], "not allowed with"),
            (["--write-baseline=no/folder/base.json", "."], "base.json: not written: No such file or directory"),
            (["--write-baseline=pyproject.toml", "."], "pyproject.toml: no baseline: line 1: "),
            (["--write-baseline=.", "."], ".: no regular file"),
            (["--baseline=no/base.json", "."], "no/base.json: there is no such file; make it with --write-baseline"),
            ([f"--baseline={'a' * 300}", "."], ": File name too long"),
            ([f"--write-baseline={'a' * 300}", "."], ": File name too long"),
            (["--write-baseline=loop.json", "."], "loop.json: "),
        ],
        ids=["diff", "stdin", "both", "folder", "foreign", "directory", "missing", "long", "long to write", "loop"],
    )
    def test_what_makes_no_sense_is_status_two_and_writes_nothing(
        self, project: Path, check: Command, arguments: list[str], said: str
    ) -> None:
        (project / "loop.json").symlink_to("loop.json")
        before = {file: file.read_bytes() for file in project.iterdir() if file.is_file()}
        done = check(*arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert {file: file.read_bytes() for file in project.iterdir() if file.is_file()} == before


class TestHiding:
    @pytest.mark.usefixtures("adopted")
    def test_nothing_new_is_status_zero(self, check: Command) -> None:
        done = check("--baseline=base.json", ".")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "nothing new found in 3 files, 2 hidden by base.json\n"

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "# a line\n\n" + text.replace("import subprocess", "import os\nimport subprocess"),
            lambda text: text.replace("timeout=60)", "timeout=60)  # a word about it"),
            lambda text: text.replace('run("make', 'run(\n        "make').replace("60)", "60,  # s\n    )"),
            lambda text: text.replace('"', "'").replace("\n", "\r\n"),
            lambda text: text.replace("    subprocess", "    for _ in ():\n        pass\n    subprocess"),
            lambda text: "if True:\n" + "".join(f"    {line}\n" for line in text.splitlines()),
        ],
        ids=["moved", "comment", "wrapped", "quotes and newlines", "neighbour", "indented"],
    )
    def test_a_finding_stays_known_when_code_moves_or_is_formatted(
        self, adopted: Path, check: Command, change: Callable[[str], str]
    ) -> None:
        (adopted / "shell.py").write_bytes(change(SHELL).encode())
        done = check("--baseline=base.json", ".")
        assert (done.returncode, done.stdout) == (0, "")
        assert "no longer" not in done.stderr

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (SHELL + OTHER, 6),
            (SHELL + SHELL.splitlines()[-1] + "\n", 6),
            (SHELL.replace("timeout=60", "timeout=90"), 5),
            (SHELL.replace("def build", "def test"), 5),
        ],
        ids=["another statement", "the same once more", "a changed statement", "another function"],
    )
    def test_what_is_new_is_shown(self, adopted: Path, check: Command, text: str, line: int) -> None:
        (adopted / "shell.py").write_text(text, encoding="utf-8")
        done = check("--baseline=base.json", ".")
        assert (done.returncode, codes(done)) == (1, [f"shell.py:{line}: FRK509"])
        assert done.stderr.startswith("1 new found in 1 file of 3, ")

    def test_a_renamed_file_is_new_and_its_old_entries_are_counted(self, adopted: Path, check: Command) -> None:
        (adopted / "shell.py").rename(adopted / "renamed.py")
        done = check("--baseline=base.json", ".")
        assert (done.returncode, codes(done)) == (1, ["renamed.py:5: FRK509"])
        assert "1 hidden by base.json, 1 entry of it no longer occurs (renew it with --write-baseline" in done.stderr

    def test_entries_that_were_not_looked_for_are_not_called_gone(self, adopted: Path, check: Command) -> None:
        (adopted / "shell.py").write_text("", encoding="utf-8")
        assert "1 entry of it no longer occurs" in check("--baseline=base.json", ".").stderr
        for arguments in (["clean.py"], ["--select=FRK1", "."], ["--exclude=shell.py", "."]):
            assert "no longer" not in check("--baseline=base.json", *arguments).stderr

    def test_paths_count_from_the_folder_of_the_baseline(self, adopted: Path, check: Command) -> None:
        (adopted / "ci").mkdir()
        assert check("--write-baseline=ci/base.json", ".").returncode == 0
        paths = [entry["path"] for entry in json.loads((adopted / "ci/base.json").read_bytes())["findings"]]
        assert paths == ["../hit.py", "../shell.py"]
        assert check("--baseline=ci/base.json", adopted / "shell.py").returncode == 0

    @pytest.mark.usefixtures("adopted")
    def test_standard_input_goes_by_its_name(self, check: Command) -> None:
        for name, status in (("shell.py", 0), ("other.py", 1)):
            done = check("--baseline=base.json", f"--stdin-filename={name}", "-", stdin=SHELL.encode())
            assert done.returncode == status
        done = check("--baseline=base.json", "--stdin-filename=shell.py", "-", stdin=b"")
        assert "no longer" not in done.stderr

    @pytest.mark.parametrize("style", ["json", "sarif", "gitlab", "github", "text"])
    def test_every_format_shows_what_is_new_alone(self, adopted: Path, check: Command, style: str) -> None:
        (adopted / "shell.py").write_text(SHELL + OTHER, encoding="utf-8")
        assert check("--baseline=base.json", f"--output-format={style}", ".").stdout.count("FRK104") == 0
        assert check("--baseline=base.json", f"--output-format={style}", ".").stdout.count("FRK509") >= 1
        assert check(f"--output-format={style}", ".").stdout.count("FRK104") >= 1

    def test_processes_and_one_process_hide_the_same(self, adopted: Path, forksafe: Command) -> None:
        (adopted / "shell.py").write_text(SHELL + OTHER, encoding="utf-8")
        one, two = (forksafe("--baseline=base.json", "--jobs", jobs, ".") for jobs in "12")
        assert (one.stdout, one.stderr) == (two.stdout, two.stderr)


class TestFixing:
    def test_what_is_known_is_not_repaired(self, adopted: Path, repair: Command, source: Text) -> None:
        (adopted / "new.py").write_text(source("hit"), encoding="utf-8")
        done = repair("--baseline=base.json", ".")
        assert done.returncode == 0
        assert done.stderr.splitlines()[-1] == "1 fixed in 1 file, 0 left, 2 hidden by base.json"
        assert (adopted / "hit.py").read_text(encoding="utf-8") == source("hit")
        assert (adopted / "new.py").read_text(encoding="utf-8") == source("fixed")

    def test_a_diff_leaves_it_out(self, adopted: Path, check: Command, source: Text) -> None:
        call = source("hit").splitlines(keepends=True)[2]
        (adopted / "hit.py").write_text(source("hit") + call.replace("rsync", "scp"), encoding="utf-8")
        done = check("--baseline=base.json", "--diff", ".")
        changed = [line for line in done.stdout.splitlines() if line.startswith("-sub")]
        assert changed == ['-subprocess.check_call(["scp"], stdout=subprocess.PIPE)']
        assert done.returncode == 1

    def test_a_known_finding_in_a_statement_that_a_fix_changes_is_spared(
        self, project: Path, check: Command, repair: Command
    ) -> None:
        text = "import subprocess\n\nsubprocess.call(['a'], stdout=subprocess.PIPE, close_fds=False)\n"
        (project / "hit.py").write_text(text, encoding="utf-8")
        assert check("--select=FRK104", "--write-baseline=base.json", "hit.py").returncode == 0
        done = repair("--baseline=base.json", "hit.py")
        assert (project / "hit.py").read_text(encoding="utf-8") == text.replace(", close_fds=False", "")
        assert "wrong fix" not in done.stderr
        assert codes(done) == ["hit.py:3: FRK104"]  # its statement is another now

    @pytest.mark.usefixtures("adopted")
    def test_standard_output_gets_the_known_finding_as_it_was(self, repair: Command, source: Text) -> None:
        done = repair("--baseline=base.json", "--stdin-filename=hit.py", "-", stdin=source("hit").encode())
        assert (done.returncode, done.stdout) == (0, source("hit"))

    def test_the_codemod_spares_it_too(self, adopted: Path, source: Text) -> None:
        with (adopted / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write("baseline = 'base.json'\n")
        for name, text in (("hit.py", source("hit")), ("new.py", source("fixed"))):
            codemod = FixHazards(CodemodContext(filename=str(adopted / name)))
            assert codemod.transform_module(cst.parse_module(source("hit"))).code == text


class TestConfiguration:
    def test_the_key_counts_from_the_folder_of_its_file(self, adopted: Path, check: Command) -> None:
        with (adopted / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write("baseline = 'base.json'\n")
        (adopted / "deep").mkdir()
        (adopted / "deep/new.py").write_text(SHELL, encoding="utf-8")
        assert codes(check(".")) == ["deep/new.py:5: FRK509"]
        assert check(adopted / "hit.py").returncode == 0
        assert len(codes(check("--no-baseline", "."))) == 3
        assert check("--write-baseline=base.json", ".").returncode == 0
        assert check(".").returncode == 0

    def test_a_baseline_that_is_configured_and_yet_to_be_written(self, project: Path, check: Command) -> None:
        with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write("baseline = 'base.json'\n")
        done = check(".")
        assert done.returncode == 2
        said = "base.json: there is no such file; make it with --write-baseline base.json"
        assert said in done.stderr
        assert check("--write-baseline=base.json", ".").returncode == 0
        assert check(".").returncode == 0

    @pytest.mark.parametrize("value", ["3", "''", "['base.json']"])
    def test_a_wrong_value_is_named(self, project: Path, check: Command, value: str) -> None:
        (project / "pyproject.toml").write_text(f"[tool.forksafe]\nbaseline = {value}\n", encoding="utf-8")
        done = check(".")
        assert done.returncode == 2
        assert "baseline in [tool.forksafe]" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no baseline: line 1: "),
        (b"<<<<<<< HEAD\n{}", "no baseline: line 1: "),
        (b"\xff", "no baseline: "),
        (b"[" * 100_000, "no baseline: "),
        (b"[]", "no baseline: the key 'forksafe-baseline' is missing"),
        (b'{"files": {}}', "no baseline: the key 'forksafe-baseline' is missing"),
        (b'{"forksafe-baseline": 2, "findings": []}', "a baseline of version 2, not 1"),
        (b'{"forksafe-baseline": 1}', "a damaged baseline: "),
        (b'{"forksafe-baseline": 1, "findings": [3]}', "a damaged baseline: "),
        (b'{"forksafe-baseline": 1, "findings": [{"path": "a.py"}]}', "a damaged baseline: "),
        (
            json.dumps({"forksafe-baseline": 1, "findings": [dict.fromkeys(FIELDS, "2")]}).encode(),
            "a damaged baseline: count is '2'",
        ),
    ],
    ids=["empty", "conflict", "bytes", "deep", "list", "foreign", "newer", "bare", "number", "part", "text"],
)
def test_a_file_that_is_no_baseline_is_one_line_and_status_two(
    project: Path, check: Command, content: bytes, said: str
) -> None:
    (project / "base.json").write_bytes(content)
    done = check("--baseline=base.json", ".")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"forksafe: base.json: {said}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_sarif_names_findings_by_the_same_fingerprint(adopted: Path, check: Command) -> None:
    (run,) = json.loads(check("--output-format=sarif", ".").stdout)["runs"]
    known = {entry["fingerprint"] for entry in json.loads((adopted / "base.json").read_bytes())["findings"]}
    assert {result["partialFingerprints"]["statement/v1"] for result in run["results"]} == known


def test_a_line_once_written_stays_the_same(project: Path, check: Command) -> None:
    """Baselines are checked in and shared: a fingerprint must not depend on the Python or the version that made it."""
    text = "import subprocess\n\n\nclass Job:\n    def run(self):\n"
    text += "        subprocess.call(['é'], stdout=subprocess.PIPE)\n" * 2
    (project / "hit.py").write_text(text, encoding="utf-8")
    check("--write-baseline=base.json", "hit.py")
    (entry,) = json.loads((project / "base.json").read_bytes())["findings"]
    assert entry == {
        "path": "hit.py",
        "code": "FRK104",
        "function": "Job.run",
        "statement": "subprocess.call(['é'], stdout=subprocess.PIPE)",
        "fingerprint": "e4806798afcafd33",
        "count": 2,
    }
