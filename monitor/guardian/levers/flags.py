"""EigenLayer's pause flags: a map of 256 bits a contract, which a pauser can only add to and the unpauser alone takes from.

``permissions/Pausable.sol``: pause(x) reverts unless x holds every bit that is set already, so x is always made from what is set at a
block, and dies when somebody sets another bit meanwhile; pauseAll() cannot. Nothing lapses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers.declared import FlagsLever
from monitor.guardian.levers.found import Flag, Found, Prepared
from monitor.guardian.levers.people import Parties, parties
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.model import Address
from monitor.protocols.abi import Function

PAUSED = Function.parse("function paused() view returns (uint256)")
REGISTRY = Function.parse("function pauserRegistry() view returns (address)")
IS_PAUSER = Function.parse("function isPauser(address) view returns (bool)")
UNPAUSER = Function.parse("function unpauser() view returns (address)")
PAUSE = Function.parse("function pause(uint256 newPausedStatus)")
PAUSE_ALL = Function.parse("function pauseAll()")
ALL = 2**256 - 1


def with_flags(current: int, wanted: Collection[int]) -> int:
    """The argument of ``pause``: what is set, and the wanted bits. Raises PauseImpossible when that changes nothing, or for no bit."""
    if any(not 0 <= bit <= 255 for bit in wanted):
        raise PauseImpossible("a flag has a number from 0 to 255")
    new = current
    for bit in wanted:
        new |= 1 << bit
    if new == current:
        raise PauseImpossible(f"the flags {', '.join(map(str, sorted(wanted))) or '(none)'} are set already: there is nothing to pause")
    return new


def cleared(current: int, new: int) -> tuple[int, ...]:
    """Bits that are set and that ``pause(new)`` would clear: with any, it reverts."""
    return tuple(bit for bit in range(256) if current >> bit & 1 and not new >> bit & 1)


def bits(status: int) -> tuple[int, ...]:
    """The bits that are set."""
    return tuple(bit for bit in range(256) if status >> bit & 1)


async def flags_lever(reader: Reader, protocol: str, lever: FlagsLever, names: Mapping[Address, str]) -> Found:
    """One contract with flags."""
    status, registry = await asyncio.gather(reader.ask(lever.where, PAUSED), reader.ask(lever.where, REGISTRY))
    problems, notes = (
        [],
        ["it does not lapse: only the unpauser clears a flag", "send it through a Safe: no key of Stakewarden holds this right"],
    )
    pausers: Parties = registry
    resumers: Parties = registry
    if isinstance(registry, str):
        where = Address(registry)
        if where != Address(lever.registry):
            problems.append(f"its PauserRegistry is {where}, expected was {lever.registry}: who may pause was changed")
        able, unpauser = await asyncio.gather(_pausers(reader, where, lever), reader.ask(where, UNPAUSER))
        pausers = able if isinstance(able, Unknown) else await parties(reader, able, names)
        resumers = unpauser if isinstance(unpauser, Unknown) else await parties(reader, [unpauser], names)
        if able == ():
            problems.append("none of the accounts that we know may pause it")
    notes += _unusual(lever, status)
    return Found(
        protocol, lever.contract, lever.where, "flags", status if isinstance(status, Unknown) else bool(status & ~lever.usual), None, None,
        pausers, (), resumers, lever.stops, lever.goes_on, lever.cost, _call(lever, status), tuple(problems), tuple(notes), _flags(lever, status),
    )  # fmt: skip


async def _pausers(reader: Reader, registry: Address, lever: FlagsLever) -> tuple[Address, ...] | Unknown:
    candidates = [Address(c) for c in lever.candidates]
    held = await asyncio.gather(*(reader.ask(registry, IS_PAUSER, c) for c in candidates))
    missing = next((h for h in held if isinstance(h, Unknown)), None)
    return missing if missing is not None else tuple(c for c, yes in zip(candidates, held, strict=True) if yes)


def _unusual(lever: FlagsLever, status: int | Unknown) -> list[str]:
    if isinstance(status, Unknown):
        return []
    found = [f"flag {bit} is set, which it usually is not" for bit in bits(status & ~lever.usual)]
    return found + [f"flag {bit} is not set, which it usually is" for bit in bits(lever.usual & ~status)]


def _flags(lever: FlagsLever, status: int | Unknown) -> tuple[Flag, ...]:
    return tuple(
        Flag(bit, stops, status if isinstance(status, Unknown) else bool(status >> bit & 1)) for bit, stops in sorted(lever.flags.items())
    )


def _call(lever: FlagsLever, status: int | Unknown) -> Prepared | Unknown:
    """All of the declared flags on top of what is set; ``safe prepare --flags`` makes the one for a choice of them."""
    if isinstance(status, Unknown):
        return status
    wanted = status
    for bit in lever.flags:
        wanted |= 1 << bit
    return Prepared(lever.where, f"pause({wanted})", "0x" + PAUSE.call(wanted).data.hex())
