"""python-lsp-server with its flake8 turned on, driven over the language server protocol."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pylsp", reason="needs python-lsp-server")

from pylsp_jsonrpc.endpoint import Endpoint
from pylsp_jsonrpc.streams import JsonRpcStreamReader, JsonRpcStreamWriter

Documented = Callable[[str, str], str]
Diagnostics = list[dict[str, Any]]

pytestmark = pytest.mark.slow

SECONDS = 60
UNSAVED = """\
import subprocess


def build() -> int:
    make = subprocess.Popen(["make"], stdout=subprocess.PIPE)
    status = make.wait()
    return status
"""
MENDED = UNSAVED.replace("status = make.wait()", "status = len(make.communicate()[0])")


class Editor:
    """An editor with one document open, which asks the server about it."""

    def __init__(self, server: subprocess.Popen[bytes], document: Path, settings: object) -> None:
        self._uri = document.as_uri()
        self._published: queue.Queue[dict[str, Any]] = queue.Queue()
        self._end = Endpoint(
            {"textDocument/publishDiagnostics": self._published.put}, JsonRpcStreamWriter(server.stdin).write
        )
        self._listener = threading.Thread(
            target=JsonRpcStreamReader(server.stdout).listen, args=[self._end.consume], daemon=True
        )
        self._listener.start()
        params = {"processId": None, "rootUri": document.parent.as_uri(), "capabilities": {}}
        self._end.request("initialize", params | {"initializationOptions": settings}).result(SECONDS)
        self._end.notify("initialized", {})

    def open(self, text: str) -> Diagnostics:
        document = {"uri": self._uri, "languageId": "python", "version": 1, "text": text}
        self._end.notify("textDocument/didOpen", {"textDocument": document})
        return self._diagnostics()

    def change(self, text: str) -> Diagnostics:
        document = {"uri": self._uri, "version": 2}
        self._end.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self._diagnostics()

    def close(self) -> None:
        self._end.request("shutdown").result(SECONDS)
        self._end.notify("exit")
        self._listener.join(SECONDS)

    def _diagnostics(self) -> Diagnostics:
        published = self._published.get(timeout=SECONDS)
        assert published["uri"] == self._uri
        result: Diagnostics = published["diagnostics"]
        return result


@pytest.fixture
def editor(tmp_path: Path, documented: Documented) -> Iterator[Editor]:
    """An editor that is set up by the recipe, with a file whose saved text is harmless."""
    document = tmp_path / "build.py"
    document.write_text("print()\n", encoding="utf-8")
    settings = json.loads(documented("python-lsp-server", "json"))
    command = [sys.executable, "-m", "pylsp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            editor = Editor(server, document, settings)
            yield editor
            editor.close()
            assert server.wait(SECONDS) == 0
        finally:
            server.kill()


def test_the_diagnostics_carry_code_and_range_of_unsaved_text(editor: Editor) -> None:
    (diagnostic,) = editor.open(UNSAVED)
    line = UNSAVED.splitlines(keepends=True)[5]
    assert (diagnostic["source"], diagnostic["code"]) == ("flake8", "FRK101")
    assert diagnostic["message"].startswith("FRK101 waiting for make may never end")
    assert diagnostic["range"] == {
        "start": {"line": 5, "character": line.index("make.wait()")},
        "end": {"line": 5, "character": len(line)},
    }


def test_the_diagnostic_goes_away_with_the_hazard(editor: Editor) -> None:
    assert editor.open(UNSAVED)
    assert editor.change(MENDED) == []
