"""How a run is told: to people, to editors, and to the services that show findings next to the code."""

from __future__ import annotations

#: Each is a module of this package with a function `render(outcomes, *, screen)`.
FORMATS = ("text", "concise", "json", "sarif", "github", "gitlab")
#: Those that tell who a finding is, wherever it moves.
IDENTIFYING = frozenset({"sarif", "gitlab"})
