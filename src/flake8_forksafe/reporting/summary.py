"""The one line at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from flake8_forksafe.reporting.outcome import Outcome


def of_report(outcomes: Sequence[Outcome], *, hidden: int = 0) -> str:
    """Return `5 found in 3 files of 12, 2 fixable by forksafe-fix, 1 needs --unsafe-fixes`.

    Arguments:
        outcomes: what became of each file.
        hidden: how many findings a baseline has taken out of them.
    """
    left = [entry for outcome in outcomes for entry in outcome.left]
    checked = sum(not outcome.problem for outcome in outcomes)
    if not left:
        nothing = "nothing new" if hidden else "nothing"
        return ", ".join([f"{nothing} found in {_files(checked)}", *_unchecked(outcomes)])
    from flake8_forksafe.fix import Safety  # late: most runs find nothing

    count = f"{len(left)} new" if hidden else f"{len(left)}"
    parts = [f"{count} found in {_files(sum(bool(outcome.left) for outcome in outcomes))} of {checked}"]
    safe = sum(entry.safety is Safety.SAFE for entry in left)
    if safe:
        parts.append(f"{safe} fixable by forksafe-fix")
    return ", ".join([*parts, *_unsafe(outcomes), *_unchecked(outcomes)])


def of_fixes(outcomes: Sequence[Outcome], *, written: bool) -> str:
    """Return `12 fixed in 7 files, 5 left, 3 need --unsafe-fixes`."""
    fixed = sum(len(outcome.fixed) for outcome in outcomes)
    left = sum(len(outcome.left) for outcome in outcomes)
    verb = "fixed" if written else "would be fixed"
    return ", ".join(
        [
            f"{fixed} {verb} in {_files(sum(bool(outcome.fixed) for outcome in outcomes))}",
            f"{left} left",
            *_unsafe(outcomes),
            *_unchecked(outcomes),
        ]
    )


def of_comparison(hidden: int, gone: int, baseline: str) -> list[str]:
    """Return `7 hidden by baseline.json`, and what to do about the entries that no longer occur."""
    parts = [f"{hidden} hidden by {baseline}"]
    if gone:
        occur = "1 entry of it no longer occurs" if gone == 1 else f"{gone} entries of it no longer occur"
        parts.append(f"{occur} (renew it with --write-baseline {baseline})")
    return parts


def _unsafe(outcomes: Sequence[Outcome]) -> list[str]:
    left = [entry for outcome in outcomes for entry in outcome.left]
    if not left:
        return []
    from flake8_forksafe.fix import Safety

    unsafe = sum(entry.safety is Safety.UNSAFE for entry in left)
    return [f"{unsafe} need{'s' if unsafe == 1 else ''} --unsafe-fixes"] if unsafe else []


def _unchecked(outcomes: Sequence[Outcome]) -> list[str]:
    problems = sum(bool(outcome.problem) for outcome in outcomes)
    return [f"{_files(problems)} not checked or not written"] if problems else []


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
