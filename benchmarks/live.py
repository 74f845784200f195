"""The way of a block at one real block a second: how long it takes, what it asks of endpoints and processor, and Slack's receipt."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from statistics import mean

from sqlalchemy import select
from sqlmodel import col

from benchmarks.figures import Report
from benchmarks.rig import Rig
from monitor.devnet import actions
from monitor.store import Store, Unit
from monitor.store.tables.alerts import AlertEpisode, DeliveryRow, IncidentEpisode
from monitor.store.tables.journal import JournalRow

PART = "live"
JUDGED_SECONDS = 0.25
TOLD_SECONDS = 1.5
MESSAGES = 3.0
QUIET = 0.4
"""The part of the blocks at which nothing happens: there the processor's share is taken."""
APART = 3
"""Blocks between what is done on the chain: a group's message may change again after a second."""
PAUSE_SECONDS = 3600
Traffic = dict[str, tuple[int, Counter[str]]]
"""For each endpoint, messages and JSON-RPC calls by method."""


def run(report: Report, rig: Rig, blocks: int) -> None:
    """Watch so many blocks come at one a second."""
    _wait_blocks(rig, 3)
    since, before = time.time(), rig.traffic()
    first = rig.ground.head()
    quiet = max(5, int(blocks * QUIET))
    _processor(report, rig, quiet)
    done = _things_happen(rig, blocks - quiet)
    rig.ground.caught_up()
    after, last = rig.traffic(), rig.ground.head()
    # The last messages may be on their way.
    time.sleep(2.0)
    _judging(report, rig, since)
    _telling(report, rig, since, done)
    _messages(report, before, after, last - first)
    report.add(PART, "memory (RSS) so far", rig.service.memory_info().rss / 1e6, "MB", note=f"after {rig.judged()} blocks")


def _wait_blocks(rig: Rig, count: int) -> None:
    rig.ground.world.wait_blocks(count)
    rig.ground.caught_up()


def _processor(report: Report, rig: Rig, blocks: int) -> None:
    """Nobody looks at the page meanwhile: that would be measured, too."""
    start, used, first = time.perf_counter(), rig.cpu_seconds(), rig.ground.head()
    time.sleep(blocks)
    seconds, used, came = time.perf_counter() - start, rig.cpu_seconds() - used, rig.ground.head() - first
    report.add(
        PART, "CPU of the service", 100 * used / seconds, "% of a core", note=f"{came} blocks in {seconds:.0f} s, page not looked at"
    )
    report.add(PART, "CPU of the service", 1000 * used / max(1, came), "ms a block")


# ---------------------------------------------------------------- alerts


def _things_happen(rig: Rig, blocks: int) -> int:
    """By turns a role is granted to another account (an open incident's message changes), and the queue is paused or resumed
    (an incident opens or ends). Returns how often something was done."""
    world, count = rig.ground.world, max(2, blocks // APART)
    start = rig.ground.head()
    for i in range(count):
        if i % 3 == 1:
            actions.pause_queue(world, PAUSE_SECONDS)
        elif i % 3 == 2:
            actions.resume_queue(world)
        else:
            actions.grant_role(world, "withdrawal_queue", "FINALIZE_ROLE", f"0x{0xBE << 152 | i:040x}")
        world.wait_blocks(max(1, start + (i + 1) * APART - rig.ground.head()))
    if count % 3 == 2:
        actions.resume_queue(world)
    for i in range(0, count, 3):
        actions.revoke_role(world, "withdrawal_queue", "FINALIZE_ROLE", f"0x{0xBE << 152 | i:040x}")
    return count


@dataclass(frozen=True)
class Told:
    """An alert that began to fire, and when the first message that tells of it was accepted."""

    seen_at: float
    judged_at: float
    sent_at: float
    opened: bool


def _telling(report: Report, rig: Rig, since: float, done: int) -> None:
    with Store.open(rig.url) as store, store.read() as unit:
        found = _told(unit, since)
    waits = [t.sent_at - t.seen_at for t in found]
    opened = sum(t.opened for t in found)
    report.spread(
        PART,
        "block seen -> accepted by Slack",
        waits,
        "s",
        TOLD_SECONDS,
        f"{opened} open an incident's message, the rest change one; {done} acts",
    )
    report.add(PART, "of it, judged -> accepted by Slack", mean(t.sent_at - t.judged_at for t in found), "s", note="mean")


def _told(unit: Unit, since: float) -> list[Told]:
    """Each alert that began after ``since`` with the first accepted message of its incident that was owed since it was judged."""
    episodes = unit.conn.execute(
        select(col(AlertEpisode.seen_at), col(AlertEpisode.judged_at), col(IncidentEpisode.incident))
        .join(IncidentEpisode, col(IncidentEpisode.episode) == col(AlertEpisode.episode))
        .where(col(AlertEpisode.seen_at) > since, col(AlertEpisode.muted).is_(None))
    ).all()
    found = []
    for seen_at, judged_at, incident in episodes:
        message = unit.conn.execute(
            select(col(DeliveryRow.sent_at), col(DeliveryRow.kind))
            .where(col(DeliveryRow.incident) == incident, col(DeliveryRow.kind) != "note", col(DeliveryRow.sent_at).is_not(None))
            .where(col(DeliveryRow.owed_at) >= judged_at)
            .order_by(col(DeliveryRow.owed_at))
            .limit(1)
        ).one_or_none()
        if message is not None:
            found.append(Told(seen_at, judged_at, message.sent_at, message.kind == "open"))
    return found


# ---------------------------------------------------------------- blocks


def _judging(report: Report, rig: Rig, since: float) -> None:
    with Store.open(rig.url) as store, store.read() as unit:
        rows = unit.conn.execute(
            select(col(JournalRow.seen_at), col(JournalRow.judged_at)).where(
                col(JournalRow.kind) == "block", col(JournalRow.seen_at) > since
            )
        ).all()
    report.spread(
        PART, "block seen -> judged", [1000 * (judged - seen) for seen, judged in rows], "ms", note="from the journal, before the commit"
    )
    for quantile, aim in (("0.5", None), ("0.99", JUDGED_SECONDS * 1000)):
        value = 1000 * rig.metric("stakewarden_judging_seconds", quantile=quantile)
        name = f"block seen -> judged and committed, p{float(quantile) * 100:.0f}"
        note = f"from /metrics: all {rig.judged()} blocks since the start, the first one included" if aim else ""
        report.add(PART, name, value, "ms", aim, note)


def _messages(report: Report, before: Traffic, after: Traffic, blocks: int) -> None:
    for name in after:
        sent, calls = after[name][0] - before[name][0], after[name][1] - before[name][1]
        methods = ", ".join(f"{m} {n / blocks:.2f}" for m, n in calls.most_common())
        report.add(PART, f"messages to {name}", sent / blocks, "a block", MESSAGES, f"over {blocks} blocks, counted by the endpoint")
        report.add(PART, f"JSON-RPC calls to {name}", calls.total() / blocks, "a block", note=methods)
