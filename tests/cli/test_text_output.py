"""The text format and the page of a rule, on terminals of several widths, and what a screen reader gets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from flake8_forksafe import rule_pages
from flake8_forksafe.finding import Finding, Related, Span
from flake8_forksafe.reporting import text
from flake8_forksafe.reporting.outcome import Outcome, entries
from flake8_forksafe.reporting.screen import Screen
from flake8_forksafe.source import Source

BIN = Path(sys.executable).parent

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]


def on_terminal(directory: Path, *arguments: str, columns: int = 80, **env: str) -> str:
    """Run `forksafe` on a terminal with so many columns and return what it shows."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {n: v for n, v in os.environ.items() if n not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    with subprocess.Popen(
        [BIN / "forksafe", *arguments],
        cwd=directory,
        stdout=follower,
        stderr=subprocess.DEVNULL,
        env=inherited | {"TERM": "xterm"} | env,
    ) as process:
        os.close(follower)
        output = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            output += piece
        process.wait(timeout=60)
    os.close(leader)
    return output.decode().replace("\r\n", "\n")


def shown(
    source: str | bytes,
    span: tuple[int, int, int, int],
    *related: tuple[int, int, int, int],
    width: int | None = None,
) -> list[str]:
    """Return the lines that tell of a finding at `span` of `source`, without the heading and the empty line."""
    places = tuple(Related(Span(*place), "look here") for place in related)
    finding = Finding("FRK101", Span(*span), "it hangs; mend it", places)
    data = source.encode() if isinstance(source, str) else source
    outcome = Outcome("a.py", entries([finding], Source.from_bytes(data, "a.py"), identified=False))
    lines = list(text.render([outcome], screen=Screen(width=width)))
    start = next(index for index, line in enumerate(lines) if re.match(r" *\d+ \|", line))
    return lines[start:-1]


class TestExcerpt:
    def test_the_span_is_underlined_and_the_related_places_stand_under_it(self) -> None:
        assert shown("p = Popen()\n\np.wait()\n", (3, 0, 3, 8), (1, 4, 1, 11)) == [
            "3 | p.wait()",
            "  | ^^^^^^^^",
            "  = look here",
            "1 | p = Popen()",
            "  |     -------",
        ]

    def test_numbers_of_all_lines_shown_stand_right(self) -> None:
        source = "p = Popen(\n)\n" + "\n" * 7 + "p.wait()\n"
        assert shown(source, (10, 0, 10, 8), (1, 4, 2, 1)) == [
            "10 | p.wait()",
            "   | ^^^^^^^^",
            "   = look here",
            " 1 | p = Popen(",
            "   |     ------",
            " 2 | )",
            "   | -",
        ]

    def test_a_long_span_is_shown_by_its_first_lines_and_its_last(self) -> None:
        source = "p = Popen(\n    1,\n\n    3,\n    4,\n)\n"
        assert shown(source, (1, 4, 6, 1)) == [
            "1 | p = Popen(",
            "  |     ^^^^^^",
            "2 |     1,",
            "  |     ^^",
            "...",
            "6 | )",
            "  | ^",
        ]

    def test_an_empty_line_in_a_span_is_not_underlined(self) -> None:
        assert shown("f(\n\n)\n", (1, 0, 3, 1)) == ["1 | f(", "  | ^^", "2 |", "3 | )", "  | ^"]

    @pytest.mark.parametrize(
        ("line", "marked"),
        [
            ("\tx = 1;\tp.wait(\t0)", "p.wait(\t0)"),
            ("x = '漢字'; p.wait('字')", "p.wait('字')"),
            ("x = 'e\u0301\u0301'; p.wait('e\u0301')", "p.wait('e\u0301')"),
            ("x = '😀'; p.wait()", "p.wait()"),
        ],
        ids=["tabs", "wide", "combining", "emoji"],
    )
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
    def test_the_underline_stands_under_the_span(self, line: str, marked: str, newline: str) -> None:
        begin = len(line[: line.index(marked)].encode())
        source = f"import a{newline}{line}{newline}".encode()
        code, underline = shown(source, (2, begin, 2, begin + len(marked.encode())))
        before, _, _ = line.partition(marked)
        assert code == f"2 | {line}".replace("\t", "    ")
        assert underline.index("^") == 4 + cell_len(before.replace("\t", "    "))
        assert underline.count("^") == cell_len(marked.replace("\t", "    "))

    @pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
    @pytest.mark.parametrize("wide", ["", "漢字" * 30], ids=["narrow", "wide"])
    def test_a_long_line_is_cut_to_the_screen_around_the_span(self, width: int, wide: str) -> None:
        before, marked, after = f"x = '{wide}{'a' * 90}'; ", "child.wait()", f"; y = '{'b' * 90}{wide}'"
        begin = len(before.encode())
        code, underline = shown(before + marked + after + "\n", (1, begin, 1, begin + len(marked)), width=width)
        assert max(cell_len(code), len(underline)) <= max(width, 24)
        assert "child" in code
        start, end = underline.index("^"), len(underline)
        assert cell_len(code.partition("child")[0]) == start
        assert end - start <= len(marked) + 3

    def test_a_span_wider_than_the_screen_is_shown_from_its_beginning(self) -> None:
        assert shown(f"p.wait({'1' * 100})\n", (1, 0, 1, 108), width=40) == [
            "1 | p.wait(11111111111111111111111111...",
            "  | " + "^" * 36,
        ]

    def test_steering_characters_take_the_place_they_are_shown_in(self) -> None:
        assert shown("x = '\x1b[2J\u202e'; p.wait()\n", (1, 15, 1, 23)) == [
            "1 | x = '\ufffd[2J\ufffd'; p.wait()",
            "  |              ^^^^^^^^",
        ]


