"""The guardian contract as the rest of this room sees it: calls, events, and what each of its refusals means for an order that is on its way.

Its interface is the committed one (``compiled.GUARDIAN``); a test holds it to the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from eth_hash.auto import keccak

from monitor.guardian import compiled
from monitor.guardian.order import ABI_TYPE, Order
from monitor.model import Address
from monitor.protocols.abi import EventType, Function, decode, selector


class PauseImpossible(Exception):
    """A pause would not go through, or did not, or there is no guardian where the settings say: why, and what to do."""


LEVERS = ("None", "PauseFor", "Pause", "CircuitBreaker")
LEVER_NAMES = {"pauseFor": "PauseFor", "pause": "Pause", "circuitBreaker": "CircuitBreaker"}
"""A lever of the settings and of plans, as the contract calls it."""
ARMING = ("Disarmed", "Shadow", "Armed")

Meaning = Literal["fine", "needless", "stale", "cancelled", "early", "obstacle"]
"""``stale``: this very order is void or not signed well enough, another one may do. ``early``: one will do
that is not yet taken, since the endpoints are behind the observed block or a cooldown is on. ``obstacle``: no order would be taken until people act."""

REFUSALS: Mapping[str, tuple[Meaning, str]] = {
    "None": ("fine", "nothing forbids it"),
    "SentinelsStopped": ("obstacle", "people stopped the sentinels (the admin lifts that with allowSentinels)"),
    "NotRegistered": ("obstacle", "the target is not registered"),
    "LeverDoesNotLapse": ("obstacle", "the target's lever does not lapse by itself, so only people may pull it"),
    "NotArmed": ("obstacle", "the target is not armed (the admin arms it)"),
    "TargetBudgetSpent": ("obstacle", "the sentinels' pauses of this target are spent (the admin arms it again)"),
    "ContractBudgetSpent": ("obstacle", "the sentinels' budget over all targets is spent (the admin sets a new one)"),
    "CoolingDown": ("early", "the target's last sentinel pause ended less than its cooldown ago"),
    "WrongEpoch": ("stale", "the order is of another epoch: the target was armed, disarmed, changed or paused meanwhile"),
    "OrderClosed": ("cancelled", "people cancelled the order, or it was told in shadow before"),
    "BlockInFuture": ("early", "the endpoints have not seen the observed block yet"),
    "OrderTooOld": ("stale", "the order is too old"),
    "MalformedSignatures": ("stale", "the signatures are malformed"),
    "TooFewSignatures": ("stale", "too few sentinels signed"),
    "BadSignature": ("stale", "a signature is none"),
    "SignersNotAscending": ("stale", "the signers are not in ascending order"),
    "NotSentinel": ("stale", "a signer is no sentinel any more"),
    "SentinelExpired": ("stale", "a signer's time as a sentinel is over"),
    "StateUnreadable": ("obstacle", "the target does not say whether it is paused"),
    "AlreadyPaused": ("needless", "the target is paused already"),
    "BreakerNotReady": ("obstacle", "the circuit breaker does not know the guardian as the live pauser of the target"),
    "WrongBlockHash": ("fine", "the block's hash is compared off chain: a call at the head cannot know it"),
}
"""In the order of the contract's enum, so that the index is the reason."""
_NAMES = tuple(REFUSALS)

