"""Times that the window no longer holds, read back from the store, with the newest from memory.

Older than ``store.raw_days`` the store keeps one frame of each ``grid`` seconds a scope. There a frame speaks for that much longer, so what was
thinned is not taken for blindness; values may be as old as that. Events are never thinned. A past is read in a thread of its
own: it shares nothing with the window but what never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, select
from sqlmodel import col

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Family, Series
from monitor.samples.selector import Selector
from monitor.samples.track import Track
from monitor.samples.vector import Matrix, Vector
from monitor.samples.window import FrameWindow, Source
from monitor.store import Unit, meta
from monitor.store.frames import FrameReader
from monitor.store.replay import judged_at
from monitor.store.retention import Retention
from monitor.store.stamps import json_labels
from monitor.store.tables.journal import EventRow, JournalRow

MAX_FRAMES = 250_000
"""Frames that one question may read from the store: about ten seconds of work."""
MAX_BYTES = 256 << 20
"""Bytes of samples that one question may hold."""
_FOREVER = 10**11
_BATCH = 500

Stretches = NDArray[np.int64]
Check = Callable[[], None]
"""Called now and then while something is read; raises to give it up."""


class TooMuch(ValueError):
    """A question that would read more than one may."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Which families are read, and the stretches of block time whose frames are needed (k, 2), ascending and apart.

    ``visible``: seconds before a stretch in which events of the families may have happened that are still seen in it.
    """

    families: frozenset[str]
    stretches: Stretches
    visible: int = 0

    @property
    def first(self) -> int:
        """The first block time of which something is needed."""
        return int(self.stretches[0, 0]) - self.visible if len(self.stretches) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """A copy of the newest frames in memory: all that was admitted from ``since`` on, and the frame before, of each track."""

    tracks: Sequence[Track]
    since: int


class Past:
    """Answers as a window does, for the wanted families and stretches alone.

    ``thinned_until``: before this time the store has one frame of each ``grid`` seconds; None when nothing was thinned that is asked for.
    """

    def __init__(self, fine: FrameWindow, coarse: FrameWindow | None, thinned_until: int | None) -> None:
        self._fine, self._coarse, self.thinned_until = fine, coarse, thinned_until
        self.catalogue = fine.catalogue

    def instant(self, selector: Selector, at: int) -> Vector:
        return self._window(selector, at).instant(selector, at)

    def spoken(self, selector: Selector, at: int) -> Vector:
        return self._window(selector, at).spoken(selector, at)

    def range(self, selector: Selector, at: int, seconds: int) -> Matrix:
        return self._window(selector, at - seconds).range(selector, at, seconds)

    def _window(self, selector: Selector, first: int) -> FrameWindow:
        """The window that knows of thinning, when any of it could be seen."""
        if self._coarse is None or self.thinned_until is None:
            return self._fine
        return self._coarse if first - self.catalogue[selector.family].fresh_for <= self.thinned_until else self._fine


def merged(stretches: Stretches) -> Stretches:
    """The same times by fewest stretches, ascending and apart."""
    if not len(stretches):
        return stretches
    ordered = stretches[np.argsort(stretches[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ordered[:, 1])
    begins = np.flatnonzero(np.append(True, ordered[1:, 0] > ends[:-1] + 1))
    last = np.append(begins[1:] - 1, len(ordered) - 1)
    return np.stack([ordered[begins, 0], ends[last]], axis=1)


def reach(family: Family, grid: int = 0) -> int:
    """Seconds before a time for which frames of the family must be there to read it."""
    return family.fresh_for + grid + 1


def recent(window: FrameWindow, families: Iterable[str], first: int) -> Recent:
    """A copy of what the window holds of the families, as far back as it holds all, but not further than ``first``.

    Made where the window lives, between two of its changes. Raises TooMuch.
    """
    tracks = window.tracks(frozenset(families))
    since = max([first, *(t.whole_since for t in tracks if t.whole_since is not None)])
    since = since if window.begun is None else max(since, window.begun)
    parts = [track.part(since) for track in tracks]
    if sum(part.nbytes for part in parts) > MAX_BYTES:
        raise TooMuch(f"more than {MAX_BYTES >> 20} MiB of samples are asked for; ask for fewer metrics or a shorter time")
    return Recent(parts, since)


def read(
    unit: Unit | None, catalogue: Catalogue, sources: Iterable[Source], wanted: Wanted, newest: Recent | None, check: Check = lambda: None
) -> Past:
    """The past from the store until memory begins (all of it without memory), then from memory. Raises TooMuch, and what ``check`` raises.

    ``unit`` None: memory is all there is.
    """
    sources = tuple(sources)
    thinned = _thinned(unit, wanted)
    fine = FrameWindow(catalogue, sources, _FOREVER, 1 << 60)
    windows = [fine]
    if thinned is not None:
        windows.append(FrameWindow(_coarser(catalogue), sources, _FOREVER, 1 << 60))
    if unit is not None and (newest is None or wanted.first < newest.since):
        _fill(windows, unit, wanted, None if newest is None else newest.since, thinned, check)
    for window in windows:
        for track in newest.tracks if newest is not None else ():
            window.graft(track)
    return Past(fine, windows[1] if thinned is not None else None, thinned)


def _thinned(unit: Unit | None, wanted: Wanted) -> int | None:
    until = None if unit is None else meta.get(unit, meta.THINNED_UNTIL)
    return until if until is not None and len(wanted.stretches) and wanted.first <= until else None


def _coarser(catalogue: Catalogue) -> Catalogue:
    grid = Retention().grid
    return Catalogue(replace(f, fresh_for=f.fresh_for + grid) for f in catalogue)


def _fill(windows: Sequence[FrameWindow], unit: Unit, wanted: Wanted, before: int | None, thinned: int | None, check: Check) -> None:
    """Append the stored frames, in the order in which they were admitted, and the events beside them."""
    fine = windows[0]
    collectors = fine.collectors(wanted.families)
    reader, count, nbytes = FrameReader(unit, collectors), 0, 0
    for rows in _entries(unit, _widened(wanted, thinned), before, check):
        check()
        found = reader.read({row.seq: judged_at(row) for row in rows})
        for row in rows:
            for frame in found.get(row.seq, ()):
                count, nbytes = count + 1, nbytes + frame.values.nbytes
                for window in windows:
                    window.append(replace(frame, events=()))
        if count > MAX_FRAMES or nbytes > MAX_BYTES:
            raise TooMuch(f"more than {MAX_FRAMES} stored frames are asked for; ask for a shorter time, or larger steps")
    _fill_events(windows, unit, wanted, before)


def _widened(wanted: Wanted, thinned: int | None) -> Stretches:
    """Where frames are thinned they speak for longer, so those of a longer time before are needed."""
    if thinned is None:
        return wanted.stretches
    grid = Retention().grid
    early = wanted.stretches[:, 0] <= thinned + grid
    found: Stretches = wanted.stretches - np.stack([np.where(early, grid, 0), np.zeros(len(early), np.int64)], axis=1)
    return merged(found)


def _entries(unit: Unit, stretches: Stretches, before: int | None, check: Check) -> Iterator[Sequence[Row[Any]]]:
    """Judged entries of the current branch in the stretches, in batches, each entry once, in order."""
    current = (col(JournalRow.orphaned_by).is_(None), col(JournalRow.kind).in_(("block", "tick")))
    batch: list[Row[Any]] = []
    for low, high in stretches.tolist():
        check()
        if before is not None and low >= before:
            break
        after = -1  # within a stretch alone: blocks made up after an outage are older than the ticks before them
        upper = high if before is None else min(high, before - 1)
        while True:
            query = (
                select(JournalRow.__table__)  # type: ignore[attr-defined]
                .where(*current, col(JournalRow.timestamp) >= low, col(JournalRow.timestamp) <= upper, col(JournalRow.seq) > after)
                .order_by(col(JournalRow.seq))
                .limit(_BATCH)
            )
            rows = unit.conn.execute(query).all()
            if rows:
                after = rows[-1].seq
                batch += rows
            if len(batch) >= _BATCH:
                yield batch
                batch = []
            if len(rows) < _BATCH:
                break
    if batch:
        yield batch


def _fill_events(windows: Sequence[FrameWindow], unit: Unit, wanted: Wanted, before: int | None) -> None:
    catalogue = windows[0].catalogue
    events = {name for name in wanted.families if catalogue[name].kind == "event"}
    if not events or not len(wanted.stretches):
        return
    high = int(wanted.stretches[-1, 1]) if before is None else min(int(wanted.stretches[-1, 1]), before - 1)
    query = (
        select(col(EventRow.family), col(EventRow.labels), col(JournalRow.timestamp))
        .join(JournalRow, col(JournalRow.seq) == col(EventRow.seq))
        .where(col(EventRow.family).in_(sorted(events)), col(JournalRow.orphaned_by).is_(None))
        .where(col(JournalRow.timestamp) >= wanted.first, col(JournalRow.timestamp) <= high)
        .order_by(col(EventRow.seq), col(EventRow.frame_rank), col(EventRow.rank))
        .limit(MAX_FRAMES + 1)
    )
    rows = unit.conn.execute(query).all()
    if len(rows) > MAX_FRAMES:
        raise TooMuch(f"more than {MAX_FRAMES} events are asked for; ask for a shorter time")
    for row in rows:
        for window in windows:
            window.recall(Series(row.family, json_labels(row.labels)), row.timestamp)
