"""What a plan comes to: the two creations, and every call that others make afterwards, as bytes and in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from eth_hash.auto import keccak

from monitor.guardian import compiled
from monitor.guardian.contract import GUARDIAN_ROLE, LEVER_NAMES, LEVERS
from monitor.guardian.deploy.plan import DeployPlan, TargetPlan
from monitor.model import Address, address
from monitor.protocols.abi import Function

_LIMITS = "(uint32 sentinelSeconds, uint32 guardianSeconds, uint32 guardianQuota, uint32 cooldown, uint24 gasLimit, uint8 budget)"
GRANT = Function.parse("function grantRole(bytes32 role, address account)")
SET_SENTINEL = Function.parse("function setSentinel(address sentinel, uint48 expiry)")
SET_THRESHOLD = Function.parse("function setThreshold(uint8 threshold)")
SET_BUDGET = Function.parse("function setSentinelBudget(uint32 budget)")
REGISTER = Function.parse(f"function register(address target, address via, uint8 lever, {_LIMITS} limits)")
SHADOW = Function.parse("function shadow(address target)")
ARM = Function.parse("function arm(address target)")
REGISTER_PAUSER = Function.parse("function registerPauser(address pausable, address newPauser)")


@dataclass(frozen=True, slots=True)
class Creation:
    """A contract to be deployed. ``data``: code and arguments, the whole input of the transaction. ``at``: its address, for that nonce alone."""

    code: compiled.Compiled
    arguments: tuple[Any, ...]
    data: bytes
    nonce: int
    at: Address


@dataclass(frozen=True, slots=True)
class Step:
    """A call that somebody makes after the deployment. ``key``: what the read-back calls it. ``by``: who has to make it.

    ``arms``: from then on sentinels can pause. It is kept apart from the other calls, to be made when they were read back.
    """

    key: str
    by: Address
    to: Address
    data: bytes
    call: str
    words: str
    arms: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of the targets as the targets name them, by the target's address: they differ between contracts."""

    pause: dict[Address, bytes]
    resume: dict[Address, bytes]


def created_at(sender: Address, nonce: int) -> Address:
    """Where a transaction of that sender and nonce puts its contract: keccak(rlp([sender, nonce])) (Yellow Paper, section 7)."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = number if nonce and nonce < 0x80 else bytes([0x80 + len(number)]) + number
    listed = b"\x94" + bytes.fromhex(sender[2:]) + item
    return address("0x" + keccak(bytes([0xC0 + len(listed)]) + listed)[12:].hex())


def creations(plan: DeployPlan, nonce: int, guardian: Address | None = None) -> tuple[Creation, ...]:
    """The guardian, and the Releaser if the plan has one. ``nonce``: the deployer's next. With ``guardian`` the Releaser alone, for that one."""
    found = []
    if guardian is None:
        code, guardian = compiled.load(compiled.GUARDIAN), created_at(plan.by, nonce)
        found.append(Creation(code, plan.arguments, code.data(*plan.arguments), nonce, guardian))
    if plan.releaser is not None:
        code, arguments = compiled.load(compiled.RELEASER), (guardian, plan.releaser.window_seconds)
        nonce += len(found)
        found.append(Creation(code, arguments, code.data(*arguments), nonce, created_at(plan.by, nonce)))
    return tuple(found)


def steps(plan: DeployPlan, guardian: Address, releaser: Address | None, roles: Roles) -> tuple[Step, ...]:
    """All calls after the deployment, in the order in which they are to be made: rights first, what lets machines pause at the very end."""
    return (*_people(plan, guardian), *_registered(plan, guardian), *_grants(plan, guardian, releaser, roles), *_arming(plan, guardian))


def _step(key: str, by: Address, to: Address, function: Function, arguments: tuple[Any, ...], words: str) -> Step:
    shown = ", ".join(_shown(a) for a in arguments)
    return Step(key, by, to, function.call(*arguments).data, f"{function.name}({shown})", words)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return f"({', '.join(map(_shown, value))})" if isinstance(value, tuple) else str(value)


