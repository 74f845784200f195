"""What an examination found, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong"]
"""``note``: it works, and is weaker than it could be, or could not be asked. ``wrong``: something is not seen or not done because of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``said`` is what was found at ``what``; ``remedy`` what to do about it, empty when nothing is to be done."""

    what: str
    state: State
    said: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:5}  {self.what}: {self.said}" + (f"; {self.remedy}" if self.remedy else "")


def ok(what: str, said: str) -> Finding:
    """Nothing is to be done."""
    return Finding(what, "ok", said)


def note(what: str, said: str, remedy: str = "") -> Finding:
    """It works, or could not be asked."""
    return Finding(what, "note", said, remedy)


def wrong(what: str, said: str, remedy: str) -> Finding:
    """It must be mended."""
    return Finding(what, "wrong", said, remedy)


def some(names: list[str], most: int = 5) -> str:
    """A list of names that fits a line."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def told(findings: list[Finding]) -> Iterator[str]:
    """The lines to print, with a last one that counts."""
    yield from map(str, findings)
    counts = {state: sum(f.state == state for f in findings) for state in ("ok", "note", "wrong")}
    yield f"{len(findings)} examined: {counts['ok']} ok, {counts['note']} to know, {counts['wrong']} to mend"
