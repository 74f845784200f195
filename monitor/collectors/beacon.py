"""The chain itself: the agreed head and its finality at each block; missed slots, leak and queues once an epoch.

Heads are what is known *now*. A judged block that lies more than an epoch before the head is made up after an outage: what the head was then is
not known, so its frames are failed. A head that is optimistic (no verdict of an execution client yet) is shown, but what it says about
finality is not known; nor is what a head says that is more than an epoch behind: it is of another time than the judged block.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.catalogue.shipped import BEACON
from monitor.chain.beacon.spec import Spec
from monitor.collectors.emit import Samples
from monitor.collectors.epochs import NETWORK, Epochs, ether
from monitor.model import EVERY_BLOCK, Address, Failed, Frame, Known, Labels, Read, Snapshot, Unanswered, labels, ok_frame
from monitor.model.beacon import BeaconHead, EpochFacts

_SCOPE = labels(protocol=NETWORK)
HEAD = tuple(f for f in BEACON if f.name in ("beacon_head_slot", "beacon_head_behind_slots"))
FINALITY = tuple(f for f in BEACON if f.name in ("beacon_finality_distance_epochs", "beacon_justified_distance_epochs"))
EPOCHLY = tuple(f for f in BEACON if f not in HEAD and f not in FINALITY)


class _OfTheChain:
    """Reads no contract: what it judges comes with the snapshot."""

    scopes: tuple[Labels, ...] = (_SCOPE,)
    cadence = EVERY_BLOCK
    watches: frozenset[Address] = frozenset()

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def plan(self, known: Known) -> Sequence[Read]:
        return ()


class Heads(_OfTheChain):
    """The agreed head, and how far it is behind the judged block (0 when it is ahead)."""

    name = "beacon_head"
    families = HEAD

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered without an agreed head of this time."""
        head, samples = head_of(snapshot, self._spec), Samples(_SCOPE)
        samples.put("beacon_head_slot", head.slot)
        samples.put("beacon_head_behind_slots", max(0, snapshot.stamp.slot - head.slot))
        return [ok_frame(self.name, _SCOPE, snapshot.stamp, samples.found)], known


class Finality(_OfTheChain):
    """Epochs between the head and what is justified and finalized in its state (beacon-chain, ``finalized_checkpoint``)."""

    name = "beacon_finality"
    families = FINALITY

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered without an agreed head of this time that an execution client has verified."""
        head, samples = verified_head_of(snapshot, self._spec), Samples(_SCOPE)
        epoch = self._spec.epoch_of(head.slot)
        samples.put("beacon_finality_distance_epochs", epoch - head.finalized.epoch)
        samples.put("beacon_justified_distance_epochs", epoch - head.justified.epoch)
        return [ok_frame(self.name, _SCOPE, snapshot.stamp, samples.found)], known


def head_of(snapshot: Snapshot, spec: Spec) -> BeaconHead:
    """The agreed head. Raises Unanswered when there is none, or when it is of another time than the judged block."""
    head = None if snapshot.beacon is None else snapshot.beacon.head
    if head is None:
        raise Unanswered("beacon head", Failed("no majority of the configured beacon nodes agrees on one"))
    ahead = head.slot - snapshot.stamp.slot
    if ahead > spec.slots_per_epoch:
        raise Unanswered("beacon head", Failed(f"it is {ahead} slots later than the judged block: what it was then is not known"))
    return head


def verified_head_of(snapshot: Snapshot, spec: Spec) -> BeaconHead:
    """The agreed head. Raises Unanswered as ``head_of`` does, and when the head is optimistic, or more than an epoch behind."""
    head = head_of(snapshot, spec)
    behind = snapshot.stamp.slot - head.slot
    if behind > spec.slots_per_epoch:
        raise Unanswered("beacon head", Failed(f"it is {behind} slots behind the judged block"))
    if head.optimistic:
        raise Unanswered("beacon head", Failed("it is optimistic: no execution client has verified it yet"))
    return head


def epochly() -> Epochs:
    """The collector of what an evaluated epoch says about the chain."""
    return Epochs("beacon_epoch", EPOCHLY, (NETWORK,), _fill)


def _fill(samples: Samples, facts: EpochFacts, owner: str) -> None:
    samples.put("beacon_missed_slots", facts.missed_slots)
    samples.put("beacon_missed_slots_ratio", facts.missed_slots / facts.slots)
    samples.put("beacon_inactivity_leak", facts.leaking)
    samples.put("beacon_active_ether", ether(facts.total_active))
    for queue, found in facts.queues.items():
        samples.put("beacon_queue_ether", ether(found.gwei), queue=queue)
        samples.put("beacon_queue_entries", found.entries, queue=queue)
        if found.wait_seconds is not None:
            samples.put("beacon_queue_wait_seconds", found.wait_seconds, queue=queue)
