"""The scenarios that ask what ``forksafe-fix --diff`` adds to finding and to parsing with libcst."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.speed.environments import Environment
from benchmarks.speed.measure import Against, Goal, Measure, RunError, Scenario

_BARE_PARSE = Path(__file__).resolve().parent / "bare_parse.py"
_GOALS = (Goal(Measure.CPU, Against.RATIO, 1.3), Goal(Measure.WALL, Against.RATIO, 1.3))


def fixes(folder: Path, ours: Environment, changed: Sequence[str], *, rounds: int) -> Iterator[Scenario]:
    """Yield the repair of the `changed` files alone, and of everything below `folder`.

    The baseline is the check of the same files and then the bare parse of the changed ones.
    Everything runs in one process: the parse knows no other way, and wall times compare.
    """
    for title, paths in (("its files", changed), ("the corpus", ["."])):
        yield Scenario(
            title=f"fix --diff / check + parse: {title}",
            folder=folder,
            baseline=ours.script("forksafe", "--jobs=1", *paths),
            besides=(str(ours.python), str(_BARE_PARSE), *changed),
            subject=ours.script("forksafe-fix", "--jobs=1", "--diff", *paths),
            rounds=rounds,
            shown=(Measure.CPU, Measure.WALL, Measure.PEAK),
            goals=_GOALS,
        )


def changed_files(folder: Path, ours: Environment) -> tuple[str, ...]:
    """Return the files below `folder` that ``forksafe-fix`` would change, by an unmeasured run.

    Raises `RunError` where it changes none.
    """
    command = ours.script("forksafe-fix", "--quiet", "--diff", ".")
    changed = tuple(_new_names(command, folder))
    if not changed:
        raise RunError("forksafe-fix changes no file of these packages; take more, or leave the part out with --only")
    return changed


def _new_names(command: tuple[str, ...], folder: Path) -> Iterator[str]:
    before = b""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # stdout=PIPE
        for line in process.stdout:
            if line.startswith(b"+++ b/") and before.startswith(b"--- a/"):
                yield line.removeprefix(b"+++ b/").decode().strip()
            before = line
    if process.returncode not in (0, 1):
        raise RunError(f"status {process.returncode} from {' '.join(command)}")
