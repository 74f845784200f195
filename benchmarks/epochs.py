"""Whole epochs of a network: download of the state from three nodes, evaluation, and the block that admits it, while blocks go on."""

from __future__ import annotations

import time

from benchmarks.figures import Report
from benchmarks.rig import Rig

PART = "epochs"
VALIDATORS = 100_000
EPOCHS = 8
EPOCH_SECONDS, LATE_SECONDS = 0.5, 0.05
PARTS = ("download", "evaluation", "keeping")


def run(report: Report) -> None:
    """The chain, its nodes and the service are processes of their own on this machine: what the nodes take is in the download."""
    with Rig("--validators", str(VALIDATORS)) as rig:
        # What the start made late is not what an epoch makes late.
        time.sleep(95)
        took: dict[str, list[float]] = {part: [] for part in PARTS}
        for _ in range(EPOCHS):
            rig.ground.epochs(1)
            for part in PARTS:
                took[part].append(rig.metric("stakewarden_epoch_seconds", part=part))
        whole = [sum(seconds) for seconds in zip(*took.values(), strict=True)]
        megabytes = (2_740_000 + 139 * VALIDATORS) / 1e6
        report.spread(
            PART, f"an epoch of {VALIDATORS:,} validators", whole, "s", EPOCH_SECONDS, f"{megabytes:.0f} MB from each of three nodes"
        )
        for part in PARTS:
            report.spread(PART, f"of it, {part}", took[part], "s")
        report.add(PART, "block seen -> judged and committed, p99", rig.metric("stakewarden_judging_seconds", quantile="0.99"), "s")
        report.add(PART, "event loop late, p99", rig.metric("stakewarden_loop_late_seconds", quantile="0.99"), "s")
        report.add(PART, "event loop late, worst", rig.metric("stakewarden_loop_late_seconds", quantile="1"), "s", LATE_SECONDS)
        report.add(PART, "memory (RSS)", rig.service.memory_info().rss / 1e6, "MB")
