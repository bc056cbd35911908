"""The recipes for editors in docs/integrations.md, in the editors themselves: what they list after a check."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Documented = Callable[[str, str], str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

FLYCHECK = Path("/usr/share/emacs/site-lisp/elpa")  # where Debian's elpa-flycheck is
ALE = Path("/usr/share/vim-ale")  # and vim-ale

#: Waits until the expression is true, then writes line, column and text of each entry of the list.
WRITE = """\
let tries = 0
while tries < 300 && empty({items})
  sleep 100m
  let tries += 1
endwhile
call writefile([json_encode(map({items}, '[v:val.lnum, v:val.col, v:val.text]'))], 'listed.json')
qall!
"""
FLYMAKE = """\
(require 'flymake)
(find-file "src/build.py")
(flymake-start)
(with-timeout (30) (while (null (flymake-diagnostics)) (accept-process-output nil 0.1)))
(dolist (found (flymake-diagnostics))
  (goto-char (flymake-diagnostic-beg found))
  (princ (format "%d:%d %s\\n" (line-number-at-pos) (1+ (current-column)) (flymake-diagnostic-text found))))
"""
#: An Emacs without a screen checks nothing by itself unless it is told that somebody is there.
FLYCHECK_BUFFER = """\
(setq noninteractive nil)
(find-file "src/build.py")
(flycheck-buffer)
(with-timeout (30) (while (null flycheck-current-errors) (accept-process-output nil 0.1)))
(dolist (found flycheck-current-errors)
  (princ (format "%d:%d %s %s\\n" (flycheck-error-line found) (flycheck-error-column found)
                 (flycheck-error-id found) (flycheck-error-message found))))
(setq noninteractive t)
"""


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")


def script(folder: Path, name: str, *parts: str) -> str:
    (folder / name).write_text("\n".join(parts), encoding="utf-8")
    return name


def assert_listed(folder: Path) -> None:
    """The list of the editor holds the hazard and nothing else."""
    ((line, column, text),) = json.loads((folder / "listed.json").read_text(encoding="utf-8"))
    assert (line, column) == (6, 12)
    assert text.startswith("FRK101")


@pytest.mark.parametrize("editor", ["vim", "nvim"])
def test_make_fills_the_quickfix_list(editor: str, project: Path, documented: Documented, run: Run) -> None:
    needs(editor)
    recipe = documented("Vim and Neovim", "vim")
    steps = ["edit src/build.py", recipe, "silent make! %", WRITE.format(items="getqflist()")]
    run(project, editor, "-es", "-u", "NONE", "-i", "NONE", "-S", script(project, "steps.vim", *steps), timeout=60)
    assert_listed(project)


def test_ale_lists_the_hazard(project: Path, documented: Documented, run: Run) -> None:
    needs("vim")
    if not ALE.exists():
        pytest.skip("needs Debian's vim-ale")
    start = f"set nocompatible\nset runtimepath^={ALE}\nfiletype plugin on"
    steps = ["edit src/build.py", "ALELint", WRITE.format(items="getloclist(0)")]
    configuration = script(project, "vimrc", start, documented("ALE", "vim"))
    run(
        project, "vim", "-es", "-u", configuration, "-i", "NONE", "-S", script(project, "steps.vim", *steps), timeout=60
    )
    assert_listed(project)


def test_flymake_lists_the_hazard(project: Path, documented: Documented, run: Run) -> None:
    needs("emacs")
    steps = script(project, "steps.el", documented("Emacs", "elisp"), FLYMAKE)
    done = run(project, "emacs", "-Q", "--batch", "--load", steps, timeout=60)
    assert [line[:12] for line in done.stdout.splitlines()] == ["6:12 FRK101 "], done.stderr


def test_flycheck_lists_the_hazard(project: Path, documented: Documented, run: Run) -> None:
    needs("emacs")
    if not list(FLYCHECK.glob("flycheck*")):
        pytest.skip("needs Debian's elpa-flycheck")
    recipe = documented("Flycheck", "elisp")
    steps = script(project, "steps.el", "(package-initialize)", "(require 'flycheck)", recipe, FLYCHECK_BUFFER)
    done = run(project, "emacs", "--batch", "--load", steps, timeout=60)
    assert [line[:12] for line in done.stdout.splitlines()] == ["6:12 FRK101 "], done.stderr
