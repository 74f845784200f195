"""Where there is no lever: who can act, how, and the message that they would send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from eth_hash.auto import keccak

from monitor.guardian.levers.declared import Latest, Message, NoLever, Part, Reading
from monitor.guardian.levers.found import Found, Prepared
from monitor.guardian.levers.people import Parties, parties
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.model import Address
from monitor.protocols.abi import Function

MEMBER_COUNT = Function.parse("function getMemberCount() view returns (uint256)")
MEMBER_AT = Function.parse("function getMemberAt(uint256) view returns (address)")
QUORUM = Function.parse("function getMemberQuorumVotesRequired() view returns (uint256)")
GET_ADDRESS = Function.parse("function getAddress(bytes32) view returns (address)")
_MOST_MEMBERS = 64


async def no_lever(reader: Reader, protocol: str, lever: NoLever, names: Mapping[Address, str]) -> Found:
    """A contract that nobody can pause at once."""
    shown, actors, call, moved = await asyncio.gather(
        asyncio.gather(*(_shown(reader, lever.where, f) for f in lever.shows)), _actors(reader, lever), _message(reader, lever.message),
        _moved(reader, lever.latest),
    )  # fmt: skip
    who, votes = actors
    pausers: Parties = who if isinstance(who, Unknown) else await parties(reader, who, names)
    return Found(
        protocol, lever.contract, lever.where, "none", Unknown("there is no pause; see what it shows"), None, None, pausers, (), pausers,
        lever.stops, lever.goes_on, lever.cost, call, tuple(moved),
        ("no lever: Stakewarden cannot pause this, nor can any one person", f"who: {lever.who}", f"how: {lever.how}", *votes), (),
        tuple(shown),
    )  # fmt: skip


async def _shown(reader: Reader, where: Address, fragment: str) -> tuple[str, str]:
    function = Function.parse(fragment)
    return function.name, str(await reader.ask(where, function))


async def _actors(reader: Reader, lever: NoLever) -> tuple[tuple[Address, ...] | Unknown, list[str]]:
    if lever.council is not None:
        return await _council(reader, Address(lever.council))
    if lever.owner is not None:
        owner = await reader.ask(lever.where, Function.parse(lever.owner))
        return (owner if isinstance(owner, Unknown) else (owner,)), []
    return Unknown("no contract lists who votes"), []


async def _council(reader: Reader, council: Address) -> tuple[tuple[Address, ...] | Unknown, list[str]]:
    count, quorum = await asyncio.gather(reader.ask(council, MEMBER_COUNT), reader.ask(council, QUORUM))
    if isinstance(count, Unknown):
        return count, []
    if count > _MOST_MEMBERS:
        return Unknown(f"the council has {count} members"), []
    members = await asyncio.gather(*(reader.ask(council, MEMBER_AT, i) for i in range(count)))
    missing = next((m for m in members if isinstance(m, Unknown)), None)
    votes = f"quorum: {quorum}" if isinstance(quorum, Unknown) else f"votes needed: {_votes(quorum)} of {count}"
    return (missing if missing is not None else tuple(members)), [votes]


def _votes(wei: int) -> str:
    """A member's vote counts 1e18 there."""
    return f"{wei / 10**18:g}"


async def _moved(reader: Reader, latest: Latest | None) -> list[str]:
    """Contracts that were replaced since they were declared here."""
    if latest is None:
        return []
    found = []
    for name, address in latest.names.items():
        now = await reader.ask(Address(latest.storage), GET_ADDRESS, keccak(b"contract.address" + name.encode()))
        if isinstance(now, Unknown):
            found.append(f"whether {name} is still at {address} is {now}")
        elif now != address:
            found.append(f"{name} is at {now} now, no longer at {address}: the message below would be refused")
    return found


async def _message(reader: Reader, message: Message | None) -> Prepared | Unknown | None:
    if message is None:
        return None
    values: list[Any] = []
    for argument in message.arguments:
        if isinstance(argument, Reading):
            value = await reader.ask(Address(message.to), Function.parse(argument.read))
            if isinstance(value, Unknown):
                return value
            values.append(value)
        else:
            values.append(_encoded(argument))
    function = Function.parse(message.function)
    shown = ", ".join(_words(a, v) for a, v in zip(message.arguments, values, strict=True))
    return Prepared(Address(message.to), f"{function.name}({shown})", "0x" + function.call(*values).data.hex())


def _encoded(argument: Part | bool | int | str) -> Any:
    return Function.parse(argument.function).call(*argument.arguments).data if isinstance(argument, Part) else argument


def _words(argument: object, value: object) -> str:
    if isinstance(argument, Part):
        inner = ", ".join(repr(a) if isinstance(a, str) else str(a).lower() for a in argument.arguments)
        return f"{Function.parse(argument.function).name}({inner})"
    return repr(value) if isinstance(value, str) else str(value)
