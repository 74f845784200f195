"""Look-up of families, with the nearest name for a typo."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from monitor.model import Family


class UnknownFamily(KeyError):
    """No family has this name; ``nearest`` is the closest one, if any is close."""

    def __init__(self, name: str, nearest: str | None) -> None:
        hint = f'; did you mean "{nearest}"?' if nearest else ""
        super().__init__(f'no metric is called "{name}"{hint}')
        self.name, self.nearest = name, nearest

    def __str__(self) -> str:
        return str(self.args[0])


class Catalogue:
    """An immutable set of families. Two families with one name are refused."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families: dict[str, Family] = {}
        for family in families:
            if family.name in self._families:
                raise ValueError(f'the metric "{family.name}" is declared twice')
            self._families[family.name] = family

    def __getitem__(self, name: str) -> Family:
        try:
            return self._families[name]
        except KeyError:
            raise UnknownFamily(name, nearest(name, self._families)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._families

    def __iter__(self) -> Iterator[Family]:
        return iter(self._families.values())

    def __len__(self) -> int:
        return len(self._families)

    def extended(self, families: Iterable[Family]) -> Catalogue:
        """A catalogue with these families too (recorded series of a rule set, users' own readings)."""
        return Catalogue([*self, *families])


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The closest of ``words`` to a mistyped ``word``, or None when nothing is close."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return found[0] if found else None
