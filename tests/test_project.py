"""What README.md promises is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: Each hazard of the example project, by a piece of the line it stands on.
EXAMPLE_HAZARDS = {
    ("compiler.py", "make.wait()", "FRK101"),
    ("deploy.py", "subprocess.check_call(", "FRK104"),
    ("deploy.py", "close_fds=False", "FRK201"),
    ("linters.py", "worker.join()", "FRK107"),
    ("progress.py", "os.pipe()", "FRK203"),
    ("test_runner.py", "for line in self.process.stdout", "FRK102"),
}


def command(name: str) -> str:
    """Return the one command under the marker `name` of README.md, as .ci/run finds it."""
    (block,) = re.findall(rf"^<!-- {name} -->\n```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    (line,) = block.splitlines()
    return line


def reported() -> list[tuple[str, int, str]]:
    """Return path, line and code of each finding in the example project."""
    arguments = command("main-command").partition("flake8 ")[2].split()
    done = subprocess.run(
        [sys.executable, "-m", "flake8", *arguments], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [found(line) for line in done.stdout.splitlines()]


def found(line: str) -> tuple[str, int, str]:
    match = re.fullmatch(r"(?P<path>[^:]+):(?P<line>\d+):\d+: (?P<code>\w+).*", line)
    assert match is not None, line
    return match["path"], int(match["line"]), match["code"]


def test_the_main_command_reports_the_hazards_of_the_example() -> None:
    lines = {path: (ROOT / path).read_text(encoding="utf-8").splitlines() for path, _, _ in reported()}
    places = [(Path(path).name, lines[path][number - 1], code) for path, number, code in reported()]
    assert len(places) == len(EXAMPLE_HAZARDS)
    for name, text, code in EXAMPLE_HAZARDS:
        assert any((name, code) == (place[0], place[2]) and text in place[1] for place in places), (name, code)


def test_the_output_shown_is_the_output_printed() -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert [found(line) for line in shown.splitlines()] == reported()


def test_the_test_command_is_the_one_continuous_integration_runs() -> None:
    """CI takes it out of README.md, so that the two cannot differ."""
    assert command("test-command").endswith(".venv/bin/pytest -n 2 -m 'not slow'")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\npytest -n 2 -m slow " in script
    extract = re.search(r"^readme_command\(\) \{ (.*); \}$", script, flags=re.MULTILINE)
    assert extract is not None
    for name in ("test-command", "main-command"):
        assert f"$(readme_command {name})" in script
        printed = subprocess.run(
            ["bash", "-c", extract[1], "extract", name], cwd=ROOT, capture_output=True, check=True, text=True
        )
        assert printed.stdout == f"{command(name)}\n"


@pytest.mark.parametrize("option", ["target-version", "thread-starters", "process-factories"])
def test_every_option_is_documented(option: str) -> None:
    assert f"forksafe-{option}" in README
    assert f"## forksafe-{option}" in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_links_between_files_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
