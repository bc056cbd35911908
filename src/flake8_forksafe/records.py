"""Dataclasses that are cheap to make, and whose frozenness the type checker watches over.

There are about sixty classes and some hundred thousand objects in a run over a large project. `dataclasses` compiles
each method of each class, which is a third of the time that the import of the analysis takes; and `frozen=True` makes
each object take three times as long to make. So comparison, hash and text are functions made without a compiler here,
and what is frozen is so in `mypy --strict` only: at run time it just has the hash of its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ("dataclass",)

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from operator import attrgetter
    from reprlib import recursive_repr

    def dataclass(*, eq: bool = True, order: bool = False, frozen: bool = False, **options: bool) -> object:
        """Return a decorator that does as that of `dataclasses` with the same options, but freezes nothing."""

        def decorate(cls: type) -> type:
            made = dataclasses.dataclass(eq=order, order=order, repr=False, **options)(cls)
            names = made.__match_args__
            made.__repr__ = _repr
            if eq:
                _compare_by(made, attrgetter(*names) if names else lambda _self: (), hashable=frozen)
            return made

        return decorate

    def _compare_by(cls: type, key: object, *, hashable: bool) -> None:
        def equals(self: object, other: object) -> bool:
            return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

        cls.__eq__ = equals
        cls.__hash__ = (lambda self: hash(key(self))) if hashable else None

    @recursive_repr()
    def _repr(self: object) -> str:
        values = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({', '.join(values)})"
