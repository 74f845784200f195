"""The ok frames of one scope of one collector, in time-major matrices: a row a frame, a chunk a layout.

Every row has two times. ``admitted`` is when the frame was judged first: rewinding and "what was known at t" go by it.
``read`` is the time that its values speak for: their freshness and their place in a range go by it. They differ
for a slow source only; a frame admitted by a tick speaks for the tick. Both ascend. A frame that speaks for the same time as the one before it,
and was admitted later, corrects it: from its admission on it stands alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.model import Frame, Labels, Layout, Moment, Series, Tick
from monitor.samples.vector import Bools, Floats, is_unknown

_FIRST_ROWS = 8


def spoken_for(frame: Frame) -> int:
    """The block time that a frame's values speak for."""
    return frame.admitted.timestamp if isinstance(frame.admitted, Tick) else frame.read_at.timestamp


class Chunk:
    """Consecutive frames with one layout. ``values`` has a row a frame and a column a series of the layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.size = 0
        self.has_unknown = False
        self._admitted = np.empty(_FIRST_ROWS, np.int64)
        self._read = np.empty(_FIRST_ROWS, np.int64)
        self._values = np.empty((_FIRST_ROWS, len(layout)))

    @property
    def admitted(self) -> NDArray[np.int64]:
        return self._admitted[: self.size]

    @property
    def read(self) -> NDArray[np.int64]:
        return self._read[: self.size]

    @property
    def values(self) -> Floats:
        return self._values[: self.size]

    @property
    def nbytes(self) -> int:
        return self._admitted.nbytes + self._read.nbytes + self._values.nbytes

    def append(self, admitted: int, read: int, values: Floats) -> None:
        if self.size == len(self._read):
            self._resize(max(self.size + self.size // 2, _FIRST_ROWS))
        self._admitted[self.size], self._read[self.size] = admitted, read
        self._values[self.size] = values
        self.has_unknown = self.has_unknown or bool(is_unknown(values).any())
        self.size += 1

    def drop_first(self, rows: int) -> None:
        """Forget rows; memory is given back once half of it lies idle."""
        self._admitted[: self.size - rows] = self._admitted[rows : self.size]
        self._read[: self.size - rows] = self._read[rows : self.size]
        self._values[: self.size - rows] = self._values[rows : self.size]
        self.size -= rows
        if self.size < len(self._read) // 2:
            self._resize(max(self.size + self.size // 4, _FIRST_ROWS))

    def part(self, low: int) -> Chunk:
        """A copy of the rows from ``low`` on."""
        found = Chunk.__new__(Chunk)
        found.layout, found.size, found.has_unknown = self.layout, self.size - low, self.has_unknown
        found._admitted, found._read = self.admitted[low:].copy(), self.read[low:].copy()
        found._values = self.values[low:].copy()
        return found

    def fit(self) -> None:
        """Give back the spare rows: no more frames are expected."""
        self._resize(max(self.size, 1))

    def _resize(self, rows: int) -> None:
        kept = min(rows, self.size)
        admitted, read, values = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty((rows, len(self.layout)))
        admitted[:kept], read[:kept], values[:kept] = self._admitted[:kept], self._read[:kept], self._values[:kept]
        self._admitted, self._read, self._values = admitted, read, values


class Track:
    """The frames of one scope, newest last, and its events by the moment of their admission."""

    def __init__(self, collector: str, scope: Labels) -> None:
        self.collector = collector
        self.scope = scope
        self.chunks: list[Chunk] = []
        self._corrections = False
        self.whole_since: int | None = None
        """Since when nothing was forgotten; None: nothing ever was."""
        self._event_times: list[int] = []
        self._events: list[Series] = []

    @property
    def last_read(self) -> int | None:
        return int(self.chunks[-1].read[-1]) if self.chunks else None

    @property
    def last_admitted(self) -> int | None:
        """The moment of the newest frame that counts."""
        return int(self.chunks[-1].admitted[-1]) if self.chunks else None

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in self.chunks) + 64 * len(self._events)

    def append(self, frame: Frame) -> bool:
        """Take an ok frame. Its events are always taken; its samples only if none before speaks for a later time: else false."""
        for event in frame.events:
            self._event_times.append(frame.admitted.timestamp)
            self._events.append(event.series)
        read = spoken_for(frame)
        if self.last_read is not None and self.last_admitted is not None and read <= self.last_read:
            if read < self.last_read or frame.admitted.timestamp <= self.last_admitted:
                return False
            self._corrections = True
        if not self.chunks or self.chunks[-1].layout is not frame.layout:
            if self.chunks:
                self.chunks[-1].fit()
            self.chunks.append(Chunk(frame.layout))
        self.chunks[-1].append(frame.admitted.timestamp, read, frame.values)
        return True

    def rewind(self, to: Moment) -> None:
        """Undo what was admitted after ``to``."""
        while self.chunks:
            last = self.chunks[-1]
            last.size = int(np.searchsorted(last.admitted, to.timestamp, "right"))
            if last.size:
                break
            self.chunks.pop()
        events = bisect_right(self._event_times, to.timestamp)
        del self._event_times[events:], self._events[events:]

    def forget(self, before: int, anchor: int) -> None:
        """Forget rows that speak for times before ``before``, except the newest one admitted until ``anchor``.

        That row is what is known (or, later, unknown) at ``anchor``, so rewinding to any later moment still finds it.
        """
        while self.chunks:
            first = self.chunks[0]
            rows = int(np.searchsorted(first.read, before))
            if rows == first.size and len(self.chunks) > 1 and self.chunks[1].admitted[0] <= anchor:
                self.chunks.pop(0)
                self._forgot(int(self.chunks[0].admitted[0]))
                continue
            rows = min(rows, int(np.searchsorted(first.admitted, anchor, "right")) - 1)
            if rows > 0:
                first.drop_first(rows)
                self._forgot(int(first.admitted[0]))
            break

    def _forgot(self, before: int) -> None:
        self.whole_since = before if self.whole_since is None else max(before, self.whole_since)

    def forget_events(self, before: int) -> None:
        """Forget the events admitted before a time."""
        events = bisect_right(self._event_times, before - 1)
        if events:
            self._forgot(before)
        del self._event_times[:events], self._events[:events]

    def part(self, since: int) -> Track:
        """A copy of what was admitted from ``since`` on, and of the newest frame before. It shares nothing that changes."""
        found = Track(self.collector, self.scope)
        found._corrections = self._corrections
        before = self.newest(since - 1)
        for chunk in self.chunks:
            low = int(np.searchsorted(chunk.admitted, since))
            if before is not None and chunk is before[0]:
                low = before[1]
            if low < chunk.size:
                found.chunks.append(chunk.part(low))
        first = bisect_right(self._event_times, since - 1)
        found._event_times, found._events = self._event_times[first:], self._events[first:]
        return found

    def follow(self, newer: Track) -> None:
        """Take over the frames and events of a track that goes on where this one ends; what this one has already is left out."""
        last, last_event = self.last_admitted, self._event_times[-1] if self._event_times else None
        for chunk in newer.chunks:
            low = 0 if last is None else int(np.searchsorted(chunk.admitted, last, "right"))
            if low < chunk.size:
                self.chunks.append(chunk.part(low))
        first = 0 if last_event is None else bisect_right(newer._event_times, last_event)
        self._event_times += newer._event_times[first:]
        self._events += newer._events[first:]
        self._corrections = self._corrections or newer._corrections

    def recall(self, event: Series, admitted: int) -> None:
        """Take an event without a frame; in order."""
        self._event_times.append(admitted)
        self._events.append(event)

    def newest(self, at: int) -> tuple[Chunk, int] | None:
        """The newest frame that was admitted until ``at``: its chunk and row."""
        for chunk in reversed(self.chunks):
            row = int(np.searchsorted(chunk.admitted, at, "right")) - 1
            if row >= 0:
                return chunk, row
        return None

    def slices(self, after: int, until: int) -> Iterator[tuple[Chunk, slice]]:
        """The rows that were admitted until ``until`` and speak for times in (after, until], oldest first; none that was corrected by then."""
        found: list[tuple[Chunk, slice]] = []
        for chunk in self.chunks:
            low = int(np.searchsorted(chunk.read, after, "right"))
            high = min(int(np.searchsorted(chunk.read, until, "right")), int(np.searchsorted(chunk.admitted, until, "right")))
            if low < high:
                found.append((chunk, slice(low, high)))
        return iter(_uncorrected(found) if self._corrections else found)

    def covered(self, after: int, until: int, fresh_for: int) -> float:
        """The fraction of (after, until] for which frames admitted until ``until`` were fresh; each speaks for ``fresh_for`` seconds."""
        reads = np.concatenate([c.read[s] for c, s in self.slices(after - fresh_for - 1, until)] or [np.empty(0, np.int64)])
        if not len(reads):
            return 0.0
        ends = np.minimum(reads + fresh_for, np.append(reads[1:], until))
        return float(np.maximum(ends - np.maximum(reads, after), 0).sum()) / (until - after)

    def events(self, after: int, until: int) -> Iterator[tuple[int, Series]]:
        """Events admitted in (after, until], oldest first."""
        for i in range(bisect_right(self._event_times, after), bisect_right(self._event_times, until)):
            yield self._event_times[i], self._events[i]


def _uncorrected(pieces: list[tuple[Chunk, slice]]) -> list[tuple[Chunk, slice]]:
    """The same rows but for those that the next one corrects."""
    found: list[tuple[Chunk, slice]] = []
    following: int | None = None
    for chunk, rows in reversed(pieces):
        reads = chunk.read[rows]
        stands = np.append(reads[1:], -1 if following is None else following) != reads
        edges = np.flatnonzero(np.diff(np.concatenate(([False], stands, [False])).astype(np.int8))) + rows.start
        found += [(chunk, slice(int(low), int(high))) for low, high in reversed(edges.reshape(-1, 2))]
        following = int(reads[0])
    return found[::-1]


def unknown_columns(chunk: Chunk, rows: slice, columns: NDArray[np.intp]) -> Bools:
    """Which columns hold a recorded unknown in these rows."""
    if not chunk.has_unknown:
        return np.zeros(len(columns), bool)
    found: Bools = np.any(is_unknown(np.ascontiguousarray(chunk.values[rows][:, columns])), axis=0)
    return found
