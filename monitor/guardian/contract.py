"""The guardian contract as the rest of this room sees it: calls, events, gas, and what its errors mean.

``abi.json`` is what the compiler gave for ``contracts/src/Guardian.sol``; a test holds both together, so that nothing
here needs a compiler at run time.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from eth_hash.auto import keccak

from monitor.model import Address
from monitor.protocols.abi import EventType, Function, decode, selector


class PauseImpossible(Exception):
    """A pause would not go through, or did not, or there is no guardian where the settings say: why, and what to do."""


LEVERS = ("none", "pauseFor", "pause")
ARMING = ("disarmed", "armed", "spent")
REFUSALS = (
    "nothing forbids it",
    "the account does not hold SENTINEL_ROLE",
    "sentinels are stopped (the admin lifts that with allowSentinels)",
    "the target is not registered",
    "the target's lever does not lapse by itself, so only people may pull it",
    "the target is not armed (the admin arms it)",
    "a sentinel paused this target already (the admin arms it again)",
    "the sentinels' budget is spent (the admin sets a new one)",
    "the target is paused already",
    "the target does not say whether it is paused",
)
ALREADY_PAUSED = 8

TARGETS = Function.parse("function targets() view returns (address[])")
TARGET = Function.parse("function target(address) view returns ((uint8 lever, uint8 arming, uint32 duration, uint32 gasLimit) t)")
SENTINEL_CHECK = Function.parse("function sentinelCheck(address,address) view returns (bool ok, uint8 reason)")
SENTINEL_BUDGET = Function.parse("function sentinelBudget() view returns (uint256)")
STOPPED = Function.parse("function paused() view returns (bool)")
HAS_ROLE = Function.parse("function hasRole(bytes32,address) view returns (bool)")
ROLE_MEMBERS = Function.parse("function getRoleMembers(bytes32) view returns (address[])")
PAUSE_TARGET = Function.parse("function pauseTarget(address)")
SENTINEL_PAUSE = Function.parse("function sentinelPause(address)")
TARGET_PAUSED = EventType.parse("event TargetPaused(address indexed target, address indexed by, bool bySentinel, uint256 resumesAt)")

GUARDIAN_ROLE = keccak(b"GUARDIAN_ROLE")
SENTINEL_ROLE = keccak(b"SENTINEL_ROLE")

_READ_GAS = 50_000
_AROUND = 150_000
"""The transaction itself, cold storage, the event and the first read, with room to spare."""


def gas_for(target_gas: int) -> int:
    """Gas of a pause transaction: the registered limit by the 63/64 rule, two reads afterwards, and what is around them.

    Never an estimate: an estimate is made on a state that may have changed when the transaction is mined.
    """
    return target_gas * 64 // 63 + 1 + 2 * _READ_GAS + 30_000 + _AROUND


@cache
def abi() -> list[dict[str, Any]]:
    """The committed ABI."""
    found: list[dict[str, Any]] = json.loads(resources.files(__package__).joinpath("abi.json").read_text("utf-8"))
    return found


@cache
def _errors() -> dict[bytes, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    found = {}
    for entry in abi():
        if entry["type"] == "error":
            types = tuple(i["type"] for i in entry["inputs"])
            found[selector(f"{entry['name']}({','.join(types)})")] = (entry["name"], tuple(i["name"] for i in entry["inputs"]), types)
    return found


def refusal(data: bytes) -> int | None:
    """The reason of a SentinelRefused error, as an index into REFUSALS; None for any other revert data."""
    found = _named(data)
    return found[1]["reason"] if found is not None and found[0] == "SentinelRefused" else None


def already_paused(data: bytes) -> bool:
    """Whether the revert says that the target is paused already."""
    found = _named(data)
    return refusal(data) == ALREADY_PAUSED or (found is not None and found[0] == "AlreadyPaused")


def explain(data: bytes) -> str:
    """Revert data in words: which error of the contract, or of what it stands on, and what it means."""
    if not data:
        return "it reverted without a reason (is the guardian's address right?)"
    reason = refusal(data)
    if reason is not None:
        return REFUSALS[reason] if reason < len(REFUSALS) else f"the contract refuses for a reason ({reason}) newer than this program"
    found = _named(data)
    if found is None:
        return f"it reverted with 0x{data[:36].hex()}"
    name, values = found
    if name == "AccessControlUnauthorizedAccount":
        role = {GUARDIAN_ROLE: "GUARDIAN_ROLE", SENTINEL_ROLE: "SENTINEL_ROLE"}.get(
            values["neededRole"], f"role 0x{values['neededRole'].hex()}"
        )
        return f"{values['account']} does not hold {role} on the guardian contract"
    if name == "PauseFailed":
        return f"the target's pause function reverted (error 0x{values['selector'].hex()}): does the guardian hold PAUSE_ROLE there?"
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


def pause_calldata(target: Address, *, sentinel: bool) -> bytes:
    """Call data of a person's pause, or of the sentinel's."""
    return (SENTINEL_PAUSE if sentinel else PAUSE_TARGET).call(target).data


def people_seconds(target: tuple[Any, ...]) -> int:
    """How long a person's pause of a registered target lasts, from what ``TARGET`` gives."""
    return int(target[2])


def is_registered(target: tuple[Any, ...]) -> bool:
    """Whether the guardian has the target, from what ``TARGET`` gives."""
    return bool(target[0])
