"""Signing what we saw, and gathering what others signed: decided → signed → gathered."""

from __future__ import annotations

import time

import structlog

from monitor.guardian.execution import ledger
from monitor.guardian.execution.chain import Head, Powers
from monitor.guardian.execution.ledger import Pause, Sighting
from monitor.guardian.execution.room import Room
from monitor.guardian.order import BadSignature, Order, digest, recover, sign
from monitor.guardian.remote import SignerSilent
from monitor.guardian.sentinels.gather import Gathered
from monitor.guardian.sentinels.peers import Board
from monitor.model import Address

log = structlog.get_logger()


async def sign_newest(room: Room, pause: Pause, head: Head) -> bool:
    """Sign the order of the newest judged block, if the decision holds there and the chain has it; True if one was signed.

    Older sightings are left: what does not hold at our own head is not signed any more.
    """
    if room.sentinel is None or not room.holds(pause, head):
        return False
    newest = pause.sightings[-1]
    if newest.digest is not None or not await room.on_chain(newest, head):
        return False
    target = room.target(pause)
    # At the observed block, not at the head: all who saw it read the same epoch there.
    epoch = (await room.chain.registered(target, newest.hash)).epoch
    order = Order(target, epoch, newest.decision, newest.number, newest.hash)
    try:
        signature = await sign(order, room.chain_id, room.where, room.sentinel)
    except (SignerSilent, BadSignature) as wrong:
        await room.say(pause, f"the order could not be signed: {wrong}")
        return False
    named = "0x" + digest(order, room.chain_id, room.where).hex()
    if not await room.write(lambda unit: ledger.sign(unit, pause.id, newest, order, named, signature, time.time())):
        return False
    log.info("guardian.signed", decision=pause.id, target=pause.row.target, block=order.observed_block, order=named)
    return True


async def gather(room: Room, pause: Pause, head: Head) -> tuple[Gathered, Sighting] | None:
    """The newest of our orders that enough live sentinels signed. Peers are asked only if we do not know enough signatures yet."""
    powers = await room.chain.powers(head.hash)
    sightings = await room.carriable(pause, powers, head)
    if not sightings:
        return None
    found = await room.gathered(sightings, powers, head)
    if found is None:
        found = await _pull(room, pause, sightings, powers, head)
    if found is None:
        return None
    return found, next(s for s in sightings if s.digest == found.digest)


async def _pull(room: Room, pause: Pause, sightings: list[Sighting], powers: Powers, head: Head) -> Gathered | None:
    async for board in room.peers.boards():
        if await _take(room, sightings, powers, board) and (found := await room.gathered(sightings, powers, head)) is not None:
            return found
    problems = "".join(f"; {name}: {why}" for name, why in sorted(room.peers.problems.items()))
    await room.say(pause, f"fewer than {powers.threshold} live sentinels signed the same order{problems}")
    return None


async def _take(room: Room, sightings: list[Sighting], powers: Powers, board: Board) -> bool:
    """Keep signatures of our own orders by others whom the contract knows; True if there was a new one.

    Only orders that we signed too are looked at, each at most once a board: recovering a signer is the costly part.
    """
    wanted = {s.order: s.digest for s in sightings if s.digest is not None}
    known = await room.store.look(lambda unit: ledger.signatures(unit, list(wanted.values())))
    taken = False
    for order, signature in dict(board.orders).items():
        named = wanted.get(order)
        if named is None or signature in known.get(named, {}).values():
            continue
        try:
            signer = recover(bytes.fromhex(named[2:]), signature)
        except BadSignature as wrong:
            log.warning("guardian.peer_refused", peer=board.peer, reason=str(wrong))
            continue
        if signer not in powers.sentinels or (room.sentinel is not None and signer == room.sentinel.address):
            log.warning("guardian.peer_refused", peer=board.peer, reason=f"{signer} is no other sentinel of the contract")
            continue
        await _keep(room, named, signer, signature, board.peer)
        taken = True
    return taken


async def _keep(room: Room, named: str, signer: Address, signature: bytes, peer: str) -> None:
    await room.write(lambda unit: ledger.receive(unit, named, signer, signature, peer, time.time()))


async def choose(room: Room, pause: Pause, found: Gathered) -> None:
    """Commit which order is carried out."""
    await room.move(pause, "gathered", order=found.digest, gathered_at=time.time())
