"""Old frames are thinned, then go; what is needed to go on stays, whatever its age."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from monitor.model import Failed, blind_frame, labels
from monitor.store import Retention, Store, Thinned, journal, prune
from monitor.store.tables.journal import FrameBaseRow, FrameRow, JournalRow, LayoutRow
from tests.store.entries import RULES, entry, frame, same_frame, stamp, transition

GRID = Retention(raw=600, thinned=2400, grid=120)


def _prune(store: Store, now: int, retention: Retention = GRID) -> int:
    total = 0
    while True:
        with store.begin() as unit:
            deleted = prune(unit, now, retention, batch=20)
        if not deleted:
            return total
        total += deleted


def _count(store: Store, table: type) -> int:
    with store.read() as unit:
        return int(unit.conn.execute(select(func.count()).select_from(table)).scalar_one())


def _fill(store: Store, blocks: int) -> None:
    with store.begin() as unit:
        for n in range(1, blocks + 1):
            at = stamp(n)
            first = blind_frame("b", labels(protocol="lido"), at, Failed("x")) if n % 3 == 1 else frame(at, {"b": n}, collector="b")
            more = {"known": {"c": {"v": 1}}, "instances": "[]"} if n == 1 else {}
            journal.append(unit, entry(at, first, frame(at, {"a": float(n)}, events=1), transitions=(transition(at),), **more))


def test_thinning_keeps_the_first_ok_frame_of_each_cell_and_scope(store: Store) -> None:
    _fill(store, 120)
    now = stamp(120).timestamp
    with store.read() as unit:
        before = list(journal.load_frames(unit, 0))
    assert _prune(store, now) > 0
    with store.read() as unit:
        after = list(journal.load_frames(unit, 0))
    cut = max(t for t in range(now - GRID.raw - GRID.grid, now - GRID.raw + 1) if t % GRID.grid == 0)
    expected, held = [], set()
    for one in before:
        cell = one.admitted.timestamp // GRID.grid
        if one.admitted.timestamp >= cut:
            expected.append(one)
        elif type(one.status).__name__ == "Ok" and (cell, one.collector) not in held:
            held.add((cell, one.collector))
            expected.append(one)
    assert len(after) == len(expected) < len(before)
    assert all(same_frame(a, b) for a, b in zip(after, expected, strict=True))
    assert _prune(store, now) == 0


def test_thinned_span_is_not_replayed_as_if_it_were_whole(store: Store) -> None:
    _fill(store, 120)
    _prune(store, stamp(120).timestamp)
    with store.read() as unit:
        with pytest.raises(Thinned, match="replay from"):
            next(journal.replay(unit))
        assert len(list(journal.replay(unit, 100))) == 20


def test_orphaned_frames_go_first(store: Store) -> None:
    _fill(store, 20)
    with store.begin() as unit:
        journal.rewind(unit, stamp(5), seen_at=1.0, ruleset=RULES)
    _prune(store, stamp(200).timestamp)
    with store.read() as unit:
        rows = unit.conn.execute(select(FrameRow.seq).order_by(FrameRow.seq)).scalars().all()
    assert rows
    assert max(rows) < 5


def test_everything_old_goes_but_what_goes_on_stays(store: Store) -> None:
    _fill(store, 60)
    with store.begin() as unit:
        for n in range(61, 1201):
            journal.append(unit, entry(stamp(n)))
    now = stamp(1200).timestamp + 100_000
    _prune(store, now)
    # Entry 0 says what collector c remembers, and the newest 1024 stay as entries.
    assert _count(store, JournalRow) == 1024 + 1
    with store.read() as unit:
        assert journal.known(unit) == {"c": {"v": 1}}
        assert journal.instances_at(unit) == "[]"
        assert journal.tail(unit, 1) == [stamp(1200)]
    # Blocks that come are not older than the moment of pruning: their frames are written against bases that stay.
    later = stamp(1200 + 100_000 // 12)
    with store.begin() as unit:
        assert journal.append(unit, entry(later, frame(later, {"a": 1.0}))) == 1200


def test_unused_bases_and_layouts_go(store: Store) -> None:
    one = frame(stamp(1), {"only": 1.0}, collector="gone")
    with store.begin() as unit:
        journal.append(unit, entry(stamp(1), blind_frame("x", (), stamp(1), Failed("x")), one))
        journal.rewind(unit, stamp(0, "a"), seen_at=1.0, ruleset=RULES)
    assert (_count(store, FrameBaseRow), _count(store, LayoutRow)) == (1, 1)
    _prune(store, stamp(1).timestamp + 5000)
    # Frames are gone, but a process may still write against the base.
    assert (_count(store, FrameRow), _count(store, FrameBaseRow), _count(store, LayoutRow)) == (0, 1, 1)
    _prune(store, stamp(1).timestamp + 100_000)
    assert (_count(store, FrameBaseRow), _count(store, LayoutRow)) == (0, 0)


def test_senseless_retention_is_refused() -> None:
    with pytest.raises(ValueError, match="grid <= raw <= thinned"):
        Retention(raw=100, thinned=50)
