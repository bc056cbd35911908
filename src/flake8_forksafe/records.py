"""Dataclasses whose frozenness the type checker watches over.

At run time `frozen=True` makes each class take twice as long to make, and each object three times: there are about
sixty classes and some hundred thousand objects in a run over a large project. So it only counts in `mypy --strict`;
what is frozen there has the hash of its fields here, as if it were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ("dataclass",)

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, eq: bool = True, frozen: bool = False, **options: bool) -> object:
        """Return a decorator that does as that of `dataclasses` with the same options, but freezes nothing."""
        return dataclasses.dataclass(eq=eq, unsafe_hash=frozen and eq, **options)
