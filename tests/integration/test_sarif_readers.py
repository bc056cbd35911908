"""Our SARIF before the published schema and before programs of others that read SARIF."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from flake8_forksafe.reporting import sarif

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

ODD = "odd, name: 100%/ä b.py"
TWICE = """\
import subprocess

child = subprocess.Popen([], stdout=subprocess.PIPE); '😀'; child.wait()
subprocess.check_call(["rsync"], stdout=subprocess.PIPE)
"""


@pytest.fixture
def project(project: Path) -> Path:
    """The usual project, with a name that must be quoted, related places, and a file that cannot be parsed."""
    (project / ODD).parent.mkdir()
    (project / ODD).write_text(TWICE, encoding="utf-8")
    (project / "broken.py").write_text("x = (\n", encoding="utf-8")
    return project


@pytest.fixture
def report(project: Path, run: Run) -> Path:
    """The report about the project."""
    done = run(project, "forksafe", "--output-format=sarif", ".")
    assert done.returncode == 2, done.stderr
    file = project / "forksafe.sarif"
    file.write_text(done.stdout, encoding="utf-8")
    return file


def places(report: Path, run: Run) -> list[tuple[str, str, int]]:
    """Return code, path and line of each finding, as our own JSON tells them."""
    findings = json.loads(run(report.parent, "forksafe", "--output-format=json", ".").stdout)["findings"]
    return sorted((finding["code"], finding["path"], finding["line"]) for finding in findings)


def npm_package(name: str, folder: Path) -> Path:
    """Download the newest version of an npm package and return its folder; skip the test if it cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    done = subprocess.run(
        ["npm", "pack", "--silent", name], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        pytest.skip(f"{name} cannot be downloaded: {done.stderr.strip()}")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


@pytest.fixture(scope="module")
def published_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema that our reports name, from its publisher, or else as an npm package carries it."""
    try:
        with urllib.request.urlopen(sarif.SCHEMA, timeout=20) as response:
            text = response.read()
    except (urllib.error.URLError, TimeoutError):
        package = npm_package("@microsoft/jest-sarif", tmp_path_factory.mktemp("schema"))
        (file,) = package.glob("lib/schemas/sarif-2.1.0*.json")
        text = file.read_bytes()
    schema: dict[str, Any] = json.loads(text)
    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    return schema


def violations(schema: dict[str, Any], document: object) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_the_report_is_valid_by_the_published_schema(report: Path, published_schema: dict[str, Any]) -> None:
    document = json.loads(report.read_text(encoding="utf-8"))
    assert violations(published_schema, document) == []
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert violations(published_schema, document), "the schema would not see a wrong report either"


def test_a_report_without_findings_is_valid(project: Path, run: Run, published_schema: dict[str, Any]) -> None:
    done = run(project, "forksafe", "--output-format=sarif", "src/clean.py")
    assert violations(published_schema, json.loads(done.stdout)) == []


def test_sarif_tools_reads_every_finding(report: Path, run: Run) -> None:
    if importlib.util.find_spec("sarif") is None:
        pytest.skip("needs sarif-tools")
    done = run(report.parent, sys.executable, "-m", "sarif", "csv", "--output", "findings.csv", report)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((report.parent / "findings.csv").read_text(encoding="utf-8"))))
    assert sorted((row["Code"], unquote(row["Location"]), int(row["Line"])) for row in rows) == places(report, run)
    assert {(row["Tool"], row["Severity"]) for row in rows} == {("forksafe", "error")}


def test_sarif_tools_makes_the_same_code_quality_report_as_we_do(report: Path, run: Run) -> None:
    if importlib.util.find_spec("sarif") is None:
        pytest.skip("needs sarif-tools")
    converted = run(report.parent, sys.executable, "-m", "sarif", "codeclimate", "--output", "quality.json", report)
    assert converted.returncode == 0, converted.stderr
    theirs = json.loads((report.parent / "quality.json").read_text(encoding="utf-8"))
    ours = json.loads(run(report.parent, "forksafe", "--output-format=gitlab", ".").stdout)

    def seen(issues: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
        return sorted(
            (
                issue["check_name"],
                unquote(issue["location"]["path"]),
                issue["location"]["lines"]["begin"],
                issue["severity"],
            )
            for issue in issues
            if issue["check_name"] != "forksafe"  # a file that was not checked is no result in SARIF
        )

    assert seen(theirs) == seen(ours)
    assert len(seen(ours)) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="takes the Linux build of the SARIF Multitool")
def test_the_sarif_multitool_has_nothing_to_object(
    report: Path, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tool = npm_package("@microsoft/sarif-multitool-linux", tmp_path_factory.mktemp("multitool")) / "Sarif.Multitool"
    tool.chmod(0o755)

    def multitool(*arguments: str | Path) -> str:
        done = run(report.parent, tool, *arguments, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT="1")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    objections = [line for line in multitool("validate", report).splitlines() if ": error " in line]
    assert objections == []
    assert "Found 2 of 3 results" in multitool("query", report, "--expression", "RuleId == FRK101")
    document = json.loads(report.read_text(encoding="utf-8"))
    document["runs"][0]["results"][0]["ruleIndex"] = 99
    report.write_text(json.dumps(document), encoding="utf-8")
    assert ": error SARIF1009" in multitool("validate", report)
