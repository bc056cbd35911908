"""The hooks of this repository, run by the real pre-commit in a real git repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOOKS = ["flake8-forksafe", "forksafe", "forksafe-fix"]
HIT = "import subprocess\n\nsubprocess.call(['make'], stdout=subprocess.PIPE)\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, with the files as they are now: pre-commit installs hooks only from a commit.

    Where the tests run on an unpacked archive, a new repository takes the place of the clone.
    """
    folder = tmp_path_factory.mktemp("hooks")
    if (ROOT / ".git").exists():
        git(folder, "clone", "--quiet", str(ROOT), ".")
        shutil.rmtree(folder / "src")
    else:
        git(folder, "init", "--quiet")
    for name in ("src", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / name)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=hooks")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the environment it builds; all tests use one."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def repository(tmp_path: Path, hooks: Path) -> Path:
    """A repository that uses the hooks, with a hazard in the index."""
    source = {"repo": str(hooks), "rev": git(hooks, "rev-parse", "HEAD").strip()}
    configuration = {"repos": [source | {"hooks": [{"id": hook} for hook in HOOKS]}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    (tmp_path / "hit.py").write_text(HIT, encoding="utf-8")
    (tmp_path / "clean.py").write_text("print()\n", encoding="utf-8")
    (tmp_path / "script").write_text(f"#!/usr/bin/env python3\n{HIT}", encoding="utf-8")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "notes.txt").write_text(HIT, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    return tmp_path


def pre_commit(repository: Path, cache: Path, hook: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose", hook],
        cwd=repository,
        env=environment | {"PRE_COMMIT_HOME": str(cache), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_every_hook_of_the_repository_is_tried_here() -> None:
    manifest = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in manifest] == HOOKS


def test_flake8_forksafe_reports_our_codes_alone(repository: Path, cache: Path) -> None:
    (repository / "clean.py").write_text("import os\n", encoding="utf-8")
    done = pre_commit(repository, cache, "flake8-forksafe")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "hit.py:3:1: FRK104" in done.stdout
    assert "script:4:1: FRK104" in done.stdout
    assert "F401" not in done.stdout
    assert "notes.txt" not in done.stdout
    (repository / ".flake8").write_text("[flake8]\nextend-ignore = FRK104\n", encoding="utf-8")
    assert pre_commit(repository, cache, "flake8-forksafe").returncode == 0


def test_forksafe_reports_and_does_not_write(repository: Path, cache: Path) -> None:
    done = pre_commit(repository, cache, "forksafe")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "hit.py:3:1: FRK104" in done.stdout
    assert "script:4:1: FRK104" in done.stdout
    assert "2 found in 2 files of 3" in done.stdout
    assert "files were modified" not in done.stdout
    assert git(repository, "diff") == ""


def test_forksafe_fix_writes_and_is_content_the_second_time(repository: Path, cache: Path) -> None:
    first = pre_commit(repository, cache, "forksafe-fix")
    assert first.returncode == 1, first.stdout + first.stderr
    assert "files were modified by this hook" in first.stdout
    assert (repository / "hit.py").read_text(encoding="utf-8") == HIT.replace("subprocess.PIPE", "subprocess.DEVNULL")
    assert os.access(repository / "script", os.X_OK)
    assert git(repository, "diff", "--name-only").split() == ["hit.py", "script"]
    git(repository, "add", "--all")
    second = pre_commit(repository, cache, "forksafe-fix")
    assert second.returncode == 0, second.stdout + second.stderr
