"""Show that the prefilter loses nothing: with it and without it, the findings are the same.

    python benchmarks/speed/prefilter.py [--files 5000] [--seed 5]

Without the prefilter every file is parsed and modelled whole, and every rule is asked. The files are those labelled for
the accuracy benchmark, every fixture case, and a random choice of the large corpus; downloads are kept in .cache. Exit
status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import ast
import gc
import multiprocessing
import os
import random
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "tests"))

import fixture_cases

from benchmarks.accuracy.fetch import fetch
from benchmarks.pinned import ArchiveError, default_cache
from benchmarks.speed.corpus import Kind, build
from flake8_forksafe import analysis, gate, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.rule import Rule
from flake8_forksafe.settings import Settings
from flake8_forksafe.source import Source, SourceError

_SETTINGS = Settings(target_version=(3, 11))
_PORTION = 20  # modules that a process is given at a time


@dataclass(frozen=True, slots=True)
class Module:
    """One module to check; `origin` is the row of the table it counts in, `name` says which it is."""

    origin: str
    name: str
    data: bytes
    filename: str
    settings: Settings = _SETTINGS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one module; `lost` names what only one of the two ways finds."""

    origin: str
    column: str  # of the table
    findings: int = 0
    lost: tuple[str, ...] = ()


def judge(module: Module) -> Verdict:
    """Check `module` as the commands do, as the flake8 plugin does, and without any net."""
    rules = registry.rules().values()
    try:
        source = Source.from_bytes(module.data, module.filename)
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source.text)
        without = _unfiltered(tree, source, module.settings, rules)
    except (SyntaxError, ValueError):
        return Verdict(module.origin, "no Python")
    except (RecursionError, MemoryError):
        return Verdict(module.origin, "too deep")
    ways = {
        "forksafe": analysis.check_source(module.data, filename=module.filename, settings=module.settings, rules=rules),
        "the plugin": _as_plugin(tree, source, module.settings, rules),
    }
    lost = tuple(line for way, found in ways.items() for line in _differences(f"{module.name}: {way}", found, without))
    return Verdict(module.origin, "differ" if lost else "same", len(without), lost)


def _unfiltered(tree: ast.Module, source: Source, settings: Settings, rules: Collection[Rule]) -> list[Finding]:
    """Return what `rules` find when no net spares a file, a rule or a function, sorted as `analysis` sorts."""
    gc.disable()  # as the analysis does
    try:
        shebang = source.utf8().startswith(b"#!")
        model = ModuleModel.build(tree, settings, filename=source.filename, shebang=shebang)
        by_place = {(finding.span, finding.code): finding for rule in rules for finding in rule.check(model)}
    finally:
        gc.enable()
    return [by_place[place] for place in sorted(by_place)]


def _as_plugin(tree: ast.Module, source: Source, settings: Settings, rules: Collection[Rule]) -> list[Finding]:
    data = source.utf8()
    if not gate.admits(data):
        return []
    return analysis.check_tree(tree, data, filename=source.filename, settings=settings, rules=rules)


def _differences(way: str, found: Sequence[Finding], without: Sequence[Finding]) -> Iterator[str]:
    for finding in found:
        if finding not in without:
            yield f"{way} alone reports {finding.code} in line {finding.span.line}"
    for finding in without:
        if finding not in found:
            yield f"{way} loses {finding.code} in line {finding.span.line}"


def fixture_modules() -> Iterator[Module]:
    """Yield every fixture case, hazards and near misses, then all cases of a file as one module."""
    for case in fixture_cases.all_cases():
        yield Module("fixtures", case.name, case.source.encode(), case.filename, case.settings)
    for folder in sorted(fixture_cases.FIXTURES.glob("FRK*")):
        for name in ("good.py", "bad.py"):
            yield Module("fixtures", f"{folder.name}-{name}", (folder / name).read_bytes(), name)


def labelled_modules(destination: Path) -> Iterator[Module]:
    """Yield the labelled files of the accuracy benchmark; raise `ArchiveError` if one cannot be had."""
    fetched = fetch(destination)
    if fetched.problems:
        raise ArchiveError("\n".join(fetched.problems))
    yield from (_of_file("labelled files", path) for path in sorted(fetched.files))


def random_modules(folder: Path, count: int, seed: int) -> Iterator[Module]:
    """Yield `count` files below `folder`, or all if there are fewer; the same for the same seed."""
    paths = sorted(folder.rglob("*.py"))
    chosen = random.Random(seed).sample(paths, min(count, len(paths)))
    yield from (_of_file("random real files", path) for path in chosen)


def _of_file(origin: str, path: Path) -> Module:
    return Module(origin, str(path), path.read_bytes(), str(path))


def _table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        row = counts.setdefault(verdict.origin, Counter())
        row.update({"files": 1, verdict.column: 1, "findings": verdict.findings})
    columns = ("files", "findings", "same", "differ", "too deep", "no Python")
    width = max(map(len, counts))
    yield f"{'':{width}}  " + "  ".join(f"{column:>9}" for column in columns)
    for origin, row in counts.items():
        yield f"{origin:{width}}  " + "  ".join(f"{row[column]:>9,}" for column in columns)


def prove(options: argparse.Namespace) -> bool:
    """Print the table and what differs; return whether nothing does. Raises `ArchiveError`."""
    corpus = options.corpus or build(Kind.LARGE, default_cache("speed")).folder
    modules = [
        *labelled_modules(options.labelled or default_cache("accuracy")),
        *fixture_modules(),
        *random_modules(corpus, options.files, options.seed),
    ]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        verdicts = list(pool.map(judge, modules, chunksize=_PORTION))
    lost = [line for verdict in verdicts for line in verdict.lost]
    print(*_table(verdicts), *lost, sep="\n")
    return not lost


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 1 if anything differs or cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000, help="how many of the corpus (%(default)s)")
    parser.add_argument("--seed", type=int, default=5, help="of the choice (%(default)s)")
    parser.add_argument("--corpus", type=Path, help="a folder to choose from instead of the large corpus")
    parser.add_argument("--labelled", type=Path, help="where the labelled files and their archives are kept")
    try:
        return 0 if prove(parser.parse_args(arguments)) else 1
    except (ArchiveError, SourceError, OSError) as problem:
        print(f"prefilter: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
