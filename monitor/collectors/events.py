"""Events of a source, straight from the logs: no reads, so a failed read loses none; when the logs are not agreed they come again."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.collectors.emit import event
from monitor.model import EVERY_BLOCK, Family, Frame, Known, Labels, Read, Snapshot, ok_frame
from monitor.protocols.signals import EventSource


class LogEvents:
    """All happenings of one source, in one scope."""

    cadence = EVERY_BLOCK

    def __init__(self, name: str, families: tuple[Family, ...], scope: Labels, source: EventSource) -> None:
        self.name, self.families, self._scope, self._source = name, families, scope, source
        self.scopes: tuple[Labels, ...] = (scope,)
        self.watches = source.watches

    def plan(self, known: Known) -> Sequence[Read]:
        return ()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered when the logs are not agreed."""
        events = [event(happening, self._scope) for happening in self._source.happenings(snapshot)]
        return [ok_frame(self.name, self._scope, snapshot.stamp, events=events)], known
