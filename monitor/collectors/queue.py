"""The withdrawal queue: depth, what could pay for it, what is owed to claimers; and the age of its head."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.catalogue.shipped import QUEUE
from monitor.collectors.emit import Samples, blind, ether
from monitor.collectors.of_protocol import OfProtocol
from monitor.model import EVERY_BLOCK, Failed, Frame, Known, Read, Snapshot, Unanswered, blind_frame, ok_frame
from monitor.protocols.signals import QueueSource

_HEAD = "queue_oldest_request_timestamp_seconds"


class Queue(OfProtocol[QueueSource]):
    """Totals of the queue at each block."""

    name = "queue"
    families = tuple(f for f in QUEUE if f.name != _HEAD)
    cadence = EVERY_BLOCK

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered."""
        reading, samples = self._source.reading(snapshot), Samples(self._scope)
        samples.put("queue_unfinalized_ether", ether(reading.unfinalized))
        samples.put("queue_unfinalized_requests", reading.requests)
        samples.put("queue_finalized_request_id", reading.finalized_id)
        samples.put("queue_claimable_ether", ether(reading.locked))
        samples.put("queue_claims_shortfall_ether", ether(reading.locked - reading.balance))
        samples.put("queue_bunker_mode", reading.bunker)
        for source, wei in reading.available.items():
            samples.put("queue_available_ether", ether(wei), source=source)
        if reading.unfinalized and reading.available:
            samples.put("queue_coverage_ratio", sum(reading.available.values()) / reading.unfinalized)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], known


class QueueHead(OfProtocol[QueueSource]):
    """When the oldest open request was made; absent when the queue is empty.

    Its id follows from the last finalized one, so it is planned from what was known (``known["next"]``). In the block of a
    finalization the new head was not read: that frame is blind, the one before stays fresh, and the next block reads it.
    """

    name = "queue_head"
    families = tuple(f for f in QUEUE if f.name == _HEAD)
    cadence = EVERY_BLOCK

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.oldest_reads(known.get("next"))

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        try:
            oldest = self._source.oldest(snapshot, known.get("next"))
        except Unanswered as missing:
            return [blind(self.name, self._scope, snapshot.stamp, missing)], known
        after = {"next": oldest.next_id}
        if not oldest.empty and oldest.requested_at is None:
            reason = Failed(f"request {oldest.next_id} became the queue's head in this block; its time is read with the next")
            return [blind_frame(self.name, self._scope, snapshot.stamp, reason)], after
        samples = Samples(self._scope)
        if oldest.requested_at is not None:
            samples.put(_HEAD, oldest.requested_at)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], after
