"""The rows of pauses, of the orders that were signed for them and of their transactions: each step of the machine is one of these writes.

States: decided, signed, gathered, simulated, sent, replaced, mined, verified, reported, orphaned are open; a reported pause is closed when its
block has settled. Final are refused (not needed, or cancelled by people), shadowed, withdrawn (what was decided did not hold any
more) and failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlmodel import SQLModel, col

from monitor.guardian.decision import digest as document_digest
from monitor.guardian.order import Order
from monitor.model import Address, BlockStamp, Hash
from monitor.store import Unit
from monitor.store.columns import insert
from monitor.store.tables.guardian import OrderRow, PauseRow, PauseTransactionRow, SignatureRow

UNSENT = ("decided", "signed", "gathered", "simulated")
IN_POOL = ("sent", "replaced")
DONE = ("mined", "verified", "reported")
OPEN = (*UNSENT, *IN_POOL, *DONE, "orphaned")
EXCLUSIVE = ("simulated", *IN_POOL, "mined", "verified", "orphaned")
"""While one pause of a target is in such a state, no other is begun: it would be needless or spend a second budget."""
FINAL = ("refused", "shadowed", "withdrawn", "failed")
KEPT_BLOCKS = 192
"""Blocks for which the orders of an open pause are kept: the contract takes none that is older than 128."""
STUCK_SECONDS = 180.0
"""Wall time after which a pause that still holds counts as stuck, whatever the machine says of it: fifteen blocks of mainnet."""
NEEDLESS = "the target is paused already"
"""Note of a refused pause that was not needed."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A judged block at which the decision held, and the order that we signed for it, if we did."""

    row: OrderRow

    @property
    def hash(self) -> Hash:
        return Hash(self.row.observed_hash)

    @property
    def number(self) -> int:
        return self.row.observed_number

    @property
    def decision(self) -> bytes:
        return bytes.fromhex(self.row.decision[2:])

    @property
    def digest(self) -> str | None:
        return self.row.digest

    @property
    def order(self) -> Order:
        """The order. Only of a signed one."""
        assert self.row.target is not None and self.row.epoch is not None
        return Order(Address(self.row.target), self.row.epoch, self.decision, self.row.observed_number, self.hash)

    @property
    def signature(self) -> bytes:
        assert self.row.signature is not None
        return bytes.fromhex(self.row.signature[2:])


