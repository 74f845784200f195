"""What the query API needs of the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Verdict
from monitor.rules import Instances, RuleSet
from monitor.samples import FrameWindow, Source
from monitor.store import Store


@dataclass(frozen=True, slots=True)
class Judging:
    """The rules with what they came to last. ``judged_at`` is wall time; ``block_seconds`` how often rules are judged that name no interval."""

    ruleset: RuleSet
    live: Instances
    verdicts: Sequence[Verdict]
    judged_at: float | None
    block_seconds: float


@dataclass(frozen=True, slots=True)
class Feed:
    """Where samples and rules come from. All functions are called in the event loop.

    ``data``: the families, and who fills them. ``window``: what is in memory; None while this process does not judge. ``newest``:
    the block time of the newest judged moment. ``now``: wall time.
    """

    store: Store
    data: Callable[[], tuple[Catalogue, Sequence[Source]]]
    window: Callable[[], FrameWindow | None]
    newest: Callable[[], int | None]
    judging: Callable[[], Judging | None]
    now: Callable[[], float]
