"""Decoding, lines and columns."""

from __future__ import annotations

import ast

import pytest

from flake8_forksafe.finding import Span
from flake8_forksafe.source import Source, SourceError


@pytest.mark.parametrize(
    "data",
    [
        "x = 'ä'\n".encode(),
        b"\xef\xbb\xbf" + "x = 'ä'\n".encode(),
        "x = 'ä'\r\n".encode(),
        "x = 'ä'\r".encode(),
        b"\xef\xbb\xbf" + "x = 'ä'\r\n".encode(),
    ],
    ids=["plain", "byte order mark", "crlf", "cr", "byte order mark and crlf"],
)
def test_marks_and_line_ends_do_not_count(data: bytes) -> None:
    assert Source.from_bytes(data, "m.py").text == "x = 'ä'\n"


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ("# coding: latin-1", "latin-1"),
        ("# -*- coding: cp1252 -*-", "cp1252"),
        ("#!/usr/bin/python\n# vim: set fileencoding=iso-8859-15 :", "iso-8859-15"),
    ],
)
def test_declared_encodings(declaration: str, encoding: str) -> None:
    text = f"{declaration}\nx = 'äöü'\n"
    assert Source.from_bytes(text.encode(encoding), "m.py").text == text


def test_a_declaration_on_the_third_line_is_a_comment() -> None:
    text = "\n\n# coding: latin-1\nx = 'ä'\n"
    assert Source.from_bytes(text.encode(), "m.py").text == text


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"y = '\xff'\n", 1, "encoding"),
        (b"# \n\n\nz = '\xff'\n", 4, "utf-8"),
        (b"# coding: no-such-codec\n", 1, "no-such-codec"),
        (b"# coding: rot13\n", 1, "rot13"),
        (b"# coding: hex\n", 1, "hex"),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1, "utf-8"),
    ],
    ids=["near the top", "further down", "unknown", "text to text", "no text", "mark against declaration"],
)
def test_what_cannot_be_decoded_is_one_clear_error(data: bytes, line: int, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        Source.from_bytes(data, "m.py")
    assert str(caught.value).startswith(f"m.py:{line}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_of_the_tree_become_characters() -> None:
    text = "\ufeffa = 'äöü'; b = '€'; c = '😀'; d = 1\n"
    source = Source("m.py", text.splitlines(keepends=True))
    tree = ast.parse(source.text)
    columns = [source.columns(Span.of(statement)) for statement in tree.body]
    line = source.text
    assert [line[start:end] for start, end in columns] == ["a = 'äöü'", "b = '€'", "c = '😀'", "d = 1"]


def test_lines_are_those_of_the_tree() -> None:
    source = Source.from_bytes("a = '\u2028'\n\x0cb = 'ä'; c = 1\n".encode(), "m.py")
    statement = ast.parse(source.text).body[-1]
    assert statement.lineno == 2
    assert source.columns(Span.of(statement)) == (10, 15)


def test_a_place_outside_the_file_keeps_its_column() -> None:
    assert Source("m.py", []).column(1, 0) == 0
