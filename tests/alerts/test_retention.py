"""What is old and settled is forgotten; what somebody may still need is not."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select, update

from monitor.alerts import forget
from monitor.alerts.desk import DELIVERIES, EPISODES, INCIDENTS, MEMBERS
from tests.alerts.making import Desk, Unit, block, ends, engine_at, fires


def counts(desk: Desk) -> list[int]:
    with desk.engine.begin() as conn:
        return [conn.execute(select(func.count()).select_from(t)).scalar_one() for t in (INCIDENTS, MEMBERS, EPISODES, DELIVERIES)]


def run(desk: Desk, before: float, batch: int = 200) -> int:
    with desk.engine.begin() as conn:
        return forget(Unit(conn), before, batch)


def test_only_closed_and_settled_incidents_are_forgotten(tmp_path: Path) -> None:
    desk = Desk(engine_at(tmp_path / "book.db"))
    desk.admit(block(1), fires("Closed", block(1)), fires("Open", block(1)))
    desk.admit(block(2), ends("Closed", block(2)))
    later = block(2).timestamp + 1000.0
    assert run(desk, later) == 0, "its messages are not sent yet"
    with desk.engine.begin() as conn:
        conn.execute(update(DELIVERIES).values(state="sent"))
    assert run(desk, block(1).timestamp) == 0, "it is not old"
    assert run(desk, later) == 1
    assert counts(desk) == [1, 1, 1, 1]
    desk.admit(block(3), ends("Open", block(3)))
    assert len(desk.owed("close")) == 1


def test_it_goes_in_batches(tmp_path: Path) -> None:
    desk = Desk(engine_at(tmp_path / "book.db"))
    names = [f"A{i}" for i in range(5)]
    desk.admit(block(1), *(fires(n, block(1)) for n in names))
    desk.admit(block(2), *(ends(n, block(2)) for n in names))
    with desk.engine.begin() as conn:
        conn.execute(update(DELIVERIES).values(state="sent"))
    assert [run(desk, block(9).timestamp, batch=2) for _ in range(3)] == [2, 2, 1]
    assert counts(desk) == [0, 0, 0, 0]
