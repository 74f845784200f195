"""How one selector is answered from the tracks that may hold its series; layouts are looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.model import Family, Labels, Layout, Series
from monitor.model import labels as sorted_labels
from monitor.samples.recorded import MARK, missing_entry
from monitor.samples.selector import NAME, Selector
from monitor.samples.table import EMPTY_TABLE, LabelTable, join
from monitor.samples.track import Chunk, Track, unknown_columns
from monitor.samples.vector import EMPTY, Bools, Floats, Matrix, Missing, Vector, widest

_LAYOUTS = 256
"""Layouts remembered per selector."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Where a layout holds the selected series: ``at[i]`` is the column of ``table.rows[i]``; what its frames say is missing."""

    table: LabelTable
    at: NDArray[np.intp]
    missing: Missing


@dataclass(eq=False)
class Reading:
    """A selector with its family, the tracks that may fill it, and what was found out about their layouts."""

    selector: Selector
    family: Family
    tracks: Sequence[Track]
    _columns: dict[Layout, Columns] = field(default_factory=dict)
    _joined: dict[tuple[LabelTable, ...], Joined] = field(default_factory=dict)
    _events: dict[tuple[Labels, ...], LabelTable] = field(default_factory=dict)

    def columns(self, layout: Layout) -> Columns:
        found = self._columns.get(layout)
        if found is None:
            if len(self._columns) >= _LAYOUTS:
                self._columns.clear()
            found = self._columns[layout] = _find(self.selector, layout)
        return found

    def joined(self, tables: Iterable[LabelTable]) -> Joined:
        key = tuple(tables)
        found = self._joined.get(key)
        if found is None:
            if len(self._joined) >= _LAYOUTS:
                self._joined.clear()
            found = self._joined[key] = _join(key)
        return found

    def events(self, rows: Iterable[Labels]) -> LabelTable:
        key = tuple(rows)
        if key not in self._events:
            self._events.clear()
            self._events[key] = LabelTable(key)
        return self._events[key]

    def blindness(self, track: Track) -> Labels:
        """What every unseen series of a blind track is sure to look like."""
        return sorted_labels(dict(track.scope) | self.selector.pinned())


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """The distinct rows of several tables: ``into[k][i]`` is the row that row i of table k became."""

    table: LabelTable
    into: tuple[NDArray[np.intp], ...]
    disjoint: bool


def read_instant(reading: Reading, at: int) -> Vector:
    """The selected series at a time."""
    if reading.family.kind == "event":
        return _visible_events(reading, at)
    return _newest(reading, at, lambda chunk, row, columns: chunk.values[row, columns])


def read_spoken(reading: Reading, at: int) -> Vector:
    """The selected series at a time, each with the time that its sample speaks for; of an event the time of its admission."""
    if reading.family.kind == "event":
        found = _visible_events(reading, at)
        admitted = {labels: time for time, labels in _happened(reading, at - (reading.family.visible_for or 0), at)}
        return Vector(found.labels, np.array([float(admitted[row]) for row in found.labels.rows]), found.known, found.missing)
    return _newest(reading, at, lambda chunk, row, columns: np.full(len(columns), float(chunk.read[row])))


def _newest(reading: Reading, at: int, value: Callable[[Chunk, int, NDArray[np.intp]], Floats]) -> Vector:
    """What each track's newest frame says, by ``value`` of its chunk, row and columns."""
    parts: list[tuple[LabelTable, Floats, Bools]] = []
    missing: set[Labels] = set()
    for track in reading.tracks:
        newest = track.newest(at)
        if newest is None:
            missing.add(reading.blindness(track))
            continue
        chunk, row = newest
        columns = reading.columns(chunk.layout)
        fresh = at - int(chunk.read[row]) <= reading.family.fresh_for
        missing |= columns.missing if fresh else {reading.blindness(track)}
        if len(columns.table):
            known = ~unknown_columns(chunk, slice(row, row + 1), columns.at) if fresh else np.zeros(len(columns.at), bool)
            parts.append((columns.table, value(chunk, row, columns.at), known))
    return _stack(reading, parts, widest(missing))


