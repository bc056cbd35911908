"""The Sphinx directive `sequence`: a sequence diagram, drawn as inline SVG while the site is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from sequence_drawing import svg
from sphinx.util.docutils import SphinxDirective

from flake8_forksafe.diagram import parse

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


class SequenceDirective(SphinxDirective):
    """The block `sequence`: the language is that of `flake8_forksafe.diagram`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the title, which the site's search finds, and the drawing.

        Raises:
            DirectiveError: the block is no diagram; the build then names the page and the line.
        """
        try:
            diagram = parse("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from error
        identity = f"sequence-{self.env.new_serialno('sequence')}"
        title = nodes.paragraph("", diagram.title, classes=["sequence-title"])
        return [nodes.container("", title, nodes.raw("", svg(diagram, identity), format="html"), classes=["sequence"])]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make the directive known to Sphinx."""
    app.add_directive("sequence", SequenceDirective)
    app.add_css_file("sequence.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
