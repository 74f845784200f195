"""Who may do what to a contract: OpenZeppelin roles, proxies and pauses, which protocols share.

Reading holders: ``getRoleMemberCount`` and then ``getRoleMember`` for as many indices as were seen before, and one more, so that
a single grant is seen whole in the same block. Member order is not stable (the last moves into a hole), so sets are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from monitor.model import Address, Log, Read, Snapshot
from monitor.protocols.abi import BadAnswer, Contract, EventType, Function

ProxyKind = Literal["ossifiable_proxy_core", "ossifiable_proxy_csm", "withdrawals_manager_proxy", "aragon_proxy", "kernel_proxy"]
PauseKind = Literal["pausable_until", "aragon_stop", "pausable"]

MEMBER_COUNT = Function.parse("function getRoleMemberCount(bytes32 role) view returns (uint256)")
MEMBER = Function.parse("function getRoleMember(bytes32 role, uint256 index) view returns (address)")
IS_PAUSED = Function.parse("function isPaused() view returns (bool)")
RESUME_SINCE = Function.parse("function getResumeSinceTimestamp() view returns (uint256)")
IS_STOPPED = Function.parse("function isStopped() view returns (bool)")
PAUSED = Function.parse("function paused() view returns (bool)")
_IMPLEMENTATION = Function.parse("function implementation() view returns (address)")
_OSSIFIABLE = (
    Function.parse("function proxy__getImplementation() view returns (address)"),
    Function.parse("function proxy__getAdmin() view returns (address)"),
)
PROXY_READS: Mapping[ProxyKind, tuple[Function, Function | None]] = {
    "ossifiable_proxy_core": _OSSIFIABLE,
    "ossifiable_proxy_csm": _OSSIFIABLE,
    "withdrawals_manager_proxy": (_IMPLEMENTATION, Function.parse("function proxy_getAdmin() view returns (address)")),
    "aragon_proxy": (_IMPLEMENTATION, None),
    "kernel_proxy": (_IMPLEMENTATION, None),
}
PAUSE_READS: Mapping[PauseKind, Function] = {"pausable_until": IS_PAUSED, "aragon_stop": IS_STOPPED, "pausable": PAUSED}

GRANTED = EventType.parse("event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)")
REVOKED = EventType.parse("event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)")
ROLE_ADMIN = EventType.parse(
    "event RoleAdminChanged(bytes32 indexed role, bytes32 indexed previousAdminRole, bytes32 indexed newAdminRole)"
)
UPGRADED = EventType.parse("event Upgraded(address indexed implementation)")
ADMIN_CHANGED = EventType.parse("event AdminChanged(address previousAdmin, address newAdmin)")
OSSIFIED = EventType.parse("event ProxyOssified()")
PAUSED_UNTIL = EventType.parse("event Paused(uint256 duration)")
RESUMED = EventType.parse("event Resumed()")
STOPPED = EventType.parse("event Stopped()")
PAUSED_BY = EventType.parse("event Paused(address account)")
UNPAUSED_BY = EventType.parse("event Unpaused(address account)")
ROLE_EVENTS = (GRANTED, REVOKED, ROLE_ADMIN)
PROXY_EVENTS: Mapping[ProxyKind, tuple[EventType, ...]] = {
    "ossifiable_proxy_core": (UPGRADED, ADMIN_CHANGED, OSSIFIED),
    "ossifiable_proxy_csm": (UPGRADED, ADMIN_CHANGED, OSSIFIED),
    "withdrawals_manager_proxy": (UPGRADED, ADMIN_CHANGED),
    "aragon_proxy": (),
    "kernel_proxy": (),
}
PAUSE_EVENTS: Mapping[PauseKind, tuple[EventType, ...]] = {
    "pausable_until": (PAUSED_UNTIL, RESUMED),
    "aragon_stop": (STOPPED, RESUMED),
    "pausable": (PAUSED_BY, UNPAUSED_BY),
}
FOR_EVER = 2**256 - 1
_MOST_HOLDERS = 500
"""A role with more holders than this is not one that people review; the answer is more likely nonsense."""


@dataclass(frozen=True, slots=True)
class RoleReading:
    """Holders of one role at one block; None when there are more than were read: the next plan reads the rest."""

    count: int
    holders: frozenset[Address] | None


@dataclass(frozen=True, slots=True)
class ContractReading:
    """A proxy's pointers and the pause. None: the contract has no such thing. ``resumes_at``: the end of a timed pause."""

    implementation: Address | None
    admin: Address | None
    paused: bool | None
    resumes_at: int | None