@dataclass(frozen=True, slots=True)
class Sent:
    """One signed transaction, whole."""

    hash: Hash
    sender: Address
    nonce: int
    gas: int
    max_fee: int
    tip: int
    raw: str
    order: str
    head: int
    """The newest block when it was signed."""
    private: bool = False
    sends: int = 0
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A decision with its sightings (the last judged last) and its transactions (in the order of their fees)."""

    row: PauseRow
    sightings: tuple[Sighting, ...]
    transactions: tuple[Sent, ...]

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def state(self) -> str:
        return self.row.state

    @property
    def alive(self) -> tuple[Sent, ...]:
        """Transactions that may still be mined."""
        return tuple(t for t in self.transactions if not t.dead)

    @property
    def signed(self) -> tuple[Sighting, ...]:
        return tuple(s for s in self.sightings if s.digest is not None)

    @property
    def chosen(self) -> Sighting | None:
        """The order that is carried out."""
        return next((s for s in self.sightings if s.digest is not None and s.digest == self.row.order), None)


# ---------------------------------------------------------------- the judged block's part


def decide(unit: Unit, values: Mapping[str, Any]) -> bool:
    """Open a pause in the judged block's transaction; False when it is known already. ``values`` are PauseRow's columns; one id is owed once.

    One that was withdrawn, proposed or refused by the policy is opened again when the same episode asks again; one that people cancelled is not.
    """
    fresh = {**values, "state": "decided", "standing": False}
    # RETURNING, since PostgreSQL's driver does not count inserted rows.
    new = insert(unit, PauseRow).values(**fresh).on_conflict_do_nothing(index_elements=["id"]).returning(col(PauseRow.id))
    if unit.conn.execute(new).first() is not None:
        return True
    unowed = col(PauseRow.state).in_(("refused", "proposed")) & col(PauseRow.standing).is_(None)
    again = update(PauseRow).where(col(PauseRow.id) == values["id"], unowed | (col(PauseRow.state) == "withdrawn"))
    steps = dict.fromkeys(
        ("order", "signed_at", "gathered_at", "simulated_at", "sent_at", "mined_number", "mined_hash", "mined_tx", "paged_at")
    )
    return bool(unit.conn.execute(again.values(**fresh, **steps)).rowcount)


def observe(unit: Unit, at: BlockStamp, standing: Mapping[str, bytes], judged_at: float) -> None:
    """Note at a judged block, in its transaction, for which open pauses the decision holds there, with its document; all others stand no more.

    Call it at *every* judged block, after :func:`decide`; unknown is not standing. Blocks of all branches are kept: the chain decides which count.
    """
    live = col(PauseRow.state).in_(OPEN) & col(PauseRow.settled_at).is_(None) & col(PauseRow.standing).is_not(None)
    fallen = col(PauseRow.standing).is_(True), col(PauseRow.id).not_in(list(standing))
    unit.conn.execute(update(PauseRow).where(live, *fallen).values(standing=False))
    if not standing:
        return
    # The order in which blocks were judged is kept whatever clocks say: another leader's may be behind.
    newest = unit.conn.execute(select(func.max(col(OrderRow.judged_at))).where(col(OrderRow.pause).in_(list(standing)))).scalar_one()
    judged_at = judged_at if newest is None else max(judged_at, newest + 1e-6)
    for pause, document in standing.items():
        if not unit.conn.execute(update(PauseRow).where(live, col(PauseRow.id) == pause).values(standing=True)).rowcount:
            continue
        row = {
            "pause": pause, "observed_hash": at.hash, "observed_number": at.number, "observed_timestamp": at.timestamp,
            "decision": "0x" + document_digest(document).hex(), "document": document.decode("utf-8"), "judged_at": judged_at,
        }  # fmt: skip
        unit.conn.execute(insert(unit, OrderRow).values(**row).on_conflict_do_nothing(index_elements=["pause", "observed_hash"]))
        # Orders that nobody can carry out any more; the one that was chosen is evidence.
        chosen = select(col(PauseRow.order)).where(col(PauseRow.id) == pause).scalar_subquery()
        old = col(OrderRow.pause) == pause, col(OrderRow.observed_number) < at.number - KEPT_BLOCKS
        unit.conn.execute(
            delete(OrderRow).where(*old, col(OrderRow.digest).is_(None) | chosen.is_(None) | (col(OrderRow.digest) != chosen))
        )


# ---------------------------------------------------------------- reading


def open_pauses(unit: Unit) -> list[Pause]:
    """Pauses on their way, and those whose block has not settled: in which they were mined, or showed that they are needless; the oldest first."""
    needless = (col(PauseRow.state) == "refused") & (col(PauseRow.note) == NEEDLESS) & col(PauseRow.mined_hash).is_not(None)
    waiting = (col(PauseRow.state).in_(OPEN) | needless) & (col(PauseRow.settled_at).is_(None)) & (col(PauseRow.standing).is_not(None))
    found = unit.conn.execute(select(*_columns(PauseRow)).where(waiting).order_by(col(PauseRow.decided_at), col(PauseRow.id)))
    return [_whole(unit, row) for row in found.mappings().all()]


def pause(unit: Unit, id: str) -> Pause:
    """The pause of that id."""
    return _whole(unit, unit.conn.execute(select(*_columns(PauseRow)).where(col(PauseRow.id) == id)).mappings().one())


def own_orders(unit: Unit, since: float, limit: int) -> list[Sighting]:
    """What we signed since that wall time, the newest first: what peers are given."""
    slim = [c for c in _columns(OrderRow) if c.name != "document"]
    query = select(*slim).where(col(OrderRow.signature).is_not(None), col(OrderRow.judged_at) >= since)
    found = unit.conn.execute(query.order_by(col(OrderRow.judged_at).desc(), col(OrderRow.pause)).limit(limit))
    return [Sighting(OrderRow(**row)) for row in found.mappings().all()]


def signatures(unit: Unit, digests: Iterable[str]) -> dict[str, dict[Address, bytes]]:
    """Other sentinels' signatures, by order's digest and signer."""
    found: dict[str, dict[Address, bytes]] = {}
    query = select(col(SignatureRow.digest), col(SignatureRow.signer), col(SignatureRow.signature))
    for row in unit.conn.execute(query.where(col(SignatureRow.digest).in_(list(digests)))).all():
        found.setdefault(row.digest, {})[Address(row.signer)] = bytes.fromhex(row.signature[2:])
    return found


def busy(unit: Unit, target: str, but: str) -> bool:
    """Whether another pause of the target is on its way to the chain or just arrived.

    One that does not hold any more is in nobody's way: should it be mined after all, the epoch rises and the other order pauses nothing.
    """
    query = select(col(PauseRow.id)).where(col(PauseRow.target) == target, col(PauseRow.state).in_(EXCLUSIVE), col(PauseRow.id) != but)
    wanted = col(PauseRow.standing).is_(True) | (col(PauseRow.state).in_(DONE) & col(PauseRow.standing).is_not(None))
    return unit.conn.execute(query.where(wanted, col(PauseRow.settled_at).is_(None)).limit(1)).first() is not None


def slot(unit: Unit, sender: Address, chain_nonce: int) -> tuple[int, Sent | None]:
    """The lowest nonce that no open pause waits for, and a useless transaction that may still wait there and has to be outbid.

    A pause that ended otherwise, or that does not hold any more, leaves its transaction behind: its nonce is used again, or all later ones would
    wait for it, since nobody raises its offer.
    """
    query = (
        select(*_columns(PauseTransactionRow), col(PauseRow.state), col(PauseRow.standing))
        .join(PauseRow, col(PauseRow.id) == col(PauseTransactionRow.pause))
        .where(col(PauseTransactionRow.sender) == sender, col(PauseTransactionRow.dead).is_(False))
        .where(col(PauseTransactionRow.nonce) >= chain_nonce)
    )
    taken: set[int] = set()
    useless: dict[int, Sent] = {}
    for row in unit.conn.execute(query).mappings().all():
        if row["standing"] and row["state"] in (*UNSENT, *IN_POOL, "orphaned"):
            taken.add(row["nonce"])
        elif (sent := _sent(row)).nonce not in useless or sent.max_fee > useless[sent.nonce].max_fee:
            useless[sent.nonce] = sent
    nonce = chain_nonce
    while nonce in taken:
        nonce += 1
    return nonce, useless.get(nonce)


def outcomes(unit: Unit, since: float, now: float | None = None) -> dict[tuple[str, str], int]:
    """Decisions about blocks since that block time, by target and outcome: the state, but ``open`` on the way, ``stuck``, ``needless``.

    Stuck is what people were paged about; and, at wall time ``now``, what still holds and was decided long ago: who should carry it out may be unable to
    page, since it hangs or hears nothing of its endpoints.
    """
    columns = (
        col(PauseRow.target),
        col(PauseRow.state),
        col(PauseRow.note),
        col(PauseRow.paged_at),
        col(PauseRow.standing),
        col(PauseRow.decided_at),
    )
    found = unit.conn.execute(select(*columns).where(col(PauseRow.observed_timestamp) >= since)).all()

    def stuck(row: Any) -> bool:
        return row.paged_at is not None or (now is not None and bool(row.standing) and now - row.decided_at > STUCK_SECONDS)

    return dict(Counter((row.target, _outcome(row.state, row.note, stuck(row))) for row in found))


def latencies(row: PauseRow) -> dict[str, float]:
    """Seconds of wall time from the decision to each step that was reached."""
    steps = ("signed", "gathered", "simulated", "sent", "mined", "verified", "reported")
    found = {step: getattr(row, f"{step}_at") for step in steps}
    return {step: at - row.decided_at for step, at in found.items() if at is not None}


def document(unit: Unit, decision: str) -> bytes | None:
    """The canonical file of a decision (0x hex of its digest), as long as it is kept."""
    found = unit.conn.execute(select(col(OrderRow.document)).where(col(OrderRow.decision) == decision).limit(1)).scalar_one_or_none()
    return None if found is None else found.encode("utf-8")


# ---------------------------------------------------------------- writing


def move(unit: Unit, id: str, state: str, **values: Any) -> None:
    """Change the state; the note is cleared unless given."""
    unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == id).values(state=state, **{"note": None, **values}))


def note(unit: Unit, id: str, text: str, **values: Any) -> None:
    """Say why a pause waits."""
    unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == id).values(note=text, **values))


def sign(unit: Unit, id: str, sighting: Sighting, order: Order, digest: str, signature: bytes, at: float) -> bool:
    """Keep an order that we signed: from now on peers are given it. False, and nothing kept, if the decision ended while it was signed."""
    if not _stands(unit, id):
        return False
    unit.conn.execute(
        update(OrderRow)
        .where(col(OrderRow.pause) == id, col(OrderRow.observed_hash) == sighting.hash)
        .values(target=order.target, epoch=order.epoch, digest=digest, signature="0x" + signature.hex(), signed_at=at)
    )
    waiting = col(PauseRow.state).in_(("decided", "orphaned"))
    unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == id, waiting).values(state="signed", signed_at=at, note=None))
    return True


def receive(unit: Unit, digest: str, signer: Address, signature: bytes, peer: str, at: float) -> None:
    """Keep another sentinel's signature."""
    row = {"digest": digest, "signer": signer, "signature": "0x" + signature.hex(), "peer": peer, "seen_at": at}
    unit.conn.execute(insert(unit, SignatureRow).values(**row).on_conflict_do_nothing(index_elements=["digest", "signer"]))


