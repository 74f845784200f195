"""What is announced around a reorganisation: nothing twice, nothing for a branch that is still younger than the orphaned one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor import rules
from monitor.model import BlockStamp, Moment, Transition
from monitor.rules import Instances

WITHHELD_SLOTS = 3
"""Announcing is withheld until the new branch is as old as the orphaned one, or this many slots older than the fork."""


class Reorg:
    """The state between a rewind and the comparison of both branches; empty most of the time."""

    def __init__(self, slot_seconds: int, kept: Mapping[str, Any] | None = None) -> None:
        """``kept``: what ``to_json`` gave before a restart. Transitions held back before it are found again as differences."""
        self._withheld_seconds = WITHHELD_SLOTS * slot_seconds
        self._orphaned: dict[str, Any] | None = None if kept is None else dict(kept)
        self._held: list[Transition] = []

    def begin(self, tip: BlockStamp, to: BlockStamp, live: Instances) -> None:
        """The chain was rewound from ``tip`` to ``to``, and ``live`` held at the tip. A second rewind keeps what was announced first."""
        before = self._orphaned or {"timestamp": tip.timestamp, "fork": to.timestamp, "instances": live.to_json()}
        timestamp, fork = max(before["timestamp"], tip.timestamp), min(before["fork"], to.timestamp)
        self._orphaned = {**before, "timestamp": timestamp, "fork": fork}
        self._held = []

    def announced(self, live: Instances, transitions: Sequence[Transition], at: Moment) -> tuple[Instances, list[Transition]]:
        """The instances, with episodes that go on under their first name, and the transitions to announce at this moment."""
        orphaned = self._orphaned
        if orphaned is None:
            return live, list(transitions)
        self._held += transitions
        if at.timestamp < orphaned["timestamp"] and at.timestamp < orphaned["fork"] + self._withheld_seconds:
            return live, []
        live, found = rules.reconcile_reorg(Instances.from_json(orphaned["instances"]), live, at, self._held)
        self.forget()
        return live, found

    def forget(self) -> None:
        """The branches were compared, or there is nothing left to compare."""
        self._orphaned, self._held = None, []

    def to_json(self) -> dict[str, Any] | None:
        """For the pipeline's memory."""
        return self._orphaned
