"""What stays behind after many blocks: memory, database, and how fast blocks that came at once are made up."""

from __future__ import annotations

import time

from sqlalchemy import text

from benchmarks.figures import Report
from benchmarks.rig import Rig
from monitor.store import Store

PART = "growth"
AT_ONCE = 20
"""Blocks mined together: fewer than a reorg or a gap would be taken for."""
PATIENCE_SECONDS = 120.0


def run(report: Report, rig: Rig, blocks: int) -> None:
    """Go on until the service has judged so many blocks, then look what it holds."""
    start, first, used, bytes_before = time.perf_counter(), rig.judged(), rig.cpu_seconds(), sum(rig.database_bytes())
    grow(rig, blocks)
    judged, seconds = rig.judged(), time.perf_counter() - start
    made = max(1, judged - first)
    report.add(PART, "blocks judged one after the other", made / seconds, "a second", note=f"{made} blocks in batches of {AT_ONCE}")
    report.add(
        PART,
        "CPU of the service",
        1000 * (rig.cpu_seconds() - used) / made,
        "ms a block",
        note="looking at the page after each batch included",
    )
    report.add(PART, "memory (RSS)", rig.service.memory_info().rss / 1e6, "MB", note=f"after {judged} blocks")
    report.add(PART, "window", rig.metric("stakewarden_window_bytes") / 1e6, "MB", note="frames in memory, part of RSS")
    _database(report, rig, judged, sum(rig.database_bytes()) - bytes_before, made)


def grow(rig: Rig, blocks: int) -> None:
    """Mine faster than a block a second, and wait for the service after each batch."""
    while rig.judged() < blocks:
        rig.ground.world.anvil.mine(AT_ONCE, apart=1)
        rig.ground.caught_up(PATIENCE_SECONDS)


def _database(report: Report, rig: Rig, judged: int, grown: int, made: int) -> None:
    file, log = rig.database_bytes()
    report.add(PART, "database file", file / 1e6, "MB", note=f"after {judged} blocks")
    report.add(PART, "its write-ahead log", log / 1e6, "MB", note="used again from the start when it is full: does not grow with blocks")
    report.add(PART, "database, file and log", grown / made / 1000, "kB a block", note=f"growth over the last {made} blocks")
    with Store.open(rig.url) as store, store.read() as unit:
        # The number of values is not kept with the rows: it is in the layout of each frame's base.
        samples, delta = unit.conn.execute(
            text(
                "SELECT coalesce(sum(l.length), 0), coalesce(sum(length(f.delta)), 0) FROM frame f "
                "JOIN frame_base b ON b.id = f.base JOIN layout l ON l.id = b.layout"
            )
        ).one()
        base = unit.conn.execute(text("SELECT coalesce(sum(length(data)), 0) FROM frame_base")).scalar_one()
        frames = unit.conn.execute(text("SELECT count(*) FROM frame")).scalar_one()
    report.add(PART, "samples", samples / judged, "a block", note=f"in {frames / judged:.1f} frames a block")
    report.add(
        PART,
        "values' blobs",
        (delta + base) / max(1, samples),
        "bytes a sample",
        note="10 measured before, with large frames; rows' other columns left out",
    )
