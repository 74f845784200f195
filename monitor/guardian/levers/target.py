"""How a target is paused, and what can be read about it: the reads of each target, and what they say.

A read that nobody answered makes everything about its target unknown (Unanswered); a contract that reverts or answers
nonsense is an answer: the reason why something is not ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor.guardian import contract as guardian
from monitor.guardian.settings import TargetSettings
from monitor.model import Address, Call, Code, Read, Reverted, Snapshot, Unanswered
from monitor.protocols.abi import BadAnswer, Contract, Function

IS_PAUSED = Function.parse("function isPaused() view returns (bool)")
PAUSED = Function.parse("function paused() view returns (bool)")
RESUME_SINCE = Function.parse("function getResumeSinceTimestamp() view returns (uint256)")
HAS_ROLE = Function.parse("function hasRole(bytes32,address) view returns (bool)")


@dataclass(frozen=True, slots=True)
class NoGood:
    """A contract did not give what was asked: why, in words."""

    reason: str


def ask(snapshot: Snapshot, contract: Contract, function: Function, *arguments: Any) -> Any:
    """The decoded answer, or NoGood where the contract reverted or answered nonsense. Raises Unanswered where nobody answered."""
    try:
        return contract.ask(snapshot, function, *arguments)
    except BadAnswer as bad:
        return NoGood(str(bad))
    except Unanswered as missing:
        if isinstance(missing.answer, Reverted):
            return NoGood(f"{function.name} on {contract.address} reverted")
        raise


@dataclass(frozen=True)
class Lever:
    """One target with its lever. ``lapses``: the pause ends by itself."""

    settings: TargetSettings

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def lapses(self) -> bool:
        return self.settings.lever != "pause"

    @property
    def via_breaker(self) -> bool:
        return self.settings.lever == "circuitBreaker"

    @property
    def registered_as(self) -> str:
        """The lever as the guardian contract calls it."""
        return guardian.LEVER_NAMES[self.settings.lever]

    @property
    def contract(self) -> Contract:
        return Contract(self.settings.name, self.settings.where)

    @property
    def is_paused(self) -> Function:
        return IS_PAUSED if self.lapses else PAUSED

    @property
    def role(self) -> Function | None:
        """The getter of the role that may pause; None for a target without roles."""
        getter = self.settings.role_getter
        return None if getter is None else Function.parse(f"function {getter}() view returns (bytes32)")

    def reads(self, role: bytes | None, holder: Address | None) -> list[Read]:
        """What to read of the target itself. ``role``: the hash that the getter gave before, if it did; ``holder``: who has to hold it."""
        found = [Read(self.settings.where, Code()), self.contract.read(self.is_paused)]
        if self.lapses:
            found.append(self.contract.read(RESUME_SINCE))
        if self.role is not None:
            found.append(self.contract.read(self.role))
        if (probe := self.probe) is not None:
            found.append(probe)
        if role is not None and holder is not None:
            found.append(self.contract.read(HAS_ROLE, role, holder))
        return found

    def paused(self, snapshot: Snapshot) -> bool | NoGood:
        """Whether the target says that it is paused."""
        found: bool | NoGood = ask(snapshot, self.contract, self.is_paused)
        return found

    def resumes_at(self, snapshot: Snapshot) -> int | NoGood | None:
        """First second at which it is not paused; None for a lever that does not lapse."""
        return ask(snapshot, self.contract, RESUME_SINCE) if self.lapses else None

    @property
    def probe(self) -> Read | None:
        """The user's call that a pause has to stop, if the settings name one."""
        asked = self.settings.probe
        return None if asked is None else Read(Address(asked.to), Call(bytes.fromhex(asked.data[2:])), caller=Address(asked.sender))

    def by_person(self, guardian_at: Address, person: Address) -> Read:
        """A person's pause as a call from that person."""
        return Read(guardian_at, Call(guardian.pause_calldata(self.settings.where)), caller=person)
