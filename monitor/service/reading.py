"""From collectors to frames: which collector is due at a block, what it reads, and what became of it. Pure.

A collector that cannot be judged blinds its own scopes and nothing else: a missing answer, a contract that answers
nonsense and a bug in the collector all end as a failed frame with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from monitor.model import Address, BlockStamp, Collector, Disputed, Failed, Frame, Known, Read, Snapshot, Unanswered, blind_frame
from monitor.turns import Steps

log = structlog.get_logger()

PIPELINE = "pipeline"
"""The name under which the pipeline's own memory is kept among the collectors'."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the pipeline remembers from block to block; kept with the judged block, so a reorg takes it back too.

    ``ran``: block time at which each collector was last judged. ``woken``: collectors whose contracts logged since.
    ``cursor``: the last block whose logs were taken. ``orphaned``: see ``pipeline`` (the tip that a reorg left behind).
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    ran: Mapping[str, int] = field(default_factory=dict)
    woken: frozenset[str] = frozenset()
    cursor: int | None = None
    orphaned: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The part that is not the collectors' own, as plain JSON."""
        return {"ran": dict(self.ran), "woken": sorted(self.woken), "cursor": self.cursor, "orphaned": self.orphaned}

    @classmethod
    def from_json(cls, known: Mapping[str, Known], own: Mapping[str, Any]) -> Memory:
        """The inverse of ``to_json``, with what the collectors know."""
        return cls(dict(known), dict(own.get("ran", {})), frozenset(own.get("woken", ())), own.get("cursor"), own.get("orphaned"))


@dataclass(frozen=True, slots=True)
class Plan:
    """The reads of one due collector."""

    collector: Collector
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The frames of one block and the memory for the next."""

    frames: tuple[Frame, ...]
    memory: Memory


def plans(collectors: Iterable[Collector], memory: Memory, stamp: BlockStamp) -> tuple[list[Plan], list[Frame]]:
    """The due collectors with their reads; a collector that cannot even plan gets failed frames at once."""
    due: list[Plan] = []
    failed: list[Frame] = []
    for collector in collectors:
        known = memory.known.get(collector.name, {})
        if not _is_due(collector, memory, stamp):
            continue
        try:
            due.append(Plan(collector, tuple(collector.plan(known))))
        except Exception as error:  # a bug in one collector must not stop the others
            log.exception("collector.plan_failed", collector=collector.name, block=stamp.number)
            failed += _blind(collector, stamp, Failed(f"could not plan its reads: {error}"))
    return due, failed


def reads_of(due: Iterable[Plan]) -> tuple[Read, ...]:
    """All reads, each once, in a stable order."""
    return tuple(dict.fromkeys(read for plan in due for read in plan.reads))


def watched(collectors: Iterable[Collector]) -> frozenset[Address]:
    """The addresses whose logs some collector wants."""
    return frozenset(address for collector in collectors for address in collector.watches)


def judging(collectors: Sequence[Collector], due: Sequence[Plan], snapshot: Snapshot, memory: Memory) -> Steps[Found]:
    """Frames of the due collectors, and what is remembered: who ran, who was woken by a log, how far the logs were taken. A collector a step."""
    frames: list[Frame] = []
    known = dict(memory.known)
    for plan in due:
        found, after = _judge_one(plan.collector, snapshot, known.get(plan.collector.name, {}))
        frames += found
        known[plan.collector.name] = after
        yield
    ran = {**memory.ran, **{plan.collector.name: snapshot.stamp.timestamp for plan in due}}
    taken = isinstance(snapshot.logs, tuple)
    logged = {log.address for log in snapshot.logs} if isinstance(snapshot.logs, tuple) else set()
    woken = (memory.woken - {p.collector.name for p in due}) | {
        c.name for c in collectors if c.watches & logged and not c.cadence.every_block
    }
    return Found(
        tuple(frames),
        replace(memory, known=known, ran=ran, woken=frozenset(woken), cursor=snapshot.stamp.number if taken else memory.cursor),
    )


def _is_due(collector: Collector, memory: Memory, stamp: BlockStamp) -> bool:
    last = memory.ran.get(collector.name)
    if collector.cadence.every_block or last is None or collector.name in memory.woken or memory.known.get(collector.name, {}).get("again"):
        return True
    return stamp.timestamp - last >= collector.cadence.seconds


def _judge_one(collector: Collector, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
    try:
        return collector.judge(snapshot, known)
    except Unanswered as missing:
        status = missing.answer if isinstance(missing.answer, Disputed) else Failed(str(missing))
        return _blind(collector, snapshot.stamp, status), known
    except Exception as error:  # nonsense from a contract, or a bug: blind, loudly, and the rest goes on
        log.exception("collector.judge_failed", collector=collector.name, block=snapshot.stamp.number)
        return _blind(collector, snapshot.stamp, Failed(f"{type(error).__name__}: {error}")), known


def _blind(collector: Collector, stamp: BlockStamp, status: Failed | Disputed) -> list[Frame]:
    return [blind_frame(collector.name, scope, stamp, status) for scope in collector.scopes]