def _people(plan: DeployPlan, guardian: Address) -> Iterator[Step]:
    admin = plan.admin.where
    for person in plan.guardians:
        yield _step(
            f"guardian {person.name}",
            admin,
            guardian,
            GRANT,
            (GUARDIAN_ROLE, person.where),
            f"{person.name} may pause every registered target",
        )
    for sentinel in plan.sentinels:
        words = f"orders count that {sentinel.name} signs, until {day(sentinel.expires)}"
        yield _step(f"sentinel {sentinel.name}", admin, guardian, SET_SENTINEL, (sentinel.where, sentinel.expires), words)
    words = f"so many distinct sentinels must sign an order: {plan.threshold} (as the constructor sets it)"
    yield _step("threshold", admin, guardian, SET_THRESHOLD, (plan.threshold,), words)
    if plan.budget:
        yield _step(
            "budget", admin, guardian, SET_BUDGET, (plan.budget,), f"sentinels may make {plan.budget} pauses, over all targets together"
        )


def _registered(plan: DeployPlan, guardian: Address) -> Iterator[Step]:
    for target in plan.targets:
        arguments = (target.where, target.breaker, LEVERS.index(LEVER_NAMES[target.lever]), target.limits.struct)
        yield _step(
            f"target {target.name}", plan.admin.where, guardian, REGISTER, arguments, f"{target.name} may be paused, by {_how(target)}"
        )


def _how(target: TargetPlan) -> str:
    limits = target.limits
    if target.lever == "pause":
        return "people alone; the pause does not lapse by itself"
    machines = f"by sentinels for {limits.sentinel_seconds} s, {limits.budget} times until armed again"
    return f"people for {limits.guardian_seconds} s each time and {limits.guardian_quota_seconds} s in all, and once armed {machines}"


def _grants(plan: DeployPlan, guardian: Address, releaser: Address | None, roles: Roles) -> Iterator[Step]:
    for target in plan.targets:
        owner = Address(target.owner)
        if target.lever == "circuitBreaker":
            words = f"the guardian becomes the one pauser of {target.name}: whoever is it now loses that right"
            yield _step(f"pauser of {target.name}", owner, target.breaker, REGISTER_PAUSER, (target.where, guardian), words)
            continue
        if target.where in roles.pause:
            words = f"the guardian may pause {target.name}, and do nothing else there"
            yield _step(f"right to pause {target.name}", owner, target.where, GRANT, (roles.pause[target.where], guardian), words)
        if target.release and releaser is not None and target.where in roles.resume:
            words = f"anyone may end a guardian's pause of {target.name} through the Releaser once its time is over"
            yield _step(f"right to release {target.name}", owner, target.where, GRANT, (roles.resume[target.where], releaser), words)


def _arming(plan: DeployPlan, guardian: Address) -> Iterator[Step]:
    for target in plan.targets:
        if target.arming == "shadow":
            words = f"orders for {target.name} are checked and told, and pause nothing"
            yield _step(f"arming of {target.name}", plan.admin.where, guardian, SHADOW, (target.where,), words)
        elif target.arming == "armed":
            words = f"from now on {plan.threshold} sentinels together pause {target.name}: to be made when all else was read back"
            yield replace(_step(f"arming of {target.name}", plan.admin.where, guardian, ARM, (target.where,), words), arms=True)


def day(timestamp: int) -> str:
    """A time in UTC."""
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"timestamp {timestamp}"


def turns(found: Iterable[Step]) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    """The calls by who makes them, in the order of their first one, and at the end what arms; each with a name for a file."""
    parts: dict[tuple[bool, Address], list[Step]] = {}
    for step in found:
        parts.setdefault((step.arms, step.by), []).append(step)
    ordered = sorted(parts, key=lambda part: part[0])
    return tuple((f"{i}-{by}{'-arms' if arms else ''}", tuple(parts[arms, by])) for i, (arms, by) in enumerate(ordered, 1))


def batch(chain_id: int, calls: Sequence[Step], timestamp: int) -> str:
    """Calls of one party as JSON of Safe's transaction builder; ``to``, ``value`` and ``data`` are what any other wallet or a timelock needs."""
    words = "; ".join(s.words for s in calls)[:1000]
    content = {
        "version": "1.0", "chainId": str(chain_id), "createdAt": timestamp * 1000,
        "meta": {"name": "Stakewarden guardian", "description": words, "createdFromSafeAddress": calls[0].by},
        "transactions": [
            {"to": s.to, "value": "0", "data": "0x" + s.data.hex(), "contractMethod": None, "contractInputsValues": None} for s in calls
        ],
    }  # fmt: skip
    return json.dumps(content, indent=1) + "\n"
