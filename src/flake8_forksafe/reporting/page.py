"""The page of a rule on a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

from flake8_forksafe.reporting.screen import Screen
from flake8_forksafe.rule_pages import STUCK

#: Text in longer lines is hard to read, however wide the terminal is.
_WIDTH = 100
#: Nothing that needs a dark background, or a light one.
_THEME = Theme({"markdown.code": "bold", "markdown.h2": "bold cyan", "markdown.link_url": "underline"})
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def show(lines: Iterable[str], stream: TextIO, screen: Screen) -> None:
    """Write a title and the Markdown under it to `stream`: text wrapped to the screen, code blocks as they are."""
    console = Console(
        file=stream,
        width=min(screen.width or _WIDTH, _WIDTH),
        force_terminal=screen.colours,
        color_system="standard" if screen.colours else None,
        theme=_THEME,
        highlight=False,
    )
    title, *body = lines
    console.print(Text(title, style="bold"), end="\n\n")
    text, end = "\n".join(body), 0
    for block in _BLOCK.finditer(text):
        _show_text(text[end : block.start()], console)
        console.print(_code(block["code"], block["language"]), soft_wrap=True)
        end = block.end()
    _show_text(text[end:], console)


def _code(code: str, language: str) -> Text:
    if language == "text":  # the drawing, which is as wide as many terminals are
        text = Text(code)
        text.highlight_regex(STUCK, "bold red")
        return text
    return Syntax("", language, theme="ansi_dark").highlight(textwrap.indent(code, " " * 4))


def _show_text(text: str, console: Console) -> None:
    if text.strip():  # without hyperlinks the addresses are printed, so that they can be read out and copied
        console.print(Markdown(text.strip("\n"), hyperlinks=False), end="\n")
        console.print()
