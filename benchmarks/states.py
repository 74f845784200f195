"""Whole beacon states: how long it takes to check one and copy what is computed with, and the memory that needs beside the bytes."""

from __future__ import annotations

import time
import tracemalloc

from benchmarks.figures import Report
from monitor.chain.beacon.spec import MAINNET
from monitor.chain.beacon.state import decode
from tests.chain.beacon_states import big_state

PART = "beacon states"
SIZES = (100_000, 1_000_000)
ROUNDS = 15
CHECK_SECONDS, COLUMNS_SECONDS = 0.1, 1.0
"""Aims for a million validators. A state is due each epoch, 384 seconds."""


def run(report: Report) -> None:
    """Made-up Fulu states of mainnet's mixture of validators; what is measured is the same code that reads a node's answer."""
    for validators in SIZES:
        data = big_state(validators)
        largest = validators == max(SIZES)
        checked, copied = _times(data)
        note = f"{len(data) / 1e6:.0f} MB"
        report.spread(PART, f"check {validators:,}", [1000 * t for t in checked], "ms", 1000 * CHECK_SECONDS if largest else None, note)
        report.spread(PART, f"columns of {validators:,}", [1000 * t for t in copied], "ms", 1000 * COLUMNS_SECONDS if largest else None)
        report.add(PART, f"memory beside the bytes, {validators:,}", _peak(data) / validators, "bytes a validator", note="at its peak")


def _times(data: bytearray) -> tuple[list[float], list[float]]:
    checked, copied = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        view = decode(data, MAINNET)
        between = time.perf_counter()
        view.columns()
        checked.append(between - start)
        copied.append(time.perf_counter() - between)
    return checked, copied


def _peak(data: bytearray) -> int:
    tracemalloc.start()
    try:
        decode(data, MAINNET).columns()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