@dataclass(frozen=True)
class Guarded:
    """A contract with roles, a proxy or a pause. ``roles``: names by hash; ``enumerable``: whether holders can be read."""

    contract: Contract
    roles: Mapping[bytes, str] = field(default_factory=dict)
    enumerable: bool = False
    proxy: ProxyKind | None = None
    pause: PauseKind | None = None

    @property
    def name(self) -> str:
        return self.contract.name

    def role_name(self, role: bytes) -> str:
        return self.roles.get(role, "0x" + role.hex())

    def role_reads(self, expected: Mapping[str, int]) -> Sequence[Read]:
        """``expected``: how many holders each role had, by name; one more is read than that."""
        reads = []
        for role, name in self.roles.items():
            reads.append(self.contract.read(MEMBER_COUNT, role))
            reads += [self.contract.read(MEMBER, role, i) for i in range(min(expected.get(name, 0), _MOST_HOLDERS) + 1)]
        return reads

    def holders(self, snapshot: Snapshot, expected: Mapping[str, int]) -> dict[str, RoleReading]:
        """By role name. Raises Unanswered; BadAnswer when a holder is listed twice or there are absurdly many."""
        return {name: self._holders(snapshot, role, expected.get(name, 0) + 1) for role, name in self.roles.items()}

    def _holders(self, snapshot: Snapshot, role: bytes, read: int) -> RoleReading:
        count: int = self.contract.ask(snapshot, MEMBER_COUNT, role)
        if count > _MOST_HOLDERS:
            raise BadAnswer(self.name, MEMBER_COUNT.name, count.to_bytes(32, "big"), f"at most {_MOST_HOLDERS} holders")
        if count > read:
            return RoleReading(count, None)
        members = [self.contract.ask(snapshot, MEMBER, role, i) for i in range(count)]
        if len(set(members)) != count:
            raise BadAnswer(self.name, MEMBER.name, b"", f"{count} different holders of {self.role_name(role)}")
        return RoleReading(count, frozenset(members))

    def state_reads(self) -> Sequence[Read]:
        functions: list[Function | None] = [*(PROXY_READS[self.proxy] if self.proxy else ())]
        functions += [PAUSE_READS[self.pause]] if self.pause else []
        functions += [RESUME_SINCE] if self.pause == "pausable_until" else []
        return [self.contract.read(f) for f in functions if f is not None]

    def state(self, snapshot: Snapshot) -> ContractReading:
        """Raises Unanswered. A timed pause ends silently, so the end counts, not the last event."""
        implementation = admin = paused = resumes = None
        if self.proxy:
            pointer, owner = PROXY_READS[self.proxy]
            implementation = self.contract.ask(snapshot, pointer)
            admin = self.contract.ask(snapshot, owner) if owner else None
        if self.pause:
            paused = self.contract.ask(snapshot, PAUSE_READS[self.pause])
        if self.pause == "pausable_until":
            end = self.contract.ask(snapshot, RESUME_SINCE)
            resumes = end if paused and end != FOR_EVER else None
        return ContractReading(implementation, admin, paused, resumes)

    def events(self) -> list[tuple[Contract, EventType]]:
        """What of this contract the roles signal listens to."""
        found = [*(ROLE_EVENTS if self.roles or self.enumerable else ())]
        found += PROXY_EVENTS[self.proxy] if self.proxy else ()
        found += PAUSE_EVENTS[self.pause] if self.pause else ()
        return [(self.contract, event) for event in found]


@dataclass(frozen=True, slots=True)
class RoleChange:
    contract: str
    role: str
    account: Address | None
    change: Literal["granted", "revoked", "admin_changed"]
    log: Log
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProxyChange:
    contract: str
    change: Literal["implementation", "admin", "ossified"]
    account: Address | None
    log: Log


@dataclass(frozen=True, slots=True)
class PauseChange:
    contract: str
    change: Literal["paused", "resumed"]
    log: Log
    details: Mapping[str, str] = field(default_factory=dict)


Change = RoleChange | ProxyChange | PauseChange


def change(guarded: Guarded, event: EventType, values: Mapping[str, Any], log: Log) -> Change:
    """What one of the events of ``Guarded.events`` says."""
    if event in ROLE_EVENTS:
        return _role_change(guarded, event, values, log)
    if event == UPGRADED:
        return ProxyChange(guarded.name, "implementation", values["implementation"], log)
    if event == ADMIN_CHANGED:
        return ProxyChange(guarded.name, "admin", values["newAdmin"], log)
    if event == OSSIFIED:
        return ProxyChange(guarded.name, "ossified", None, log)
    details = {k: "for ever" if v == FOR_EVER else str(v) for k, v in values.items()}
    return PauseChange(guarded.name, "paused" if event in (PAUSED_UNTIL, STOPPED, PAUSED_BY) else "resumed", log, details)


def _role_change(guarded: Guarded, event: EventType, values: Mapping[str, Any], log: Log) -> RoleChange:
    role = guarded.role_name(values["role"])
    if event == ROLE_ADMIN:
        details = {"previous_admin": guarded.role_name(values["previousAdminRole"]), "new_admin": guarded.role_name(values["newAdminRole"])}
        return RoleChange(guarded.name, role, None, "admin_changed", log, details)
    return RoleChange(
        guarded.name, role, values["account"], "granted" if event == GRANTED else "revoked", log, {"sender": values["sender"]}
    )
