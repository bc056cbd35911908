"""The formats that programs read."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sarif_pydantic import Sarif

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]


@pytest.fixture
def project(project: Path, source: Text) -> Path:
    """The usual project, with an odd name, a second place, a file that cannot be parsed, and two findings alike."""
    (project / "odd, name: 100%").mkdir()
    (project / "odd, name: 100%" / "a b.py").write_text(
        "import subprocess\n\nchild = subprocess.Popen([],\n stdout=subprocess.PIPE); 'ä😀'; child.wait()\n", "utf-8"
    )
    (project / "bad.py").write_text("x = (\n", encoding="utf-8")
    (project / "hit.py").write_text(source("hit") + source("hit").splitlines()[2] + "\n", encoding="utf-8")
    return project


def test_concise(forksafe: Command) -> None:
    done = forksafe("--output-format=concise", ".")
    assert re.findall(r"^(.*?:\d+:\d+: FRK\d+) ", done.stdout, flags=re.MULTILINE) == [
        "hit.py:3:1: FRK104",
        "hit.py:4:1: FRK104",
        "odd, name: 100%/a b.py:4:33: FRK101",
    ]


def test_json(forksafe: Command) -> None:
    done = forksafe("--output-format=json", ".")
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert [(f["path"], f["line"], f["column"], f["code"]) for f in document["findings"]] == [
        ("hit.py", 3, 1, "FRK104"),
        ("hit.py", 4, 1, "FRK104"),
        ("odd, name: 100%/a b.py", 4, 33, "FRK101"),
    ]
    assert document["findings"][0]["fix"] == {"safety": "safe", "title": "use DEVNULL"}
    (related,) = document["findings"][2]["related"]
    assert (related["line"], related["column"], related["end_line"]) == (3, 9, 4)
    assert [(error["path"], error["line"]) for error in document["errors"]] == [("bad.py", 1)]


def test_json_names_what_was_fixed(forksafe_fix: Command) -> None:
    document = json.loads(forksafe_fix("--output-format=json", "hit.py").stdout)
    assert [entry["line"] for entry in document["fixed"]] == [3, 4]
    assert document["findings"] == []


def test_sarif(project: Path, forksafe: Command) -> None:
    output = forksafe("--output-format=sarif", ".").stdout
    Sarif.model_validate_json(output)
    document = json.loads(output)
    assert (document["version"], len(document["runs"])) == ("2.1.0", 1)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["FRK101", "FRK104"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    last = run["results"][-1]
    location = last["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "odd%2C%20name%3A%20100%25/a%20b.py", "uriBaseId": "PROJECT"}
    assert location["region"] == {"startLine": 4, "startColumn": 33, "endLine": 4, "endColumn": 45}
    assert last["relatedLocations"][0]["message"]["text"]
    assert run["originalUriBaseIds"]["PROJECT"]["uri"] == f"{project.as_uri()}/"
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bad.py"


def test_sarif_without_findings(forksafe: Command) -> None:
    output = forksafe("--output-format=sarif", "clean.py").stdout
    Sarif.model_validate_json(output)
    assert json.loads(output)["runs"][0]["results"] == []


def test_github(forksafe: Command) -> None:
    lines = forksafe("--output-format=github", ".").stdout.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"::error [^:]+::.+", line) for line in lines)
    assert "file=odd%2C name%3A 100%25/a b.py,line=4,endLine=4,col=33,endColumn=45::FRK101 " in lines[-1]
    assert any("file=bad.py,line=1::syntax error" in line for line in lines)


def test_gitlab(forksafe: Command) -> None:
    issues = json.loads(forksafe("--output-format=gitlab", ".").stdout)
    assert len(issues) == 4
    for issue in issues:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert issue["location"]["lines"]["begin"] >= 1
    assert len({issue["fingerprint"] for issue in issues}) == 4


def test_gitlab_fingerprints_stay_when_the_code_moves(project: Path, forksafe: Command) -> None:
    before = json.loads(forksafe("--output-format=gitlab", "hit.py").stdout)
    (project / "hit.py").write_text("# a new line\n" + (project / "hit.py").read_text(encoding="utf-8"), "utf-8")
    after = json.loads(forksafe("--output-format=gitlab", "hit.py").stdout)
    assert [issue["fingerprint"] for issue in before] == [issue["fingerprint"] for issue in after]
    assert [issue["location"] for issue in before] != [issue["location"] for issue in after]
