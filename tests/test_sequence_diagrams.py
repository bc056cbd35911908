"""The sequence diagrams of the rule pages: every rule has one, and it can be drawn and read everywhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from flake8_forksafe import diagram, registry, rule_pages
from flake8_forksafe.rule import RulePage

ROOT = Path(__file__).parent.parent
EXTENSIONS = ROOT / "docs" / "_extensions"
SVG = "{http://www.w3.org/2000/svg}"

DEADLOCK = """\
title: The parent waits for the child, the child for a reader.
process parent: Parent
pipe out: stdout
process child: Child
parent starts child: Popen(stdout=PIPE)
child -> out: write 64 KiB
note out: full
parent waits for child: wait()
child waits for out: write()
end: Neither ever goes on.
"""

DEADLOCK_IN_ASCII = """\
  The parent waits for the child, the child for a reader.

           Parent                    stdout                    Child
          (process)                  (pipe)                  (process)
              |                         |
              |               Popen(stdout=PIPE)
              |------------------------------------------------->
              |                         |                        |
              |                         |     write 64 KiB       |
              |                         |<-----------------------|
              |                         |                        |
              |                     [ full ]                     |
              |                         |                        |
              #                 WAITS FOR EVER                   |
              #                     wait()                       |
              #= = = = = = = = = = = = = = = = = = = = = = = = =>|
              #                         |                        |
              #                         |    WAITS FOR EVER      #
              #                         |        write()         #
              #                         |<= = = = = = = = = = = =#
              #                         |                        #
              #                         |                        #
  ============================================================================
                             Neither ever goes on.
"""


def of_rule(code: str) -> diagram.Diagram:
    docstring = registry.page(registry.rules()[code])
    return diagram.parse(RulePage.parse(docstring).diagram())


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that draws; it needs no Sphinx."""
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    return importlib.import_module("sequence_drawing")


class TestEveryRule:
    @pytest.mark.parametrize("code", registry.rules())
    def test_has_a_diagram_that_tells_the_end(self, code: str) -> None:
        shown = of_rule(code)
        assert shown.steps
        assert len({lane.label for lane in shown.lanes}) == len(shown.lanes)

    @pytest.mark.parametrize("code", registry.rules())
    def test_is_shown_by_explain_on_any_terminal(self, code: str) -> None:
        lines = list(rule_pages.explain(code, colours=False))
        drawn = list(diagram.text_lines(of_rule(code)))
        start = lines.index(drawn[0])
        assert lines[start : start + len(drawn)] == drawn
        assert not any("```sequence" in line for line in lines)
        assert all(line.isascii() and len(line) <= 78 for line in drawn)
        waits = sum(isinstance(step, diagram.Wait) for step in of_rule(code).steps)
        assert "\n".join(drawn).count("WAITS FOR EVER") == waits

    @pytest.mark.parametrize("code", registry.rules())
    def test_is_drawn_within_the_width_of_a_phone(self, code: str, drawing: ModuleType) -> None:
        root = ET.fromstring(drawing.svg(of_rule(code), "one"))
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        assert width <= 360
        for text in root.iter(f"{SVG}text"):
            style = text.attrib["class"]
            room = drawing.text_width(text.text, 10 if style == "kind" else 12, bold="label" in style) / 2
            assert room <= float(text.attrib["x"]) <= width - room, text.text
            assert 0 < float(text.attrib["y"]) < height
        for box in root.iter(f"{SVG}rect"):
            assert float(box.attrib["x"]) >= 0, box.attrib
            assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width, box.attrib

    @pytest.mark.parametrize("code", registry.rules())
    def test_no_words_lie_on_other_words(self, code: str, drawing: ModuleType) -> None:
        root = ET.fromstring(drawing.svg(of_rule(code), "one"))
        placed: list[tuple[float, float, float, str]] = []
        for text in root.iter(f"{SVG}text"):
            size = 10 if text.attrib["class"] == "kind" else 12
            middle, base = float(text.attrib["x"]), float(text.attrib["y"])
            half = drawing.text_width(text.text, size, bold="label" in text.attrib["class"]) / 2
            for left, right, other, words in placed:
                apart = middle + half < left or right < middle - half or abs(base - other) >= size
                assert apart, (text.text, words)
            placed.append((middle - half, middle + half, base, text.text or ""))

    @pytest.mark.parametrize("code", registry.rules())
    def test_the_site_loads_and_runs_nothing_for_it(self, code: str, drawing: ModuleType) -> None:
        drawn = drawing.svg(of_rule(code), "one")
        assert set(re.findall(r"https?://[^\s\"']+", drawn)) == {"http://www.w3.org/2000/svg"}
        names = {element.tag.removeprefix(SVG) for element in ET.fromstring(drawn).iter()}
        assert names <= {"svg", "title", "desc", "g", "rect", "text", "line", "polygon"}


