"""The parts of a running service, put together by ``build`` and used by the pipeline, the page and the workers."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from monitor.model import BlockStamp, Frame, Labels, Moment, RuleId, Verdict


@dataclass(slots=True)
class Progress:
    """What the pipeline has come to: for the page, the own metrics and the heartbeat. In memory only.

    ``failures`` counts frames that were not ok since the start, by collector, protocol and status. ``latest`` is each scope's
    newest frame, ok or not; ``newest_ok`` the block time of its newest ok one.
    """

    at: Moment | None = None
    last_block: BlockStamp | None = None
    seen_at: float | None = None
    judged_at: float | None = None
    gap_blocks: int = 0
    fresh_gaps: list[tuple[int, int]] = field(default_factory=list)
    """First and last block of gaps that no judged moment has shown yet."""
    fresh_losses: list[int] = field(default_factory=list)
    """Last judged block of each chain that was lost, that no judged moment has shown yet."""
    reorgs: int = 0
    verdicts: tuple[Verdict, ...] = ()
    judged: dict[str, Verdict] = field(default_factory=dict)
    """The newest verdict of each rule, by the rule's id: not every moment judges every rule."""
    decided: dict[str, RuleId] = field(default_factory=dict)
    """The rule behind the newest pause that we made of each target."""
    failures: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    latest: dict[tuple[str, Labels], Frame] = field(default_factory=dict)
    newest_ok: dict[tuple[str, Labels], int] = field(default_factory=dict)
    seen_to_judged: deque[float] = field(default_factory=lambda: deque(maxlen=4096))
    """Seconds from a head's agreement to its commit, newest last."""
    blocks: int = 0
    """Blocks judged since the start."""
