"""What a person means by the name of a target, and what the guardian contract has registered: read from the chain, so that nothing need be typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from eth_utils.address import is_checksum_formatted_address

from monitor.guardian import contract as guardian
from monitor.guardian.checks import code_of
from monitor.guardian.contract import PauseImpossible, Registered
from monitor.guardian.levers import NoGood, ask
from monitor.guardian.levers.declared import Declarations, Declared, RoleLever
from monitor.guardian.node import Nodes
from monitor.guardian.settings import GuardianSettings, TargetSettings
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Address, BlockStamp, Code, Read, Snapshot, Unanswered, address
from monitor.protocols.abi import Contract, Function

PAUSE_ROLE = Function.parse("function PAUSE_ROLE() view returns (bytes32)")


@dataclass(frozen=True, slots=True)
class Aim:
    """A target that was named. ``declared``: its own lever, beside the guardian, if one is declared for it."""

    name: str
    where: Address
    declared: Declared | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A target as the guardian contract has it."""

    name: str
    where: Address
    registered: Registered
    has_pause_role: bool = False
    """It answers ``PAUSE_ROLE()``."""


@dataclass(frozen=True)
class Book:
    """Names for addresses: those of the settings, and those of the declared levers."""

    targets: tuple[TargetSettings, ...]
    declarations: Declarations

    @property
    def _declared(self) -> list[tuple[str, Declared]]:
        return [(f"{p.protocol}/{lever.contract}", lever) for p in self.declarations.protocols for lever in p.levers]

    def find(self, text: str) -> Aim | None:
        """What that name or address means; None for a name that nothing has. Raises PauseImpossible for a mistyped address."""
        if text[:2].lower() == "0x":
            return self.aim(typed_address(text))
        for target in self.targets:
            if target.name == text:
                return self.aim(target.where, text)
        found = self.declarations.find(text)
        return None if found is None else self.aim(found[1].where, f"{found[0]}/{found[1].contract}")

    def aim(self, where: Address, name: str = "") -> Aim:
        """The target at an address, by the name that it has here."""
        own = next((t.name for t in self.targets if t.where == where), "")
        known = next(((n, lever) for n, lever in self._declared if lever.where == where), None)
        return Aim(name or own or (known[0] if known else where), where, known[1] if known else None)

    def names(self) -> list[str]:
        """All of them."""
        return [*(t.name for t in self.targets), *(n for n, _ in self._declared)]


def typed_address(text: str) -> Address:
    """An address as somebody typed it. Raises PauseImpossible for none, and for one whose checksum does not fit."""
    try:
        found = address(text)
    except ValueError:
        raise PauseImpossible(f"{text} is not an address: give 20 bytes as 0x hex ({len(text) - 2} digits are there, not 40)") from None
    if is_checksum_formatted_address(text) and text != found:
        raise PauseImpossible(f"{text} is mistyped: its checksum does not fit")
    return found


def no_guardian(where: Address, chain_id: int) -> PauseImpossible:
    """There is no contract where the guardian should be."""
    return PauseImpossible(
        f"there is no contract at {where} on chain {chain_id}: is this the guardian's chain? Else correct guardian.contract, or --guardian"
    )


def another(where: Address, why: str) -> PauseImpossible:
    """There is a contract, and it is none of ours."""
    return PauseImpossible(f"the contract at {where} is not a guardian ({why}): correct guardian.contract, or --guardian")


def registered_at(snapshot: Snapshot, where: Address, target: Address) -> Registered:
    """What the guardian at ``where`` has for a target. Raises PauseImpossible when it is none, Unanswered."""
    found = ask(snapshot, Contract("guardian", where), guardian.TARGET, target)
    try:
        if isinstance(found, NoGood):
            raise another(where, found.reason)
        return guardian.registered(found)
    except ValueError as newer:
        raise PauseImpossible(f"the guardian at {where} has {newer}: use a newer version of this program") from None


async def enrolled(nodes: Nodes, at: BlockStamp, where: Address, chain_id: int, book: Book) -> tuple[Enrolled, ...]:
    """Every target that is registered with the guardian, by the names of the book.

    Raises PauseImpossible when no guardian is there, NoMajority and Unanswered when it cannot be read.
    """
    contract = Contract("guardian", where)
    first = await take_snapshot(nodes, at, [Read(where, Code()), contract.read(guardian.TARGETS)])
    if not code_of(first, contract):
        raise no_guardian(where, chain_id)
    targets = ask(first, contract, guardian.TARGETS)
    if isinstance(targets, NoGood):
        raise another(where, targets.reason)
    reads = [r for t in targets for r in (contract.read(guardian.TARGET, t), Contract("target", t).read(PAUSE_ROLE))]
    second = await take_snapshot(nodes, at, reads)
    return tuple(
        Enrolled(book.aim(t).name, t, registered_at(second, where, t), isinstance(_role(second, t), bytes)) for t in map(Address, targets)
    )


def settings_of(found: Sequence[Enrolled], where: Address, book: Book) -> GuardianSettings:
    """What the settings would say of the targets that are registered: for what asks for settings, where there are none."""
    return GuardianSettings.model_validate({"contract": where, "targets": [_target(e, book) for e in found]})


def unheard(text: str, book: Book, found: Sequence[Enrolled] | None) -> PauseImpossible:
    """Nothing has that name: the nearest that there is, and all that is registered with the guardian, if one was asked."""
    names = [*book.names(), *(e.name for e in found or ())]
    short = {n.split("/")[-1]: n for n in names}
    near = list(dict.fromkeys(short.get(n, n) for n in get_close_matches(text, [*names, *short], 3)))
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if found is None:
        return PauseImpossible(
            f'no target is named "{text}"{hint or "; no guardian is named either (--guardian ADDRESS, or --settings FILE)"}'
        )
    return PauseImpossible("\n".join([f'no target is named "{text}"{hint}', *listing(found)]))


def listing(found: Sequence[Enrolled]) -> list[str]:
    """The registered targets, one a line."""
    if not found:
        return ["nothing is registered with the guardian"]
    width = max(len(e.name) for e in found)
    return [
        "registered with the guardian:",
        *(f"  {e.name:{width}}  {'' if e.name == e.where else e.where + '  '}{_lever(e)}" for e in found),
    ]


def _lever(found: Enrolled) -> str:
    known = found.registered
    ends = "until somebody lifts it" if known.lever == "Pause" else f"for {known.guardian_seconds} s"
    return f"{known.lever}: people pause it {ends}; {known.quota_left} of {known.guardian_quota} s are left to them"


def _role(snapshot: Snapshot, where: Address) -> object:
    try:
        return ask(snapshot, Contract("target", where), PAUSE_ROLE)
    except Unanswered:
        return None


def _target(found: Enrolled, book: Book) -> dict[str, object]:
    """A name as settings allow it: the last part of a declared one, else the address."""
    known = book.aim(found.where)
    lever = next(name for name, registered in guardian.LEVER_NAMES.items() if registered == found.registered.lever)
    getter = known.declared.role_getter if isinstance(known.declared, RoleLever) else "PAUSE_ROLE" if found.has_pause_role else None
    short = known.name.split("/")[-1]
    twice = [n for n in book.names() if n.split("/")[-1] == short]
    name = short if len(twice) <= 1 else known.where
    protocol = known.name.split("/")[0] if "/" in known.name else ""
    return {"name": name.lower(), "address": found.where, "lever": lever, "role_getter": getter, "protocol": protocol}
