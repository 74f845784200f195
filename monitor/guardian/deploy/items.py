"""What a read-back consists of: one thing that was read, what it should be, and what to do if it is otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitor.guardian.deploy.plan import PersonPlan
from monitor.guardian.levers.reader import Unknown
from monitor.model import Address, Hash

State = Literal["ok", "missing", "wrong", "unknown"]
"""``missing``: somebody's call is still to be made. ``wrong``: it is otherwise than planned. ``unknown``: it could not be read."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was read back. ``key`` is that of the step that would put it right, if there is one."""

    key: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the contracts are. ``creation``, ``releaser_creation``: the transactions that made them, where they are known."""

    guardian: Address
    releaser: Address | None = None
    creation: Hash | None = None
    releaser_creation: Hash | None = None


def item(key: str, found: Any, wanted: Any, ok: str, remedy: str, *, unset: Any = None, shown: Any = None) -> Item:
    """``unset``: the value that says that the call was not made yet."""
    if isinstance(found, Unknown):
        return Item(key, "unknown", str(found), "ask again with other endpoints")
    if found == wanted:
        return Item(key, "ok", ok)
    return Item(key, "missing" if found == unset else "wrong", f"is {found if shown is None else shown}, planned: {ok}", remedy)


def listed(what: str, held: Sequence[Address] | Unknown, planned: Sequence[PersonPlan], undo: str) -> Iterator[Item]:
    """Each that is planned, and each that is there without being planned."""
    if isinstance(held, Unknown):
        yield Item(f"{what}s", "unknown", str(held), "ask again with other endpoints")
        return
    for person in planned:
        there = person.where in held
        yield Item(
            f"{what} {person.name}", "ok" if there else "missing", str(person.where), "" if there else "the admin makes the call below"
        )
    strangers = [a for a in held if a not in {p.where for p in planned}]
    text = f"{', '.join(strangers)}: held, and not planned" if strangers else "nobody else"
    yield Item(
        f"{what}s beside the plan", "wrong" if strangers else "ok", text, f"the admin: {undo}, or correct the plan" if strangers else ""
    )
