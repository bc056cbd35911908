"""Programs that grow: the same hazard in `n` functions, branches, methods, calls or handles, or nested `n` deep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_IMPORTS = "import os\nimport subprocess\nimport threading\n\n"
_CHILD = "    p = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
_MAIN = f"def main(command):\n{_CHILD}    p.wait()\n"
_WORKER = "class Worker:\n    def __init__(self):\n        self.p = subprocess.Popen('x', stdout=subprocess.PIPE)\n"
_OTHER = """
def adds_{i}(numbers, more):
    total = sum(numbers)
    for number in more:
        total += number
    return rounded_{i}(total)
"""
#: Functions with a hazard, by the code that is reported in each; `{i}` makes it one of many.
_HAZARDS = (
    (
        "wait for a full pipe",
        "FRK101",
        """
def waits_{i}(command):
    p = subprocess.Popen(command, stdout=subprocess.PIPE)
    return p.wait()
""",
    ),
    (
        "fork beside a thread",
        "FRK301",
        """
def forks_{i}(work):
    threading.Thread(target=work).start()
    if os.fork() == 0:
        work()
        os._exit(0)
""",
    ),
    (
        "timer that arms itself",
        "FRK401",
        """
def tick_{i}():
    global timer_{i}
    timer_{i} = threading.Timer(1, tick_{i})
    timer_{i}.start()
""",
    ),
    (
        "SIGTERM alone",
        "FRK501",
        """
def stops_{i}(command):
    p = subprocess.Popen(command)
    p.terminate()
    p.wait()
""",
    ),
    (
        "kill in a handler",
        "FRK101",
        """
def tries_{i}(command, work):
    p = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        work()
    except OSError:
        p.kill()
    p.wait()
""",
    ),
    (
        "list of children",
        "FRK501",
        """
def collects_{i}(commands):
    running = []
    for command in commands:
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE))
    for p in running:
        p.terminate()
        p.wait()
""",
    ),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to grow.

    Attributes:
        title: its name in the table.
        source: returns the program of size `n`.
        sizes: the sizes to measure, ascending.
        finds: a code that is reported at every size.
    """

    title: str
    source: Callable[[int], str]
    sizes: tuple[int, ...]
    finds: str = "FRK101"


def _copies(hazards: Sequence[str]) -> Callable[[int], str]:
    """`n` functions, the hazards by turns."""
    return lambda n: _IMPORTS + "".join(hazards[i % len(hazards)].format(i=i) for i in range(n))


def _sequence(step: str, *, before: str = _CHILD, after: str = "    p.wait()\n") -> Callable[[int], str]:
    """`step`, `n` times, inside one function."""
    return lambda n: (
        f"{_IMPORTS}def f(command, x, work):\n{before}" + "".join(step.format(i=i) for i in range(n)) + after
    )


def _methods(n: int) -> str:
    """A class that makes its child in one method and looks after it in `n` others."""
    polling = "".join(f"    def poll_{i}(self):\n        return self.p.poll()\n" for i in range(n))
    return f"{_IMPORTS}{_WORKER}{polling}    def close(self):\n        self.p.wait()\n"


def _method_chain(n: int) -> str:
    calling = "".join(f"    def step_{i}(self):\n        self.step_{i + 1}()\n" for i in range(n))
    return f"{_IMPORTS}{_WORKER}{calling}    def step_{n}(self):\n        self.p.wait()\n"


def _call_chain(n: int) -> str:
    """A child that is waited for and then handed from function to function."""
    passing = "".join(f"def step_{i}(p):\n    step_{i + 1}(p)\n" for i in range(n))
    return f"{_IMPORTS}{passing}def step_{n}(p):\n    p.poll()\n{_MAIN}    step_0(p)\n"


def _factory_chain(n: int) -> str:
    """A child, and another one that comes back through `n` functions."""
    making = "".join(f"def make_{i}(command):\n    return make_{i + 1}(command)\n" for i in range(n))
    last = f"def make_{n}(command):\n    return subprocess.Popen(command, stdout=subprocess.PIPE)\n"
    return f"{_IMPORTS}{making}{last}{_MAIN}    make_0(command)\n"


def _keywords(n: int) -> str:
    steps = "".join(f"    options['key_{i}'] = {i}\n" for i in range(n))
    made = "    options = dict(stdout=subprocess.PIPE)\n"
    return f"{_IMPORTS}def f(command):\n{made}{steps}    p = subprocess.Popen(command, **options)\n    p.wait()\n"


def _elifs(n: int) -> str:
    chain = "".join(f"    elif x == {i}:\n        work()\n" for i in range(n))
    return f"{_IMPORTS}def f(command, x, work):\n{_CHILD}    if x:\n        pass\n{chain}    p.wait()\n"


def _nested(header: str, footer: str = "") -> Callable[[int], str]:
    """One statement inside `n` headers, each one level deeper; `footer` closes each of them."""

    def source(n: int) -> str:
        opened = "".join(f"{' ' * (i + 1)}{header.format(i=i)}\n" for i in range(n))
        closed = "".join(f"{' ' * (i + 1)}{footer}\n" for i in reversed(range(n))) if footer else ""
        child = _CHILD.replace("    ", " ")
        return f"{_IMPORTS}def f(command, x, work):\n{child}{opened}{' ' * (n + 1)}work()\n{closed} p.wait()\n"

    return source


