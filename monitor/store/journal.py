"""The append-only journal of judged moments: what was seen, remembered, judged and said, in the order in which it was judged.

A rewind is an entry like others: what it takes back stays for replays, marked as orphaned, and is no longer on the
*current branch*. What collectors remember and the alert instances are kept for the current branch alone, for as far back
as the chain may be rewound.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import delete, func, select, update
from sqlmodel import col

from monitor.model import BlockStamp, Known, Moment, Tick, Transition
from monitor.store import frames
from monitor.store.columns import canonical, insert, inserting
from monitor.store.entry import JudgedEntry
from monitor.store.errors import NotOnBranch
from monitor.store.replay import load_frames, replay, ruleset_text, stamp_of, transitions
from monitor.store.stamps import moment_json
from monitor.store.tables.journal import CollectorStateRow, InstancesRow, JournalRow, RulesetRow, TransitionRow
from monitor.store.unit import Unit

__all__ = [
    "append",
    "gap",
    "instances_at",
    "known",
    "load_frames",
    "lost",
    "replay",
    "rewind",
    "rules",
    "ruleset_text",
    "tail",
    "transitions",
]

KEPT_STAMPS = 128
"""Blocks for which memory and instances are kept; the chain is rewound by 64 at most."""
_TIDY_EVERY = 16


# ---------------------------------------------------------------- writing


def append(unit: Unit, entry: JudgedEntry) -> int:
    """Write a judged moment; its ``seq``.

    Raises NotOnBranch when it does not follow the current branch (rewind first), ValueError for frames that contradict
    themselves.
    """
    last = _last_block(unit)
    _check_follows(entry.at, last)
    seq = _next_seq(unit)
    block = entry.at if isinstance(entry.at, BlockStamp) else entry.at.last
    kind: Literal["block", "tick"] = "block" if isinstance(entry.at, BlockStamp) else "tick"
    details = {"agreed": entry.agreed}
    _insert(unit, seq, kind, block, entry.at.timestamp, details, entry.ruleset, entry.seen_at, entry.judged_at)
    frames.write(unit, seq, entry.at, entry.frames)
    _write_transitions(unit, seq, entry.at, entry.transitions)
    _write_known(unit, seq, entry.known)
    if entry.instances is not None:
        _write_instances(unit, seq, entry.instances)
    if seq % _TIDY_EVERY == 0:
        _tidy(unit)
    return seq


def rewind(unit: Unit, to: BlockStamp, *, seen_at: float, ruleset: str, known: Mapping[str, Known] | None = None) -> int:
    """Take back all that was judged after ``to``; the ``seq`` of the rewind.

    Memory and instances are those of ``to`` again, but for ``known``: what is to be remembered of the rewind itself. Raises
    NotOnBranch when another block of its number is on the branch.
    """
    kept = _seq_at(unit, to)
    seq = _next_seq(unit)
    _insert(unit, seq, "rewind", to, to.timestamp, None, ruleset, seen_at, seen_at)
    _orphan(unit, kept, seq)
    unit.conn.execute(delete(CollectorStateRow).where(col(CollectorStateRow.seq) > kept))
    unit.conn.execute(delete(InstancesRow).where(col(InstancesRow.seq) > kept))
    if known:
        _write_known(unit, seq, known)
    return seq


def gap(unit: Unit, first: int, last: int, *, seen_at: float, ruleset: str) -> int:
    """Note that blocks ``first`` to ``last`` were never read and never will be; the ``seq``."""
    seq = _next_seq(unit)
    block = _last_block(unit)
    _insert(unit, seq, "gap", block, _time(block), {"gap": [first, last]}, ruleset, seen_at, seen_at)
    return seq


def lost(unit: Unit, reason: str, *, seen_at: float, ruleset: str) -> int:
    """Note that the judged chain is gone, deeper than it can be rewound: the branch is empty and collectors remember nothing.

    The instances stay as they are, so that what was announced is not forgotten. Returns the ``seq``.
    """
    seq = _next_seq(unit)
    block = _last_block(unit)
    _insert(unit, seq, "lost", block, _time(block), {"reason": reason}, ruleset, seen_at, seen_at)
    _orphan(unit, -1, seq)
    unit.conn.execute(delete(CollectorStateRow))
    text = instances_at(unit)
    unit.conn.execute(delete(InstancesRow))
    if text is not None:
        _write_instances(unit, seq, text)
    return seq


def rules(unit: Unit, ruleset: str, text: str, *, seen_at: float) -> int:
    """Note that from here on another rule set judges: its hash, and its text for replays. Returns the ``seq``."""
    row = insert(unit, RulesetRow).values(hash=ruleset, text=text)
    unit.conn.execute(row.on_conflict_do_nothing(index_elements=["hash"]))
    seq = _next_seq(unit)
    block = _last_block(unit)
    _insert(unit, seq, "rules", block, _time(block), None, ruleset, seen_at, seen_at)
    return seq


# Built once: to build such a statement takes longer than to run it.
_NEWEST_SEQ = select(func.max(col(JournalRow.seq)))
_INSTANCES_DIGEST = select(col(InstancesRow.digest)).order_by(col(InstancesRow.seq).desc()).limit(1)
_newest = select(col(CollectorStateRow.collector), func.max(col(CollectorStateRow.seq)).label("seq")).group_by("collector").subquery()
_MEMORY_DIGESTS = select(col(CollectorStateRow.collector), col(CollectorStateRow.digest)).join(
    _newest, (col(CollectorStateRow.collector) == _newest.c.collector) & (col(CollectorStateRow.seq) == _newest.c.seq)
)


def _check_follows(at: Moment, last: BlockStamp | None) -> None:
    if last is None:
        return
    if isinstance(at, Tick):
        if at.last != last:
            raise NotOnBranch(at.last, f"a tick must follow the last judged block {last.number} {last.hash}")
    elif at.number <= last.number or (at.number == last.number + 1 and at.parent != last.hash):
        raise NotOnBranch(at, f"the last judged block is {last.number} {last.hash}: rewind first")


def _next_seq(unit: Unit) -> int:
    newest: int | None = unit.conn.execute(_NEWEST_SEQ).scalar_one()
    return 0 if newest is None else newest + 1


def _insert(
    unit: Unit, seq: int, kind: str, block: BlockStamp | None, timestamp: int | None, details: Any, ruleset: str, seen_at: float, judged_at: float
) -> None:  # fmt: skip
    values: dict[str, Any] = {"seq": seq, "kind": kind, "timestamp": timestamp, "details": details, "ruleset": ruleset}
    values |= {"seen_at": seen_at, "judged_at": judged_at}
    if block is not None:
        values |= {"number": block.number, "hash": block.hash, "parent": block.parent, "slot": block.slot}
        values |= {"block_timestamp": block.timestamp, "beacon_root": block.beacon_root}
    unit.conn.execute(inserting(JournalRow), values)


def _write_transitions(unit: Unit, seq: int, at: Moment, changes: tuple[Transition, ...]) -> None:
    rows = [
        {
            "seq": seq,
            "rank": rank,
            "episode": t.episode,
            "fingerprint": str(t.fingerprint),
            "rule": t.rule,
            "labels": t.labels,
            "annotations": t.annotations,
            "old": t.old,
            "new": t.new,
            "at": None if t.at == at else moment_json(t.at),
            "cause": t.cause,
            "value": t.value,
            "evidence": t.evidence,
        }
        for rank, t in enumerate(changes)
    ]
    if rows:
        unit.conn.execute(inserting(TransitionRow), rows)


def _write_known(unit: Unit, seq: int, memories: Mapping[str, Known]) -> None:
    held = {row.collector: row.digest for row in unit.conn.execute(_MEMORY_DIGESTS)}
    rows = []
    for collector, memory in sorted(memories.items()):
        text = canonical(memory)
        digest = _digest(text)
        if held.get(collector) != digest:
            rows.append({"collector": collector, "seq": seq, "digest": digest, "known": text})
    if rows:
        unit.conn.execute(inserting(CollectorStateRow), rows)


def _write_instances(unit: Unit, seq: int, text: str) -> None:
    digest = _digest(text)
    if unit.conn.execute(_INSTANCES_DIGEST).scalar_one_or_none() != digest:
        unit.conn.execute(inserting(InstancesRow), {"seq": seq, "digest": digest, "body": text})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _orphan(unit: Unit, after: int, by: int) -> None:
    taken_back = col(JournalRow.kind).in_(("block", "tick", "gap"))
    unit.conn.execute(
        update(JournalRow).where(col(JournalRow.seq) > after, col(JournalRow.orphaned_by).is_(None), taken_back).values(orphaned_by=by)
    )


def _tidy(unit: Unit) -> None:
    """Forget memory and instances of blocks that cannot be rewound to any more; what still holds stays."""
    blocks = select(col(JournalRow.seq)).where(*_BLOCKS).order_by(col(JournalRow.seq).desc()).offset(KEPT_STAMPS).limit(1)
    floor = unit.conn.execute(blocks).scalar_one_or_none()
    if floor is None:
        return
    held = select(func.max(col(InstancesRow.seq))).where(col(InstancesRow.seq) <= floor).scalar_subquery()
    unit.conn.execute(delete(InstancesRow).where(col(InstancesRow.seq) < held))
    newer = CollectorStateRow.__table__.alias("newer")  # type: ignore[attr-defined]
    superseded = (
        select(newer.c.seq)
        .where(newer.c.collector == col(CollectorStateRow.collector), newer.c.seq > col(CollectorStateRow.seq), newer.c.seq <= floor)
        .exists()
    )
    unit.conn.execute(delete(CollectorStateRow).where(superseded))


# ---------------------------------------------------------------- reading the current branch

_BLOCKS = (col(JournalRow.kind) == "block", col(JournalRow.orphaned_by).is_(None))
_LAST_BLOCK = select(JournalRow.__table__).where(*_BLOCKS).order_by(col(JournalRow.seq).desc()).limit(1)  # type: ignore[attr-defined]


def tail(unit: Unit, n: int = 64) -> list[BlockStamp]:
    """The last ``n`` judged blocks of the current branch, oldest first."""
    rows = unit.conn.execute(
        select(JournalRow.__table__).where(*_BLOCKS).order_by(col(JournalRow.seq).desc()).limit(n)  # type: ignore[attr-defined]
    ).all()
    return [stamp_of(row) for row in reversed(rows)]


def known(unit: Unit, at: BlockStamp | None = None) -> dict[str, Known]:
    """What each collector remembered after ``at`` (now, without it). Raises NotOnBranch."""
    query = select(col(CollectorStateRow.collector), col(CollectorStateRow.known)).order_by(col(CollectorStateRow.seq))
    if at is not None:
        query = query.where(col(CollectorStateRow.seq) <= _seq_at(unit, at))
    return {row.collector: json.loads(row.known) for row in unit.conn.execute(query)}


def instances_at(unit: Unit, at: BlockStamp | None = None) -> str | None:
    """The snapshot that held after ``at`` (now, without it), as it was given; None when there was none. Raises NotOnBranch."""
    query = select(col(InstancesRow.body)).order_by(col(InstancesRow.seq).desc()).limit(1)
    if at is not None:
        query = query.where(col(InstancesRow.seq) <= _seq_at(unit, at))
    text: str | None = unit.conn.execute(query).scalar_one_or_none()
    return text


def _seq_at(unit: Unit, at: BlockStamp) -> int:
    """The newest judged block that is ``at`` or older (``at`` itself may be in a gap); -1 when there is none."""
    rows = select(JournalRow.__table__).where(*_BLOCKS, col(JournalRow.number) <= at.number)  # type: ignore[attr-defined]
    row = unit.conn.execute(rows.order_by(col(JournalRow.seq).desc()).limit(1)).one_or_none()
    if row is None:
        return -1
    if row.number == at.number and row.hash != at.hash:
        raise NotOnBranch(at, f"block {row.number} of the branch is {row.hash}")
    return int(row.seq)


def _last_block(unit: Unit) -> BlockStamp | None:
    row = unit.conn.execute(_LAST_BLOCK).one_or_none()
    return None if row is None else stamp_of(row)


def _time(block: BlockStamp | None) -> int | None:
    return None if block is None else block.timestamp
