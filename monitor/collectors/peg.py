"""The peg: each venue's price, the sources that count, and what they say together.

Three collectors over one source, so that each blindness is its own: a venue that cannot be read blinds itself alone; without a quorum
of sources the deviation is unknown, and how few there are is still known. How venues are combined is told in ``monitor/collectors/venues.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from monitor.catalogue.shipped import PEG
from monitor.collectors.emit import Samples, blind, ether
from monitor.collectors.venues import QUORUM, Combined, combine, deviation
from monitor.model import EVERY_BLOCK, Address, Failed, Frame, Known, Labels, Read, Snapshot, blind_frame, labels, ok_frame
from monitor.protocols.signals import PegReading, PegSource, VenueReading

log = structlog.get_logger()

_TOGETHER = ("peg_deviation_ratio", "peg_spread_ratio")
_COUNTED = ("peg_sources", "peg_fair_value_ratio")


class Once:
    """What one source says of a snapshot, worked out once for all collectors that ask in the same block."""

    def __init__(self, source: PegSource) -> None:
        self.source = source
        self._last: tuple[Snapshot, PegReading, Combined] | None = None

    def of(self, snapshot: Snapshot) -> tuple[PegReading, Combined]:
        """The reading of this very snapshot, and what its venues say together."""
        last = self._last
        if last is None or last[0] is not snapshot:
            reading = self.source.reading(snapshot)
            last = self._last = (snapshot, reading, combine(reading))
        return last[1], last[2]


class _OverSource:
    """What the three have in common: the same reads, no logs, every block."""

    cadence = EVERY_BLOCK
    watches: frozenset[Address] = frozenset()

    def __init__(self, protocol: str, once: Once) -> None:
        self._once, self._source = once, once.source
        self._scope = labels(protocol=protocol, token=once.source.token)
        self.scopes: tuple[Labels, ...] = (self._scope,)

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.reads()


class PegVenues(_OverSource):
    """One scope a venue. ``known["refused"]``: which venues did not count at the last block, so that each is logged once."""

    name = "peg_venues"
    families = tuple(f for f in PEG if f.name not in (*_TOGETHER, *_COUNTED))

    def __init__(self, protocol: str, once: Once) -> None:
        super().__init__(protocol, once)
        self._by_venue = {venue: labels(dict(self._scope), venue=venue) for venue in once.source.venues}
        self.scopes = tuple(self._by_venue.values())

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        reading, together = self._once.of(snapshot)
        frames = [self._frame(snapshot, reading, together, venue) for venue in self._by_venue]
        refused = {name: why(v) for name, v in reading.venues.items() if name not in together.live}
        for name in sorted(refused.keys() - set(known.get("refused", ()))):
            log.warning("peg.venue_does_not_count", venue=name, block=snapshot.stamp.number, reason=refused[name])
        return frames, {"refused": sorted(refused)}

    def _frame(self, snapshot: Snapshot, reading: PegReading, together: Combined, venue: str) -> Frame:
        scope = self._by_venue[venue]
        if venue in reading.unanswered:
            return blind(self.name, scope, snapshot.stamp, reading.unanswered[venue])
        samples, found = Samples(scope), reading.venues[venue]
        samples.put("peg_source_live", venue in together.live)
        if found.price is not None:
            samples.put("peg_price_ratio", ether(found.price))
            samples.put("peg_venue_deviation_ratio", float(deviation(found.price, reading.fair)))
        if found.age is not None:
            samples.put("peg_source_age_seconds", found.age)
        if found.share is not None:
            samples.put("peg_pool_share_ratio", float(found.share))
        if found.depth is not None:
            samples.put("peg_pool_depth_ether", ether(found.depth * reading.fair // 10**18))
        return ok_frame(self.name, scope, snapshot.stamp, samples.found)


class PegSources(_OverSource):
    """How many sources count, and fair value. Unknown while too few count and one that was not answered could be another."""

    name = "peg_sources"
    families = tuple(f for f in PEG if f.name in _COUNTED)

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        reading, together = self._once.of(snapshot)
        if together.price is None and reading.unanswered:
            return [blind(self.name, self._scope, snapshot.stamp, next(iter(reading.unanswered.values())))], known
        samples = Samples(self._scope)
        samples.put("peg_sources", together.sources)
        samples.put("peg_fair_value_ratio", ether(reading.fair))
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], known


class Peg(_OverSource):
    """The weighted median's deviation from fair value, and how far the venues are apart. Blind without a quorum."""

    name = "peg"
    families = tuple(f for f in PEG if f.name in _TOGETHER)

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        reading, together = self._once.of(snapshot)
        if together.price is None or together.spread is None:
            return [self._too_few(snapshot, reading, together)], known
        samples = Samples(self._scope)
        samples.put("peg_deviation_ratio", float(deviation(together.price, reading.fair)))
        samples.put("peg_spread_ratio", float(together.spread))
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], known

    def _too_few(self, snapshot: Snapshot, reading: PegReading, together: Combined) -> Frame:
        if reading.unanswered:
            return blind(self.name, self._scope, snapshot.stamp, next(iter(reading.unanswered.values())))
        live = ", ".join(sorted(together.live)) or "none"
        reasons = "; ".join(f"{name}: {why(v)}" for name, v in sorted(reading.venues.items()) if name not in together.live)
        reason = Failed(f"insufficient sources: {QUORUM} independent ones are needed, live: {live}; {reasons}")
        return blind_frame(self.name, self._scope, snapshot.stamp, reason)


def collectors(protocol: str, source: PegSource) -> tuple[PegVenues, PegSources, Peg]:
    """The three of one token."""
    once = Once(source)
    return PegVenues(protocol, once), PegSources(protocol, once), Peg(protocol, once)


def why(venue: VenueReading) -> str:
    """Why a venue that answered does not count."""
    return venue.refused or "more than 50 % off fair value, and no second source says so"
