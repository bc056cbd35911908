"""Fixes for pipes that nothing ever reads: no pipe at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from flake8_forksafe.fix import Fix, Safety
from flake8_forksafe.fixes.streams import to_devnull
from flake8_forksafe.model.care import cares_for, either, ends, reads_all_at_once, waits
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.values import Handle


def discard_output(module: ModuleModel, handle: Handle, streams: Collection[str]) -> Fix | None:
    """Connect `streams` to DEVNULL if nothing in the module ever touches them.

    None as well where the pipe that stays would then be read to its end alone, which is the hazard of FRK103.

    DEVNULL makes the attribute of the handle None. Where a public name holds the handle, another file may look at it,
    so the fix is unsafe there.
    """
    makers = module.made_by(handle.site)
    if not streams or any(is_touched(module, h, s) for h in makers for s in streams):
        return None
    if any(_would_read_to_eof(module, h, streams) for h in makers):
        return None
    fix = to_devnull(module, module.spawn(handle), streams)
    if fix is not None and any(_is_public(module, h) for h in makers):
        return replace(fix, safety=Safety.UNSAFE)
    return fix


def discard_all(module: ModuleModel, handle: Handle, streams: Collection[str]) -> Fix | None:
    """Connect `streams` to DEVNULL, and stdin as well if it is a PIPE that nobody closes before a wait.

    Otherwise the child could wait for the end of its input next, which is the hazard of FRK105.
    """
    if not module.pipes.stdin_left_open(handle):
        return discard_output(module, handle, streams)
    return discard_output(module, handle, [*streams, "stdin"]) if streams else None


def _would_read_to_eof(module: ModuleModel, handle: Handle, streams: Collection[str]) -> bool:
    """Whether without `streams` one pipe stays that is read until every process that inherited it has closed it."""
    for stream, setting in module.spawn(handle).output_pipes():
        careful = either(cares_for(stream), ends, waits)
        query = module.query(handle, reads_all_at_once(stream), careful, setting.facts, beyond=True)
        if stream not in streams and any(True for _ in module.exposed(query)):
            return True
    return False


def is_touched(module: ModuleModel, handle: Handle, stream: str) -> bool:
    """Whether anything in the module uses the pipe `stream` of `handle`, or may do so out of sight."""
    for life in module.lives(handle):
        if not module.holdings.used_streams(life, handed_on=life != handle).isdisjoint(("", stream)):
            return True
    return not module.holdings.with_attribute(stream).isdisjoint(module.lives(handle))


def _is_public(module: ModuleModel, handle: Handle) -> bool:
    """Whether an attribute or global without a leading underscore holds the handle."""
    return handle in module.holdings.public
