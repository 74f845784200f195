"""Reading the journal back: frames to fill the window after a restart, and everything in order to judge it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import col

from monitor.model import BlockStamp, EpisodeId, Frame, Hash, Moment, RuleId, Slot, Tick, Transition
from monitor.store import meta
from monitor.store.entry import ReplayEntry
from monitor.store.errors import Thinned
from monitor.store.frames import FrameReader
from monitor.store.stamps import json_labels, json_moment
from monitor.store.tables.journal import JournalRow, RulesetRow, TransitionRow
from monitor.store.unit import Unit

_BATCH = 32
_JUDGED = ("block", "tick")


def load_frames(unit: Unit, since_timestamp: int) -> Iterator[Frame]:
    """Frames of the current branch admitted at or after a block time, in the order in which they were admitted."""
    current = (col(JournalRow.orphaned_by).is_(None), col(JournalRow.kind).in_(_JUDGED), col(JournalRow.timestamp) >= since_timestamp)
    reader = FrameReader(unit)
    for rows in _batches(unit, current):
        found = reader.read({row.seq: judged_at(row) for row in rows})
        for row in rows:
            yield from found.get(row.seq, ())


def replay(unit: Unit, first: int = 0, last: int | None = None) -> Iterator[ReplayEntry]:
    """All entries with ``first <= seq <= last``, orphaned ones too, with their frames and transitions.

    Raises Thinned when frames of the span were deleted by retention: judged again, it would come to something else.
    """
    _check_whole(unit, first)
    wanted = [col(JournalRow.seq) >= first]
    if last is not None:
        wanted.append(col(JournalRow.seq) <= last)
    reader = FrameReader(unit)
    for rows in _batches(unit, wanted):
        moments = {row.seq: judged_at(row) for row in rows if row.kind in _JUDGED}
        found, changes = reader.read(moments), _transitions(unit, moments)
        for row in rows:
            yield _entry(unit, row, found.get(row.seq, ()), tuple(changes.get(row.seq, ())))


def transitions(unit: Unit, since_timestamp: int = 0, limit: int = 10_000) -> list[Transition]:
    """Changes of alert instances at or after a block time in the order of judging, also those of orphaned blocks; the last ``limit``."""
    judged = select(JournalRow.__table__).where(  # type: ignore[attr-defined]
        col(JournalRow.timestamp) >= since_timestamp, col(JournalRow.seq).in_(select(col(TransitionRow.seq)))
    )
    rows = unit.conn.execute(judged.order_by(col(JournalRow.seq).desc()).limit(limit)).all()
    found = _transitions(unit, {row.seq: judged_at(row) for row in reversed(rows)})
    return [change for changes in found.values() for change in changes][-limit:]


def ruleset_text(unit: Unit, ruleset: str) -> str:
    """The text of the rule set with this hash. Raises LookupError when it was never journalled."""
    text: str | None = unit.conn.execute(select(col(RulesetRow.text)).where(col(RulesetRow.hash) == ruleset)).scalar_one_or_none()
    if text is None:
        raise LookupError(f"rule set {ruleset} is not in the journal; it was judged by without being noted first")
    return text


def judged_at(row: Row[Any]) -> Moment:
    """The moment of a block's or tick's row."""
    block = stamp_of(row)
    return Tick(block, row.timestamp) if row.kind == "tick" else block


def stamp_of(row: Row[Any]) -> BlockStamp:
    """The block of a journal row that has one."""
    root = None if row.beacon_root is None else Hash(row.beacon_root)
    return BlockStamp(row.number, Hash(row.hash), Hash(row.parent), row.block_timestamp, Slot(row.slot), root)


def _batches(unit: Unit, wanted: Sequence[Any]) -> Iterator[Sequence[Row[Any]]]:
    after = -1
    while True:
        query = select(JournalRow.__table__).where(*wanted, col(JournalRow.seq) > after)  # type: ignore[attr-defined]
        rows = unit.conn.execute(query.order_by(col(JournalRow.seq)).limit(_BATCH)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].seq


def _entry(unit: Unit, row: Row[Any], frames: tuple[Frame, ...], changes: tuple[Transition, ...]) -> ReplayEntry:
    details = row.details or {}
    at = None if row.number is None else judged_at(row)
    between = details.get("gap")
    return ReplayEntry(
        seq=row.seq,
        kind=row.kind,
        at=at,
        ruleset=row.ruleset,
        seen_at=row.seen_at,
        judged_at=row.judged_at,
        orphaned=row.orphaned_by is not None,
        frames=frames,
        transitions=changes,
        agreed=tuple(details.get("agreed", ())),
        gap=None if between is None else (between[0], between[1]),
        ruleset_text=ruleset_text(unit, row.ruleset) if row.kind == "rules" else None,
        reason=details.get("reason"),
    )


def _transitions(unit: Unit, moments: dict[int, Moment]) -> dict[int, list[Transition]]:
    found: dict[int, list[Transition]] = {}
    seqs = list(moments)
    for start in range(0, len(seqs), 500):
        query = select(TransitionRow.__table__).where(col(TransitionRow.seq).in_(seqs[start : start + 500]))  # type: ignore[attr-defined]
        for row in unit.conn.execute(query.order_by(col(TransitionRow.seq), col(TransitionRow.rank))):
            found.setdefault(row.seq, []).append(_transition(row, moments[row.seq]))
    return found


def _transition(row: Row[Any], at: Moment) -> Transition:
    return Transition(
        episode=EpisodeId(row.episode),
        fingerprint=int(row.fingerprint),
        rule=RuleId(row.rule),
        labels=json_labels(row.labels),
        annotations=json_labels(row.annotations),
        old=row.old,
        new=row.new,
        at=at if row.at is None else json_moment(row.at),
        cause=row.cause,
        value=row.value,
        evidence=Hash(row.evidence),
    )


def _check_whole(unit: Unit, first: int) -> None:
    thinned = meta.get(unit, meta.THINNED_SEQ)
    if thinned is not None and first <= thinned:
        raise Thinned(f"entries up to {thinned} are thinned by retention; replay from {thinned + 1} on, or from a backup")


def fresh_loss(unit: Unit) -> int | None:
    """The last judged block before the chain was lost, when nothing was judged since; else None."""
    newest = select(col(JournalRow.kind), col(JournalRow.number)).where(col(JournalRow.kind).in_(("block", "tick", "lost")))
    row = unit.conn.execute(newest.order_by(col(JournalRow.seq).desc()).limit(1)).one_or_none()
    return row.number if row is not None and row.kind == "lost" else None


def last_ruleset_text(unit: Unit) -> str | None:
    """The text of the rule set that was noted last, None in an empty journal."""
    noted = select(col(JournalRow.ruleset)).where(col(JournalRow.kind) == "rules").order_by(col(JournalRow.seq).desc()).limit(1)
    found = unit.conn.execute(noted).scalar_one_or_none()
    return None if found is None else ruleset_text(unit, found)
