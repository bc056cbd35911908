"""Where the functions of a file stand, found in its text, so that only those that matter are parsed.

Parsing is what an analysis costs most, and few functions of a file have to do with processes. An `Outline` knows the
body of every function that stands in no other function. It makes the skeleton of the file, in which a body is `0`,
and parses bodies later, when somebody asks for them; line and column of every node are those of the whole file.

The text is not tokenised but searched, with literals and comments blanked out. Where a file is written in a way that
the search does not follow (tabs, form feeds, lone carriage returns) there is no outline, and it is parsed as a whole.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

from flake8_forksafe.identifiers import search_for
from flake8_forksafe.source import SourceError, syntax_tree
from flake8_forksafe.stdlib.calls import ADDING_METHODS

#: The possessive quantifiers let the search go over plain text at once: without them it takes twice the time.
_LITERAL = re.compile(
    rb"""#[^\n]*"""
    rb"""|\"\"\"(?:[^\\"]++|\\.|\"(?!\"\"))*+\"\"\"|\'\'\'(?:[^\\']++|\\.|\'(?!\'\'))*+\'\'\'"""
    rb"""|"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+\'""",
    re.DOTALL,
)
_DEF = re.compile(rb"def +(\w+)")
_DEFINED = re.compile(rb"\b(?:def|class) +(\w+)")
_DEF_LINE = re.compile(rb" *(?:async +)?def\b")
_MAIN_GUARD = re.compile(rb"^if __name__ == x+:\n", re.MULTILINE)
_BRACKET_OR_COLON = re.compile(rb"[()\[\]{}:]")
_NOT_OF_WORDS = bytes(c for c in range(128) if not (chr(c).isalnum() or c == ord("_")))
_WORDS_ONLY = bytes.maketrans(_NOT_OF_WORDS, b" " * len(_NOT_OF_WORDS))
_SPACES = re.compile(rb" *")
_CLOSING = frozenset({b")", b"]", b"}"})
_PAIRS = (b"()", b"[]", b"{}")
_ATTRIBUTE = re.compile(rb"\.(\w+)")
_STORING = re.compile(rf"=| in | as |\.(?:{'|'.join(sorted(ADDING_METHODS))})\b".encode())
#: A literal with more spaces than this says something; one with fewer may be a name, or an annotation.
_NAMING_SPACES = 3
_STRANGE = (b"\t", b"\f", b"\r")


class OutlineError(Exception):
    """The text is not laid out as the outline takes it to be."""


class _Text(NamedTuple):
    """One file as bytes: as it is, with literals and comments blanked out, and the literals that may hold names."""

    data: bytes
    flat: bytes
    literals: list[bytes]
    places: list[int]

    @classmethod
    def of(cls, data: bytes) -> Self:
        literals: list[bytes] = []
        places: list[int] = []

        def blank(match: re.Match[bytes]) -> bytes:
            """Return as many bytes as a comment or literal has, without anything in them that means something."""
            literal = match[0]
            if literal.startswith(b"#"):
                return b" " * len(literal)
            if literal.count(b" ") <= _NAMING_SPACES or _is_formatted(data, match.start()):
                literals.append(literal)
                places.append(match.start())
            return b"x" * len(literal)

        flat = _LITERAL.sub(blank, data)
        return cls(data, flat, literals, places)

    def code(self, start: int, end: int) -> bytes:
        """What stands from `start` to `end` without comments and literals that only say something, out of order."""
        first, last = bisect_left(self.places, start), bisect_left(self.places, end)
        return b" ".join([self.flat[start:end], *self.literals[first:last]])

    def words(self, start: int, end: int) -> frozenset[str]:
        """The words from `start` to `end`, without those of comments and of literals that only say something."""
        return frozenset(words_of(self.code(start, end)))


class Block:
    """The body of one function.

    Attributes:
        name: of the function.
        line: of its `def`, from 1.
        start: the byte at which its `def` line starts; `body` that at which the body does, `end` that behind it.
        indent: of the `def`, in bytes.
    """

    __slots__ = ("_stores", "_text", "_words", "body", "end", "indent", "line", "name", "start")

    def __init__(self, text: _Text, name: str, line: int, indent: int, start: int, body: int, end: int) -> None:
        self.name, self.line, self.indent = name, line, indent
        self.start, self.body, self.end = start, body, end
        self._text = text
        self._words: frozenset[str] | None = None
        self._stores: frozenset[str] | None = None

    @property
    def height(self) -> int:
        """How many lines it has, that of its `def` included."""
        text = self._text.data[self.start : self.end]
        return text.count(b"\n") + (not text.endswith(b"\n"))

    @property
    def words(self) -> frozenset[str]:
        """The identifiers and keywords of the body, those of short literals included."""
        if self._words is None:
            self._words = self._text.words(self.body, self.end)
        return self._words

    @property
    def stores(self) -> frozenset[str]:
        """The attributes that the body may assign to, or into whose value it may put something; wide, by lines."""
        if self._stores is None:
            text = self._text.data[self.body : self.end]
            lines = (line for line in text.split(b"\n") if b"." in line and _STORING.search(line))
            found = {name.decode("utf-8") for line in lines for name in _ATTRIBUTE.findall(line)}
            self._stores = self.words if b"setattr" in text else frozenset(found)
        return self._stores


