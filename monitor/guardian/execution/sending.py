"""From a gathered order to a mined one: gathered → simulated → sent → replaced → mined.

Before each step the chain is asked what became of our orders: anybody may submit them, so a pause may be there without a transaction of ours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import structlog

from monitor.guardian import contract as guardian
from monitor.guardian.envelope import Transaction, sign_transaction
from monitor.guardian.execution import attest, fees, ledger
from monitor.guardian.execution.chain import Fate, Head
from monitor.guardian.execution.fees import Fee, Market
from monitor.guardian.execution.ledger import Pause, Sent, Sighting
from monitor.guardian.execution.room import Room
from monitor.guardian.keys import Key
from monitor.guardian.node import Nodes
from monitor.guardian.remote import SignerSilent
from monitor.guardian.sentinels.gather import Gathered
from monitor.model import Address

log = structlog.get_logger()
GWEI = 10**9
MAX_REVERTS = 3
"""Transactions of one pause that may be mined and revert before people have to look."""
KNOWN_ALREADY = ("already known", "known transaction", "already imported", "already in mempool", "nonce too low", "already exists")


async def find_fate(room: Room, pause: Pause, head: Head) -> bool:
    """See what became of our orders on chain, whoever submitted them; True if that decided the pause's next state."""
    if not pause.signed:
        return False
    since = min(s.number for s in pause.signed)
    found = await room.chain.fates(room.target(pause), {s.decision for s in pause.signed}, since, head)
    by_kind: dict[str, Fate] = {fate.kind: fate for fate in found}
    if (done := by_kind.get("executed")) is not None:
        order = next(s.digest for s in reversed(pause.signed) if s.decision == done.decision)
        place = {"mined_at": time.time(), "mined_number": done.number, "mined_hash": done.block, "mined_tx": done.tx}
        await room.move(pause, "mined", order=order, **place)
    elif (no := by_kind.get("cancelled")) is not None:
        await room.move(pause, "refused", note=f"{no.who} cancelled the order in block {no.number}")
    elif (told := by_kind.get("shadowed")) is not None:
        note = f"told in block {told.number}: the target is in shadow on the contract, so nothing was paused"
        await room.move(pause, "shadowed", note=note, mined_number=told.number, mined_hash=told.block, mined_tx=told.tx)
    else:
        return False
    return True


# ---------------------------------------------------------------- gathered → simulated → sent


async def prepare(room: Room, pause: Pause, head: Head) -> None:
    """Simulate the gathered order at the head, and send it when it is our turn."""
    if await find_fate(room, pause, head):
        return
    if not room.holds(pause, head):
        if pause.state == "simulated":  # so that it is in nobody's way
            await room.move(pause, "gathered")
        await room.say(await room.again(pause), "the decision does not hold at the newest judged block")
        return
    if await room.store.look(lambda unit: ledger.busy(unit, pause.row.target, pause.id)):
        await room.say(pause, "another pause of this target is on its way")
        return
    found = await still_good(room, pause, head)
    if found is None:
        return
    if pause.state == "gathered":
        await room.move(pause, "simulated", simulated_at=time.time())
        pause = await room.again(pause)
    if not room.senders:
        await room.say(pause, "there is no key that submits (guardian.senders): another sentinel has to")
        return
    chosen = pause.chosen
    assert chosen is not None
    turn = found.turn(None if room.sentinel is None else room.sentinel.address)
    if head.number < chosen.number + turn * room.settings.turn_blocks:
        return
    for sender in room.senders:
        if await transact(room, pause, found, chosen, head, sender):
            return


async def still_good(room: Room, pause: Pause, head: Head) -> Gathered | None:
    """The chosen order with its signatures, if contract and target would take it now; else the pause is moved where it belongs, and None."""
    chosen = pause.chosen
    if chosen is None or not await room.on_chain(chosen, head):
        await _gather_anew(room, pause, "the observed block is not on the chain")
        return None
    powers = await room.chain.powers(head.hash)
    found = await room.gathered([chosen], powers, head)
    if found is None:
        await _gather_anew(room, pause, "too few of those who signed are live sentinels")
        return None
    meaning, words = await room.chain.check(chosen.order, found.signatures, head)
    target = room.target(pause)
    if meaning == "fine":
        registered = await room.chain.registered(target, head.hash)
        if registered.arming != "Armed" or (why := await room.chain.pull(target, registered, head)) is None:
            return found
        meaning, words = "obstacle", why
    await _refused(room, pause, meaning, words, head)
    return None