def _stack(reading: Reading, parts: Sequence[tuple[LabelTable, Floats, Bools]], missing: Missing) -> Vector:
    """One vector of several; of two elements with equal labels a known one stands, or else the first."""
    if len(parts) <= 1:
        table, values, known = parts[0] if parts else (EMPTY_TABLE, EMPTY.values, EMPTY.known)
        return Vector(table, values, known, missing)
    joined = reading.joined(p[0] for p in parts)
    values, known = np.full(len(joined.table), np.nan), np.zeros(len(joined.table), bool)
    for into, (_, of_part, known_of_part) in reversed(list(zip(joined.into, parts, strict=True))):
        open = known_of_part | ~known[into]
        values[into[open]], known[into[open]] = of_part[open], known_of_part[open]
    return Vector(joined.table, values, known, missing)


def read_range(reading: Reading, at: int, seconds: int) -> Matrix:
    """The selected samples in (at - seconds, at]."""
    if reading.family.kind == "event":
        return _counted_events(reading, at, seconds)
    parts: list[Part] = []
    missing: set[Labels] = set()
    for track in reading.tracks:
        part = _range_of(reading, track, at, seconds)
        missing |= part.missing
        if len(part.table):
            parts.append(part)
    return _stack_ranges(reading, parts, widest(missing))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The range of one track; ``present`` None means everywhere."""

    table: LabelTable
    times: NDArray[np.int64]
    values: Floats
    present: Bools | None
    known: Bools
    missing: Missing


def _range_of(reading: Reading, track: Track, at: int, seconds: int) -> Part:
    family = reading.family
    pieces = list(track.slices(at - seconds, at))
    newest = track.newest(at)
    seen = newest is not None and at - int(newest[0].read[newest[1]]) <= family.fresh_for
    seen = seen and track.covered(at - seconds, at, family.fresh_for) >= family.coverage
    if not seen and newest is not None and not any(chunk is newest[0] for chunk, _ in pieces):
        pieces.append((newest[0], slice(0, 0)))  # its series are unknown although the range has no sample of them
    columns = [reading.columns(chunk.layout) for chunk, _ in pieces]
    missing = frozenset[Labels]().union(*(c.missing for c in columns)) if seen else frozenset({reading.blindness(track)})
    times = np.concatenate([chunk.read[rows] for chunk, rows in pieces] or [np.empty(0, np.int64)])
    if len(pieces) == 1:
        (chunk, rows), only = pieces[0], columns[0]
        whole = len(only.at) == len(chunk.layout) and bool((only.at == np.arange(len(only.at))).all())
        values = chunk.values[rows] if whole else chunk.values[rows][:, only.at]
        known = ~unknown_columns(chunk, rows, only.at) if seen else np.zeros(len(only.at), bool)
        return Part(only.table, times, values, None, known, missing)
    return _glue(reading, pieces, columns, times, seen, missing)


def _glue(reading: Reading, pieces: Sequence[tuple[Chunk, slice]], columns: Sequence[Columns], times: NDArray[np.int64], seen: bool, missing: Missing) -> Part:  # fmt: skip
    """One block of samples from chunks whose layouts differ."""
    joined = reading.joined(c.table for c in columns)
    values = np.full((len(times), len(joined.table)), np.nan)
    present = np.zeros(values.shape, bool)
    known = np.full(len(joined.table), seen)
    row = 0
    for (chunk, rows), found, into in zip(pieces, columns, joined.into, strict=True):
        height = len(chunk.read[rows])
        values[row : row + height, into] = chunk.values[rows][:, found.at]
        present[row : row + height, into] = True
        known[into] &= ~unknown_columns(chunk, rows, found.at)
        row += height
    return Part(joined.table, times, values, present, known, missing)


def _stack_ranges(reading: Reading, parts: Sequence[Part], missing: Missing) -> Matrix:
    """One matrix of the tracks' ranges; of two series with equal labels a known one stands, or else the first."""
    if not parts:
        return Matrix(EMPTY_TABLE, np.empty(0, np.int64), np.empty((0, 0)), np.empty((0, 0), bool), np.empty(0, bool), missing)
    if len(parts) == 1:
        p = parts[0]
        return Matrix(p.table, p.times, p.values, np.ones(p.values.shape, bool) if p.present is None else p.present, p.known, missing)
    joined = reading.joined(p.table for p in parts)
    times = np.unique(np.concatenate([p.times for p in parts]))
    values = np.full((len(times), len(joined.table)), np.nan)
    present, known = np.zeros(values.shape, bool), np.zeros(len(joined.table), bool)
    for into, part in reversed(list(zip(joined.into, parts, strict=True))):
        open = part.known | ~known[into]
        rows = np.searchsorted(times, part.times)
        present[:, into[open]] = False
        values[:, into[open]] = np.nan
        values[np.ix_(rows, into[open])] = part.values[:, open]
        present[np.ix_(rows, into[open])] = True if part.present is None else part.present[:, open]
        known[into[open]] = part.known[open]
    return Matrix(joined.table, times, values, present, known, missing)


