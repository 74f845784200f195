"""The window: recent frames in memory, and what is known, absent and unknown at a time.

At time t a scope's newest ok frame speaks for a family if its age is at most the family's ``fresh_for``. A series in it is
known, one that it doesn't list is absent. Otherwise the scope is blind for the family: the series of the newest ok frame
are unknown, and any series of the scope could be there unseen. A scope is blind from the start until its first ok frame.

An event is a series of value 1 from its admission for its family's ``visible_for`` seconds, blind scope or not: it did happen.
In a range it is one sample at its admission. A range is unknown if its end is not fresh, or if fresh frames
cover less of it than the family's ``coverage``. Ranges are open on the left and closed on the right, as in Prometheus 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from monitor.catalogue.catalogue import Catalogue
from monitor.model import BlockStamp, Family, Frame, Labels, Moment, Ok, Series, Tick
from monitor.samples.reading import Reading, read_instant, read_range, read_spoken
from monitor.samples.selector import Selector
from monitor.samples.track import Track, spoken_for
from monitor.samples.vector import Matrix, Vector

log = structlog.get_logger()

_NOBODY = ""
"""Who told an event that nobody would tell any more."""

REWINDABLE = 64
"""Stamps that can be undone."""


class OutOfOrder(ValueError):
    """A frame was admitted before one that the window already holds."""


@dataclass(frozen=True, slots=True)
class Source:
    """A collector as the window sees it: which families it fills, in which scopes."""

    name: str
    families: tuple[str, ...]
    scopes: tuple[Labels, ...] = ((),)


class Blind(NamedTuple):
    """A scope without a fresh ok frame. ``since``: when the last one stopped to speak; None if there never was one."""

    collector: str
    scope: Labels
    since: int | None


class FrameWindow:
    """Frames of all collectors, as far back as the loaded rules need.

    ``sources``: all that will ever speak, so that a scope never heard from is blind rather than empty. ``keep_seconds``: the
    longest range plus offset that is asked of a family, for all families or by name (families not named: 0); freshness
    and what rewinding needs are added. ``max_bytes``: above this the oldest frames are forgotten early, which makes long ranges
    unknown, never wrong.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        sources: Iterable[Source],
        keep_seconds: int | Mapping[str, int],
        max_bytes: int = 1 << 30,
    ) -> None:
        self._tracks: dict[tuple[str, Labels], Track] = {}
        self._readings: dict[Selector, Reading] = {}
        self._recent: deque[Moment] = deque(maxlen=REWINDABLE + 1)
        self._tidied = 0
        self.begun: int | None = None
        """The first moment that was ever appended: of what was before, the window knows nothing."""
        self.max_bytes = max_bytes
        self.reload(catalogue, sources, keep_seconds)

    def reload(self, catalogue: Catalogue, sources: Iterable[Source], keep_seconds: int | Mapping[str, int]) -> None:
        """Take other families, sources and retention; frames stay. What a source no longer declares is forgotten."""
        self.catalogue = catalogue
        self._sources = {source.name: source for source in sources}
        self._keep = {f.name: f.fresh_for + _needed(keep_seconds, f.name) for f in catalogue}
        declared = {(s.name, scope) for s in self._sources.values() for scope in s.scopes}
        kept = {k: t for k, t in self._tracks.items() if k in declared or k[0] not in self._sources}
        self._tracks = kept | {key: Track(*key) for key in sorted(declared - kept.keys())}
        self._readings.clear()

    # ------------------------------------------------------------ frames in

    def append(self, frame: Frame) -> None:
        """Take a frame. Only an ok one says anything; a failed or disputed one leaves the last ok frame to grow old.

        Blocks may come after a tick that is later than they are (made up after an outage); a scope that spoke at the tick
        must then be silent until it is later again. Raises OutOfOrder for a frame admitted before one of its own kind.
        """
        self._check_order(frame)
        if self.begun is None:
            self.begun = frame.admitted.timestamp
        if not self._recent or frame.admitted != self._recent[-1]:
            self._recent.append(frame.admitted)
            self._tidy(frame.admitted.timestamp)
        if not isinstance(frame.status, Ok):
            return
        track = self._track((frame.collector, frame.scope))
        if not track.append(frame):
            log.info("samples.frame_superseded", collector=frame.collector, scope=dict(frame.scope), read=spoken_for(frame))

    def _check_order(self, frame: Frame) -> None:
        tick = isinstance(frame.admitted, Tick)
        track = self._tracks.get((frame.collector, frame.scope))
        mine = track.last_admitted if track is not None else None
        newest = max((m.timestamp for m in self._recent if tick or isinstance(m, BlockStamp)), default=frame.admitted.timestamp)
        newest = newest if mine is None else max(newest, mine)
        if frame.admitted.timestamp < newest:
            raise OutOfOrder(
                f"{frame.collector} {dict(frame.scope)}: admitted at {frame.admitted.timestamp}, but the window is at {newest}; rewind it first"
            )

    def rewind(self, to: BlockStamp) -> None:
        """Undo everything admitted after ``to``: as if it had never been appended."""
        for track in self._tracks.values():
            track.rewind(to)
        self._recent = deque((m for m in self._recent if m.timestamp <= to.timestamp), self._recent.maxlen)
        self._tidied = min(self._tidied, to.timestamp)

    def forget(self, before: int) -> None:
        """Forget what speaks for times before ``before``, except what rewinding and the newest state need."""
        anchor = min((m.timestamp for m in self._recent), default=before)
        for track in self._tracks.values():
            track.forget(before, anchor)
            track.forget_events(min(before, anchor))

    # ------------------------------------------------------------ other windows

    def collectors(self, families: Collection[str]) -> frozenset[str]:
        """Who may fill these families."""
        declared = {s.name for s in self._sources.values() if not set(s.families).isdisjoint(families)}
        return frozenset(declared | {name for name, _ in self._tracks if name not in self._sources})

    def tracks(self, families: Collection[str]) -> list[Track]:
        """The tracks that may fill these families."""
        wanted = self.collectors(families)
        return [track for key, track in sorted(self._tracks.items()) if key[0] in wanted]

    def graft(self, newer: Track) -> None:
        """Let a track of another window go on where this window's ends."""
        self._track((newer.collector, newer.scope)).follow(newer)

    def recall(self, event: Series, admitted: int) -> None:
        """Take an event whose frame is gone: to a track that would have told it. In the order of admission."""
        for source in self._sources.values():
            for scope in source.scopes:
                if event.family in source.families and set(scope) <= set(event.labels):
                    self._track((source.name, scope)).recall(event, admitted)
                    return
        self._track((_NOBODY, ())).recall(event, admitted)

    def _track(self, key: tuple[str, Labels]) -> Track:
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = Track(*key)
            self._readings.clear()
        return track

    # ------------------------------------------------------------ answers out

    def instant(self, selector: Selector, at: int) -> Vector:
        """The selected series at a time. Raises UnknownFamily."""
        family = self.catalogue[selector.family]
        return read_instant(self._reading(selector, family), at)

    def spoken(self, selector: Selector, at: int) -> Vector:
        """The selected series at a time, each with the block time that its sample speaks for. Raises UnknownFamily."""
        family = self.catalogue[selector.family]
        return read_spoken(self._reading(selector, family), at)

    def range(self, selector: Selector, at: int, seconds: int) -> Matrix:
        """The selected samples in (at - seconds, at]. Raises UnknownFamily."""
        family = self.catalogue[selector.family]
        return read_range(self._reading(selector, family), at, seconds)

    def blind(self, at: int) -> list[Blind]:
        """The declared scopes that are blind for at least one of their families at a time, in order."""
        found = []
        for source in self._sources.values():
            fresh_for = min((self.catalogue[f].fresh_for for f in source.families), default=0)
            for scope in source.scopes:
                newest = self._tracks[source.name, scope].newest(at)
                ends = None if newest is None else int(newest[0].read[newest[1]]) + fresh_for
                if ends is None or ends < at:
                    found.append(Blind(source.name, scope, ends))
        return sorted(found, key=lambda b: (b.collector, b.scope))

    @property
    def nbytes(self) -> int:
        """Bytes held by frames."""
        return sum(track.nbytes for track in self._tracks.values())

    # ------------------------------------------------------------ inner

    def _reading(self, selector: Selector, family: Family) -> Reading:
        reading = self._readings.get(selector)
        if reading is None:
            tracks = [t for key, t in sorted(self._tracks.items()) if self._may_fill(key[0], family.name) and selector.allows(dict(key[1]))]
            reading = self._readings[selector] = Reading(selector, family, tracks)
        return reading

    def _may_fill(self, collector: str, family: str) -> bool:
        source = self._sources.get(collector)
        return source is None or family in source.families

    def _tidy(self, now: int) -> None:
        """Forget what nobody needs; only now and then, since forgetting moves memory."""
        longest = max(self._keep.values(), default=0)
        if now - self._tidied < max(longest // 16, 60):
            return
        self._tidied = now
        anchor = min(m.timestamp for m in self._recent)
        for (collector, _), track in self._tracks.items():
            track.forget(min(now - self._need(collector), anchor), anchor)
            track.forget_events(min(now - self._visible(collector), anchor))
        if self.nbytes > self.max_bytes:
            self._shrink(now)

    def _need(self, collector: str) -> int:
        source = self._sources.get(collector)
        return max((self._keep[f] for f in (source.families if source else self._keep)), default=0)

    def _visible(self, collector: str) -> int:
        """Seconds for which events are needed: as long as they can be seen, or counted in a range."""
        visible = max((f.visible_for or 0 for f in self.catalogue), default=0)
        return max(self._need(collector), visible)

    def _shrink(self, now: int) -> None:
        longest = max(self._keep.values(), default=0)
        log.warning(
            "samples.memory_full", bytes=self.nbytes, max_bytes=self.max_bytes, remedy="shorten the longest range, or raise the cap"
        )
        while self.nbytes > self.max_bytes and longest > 60:
            longest //= 2
            self.forget(now - longest)


def _needed(keep_seconds: int | Mapping[str, int], family: str) -> int:
    return keep_seconds if isinstance(keep_seconds, int) else keep_seconds.get(family, 0)