async def needless(room: Room, pause: Pause, head: Head) -> None:
    """The target is paused already, as the head shows: should that block be reorganised away, it is needed again."""
    await room.move(pause, "refused", note=ledger.NEEDLESS, mined_number=head.number, mined_hash=head.hash)


async def _refused(room: Room, pause: Pause, meaning: guardian.Meaning, words: str, head: Head) -> None:
    # A pause that is in place already is what was wanted; the contract may name another obstacle first.
    if meaning == "needless" or await room.chain.is_paused(room.target(pause), {"blockHash": head.hash}):
        await needless(room, pause, head)
    elif meaning == "cancelled":
        await room.move(pause, "refused", note=words)
    elif meaning == "obstacle":
        await room.move(pause, "failed", note=words)
    elif meaning == "stale":
        await _gather_anew(room, pause, words)
    else:
        await room.say(pause, words)


async def _gather_anew(room: Room, pause: Pause, why: str) -> None:
    """This order is void: another one, of a newer block, is needed. What was sent stays what it is, since it may be outbid on its nonce."""
    if pause.state in (*ledger.IN_POOL, "orphaned"):
        await room.say(pause, f"{why}; an order of a newer block is needed")
        return
    await room.move(pause, "signed", order=None, note=why)


async def transact(room: Room, pause: Pause, found: Gathered, chosen: Sighting, head: Head, sender: Key) -> bool:
    """Sign, commit and send a transaction of this sender: a new one, or one that replaces its last at a higher fee. False if it cannot pay or sign."""
    own = [t for t in pause.alive if t.sender == sender.address]
    nonce, offer = await _offer(room, own, sender.address, head)
    if offer is None:
        cap = room.settings.max_fee_gwei
        await room.say(
            pause, f"the base fee is {head.base_fee / GWEI:.1f} gwei and guardian.max_fee_gwei {cap}: no higher offer is allowed"
        )
        return False
    gas = await room.chain.gas(room.target(pause), head.hash)
    balance = await room.chain.balance(sender.address)
    if balance < gas * offer.max_fee:
        needed = gas * offer.max_fee / 1e18
        await room.say(pause, f"{sender.address} has {balance / 1e18:.4f} ether, the transaction may need {needed:.4f}: fund it")
        return False
    data = guardian.execute_calldata(chosen.order, found.signatures)
    try:
        hash, raw = await sign_transaction(Transaction(room.chain_id, nonce, room.where, data, gas, offer.max_fee, offer.tip), sender)
    except SignerSilent as wrong:
        await room.say(pause, f"the transaction could not be signed: {wrong}")
        return False
    private = _is_private(room, pause, head)
    sent = Sent(hash, sender.address, nonce, gas, offer.max_fee, offer.tip, raw, chosen.digest or "", head.number, private)
    if not await room.write(lambda unit: ledger.keep(unit, pause.id, sent, time.time())):
        return True  # nothing to do any more, for no sender
    await send(room, await room.again(pause), sent, head)
    return True


async def _offer(room: Room, own: Sequence[Sent], sender: Address, head: Head) -> tuple[int, Fee | None]:
    """The nonce and the offer for it; None where the cap allows none.

    Our own transaction is replaced, unless it waits behind a nonce that no pause needs any more: then that one is taken, or it would wait for ever.
    """
    market = Market(head.base_fee, int(room.settings.priority_fee_gwei * GWEI), int(room.settings.max_fee_gwei * GWEI))
    chain_nonce = await room.chain.nonce(sender)
    nonce, useless = await room.store.look(lambda unit: ledger.slot(unit, sender, chain_nonce))
    if waiting := [t for t in own if chain_nonce <= t.nonce < nonce]:
        first = min(t.nonce for t in waiting)
        best = next(t for t in reversed(waiting) if t.nonce == first)
        return first, fees.raised(Fee(best.max_fee, best.tip), market)
    offer = fees.first(market)
    # One at the cap cannot be outbid: it is mined as soon as anything of ours could be, or no pool has it any more and its nonce is free.
    return nonce, offer if useless is None else fees.raised(Fee(useless.max_fee, useless.tip), market) or offer


def _is_private(room: Room, pause: Pause, head: Head) -> bool:
    blocks = room.settings.target(pause.row.target).private_blocks
    begun = min((t.head for t in pause.alive), default=head.number)
    return room.private is not None and head.number < begun + blocks


