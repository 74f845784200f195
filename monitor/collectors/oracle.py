"""An oracle's reports: when they are due, how late, what stage the current one is in, and how its committee does its duty.

With R the current frame's reference slot and L that of the last processed report: delivered when L >= R; the report due is the first
reference slot after L; it is late from its time plus the allowance on. The frames are the contract's own.

``known``: since when the current frame is agreed (``agreed``) and processed (``main``): the log's time, or that of the first
block at which it was seen; and the duties (see ``duties``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.catalogue.shipped import ORACLE_FAMILIES
from monitor.collectors import duties
from monitor.collectors.emit import Samples, blind, ether, mapping
from monitor.model import (
    EVERY_BLOCK,
    Address,
    Balance,
    Failed,
    Frame,
    Known,
    Labels,
    Read,
    Snapshot,
    Unanswered,
    blind_frame,
    labels,
    ok_frame,
)
from monitor.protocols.abi import BadAnswer
from monitor.protocols.signals import CurrentFrame, OracleMoments, OracleReading, OracleSource

ALLOWANCE = 45 * 60
"""Seconds from a reference slot until its report counts as late: finality (about 13 minutes), hash collection, submission. Our choice."""
_FAR = 2**40
"""A time that no committee means: an initial epoch in the far future stands for "not set yet"."""
_WALLETS = "oracle_member_balance_ether"
GAUGES = tuple(f for f in ORACLE_FAMILIES if f.kind != "event" and f.name != _WALLETS)
EVENTS = tuple(f for f in ORACLE_FAMILIES if f.kind == "event")


class Oracle:
    """Gauges of one oracle. ``allowance`` in seconds."""

    families = GAUGES
    cadence = EVERY_BLOCK

    def __init__(self, protocol: str, source: OracleSource, allowance: int = ALLOWANCE) -> None:
        self.name = f"oracle_{source.name}"
        self._source, self._allowance = source, allowance
        self._scope = labels(protocol=protocol, oracle=source.name)
        self.scopes: tuple[Labels, ...] = (self._scope,)
        self.watches = source.watches

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Times from the logs are kept also when reads fail; without agreed logs the first sight counts."""
        noted = _note(known, self._moments(snapshot))
        try:
            reading = self._source.reading(snapshot)
        except Unanswered as missing:
            return [blind(self.name, self._scope, snapshot.stamp, missing)], noted
        now = snapshot.stamp.timestamp
        after = _see(noted, reading, now)
        samples = Samples(self._scope)
        _put_lateness(samples, reading, now, self._allowance)
        _put_committee(samples, reading, after)
        if reading.frame is not None:
            _put_stage(samples, reading.frame, delivered=reading.last_processed >= reading.frame.ref_slot, known=after, now=now)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], after

    def _moments(self, snapshot: Snapshot) -> OracleMoments:
        try:
            return self._source.moments(snapshot)
        except Unanswered:
            return OracleMoments()


