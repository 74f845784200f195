"""What the journal lets go: frames are thinned to a coarser grid, later deleted, in small batches that hold nobody up."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlmodel import col

from monitor.store import meta
from monitor.store.frames import BASE_SECONDS
from monitor.store.tables.journal import CollectorStateRow, FrameBaseRow, FrameRow, InstancesRow, JournalRow, LayoutRow
from monitor.store.unit import Unit

DAY = 86_400
_NEVER_DELETED = 1024
"""The newest entries stay whatever their age, so that numbers go on and the chain can be rewound after a long rest."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long frames are kept, in seconds of block time: all of them, then one of each ``grid`` a scope; then nothing."""

    raw: int = 7 * DAY
    thinned: int = 90 * DAY
    grid: int = 300

    def __post_init__(self) -> None:
        if not 0 < self.grid <= self.raw <= self.thinned:
            raise ValueError(f"retention needs 0 < grid <= raw <= thinned, not grid {self.grid}, raw {self.raw}, thinned {self.thinned}")


def prune(unit: Unit, now: int, retention: Retention | None = None, batch: int = 500) -> int:
    """Delete at most about ``batch`` rows that are too old at block time ``now``; how many. Call again until it gives 0.

    Frames are thinned a whole grid cell at a time, so a cell of many frames may exceed the batch. Of each cell the first ok
    frame of each scope on the current branch stays.
    """
    keep = retention or Retention()
    deleted = _thin(unit, now - keep.raw, keep.grid, batch)
    if deleted < batch:
        deleted += _forget_entries(unit, now - keep.thinned, batch - deleted)
    if deleted < batch:
        deleted += _forget_unused(unit, now, batch - deleted)
    return deleted


def _thin(unit: Unit, before: int, grid: int, batch: int) -> int:
    """Thin cells from where the last call ended, until ``batch`` frames are gone or a cell is not wholly older than ``before``."""
    deleted = 0
    start = meta.get(unit, meta.THINNED_UNTIL)
    while deleted < batch:
        oldest = select(func.min(col(JournalRow.timestamp))).where(col(JournalRow.timestamp) >= (start or 0))
        found = unit.conn.execute(oldest).scalar_one()
        if found is None:
            break
        cell = found - found % grid
        if cell + grid > before:
            break
        deleted += _thin_cell(unit, cell, cell + grid)
        start = cell + grid
        meta.put(unit, meta.THINNED_UNTIL, start)
    return deleted


def _thin_cell(unit: Unit, start: int, end: int) -> int:
    in_cell = (col(JournalRow.timestamp) >= start, col(JournalRow.timestamp) < end)
    newest: int | None = unit.conn.execute(select(func.max(col(JournalRow.seq))).where(*in_cell)).scalar_one()
    if newest is None:
        return 0
    rows = unit.conn.execute(
        select(col(FrameRow.seq), col(FrameRow.rank), col(FrameRow.collector), col(FrameRow.scope), col(FrameRow.status))
        .add_columns(col(JournalRow.orphaned_by))
        .join(JournalRow, col(JournalRow.seq) == col(FrameRow.seq))
        .where(*in_cell)
        .order_by(col(FrameRow.seq), col(FrameRow.rank))
    ).all()
    held: set[tuple[str, str]] = set()
    gone: dict[int, list[int]] = {}
    for row in rows:
        key = (row.collector, repr(row.scope))
        if row.status == "ok" and row.orphaned_by is None and key not in held:
            held.add(key)
        else:
            gone.setdefault(row.seq, []).append(row.rank)
    for seq, ranks in gone.items():
        unit.conn.execute(delete(FrameRow).where(col(FrameRow.seq) == seq, col(FrameRow.rank).in_(ranks)))
    if gone:
        meta.put(unit, meta.THINNED_SEQ, max(newest, meta.get(unit, meta.THINNED_SEQ) or 0))
    return sum(len(ranks) for ranks in gone.values())


def _forget_entries(unit: Unit, before: int, batch: int) -> int:
    """Delete whole entries with their frames, events and transitions; not what still says what a collector remembers."""
    newest: int | None = unit.conn.execute(select(func.max(col(JournalRow.seq)))).scalar_one()
    if newest is None:
        return 0
    still_needed = select(col(CollectorStateRow.seq)).union(select(col(InstancesRow.seq)))
    old = (
        select(col(JournalRow.seq))
        .where(col(JournalRow.timestamp) < before, col(JournalRow.seq) <= newest - _NEVER_DELETED, col(JournalRow.seq).not_in(still_needed))
        .order_by(col(JournalRow.seq))
        .limit(batch)
    )
    seqs = unit.conn.execute(old).scalars().all()
    if not seqs:
        return 0
    meta.put(unit, meta.THINNED_SEQ, max(seqs[-1], meta.get(unit, meta.THINNED_SEQ) or 0))
    # Their frames, events and transitions go with them (ON DELETE CASCADE).
    unit.conn.execute(delete(JournalRow).where(col(JournalRow.seq).in_(seqs)))
    return len(seqs)


def _forget_unused(unit: Unit, now: int, batch: int) -> int:
    """Delete full rows of values that no frame is written against, then layouts that no full row has."""
    in_use = select(col(FrameRow.base)).where(col(FrameRow.base) == col(FrameBaseRow.id)).exists()
    # A running process may still write against a base for BASE_SECONDS; an hour more for blocks that come late.
    old = col(FrameBaseRow.timestamp) < now - BASE_SECONDS - 3600
    bases = unit.conn.execute(select(col(FrameBaseRow.id)).where(old, ~in_use).limit(batch)).scalars().all()
    if bases:
        unit.conn.execute(delete(FrameBaseRow).where(col(FrameBaseRow.id).in_(bases)))
    used = select(col(FrameBaseRow.id)).where(col(FrameBaseRow.layout) == col(LayoutRow.id)).exists()
    layouts = unit.conn.execute(select(col(LayoutRow.id)).where(~used).limit(max(0, batch - len(bases)))).scalars().all()
    if layouts:
        unit.conn.execute(delete(LayoutRow).where(col(LayoutRow.id).in_(layouts)))
    return len(bases) + len(layouts)
