"""Several processes find what one finds, and a process that dies takes no file with it but its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from flake8_forksafe import parallel
from flake8_forksafe.codes import Selection
from flake8_forksafe.config import Config
from flake8_forksafe.discovery import Search, Target
from flake8_forksafe.inspection import Inspection, Mode, _read
from flake8_forksafe.reporting.outcome import Outcome

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]


class Deadly(Inspection):
    """An inspection that some files kill."""

    def file(self, path: str) -> Outcome:
        if "deadly" in path:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().file(path)


def test_two_processes_print_what_one_prints(project: Path, forksafe: Command, source: Text) -> None:
    for number in range(40):
        (project / f"copy{number:02}.py").write_text(source("hit" if number % 3 else "clean"), encoding="utf-8")
    one, two = (forksafe("--output-format=json", "--jobs", jobs, ".") for jobs in ("1", "2"))
    assert one.stdout.count("FRK104") == two.stdout.count("FRK104") > 20
    assert (one.stdout, one.stderr) == (two.stdout, two.stderr)


def test_two_processes_write_what_one_writes(project: Path, forksafe_fix: Command, source: Text) -> None:
    for number in range(40):
        (project / f"copy{number:02}.py").write_text(source("hit"), encoding="utf-8")
    assert forksafe_fix("--jobs=2", ".").returncode == 0
    assert {path.read_text(encoding="utf-8") for path in project.glob("copy*.py")} == {source("fixed")}


def test_a_process_that_dies_costs_only_the_file_it_died_of(tmp_path: Path, source: Text) -> None:
    names = [f"file{number}.py" for number in range(8)] + ["deadly1.py", "deadly2.py"]
    for name in names:
        (tmp_path / name).write_text(source("hit"), encoding="utf-8")
    targets = [Target(str(tmp_path / name), 100) for name in names]
    inspection = Deadly(Mode.REPORT, Config(target_version=(3, 11)), str(tmp_path))
    workers = [parallel.start()]
    outcomes = {Path(outcome.path).name: outcome for outcome in parallel.inspect(inspection, targets, 2, workers)}
    parallel.dismiss(workers)
    assert sorted(outcomes) == sorted(names)
    for name, outcome in outcomes.items():
        assert ("died" in outcome.problem) is ("deadly" in name)
        assert [entry.code for entry in outcome.left] == ([] if "deadly" in name else ["FRK104"])


def test_the_portions_hold_every_file_once(project: Path) -> None:
    targets = [Target(f"{number}.py", number * 1000) for number in range(100)]
    chunks = list(parallel._chunks(targets, 2))
    assert [path for chunk in chunks for path in chunk] == [target.path for target in targets]
    assert len(chunks) > 3
    assert list(Search([]).targets([str(project)]))


def test_workers_end_when_their_parent_is_killed(project: Path, source: Text) -> None:
    for number in range(200):
        (project / f"copy{number}.py").write_text(source("hit"), encoding="utf-8")
    script = Path(sys.executable).parent / "forksafe-fix"
    with subprocess.Popen([script, "--jobs=2", "."], cwd=project, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while not any(path.read_text(encoding="utf-8") == source("fixed") for path in project.glob("copy*.py")):
            assert process.poll() is None
        process.kill()
        process.stdout.read()  # ends only when every process that inherited it has ended


def test_a_process_that_gets_nothing_to_do_ends_when_it_is_dismissed() -> None:
    workers = [parallel.start(), parallel.start()]
    parallel.dismiss(workers)
    assert [worker.process.exitcode for worker in workers] == [0, 0]


def test_processes_serve_one_run_after_another(tmp_path: Path, source: Text) -> None:
    (tmp_path / "hit.py").write_text(source("hit"), encoding="utf-8")
    targets = [Target(str(tmp_path / "hit.py"), 100)]
    idle = [parallel.start()]
    (worker,) = idle
    for rules, codes in ((), ["FRK104"]), (("FRK2",), []):
        config = Config(target_version=(3, 11), selection=Selection(select=rules or None))
        (outcome,) = parallel.inspect(Inspection(Mode.REPORT, config, str(tmp_path)), targets, 2, idle)
        assert [entry.code for entry in outcome.left] == codes
        assert idle == [worker]
    parallel.dismiss(idle)


def test_a_file_is_read_whole_whatever_its_size_was(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    for size in (0, 1, len(content) - 1, len(content), len(content) + 1):
        assert _read(str(tmp_path / "file"), size) == content


def test_a_long_run_that_starts_its_processes_early_prints_what_one_process_prints(
    project: Path, forksafe: Command, source: Text
) -> None:
    for number in range(60):
        text = source("hit" if number % 3 else "clean")
        (project / f"copy{number:02}.py").write_text(f"{text}\n#{'x' * 100_000}\n", encoding="utf-8")
    one, many = (forksafe("--output-format=json", *jobs, ".") for jobs in (("--jobs", "1"), ()))
    assert one.stdout.count("FRK104") == many.stdout.count("FRK104") >= 40
    assert (one.stdout, one.stderr) == (many.stdout, many.stderr)


def test_a_program_without_a_main_guard_may_start_processes(project: Path, source: Text) -> None:
    for name in "abcd":
        (project / f"{name}.py").write_text(source("hit"), encoding="utf-8")
    program = (
        "from flake8_forksafe.cli import report\nreport(['--jobs=2', '--output-format=concise', 'a.py', 'b.py'])\n"
    )
    (project / "program.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=project, capture_output=True, text=True, check=True, timeout=60
    )
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["a.py", "b.py"]
