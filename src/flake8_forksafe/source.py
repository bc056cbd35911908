"""From bytes to text and lines, and from the columns of `ast` to the columns people count."""

from __future__ import annotations

import io
import warnings
from _ast import PyCF_ONLY_AST
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ast

    from flake8_forksafe.finding import Span

_BOM = "\ufeff"


class SourceError(ValueError):
    """A file that is no Python source: undecodable bytes or a syntax error.

    Arguments:
        filename: the file as the user named it.
        line: the line the problem is on, counting from 1.
        reason: what is wrong, in a few words.
    """

    def __init__(self, filename: str, line: int, reason: str) -> None:
        super().__init__(f"{filename}:{line}: {reason}")
        self.filename = filename
        self.line = line
        self.reason = reason


def plain_text(data: bytes) -> bool:
    """Return whether `data` is UTF-8 that needs no decoding: no byte order mark, declaration or foreign line end."""
    first_lines = data[: data.find(b"\n", data.find(b"\n") + 1)]
    if b"\r" in data or b"coding" in first_lines or data.startswith(_BOM.encode()):
        return False
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def utf8_text(data: bytes, filename: str) -> bytes:
    """Return the text of a file as `Source.utf8` does; that is `data` itself where there is nothing to decode.

    Raises:
        SourceError: as `Source.from_bytes`.
    """
    return data if plain_text(data) else Source.from_bytes(data, filename).utf8()


def syntax_tree(text: bytes, filename: str) -> ast.Module:
    """Parse a whole file, given in UTF-8, as `ast.parse` does but without importing `ast`.

    Raises:
        SourceError: the text is no Python for the running Python.
        RecursionError, MemoryError: it is nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the file's own string escapes: not ours to print
            decoded = text.decode("utf-8", errors="surrogatepass")
            return cast("ast.Module", compile(decoded, "<unknown>", "exec", PyCF_ONLY_AST, dont_inherit=True))
    except SyntaxError as error:
        raise SourceError(filename, error.lineno or 1, f"syntax error: {error.msg}") from error
    except ValueError as error:  # null bytes, up to Python 3.11
        raise SourceError(filename, 1, f"syntax error: {error}") from error


class Source:
    """The decoded text of one file, its line ends made newlines, without a byte order mark.

    Its lines are those `ast` counts: a form feed or U+2028 ends none.
    """

    __slots__ = ("_lines", "filename")

    def __init__(self, filename: str, lines: Sequence[str]) -> None:
        self.filename = filename
        self._lines = lines

    @classmethod
    def from_bytes(cls, data: bytes, filename: str) -> Source:
        """Decode `data` as the Python tokenizer does: byte order mark, PEP 263 declaration, else UTF-8.

        Raises:
            SourceError: the declared encoding is unknown, or the bytes are not text in it.
        """
        import tokenize  # late: most files are plain text

        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            lines = io.TextIOWrapper(io.BytesIO(data), encoding=encoding).readlines()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise SourceError(filename, line, f"not text in {error.encoding}: {error.reason}") from error
        except (SyntaxError, LookupError, UnicodeError) as error:
            raise SourceError(filename, 1, str(error)) from error
        return cls(filename, lines)

    @property
    def text(self) -> str:
        """The whole file, as `ast.parse` is to be given it."""
        return "".join(self._lines).removeprefix(_BOM)

    def utf8(self) -> bytes:
        """Return the text in the encoding in which `ast` counts its columns, whatever the file's own encoding is."""
        return self.text.encode("utf-8", errors="surrogatepass")

    def column(self, line: int, byte_column: int) -> int:
        """Return `byte_column` of `line` counted in characters; both columns count from 0, lines from 1."""
        if not 1 <= line <= len(self._lines):
            return byte_column
        text = self._lines[line - 1]
        if line == 1:
            text = text.removeprefix(_BOM)
        if text.isascii():
            return byte_column
        return len(text.encode("utf-8", errors="surrogatepass")[:byte_column].decode("utf-8", errors="replace"))

    def columns(self, span: Span) -> tuple[int, int]:
        """Return where `span` begins and ends on its lines, in characters from 0."""
        return self.column(span.line, span.column), self.column(span.end_line, span.end_column)