_LIMITS = "(uint32 sentinelSeconds, uint32 guardianSeconds, uint32 guardianQuota, uint32 cooldown, uint24 gasLimit, uint8 budget)"
TARGET = Function.parse(
    "function target(address) view returns ((uint8 lever, uint8 arming, uint64 epoch, uint8 used, uint32 guardianUsed, "
    f"{_LIMITS} limits, address via, uint48 registeredAt, uint48 pausedAt, uint48 endsAt, uint48 sentinelEndsAt) t)"
)
SENTINELS = Function.parse("function sentinels() view returns (address[] accounts, uint48[] expiries)")
THRESHOLD = Function.parse("function threshold() view returns (uint8)")
CEILINGS = Function.parse(
    "function ceilings() view returns ((uint32 sentinelSeconds, uint32 guardianSeconds, uint32 guardianQuota, uint32 cooldown, "
    "uint32 sentinelLifetime, uint16 orderAge) c)"
)
TARGETS = Function.parse("function targets() view returns (address[])")
SENTINEL_BUDGET = Function.parse("function sentinelBudget() view returns (uint32)")
STOPPED = Function.parse("function paused() view returns (bool)")
CHECK_TARGET = Function.parse("function checkTarget(address) view returns (uint8)")
ROLE_MEMBERS = Function.parse("function getRoleMembers(bytes32) view returns (address[])")
HAS_ROLE = Function.parse("function hasRole(bytes32,address) view returns (bool)")
GAS_NEEDED = Function.parse("function gasNeeded(address[]) view returns (uint256)")
ORDER_DIGEST = Function("orderDigest", (ABI_TYPE,), ("bytes32",))
CHECK_ORDER = Function("checkOrder", (ABI_TYPE, "bytes"), ("uint8",))
EXECUTE = Function("execute", (ABI_TYPE, "bytes"), ())
PAUSE_TARGET = Function.parse("function pauseTarget(address)")
PAUSE_TARGETS = Function.parse("function pauseTargets(address[]) returns (uint256)")
PAUSE = Function.parse("function pause()")
PAUSE_FOR = Function.parse("function pauseFor(uint256)")
BREAKER_PAUSE = Function.parse("function pause(address)")
IS_PAUSED = Function.parse("function isPaused() view returns (bool)")

TARGET_PAUSED = EventType.parse(
    "event TargetPaused(address indexed target, address indexed by, bool bySentinels, uint256 resumesAt, uint64 epoch)"
)
ORDER_EXECUTED = EventType.parse(
    "event OrderExecuted(address indexed target, bytes32 indexed decision, address indexed submitter, uint64 observedBlock, address[] signers)"
)
ORDER_SHADOWED = EventType.parse(
    "event OrderShadowed(address indexed target, bytes32 indexed decision, address indexed submitter, uint64 observedBlock, address[] signers)"
)
ORDER_CANCELLED = EventType.parse(
    "event OrderCancelled(address indexed target, bytes32 indexed decision, address indexed by, bytes32 digest)"
)

GUARDIAN_ROLE, ADMIN_ROLE = keccak(b"GUARDIAN_ROLE"), bytes(32)


@dataclass(frozen=True, slots=True)
class Registered:
    """What the contract has for a target."""

    lever: str
    arming: str
    epoch: int
    sentinel_seconds: int
    gas_limit: int
    via: Address
    budget: int = 0
    """Pauses that sentinels may make until it is armed again."""
    used: int = 0
    """Those that they made."""
    guardian_seconds: int = 0
    guardian_quota: int = 0
    """Seconds that guardians may pause it for, all together, until the admin renews them."""
    guardian_used: int = 0
    cooldown: int = 0
    sentinel_ends_at: int = 0
    """When the sentinels' last pause ends or ended (block time); 0: they made none."""
    paused_at: int = 0
    """When the contract last paused it (block time); 0: never."""
    ends_at: int = 0
    """When that pause ends or ended; where the lever does not lapse, from when on a Releaser may end it."""

    @property
    def quota_left(self) -> int:
        """Seconds for which guardians may still pause it."""
        return max(0, self.guardian_quota - self.guardian_used)

    @property
    def cool_at(self) -> int:
        """From when on sentinels may pause it again (block time); 0: they made no pause."""
        return self.sentinel_ends_at + self.cooldown if self.sentinel_ends_at else 0


def read_target(data: bytes) -> Registered:
    """From the answer to ``target(address)``. Raises ValueError for anything else."""
    return registered(TARGET.decode(data))


