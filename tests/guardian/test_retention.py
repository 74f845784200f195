"""What came to nothing is forgotten when it is old; what was done, is on its way, or is still asked about is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update
from sqlmodel import SQLModel, col

from monitor.guardian.execution import ledger
from monitor.guardian.retention import OWED_SECONDS, forget
from monitor.model import Address
from monitor.store import Store
from monitor.store.tables.alerts import AlertEpisode
from monitor.store.tables.decisions import DecisionRow, PolicyRow
from monitor.store.tables.guardian import OrderRow, PauseRow, PauseTransactionRow, SignatureRow
from tests.guardian.execution.bench import judge, values
from tests.guardian.execution.test_ledger import AT, later, send, sign

DAY = 86_400
THINNED = 90 * DAY
NOW = AT.timestamp


@pytest.fixture
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = (
        f"sqlite:///{tmp_path}/old.sqlite3" if getattr(request, "param", "sqlite") == "sqlite" else request.getfixturevalue("postgres_url")
    )
    with Store.open(url) as opened:
        opened.create_all()
        yield opened


def decided(store: Store, id: str, state: str, standing: bool | None, **more: object) -> None:
    """A decision of AT in that state, with its document."""
    with store.begin() as unit:
        unit.conn.execute(insert(PauseRow).values(**{**values(id, AT), "state": state, "standing": standing, **more}))
        unit.conn.execute(insert(DecisionRow).values(digest=f"0x{id}", pause=id, document="{}"))


def left(store: Store, table: type[SQLModel] = PauseRow) -> int:
    with store.read() as unit:
        return int(unit.conn.execute(select(func.count()).select_from(table)).scalar_one())


def ids(store: Store) -> set[str]:
    with store.read() as unit:
        return set(unit.conn.execute(select(col(PauseRow.id))).scalars())


def run(store: Store, days: int, batch: int = 200) -> int:
    with store.begin() as unit:
        return forget(unit, NOW + days * DAY, THINNED, batch)


@pytest.mark.parametrize("rows", ["sqlite", "postgresql"], indirect=True)
def test_what_was_never_owed_goes_with_the_frames_and_what_was_owed_after_a_year(rows: Store) -> None:
    for state in ("shadow", "proposed", "refused"):
        decided(rows, state, state, None)
    for state in ("withdrawn", "failed"):
        decided(rows, state, state, False)
    decided(rows, "needless", "refused", True, note=ledger.NEEDLESS, mined_number=100, mined_hash=AT.hash)
    assert run(rows, 90) == 0 and left(rows) == 6
    assert run(rows, 91) == 3 and ids(rows) == {"withdrawn", "failed", "needless"}
    assert run(rows, 365) == 0
    assert run(rows, 366) == 3 and left(rows) == left(rows, DecisionRow) == 0


def test_what_is_on_its_way_or_was_done_stays(rows: Store) -> None:
    for state in ledger.OPEN:
        decided(rows, state, state, True)
    decided(rows, "settled", "reported", True, settled_at=1.0, mined_tx="0x01", execution="{}")
    decided(rows, "told", "shadowed", True, mined_tx="0x02")
    decided(rows, "sent in vain", "withdrawn", False)
    send(rows, "sent in vain", 1, 10**9, "0x03")
    assert run(rows, 4000) == 0 and left(rows) == left(rows, DecisionRow) == len(ledger.OPEN) + 3


@pytest.mark.parametrize("state", ["firing", "resolved"])
def test_a_decision_about_an_episode_that_the_alerts_still_know_stays(rows: Store, state: str) -> None:
    """While it fires, forgetting would propose it again; while its incident is kept, it is asked about."""
    decided(rows, "p", "proposed", None)
    with rows.begin() as unit:
        unit.conn.execute(
            insert(AlertEpisode).values(
                episode="e-p", life=1, fingerprint="1", rule="g/R", labels="{}", annotations="{}", value="1", evidence="0x", state=state,
                since_number=1, since_hash="0x", since_timestamp=1, seen_at=1.0, judged_at=1.0,
            )
        )  # fmt: skip
    assert run(rows, 4000) == 0
    with rows.begin() as unit:
        unit.conn.execute(AlertEpisode.__table__.delete())  # type: ignore[attr-defined]
    assert run(rows, 4000) == 1


@pytest.mark.parametrize("rows", ["sqlite", "postgresql"], indirect=True)
def test_of_what_was_done_the_order_that_was_carried_out_stays_with_its_signatures(rows: Store) -> None:
    judge(rows, AT, "d1")
    other = sign(rows)
    judge(rows, later(1), "d1", open=False)
    chosen = sign(rows)
    with rows.begin() as unit:
        for digest in (other, chosen):
            ledger.receive(unit, digest, Address("0x" + "55" * 20), b"\2" * 65, "bravo", 1.0)
    send(rows, "d1", 1, 10**9, "0x03")
    with rows.begin() as unit:
        unit.conn.execute(update(PauseRow).values(state="reported", order=chosen))
    assert run(rows, 4000) == 0 and left(rows, OrderRow) == 2, "its block has not settled"
    with rows.begin() as unit:
        unit.conn.execute(update(PauseRow).values(settled_at=1.0))
    assert run(rows, OWED_SECONDS // DAY) == 0 and left(rows, OrderRow) == 2
    run(rows, OWED_SECONDS // DAY + 1)
    with rows.read() as unit:
        assert unit.conn.execute(select(col(OrderRow.digest))).scalars().all() == [chosen]
        assert unit.conn.execute(select(col(SignatureRow.digest))).scalars().all() == [chosen]
    assert left(rows) == left(rows, PauseTransactionRow) == 1


def test_it_goes_in_batches_and_policies_stay(rows: Store) -> None:
    for i in range(5):
        decided(rows, f"s{i}", "shadow", None)
    with rows.begin() as unit:
        unit.conn.execute(insert(PolicyRow).values(hash="0x1", text="version: 1", since_timestamp=1))
    assert [run(rows, 100, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert left(rows, PolicyRow) == 1
