"""Frames as rows: layouts once, full rows of values now and then, and between them only what changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Row, select
from sqlmodel import col

from monitor.model import (
    EMPTY_LAYOUT,
    BlockStamp,
    Disputed,
    Event,
    EventId,
    Failed,
    Frame,
    FrameStatus,
    Layout,
    LayoutId,
    Moment,
    Ok,
    Series,
)
from monitor.store.codec import Bits, bits, decode, encode, floats
from monitor.store.columns import canonical, insert, inserting
from monitor.store.memory import Base
from monitor.store.stamps import json_labels, json_layout, json_stamp, layout_json, stamp_json
from monitor.store.tables.journal import EventRow, FrameBaseRow, FrameRow, LayoutRow
from monitor.store.unit import Unit

BASE_SECONDS = 86_400
"""No frame is written against a base that is older: so retention may delete unused bases of this age without asking anybody."""
_WORTH = 0.6
"""A difference that is larger than this part of its base starts a new base: values drifted too far, or are noise."""
_SMALL = 256
"""Bytes of a difference that never start a new base: its row and its look for a layout would cost more than they save."""
_MAX_FRAMES = 1 << 12


def write(unit: Unit, seq: int, at: Moment, frames: Sequence[Frame]) -> None:
    """Write an entry's frames with their events. Raises ValueError for a frame that contradicts itself or the entry."""
    if len(frames) > _MAX_FRAMES:
        raise ValueError(f"{len(frames)} frames at one moment, at most {_MAX_FRAMES} can be numbered")
    block = at if isinstance(at, BlockStamp) else at.last
    rows: list[dict[str, Any]] = []
    new: dict[int, tuple[Frame, Base, bytes]] = {}
    for rank, frame in enumerate(frames):
        _check(frame, at)
        base, delta = _against(unit, frame)
        if base is None and len(frame.layout):
            id = seq * _MAX_FRAMES + rank
            row = bits(frame.values)
            data = encode(row)
            base = id
            new[id] = (frame, Base(id, frame.layout.id, row, len(data), at.timestamp), data)
        rows.append(_frame_row(seq, rank, block, frame, base, delta))
    _write_bases(unit, new)
    if rows:
        unit.conn.execute(inserting(FrameRow), rows)
    events = [_event_row(seq, rank, i, event) for rank, frame in enumerate(frames) for i, event in enumerate(frame.events)]
    if events:
        unit.conn.execute(inserting(EventRow), events)


def _check(frame: Frame, at: Moment) -> None:
    name = f"frame of {frame.collector} {dict(frame.scope)}"
    if frame.admitted != at:
        raise ValueError(f"{name} was admitted at {frame.admitted}, not at this entry's moment {at}")
    if frame.values.shape != (len(frame.layout),):
        raise ValueError(f"{name} has values of shape {frame.values.shape} for {len(frame.layout)} series")


def _reason(status: FrameStatus) -> Any:
    match status:
        case Failed(reason):
            return reason
        case Disputed(votes):
            return votes
        case Ok():
            return None


def _status(name: str, reason: Any) -> FrameStatus:
    match name:
        case "ok":
            return Ok()
        case "failed":
            return Failed(reason)
        case "disputed":
            return Disputed(json_labels(reason))
    raise ValueError(f"a frame's status is {name!r} in the database, not ok, failed or disputed")


def _against(unit: Unit, frame: Frame) -> tuple[int | None, bytes | None]:
    """The base that serves for this frame and the difference from it (None: none); no base where a new one is better."""
    base = unit.memory.bases.get((frame.collector, frame.scope))
    if base is None or base.layout != frame.layout.id or not 0 <= frame.admitted.timestamp - base.timestamp < BASE_SECONDS:
        return None, None
    row = bits(frame.values)
    if np.array_equal(base.values, row):
        return base.id, None
    delta = encode(row, base.values)
    return (base.id, delta) if len(delta) <= max(_SMALL, _WORTH * base.size) else (None, None)


def _write_bases(unit: Unit, new: Mapping[int, tuple[Frame, Base, bytes]]) -> None:
    """Write full rows, and layouts that are not there; remembered when all is committed."""
    if not new:
        return
    _write_layouts(unit, {frame.layout.id: frame.layout for frame, _, _ in new.values()})
    rows = [{"id": id, "layout": base.layout, "timestamp": base.timestamp, "data": data} for id, (_, base, data) in new.items()]
    unit.conn.execute(inserting(FrameBaseRow), rows)
    bases = {(frame.collector, frame.scope): base for frame, base, _ in new.values()}
    unit.on_commit(lambda: unit.memory.bases.update(bases))


