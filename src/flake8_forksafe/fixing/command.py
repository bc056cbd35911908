"""The fixes as a command of libcst's own codemod tool.

`python -m libcst.tool codemod -x --no-format flake8_forksafe.fixing.command.FixHazards PATH …`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import libcst as cst
from libcst.codemod import CodemodCommand, CodemodContext, SkipFile

from flake8_forksafe import config as configuration
from flake8_forksafe.baseline import Baseline, BaselineError
from flake8_forksafe.discovery import is_excluded
from flake8_forksafe.inspection import Inspection, Mode


class FixHazards(CodemodCommand):
    """Makes the fixes that `forksafe-fix` makes, with the same configuration.

    Arguments:
        context: libcst's own; gives the file's name.
        unsafe_fixes: whether fixes that change timing, signals, sessions or the start method are made too, whatever
            the configuration says.
    """

    DESCRIPTION = "Repair code that can hang: pipes, forks, threads, timers and signals."

    def __init__(self, context: CodemodContext, *, unsafe_fixes: bool = False) -> None:
        super().__init__(context)
        self._unsafe = unsafe_fixes

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        """Add `--unsafe-fixes` to the tool's own arguments."""
        arg_parser.add_argument("--unsafe-fixes", action="store_true", help="make the unsafe fixes too")

    def transform_module_impl(self, tree: cst.Module) -> cst.Module:
        """Return the repaired module.

        Raises:
            SkipFile: the file is excluded or cannot be analysed, or the configuration or the baseline makes no sense.
        """
        path = self.context.filename or "<unknown>"
        try:
            config = configuration.read([path])
            baseline = Baseline.read(Path(config.baseline)) if config.baseline is not None else None
        except (configuration.ConfigError, BaselineError) as error:
            raise SkipFile(str(error)) from error
        if is_excluded(path, config.exclude):
            raise SkipFile("excluded by the configuration")
        config = config._replace(unsafe_fixes=self._unsafe or config.unsafe_fixes)
        inspection = Inspection(Mode.WRITE, config, configuration.common_directory([path]), baseline)
        outcome = inspection.data(tree.bytes, path)
        if outcome.problem:
            raise SkipFile(outcome.problem)
        for dropped in outcome.dropped:
            self.warn(f"not fixed: {dropped}")
        return cst.parse_module(outcome.data, config=tree.config_for_parsing)
