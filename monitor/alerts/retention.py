"""What may be forgotten: closed incidents that are old, with all that belongs to them, in small batches."""

from __future__ import annotations

from sqlalchemy import Table, and_, delete, exists, select

from monitor.alerts.deliveries import UNSETTLED
from monitor.alerts.desk import DELIVERIES, EPISODES, INCIDENTS, MEMBERS, SILENCES, Unit
from monitor.store.tables.alerts import Acknowledgement

ACKNOWLEDGEMENTS: Table = Acknowledgement.__table__  # type: ignore[attr-defined]


def forget(unit: Unit, before: float, batch: int = 200) -> int:
    """Delete at most ``batch`` incidents that closed before a wall time and whose messages are settled; also what is left without an incident.

    Returns the number of incidents deleted: call again while it equals ``batch``.
    """
    waits = exists().where(DELIVERIES.c.incident == INCIDENTS.c.id, DELIVERIES.c.state.in_(UNSETTLED))
    old = select(INCIDENTS.c.id).where(INCIDENTS.c.closed_at < before, ~waits).order_by(INCIDENTS.c.closed_at).limit(batch)
    ids = [row[0] for row in unit.conn.execute(old)]
    if ids:
        for table, column in (
            (DELIVERIES, DELIVERIES.c.incident),
            (ACKNOWLEDGEMENTS, ACKNOWLEDGEMENTS.c.incident),
            (MEMBERS, MEMBERS.c.incident),
            (INCIDENTS, INCIDENTS.c.id),
        ):
            unit.conn.execute(delete(table).where(column.in_(ids)))
    unit.conn.execute(delete(SILENCES).where(SILENCES.c.until < before))
    canaries = DELIVERIES.c.kind == "canary", DELIVERIES.c.owed_at < before
    unit.conn.execute(delete(DELIVERIES).where(*canaries))
    homeless = ~exists().where(MEMBERS.c.episode == EPISODES.c.episode)
    over = and_(EPISODES.c.state != "firing", EPISODES.c.judged_at < before)
    some = select(EPISODES.c.episode).where(over, homeless).limit(5 * batch)
    unit.conn.execute(delete(EPISODES).where(EPISODES.c.episode.in_([row[0] for row in unit.conn.execute(some)])))
    return len(ids)
