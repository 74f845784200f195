"""The rows of pauses and of their transactions: every step of the submitter is one of these small writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import col

from monitor.model import Hash
from monitor.store import Unit
from monitor.store.columns import insert
from monitor.store.tables.guardian import PauseRow, PauseTransactionRow

OPEN = ("owed", "simulated", "signed", "sent", "mined")
IN_FLIGHT = ("signed", "sent", "mined")
ALREADY_PAUSED = "the target is paused already"
"""Note of a refused pause that was not needed."""


@dataclass(frozen=True, slots=True)
class Signed:
    """One signed transaction, whole."""

    hash: Hash
    sender: str
    nonce: int
    gas: int
    max_fee: int
    priority_fee: int
    raw: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A decision with the transactions that may still be mined for it, the newest last."""

    row: PauseRow
    transactions: tuple[Signed, ...]

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def state(self) -> str:
        return self.row.state


def open_pauses(unit: Unit) -> list[Pause]:
    """Pauses on their way, the oldest first."""
    found = unit.conn.execute(
        select(*PauseRow.__table__.columns).where(col(PauseRow.state).in_(OPEN)).order_by(col(PauseRow.decided_at), col(PauseRow.id))  # type: ignore[attr-defined]
    )
    return [_with_transactions(unit, row) for row in found.mappings().all()]


def pause(unit: Unit, id: str) -> Pause:
    """The pause of that id."""
    row = unit.conn.execute(select(*PauseRow.__table__.columns).where(col(PauseRow.id) == id)).mappings().one()  # type: ignore[attr-defined]
    return _with_transactions(unit, row)


def latest(unit: Unit, limit: int = 20) -> list[PauseRow]:
    """The newest decisions of every kind, for pages: with their states, latencies and notes."""
    columns = PauseRow.__table__.columns  # type: ignore[attr-defined]
    found = unit.conn.execute(select(*columns).order_by(col(PauseRow.decided_at).desc(), col(PauseRow.id)).limit(limit))
    return [PauseRow(**row) for row in found.mappings().all()]


def outcomes(unit: Unit, since: float) -> dict[tuple[str, str], int]:
    """Decisions since that wall time, by target and outcome: the state, but ``open`` while on the way and ``needless`` when it was paused already."""
    columns = (col(PauseRow.target), col(PauseRow.state), col(PauseRow.note))
    found = unit.conn.execute(select(*columns).where(col(PauseRow.decided_at) >= since)).all()
    return dict(Counter((row.target, _outcome(row.state, row.note)) for row in found))


def _outcome(state: str, note: str | None) -> str:
    if state in OPEN:
        return "open"
    return "needless" if state == "refused" and note == ALREADY_PAUSED else state


def latencies(row: PauseRow) -> dict[str, float]:
    """Seconds of wall time from the judged block's decision to each step that was reached."""
    steps = {
        "simulated": row.simulated_at,
        "signed": row.signed_at,
        "sent": row.sent_at,
        "mined": row.mined_at,
        "verified": row.verified_at,
    }
    return {name: at - row.decided_at for name, at in steps.items() if at is not None}


def busy(unit: Unit, target: str, but: str) -> bool:
    """Whether another pause of the target is signed and not settled: a second one would only be refused on chain."""
    query = select(col(PauseRow.id)).where(col(PauseRow.target) == target, col(PauseRow.state).in_(IN_FLIGHT), col(PauseRow.id) != but)
    return unit.conn.execute(query.limit(1)).first() is not None


def next_nonce(unit: Unit, sender: str, chain_nonce: int) -> int:
    """The chain's nonce, or the one after the last that we signed and that may still be mined."""
    highest = unit.conn.execute(
        select(func.max(col(PauseTransactionRow.nonce)))
        .join(PauseRow, col(PauseRow.id) == col(PauseTransactionRow.pause))
        .where(col(PauseTransactionRow.sender) == sender, col(PauseTransactionRow.dead).is_(False), col(PauseRow.state).in_(IN_FLIGHT))
    ).scalar_one()
    return chain_nonce if highest is None else max(chain_nonce, highest + 1)


def move(unit: Unit, id: str, state: str, **values: Any) -> None:
    """Change the state; the note is cleared unless given."""
    unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == id).values(state=state, **{"note": None, **values}))


def note(unit: Unit, id: str, text: str) -> None:
    """Say why a pause waits."""
    unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == id).values(note=text))


def sign(unit: Unit, id: str, signed: Signed, at: float, *, first: bool) -> None:
    """Keep a signed transaction before it is sent for the first time. ``first``: not one of higher fee on the same nonce."""
    unit.conn.execute(
        insert(unit, PauseTransactionRow).values(
            hash=signed.hash, pause=id, sender=signed.sender, nonce=signed.nonce, gas=signed.gas, max_fee_wei=str(signed.max_fee),
            priority_fee_wei=str(signed.priority_fee), raw=signed.raw, signed_at=at, sends=0, dead=False,
        )
    )  # fmt: skip
    if first:
        move(unit, id, "signed", signed_at=at)


def attempt(unit: Unit, hash: Hash, at: float) -> None:
    """An attempt to send is written before it is made."""
    table = PauseTransactionRow
    unit.conn.execute(update(table).where(col(table.hash) == hash).values(sends=col(table.sends) + 1, sent_at=at))


def bury(unit: Unit, id: str, why: str) -> None:
    """All transactions of the pause are dead, so it is owed again."""
    unit.conn.execute(update(PauseTransactionRow).where(col(PauseTransactionRow.pause) == id).values(dead=True))
    move(unit, id, "owed", note=why)


def _with_transactions(unit: Unit, row: Any) -> Pause:
    table = PauseTransactionRow
    found: Sequence[Any] = unit.conn.execute(
        select(*table.__table__.columns).where(col(table.pause) == row["id"], col(table.dead).is_(False))  # type: ignore[attr-defined]
    ).all()
    signed = [Signed(Hash(t.hash), t.sender, t.nonce, t.gas, int(t.max_fee_wei), int(t.priority_fee_wei), t.raw) for t in found]
    return Pause(PauseRow(**row), tuple(sorted(signed, key=lambda t: t.max_fee)))
