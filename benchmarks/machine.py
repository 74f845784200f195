"""How the machine is right now: without it no figure can be compared with that of another day."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 400_000
SYNCS = 40


def state(folder: Path) -> dict[str, Any]:
    """Load average of the last minute, cores, a fixed piece of work, and what a sync to the disk of ``folder`` takes."""
    return {
        "load_average": os.getloadavg()[0],
        "cores": os.cpu_count() or 1,
        "calibration_ms": calibration(),
        "sync_ms": sync(folder),
    }


def calibration() -> float:
    """Milliseconds for a fixed loop of plain Python, the best of five: it says how fast this core is, not what it was kept from."""
    return min(_loop() for _ in range(5))


def _loop() -> float:
    start, total = time.perf_counter(), 0
    for i in range(STEPS):
        total += i * i & 255
    return (time.perf_counter() - start) * 1000


def sync(folder: Path) -> float:
    """Milliseconds (median) for 4 kB to reach the disk: below this no durable commit can be."""
    path, took = folder / "sync.probe", []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(SYNCS):
            start = time.perf_counter()
            os.pwrite(descriptor, os.urandom(4096), 0)
            os.fdatasync(descriptor)
            took.append((time.perf_counter() - start) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return float(np.median(took))
