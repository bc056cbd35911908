"""A progress bar on a terminal, for runs that take long enough to want one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm


class Progress:
    """Counts files; after `patience` seconds it shows the count on a terminal, if that is `wanted`.

    `total` is asked for when the bar is to be shown, and whenever it moves.
    """

    def __init__(self, total: Callable[[], int], stream: TextIO, *, wanted: bool, patience: float = 1.0) -> None:
        self._total, self._stream = total, stream
        self._shown = wanted and stream.isatty()
        self._start, self._patience = time.monotonic(), patience
        self._done = 0
        self._bar: tqdm[NoReturn] | None = None

    def advance(self, files: int) -> None:
        """Say that `files` more files are done."""
        self._done += files
        if self._bar is not None:
            self._bar.total = self._total()
            self._bar.update(files)
        elif self._shown and time.monotonic() - self._start > self._patience:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread beside the processes
            self._bar = tqdm(total=self._total(), initial=self._done, unit="file", leave=False, file=self._stream)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
