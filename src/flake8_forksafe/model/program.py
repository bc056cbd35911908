"""Links the summaries of a program's modules: which fork may run after a thread that another module starts.

Only what the program shows counts: calls and imports that can be followed, in the order in which a function makes them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.model.summary import TOP_LEVEL, Act, Fork, FunctionSummary, ModuleSummary, Site, Target
from flake8_forksafe.stdlib import multiprocessing as mp

#: How many names that stand for other names are followed.
_DEPTH = 8
_THREADS = frozenset({"threading.Thread", "threading.Timer"})


class ModuleName(NamedTuple):
    """The name by which a file is imported: from the folder `root`, as `dotted`.

    `package` is what its relative imports start from, `in_package` whether it lies in one.
    """

    root: str
    dotted: str
    package: str
    in_package: bool

    def absolute(self, name: str) -> str | None:
        """Return `name`, as an import of this file has it, without leading dots; None if they lead out of `root`."""
        if not name.startswith("."):
            return name
        rest = name.lstrip(".")
        base = self.package.split(".") if self.package else []
        up = len(name) - len(rest) - 1
        if up > len(base):
            return None
        return ".".join([*base[: len(base) - up], *([rest] if rest else [])])


class Link(NamedTuple):
    """A fork that may run after a thread start, and how the program comes from the one to the other."""

    path: str
    fork: Fork
    thread_path: str
    thread_span: Span
    how: str


class _Key(NamedTuple):
    """A function: its file and its qualified name there."""

    path: str
    name: str


class _Class(NamedTuple):
    path: str
    name: str


class _Instance(NamedTuple):
    """An object of a class that is named in the file `path`."""

    path: str
    cls: str


class _Module(NamedTuple):
    path: str


_Found = _Key | _Class | _Instance | _Module


class _Thread(NamedTuple):
    key: _Key
    number: int
    span: Span
    in_loop: bool
    derived: bool
    runs: tuple[_Key, ...]


class _ForkAt(NamedTuple):
    key: _Key
    number: int
    fork: Fork
    derived: bool


class _Way(NamedTuple):
    """How a site comes to a thread start or a fork: through the function `onward`, or by itself if that is None."""

    length: int
    what: int
    onward: _Key | None


class _Linked(NamedTuple):
    """A candidate; the one with the shortest way is reported."""

    length: int
    thread: int
    how: str


class _Reach:
    """From which functions, and from which sites, each of some thread starts or forks is reached.

    Attributes:
        onward: for each of them, by function: the number of calls to it and the next function.
        ways: by function and number of the site.
    """

    def __init__(self, program: ProgramModel, acts: list[tuple[_Key, int]], *, lasting: bool) -> None:
        self.onward: list[dict[_Key, tuple[int, _Key | None]]] = []
        self.ways: dict[tuple[_Key, int], list[_Way]] = defaultdict(list)
        for what, (key, number) in enumerate(acts):
            self.ways[key, number].append(_Way(0, what, None))
            self.onward.append(self._spread(program, what, key, number, lasting=lasting))

    def _spread(
        self, program: ProgramModel, what: int, key: _Key, number: int, *, lasting: bool
    ) -> dict[_Key, tuple[int, _Key | None]]:
        if not _leads_out(key, program.site(key, number), lasting=lasting):
            return {}
        found: dict[_Key, tuple[int, _Key | None]] = {key: (0, None)}
        level = [key]
        while level:
            above: list[_Key] = []
            for callee in level:
                length = found[callee][0] + 1
                for caller, site in program.callers.get(callee, ()):
                    self.ways[caller, site].append(_Way(length, what, callee))
                    if caller not in found and _leads_out(caller, program.site(caller, site), lasting=lasting):
                        found[caller] = length, callee
                        above.append(caller)
            level = above
        return found

    def chain(self, what: int, first: _Key | None) -> list[_Key]:
        """The functions from `first` on to the act."""
        found: list[_Key] = []
        while first is not None:
            found.append(first)
            first = self.onward[what][first][1]
        return found


def _leads_out(key: _Key, site: Site, *, lasting: bool) -> bool:
    """Whether who calls or imports `key` comes to what `site` does, and the thread, if it starts one, lasts so long."""
    return not (key.name == TOP_LEVEL and site.guarded) and (site.lasts or not lasting)


class ProgramModel:
    """The modules of a program, as far as they have been summarised.

    Attributes:
        callers: for each function the functions that call it (or import it, if it is a top level) and their sites.
    """

    def __init__(
        self, summaries: Mapping[str, ModuleSummary], names: Mapping[str, ModuleName], target_version: tuple[int, int]
    ) -> None:
        """Prepare to link.

        Arguments:
            summaries: by file.
            names: of all files of the program, the summarised ones among them.
            target_version: the oldest Python the code must run on.
        """
        self._summaries, self._names = summaries, names
        methods = {method for summary in summaries.values() for method in summary.start_methods}
        self._sets_method = bool(methods)
        if not methods and target_version < mp.FIRST_VERSION_WITHOUT_FORK_DEFAULT:
            methods = {mp.StartMethod.FORK}
        self._forks_by_default = methods == {mp.StartMethod.FORK}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path, name in names.items():
            self._by_name[name.dotted].append(path)
        self.callers: dict[_Key, list[tuple[_Key, int]]] = defaultdict(list)
        self._families: dict[_Class, tuple[_Class | str, ...]] = {}
        self._threads: list[_Thread] = []
        self._forks: list[_ForkAt] = []
        for key, number, site in self._sites():
            self._note(key, number, site)

    def _sites(self) -> Iterator[tuple[_Key, int, Site]]:
        for path, summary in self._summaries.items():
            for name, function in summary.functions.items():
                for number, site in enumerate(function.sites):
                    yield _Key(path, name), number, site

    def _note(self, key: _Key, number: int, site: Site) -> None:
        match site.act:
            case Act.THREAD:
                runs = tuple(self._callees(key.path, site.targets))
                self._threads.append(_Thread(key, number, site.span, site.in_loop, derived=False, runs=runs))
            case Act.FORK:
                self._note_fork(key, number, site, derived=False)
            case Act.CALL:
                for callee in self._callees(key.path, site.targets):
                    self.callers[callee].append((key, number))
                if site.fork is not None:
                    self._note_start(key, number, site)
            case Act.IMPORT:
                for path in self._imported(key.path, site.targets):
                    self.callers[_Key(path, TOP_LEVEL)].append((key, number))

    def _note_start(self, key: _Key, number: int, site: Site) -> None:
        """Note the `start()` of an object whose class, out of another module, is a thread or a process."""
        assert site.fork is not None
        for target in site.targets:
            cls = self._class(key.path, target.name) if target.method == "start" else None
            if cls is None or self._method(cls, "start") is not None:
                continue
            bases = {base for base in self._family(cls) if isinstance(base, str)}
            if bases & _THREADS:
                run = self._method(cls, "run")
                runs = () if run is None else (run,)
                self._threads.append(_Thread(key, number, site.span, in_loop=False, derived=True, runs=runs))
            elif "multiprocessing.Process" in bases:
                self._note_fork(key, number, site, derived=True)

    def _note_fork(self, key: _Key, number: int, site: Site, *, derived: bool) -> None:
        fork = site.fork
        assert fork is not None
        if not fork.open or self._forks_by_default:
            asked = fork._replace(explicit=fork.explicit or (fork.open and self._sets_method))
            self._forks.append(_ForkAt(key, number, asked, derived))

    def site(self, key: _Key, number: int) -> Site:
        """One site of a function."""
        return self._function(key).sites[number]

    def _function(self, key: _Key) -> FunctionSummary:
        return self._summaries[key.path].functions[key.name]

    # -- names -------------------------------------------------------------------------------------------------------

    def _callees(self, path: str, targets: tuple[Target, ...]) -> Iterator[_Key]:
        for target in targets:
            found = self._lookup(path, target.name)
            cls = self._class_of(found)
            if target.method and cls is not None:
                key = self._method(cls, target.method, above=target.above)
            elif target.method:
                continue
            elif isinstance(found, _Class):
                key = self._method(found, "__init__")
            else:
                key = found if isinstance(found, _Key) else None
            if key is not None:
                yield key

    def _imported(self, path: str, targets: tuple[Target, ...]) -> Iterator[str]:
        """The files that an import runs if it is the first: the module's own and those of the packages around it."""
        seen: dict[str, None] = {}
        for target in targets:
            found = self._lookup(path, target.name)
            if isinstance(found, _Module):
                for file in (*self._packages_around(found.path), found.path):
                    if file != path:
                        seen[file] = None
        yield from (file for file in seen if file in self._summaries)

    def _packages_around(self, path: str) -> list[str]:
        root, dotted, _, _ = self._names[path]
        parts = dotted.split(".")
        around = [self._modules.get((root, ".".join(parts[:count]))) for count in range(1, len(parts))]
        return [file for file in around if file is not None]

    @cached_property
    def _modules(self) -> dict[tuple[str, str], str]:
        return {(name.root, name.dotted): path for path, name in self._names.items()}

    def _module(self, dotted: str, root: str) -> str | None:
        """The file of a module as seen from a file below `root`; None if there is none or more than one."""
        if dotted.partition(".")[0] in sys.stdlib_module_names:
            return None
        near = self._modules.get((root, dotted))
        if near is not None:
            return near
        paths = self._by_name.get(dotted, [])
        return paths[0] if len(paths) == 1 and self._names[paths[0]].in_package else None

    def _lookup(self, path: str, name: str, depth: int = 0) -> _Found | None:
        """What a name stands for in a file; None for what is not of the project or cannot be followed."""
        if name.startswith(":"):
            return self._member(path, name[1:].split("."), depth)
        own = self._names[path]
        absolute = own.absolute(name)
        parts = absolute.split(".") if absolute else []
        for count in range(len(parts), 0, -1):
            module = self._module(".".join(parts[:count]), own.root)
            if module is not None:
                return _Module(module) if count == len(parts) else self._member(module, parts[count:], depth)
        return None

    def _member(self, path: str, parts: list[str], depth: int) -> _Found | None:
        summary = self._summaries.get(path)
        if summary is None or depth > _DEPTH:
            return None
        joined = ".".join(parts)
        if joined in summary.classes:
            return _Class(path, joined)
        if joined in summary.functions:
            return None if (path, joined) in self._ambiguous else _Key(path, joined)
        first, *rest = parts
        if first in summary.classes:
            return self._method(_Class(path, first), rest[0]) if len(rest) == 1 else None
        target = summary.names.get(first)
        if target is None:
            return None
        if target.method != "*":
            return self._lookup(path, ".".join((target.name, *rest)), depth + 1)
        cls = self._class(path, target.name, depth + 1)
        if not rest:
            return None if cls is None else _Instance(*cls)
        return self._method(cls, rest[0]) if cls is not None and len(rest) == 1 else None

    @cached_property
    def _ambiguous(self) -> set[tuple[str, str]]:
        """The functions that are defined more than once: nothing tells which of them another module gets."""
        return {
            (path, name.partition("@")[0])
            for path, summary in self._summaries.items()
            for name in summary.functions
            if "@" in name
        }

    def _class(self, path: str, name: str, depth: int = 0) -> _Class | None:
        return self._class_of(self._lookup(path, name, depth))

    @staticmethod
    def _class_of(found: _Found | None) -> _Class | None:
        match found:
            case _Class():
                return found
            case _Instance(path, cls):
                return _Class(path, cls)
            case _:
                return None

    def _family(self, cls: _Class) -> tuple[_Class | str, ...]:
        """The class and its bases, nearest first; those that are not of the project by name."""
        known = self._families.get(cls)
        if known is None:
            self._families[cls] = (cls,)  # a class whose bases are looked up in itself
            known = self._families[cls] = tuple(self._found_family(cls))
        return known

    def _found_family(self, cls: _Class) -> dict[_Class | str, None]:
        found: dict[_Class | str, None] = {}
        work: list[_Class | str] = [cls]
        while work:
            current = work.pop(0)
            if current in found:
                continue
            found[current] = None
            if isinstance(current, _Class):
                bases = self._summaries[current.path].classes[current.name]
                work.extend(self._class(current.path, base) or base for base in bases)
        return found

    def _method(self, cls: _Class, name: str, *, above: bool = False) -> _Key | None:
        for kin in self._family(cls):
            if isinstance(kin, _Class) and not (above and kin == cls):
                qualified = f"{kin.name}.{name}"
                if qualified in self._summaries[kin.path].functions:
                    return _Key(kin.path, qualified)
        return None

    # -- links -------------------------------------------------------------------------------------------------------

    def links(self) -> list[Link]:
        """Each fork that may run after a thread start, once, with the shortest way between them."""
        best: dict[tuple[str, Span], tuple[_Linked, _ForkAt]] = {}
        for fork, linked in self._candidates():
            place = fork.key.path, fork.fork.span
            known = best.get(place)
            if known is None or linked < known[0]:
                best[place] = linked, fork
        found = []
        for linked, fork in best.values():
            thread = self._threads[linked.thread]
            found.append(Link(fork.key.path, fork.fork, thread.key.path, thread.span, linked.how))
        return sorted(found, key=lambda link: (link.path, link.fork.span))

    def _candidates(self) -> Iterator[tuple[_ForkAt, _Linked]]:
        if not self._threads or not self._forks:
            return
        threads = _Reach(self, [(t.key, t.number) for t in self._threads], lasting=True)
        forks = _Reach(self, [(f.key, f.number) for f in self._forks], lasting=False)
        yield from self._in_order(threads, forks)
        yield from self._after_import(threads, forks)
        yield from self._in_the_thread(forks)

    def _in_order(self, threads: _Reach, forks: _Reach) -> Iterator[tuple[_ForkAt, _Linked]]:
        """A function that comes to the thread start and then to the fork."""
        for (key, number), starts in threads.ways.items():
            site = self.site(key, number)
            for after in site.then:
                for way in forks.ways.get((key, after), ()):
                    for start in starts:
                        fork, thread = self._forks[way.what], self._threads[start.what]
                        if not self._concerns(thread, fork):
                            continue
                        if thread.in_loop and not self._function(key).is_async:
                            continue
                        first = self._does(key, number, threads.chain(start.what, start.onward), "starts it")
                        second = self._does(key, after, forks.chain(way.what, way.onward), "forks")
                        how = f"{self._label(key)} {first}, then {second}"
                        yield fork, _Linked(start.length + way.length, start.what, how)

    def _after_import(self, threads: _Reach, forks: _Reach) -> Iterator[tuple[_ForkAt, _Linked]]:
        """A function on the way to the fork whose module's import starts the thread."""
        started: dict[str, list[tuple[int, int, _Key]]] = defaultdict(list)
        for what, onward in enumerate(threads.onward):
            for key, (length, _) in onward.items():
                if key.name == TOP_LEVEL:
                    started[key.path].append((length, what, key))
        for number, onward in enumerate(forks.onward):
            fork = self._forks[number]
            for key in onward:
                if key.name == TOP_LEVEL or self._runs_at_import(key):
                    continue
                for path in (key.path, *self._packages_around(key.path)):
                    for length, what, top in started.get(path, ()):
                        thread = self._threads[what]
                        if thread.in_loop or not self._concerns(thread, fork):
                            continue
                        chain = threads.chain(what, top)
                        how = f"{self._imports(key, chain)}{self._on_to(key, forks.chain(number, key))}"
                        yield fork, _Linked(length + onward[key][0], what, how)

    def _runs_at_import(self, key: _Key) -> bool:
        """Whether the top level of a function's own module calls it, maybe before its other imports."""
        top = _Key(key.path, TOP_LEVEL)
        return any(caller == top and not self.site(top, site).guarded for caller, site in self.callers.get(key, ()))

    def _imports(self, key: _Key, chain: list[_Key]) -> str:
        module = self._names[key.path].dotted
        labels = [label for label in map(self._label, chain) if label != module]
        return f"{module} imports {' > '.join(labels)}" if labels else f"importing {module} starts it"

    def _on_to(self, key: _Key, chain: list[_Key]) -> str:
        return "" if len(chain) == 1 else f"; {self._label(key)} calls {' > '.join(map(self._label, chain[1:]))}"

    def _in_the_thread(self, forks: _Reach) -> Iterator[tuple[_ForkAt, _Linked]]:
        """A thread that itself comes to the fork."""
        for what, thread in enumerate(self._threads):
            for key in thread.runs:
                for number, onward in enumerate(forks.onward):
                    if key in onward and self._concerns(thread, self._forks[number]):
                        labels = " > ".join(map(self._label, forks.chain(number, key)))
                        yield self._forks[number], _Linked(onward[key][0], what, f"it runs {labels}")

    @staticmethod
    def _concerns(thread: _Thread, fork: _ForkAt) -> bool:
        """Whether no single file shows both; where it does, the check of that file has judged them."""
        return thread.derived or fork.derived or thread.key.path != fork.key.path

    def _does(self, key: _Key, number: int, chain: list[_Key], itself: str) -> str:
        if not chain:
            return itself
        verb = "imports" if self.site(key, number).act is Act.IMPORT else "calls"
        return f"{verb} {' > '.join(map(self._label, chain))}"

    def _label(self, key: _Key) -> str:
        module = self._names[key.path].dotted
        return module if key.name == TOP_LEVEL else f"{module}.{key.name.partition('@')[0]}"