class TestDrawing:
    def test_a_screen_reader_is_told_the_story(self, drawing: ModuleType) -> None:
        root = ET.fromstring(drawing.svg(diagram.parse(DEADLOCK), "this"))
        named = {element.attrib["id"]: element.text for element in root if "id" in element.attrib}
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-labelledby"].split() == list(named) == ["this-title", "this-desc"]
        assert named["this-title"] == "The parent waits for the child, the child for a reader."
        assert named["this-desc"] == (
            "Parent starts Child: Popen(stdout=PIPE). Child to stdout: write 64 KiB. stdout: full. "
            "Parent waits for ever for Child: wait(). Child waits for ever for stdout: write(). "
            "End: Neither ever goes on."
        )

    def test_the_bar_of_a_wait_reaches_the_end(self, drawing: ModuleType) -> None:
        root = ET.fromstring(drawing.svg(diagram.parse(DEADLOCK), "this"))
        bars = [line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "wait"]
        [end] = [rect for rect in root.iter(f"{SVG}rect") if rect.attrib["class"] == "end hangs"]
        assert len(bars) == 2
        assert {bar.attrib["y2"] for bar in bars} == {end.attrib["y"]}

    def test_a_lane_has_no_line_before_its_start(self, drawing: ModuleType) -> None:
        root = ET.fromstring(drawing.svg(diagram.parse(DEADLOCK), "this"))
        tops = {line.attrib["x1"]: line.attrib["y1"] for line in root.iter(f"{SVG}line") if line.get("class") == "line"}
        parent, out, child = (float(tops[x]) for x in sorted(tops, key=float))
        assert parent == out < child

    def test_lines_are_as_even_as_may_be(self, drawing: ModuleType) -> None:
        assert drawing.wrap("write(), until somebody reads", 140) == ["write(), until", "somebody reads"]
        assert drawing.wrap("one", 1) == ["one"]


class TestText:
    def test_a_deadlock(self) -> None:
        drawn = "\n".join(diagram.text_lines(diagram.parse(DEADLOCK))) + "\n"
        assert drawn == DEADLOCK_IN_ASCII

    def test_what_has_no_effect_has_ended_or_remains(self) -> None:
        source = """\
        title: An orphan.
        process shell: Shell
        process command: Command
        shell -x command: SIGTERM
        shell ends: killed
        command remains: runs on
        end: Nobody ends it.
        """
        drawn = "\n".join(diagram.text_lines(diagram.parse(source)))
        assert re.search(r"\|-+X\|", drawn)
        assert "[ killed ]" in drawn
        ended, *rest = drawn.partition("[ killed ]")[2].splitlines()[1:]
        assert ended.split() == ["X", "|"]
        assert rest[0].split() == ["|"]
        assert rest[1].split() == ["[", "RUNS", "ON", "]"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: The parent", "The parent", "no line of a diagram"),
        ("title: The parent waits for the child, the child for a reader.\n", "", "no line 'title"),
        ("end: Neither ever goes on.\n", "", "no line 'end"),
        ("pipe out: stdout", "tube out: stdout", "no line of a diagram"),
        ("pipe out: stdout", "pipe parent: stdout", "the same name"),
        ("pipe out: stdout", "pipe out: stdout\npipe err: stderr\npipe log: log", "5 participants"),
        ("child -> out", "chidl -> out", "'chidl' is no participant"),
        ("child -> out: write", "child => out: write", "no line of a diagram"),
        ("child -> out: write", "child -> child: write", "acts on itself"),
        ("note out: full", "note out full", "no line of a diagram"),
        ("note out: full", f"note out: {'full ' * 20}", "too long"),
        ("note out: full", "child ends: killed", "'child' has ended"),
        ("note out: full", "parent starts child: again", "started twice"),
        ("note out: full", "parent waits for out: read()", "'parent' waits for ever"),
        ("parent starts child", "child -> out: early\nparent starts child", "'child' is not started yet"),
        ("parent waits for child: wait()\nchild waits for out: write()\n", "", "what is the hazard"),
    ],
)
def test_a_diagram_that_says_what_cannot_be_is_refused(old: str, new: str, message: str) -> None:
    assert old in DEADLOCK
    with pytest.raises(ValueError, match=message):
        diagram.parse(DEADLOCK.replace(old, new))


@pytest.mark.parametrize("blocks", [0, 2])
def test_a_page_has_exactly_one_diagram(blocks: int) -> None:
    docstring = registry.page(registry.rules()["FRK101"])
    block = re.search(r"```sequence\n.*?```\n", docstring, flags=re.DOTALL)
    assert block is not None
    page = RulePage.parse(docstring.replace(block[0], block[0] * blocks))
    with pytest.raises(ValueError, match=f"there are {blocks} sequence blocks"):
        page.diagram()


def test_a_run_that_explains_nothing_does_not_load_the_diagrams(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import subprocess\nsubprocess.call(['a'], stdout=subprocess.PIPE)\n", encoding="utf-8")
    program = (
        "import sys\nfrom flake8_forksafe import cli, plugin\n"
        "try:\n    status = cli.report()\nexcept SystemExit as end:\n    status = end.code\n"
        "assert status == 1, status\nassert 'flake8_forksafe.diagram' not in sys.modules\n"
    )
    command = [sys.executable, "-c", program, "--jobs=1", str(path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "FRK104" in done.stdout


class TestSphinx:
    """The directive, in a site of one page."""

    def build(self, folder: Path, block: str) -> subprocess.CompletedProcess[str]:
        pytest.importorskip("myst_parser", reason="the documentation's tools are not installed")
        (folder / "conf.py").write_text(
            f"import sys\nsys.path.insert(0, {str(EXTENSIONS)!r})\n"
            "extensions = ['myst_parser', 'sequence_diagram']\nmyst_fence_as_directive = ['sequence']\n",
            encoding="utf-8",
        )
        (folder / "index.md").write_text(f"# Page\n\n```sequence\n{block}```\n", encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(folder), str(folder / "site")]
        return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)

    def test_a_block_becomes_a_drawing(self, tmp_path: Path) -> None:
        done = self.build(tmp_path, DEADLOCK)
        assert done.returncode == 0, done.stderr
        page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
        assert '<svg xmlns="http://www.w3.org/2000/svg"' in page
        assert "<desc" in page
        assert "waits for ever" in page

    def test_a_block_that_is_no_diagram_stops_the_build(self, tmp_path: Path) -> None:
        done = self.build(tmp_path, DEADLOCK.replace("child -> out", "chidl -> out"))
        assert done.returncode != 0
        assert "'chidl' is no participant" in done.stderr
        assert "index.md:3" in done.stderr
