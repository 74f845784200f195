"""A process killed at any instant leaves a whole number of entries, and all that it was told are committed."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from itertools import pairwise

from sqlalchemy import text

from monitor.model import BlockStamp
from monitor.store import Store, journal
from tests.fixtures.processes import context
from tests.store.writer import FRAMES, SERIES, write

KILLS = 10
"""On each database."""


def _killed_writer(url: str, entries: int, after: float) -> list[int]:
    """Run a writer, kill it ``after`` seconds from when it told so many entries; all entries that it told."""
    ours, its = context.Pipe(duplex=False)
    writer = context.Process(target=write, args=(url, its))
    writer.start()
    its.close()
    assert ours.recv() == -1
    said: list[int] = [ours.recv() for _ in range(entries)]
    time.sleep(after)
    writer.kill()
    with contextlib.suppress(EOFError):
        while True:
            said.append(ours.recv())
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    return said


def test_kill_at_any_instant_loses_nothing_acknowledged(store: Store, store_url: str) -> None:
    rng = random.Random(11)
    acknowledged: list[int] = []
    for _ in range(KILLS):
        acknowledged += _killed_writer(store_url, rng.randint(1, 8), rng.uniform(0.0, 0.02))
    assert acknowledged == sorted(set(acknowledged))
    with store.read() as unit:
        entries = list(journal.replay(unit))
        tail, known, instances = journal.tail(unit, 1), journal.known(unit), journal.instances_at(unit)
    # A kill may come between a commit and its acknowledgement: one more an attempt at most.
    assert len(acknowledged) <= len(entries) <= len(acknowledged) + KILLS
    assert [each.seq for each in entries] == list(range(len(entries)))
    assert set(acknowledged) <= {each.seq for each in entries}
    judged = [each for each in entries if each.kind != "rewind"]
    for each in judged:
        assert len(each.transitions) == 3
        assert len(each.frames) == FRAMES
        assert all(len(one.values) == SERIES and len(one.events) == 2 for one in each.frames)
    current = [each for each in judged if not each.orphaned]
    blocks = [each.at for each in current if isinstance(each.at, BlockStamp)]
    assert tail == blocks[-1:]
    assert all(child.parent == parent.hash for parent, child in pairwise(blocks))
    newest = entries[-1] if entries[-1].kind != "rewind" else current[-1]
    if newest in current and newest.kind == "block":
        assert isinstance(newest.at, BlockStamp)
        assert known == {"c": {"number": newest.at.number}}
        assert instances == f"[{newest.at.number}]"
    if store.engine.dialect.name == "sqlite":
        with store.begin() as unit:
            assert unit.conn.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            assert unit.conn.execute(text("PRAGMA foreign_key_check")).all() == []
