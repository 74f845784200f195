# ruff: noqa: T201
"""What a judged block costs in the store: ``python -m benchmarks.store [URL]`` (without a URL: a SQLite file of its own).

Commit time is from begin to a durable commit. Bytes a sample count the frames' blobs with their rows' other columns left
out; the growth of the whole database per block stands beside it.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import text

from benchmarks.figures import Report
from monitor.model import BlockStamp, Frame, Hash, Layout, Ok, Series, Slot, labels
from monitor.store import JudgedEntry, Store, journal

Rows = Iterator[NDArray[np.float64]]
BARE_ROWS, BARE_BLOCKS = 12, 200


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


def measure(report: Report, part: str, store: Store, name: str, first: int, blocks: int, frames: int, count: int, rows: Rows) -> None:
    """Commit ``blocks`` entries of ``frames`` frames that share ``count`` series."""
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
    what = f"{count:,} series, {name.replace('_', ' ')}"
    report.spread(part, f"{what}: commit", took[1:], "ms", note=f"{frames} frames; the first block {took[0]:.0f} ms")
    report.add(part, f"{what}: CPU of it", busy / blocks, "ms")
    report.add(part, f"{what}: blobs", (blob_bytes(store) - before) / samples, "bytes a sample")
    report.add(part, f"{what}: database", (store_bytes(store) - began) / blocks / 1000, "kB a block")


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


def read_back(report: Report, part: str, store: Store) -> None:
    start, count = time.perf_counter(), 0
    with store.read() as unit:
        for frame in journal.load_frames(unit, 0):
            count += len(frame.values)
    seconds = time.perf_counter() - start
    report.add(part, "reading back", count / seconds / 1e6, "million samples a second", note=f"{count:,} samples")


def bare(report: Report, part: str, folder: Path) -> None:
    """The floor: rows of a small block's size, written by SQLite's driver alone, with and without waiting for the disk."""
    rows = [(rank, b"x" * 60) for rank in range(BARE_ROWS)]
    for durable in ("OFF", "FULL"):
        with closing(sqlite3.connect(folder / f"bare-{durable}.db", isolation_level=None)) as conn:
            conn.execute("PRAGMA journal_mode=WAL")
            conn.execute(f"PRAGMA synchronous={durable}")
            conn.execute("CREATE TABLE frame (seq INTEGER, rank INTEGER, data BLOB, PRIMARY KEY (seq, rank))")
            took = [_bare_block(conn, seq, rows) for seq in range(BARE_BLOCKS)]
        name = "bare SQLite, commit on the disk" if durable == "FULL" else "bare SQLite, not waiting for the disk"
        report.add(
            part, f"{name}, p50", float(np.median(took)), "ms", note=f"{BARE_ROWS} rows by the driver alone: what no store can go below"
        )


def _bare_block(conn: sqlite3.Connection, seq: int, rows: list[tuple[int, bytes]]) -> float:
    start = time.perf_counter()
    conn.execute("BEGIN IMMEDIATE")
    conn.executemany("INSERT INTO frame VALUES (?, ?, ?)", [(seq, *row) for row in rows])
    conn.execute("COMMIT")
    return (time.perf_counter() - start) * 1000


def run(report: Report, part: str, url: str) -> None:
    """A few hundred series, as a protocol has them, and as many as a network's operators might."""
    rng = np.random.default_rng(1)
    with Store.open(url) as store:
        store.migrate()
        first = 1
        for frames, count, blocks in ((12, 300, 300), (4, 32_000, 100)):
            for make in (few_change, all_drift, noise):
                measure(report, part, store, make.__name__, first, blocks, frames, count, make(count, rng))
                first += blocks
        read_back(report, part, store)


def main() -> None:
    """Run on the URL of the command line, or on a file of our own that is removed again."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    report = Report()
    with tempfile.TemporaryDirectory() as directory:
        run(report, "store", sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(directory) / 'bench.db'}")
    print(report.as_text())


if __name__ == "__main__":
    main()
