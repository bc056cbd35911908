"""The documentation of the rules is true and up to date."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fixture_cases import rules_for

from flake8_forksafe import analysis, registry
from flake8_forksafe.rule import HEADINGS, RulePage
from flake8_forksafe.settings import Settings

ROOT = Path(__file__).parent.parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(code: str) -> RulePage:
    return RulePage.parse(registry.page(registry.rules()[code]))


def codes_in(block: str, code: str) -> set[str]:
    settings = Settings(target_version=(3, 11))
    findings = analysis.check_source(block.encode(), filename="module.py", settings=settings, rules=rules_for(code))
    return {finding.code for finding in findings}


@pytest.mark.parametrize("code", registry.rules())
def test_every_example_is_reported(code: str) -> None:
    blocks = page(code).code_blocks("Example")
    assert blocks
    for block in blocks:
        assert code in codes_in(block, code)


@pytest.mark.parametrize("code", registry.rules())
def test_no_advice_is_reported(code: str) -> None:
    blocks = page(code).code_blocks("Use instead")
    assert blocks
    for block in blocks:
        assert codes_in(block, code) == set()


@pytest.mark.parametrize("code", registry.rules())
def test_pages_are_complete(code: str) -> None:
    parsed = page(code)
    assert tuple(parsed.sections) == HEADINGS
    assert all(parsed.sections.values())
    assert len(parsed.summary.splitlines()) == 1


@pytest.mark.parametrize("code", registry.rules())
def test_the_changelog_names_every_rule(code: str) -> None:
    assert code in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_generated_pages_are_up_to_date() -> None:
    assert script("generate_rule_docs").stale(ROOT / "docs" / "rules") == []


def test_a_changed_missing_or_left_over_page_is_stale(tmp_path: Path) -> None:
    generator = script("generate_rule_docs")
    generator.write(tmp_path)
    assert generator.stale(tmp_path) == []
    (tmp_path / "index.md").write_text("# Rules\n", encoding="utf-8")
    (tmp_path / "FRK000.md").write_text("# gone\n", encoding="utf-8")
    assert generator.stale(tmp_path) == ["FRK000.md", "index.md"]
    generator.write(tmp_path)
    assert generator.stale(tmp_path) == []


class TestNewRule:
    """The scaffold."""

    def test_the_skeleton_is_a_rule_file_with_fixtures(self, tmp_path: Path) -> None:
        assert script("new_rule").main(["FRK199", "pipe-opened-twice"], tmp_path) == 0
        path = tmp_path / "src/flake8_forksafe/rules/frk199_pipe_opened_twice.py"
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert (module.RULE.code, module.RULE.name) == ("FRK199", "pipe-opened-twice")
        assert RulePage.parse(module.__doc__ or "").summary
        fixtures = tmp_path / "tests/fixtures/FRK199"
        assert "# expect: FRK199" in (fixtures / "bad.py").read_text(encoding="utf-8")
        assert (fixtures / "good.py").read_text(encoding="utf-8").startswith("# case: ")

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        fixture = tmp_path / "tests/fixtures/FRK199/good.py"
        fixture.parent.mkdir(parents=True)
        fixture.write_text("mine", encoding="utf-8")
        script("new_rule").main(["FRK199", "pipe-opened-twice"], tmp_path)
        assert fixture.read_text(encoding="utf-8") == "mine"
        with pytest.raises(SystemExit):
            script("new_rule").main(["FRK199", "other-name"], tmp_path)

    @pytest.mark.parametrize("arguments", [["FRK1", "a-name"], ["FRK199", "A_Name"]])
    def test_senseless_names_are_refused(self, tmp_path: Path, arguments: list[str]) -> None:
        with pytest.raises(SystemExit):
            script("new_rule").main(arguments, tmp_path)
        assert list(tmp_path.iterdir()) == []


assert sys.flags.optimize < 2, "the documentation of the rules is their docstrings: run the tests without -OO"
