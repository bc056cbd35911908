"""The formats that programs read."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sarif_pydantic import Sarif

from flake8_forksafe.reporting import github
from flake8_forksafe.reporting.outcome import Outcome
from flake8_forksafe.reporting.screen import Screen

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]


@pytest.fixture
def project(project: Path, source: Text) -> Path:
    """The usual project, with an odd name, a second place, a file that cannot be parsed, and two findings alike."""
    (project / "odd, name: 100%").mkdir()
    (project / "odd, name: 100%" / "a b.py").write_text(
        "import subprocess\n\nchild = subprocess.Popen([],\n stdout=subprocess.PIPE); 'ä😀'; child.wait()\n", "utf-8"
    )
    (project / "bad.py").write_text("x = (subprocess.call(stdout=PIPE)\n", encoding="utf-8")
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


def test_sarif_fingerprints_stay_when_the_code_moves(project: Path, forksafe: Command) -> None:
    def results() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(forksafe("--output-format=sarif", "hit.py").stdout)["runs"][0][
            "results"
        ]
        return found

    before = results()
    (project / "hit.py").write_text("# a new line\n" + (project / "hit.py").read_text(encoding="utf-8"), "utf-8")
    after = results()
    assert [result["partialFingerprints"] for result in before] == [result["partialFingerprints"] for result in after]
    assert [result["locations"] for result in before] != [result["locations"] for result in after]


def test_sarif_without_findings(forksafe: Command) -> None:
    output = forksafe("--output-format=sarif", "clean.py").stdout
    Sarif.model_validate_json(output)
    assert json.loads(output)["runs"][0]["results"] == []


class Annotation(NamedTuple):
    """A workflow command as the runner of GitHub Actions reads it."""

    command: str
    properties: dict[str, str]
    message: str

    @classmethod
    def read(cls, line: str) -> Annotation:
        head, message = re.fullmatch(r"::(.*?)::(.*)", line).groups()  # type: ignore[union-attr]
        command, properties = head.split(" ", 1)
        pairs = (item.split("=", 1) for item in properties.split(","))
        return cls(command, {name: unescaped(value, ":,\r\n%") for name, value in pairs}, unescaped(message, "\r\n%"))


def unescaped(text: str, characters: str) -> str:
    """Undo the percent codes of `characters` in that order, `%` last, as the runner does."""
    for character in characters:
        text = text.replace(f"%{ord(character):02X}", character)
    return text


def test_github(forksafe: Command) -> None:
    lines = forksafe("--output-format=github", ".").stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1].startswith(
        "::error title=FRK101,file=odd%2C name%3A 100%25/a b.py,line=4,endLine=4,col=33,endColumn=45::FRK101 "
    )
    assert "::error title=forksafe,file=bad.py,line=1::syntax error: '(' was never closed" in lines


def test_github_reads_back_any_name_of_a_file(project: Path, source: Text, forksafe: Command) -> None:
    name = "50%25, a:b\r\n::error::c%0A.py"
    (project / name).write_text(source("hit"), encoding="utf-8")
    (line,) = forksafe("--output-format=github", name).stdout.splitlines()
    found = Annotation.read(line)
    assert found.command == "error"
    assert found.properties == {
        "title": "FRK104",
        "file": name,
        "line": "3",
        "endLine": "3",
        "col": "1",
        "endColumn": "57",
    }


def test_github_reads_back_any_message() -> None:
    problem = "50%0A: one, two\r\n::error::three"
    (line,) = github.render([Outcome("a.py", problem=problem)], screen=Screen())
    assert line == "::error title=forksafe,file=a.py::50%250A: one, two%0D%0A::error::three"
    assert Annotation.read(line).message == problem


def test_github_gives_no_columns_where_a_finding_spans_lines(project: Path, forksafe: Command) -> None:
    call = "subprocess.check_call(\n    ['rsync'],\n    stdout=subprocess.PIPE,\n)\n"
    (project / "long.py").write_text(f"import subprocess\n\n{call}", encoding="utf-8")
    (line,) = forksafe("--output-format=github", "long.py").stdout.splitlines()
    assert Annotation.read(line).properties == {"title": "FRK104", "file": "long.py", "line": "3", "endLine": "6"}


def test_gitlab(forksafe: Command) -> None:
    output = forksafe("--output-format=gitlab", ".").stdout
    assert output.startswith("["), "GitLab takes one array and no byte order mark"
    issues = json.loads(output)
    assert len(issues) == 4
    for issue in issues:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert all(type(issue[name]) is str and issue[name] for name in issue.keys() - {"location"})
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert issue["location"].keys() == {"path", "lines"}
        assert not issue["location"]["path"].startswith(("/", "./")), "GitLab wants it relative to the repository"
        assert type(issue["location"]["lines"]["begin"]) is int
        assert issue["location"]["lines"]["begin"] >= 1
    assert len({issue["fingerprint"] for issue in issues}) == 4
    assert [issue["location"]["lines"] for issue in issues if issue["check_name"] == "FRK101"] == [
        {"begin": 4, "end": 4}
    ]


def test_gitlab_fingerprints_stay_when_the_code_moves(project: Path, forksafe: Command) -> None:
    before = json.loads(forksafe("--output-format=gitlab", "hit.py").stdout)
    (project / "hit.py").write_text("# a new line\n" + (project / "hit.py").read_text(encoding="utf-8"), "utf-8")
    after = json.loads(forksafe("--output-format=gitlab", "hit.py").stdout)
    assert [issue["fingerprint"] for issue in before] == [issue["fingerprint"] for issue in after]
    assert [issue["location"] for issue in before] != [issue["location"] for issue in after]
