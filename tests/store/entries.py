"""Made-up blocks, frames and entries for the store's tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.model import (
    BlockStamp,
    EpisodeId,
    Event,
    EventId,
    Frame,
    Hash,
    Moment,
    RuleId,
    Series,
    Slot,
    Tick,
    Transition,
    labels,
    ok_frame,
)
from monitor.store import JudgedEntry

RULES = "rules-1"


def stamp(number: int, branch: str = "a", parent_branch: str | None = None) -> BlockStamp:
    """A block of a branch; blocks twelve seconds apart."""
    return BlockStamp(
        number,
        Hash(f"0x{branch}{number:063x}"),
        Hash(f"0x{parent_branch or branch}{number - 1:063x}"),
        1_700_000_000 + 12 * number,
        Slot(5000 + number),
        Hash(f"0x{number:064x}"),
    )


def frame(at: Moment, values: Mapping[str, float], collector: str = "oracle", events: int = 0) -> Frame:
    """An ok frame with a series a member."""
    block = at.last if isinstance(at, Tick) else at
    samples = {Series("oracle_member_balance_ether", labels(protocol="lido", member=name)): value for name, value in values.items()}
    found = [
        Event(EventId(f"0x{i}:{block.hash}"), Series("oracle_report", labels(protocol="lido", seq=str(i))), block, {"wei": str(10**30 + i)})
        for i in range(events)
    ]
    return ok_frame(collector, labels(protocol="lido"), block, samples, found, admitted=at)


def transition(at: Moment, value: float = 1.5) -> Transition:
    return Transition(
        episode=EpisodeId(f"e{at.timestamp}"),
        fingerprint=2**64 - 5,
        rule=RuleId("lido/OracleLate"),
        labels=labels(alertname="OracleLate", protocol="lido"),
        annotations=labels(summary="späť \x00"),
        old="pending",
        new="firing",
        at=at,
        cause="judged",
        value=value,
        evidence=Hash("0x" + "ab" * 32),
    )


def entry(at: Moment, *frames: Frame, **more: Any) -> JudgedEntry:
    return JudgedEntry(at=at, seen_at=at.timestamp + 0.5, judged_at=at.timestamp + 0.75, ruleset=RULES, frames=frames, **more)


def same_frame(a: Frame, b: Frame) -> bool:
    """Equal in all fields, and bit for bit in the values."""
    fields = ("collector", "scope", "read_at", "admitted", "status", "events")
    same_bits = np.array_equal(a.values.view(np.uint64), b.values.view(np.uint64))
    return all(getattr(a, name) == getattr(b, name) for name in fields) and a.layout is b.layout and same_bits
