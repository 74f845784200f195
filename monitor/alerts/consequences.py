"""What an alert leads to beside messages, as the room that does it tells it: the seam by which a pause gets into an incident's account.

The rooms above cannot be imported here, so the book of incidents is given a way to ask. What is told is read from the store, in the
transaction that owes the message: so the service, a person's command and a restart say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection

if TYPE_CHECKING:  # the desk holds a teller
    from monitor.alerts.desk import Episode


@dataclass(frozen=True, slots=True)
class Consequence:
    """A pause that the alerts of an incident may lead to, led to, or are about. All is plain text, and may hold text of strangers.

    ``state``: one word. ``ends``: block time at which it ends by itself, while it is on. ``facts``: name and what is so; ``commands``: what
    for, and what to type. Times in it are absolute: what is told changes when something happens.
    """

    target: str
    state: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    decision: str | None = None
    ends: int | None = None

    @property
    def essence(self) -> list[Any]:
        """What is worth another message when it changes."""
        return [self.state, self.ends]

    def as_json(self) -> dict[str, Any]:
        """As it stands in a body, and in the page's JSON."""
        return {
            "target": self.target, "state": self.state, "title": self.title, "decision": self.decision, "ends": self.ends,
            "facts": [{"name": name, "text": text} for name, text in self.facts],
            "commands": [{"for": what, "command": command} for what, command in self.commands],
        }  # fmt: skip


Teller: TypeAlias = "Callable[[Sequence[Episode]], tuple[Consequence, ...]]"
"""The consequences of an incident's episodes, one a target, as they are in one transaction."""
Consequences: TypeAlias = "Callable[[Connection], Teller]"


def none(_: Connection) -> Teller:
    """Alerts lead to messages alone: there is nothing to pause."""
    return lambda _: ()


def lines(pause: Mapping[str, Any]) -> list[str]:
    """One of a body's pauses as lines of plain text, for receivers without markup of their own."""
    told = [f"{fact['name']}: {fact['text']}" for fact in pause["facts"]]
    return [pause["title"], *told, *(f"{each['for']}: {each['command']}" for each in pause["commands"])]