def keep(unit: Unit, id: str, sent: Sent, at: float) -> bool:
    """Keep a signed transaction before it is sent. False, and nothing kept, if it would be the first and the decision ended meanwhile."""
    state = unit.conn.execute(select(col(PauseRow.state)).where(col(PauseRow.id) == id)).scalar_one()
    if state in UNSENT and not _stands(unit, id):
        return False
    unit.conn.execute(
        insert(unit, PauseTransactionRow).values(
            hash=sent.hash, pause=id, sender=sent.sender, nonce=sent.nonce, gas=sent.gas, max_fee_wei=str(sent.max_fee),
            priority_fee_wei=str(sent.tip), raw=sent.raw, signed_at=at, sends=0, dead=False, order=sent.order, head=sent.head,
            private=sent.private,
        )
    )  # fmt: skip
    # A second transaction on the way makes it "replaced".
    unit.conn.execute(
        update(PauseRow).where(col(PauseRow.id) == id).values(order=sent.order, state="replaced" if state == "sent" else state)
    )
    return True


def attempt(unit: Unit, hash: Hash, private: bool, at: float) -> None:
    """An attempt to send is written before it is made."""
    table = PauseTransactionRow
    values = {"sends": col(table.sends) + 1, "sent_at": at, "private": private}
    unit.conn.execute(update(table).where(col(table.hash) == hash).values(**values))


