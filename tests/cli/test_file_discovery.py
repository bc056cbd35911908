"""Which files a run looks at."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from flake8_forksafe.discovery import Found, Search
from flake8_forksafe.paths import anchored


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n", encoding="utf-8")


def discover(given: Sequence[str], exclude: Sequence[str]) -> Found:
    """All that a search for files finds."""
    search = Search(exclude)
    assert list(search.targets(given)) == search.found.targets
    return search.found


def paths(found: Found) -> list[str]:
    assert found.problems == []
    return [target.path for target in found.targets]


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def walked(*given: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return paths(discover(given or (".",), [anchored(pattern, str(Path.cwd())) for pattern in exclude]))


def test_python_files_below_a_folder_in_order(tree: Path) -> None:
    make(tree, "b.py", "a/z.py", "a/b/c.pyw", "a/notes.txt", "a/stub.pyi", "setup")
    assert walked() == ["a/b/c.pyw", "a/z.py", "b.py"]
    assert walked("a") == ["a/b/c.pyw", "a/z.py"]
    assert walked(str(tree / "a")) == [f"{tree}/a/b/c.pyw", f"{tree}/a/z.py"]


def test_a_named_file_is_taken_whatever_it_is_called(tree: Path) -> None:
    make(tree, "script", ".hidden/x.py")
    assert walked("script", ".hidden/x.py", ".hidden") == ["script", ".hidden/x.py"]


def test_each_file_once(tree: Path) -> None:
    make(tree, "a.py")
    (tree / "link.py").symlink_to("a.py")
    (tree / "loop").symlink_to(".")
    (tree / "broken.py").symlink_to("nowhere")
    assert walked(".", "a.py", "./a.py") == ["a.py"]


def test_hidden_folders_caches_and_environments_are_passed_over(tree: Path) -> None:
    make(
        tree, ".hidden/a.py", ".b.py", "__pycache__/c.py", "node_modules/d.py", "kept/e.py", "old/bin/activate_this.py"
    )
    venv.create(tree / "environment", with_pip=False)
    make(tree, "environment/lib/f.py", "conda/conda-meta/history", "conda/g.py")
    assert walked() == ["kept/e.py"]


def test_what_cannot_be_found_is_a_problem_and_the_rest_is_found(tree: Path) -> None:
    make(tree, "a.py")
    found = discover(["nowhere.py", "a.py", "nul\0l"], [])
    assert [target.path for target in found.targets] == ["a.py"]
    assert [path for path, _ in found.problems] == ["nowhere.py", "nul\0l"]


def test_names_that_are_no_text(tree: Path) -> None:
    try:
        (tree / os.fsdecode(b"\xff.py")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system wants text")
    assert walked() == [os.fsdecode(b"\xff.py")]


class TestExclude:
    @pytest.fixture(autouse=True)
    def files(self, tree: Path) -> None:
        make(tree, "a.py", "gen/b.py", "pkg/gen/c.py", "pkg/d_pb2.py")

    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            ("gen", ["a.py", "pkg/d_pb2.py"]),
            ("gen/", ["a.py", "pkg/d_pb2.py", "pkg/gen/c.py"]),
            ("pkg/gen", ["a.py", "gen/b.py", "pkg/d_pb2.py"]),
            ("pkg/*", ["a.py", "gen/b.py"]),
            ("*_pb2.py", ["a.py", "gen/b.py", "pkg/gen/c.py"]),
            ("ge", ["a.py", "gen/b.py", "pkg/d_pb2.py", "pkg/gen/c.py"]),
        ],
    )
    def test_folders_files_and_paths(self, pattern: str, left: list[str]) -> None:
        assert walked(exclude=(pattern,)) == left

    def test_a_named_file_can_be_excluded_too(self) -> None:
        assert walked("a.py", "gen/b.py", "pkg/gen/c.py", exclude=("gen",)) == ["a.py"]

    def test_folders_above_the_current_one_do_not_count(self, tree: Path) -> None:
        assert "a.py" in walked(exclude=(tree.name,))


class TestGit:
    @pytest.fixture(autouse=True)
    def repository(self, tree: Path) -> None:
        git(tree, "init", "--quiet")
        (tree / ".gitignore").write_text("build/\n*.gen.py\n!kept.gen.py\n", encoding="utf-8")
        make(tree, "a.py", "build/b.py", "pkg/build/c.py", "pkg/d.gen.py", "pkg/kept.gen.py", "pkg/e.py")

    def test_what_git_ignores_is_passed_over(self) -> None:
        assert walked() == ["a.py", "pkg/e.py", "pkg/kept.gen.py"]
        assert walked("pkg") == ["pkg/e.py", "pkg/kept.gen.py"]

    def test_from_below_and_with_absolute_paths(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tree / "pkg")
        assert walked() == ["e.py", "kept.gen.py"]
        assert walked("..") == ["../a.py", "../pkg/e.py", "../pkg/kept.gen.py"]
        assert walked(str(tree / "pkg")) == [f"{tree}/pkg/e.py", f"{tree}/pkg/kept.gen.py"]

    def test_gitignore_files_further_down_and_info_exclude(self, tree: Path) -> None:
        (tree / "pkg" / ".gitignore").write_text("e.py\n", encoding="utf-8")
        (tree / ".git" / "info" / "exclude").write_text("a.py\n", encoding="utf-8")
        assert walked() == ["pkg/kept.gen.py"]

    def test_what_is_ignored_but_tracked_counts(self, tree: Path) -> None:
        git(tree, "add", "--force", "pkg/d.gen.py")
        assert "pkg/d.gen.py" in walked()

    def test_what_the_user_names_counts(self) -> None:
        assert walked("build", "pkg/d.gen.py") == ["build/b.py", "pkg/d.gen.py"]

    def test_a_folder_deep_inside_an_ignored_one(self, tree: Path) -> None:
        make(tree, "build/x/y/z.py")
        found = discover(["build/x/y"], [])
        assert (paths(found), found.notes) == (["build/x/y/z.py"], [])

    def test_a_repository_inside_has_its_own_rules(self, tree: Path) -> None:
        make(tree, "inner/f.py", "inner/build.py", "inner/g.py")
        git(tree / "inner", "init", "--quiet")
        (tree / "inner" / ".gitignore").write_text("g.py\n", encoding="utf-8")
        assert [path for path in walked() if path.startswith("inner")] == ["inner/build.py", "inner/f.py"]

    def test_special_characters_in_names(self, tree: Path) -> None:
        make(tree, "odd [x]/:h.py", "odd [x]/build/i.py", "ä ö/j.py", "new\nline/k.py")
        assert walked("odd [x]") == ["odd [x]/:h.py"]
        assert {"ä ö/j.py", "new\nline/k.py"} <= set(walked())

    def test_variables_that_git_sets_for_its_hooks_do_not_mislead(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GIT_DIR", str(tree / "nowhere"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(tree / "nowhere" / "index"))
        assert walked() == ["a.py", "pkg/e.py", "pkg/kept.gen.py"]

    def test_without_git_everything_counts_and_a_note_says_so(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tree))
        found = discover(["."], [])
        assert "build/b.py" in paths(found)
        assert found.notes
        assert ".gitignore is not respected" in found.notes[0]


def test_a_file_is_given_before_the_next_folder_is_looked_at(tree: Path) -> None:
    make(tree, "a/one.py", "b/two.py")
    search = Search([])
    coming = search.targets(["."])
    assert next(coming).path == str(Path("a", "one.py"))
    make(tree, "b/three.py")
    assert [target.path for target in coming] == [str(Path("b", "three.py")), str(Path("b", "two.py"))]
    assert len(search.found.targets) == 3