async def send(room: Room, pause: Pause, sent: Sent, head: Head) -> None:
    """Give a committed transaction to the endpoints. That one of them knows it already is as good as taking it.

    What private endpoints do not take goes to the public ones at once: to be seen is better than to be late. So does, when its time is over, what they
    took and nobody mined, though no higher offer may be made.
    """
    taken, said = False, "no private endpoint"
    for private in (True, False) if _is_private(room, pause, head) else (False,):
        nodes: Nodes = room.private if private and room.private is not None else room.public
        await room.write(partial(ledger.attempt, hash=sent.hash, private=private, at=time.time()))
        taken, said = await nodes.send(sent.raw, benign=lambda message: any(k in message for k in KNOWN_ALREADY))
        if taken:
            break
        log.warning("guardian.not_taken", decision=pause.id, tx=sent.hash, private=private, reason=said)
    if not taken:
        await room.say(pause, f"no endpoint took the transaction: {said}")
    elif pause.state not in ledger.IN_POOL:
        await room.move(pause, "sent", sent_at=pause.row.sent_at or time.time())
        log.info("guardian.sent", decision=pause.id, target=pause.row.target, tx=sent.hash)


# ---------------------------------------------------------------- sent → replaced → mined


async def watch(room: Room, pause: Pause, head: Head) -> None:
    """Mined by whomever, reverted, dead, or in need of a higher fee."""
    nonces = {sender: await room.chain.nonce(sender) for sender in {t.sender for t in pause.alive}}
    if await find_fate(room, pause, head) or await _bury(room, pause, nonces):
        return
    if not room.holds(pause, head):  # what is on its way goes on without us
        await room.say(pause, "the decision does not hold at the newest judged block")
        return
    newest = _newest(pause.alive)
    if head.number > newest.head:
        await _outbid(room, pause, head)
    elif pause.state == "simulated" or newest.sends == 0:
        # A crash came between the commit and the sending, or nobody took it.
        await send(room, pause, newest, head)


def _newest(sent: Sequence[Sent]) -> Sent:
    """The offer that was made last: not always the highest one, since senders and nonces have prices of their own."""
    return max(sent, key=lambda t: (t.head, t.max_fee))


async def _bury(room: Room, pause: Pause, nonces: dict[Address, int]) -> bool:
    """Put away transactions that were mined and reverted, or whose nonce is used: True if that changed the pause. Nonces were read before."""
    gone: list[Sent] = []
    reverted = 0
    for sent in pause.alive:
        receipt = await room.chain.receipt(sent.hash)
        if receipt is not None and receipt[2]:
            return True  # mined in a block after the head that the events were read at: the next look finds it
        reverted += receipt is not None
        if receipt is not None or sent.nonce < nonces[sent.sender]:
            gone += [t for t in pause.alive if t.sender == sent.sender and t.nonce == sent.nonce and t not in gone]
    if not gone:
        return False
    await room.write(lambda unit: ledger.bury(unit, [t.hash for t in gone]))
    log.warning("guardian.transactions_dead", decision=pause.id, reverted=reverted, dead=len(gone))
    tried = {(t.sender, t.nonce) for t in pause.transactions if t.dead or t in gone}
    if reverted and len(tried) >= MAX_REVERTS:
        await room.move(pause, "failed", note=f"{MAX_REVERTS} transactions were mined and did not pause: look at {gone[-1].hash}")
        return True
    if len(gone) == len(pause.alive):
        why = (
            f"{gone[-1].hash} was mined and reverted"
            if reverted
            else f"nonce {gone[-1].nonce} of {gone[-1].sender} was used by another transaction"
        )
        await room.move(pause, "gathered", note=why)
    return True


async def _outbid(room: Room, pause: Pause, head: Head) -> None:
    """A block went by without our transaction: look again whether the order lives, else take a newer one, and offer an eighth more."""
    blocks = head.number - min(t.head for t in pause.alive)
    found = await still_good(room, pause, head)
    chosen = pause.chosen
    if found is None:
        pause = await room.again(pause)
        if pause.state not in ledger.IN_POOL:
            return
        newer = await attest.gather(room, pause, head)
        if newer is None:
            return
        found, chosen = newer
    assert chosen is not None
    used = [key for key in room.senders if any(t.sender == key.address for t in pause.alive)]
    raised = [await transact(room, await room.again(pause), found, chosen, head, key) for key in used]
    if not any(raised):
        for sent in {(t.sender, t.nonce): t for t in pause.alive}.values():  # the highest offer of each: pools may have dropped it
            await send(room, await room.again(pause), sent, head)
    if blocks < room.settings.stuck_blocks:
        return
    spare = [key for key in room.senders if key not in used]
    if spare:
        log.warning("guardian.second_sender", decision=pause.id, target=pause.row.target, sender=spare[0].address)
        await transact(room, await room.again(pause), found, chosen, head, spare[0])