def _visible_events(reading: Reading, at: int) -> Vector:
    visible_for = reading.family.visible_for or 0
    table = reading.events(dict.fromkeys(labels for _, labels in _happened(reading, at - visible_for, at)))
    missing = {reading.blindness(track) for track in reading.tracks if not _fresh(reading, track, at)}
    return Vector(table, np.ones(len(table)), np.ones(len(table), bool), widest(missing))


def _counted_events(reading: Reading, at: int, seconds: int) -> Matrix:
    happened = list(_happened(reading, at - seconds, at))
    table = reading.events(dict.fromkeys(labels for _, labels in happened))
    column = {labels: i for i, labels in enumerate(table.rows)}
    times = np.unique(np.array([t for t, _ in happened], np.int64))
    present = np.zeros((len(times), len(table)), bool)
    for time, labels in happened:
        present[np.searchsorted(times, time), column[labels]] = True
    missing = {
        reading.blindness(track)
        for track in reading.tracks
        if not _fresh(reading, track, at) or track.covered(at - seconds, at, reading.family.fresh_for) < reading.family.coverage
    }
    values = np.where(present, 1.0, np.nan)
    return Matrix(table, times, values, present, np.ones(len(table), bool), widest(missing))


def _happened(reading: Reading, after: int, until: int) -> Iterable[tuple[int, Labels]]:
    """Time and labels of the selected events admitted in (after, until]."""
    for track in reading.tracks:
        for time, series in track.events(after, until):
            if series.family == reading.family.name and reading.selector.matches(series.labels):
                yield time, _named(series)


def _fresh(reading: Reading, track: Track, at: int) -> bool:
    newest = track.newest(at)
    return newest is not None and at - int(newest[0].read[newest[1]]) <= reading.family.fresh_for


def _named(series: Series) -> Labels:
    return tuple(sorted((*series.labels, (NAME, series.family))))


def _find(selector: Selector, layout: Layout) -> Columns:
    found: list[tuple[int, Series]] = []
    missing: list[Labels] = []
    for i, series in enumerate(layout.series):
        if series.family != selector.family:
            continue
        if (MARK, "1") in series.labels:
            missing.append(missing_entry(series))
        elif selector.matches(series.labels):
            found.append((i, series))
    reachable = {sorted_labels(dict(entry) | selector.pinned()) for entry in missing if selector.allows(dict(entry))}
    return Columns(
        LabelTable(_named(s) for _, s in found) if found else EMPTY_TABLE,
        np.array([i for i, _ in found], np.intp),
        frozenset(reachable),
    )


def _join(tables: Sequence[LabelTable]) -> Joined:
    index: dict[Labels, int] = {}
    into = tuple(np.array([index.setdefault(row, len(index)) for row in t.rows], np.intp) for t in tables)
    if len(index) == sum(len(t) for t in tables):
        return Joined(join(tables), into, True)
    return Joined(LabelTable(index), into, False)