def _write_layouts(unit: Unit, layouts: Mapping[LayoutId, Layout]) -> None:
    # Asked first, since the text of a large layout takes longer to make than all the rest of a block.
    there = set(unit.conn.execute(select(col(LayoutRow.id)).where(col(LayoutRow.id).in_(list(layouts)))).scalars())
    rows = [
        {"id": id, "series": canonical(layout_json(layout)), "length": len(layout)} for id, layout in layouts.items() if id not in there
    ]
    if rows:
        unit.conn.execute(insert(unit, LayoutRow).on_conflict_do_nothing(index_elements=["id"]), rows)


def _frame_row(seq: int, rank: int, block: BlockStamp, frame: Frame, base: int | None, delta: bytes | None) -> dict[str, Any]:
    return {
        "seq": seq,
        "rank": rank,
        "collector": frame.collector,
        "scope": frame.scope,
        "status": type(frame.status).__name__.lower(),
        "reason": _reason(frame.status),
        "read_at": None if frame.read_at == block else stamp_json(frame.read_at),
        "base": base,
        "delta": delta,
    }


def _event_row(seq: int, frame_rank: int, rank: int, event: Event) -> dict[str, Any]:
    return {
        "seq": seq,
        "frame_rank": frame_rank,
        "rank": rank,
        "id": event.id,
        "family": event.series.family,
        "labels": event.series.labels,
        "timestamp": event.stamp.timestamp,
        "stamp": stamp_json(event.stamp),
        "details": dict(event.details),
    }


@dataclass(slots=True)
class FrameReader:
    """Reads frames of ascending entries, of all collectors or of some. Keeps the bases of its last batch and all layouts that it met."""

    unit: Unit
    collectors: Collection[str] | None = None
    _layouts: dict[str, Layout] = field(default_factory=dict)
    _bases: dict[int, tuple[Layout, Bits]] = field(default_factory=dict)

    def read(self, moments: Mapping[int, Moment]) -> dict[int, tuple[Frame, ...]]:
        """The frames of these entries (by ``seq``), each in order; an entry without frames is left out."""
        wanted = list(moments)
        query = select(*FrameRow.__table__.columns).where(col(FrameRow.seq).in_(wanted))  # type: ignore[attr-defined]
        if self.collectors is not None:
            query = query.where(col(FrameRow.collector).in_(sorted(self.collectors)))
        rows = self.unit.conn.execute(query.order_by(col(FrameRow.seq), col(FrameRow.rank))).all()
        events = self._events(wanted)
        self._fetch_bases(rows)
        found: dict[int, list[Frame]] = {}
        for row in rows:
            found.setdefault(row.seq, []).append(self._frame(row, moments[row.seq], events.get((row.seq, row.rank), ())))
        return {seq: tuple(frames) for seq, frames in found.items()}

    def _events(self, wanted: Iterable[int]) -> dict[tuple[int, int], tuple[Event, ...]]:
        rows = self.unit.conn.execute(
            select(EventRow.__table__)  # type: ignore[attr-defined]
            .where(col(EventRow.seq).in_(wanted))
            .order_by(col(EventRow.seq), col(EventRow.frame_rank), col(EventRow.rank))
        )
        found: dict[tuple[int, int], list[Event]] = {}
        for row in rows:
            event = Event(EventId(row.id), Series(row.family, json_labels(row.labels)), json_stamp(row.stamp), row.details)
            found.setdefault((row.seq, row.frame_rank), []).append(event)
        return {key: tuple(events) for key, events in found.items()}

    def _frame(self, row: Row[*tuple[Any, ...]], at: Moment, events: tuple[Event, ...]) -> Frame:
        scope = json_labels(row.scope)
        block = at if isinstance(at, BlockStamp) else at.last
        layout, values = EMPTY_LAYOUT, np.empty(0)
        if row.base is not None:
            layout, base = self._bases[row.base]
            values = floats(base.copy() if row.delta is None else decode(row.delta, base))
        read_at = block if row.read_at is None else json_stamp(row.read_at)
        return Frame(row.collector, scope, read_at, at, _status(row.status, row.reason), layout, values, events)

    def _fetch_bases(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        """Have all bases of these rows; those that no row of the batch has are let go."""
        wanted = {row.base for row in rows if row.base is not None}
        self._bases = {id: held for id, held in self._bases.items() if id in wanted}
        missing = sorted(wanted - self._bases.keys())
        for start in range(0, len(missing), 500):
            query = select(FrameBaseRow.__table__).where(col(FrameBaseRow.id).in_(missing[start : start + 500]))  # type: ignore[attr-defined]
            for row in self.unit.conn.execute(query):
                self._bases[row.id] = (self._layout(row.layout), decode(row.data))

    def _layout(self, id: str) -> Layout:
        layout = self._layouts.get(id)
        if layout is None:
            text = self.unit.conn.execute(select(col(LayoutRow.series)).where(col(LayoutRow.id) == id)).scalar_one()
            layout = self._layouts[id] = json_layout(json.loads(text))
        return layout