def _expression(first: str, link: str, closing: str = "", last: str = "") -> Callable[[int], str]:
    """One expression with `n` links, computed while a child runs."""
    head = f"{_IMPORTS}def f(command, x, work):\n{_CHILD}"
    return lambda n: f"{head}    x = {first}{link * n}{closing * n}{last}\n    p.wait()\n"


_WIDE = (500, 1000, 2000, 4000)
_BLOCKS = (5, 10, 20)  # CPython allows 20 loops, `with` and `try` blocks inside each other
_INDENTED = (12, 25, 50, 98)  # and 100 levels of indentation
_LINKS = (125, 250, 500, 1000, 2000, 4000)  # how many the parser takes differs from version to version
_BRACKETS = (25, 50, 100, 190)  # it takes 200 inside each other
_LIST = "    running.append(subprocess.Popen(command, stdout=subprocess.PIPE))\n"
_EACH_WAIT = "    for p in running:\n        p.wait()\n"

SHAPES = (
    Shape("all hazards by turns", _copies([source for *_, source in _HAZARDS]), (10, 100, 1000, 2500, 5000, 10000)),
    *(
        Shape(f"copies: {title}", _copies([source]), (10, 100, 500, 1000, 2000), code)
        for title, code, source in _HAZARDS
    ),
    Shape("copies among other functions", _copies([_HAZARDS[0][-1], _OTHER]), _WIDE),
    Shape("ifs in a row", _sequence("    if x[{i}]:\n        work()\n"), _WIDE),
    Shape("ifs in a row on one test", _sequence("    if x:\n        work({i})\n"), _WIDE),
    Shape("loops in a row", _sequence("    for y in x:\n        work({i})\n"), _WIDE),
    Shape("returns in a row", _sequence("    if x[{i}]:\n        return\n"), _WIDE),
    Shape("tries in a row", _sequence("    try:\n        work({i})\n    except OSError:\n        p.kill()\n"), _WIDE),
    Shape("finallys in a row", _sequence("    try:\n        work({i})\n    finally:\n        x()\n"), _WIDE),
    Shape("withs in a row", _sequence("    with work({i}):\n        x()\n"), _WIDE),
    Shape("assignments in a row", _sequence("    x = work(x)\n"), _WIDE),
    Shape("signals in a row", _sequence("    if x[{i}]:\n        p.terminate()\n"), _WIDE),
    Shape("waits in a row", _sequence("    if x[{i}]:\n        p.wait()\n"), _WIDE),
    Shape(
        "children with a name each",
        _sequence(_CHILD.replace("p =", "p{i} =") + "    p{i}.wait()\n", before="", after=""),
        _WIDE,
    ),
    Shape("children under one name", _sequence(_CHILD + "    p.wait()\n", before="", after=""), _WIDE),
    Shape("children in one list", _sequence(_LIST, before="    running = []\n", after=_EACH_WAIT), _WIDE),
    Shape("keywords in one dict", _keywords, _WIDE),
    Shape("methods of one class", _methods, _WIDE),
    Shape("methods that call each other", _method_chain, (50, 100, 200), "FRK108"),
    Shape("functions that call each other", _call_chain, _WIDE),
    Shape("functions that return a child", _factory_chain, (50, 100, 200)),
    Shape("elifs", _elifs, (50, 100, 200, 400)),
    Shape("nested ifs", _nested("if x[{i}]:"), _INDENTED),
    Shape("nested functions", _nested("def g{i}():"), _INDENTED),
    Shape("nested classes", _nested("class G{i}:"), _INDENTED),
    Shape("nested fors", _nested("for y in x:"), _BLOCKS),
    Shape("nested whiles", _nested("while x[{i}]:"), _BLOCKS),
    Shape("nested tries", _nested("try:", "except OSError: p.poll()"), _BLOCKS),
    Shape("nested finallys", _nested("try:", "finally: x()"), _BLOCKS),
    Shape("nested withs", _nested("with x:"), _BLOCKS),
    Shape("boolean chain", _expression("x", " and x"), _LINKS),
    Shape("comparison chain", _expression("x", " < x"), _LINKS),
    Shape("conditional chain", _expression("x", " if x else x"), _LINKS),
    Shape("attribute chain", _expression("x", ".a"), _LINKS),
    Shape("call chain", _expression("x", "()"), _LINKS),
    Shape("method chain", _expression("x", ".a()"), _LINKS),
    Shape("subscript chain", _expression("x", "[0]"), _LINKS),
    Shape("sum", _expression("x", " + x"), _LINKS),
    Shape("union", _expression("x", " | x"), _LINKS),
    Shape("nots", _expression("", "not ", "", "x"), _LINKS),
    Shape("list of values", _expression("x", ", x"), _LINKS),
    Shape("nested calls", _expression("x", "(x", ")"), _BRACKETS),
    Shape("nested lists", _expression("x, ", "[", "]"), _BRACKETS),
)
