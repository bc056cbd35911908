"""What a rule file declares about itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flake8_forksafe.finding import Finding
    from flake8_forksafe.model.module import ModuleModel
    from flake8_forksafe.model.scopes import Function, ScopeTable
    from flake8_forksafe.outline import Outline

#: A rule can only report in a file that holds, for each group, at least one word of it.
Triggers = tuple[tuple[str, ...], ...]

HEADINGS = (
    "What it does",
    "What happens at run time",
    "Example",
    "Use instead",
    "Fix safety",
    "When it is fine to ignore",
    "What it cannot see",
    "References",
)

#: Matches the block that `flake8_forksafe.diagram` reads; the group is its inside.
SEQUENCE = r"```sequence\n(.*?)```"


class Rule(NamedTuple):
    """The declaration that each file of `flake8_forksafe.rules` binds to `RULE`.

    Arguments:
        code: `FRK` and three digits; never changes its meaning.
        name: the kebab-case name, as in the file's name.
        triggers: words in conjunctive form. A file is looked at only if, for every group, one of the group's words
            occurs in its bytes; the words must therefore occur in every file in which the rule can report.
        check: the generator that asks the model and yields findings.
        names: identifiers in conjunctive form, looked for once the tree has been walked: for every group, the module
            must spell one of the group's identifiers in its code (imports, attributes, keywords and literal keys
            count) where the rule can report.
        makers: identifiers of which one stands wherever something that the rule asks about comes into a module. What a
            function does that gets nothing from such a place is not looked at.
        settlers: identifiers of calls that bring nothing in, but decide what the rule says, wherever in the module they
            stand: `set_start_method`, `SIGCHLD`, what ends a process.
        possible: a look at the text before it is parsed; False where the rule certainly has nothing to say.
        plausible: a look at the functions that have to do with resources, before the model is built; the same.
        opt_in: True when the rule is off until its code is named in `select` or `extend-select`.
    """

    code: str
    name: str
    triggers: Triggers
    makers: frozenset[str]
    check: Callable[[ModuleModel], Iterator[Finding]]
    opt_in: bool = False
    names: tuple[frozenset[str], ...] = ()
    settlers: frozenset[str] = frozenset()
    possible: Callable[[Outline], bool] = lambda _outline: True
    plausible: Callable[[ScopeTable, Sequence[Function]], bool] = lambda _scopes, _live: True

    def __hash__(self) -> int:
        """Hash by the code, which tells rules apart."""
        return hash(self.code)


class RulePage(NamedTuple):
    """A rule file's docstring, taken apart: the summary line and the text under each fixed heading."""

    summary: str
    sections: dict[str, str]

    @classmethod
    def parse(cls, docstring: str) -> RulePage:
        """Split `docstring` at its headings (a heading is a line `## Name`).

        Raises:
            ValueError: a heading is missing, unknown, or out of order.
        """
        import textwrap  # late: pages are for people, not for runs

        summary, *parts = re.split(r"^## (.+)$", textwrap.dedent(docstring).strip(), flags=re.MULTILINE)
        sections = {title.strip(): body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}
        if tuple(sections) != HEADINGS:
            raise ValueError(f"headings are {', '.join(sections)}; they must be {', '.join(HEADINGS)}")
        return cls(summary.strip(), sections)

    def diagram(self) -> str:
        """Return the inside of the page's `sequence` block.

        Raises:
            ValueError: there is none, or more than one.
        """
        blocks = re.findall(SEQUENCE, self.sections["What happens at run time"], flags=re.DOTALL)
        if len(blocks) != 1:
            raise ValueError(
                f"there are {len(blocks)} sequence blocks under What happens at run time; there must be one"
            )
        block: str = blocks[0]
        return block

    def code_blocks(self, section: str) -> list[str]:
        """Return the python code blocks under one heading."""
        return re.findall(r"```python\n(.*?)```", self.sections[section], flags=re.DOTALL)
