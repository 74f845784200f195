"""Contracts that holders of a role, an owner, or any one of a list of guardians pause by calling them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers.breaker import ending
from monitor.guardian.levers.declared import DepositGuardiansLever, RoleLever
from monitor.guardian.levers.found import Found, Prepared
from monitor.guardian.levers.people import Parties, holders, parties
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.levers.target import IS_PAUSED, PAUSED, RESUME_SINCE
from monitor.model import Address
from monitor.protocols.abi import Function

PAUSE = Function.parse("function pause()")
PAUSE_FOR = Function.parse("function pauseFor(uint256 duration)")
DEPOSITS_PAUSED = Function.parse("function isDepositsPaused() view returns (bool)")
GUARDIANS = Function.parse("function getGuardians() view returns (address[])")
OWNER = Function.parse("function getOwner() view returns (address)")
PAUSE_DEPOSITS = Function.parse("function pauseDeposits(uint256 blockNumber, (bytes32 r, bytes32 vs) sig)")


def pause_call(lever: RoleLever, name: str, seconds: int | None) -> tuple[bytes, str]:
    """The call by which a holder of the right pauses it, and what it does in words. Raises PauseImpossible when it has to be told how long."""
    if lever.call == "pause()":
        return PAUSE.call().data, f"{name} ({lever.where}) is paused until somebody lifts it"
    if seconds is None:
        raise PauseImpossible(f"{name} is paused for as long as the sender says: give --seconds")
    return PAUSE_FOR.call(seconds).data, f"{name} ({lever.where}) is paused for {seconds} s; it lapses by itself"


async def role_lever(reader: Reader, protocol: str, lever: RoleLever, names: Mapping[Address, str]) -> Found:
    """A contract with a role that pauses, or an owner."""
    timed = lever.call == "pauseFor(uint256)"
    candidates = [Address(c) for c in lever.candidates]
    able, undo, paused, resumes = await asyncio.gather(
        holders(reader, lever.where, lever.role_getter, candidates), _resumers(reader, lever, candidates),
        reader.ask(lever.where, IS_PAUSED if timed else PAUSED), _resumes(reader, lever, timed),
    )  # fmt: skip
    pausers: Parties = able if isinstance(able, Unknown) else await parties(reader, able, names)
    resumers: Parties = undo if isinstance(undo, Unknown) else await parties(reader, undo, names)
    problems = ["nobody holds the right to pause it"] if able == () else []
    notes = ["the sender chooses how long, for ever included"] if timed else ["it does not lapse: somebody must lift it"]
    if undo == ():
        notes.append("nobody holds the right to resume it: it would have to be granted first")
    return Found(
        protocol, lever.contract, lever.where, "role", paused, resumes if isinstance(resumes, Unknown) else ending(paused, resumes),
        Unknown("the sender chooses") if timed else None, pausers, (), resumers, lever.stops, lever.goes_on, lever.cost,
        None if timed else Prepared(lever.where, "pause()", "0x" + PAUSE.call().data.hex()), tuple(problems), tuple(notes),
    )  # fmt: skip


async def _resumers(reader: Reader, lever: RoleLever, candidates: list[Address]) -> tuple[Address, ...] | Unknown:
    """Without roles the owner does both; a contract may have no right to resume at all."""
    if lever.role_getter is not None and lever.resume_getter is None:
        return ()
    return await holders(reader, lever.where, lever.resume_getter if lever.role_getter is not None else None, candidates)


async def _resumes(reader: Reader, lever: RoleLever, timed: bool) -> int | Unknown:
    found: int | Unknown = await reader.ask(lever.where, RESUME_SINCE) if timed else 2**256 - 1
    return found


async def deposit_guardians_lever(reader: Reader, protocol: str, lever: DepositGuardiansLever, names: Mapping[Address, str]) -> Found:
    """Lido's deposits: each guardian alone."""
    guardians, owner, paused = await asyncio.gather(
        reader.ask(lever.where, GUARDIANS), reader.ask(lever.where, OWNER), reader.ask(lever.where, DEPOSITS_PAUSED)
    )
    pausers: Parties = guardians if isinstance(guardians, Unknown) else await parties(reader, guardians, names, "any one of them alone")
    resumers: Parties = owner if isinstance(owner, Unknown) else await parties(reader, [owner], names)
    # A guardian's own call is taken without a look at the signature; the block must be a recent one.
    data = PAUSE_DEPOSITS.call(reader.stamp.number, (bytes(32), bytes(32))).data
    return Found(
        protocol, lever.contract, lever.where, "deposit_guardians", paused, None, None, pausers, (), resumers, lever.stops, lever.goes_on,
        lever.cost, Prepared(lever.where, f"pauseDeposits({reader.stamp.number}, (0, 0))", "0x" + data.hex()),
        ("nobody is a guardian",) if guardians == () else (),
        ("it does not lapse: only the owner allows deposits again", "anybody may also send a guardian's signed pause message while it is fresh"),
    )  # fmt: skip