class TestWidth:
    def test_text_is_wrapped_between_words_on_a_terminal(self, project: Path) -> None:
        lines = on_terminal(project, "hit.py", columns=50, NO_COLOR="1").splitlines()
        assert all(len(line) <= 50 for line in lines)
        assert lines[0].startswith("hit.py:3:1: FRK104 ")
        assert lines[1].startswith("    ")
        assert " ".join(line.strip() for line in lines).count("use DEVNULL, or run() if you want the output") == 1

    def test_a_finding_is_one_line_and_its_excerpt_whole_on_a_pipe(self, forksafe: Command) -> None:
        lines = forksafe("hit.py", env={"COLUMNS": "30"}).stdout.splitlines()
        assert lines[0].endswith("use DEVNULL, or run() if you want the output")
        assert lines[1].endswith("stdout=subprocess.PIPE)")

    def test_columns_goes_before_the_width_of_the_terminal(self, project: Path) -> None:
        narrow = on_terminal(project, "hit.py", columns=120, COLUMNS="50", NO_COLOR="1")
        assert narrow == on_terminal(project, "hit.py", columns=50, NO_COLOR="1")


class TestColour:
    @pytest.mark.parametrize(
        ("env", "coloured"),
        [
            ({}, True),
            ({"NO_COLOR": ""}, True),
            ({"NO_COLOR": "0"}, False),
            ({"TERM": "dumb"}, False),
            ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
            ({"TERM": "dumb", "FORCE_COLOR": ""}, False),
            ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ],
        ids=lambda value: " ".join(f"{n}={v}" for n, v in value.items()) if isinstance(value, dict) else None,
    )
    def test_the_environment_decides(
        self, env: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, coloured: bool
    ) -> None:
        for name, value in ({"TERM": "xterm", "NO_COLOR": None, "FORCE_COLOR": None} | env).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        leader, follower = pty.openpty()
        with os.fdopen(leader, "rb"), os.fdopen(follower, "w", encoding="utf-8") as terminal:
            assert Screen.of(terminal).colours is coloured

    @pytest.mark.parametrize("env", [{}, {"FORCE_COLOR": "1"}], ids=["terminal", "forced"])
    def test_concise_is_words_in_one_line_everywhere(
        self, project: Path, forksafe: Command, env: dict[str, str]
    ) -> None:
        spoken = on_terminal(project, "--output-format=concise", ".", columns=30, **env)
        assert spoken == forksafe("--output-format=concise", ".").stdout
        assert re.fullmatch(r"hit\.py:3:1: FRK104 [ -~]+\n", spoken)


class TestPage:
    @pytest.mark.parametrize("columns", [40, 200])
    def test_text_is_wrapped_and_no_markup_is_left(self, tmp_path: Path, columns: int) -> None:
        page = on_terminal(tmp_path, "--explain=FRK104", columns=columns, NO_COLOR="1")
        lines = [line.rstrip() for line in page.splitlines()]
        assert lines[:3] == ["FRK104 call-with-pipe", "", lines[2]]
        for heading in ("What it does", "Use instead", "References"):
            assert heading in lines
        assert not re.search(r"^#|```|`|\]\(", page, flags=re.MULTILINE)
        prose = lines[lines.index("What it does") + 2 : lines.index("What happens at run time")]
        assert max(map(len, prose)) <= min(columns, 100)
        assert "https://docs.python.org/3/library/subprocess.html" in re.sub(r"\s+", "", page)

    def test_code_and_drawing_are_shown_as_they_are(self, tmp_path: Path) -> None:
        page = [line.rstrip() for line in on_terminal(tmp_path, "--explain=FRK401", NO_COLOR="1").splitlines()]
        written = list(rule_pages.explain("FRK401", colours=False))
        start = written.index("```text") + 1
        drawing = [line.rstrip() for line in written[start : written.index("```", start)]]
        first = page.index(drawing[0])
        assert page[first : first + len(drawing)] == drawing
        start = written.index("```python") + 1
        code = [f"    {line}".rstrip() for line in written[start : written.index("```", start)]]
        first = page.index(code[0])
        assert page[first : first + len(code)] == code

    def test_colours_on_a_terminal_alone(self, tmp_path: Path) -> None:
        assert "\x1b[" in on_terminal(tmp_path, "--explain=FRK104")
        assert "\x1b" not in on_terminal(tmp_path, "--explain=FRK000", NO_COLOR="1")
