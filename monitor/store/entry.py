"""What is written to the journal, and what comes back when it is replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.model import BlockStamp, Frame, Known, Moment, Transition

Kind = Literal["block", "tick", "rewind", "gap", "lost", "rules"]


@dataclass(frozen=True, slots=True)
class JudgedEntry:
    """A judged moment and all that it came to. A block when ``at`` is a stamp, else a tick.

    ``frames``: all that were admitted at ``at``, in order of judging. ``known``: what collectors remember, by name; it is
    written where it changed, and a name that is missing stays as it was. ``instances``: the rules room's snapshot as
    canonical JSON text; None when it did not change. ``ruleset``: hash of the rules that judged. ``agreed``: endpoints that
    were with the majority. The wall times are no part of what a replay compares.
    """

    at: Moment
    seen_at: float
    judged_at: float
    ruleset: str
    frames: tuple[Frame, ...] = ()
    transitions: tuple[Transition, ...] = ()
    known: Mapping[str, Known] = field(default_factory=dict)
    instances: str | None = None
    agreed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayEntry:
    """One entry as it was written, in order of ``seq``.

    ``at``: the judged moment of a block or tick, the block that stays of a rewind, else the last block before (None at the
    start). ``gap``: first and last block that were never read. ``ruleset_text`` comes with kind rules, ``reason`` with
    kind lost. ``orphaned``: a later rewind took the entry back.
    """

    seq: int
    kind: Kind
    at: Moment | None
    ruleset: str
    seen_at: float
    judged_at: float
    orphaned: bool
    frames: tuple[Frame, ...] = ()
    transitions: tuple[Transition, ...] = ()
    agreed: tuple[str, ...] = ()
    gap: tuple[int, int] | None = None
    ruleset_text: str | None = None
    reason: str | None = None

    @property
    def to(self) -> BlockStamp:
        """The block that stays. Raises TypeError for an entry that is no rewind to a block."""
        if self.kind != "rewind" or not isinstance(self.at, BlockStamp):
            raise TypeError(f"entry {self.seq} is of kind {self.kind}, only a rewind has a block that stays")
        return self.at
