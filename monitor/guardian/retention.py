"""What may be forgotten of decisions about pauses: what came to nothing, when nobody needs it any more, in small batches.

What was sent to the chain is kept for ever, with its documents: there is little of it, and who asks about a pause may do so years later. So are the
responses files that were in force.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlmodel import col

from monitor.guardian.execution.ledger import OPEN
from monitor.store import Unit
from monitor.store.tables.alerts import AlertEpisode
from monitor.store.tables.decisions import DecisionRow
from monitor.store.tables.guardian import OrderRow, PauseRow, PauseTransactionRow, SignatureRow

OWED_SECONDS = 365 * 86_400
"""How long a pause is kept that was owed and never made (block time): refused, withdrawn or failed, it is what people ask about after an incident."""


def forget(unit: Unit, now: int, thinned: int, batch: int = 200) -> int:
    """Delete at most ``batch`` decisions that are old at block time ``now``, with their documents, orders and signatures; how many.

    Those that were never owed (shadow, proposed, refused by the policy) go after ``thinned`` seconds, as the frames that a shadow report counts do;
    owed ones of which nothing was ever sent after a year. What is on its way stays, and so does all of an episode that the alerts still know: while it
    fires, a decision about it must not be made twice. Of what was made, the orders that were not carried out go after a year.
    """
    found = unit.conn.execute(
        select(col(PauseRow.id)).where(_useless(now, thinned)).order_by(col(PauseRow.observed_timestamp)).limit(batch)
    )
    ids = list(found.scalars())
    if ids:
        unit.conn.execute(delete(OrderRow).where(col(OrderRow.pause).in_(ids)))
        unit.conn.execute(delete(DecisionRow).where(col(DecisionRow.pause).in_(ids)))
        unit.conn.execute(delete(PauseRow).where(col(PauseRow.id).in_(ids)))
    unit.conn.execute(delete(OrderRow).where(*_spare(now)))
    unit.conn.execute(delete(SignatureRow).where(~exists().where(col(OrderRow.digest) == col(SignatureRow.digest))))
    return len(ids)


def _useless(now: int, thinned: int) -> ColumnElement[bool]:
    row = PauseRow
    sent = exists().where(col(PauseTransactionRow.pause) == col(row.id))
    told = col(row.mined_tx).is_not(None) | sent
    on_its_way = and_(col(row.state).in_(OPEN), col(row.settled_at).is_(None))
    known = exists().where(col(AlertEpisode.episode) == col(row.episode))
    never_owed = and_(col(row.standing).is_(None), col(row.observed_timestamp) < now - thinned)
    never_made = col(row.observed_timestamp) < now - max(OWED_SECONDS, thinned)
    return and_(~told, ~on_its_way, ~known, or_(never_owed, never_made))


def _spare(now: int) -> tuple[ColumnElement[bool], ...]:
    """Orders that were not carried out, of pauses that have settled: there is one for each judged block at which it held, with the whole document."""
    settled = select(col(PauseRow.id)).where(col(PauseRow.settled_at).is_not(None) | ~col(PauseRow.state).in_(OPEN))
    carried_out = exists().where(col(PauseRow.id) == col(OrderRow.pause), col(PauseRow.order) == col(OrderRow.digest))
    return col(OrderRow.observed_timestamp) < now - OWED_SECONDS, col(OrderRow.pause).in_(settled), ~carried_out
