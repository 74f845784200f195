"""From exact numbers to frames: the last step of every collector."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from monitor.model import BlockStamp, Disputed, Event, EventId, Failed, Frame, Labels, Log, Series, Unanswered, blind_frame, labels
from monitor.protocols.signals import Happening


class Samples:
    """The series of one scope while a collector fills them; labels of the scope are added to each."""

    def __init__(self, scope: Labels) -> None:
        self._scope = scope
        self.found: dict[Series, float] = {}

    def put(self, family: str, value: float, **more: str) -> None:
        """One sample. Raises ValueError when the series is there already."""
        series = _series(family, self._scope, tuple(more.items()))
        if series in self.found:
            raise ValueError(f"{series} is put twice")
        self.found[series] = float(value)


@lru_cache(maxsize=16_384)
def _series(family: str, scope: Labels, more: tuple[tuple[str, str], ...]) -> Series:
    """Nearly all series of a block are those of the block before."""
    return Series(family, labels({**dict(scope), **dict(more)}))


def ether(wei: int) -> float:
    """Wei to ether, rounded once."""
    return wei / 10**18


def event(happening: Happening, scope: Labels) -> Event:
    """The event of a happening; its id is stable over reorgs, since it names the transaction and the rank in it."""
    return event_of(happening.family, {**dict(scope), **happening.labels}, happening.log, happening.details)


def event_of(family: str, pairs: Mapping[str, str], log: Log, details: Mapping[str, str]) -> Event:
    series = Series(family, labels(pairs, tx=log.tx, seq=str(log.seq)))
    return Event(EventId(f"{family}/{log.tx}/{log.seq}"), series, log.block, dict(details))


def blind(collector: str, scope: Labels, at: BlockStamp, missing: Unanswered) -> Frame:
    """The frame of a scope whose answers are missing: disputed when endpoints disagree, else failed with the reason."""
    status = missing.answer if isinstance(missing.answer, Disputed) else Failed(str(missing))
    return blind_frame(collector, scope, at, status)


def mapping(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A remembered mapping, or an empty one."""
    found = known.get(key)
    return dict(found) if isinstance(found, Mapping) else {}