def words_of(text: bytes) -> list[str]:
    """Return the identifiers, keywords and numbers of `text`, which is UTF-8, wherever they stand."""
    return text.translate(_WORDS_ONLY).decode("utf-8", errors="surrogatepass").split()


class Outline:
    """The functions of one file that stand in no other function, by the line of their `def`."""

    def __init__(self, text: _Text) -> None:
        self._text = text
        self._data = text.data

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the outline of `data`, the text of a file in UTF-8.

        Raises:
            OutlineError: the text is not laid out in a way that the search follows.
        """
        if any(strange in data for strange in _STRANGE):
            raise OutlineError("tabs, form feeds or carriage returns")
        return cls(_Text.of(data))

    @cached_property
    def blocks(self) -> dict[int, Block]:
        """The functions, by the lines of their `def`."""
        return {block.line: block for block in _blocks(self._text)}

    @property
    def code(self) -> bytes:
        """All that the file holds besides comments and literals that only say something, in no order."""
        return self._text.code(0, len(self._data))

    def spells_outside(self, names: frozenset[str]) -> bool:
        """Whether code outside of functions may spell one of `names`; code under a main guard does not count."""
        flat = self._text.flat
        return any(not _is_in_function(flat, place) for place in search_for(names).places_in(flat))

    @cached_property
    def used_outside(self) -> frozenset[str]:
        """The functions and classes of the module that such code does not only define."""
        flat = self._text.flat
        gaps = [(block.start, block.end) for block in self.blocks.values()]
        gaps += [(guard.end(), _end(flat, guard.end(), 0) or guard.end()) for guard in _MAIN_GUARD.finditer(flat)]
        parts: list[bytes] = []
        position = 0
        for start, end in sorted(gaps):
            parts.append(flat[position:start])
            position = max(position, end)
        parts.append(flat[position:])
        text = b" ".join(parts)
        spelled = Counter(words_of(text))
        defined = Counter(name.decode("utf-8") for name in _DEFINED.findall(text))
        names = {block.name for block in self.blocks.values()} | defined.keys()
        return frozenset(name for name in names if spelled[name] > defined[name])

    def around(self, line: int) -> Block | None:
        """Return the function in which `line` stands, its `def` included."""
        number = bisect_right(list(self.blocks), line)
        block = list(self.blocks.values())[number - 1] if number else None
        return block if block is not None and line < block.line + block.height else None

    def skeleton(self, awake: Collection[int]) -> bytes:
        """Return the text with `0` for every body but those of the functions whose `def` lines are `awake`.

        It ends where the body ends, so that classes do too.
        """
        parts: list[bytes] = []
        end = 0
        for block in self.blocks.values():
            if block.line not in awake:
                parts += (self._data[end : block.body], *self._empty(block))
                end = block.end
        parts.append(self._data[end:])
        return b"".join(parts)

    def _empty(self, block: Block) -> tuple[bytes, ...]:
        """As many lines as a body has, with nothing but a number at its end."""
        code = block.body + len(self._text.flat[block.body : block.end].rstrip())
        line = max(self._data.rfind(b"\n", block.body, code) + 1, block.body)
        before, behind = self._data.count(b"\n", block.body, line), self._data.count(b"\n", line, block.end)
        return b"\n" * before, b" " * max(code - line - 1, block.indent + 1), b"0", b"\n" * behind

    def bodies(self, blocks: Collection[Block]) -> dict[int, list[ast.stmt]]:
        """Parse the bodies of `blocks` and return each by the line of its function's `def`.

        Raises:
            OutlineError: they cannot be parsed on their own.
        """
        found: dict[int, list[ast.stmt]] = {}
        for text in self._excerpts(sorted(blocks, key=lambda block: block.line)):
            for node in parse(text).body:
                inner = node.body if isinstance(node, ast.If) else [node]
                for function in inner:
                    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                        found[function.lineno] = function.body
        if any(block.line not in found for block in blocks):
            raise OutlineError("a function is not where it was seen")
        return found

    def _excerpts(self, blocks: list[Block]) -> Iterator[bytes]:
        """Yield texts that hold `blocks` and nothing else, each at its place; as few as can be."""
        parts: list[bytes] = []
        line, indent = 1, 0
        for block in blocks:
            blank = block.line - line
            if block.indent not in {0, indent}:  # it needs a line for what it stands in
                if parts and blank == 0:
                    yield b"".join(parts)
                    parts, blank = [], block.line - 1
                parts += (b"\n" * (blank - 1), b"if 1:\n")
            else:
                parts.append(b"\n" * blank)
            indent = block.indent
            text = self._data[block.start : block.end]
            parts.append(text)
            line = block.line + text.count(b"\n")
        if parts:
            yield b"".join(parts)


def parse(text: bytes) -> ast.Module:
    """Parse a part of a file, in UTF-8 whatever a comment in it says; raise `OutlineError` for a syntax error."""
    try:
        return syntax_tree(text, "")
    except SourceError as error:
        raise OutlineError(str(error)) from error


def _is_formatted(data: bytes, start: int) -> bool:
    """Whether the literal whose quote is at `start` is an f-string."""
    return data[max(start - 2, 0) : start].lower().strip(b"r").endswith(b"f")


def _blocks(text: _Text) -> Iterator[Block]:
    """Yield the functions of a file that stand in no other one."""
    flat = text.flat
    position, counted, line = 0, 0, 1
    while (match := _DEF.search(flat, position)) is not None:
        position = match.end()
        start = flat.rfind(b"\n", 0, match.start()) + 1
        before = flat[start : match.start()]
        indent = len(before) - len(before.lstrip())
        if before[indent:].rstrip() not in {b"", b"async"}:
            continue
        body = _body(flat, position)
        end = None if body is None else _end(flat, body, indent)
        if body is None or end is None:
            continue
        line += text.data.count(b"\n", counted, start)
        counted = start
        yield Block(text, match[1].decode("utf-8"), line, indent, start, body, end)
        position = end  # what stands in it belongs to it


def _is_in_function(flat: bytes, position: int) -> bool:
    """Whether what stands at `position` certainly belongs to a function, or to the body of a main guard.

    The blocks around it begin with the lines that are indented less than all lines from there on. Lines that only go on
    with a bracket may be indented less than their block, and then lead further out; they never hide a block.
    """
    start = flat.rfind(b"\n", 0, position) + 1
    if _DEF_LINE.match(flat, start) is not None:
        return True
    limit = _indent(flat, start)
    while limit and start:
        start = flat.rfind(b"\n", 0, start - 1) + 1
        indent = _indent(flat, start)
        if indent >= limit or flat[start + indent : start + indent + 1] == b"\n":
            continue
        if flat[start + indent : start + indent + 1] in _CLOSING:  # `) -> None:` ends a line that began as far left
            limit = indent + 1
        elif _DEF_LINE.match(flat, start) is not None or _MAIN_GUARD.match(flat, start) is not None:
            return True
        else:
            limit = indent
    return False


def _indent(flat: bytes, start: int) -> int:
    """How many spaces stand at `start`."""
    matched = _SPACES.match(flat, start)
    assert matched is not None
    return matched.end() - start


def _body(flat: bytes, position: int) -> int | None:
    """Return where the body begins of a function whose parameters begin at `position`; None for a body on that line."""
    depth = 0
    for match in _BRACKET_OR_COLON.finditer(flat, position):
        match match[0]:
            case b"(" | b"[" | b"{":
                depth += 1
            case b":":
                if depth == 0:
                    end = flat.find(b"\n", match.end())
                    return end + 1 if end >= 0 and not flat[match.end() : end].strip() else None
            case _:
                depth -= 1
    return None


def _end(flat: bytes, body: int, indent: int) -> int | None:
    """Return where the block ends that begins at `body`: at the next logical line that is not indented more."""
    position = body
    while (match := _outside(indent).search(flat, position)) is not None:
        end = match.start()
        balanced = all(flat.count(pair[:1], body, end) == flat.count(pair[1:], body, end) for pair in _PAIRS)
        if balanced and flat[end - 2 : end - 1] != b"\\":
            return end if end > body else None
        position = flat.find(b"\n", end) + 1
        if position == 0:
            return None
    return len(flat)


@lru_cache
def _outside(indent: int) -> re.Pattern[bytes]:
    return re.compile(rb"^ {0,%d}(?=[^ \n])" % indent, re.MULTILINE)
