# ruff: noqa: T201
"""What a judged block costs in the store: ``python -m benchmarks.store [URL]`` (without a URL: a SQLite file of its own).

Commit time is from begin to a durable commit. Bytes a sample count the frames' blobs with their rows' other columns left
out; the size of the whole file per block is printed beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from monitor.model import BlockStamp, Frame, Hash, Layout, Ok, Series, Slot, labels
from monitor.store import JudgedEntry, Store, journal

Rows = Iterator[NDArray[np.float64]]


def stamp(number: int) -> BlockStamp:
    return BlockStamp(number, Hash(f"0x{number:064x}"), Hash(f"0x{number - 1:064x}"), 1_700_000_000 + 12 * number, Slot(number))


def few_change(count: int, rng: np.random.Generator) -> Rows:
    """Balances in gwei of which one in a hundred changes from block to block."""
    row = 32e9 + rng.integers(0, 10**7, count).astype(np.float64)
    while True:
        row = row.copy()
        some = rng.integers(0, count, max(1, count // 100))
        row[some] += rng.integers(1, 10**5, len(some))
        yield row


def all_drift(count: int, rng: np.random.Generator) -> Rows:
    """Values in wei that all grow a little from block to block."""
    row = 32e18 + rng.integers(0, 10**17, count).astype(np.float64)
    while True:
        row = row + rng.integers(1, 10**13, count)
        yield row


def noise(count: int, rng: np.random.Generator) -> Rows:
    """Random bits: nothing can be saved."""
    while True:
        yield rng.integers(0, 2**63, count, dtype=np.uint64).view(np.float64)


def measure(store: Store, name: str, first: int, blocks: int, frames: int, count: int, rows: Rows) -> None:
    """Commit ``blocks`` entries of ``frames`` frames that share ``count`` series; print the figures."""
    scopes = [labels(scope=f"{name} {i}") for i in range(frames)]
    each = count // frames
    layouts = [Layout(Series("bench_value", labels(scope=str(i), member=f"m{n}")) for n in range(each)) for i in range(frames)]
    took, busy, before, began = [], 0.0, blob_bytes(store), store_bytes(store)
    for n in range(first, first + blocks):
        at, values = stamp(n), next(rows)
        made = tuple(
            Frame("bench", scopes[i], at, at, Ok(), layouts[i], np.ascontiguousarray(values[i * each : (i + 1) * each]))
            for i in range(frames)
        )
        entry = JudgedEntry(at, 0.0, 0.0, "bench", made, known={"bench": {"cursor": n}}, instances=f'[{{"n":{n}}}]')
        start, cpu = time.perf_counter(), time.process_time()
        with store.begin() as unit:
            journal.append(unit, entry)
        took.append((time.perf_counter() - start) * 1000)
        busy += (time.process_time() - cpu) * 1000
    samples = blocks * frames * each
    p50, p99 = np.percentile(took[1:], [50, 99])
    print(
        f"{count:>6} series in {frames:>2} frames, {name:<10}: commit p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  CPU {busy / blocks:5.2f} ms  first {took[0]:6.1f} ms;"
        f"  {(blob_bytes(store) - before) / samples:5.2f} bytes a sample, {(store_bytes(store) - began) / blocks / 1000:7.1f} kB a block"
    )


def blob_bytes(store: Store) -> int:
    with store.read() as unit:
        total = 0
        for column, table in (("delta", "frame"), ("data", "frame_base")):
            total += int(unit.conn.execute(text(f"SELECT coalesce(sum(length({column})), 0) FROM {table}")).scalar_one())  # noqa: S608
        return total


def store_bytes(store: Store) -> int:
    with store.read() as unit:
        if unit.dialect == "sqlite":
            pages, size = (int(unit.conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in ("page_count", "page_size"))
            return pages * size
        return int(unit.conn.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def read_back(store: Store) -> None:
    start, count = time.perf_counter(), 0
    with store.read() as unit:
        for frame in journal.load_frames(unit, 0):
            count += len(frame.values)
    seconds = time.perf_counter() - start
    print(f"read back {count} samples in {seconds:.2f} s: {count / seconds / 1e6:.1f} million a second")


def run(url: str) -> None:
    rng = np.random.default_rng(1)
    with Store.open(url) as store:
        store.migrate()
        print(f"store: {store.engine.dialect.name}, every commit durable")
        first = 1
        for frames, count, blocks in ((12, 300, 300), (4, 32_000, 100)):
            for make in (few_change, all_drift, noise):
                measure(store, make.__name__, first, blocks, frames, count, make(count, rng))
                first += blocks
        read_back(store)


def main() -> None:
    """Run on the URL of the command line, or on a file of our own that is removed again."""
    if len(sys.argv) > 1:
        run(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as directory:
        run(f"sqlite:///{Path(directory) / 'bench.db'}")


if __name__ == "__main__":
    main()
