"""Which series there were in a stretch of time: for the menus of dashboards. From the store alone, without reading a single frame.

A frame is written against a full row that is a day old at most, and these rows are few: their layouts list all series. So what is told may
include series that ended up to a day before the stretch began.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import select
from sqlmodel import col

from monitor.model import Labels, Series
from monitor.samples import NAME, Matcher
from monitor.samples.recorded import MARK
from monitor.store import Unit
from monitor.store.frames import BASE_SECONDS
from monitor.store.stamps import json_labels, json_layout
from monitor.store.tables.journal import EventRow, FrameBaseRow, LayoutRow

MAX_SERIES = 40_000
_LAYOUTS = 4_096

Matchers = Sequence[tuple[Matcher, ...]]
"""Alternatives, each of conditions that must all hold; none: everything."""


class Directory:
    """Series by layout, remembered, since a layout never changes. Used by one thread at a time for each call; races only cost a second look."""

    def __init__(self) -> None:
        self._layouts: dict[str, tuple[Series, ...]] = {}

    def series(self, unit: Unit, start: int, end: int, matchers: Matchers) -> tuple[list[Labels], bool]:
        """The label sets with ``__name__``, sorted, and whether there were more than can be told."""
        found: set[Labels] = set()
        for row in self._all(unit, start, end):
            if not matchers or any(_matches(row, conditions) for conditions in matchers):
                found.add(row)
                if len(found) > MAX_SERIES:
                    break
        return sorted(found)[:MAX_SERIES], len(found) > MAX_SERIES

    def _all(self, unit: Unit, start: int, end: int) -> Iterator[Labels]:
        used = (
            select(col(FrameBaseRow.layout))
            .distinct()
            .where(col(FrameBaseRow.timestamp) >= start - BASE_SECONDS, col(FrameBaseRow.timestamp) <= end)
        )
        for series in self._read(unit, unit.conn.execute(used).scalars().all()):
            if (MARK, "1") not in series.labels:
                yield tuple(sorted((*series.labels, (NAME, series.family))))
        events = (
            select(col(EventRow.family), col(EventRow.labels))
            .where(col(EventRow.timestamp) >= start, col(EventRow.timestamp) <= end)
            .distinct()
            .limit(MAX_SERIES + 1)
        )
        for row in unit.conn.execute(events):
            yield tuple(sorted((*json_labels(row.labels), (NAME, row.family))))

    def _read(self, unit: Unit, ids: Sequence[str]) -> Iterable[Series]:
        if len(self._layouts) > _LAYOUTS:
            self._layouts.clear()
        missing = [id for id in ids if id not in self._layouts]
        for start in range(0, len(missing), 500):
            query = select(col(LayoutRow.id), col(LayoutRow.series)).where(col(LayoutRow.id).in_(missing[start : start + 500]))
            for row in unit.conn.execute(query):
                self._layouts[row.id] = json_layout(json.loads(row.series)).series
        for id in ids:
            yield from self._layouts.get(id, ())


def _matches(row: Labels, conditions: Sequence[Matcher]) -> bool:
    values = dict(row)
    return all(m.matches(values.get(m.name, "")) for m in conditions)
