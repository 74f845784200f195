"""The pipeline's state after the last committed moment, read back from the store."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.model import BlockStamp
from monitor.rules import EMPTY_RULES, Instances
from monitor.samples import FrameWindow
from monitor.service.reading import PIPELINE, Memory
from monitor.service.setup import Setup
from monitor.store import Unit, journal, replay


@dataclass(frozen=True, slots=True)
class State:
    """Where judging goes on. ``setup`` is the one of the last moment: another one is taken over at the next."""

    setup: Setup
    window: FrameWindow
    memory: Memory
    live: Instances
    recent: tuple[BlockStamp, ...]
    lost: int | None = None
    """The last block of a judged chain that is gone, while nobody was told yet."""


def load(unit: Unit, setup: Setup, max_bytes: int = 1 << 30) -> State:
    """The state of the journal's current branch; an empty one for an empty journal. ``setup`` is the present one."""
    before = _last_setup(unit) or Setup(EMPTY_RULES, setup.sources)
    recent = journal.tail(unit)
    window = before.window(max_bytes)
    # The present setup may look further back than the last one did: keep enough for both.
    setup.reshape(window)
    if recent:
        for frame in replay.load_frames(unit, recent[-1].timestamp - max(before.reach, setup.reach)):
            window.append(frame)
    before.reshape(window)
    known = dict(journal.known(unit))
    memory = Memory.from_json(known, known.pop(PIPELINE, {}))
    text = journal.instances_at(unit)
    return State(before, window, memory, Instances.from_json(text) if text else Instances(), tuple(recent), replay.fresh_loss(unit))


def _last_setup(unit: Unit) -> Setup | None:
    text = replay.last_ruleset_text(unit)
    return None if text is None else Setup.from_text(text)
