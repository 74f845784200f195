"""Before anything is signed: the chain, the contract and the keys are what they should be. One key never has two powers."""

from __future__ import annotations

from monitor.guardian import contract as guardian
from monitor.guardian.execution.chain import WrongContract
from monitor.guardian.execution.room import Room
from monitor.guardian.keys import Key
from monitor.guardian.node import number, unhex
from monitor.model import Address


class KeyRefused(Exception):
    """A key must not be used by the service: why, and what to do."""


class WrongChain(Exception):
    """The endpoints are of another chain, or the guardian is not there."""


def check_keys(sentinel: Key | None, senders: tuple[Key, ...]) -> None:
    """See that no key has two tasks; needs no endpoint. Raises KeyRefused."""
    own = [*([("guardian.sentinel", sentinel.address)] if sentinel is not None else []), *_named(senders)]
    seen: dict[Address, str] = {}
    for name, account in own:
        if account in seen:
            raise KeyRefused(f"{seen[account]} and {name} are one key ({account}): a key has one power; make another")
        seen[account] = name


async def check_start(room: Room) -> None:
    """Ask the chain. Raises WrongChain, KeyRefused, and NoMajority when nobody can tell."""
    nodes, where = room.chain.nodes, room.where
    check_keys(room.sentinel, tuple(room.senders))
    found = await nodes.agreed("chain id", number, "eth_chainId")
    if found != room.chain_id:
        raise WrongChain(f"the endpoints are of chain {found}, the settings say {room.chain_id}: correct network.chain_id or the endpoints")
    if not await nodes.agreed("code of the guardian", unhex, "eth_getCode", where, "latest"):
        raise WrongChain(f"there is no contract at guardian.contract {where} on chain {found}: correct the address")
    try:
        await _check_powers(room)
    except WrongContract as wrong:
        raise WrongChain(f"the contract at guardian.contract {where} is not a guardian of sentinel orders: correct the address") from wrong


async def _check_powers(room: Room) -> None:
    keys = [*([("guardian.sentinel", room.sentinel.address)] if room.sentinel is not None else []), *_named(tuple(room.senders))]
    for name, account in keys:
        for role, words in ((guardian.GUARDIAN_ROLE, "GUARDIAN_ROLE"), (guardian.ADMIN_ROLE, "DEFAULT_ADMIN_ROLE")):
            if await room.chain.holds(role, account):
                raise KeyRefused(
                    f"the key of {name} ({account}) holds {words}: whoever steals it from this service could act as a person; "
                    "make a key of its own, and keep this one with a person"
                )
    head = await room.chain.head()
    sentinels = (await room.chain.powers(head.hash)).sentinels
    for name, account in _named(tuple(room.senders)):
        if account in sentinels:
            raise KeyRefused(f"the key of {name} ({account}) is a sentinel's: a key that sends must have no power; make another")


def _named(senders: tuple[Key, ...]) -> list[tuple[str, Address]]:
    return [(f"guardian.senders.{i}", key.address) for i, key in enumerate(senders)]
