"""A condition of readiness, and what several rooms of the guardian ask of answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitor.guardian.levers.target import NoGood, ask
from monitor.model import Code, Failed, Read, Reverted, Snapshot, Unanswered, Value
from monitor.protocols.abi import Contract, Function

By = Literal["guardian", "sentinel"]


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. ``reason`` says why it does not hold, or what holds."""

    name: str
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """All conditions of one target for one kind of pauser."""

    target: str
    by: By
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        return all(c.ok for c in self.checks)

    @property
    def failing(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if not c.ok)


def reasons(found: Sequence[Readiness]) -> dict[str, dict[str, str]]:
    """The failing reasons as plain JSON: by kind of pauser and check. For pages and messages."""
    return {r.by: {c.name: c.reason for c in r.failing} for r in found}


def has_code(name: str, what: str, where: str, answer: bytes) -> Check:
    return Check(name, len(answer) > 0, f"{what} {where} has {len(answer)} bytes of code")


def code_of(snapshot: Snapshot, contract: Contract) -> bytes:
    """Raises Unanswered."""
    return snapshot.value(Read(contract.address, Code()))


def outcome(snapshot: Snapshot, read: Read, what: str) -> bytes | None:
    """The revert data of a simulated call; None when it goes through. Raises Unanswered."""
    answer = snapshot.answers.get(read, Failed("was not read at this block"))
    if isinstance(answer, Value):
        return None
    if isinstance(answer, Reverted):
        return answer.data
    raise Unanswered(what, answer)


def or_none(snapshot: Snapshot, contract: Contract, function: Function, *arguments: Any) -> Any:
    """The decoded answer; None for whatever is none."""
    try:
        found = ask(snapshot, contract, function, *arguments)
    except Unanswered:
        return None
    return None if isinstance(found, NoGood) else found
