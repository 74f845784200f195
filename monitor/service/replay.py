"""Judging a recorded journal again: the same frames, in the same order, must come to the same transitions, byte for byte."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor import rules
from monitor.model import BlockStamp, Tick, Transition
from monitor.rules import EMPTY_RULES, Instances
from monitor.samples import FrameWindow
from monitor.service.reorg import Reorg
from monitor.service.setup import Setup
from monitor.store import ReplayEntry, Unit, replay


@dataclass(slots=True)
class Replayed:
    """What came out. ``digest`` is over all transitions in order; ``differences`` names the entries that disagree."""

    moments: int = 0
    transitions: int = 0
    differences: list[str] = field(default_factory=list)
    digest: str = ""


def replay_journal(unit: Unit, slot_seconds: int = 12) -> Replayed:
    """Replay all that the journal holds. Raises Thinned when retention has deleted frames of it."""
    found, total = Replayed(), hashlib.sha256()
    judge = _Judge(slot_seconds)
    for entry in replay.replay(unit):
        if entry.kind == "rules":
            assert entry.ruleset_text is not None
            judge.changed = Setup.from_text(entry.ruleset_text)
        elif entry.kind == "rewind":
            judge.rewind(entry.to)
        elif entry.kind == "lost":
            judge.lose()
        elif entry.kind in ("block", "tick"):
            again = [canonical(t) for t in judge.moment(entry)]
            written = [canonical(t) for t in entry.transitions]
            found.moments += 1
            found.transitions += len(again)
            total.update(b"".join(again))
            if again != written:
                found.differences.append(
                    f"entry {entry.seq} at {_place(entry)}: {len(written)} transitions were written, {len(again)} come out"
                )
    found.digest = total.hexdigest()
    return found


class _Judge:
    """The pure part of the pipeline, driven by the journal instead of the chain."""

    def __init__(self, slot_seconds: int) -> None:
        self.changed: Setup | None = None
        self.setup: Setup | None = None
        self.window: FrameWindow | None = None
        self.live = Instances()
        self.after: list[tuple[BlockStamp, Instances]] = []
        self.reorg = Reorg(slot_seconds)
        self.tip: BlockStamp | None = None

    def moment(self, entry: ReplayEntry) -> Sequence[Transition]:
        assert entry.at is not None
        ended = self._take_rules(entry)
        assert self.setup is not None and self.window is not None
        for frame in entry.frames:
            if frame.collector not in self.setup.recorders:
                self.window.append(frame)
        rules.record(self.setup.ruleset, self.window, entry.at, self.live)
        live, transitions, _ = rules.judge(self.setup.ruleset, self.window, entry.at, self.live)
        self.live, told = self.reorg.announced(live, [*ended, *transitions], entry.at)
        if isinstance(entry.at, BlockStamp):
            self.tip = entry.at
        if self.tip is not None:
            self.after = [*self.after[-255:], (self.tip, self.live)]
        return told

    def rewind(self, to: BlockStamp) -> None:
        assert self.window is not None and self.tip is not None
        self.reorg.begin(self.tip, to, self.live)
        self.window.rewind(to)
        kept = [(stamp, live) for stamp, live in self.after if stamp.number <= to.number]
        self.after, self.live, self.tip = kept, kept[-1][1] if kept else Instances(), to

    def lose(self) -> None:
        """The window is read anew; what was announced stays."""
        assert self.setup is not None
        self.window, self.after, self.tip = self.setup.window(), [], None
        self.reorg.forget()

    def _take_rules(self, entry: ReplayEntry) -> list[Transition]:
        new, self.changed = self.changed, None
        if new is None:
            return []
        assert entry.at is not None
        before = self.setup.ruleset if self.setup is not None else EMPTY_RULES
        self.live, ended = rules.reload(before, new.ruleset, self.live, entry.at)
        self.setup = new
        if self.window is None:
            self.window = new.window()
        else:
            new.reshape(self.window)
        return ended


def canonical(t: Transition) -> bytes:
    """A transition as canonical JSON bytes: what "byte for byte" means."""
    body: dict[str, Any] = {
        "episode": t.episode, "fingerprint": f"{t.fingerprint:016x}", "rule": t.rule, "labels": dict(t.labels),
        "annotations": dict(t.annotations), "old": t.old, "new": t.new, "cause": t.cause, "evidence": t.evidence,
        "value": t.value if math.isfinite(t.value) else str(t.value), "at": _moment(t),
    }  # fmt: skip
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _moment(t: Transition) -> list[Any]:
    return ["tick", t.at.last.hash, t.at.timestamp] if isinstance(t.at, Tick) else ["block", t.at.hash, t.at.timestamp]


def _place(entry: ReplayEntry) -> str:
    if entry.at is None:
        return "no block"
    return f"tick {entry.at.timestamp}" if isinstance(entry.at, Tick) else f"block {entry.at.number}"
