"""Which members of a committee missed their fast-lane duty, and how often in a row. Pure.

A member in the fast lane of a frame must report in it; others may stay silent. A frame is counted once: when its main data is
processed, or else when it is over. A report that comes after processing leaves no trace, so nobody is wronged by looking later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.model import Address
from monitor.protocols.signals import CurrentFrame, OracleReading


def count(known: Mapping[str, Any], reading: OracleReading) -> dict[str, Any]:
    """``{"frame", "lane": {member: reported}, "counted", "missed": {member: misses in a row}}`` after this block."""
    missed = dict(known["missed"]) if "missed" in known else proven(reading)
    frame = reading.frame
    if frame is None:
        return {"missed": _of_members(missed, reading)}
    counted = known.get("counted", True)
    if known.get("frame") != frame.ref_slot:
        if not counted:
            missed = _add(missed, _when_over(known["lane"], known["frame"], reading))
        counted = False
    lane: dict[str, bool] = {member: slot == frame.ref_slot for member, slot in frame.fast_lane.items()}
    if not counted and reading.last_processed >= frame.ref_slot:
        missed, counted = _add(missed, lane), True
    return {"frame": frame.ref_slot, "lane": lane, "counted": counted, "missed": _of_members(missed, reading)}


def proven(reading: OracleReading) -> dict[str, int]:
    """Misses that need no history: with N members and quorum Q a duty comes at the latest N - Q + 1 frames after the last report."""
    size, quorum = len(reading.members), reading.quorum
    if quorum is None or quorum > size:
        return {}
    longest = (size - quorum + 1) * reading.numbering.frame_slots
    until = reading.last_processed if reading.frame is None else _counted_until(reading, reading.frame)
    return {member: 1 for member, slot in reading.members.items() if slot and until - slot > longest}


def _counted_until(reading: OracleReading, frame: CurrentFrame) -> int:
    """The frame that is open, or just delivered, is counted by its fast lane."""
    return min(reading.last_processed, frame.ref_slot - reading.numbering.frame_slots)


def _when_over(lane: Mapping[str, bool], frame: int, reading: OracleReading) -> dict[str, bool]:
    """The lane of a frame that is over, by what the members' last reports say now: blocks may not have been seen."""
    return {member: reported or reading.members.get(Address(member), 0) >= frame for member, reported in lane.items()}


def _add(missed: Mapping[str, int], lane: Mapping[str, bool]) -> dict[str, int]:
    return {**missed, **{member: 0 if reported else missed.get(member, 0) + 1 for member, reported in lane.items()}}


def _of_members(missed: Mapping[str, int], reading: OracleReading) -> dict[str, int]:
    return {member: n for member, n in missed.items() if n and Address(member) in reading.members}