class OracleWallets:
    """Ether of the members, who pay for their reports. A member that was not known is read with the next block."""

    families = tuple(f for f in ORACLE_FAMILIES if f.name == _WALLETS)
    cadence = EVERY_BLOCK
    watches: frozenset[Address] = frozenset()

    def __init__(self, protocol: str, source: OracleSource) -> None:
        self.name = f"oracle_wallets_{source.name}"
        self._source = source
        self._scope = labels(protocol=protocol, oracle=source.name)
        self.scopes: tuple[Labels, ...] = (self._scope,)

    def plan(self, known: Known) -> Sequence[Read]:
        return [self._source.members_read(), *(_balance(member) for member in known.get("members", ()))]

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered."""
        members = sorted(self._source.members(snapshot))
        after = {"members": members}
        new = set(members) - set(known.get("members", ()))
        if new:
            reason = Failed(f"new members {', '.join(sorted(new))}; their balances are read with the next block")
            return [blind_frame(self.name, self._scope, snapshot.stamp, reason)], after
        samples = Samples(self._scope)
        for member in members:
            data = snapshot.value(_balance(member))
            if len(data) != 32:
                raise BadAnswer(member, "balance", data, "a balance of 32 bytes")
            samples.put(_WALLETS, ether(int.from_bytes(data, "big")), member=member)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], after


def outstanding(reading: OracleReading) -> int:
    """Reports that were due by the contract's frames and not delivered, the current one included."""
    if reading.frame is None or reading.last_processed >= reading.frame.ref_slot:
        return 0
    first = reading.numbering.after(reading.last_processed)
    return max(1, (reading.frame.ref_slot - first) // reading.numbering.frame_slots + 1)


def late_seconds(reading: OracleReading, now: int, allowance: int) -> int:
    """How long the first outstanding report is late; 0 when nothing is outstanding or it is within the allowance."""
    if outstanding(reading) == 0:
        return 0
    due = reading.numbering.time(reading.numbering.after(reading.last_processed))
    return max(0, now - due - allowance)


def _put_lateness(samples: Samples, reading: OracleReading, now: int, allowance: int) -> None:
    numbering = reading.numbering
    if reading.last_processed:
        samples.put("oracle_report_timestamp_seconds", numbering.time(reading.last_processed))
    due = numbering.time(numbering.after(reading.last_processed))
    if due < _FAR:
        samples.put("oracle_report_due_seconds", due)
    samples.put("oracle_report_late_seconds", late_seconds(reading, now, allowance))
    samples.put("oracle_reports_lost", max(0, outstanding(reading) - 1))
    samples.put("oracle_frame_seconds", numbering.frame_seconds)
    if reading.frame is not None:
        samples.put("oracle_report_deadline_seconds", numbering.time(reading.frame.deadline_slot))


def _put_stage(samples: Samples, frame: CurrentFrame, *, delivered: bool, known: Mapping[str, Any], now: int) -> None:
    agreed, main = mapping(known, "agreed"), mapping(known, "main")
    samples.put("oracle_report_delivered", delivered)
    samples.put("oracle_consensus_reached", frame.agreed is not None)
    samples.put("oracle_undelivered_agreement_seconds", now - agreed["at"] if frame.agreed is not None and not delivered else 0)
    samples.put("oracle_extra_data_pending_seconds", now - main["at"] if frame.main_done and not frame.extra_done else 0)
    samples.put("oracle_report_variants", frame.variants)
    if frame.extra_items is not None:
        expected, submitted = frame.extra_items
        samples.put("oracle_extra_data_items", expected, state="expected")
        samples.put("oracle_extra_data_items", submitted, state="submitted")


def _put_committee(samples: Samples, reading: OracleReading, known: Mapping[str, Any]) -> None:
    samples.put("oracle_members", len(reading.members))
    samples.put("oracle_quorum", math.inf if reading.quorum is None else reading.quorum)
    missed = mapping(mapping(known, "duties"), "missed")
    for member, slot in reading.members.items():
        samples.put("oracle_member_missed_duties", missed.get(member, 0), member=member)
        if slot:
            samples.put("oracle_member_report_timestamp_seconds", reading.numbering.time(slot), member=member)


def _note(known: Known, moments: OracleMoments) -> dict[str, Any]:
    """The last agreement and the last main data that the logs tell of; a new agreement starts a new wait."""
    after = dict(known)
    if moments.agreed:
        slot, at = moments.agreed[-1]
        after["agreed"] = {"frame": slot, "at": at, "hash": None}
    if moments.processed:
        slot, at = moments.processed[-1]
        after["main"] = {"frame": slot, "at": at}
    return after


def _see(known: Mapping[str, Any], reading: OracleReading, now: int) -> dict[str, Any]:
    """The same, with what the state tells: an agreement that is gone or is another one, and stages seen without a log."""
    frame = reading.frame
    agreed, main = mapping(known, "agreed"), mapping(known, "main")
    after = {"duties": duties.count(mapping(known, "duties"), reading)}
    if frame is not None and frame.agreed is not None:
        digest = frame.agreed.hex()
        same = agreed.get("frame") == frame.ref_slot and agreed.get("hash") in (None, digest)
        after["agreed"] = {"frame": frame.ref_slot, "at": agreed["at"] if same else now, "hash": digest}
    if frame is not None and frame.main_done:
        same = main.get("frame") == frame.ref_slot
        after["main"] = {"frame": frame.ref_slot, "at": main["at"] if same else now}
    return after


def _balance(member: str) -> Read:
    return Read(Address(member), Balance())
