"""Frames as rows: layouts once, full rows of values now and then, and between them only what changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Row, select
from sqlmodel import col

from monitor.model import EMPTY_LAYOUT, BlockStamp, Disputed, Event, EventId, Failed, Frame, FrameStatus, Labels, Layout, Moment, Ok, Series
from monitor.store.codec import Bits, bits, decode, encode, floats
from monitor.store.columns import canonical, insert
from monitor.store.memory import Base
from monitor.store.stamps import json_labels, json_layout, json_stamp, layout_json, stamp_json
from monitor.store.tables.journal import EventRow, FrameBaseRow, FrameRow, LayoutRow
from monitor.store.unit import Unit

BASE_SECONDS = 86_400
"""No frame is written against a base that is older: so retention may delete unused bases of this age without asking anybody."""
_WORTH = 0.6
"""A difference that is larger than this part of its base starts a new base: values drifted too far, or are noise."""
_MAX_FRAMES = 1 << 12


def write(unit: Unit, seq: int, at: Moment, frames: Sequence[Frame]) -> None:
    """Write an entry's frames with their events. Raises ValueError for a frame that contradicts itself or the entry."""
    if len(frames) > _MAX_FRAMES:
        raise ValueError(f"{len(frames)} frames at one moment, at most {_MAX_FRAMES} can be numbered")
    rows = []
    for rank, frame in enumerate(frames):
        _check(frame, at)
        base, delta = _values(unit, seq * _MAX_FRAMES + rank, frame)
        block = at if isinstance(at, BlockStamp) else at.last
        rows.append(
            {
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
        )
    if rows:
        unit.conn.execute(insert(unit, FrameRow), rows)
    events = [_event_row(seq, rank, i, event) for rank, frame in enumerate(frames) for i, event in enumerate(frame.events)]
    if events:
        unit.conn.execute(insert(unit, EventRow), events)


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


def _values(unit: Unit, new_id: int, frame: Frame) -> tuple[int | None, bytes | None]:
    """The frame's base and its difference from it; writes a new base where none serves."""
    if not len(frame.layout):
        return None, None
    row, key = bits(frame.values), (frame.collector, frame.scope)
    base = unit.memory.bases.get(key)
    if base is not None and base.layout == frame.layout.id and 0 <= frame.admitted.timestamp - base.timestamp < BASE_SECONDS:
        if np.array_equal(base.values, row):
            return base.id, None
        delta = encode(row, base.values)
        if len(delta) <= _WORTH * base.size:
            return base.id, delta
    return _new_base(unit, new_id, frame, row), None


def _new_base(unit: Unit, new_id: int, frame: Frame, row: Bits) -> int:
    _ensure_layout(unit, frame.layout)
    data = encode(row)
    values = {"id": new_id, "layout": frame.layout.id, "timestamp": frame.admitted.timestamp, "data": data}
    unit.conn.execute(insert(unit, FrameBaseRow).values(values))
    base = Base(new_id, frame.layout.id, row, len(data), frame.admitted.timestamp)
    key = (frame.collector, frame.scope)
    unit.on_commit(lambda: unit.memory.bases.__setitem__(key, base))
    return new_id


def _ensure_layout(unit: Unit, layout: Layout) -> None:
    # Asked first, since the text of a large layout takes longer to make than all the rest of a block.
    if unit.conn.execute(select(col(LayoutRow.id)).where(col(LayoutRow.id) == layout.id)).one_or_none() is None:
        values = {"id": layout.id, "series": canonical(layout_json(layout)), "length": len(layout)}
        unit.conn.execute(insert(unit, LayoutRow).values(values).on_conflict_do_nothing(index_elements=["id"]))


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
    """Reads frames of ascending entries. Keeps the newest base of each scope and all layouts that it met."""

    unit: Unit
    _layouts: dict[str, Layout] = field(default_factory=dict)
    _bases: dict[tuple[str, Labels], tuple[int, Layout, Bits]] = field(default_factory=dict)

    def read(self, moments: Mapping[int, Moment]) -> dict[int, tuple[Frame, ...]]:
        """The frames of these entries (by ``seq``), each in order; an entry without frames is left out."""
        wanted = list(moments)
        rows = self.unit.conn.execute(
            select(*FrameRow.__table__.columns)  # type: ignore[attr-defined]
            .where(col(FrameRow.seq).in_(wanted))
            .order_by(col(FrameRow.seq), col(FrameRow.rank))
        ).all()
        events = self._events(wanted)
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
            layout, base = self._base((row.collector, scope), row.base)
            values = floats(base.copy() if row.delta is None else decode(row.delta, base))
        read_at = block if row.read_at is None else json_stamp(row.read_at)
        return Frame(row.collector, scope, read_at, at, _status(row.status, row.reason), layout, values, events)

    def _base(self, key: tuple[str, Labels], id: int) -> tuple[Layout, Bits]:
        held = self._bases.get(key)
        if held is None or held[0] != id:
            columns = (col(FrameBaseRow.layout), col(FrameBaseRow.data))
            row = self.unit.conn.execute(select(*columns).where(col(FrameBaseRow.id) == id)).one()
            held = self._bases[key] = (id, self._layout(row.layout), decode(row.data))
        return held[1], held[2]

    def _layout(self, id: str) -> Layout:
        layout = self._layouts.get(id)
        if layout is None:
            text = self.unit.conn.execute(select(col(LayoutRow.series)).where(col(LayoutRow.id) == id)).scalar_one()
            layout = self._layouts[id] = json_layout(json.loads(text))
        return layout