def registered(found: tuple[Any, ...]) -> Registered:
    """From the decoded answer to ``target(address)``. Raises ValueError for what is newer than this program."""
    lever, arming, epoch, used, guardian_used, limits, via, _, paused_at, ends_at, sentinel_ends_at = found
    if lever >= len(LEVERS) or arming >= len(ARMING):
        raise ValueError("a lever or an arming that is newer than this program")
    seconds, guardian_seconds, quota, cooldown, gas_limit, budget = limits
    return Registered(
        LEVERS[lever], ARMING[arming], epoch, seconds, gas_limit, via, budget, used, guardian_seconds, quota, guardian_used, cooldown,
        sentinel_ends_at, paused_at, ends_at,
    )  # fmt: skip


def read_sentinels(data: bytes) -> dict[Address, int]:
    """Sentinels with their expiries (block time). Raises ValueError."""
    accounts, expiries = SENTINELS.decode(data)
    return dict(zip(accounts, expiries, strict=True))


def execute_calldata(order: Order, signatures: bytes) -> bytes:
    """Call data of who submits an order."""
    return EXECUTE.call(order.struct, signatures).data


def lever_call(target: Address, registered: Registered) -> tuple[Address, bytes]:
    """Whom the guardian calls for a pause (of the sentinels, where the lever lapses), and with what: for a simulation with the guardian as the sender."""
    if registered.lever == "Pause":
        return target, PAUSE.call().data
    if registered.lever == "CircuitBreaker":
        return registered.via, BREAKER_PAUSE.call(target).data
    return target, PAUSE_FOR.call(registered.sentinel_seconds).data


def pause_calldata(target: Address) -> bytes:
    """Call data of a person's pause."""
    return PAUSE_TARGET.call(target).data


def meaning(code: int) -> tuple[Meaning, str]:
    """What a refusal means, and its words."""
    return (
        REFUSALS[_NAMES[code]]
        if code < len(_NAMES)
        else ("obstacle", f"the contract refuses for a reason ({code}) newer than this program")
    )


def order_topics(target: Address, decisions: Iterable[bytes]) -> list[Any]:
    """A log filter: what became of orders for this target with one of these decisions."""
    events = (ORDER_EXECUTED, ORDER_SHADOWED, ORDER_CANCELLED)
    return [["0x" + e.topic.hex() for e in events], "0x" + bytes(12).hex() + target[2:].lower(), ["0x" + d.hex() for d in decisions]]


def abi() -> list[dict[str, Any]]:
    """The committed ABI."""
    return compiled.load(compiled.GUARDIAN).abi


@cache
def _errors() -> dict[bytes, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    found = {}
    for entry in abi():
        if entry["type"] == "error":
            types = tuple(i["type"] for i in entry["inputs"])
            found[selector(f"{entry['name']}({','.join(types)})")] = (entry["name"], tuple(i["name"] for i in entry["inputs"]), types)
    return found


def refusal(data: bytes) -> tuple[Meaning, str] | None:
    """What an OrderRefused error means; None for any other revert data."""
    found = _named(data)
    return meaning(found[1]["reason"]) if found is not None and found[0] == "OrderRefused" else None


def explain(data: bytes) -> str:
    """Revert data in words."""
    if not data:
        return "it reverted without a reason (is the guardian's address right, and was there gas enough?)"
    refused = refusal(data)
    if refused is not None:
        return refused[1]
    found = _named(data)
    if found is None:
        return f"it reverted with 0x{data[:36].hex()}"
    name, values = found
    if name == "AccessControlUnauthorizedAccount":
        role = {GUARDIAN_ROLE: "GUARDIAN_ROLE", ADMIN_ROLE: "DEFAULT_ADMIN_ROLE"}.get(
            values["neededRole"], f"role 0x{values['neededRole'].hex()}"
        )
        return f"{values['account']} does not hold {role}"
    if name == "PauseFailed":
        return f"the target's pause call reverted (error 0x{values['selector'].hex()}): does the guardian hold the right to pause there?"
    return f"{name}({', '.join(f'{k}={_shown(v)}' for k, v in values.items())})"


def _named(data: bytes) -> tuple[str, dict[str, Any]] | None:
    entry = _errors().get(data[:4])
    if entry is None:
        return None
    name, names, types = entry
    try:
        return name, dict(zip(names, decode(types, data[4:]), strict=True))
    except ValueError:
        return None


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
