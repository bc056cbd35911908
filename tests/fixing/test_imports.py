"""Where a fix puts the imports it needs."""

from __future__ import annotations

import libcst as cst
import pytest

from flake8_forksafe.fix import RequireImport
from flake8_forksafe.fixing.imports import add_imports


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("PIPE, Popen", "DEVNULL, PIPE, Popen", id="a constant comes before others in their order"),
        pytest.param("Popen, run", "DEVNULL, Popen, run", id="constants come before classes and functions"),
        pytest.param("Popen, PIPE", "Popen, PIPE, DEVNULL", id="names in no order get it behind them"),
        pytest.param("PIPE as P, Popen", "DEVNULL, PIPE as P, Popen", id="an alias stays"),
        pytest.param("(PIPE, Popen)", "(DEVNULL, PIPE, Popen)", id="brackets stay"),
        pytest.param("PIPE  # why", "DEVNULL, PIPE  # why", id="a comment stays"),
        pytest.param("DEVNULL, PIPE", "DEVNULL, PIPE", id="a name that is there is not doubled"),
        pytest.param("(\n    DEVNULL,\n    PIPE,\n)", "(\n    DEVNULL,\n    PIPE,\n)", id="nor in a long line"),
        pytest.param("DEVNULL as NULL", "DEVNULL as NULL, DEVNULL", id="under another name it is not there"),
    ],
)
def test_a_name_joins_the_line_that_imports_others_from_its_module(before: str, after: str) -> None:
    tree = cst.parse_module(f"import os\nfrom subprocess import {before}\n\nPopen\n")
    code = add_imports(tree, [RequireImport("subprocess", "DEVNULL")]).code
    assert code == f"import os\nfrom subprocess import {after}\n\nPopen\n"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("from . import subprocess\n", id="the module of that name is another one"),
        pytest.param("from .subprocess import PIPE\n", id="a relative import is of another module"),
        pytest.param("from gevent.subprocess import PIPE\n", id="a module's last name is not its name"),
        pytest.param("try:\n    from subprocess import PIPE\nexcept ImportError:\n    PIPE = -1\n", id="not in a try"),
    ],
)
def test_an_import_of_another_module_or_under_a_condition_is_not_joined(before: str) -> None:
    code = add_imports(cst.parse_module(before), [RequireImport("subprocess", "DEVNULL")]).code
    assert before in code
    assert "from subprocess import DEVNULL\n" in code
