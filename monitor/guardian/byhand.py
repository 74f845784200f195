"""A person's pause from a laptop with an RPC URL and a key, and the same as calldata for a Safe.

Nothing here needs the service, its database or its settings: it must work when everything else is down. What the chain knows is read from it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from monitor.guardian import contract as guardian
from monitor.guardian.aim import Aim, Book, Enrolled, enrolled, listing, unheard
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers.declared import RoleLever
from monitor.guardian.node import Nodes, NoMajority, Refused
from monitor.guardian.person import MOST_GAS, Offer, Overtaken, Person, gas_with_room
from monitor.guardian.pull import Pull, by_guardian, by_role, read_back, why_not_registered
from monitor.model import Address, BlockStamp, Hash, Slot, Unanswered

__all__ = [
    "Calldata",
    "PauseImpossible",
    "PauseResult",
    "Place",
    "Prospect",
    "Standing",
    "Wish",
    "calldata",
    "pause",
    "prospect",
    "targets",
]

_LOOKS = 2
_BACK_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Calldata:
    """A transaction for whoever signs elsewhere (a Safe): exactly what to send, and what it says in words. ``chain_id``: None where nobody told."""

    chain_id: int | None
    to: Address
    value: int
    data: str
    function: str
    target: Address
    words: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. ``target``: a name or an address. ``seconds``: how long, where the sender says it. ``extend``: a pause that is on
    is to end later."""

    target: str
    seconds: int | None = None
    extend: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is looked for: a chain, its guardian if one is known, and names."""

    chain_id: int
    guardian: Address | None
    book: Book


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a pause would do and cost, simulated at ``block``. Timestamps are block time; money is wei; fees are for a unit of gas.

    ``ends_timestamp``: if it were mined now; None where somebody has to lift it. ``quota_left``, ``quota_after``: seconds for which guardians may
    pause it, now and afterwards; None where nothing counts them. ``most``: what the transaction can cost. ``waits``: transactions of the sender
    that are not mined; ``waiting``: the one whose place this takes, ``repeats``: and it is this very pause, sent before.
    """

    chain_id: int
    block: int
    block_timestamp: int
    target: str
    address: Address
    through: str
    sender: Address
    to: Address
    function: str
    paused: bool | None
    resumes_timestamp: int | None
    ends_timestamp: int | None
    quota_left: int | None
    quota_after: int | None
    gas: int
    base_fee: int
    fee: int
    most: int
    balance: int
    nonce: int
    waits: int
    waiting: Hash | None
    repeats: bool
    endpoints: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Nothing was sent, since the target is paused. ``resumes_timestamp``: None for a pause with no end of its own."""

    target: str
    address: Address
    block: int
    block_timestamp: int
    resumes_timestamp: int | None
    could_end: int | None
    """Until when a pause of now would last, if that is later."""


@dataclass(frozen=True, slots=True)
class PauseResult:
    """A person's pause that was mined and read back. Times are wall time; ``resumes_timestamp`` is None for an open end.

    ``tx``: None when another transaction of the sender, at the same nonce, paused it.
    """

    target: str
    tx: Hash | None
    block: int
    sender: Address
    gas_used: int | None
    resumes_timestamp: int | None
    started_at: float
    sent_at: float
    mined_at: float
    verified_at: float


# ---------------------------------------------------------------- calldata


def calldata(where: Address, aim: Aim, chain_id: int | None = None, lapses: bool | None = None) -> Calldata:
    """The transaction that a Safe with GUARDIAN_ROLE sends to the guardian at ``where``. Needs no endpoint. ``lapses``: None where nobody told."""
    ends = {
        True: "for the admin's duration; it lapses by itself",
        False: "until somebody with the right to resume lifts it",
        None: "for the admin's duration, or until somebody lifts it if its lever does not lapse",
    }[lapses]
    place = "" if chain_id is None else f"On chain {chain_id}, "
    what = aim.where if aim.name == aim.where else f"{aim.name} ({aim.where})"
    return Calldata(
        chain_id,
        where,
        0,
        "0x" + guardian.pause_calldata(aim.where).hex(),
        f"pauseTarget(address target = {aim.where})",
        aim.where,
        f"{place}guardian {where} pauses {what} {ends}. "
        "The sender must hold GUARDIAN_ROLE. No ether is sent. Compare all three addresses before signing.",
    )


# ---------------------------------------------------------------- pause


async def targets(nodes: Nodes, place: Place) -> tuple[Enrolled, ...]:
    """What is registered with the guardian. Raises PauseImpossible, NoMajority."""
    if place.guardian is None:
        raise PauseImpossible(
            "no guardian is named: give --guardian ADDRESS, or --settings FILE; `stakewarden guardian levers` lists what others pause"
        )
    try:
        return await enrolled(nodes, await nodes.newest(), place.guardian, place.chain_id, place.book)
    except Unanswered as missing:
        raise PauseImpossible(f"the guardian cannot be read: {missing}") from None


async def prospect(nodes: Nodes, place: Place, wish: Wish, person: Person) -> Prospect | Standing:
    """What the pause would do, after a simulation that went through; Standing when the target is paused. Sends nothing.

    Raises PauseImpossible with the reason and what to do, NoMajority when the endpoints do not answer.
    """
    found = await _Hand(nodes, place, wish, person).look()
    return found if isinstance(found, Standing) else found.prospect


async def pause(
    nodes: Nodes, place: Place, wish: Wish, person: Person, announce: Callable[[Prospect], None] = lambda _: None
) -> PauseResult | Standing:
    """Simulate, ``announce`` what will be done, send, wait, read back; Standing, and nothing is sent, when the target is paused.

    Raises PauseImpossible with the reason and what to do, NoMajority when the endpoints do not answer.
    """
    started = time.time()
    hand = _Hand(nodes, place, wish, person)
    found = await hand.look()
    if isinstance(found, Standing):
        return found
    announce(found.prospect)
    return await hand.pull(found, started)


@dataclass(frozen=True, slots=True)
class _Ready:
    pull: Pull
    offer: Offer
    prospect: Prospect


@dataclass(frozen=True)
class _Hand:
    nodes: Nodes
    place: Place
    wish: Wish
    person: Person

    async def look(self) -> _Ready | Standing:
        at, pull = await self._found()
        if pull.paused and (standing := self._standing(at, pull)) is not None:
            return standing
        offer = await self._tried(pull)
        return _Ready(pull, offer, self._prospect(at, pull, offer))

    async def _found(self) -> tuple[BlockStamp, Pull]:
        """The lever. Looked for once more at a newer block: of endpoints that stand behind one URL, not each knows the newest."""
        for left in reversed(range(_LOOKS)):
            at = await self.nodes.newest()
            try:
                return at, await self._lever(at)
            except Unanswered as missing:
                if not left:
                    raise PauseImpossible(f"the chain cannot be read, nothing was sent: {missing}") from None
        raise AssertionError("unreachable")

    async def _lever(self, at: BlockStamp) -> Pull:
        place, sender = self.place, self.person.signer.address
        aim = place.book.find(self.wish.target)
        if aim is None:
            raise unheard(self.wish.target, place.book, None if place.guardian is None else await targets(self.nodes, place))
        if place.guardian is not None:
            found = await by_guardian(self.nodes, at, place.guardian, place.chain_id, aim, sender)
            if found is not None:
                return found
            if not isinstance(aim.declared, RoleLever):
                raise why_not_registered(aim, place.guardian, listing(await targets(self.nodes, place)))
        return await by_role(self.nodes, at, aim, sender, self.wish.seconds)

    def _standing(self, at: BlockStamp, pull: Pull) -> Standing | None:
        """What is paused is left alone, unless it is to end later and can."""
        resumes, ends = pull.resumes_timestamp, pull.ends_timestamp
        later = ends if resumes is not None and ends is not None and ends > resumes else None
        if self.wish.extend and later is not None:
            return None
        return Standing(pull.name, pull.where, at.number, at.timestamp, resumes if pull.lapses else None, later)

    async def _tried(self, pull: Pull) -> Offer:
        """The offer for a call that goes through. What the call itself lacks is told before what the account lacks."""
        if pull.quota_left == 0:
            raise PauseImpossible(
                f"guardians have paused {pull.name} for their whole quota, nothing was sent: the admin renews it (renewGuardianTime)"
            )
        if pull.gas is None:
            await self._simulate(pull, MOST_GAS)
            return await self.person.offer(await gas_with_room(self.nodes, self.person.signer.address, pull.to, pull.data))
        simulated, offer = await asyncio.gather(self._simulate(pull, pull.gas), self.person.offer(pull.gas), return_exceptions=True)
        if isinstance(simulated, BaseException):
            raise simulated
        if isinstance(offer, BaseException):
            raise offer
        return offer

    async def _simulate(self, pull: Pull, gas: int) -> None:
        answer = await self.nodes.call("simulation", pull.to, pull.data, sender=self.person.signer.address, gas=gas)
        if isinstance(answer, Refused):
            more = "; it is paused now, and many contracts refuse another pause before that one ends" if pull.paused else ""
            raise PauseImpossible(f"the pause of {pull.name} would fail, nothing was sent: {pull.explain(answer.data or b'')}{more}")

    def _prospect(self, at: BlockStamp, pull: Pull, offer: Offer) -> Prospect:
        waiting = offer.waiting
        return Prospect(
            self.place.chain_id, at.number, at.timestamp, pull.name, pull.where, pull.through, self.person.signer.address, pull.to, pull.function,
            pull.paused, pull.resumes_timestamp, pull.ends_timestamp, pull.quota_left, pull.quota_after, offer.gas, offer.base_fee, offer.fee,
            offer.most, offer.balance, offer.nonce, offer.waits, None if waiting is None else waiting.tx,
            waiting is not None and waiting.is_call(pull.to, pull.data), len(self.nodes.all), pull.notes,
        )  # fmt: skip

    # ------------------------------------------------------------ sending

    async def pull(self, ready: _Ready, started: float) -> PauseResult:
        pull, sender, sent = ready.pull, self.person.signer.address, time.time()
        try:
            done = await self.person.call(pull.to, pull.data, ready.offer.gas, lambda: self._simulate(pull, MOST_GAS), ready.offer)
        except Overtaken:
            at = await self.nodes.newest()
            after = await self._back(at, pull)
            if not after.paused:
                raise
            now = time.time()
            return PauseResult(pull.name, None, at.number, sender, None, after.resumes_timestamp, started, sent, now, now)
        after = await self._back(BlockStamp(done.block, done.block_hash, done.block_hash, 0, Slot(0)), pull)
        if not after.paused:
            raise PauseImpossible(f"the transaction {done.tx} was mined, but {pull.name} does not say that it is paused")
        return PauseResult(
            pull.name,
            done.tx,
            done.block,
            sender,
            done.gas_used,
            after.resumes_timestamp,
            started,
            done.sent_at,
            done.mined_at,
            time.time(),
        )

    async def _back(self, at: BlockStamp, pull: Pull) -> Pull:
        """What the target says at that block. Asked again for some seconds: an endpoint may know the receipt and not the block yet."""
        deadline = time.monotonic() + _BACK_SECONDS
        while True:
            try:
                return await read_back(self.nodes, at, pull)
            except (NoMajority, Unanswered) as missing:
                if time.monotonic() > deadline:
                    raise PauseImpossible(
                        f"it was mined in block {at.number}, and the target cannot be read back ({missing}): see `stakewarden guardian status`"
                    ) from None
                await asyncio.sleep(0.3)