def orphan(unit: Unit, id: str, head: int, why: str) -> None:
    """The block of a mined or needless pause was reorganised away: it is on its way again, and its transactions begin anew at this head.

    A needless one was not watched any more: whether it holds is for the next judged block to say.
    """
    ended = col(PauseRow.id) == id, col(PauseRow.state).in_(FINAL)
    unit.conn.execute(update(PauseRow).where(*ended).values(standing=False))
    gone = {"mined_at": None, "mined_number": None, "mined_hash": None, "mined_tx": None, "verified_at": None, "resumes_timestamp": None}
    move(unit, id, "orphaned", note=why, reported_at=None, execution=None, **gone)
    waiting = col(PauseTransactionRow.pause) == id, col(PauseTransactionRow.dead).is_(False)
    unit.conn.execute(update(PauseTransactionRow).where(*waiting).values(head=head))


def bury(unit: Unit, hashes: Iterable[Hash]) -> None:
    """These transactions can never be mined any more, or were mined and reverted."""
    unit.conn.execute(update(PauseTransactionRow).where(col(PauseTransactionRow.hash).in_(list(hashes))).values(dead=True))


# ---------------------------------------------------------------- below


def _stands(unit: Unit, id: str) -> bool:
    return bool(unit.conn.execute(select(col(PauseRow.standing)).where(col(PauseRow.id) == id)).scalar_one())


def _outcome(state: str, note: str | None, stuck: bool) -> str:
    if state in (*UNSENT, *IN_POOL, "orphaned"):
        return "stuck" if stuck else "open"
    if state in DONE:
        return "verified" if state != "mined" else "open"
    return "needless" if state == "refused" and note == NEEDLESS else state


def _whole(unit: Unit, row: Any) -> Pause:
    slim = [c for c in _columns(OrderRow) if c.name != "document"]
    by_pause = select(*slim).where(col(OrderRow.pause) == row["id"])
    seen = unit.conn.execute(by_pause.order_by(col(OrderRow.judged_at), col(OrderRow.observed_number))).mappings().all()
    sent = unit.conn.execute(select(*_columns(PauseTransactionRow)).where(col(PauseTransactionRow.pause) == row["id"])).mappings().all()
    found = sorted((_sent(t) for t in sent), key=lambda t: (t.max_fee, t.hash))
    return Pause(PauseRow(**row), tuple(Sighting(OrderRow(**s)) for s in seen), tuple(found))


def _sent(row: Any) -> Sent:
    return Sent(
        Hash(row["hash"]), Address(row["sender"]), row["nonce"], row["gas"], int(row["max_fee_wei"]), int(row["priority_fee_wei"]), row["raw"],
        row["order"] or "", row["head"] or 0, private=bool(row["private"]), sends=row["sends"], dead=row["dead"],
    )  # fmt: skip


def _columns(table: type[SQLModel]) -> Any:
    return table.__table__.columns  # type: ignore[attr-defined]
