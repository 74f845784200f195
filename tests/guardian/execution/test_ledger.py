"""The rows of pauses and orders, on both databases: what is owed once stays owed once, and what nobody needs goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.guardian.execution import ledger
from monitor.guardian.execution.ledger import Sent
from monitor.guardian.order import Order
from monitor.model import BlockStamp, Hash, Slot, address
from monitor.store import Store
from tests.guardian.execution.bench import document, judge, pause, row, values

AT = BlockStamp(100, Hash("0x" + "0a" * 32), Hash("0x" + "09" * 32), 1_700_000_000, Slot(0))
VAULT, SENDER = address("0x" + "11" * 20), address("0x" + "22" * 20)


@pytest.fixture(params=["sqlite", "postgresql"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Store.open(url) as opened:
        opened.create_all()
        yield opened


def later(blocks: int) -> BlockStamp:
    return replace(AT, number=AT.number + blocks, hash=Hash(f"0x{AT.number + blocks:064x}"))


def sign(store: Store, id: str = "d1") -> str:
    with store.begin() as unit:
        newest = ledger.pause(unit, id).sightings[-1]
        digest = f"0x{newest.number:064x}"
        order = Order(VAULT, 1, newest.decision, newest.number, newest.hash)
        assert ledger.sign(unit, id, newest, order, digest, b"\x01" * 65, time.time())
    return digest


def send(store: Store, id: str, nonce: int, fee: int, hash: str) -> None:
    with store.begin() as unit:
        assert ledger.keep(unit, id, Sent(Hash(hash), SENDER, nonce, 1, fee, fee, "0x", "0x01", 100), time.time())


def free(store: Store, chain_nonce: int = 0) -> tuple[int, str | None]:
    with store.read() as unit:
        nonce, useless = ledger.slot(unit, SENDER, chain_nonce)
    return nonce, None if useless is None else useless.hash


def test_the_same_episode_is_owed_once_and_a_persons_no_is_final(rows: Store) -> None:
    with rows.begin() as unit:
        assert ledger.decide(unit, values("d1", AT)) and not ledger.decide(unit, values("d1", later(1)))
        ledger.move(unit, "d1", "withdrawn")
        assert ledger.decide(unit, values("d1", later(2))), "it held again"
        ledger.move(unit, "d1", "refused", note="cancelled")
        assert not ledger.decide(unit, values("d1", later(3)))
    assert row(rows).state == "refused"


def test_standing_is_of_the_newest_judged_block_alone(rows: Store) -> None:
    judge(rows, AT, "d1", "d2")
    judge(rows, later(1), "d2", open=False)
    assert (row(rows, "d1").standing, row(rows, "d2").standing) == (False, True)
    assert [s.number for s in pause(rows, "d1").sightings] == [100] and [s.number for s in pause(rows, "d2").sightings] == [100, 101]
    with rows.begin() as unit:
        assert ledger.document(unit, pause(rows, "d2").sightings[-1].row.decision) == document(later(1), "vault", "g/d2")
        assert not ledger.sign(
            unit, "d1", ledger.pause(unit, "d1").sightings[-1], Order(VAULT, 1, b"\x01" * 32, 1, AT.hash), "0x", b"", 0.0
        )
        assert not ledger.keep(unit, "d1", Sent(Hash("0x1"), SENDER, 0, 1, 1, 1, "0x", "0x01", 100), 0.0)
        assert ledger.pause(unit, "d1").transactions == ()


def test_unknown_pauses_and_rows_of_the_old_way_are_left_alone(rows: Store) -> None:
    with rows.begin() as unit:
        unit.conn.execute(ledger.insert(unit, ledger.PauseRow).values(**values("old", AT), state="signed"))
        ledger.observe(unit, AT, {"old": document(AT), "nobody": document(AT)}, time.time())
        assert ledger.open_pauses(unit) == [] and ledger.pause(unit, "old").sightings == ()
    assert row(rows, "old").standing is None


def test_a_pause_that_still_holds_long_after_its_decision_is_stuck_though_nobody_said_so(rows: Store) -> None:
    """Who should carry it out may hang, or hear nothing of its endpoints: then it pages nobody."""
    judge(rows, AT, "d1")
    with rows.read() as unit:
        assert ledger.outcomes(unit, 0, time.time() + 60) == {("vault", "open"): 1}
        assert ledger.outcomes(unit, 0, time.time() + 181) == {("vault", "stuck"): 1}
    judge(rows, later(1))
    with rows.read() as unit:
        assert ledger.outcomes(unit, 0, time.time() + 181) == {("vault", "open"): 1}, "what does not hold is given up in time"


def test_orders_that_are_too_old_go_and_the_chosen_one_stays(rows: Store) -> None:
    judge(rows, AT, "d1")
    chosen = sign(rows)
    with rows.begin() as unit:
        ledger.move(unit, "d1", "gathered", order=chosen)
    for blocks in (1, ledger.KEPT_BLOCKS + 2):
        judge(rows, later(blocks), "d1", open=False)
        sign(rows)
    assert [s.number for s in pause(rows).sightings] == [100, 100 + ledger.KEPT_BLOCKS + 2]
    assert pause(rows).chosen is not None


def test_nonces_of_open_pauses_are_taken_and_useless_ones_are_used_again(rows: Store) -> None:
    judge(rows, AT, "d1", "d2", "d3")
    assert free(rows, 7) == (7, None)
    send(rows, "d1", 7, 10, "0xa")
    assert free(rows, 7) == (8, None)
    send(rows, "d2", 8, 10, "0xb")
    send(rows, "d2", 8, 12, "0xc")
    assert free(rows, 7) == (9, None)
    with rows.begin() as unit:
        ledger.move(unit, "d1", "refused")
    assert free(rows, 7) == (7, "0xa"), "its nonce must be used, or all later ones wait for it"
    send(rows, "d3", 7, 12, "0xd")
    with rows.begin() as unit:
        ledger.move(unit, "d2", "failed")
    assert free(rows, 7) == (8, "0xc") and free(rows, 8) == (8, "0xc") and free(rows, 9) == (9, None)
    with rows.begin() as unit:
        ledger.bury(unit, [Hash("0xb"), Hash("0xc")])
    assert free(rows, 8) == (8, None)


def test_a_second_transaction_makes_it_replaced_and_a_lost_block_orphaned(rows: Store) -> None:
    judge(rows, AT, "d1")
    send(rows, "d1", 0, 10, "0xa")
    assert row(rows).state == "decided"
    with rows.begin() as unit:
        ledger.move(unit, "d1", "sent")
    send(rows, "d1", 0, 12, "0xb")
    assert row(rows).state == "replaced" and [t.hash for t in pause(rows).alive] == ["0xa", "0xb"]
    with rows.begin() as unit:
        ledger.move(unit, "d1", "reported", mined_number=101, mined_hash="0x1", mined_tx="0xb", verified_at=1.0, execution="{}")
        ledger.orphan(unit, "d1", 105, "gone")
    found = row(rows)
    assert (found.state, found.mined_tx, found.verified_at, found.execution, found.note) == ("orphaned", None, None, None, "gone")
    assert {t.head for t in pause(rows).alive} == {105}
    with rows.read() as unit:
        assert ledger.busy(unit, "vault", "other") and not ledger.busy(unit, "vault", "d1")
        assert ledger.outcomes(unit, 0) == {("vault", "open"): 1}
