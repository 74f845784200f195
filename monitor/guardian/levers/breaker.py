"""Lido's CircuitBreaker: one registered pauser a contract, one pause each, alive only while it sends heartbeats.

``CircuitBreaker.sol``: pause(contract) needs the sender to be the contract's pauser and alive; it clears the assignment, calls
pauseFor(pauseDuration) and refreshes the pauser's heartbeat if other contracts are left to it. registerPauser checks nothing of the target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from monitor.guardian.levers.declared import BreakerLever
from monitor.guardian.levers.found import Found, Heartbeat, Prepared
from monitor.guardian.levers.people import HAS_ROLE, NOBODY, Parties, holders, parties, party
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.levers.target import IS_PAUSED, RESUME_SINCE
from monitor.model import Address
from monitor.protocols.abi import Function

PAUSE = Function.parse("function pause(address pausable)")
HEARTBEAT = Function.parse("function heartbeat()")
PAUSABLES = Function.parse("function getPausables() view returns (address[])")
PAUSER = Function.parse("function getPauser(address) view returns (address)")
COUNT = Function.parse("function getPausableCount(address) view returns (uint256)")
LIVE = Function.parse("function isPauserLive(address) view returns (bool)")
EXPIRY = Function.parse("function heartbeatExpiry(address) view returns (uint256)")
DURATION = Function.parse("function pauseDuration() view returns (uint256)")
ADMIN = Function.parse("function ADMIN() view returns (address)")

WARN_SECONDS, CRITICAL_SECONDS = 30 * 86_400, 7 * 86_400
OPEN_END = 2**256 - 1


async def breaker_lever(reader: Reader, protocol: str, lever: BreakerLever, names: Mapping[Address, str]) -> Found:
    """One contract behind a CircuitBreaker."""
    where, via = lever.where, lever.breaker
    pauser, seconds, paused, resumes, admin, right, able, undo = await asyncio.gather(
        reader.ask(via, PAUSER, where), reader.ask(via, DURATION), reader.ask(where, IS_PAUSED), reader.ask(where, RESUME_SINCE),
        reader.ask(via, ADMIN), _holds(reader, lever), holders(reader, where, lever.role_getter, ()),
        holders(reader, where, lever.resume_getter, ()),
    )  # fmt: skip
    problems = [
        *([f"{names.get(via, via)} does not hold {lever.role_getter} there: it could not pause it"] if right is False else []),
        *([f"whether {names.get(via, via)} may pause it is {right}"] if isinstance(right, Unknown) else []),
    ]
    notes = []
    pausers: Parties = pauser if isinstance(pauser, Unknown) else await parties(reader, [pauser], names)
    if isinstance(pauser, str):
        said, noted = await _pauser(reader, lever, Address(pauser), admin, names)
        problems += said
        notes += noted
    others: Parties = able if isinstance(able, Unknown) else await parties(reader, [a for a in able if a != via], names)
    resumers: Parties = undo if isinstance(undo, Unknown) else await parties(reader, undo, names)
    return Found(
        protocol, lever.contract, where, "circuit_breaker", paused, ending(paused, resumes), seconds, pausers, others, resumers,
        lever.stops, lever.goes_on, lever.cost,
        Prepared(via, f"pause({where})", "0x" + PAUSE.call(where).data.hex()), tuple(problems), tuple(notes),
    )  # fmt: skip


async def _holds(reader: Reader, lever: BreakerLever) -> bool | Unknown:
    """Whether the breaker holds the target's role, by the target's own getter: hashes differ between contracts."""
    role = await reader.ask(lever.where, Function.parse(f"function {lever.role_getter}() view returns (bytes32)"))
    if isinstance(role, Unknown):
        return role
    found: bool | Unknown = await reader.ask(lever.where, HAS_ROLE, role, lever.breaker)
    return found


async def _pauser(
    reader: Reader, lever: BreakerLever, pauser: Address, admin: Address | Unknown, names: Mapping[Address, str]
) -> tuple[list[str], list[str]]:
    """Why its pause would fail now, and what is left afterwards."""
    again = f"only {names.get(admin, admin) if isinstance(admin, str) else 'its admin'} registers a pauser again"
    if pauser == NOBODY:
        return [f"nobody may pause it through the CircuitBreaker: {again}"], []
    via = lever.breaker
    live, count, reverted = await asyncio.gather(
        reader.ask(via, LIVE, pauser), reader.ask(via, COUNT, pauser), reader.simulate(via, PAUSE.call(lever.where).data, pauser)
    )
    problems = []
    if live is False:
        problems.append(f"the heartbeat of {names.get(pauser, pauser)} has expired, and it cannot revive itself: {again}")
    if isinstance(reverted, bytes):
        problems.append(f"a pause by {names.get(pauser, pauser)} would revert now (0x{reverted[:4].hex()})")
    elif isinstance(reverted, Unknown):
        problems.append(f"whether a pause would go through is {reverted}")
    left = f"what is left to this pauser is {count}" if isinstance(count, Unknown) else f"contracts left to this pauser then: {count - 1}"
    return problems, [f"one shot: after it nobody can pause this contract through the CircuitBreaker; {again}; {left}"]


def ending(paused: bool | Unknown, resumes: int | Unknown) -> int | Unknown | None:
    """When a pause of PausableUntil ends: None for an open end, and while nothing is paused."""
    if paused is False:
        return None
    return None if resumes == OPEN_END else resumes


async def calendar(reader: Reader, levers: Sequence[tuple[str, BreakerLever]], names: Mapping[Address, str]) -> list[Heartbeat]:
    """The pausers of all breakers with the ends of their heartbeats, the next to expire first."""
    breakers = dict.fromkeys(lever.breaker for _, lever in levers)
    found = [h for via in breakers for h in await _heartbeats(reader, via, names)]
    return sorted(found, key=lambda h: h.expires_timestamp if isinstance(h.expires_timestamp, int) else 0)


async def _heartbeats(reader: Reader, via: Address, names: Mapping[Address, str]) -> list[Heartbeat]:
    pausables = await reader.ask(via, PAUSABLES)
    if isinstance(pausables, Unknown):
        return []
    pausers = await asyncio.gather(*(reader.ask(via, PAUSER, p) for p in pausables))
    assigned: dict[Address, list[str]] = {}
    for pausable, pauser in zip(pausables, pausers, strict=True):
        if isinstance(pauser, str):
            assigned.setdefault(Address(pauser), []).append(names.get(pausable, pausable))
    return list(await asyncio.gather(*(_heartbeat(reader, via, p, tuple(c), names) for p, c in assigned.items())))


async def _heartbeat(reader: Reader, via: Address, pauser: Address, contracts: tuple[str, ...], names: Mapping[Address, str]) -> Heartbeat:
    who, expiry = await asyncio.gather(party(reader, pauser, names), reader.ask(via, EXPIRY, pauser))
    return Heartbeat(via, who, expiry, heartbeat_state(expiry, reader.stamp.timestamp), contracts)


def heartbeat_state(expires: int | Unknown, now: int) -> str:
    """How urgent a heartbeat is: a pauser lives while the time is before its expiry."""
    if isinstance(expires, Unknown):
        return "unknown"
    left = expires - now
    return "expired" if left <= 0 else "critical" if left < CRITICAL_SECONDS else "warn" if left < WARN_SECONDS else "fine"


async def uncovered(reader: Reader, levers: Sequence[tuple[str, BreakerLever]], names: Mapping[Address, str]) -> list[str]:
    """What nobody can pause through its breaker now, and what is registered there without being declared."""
    found = []
    by_breaker: dict[Address, dict[Address, str]] = {}
    for protocol, lever in levers:
        by_breaker.setdefault(lever.breaker, {})[lever.where] = f"{protocol}/{lever.contract}"
    for via, declared in by_breaker.items():
        pausables = await reader.ask(via, PAUSABLES)
        if isinstance(pausables, Unknown):
            found.append(f"what {names.get(via, via)} can pause is {pausables}")
            continue
        found += [f"{name}: no pauser is registered" for where, name in declared.items() if where not in pausables]
        found += [f"{p} is registered at {names.get(via, via)} and not declared here" for p in pausables if p not in declared]
    return found
