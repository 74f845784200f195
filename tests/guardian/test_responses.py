"""Owed pauses are part of the judged block's transaction, once for each episode and target; in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.alerts.matchers import parse_matcher
from monitor.guardian import ledger
from monitor.guardian.ledger import Signed
from monitor.guardian.policy import Policy, Response
from monitor.guardian.responses import Responses
from monitor.model import BlockStamp, EpisodeId, Hash, Slot
from monitor.store import Store
from monitor.store.tables.guardian import PauseRow
from tests.guardian.test_policy import AT, THREE, transition

BLOCK = BlockStamp(101, Hash("0xbb"), Hash("0xaa"), 1_700_000_012, Slot(6))


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/x.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Store.open(url) as opened:
        opened.create_all()
        yield opened


def responses(mode: str = "automatic", sentinel: bool = True) -> Responses:
    response = Response("r", (parse_matcher('alertname="Drift"'),), "vault", mode, "risk", "because")  # type: ignore[arg-type]
    return Responses(Policy((response,)), THREE, sentinel)


def admit(store: Store, found: Responses, at: BlockStamp = AT, agreed: tuple[str, ...] = ("a", "b"), when: float = 5.0) -> list[str]:
    with store.begin() as unit:
        return [d.id for d in found.admit(unit, [transition(at=at)], agreed, at, when)]


def rows(store: Store) -> list[PauseRow]:
    with store.read() as unit:
        return ledger.latest(unit)


def test_a_pause_is_owed_with_its_block(either: Store) -> None:
    (id,) = admit(either, responses())
    (row,) = rows(either)
    assert (row.id, row.state, row.target, row.observed_hash, row.agreed, row.decided_at) == (
        id,
        "owed",
        "vault",
        AT.hash,
        '["a","b"]',
        5.0,
    )


def test_a_rolled_back_block_owes_nothing(either: Store) -> None:
    with pytest.raises(RuntimeError), either.begin() as unit:
        responses().admit(unit, [transition()], ("a", "b"), AT, 5.0)
        raise RuntimeError
    assert rows(either) == []


@pytest.mark.parametrize(("mode", "state"), [("shadow", "shadow"), ("propose", "proposed")])
def test_shadow_and_proposals_are_recorded_and_never_open(either: Store, mode: str, state: str) -> None:
    admit(either, responses(mode))
    assert [r.state for r in rows(either)] == [state]
    with either.read() as unit:
        assert ledger.open_pauses(unit) == []


def test_without_a_key_a_pause_is_refused_with_the_remedy(either: Store) -> None:
    admit(either, responses(sentinel=False))
    (row,) = rows(either)
    assert row.state == "refused" and "guardian.key" in (row.note or "")


def test_the_same_block_twice_owes_once(either: Store) -> None:
    assert admit(either, responses()) == admit(either, responses())
    assert len(rows(either)) == 1


def test_another_branch_takes_over_until_something_is_signed(either: Store) -> None:
    (id,) = admit(either, responses())
    with either.begin() as unit:
        ledger.move(unit, id, "simulated", simulated_at=5.5)
    admit(either, responses(), BLOCK, when=6.0)
    assert ledger.latencies(rows(either)[0]) == {}, "what was simulated on the other branch counts no more"
    (row,) = rows(either)
    assert (row.observed_hash, row.decided_at, row.state) == (BLOCK.hash, 6.0, "owed")
    with either.begin() as unit:
        ledger.sign(unit, id, Signed(Hash("0x01"), "0xS", 7, 1, 10, 1, "0xraw"), 7.0, first=True)
    admit(either, responses(), replace(BLOCK, hash=Hash("0xcc")))
    (row,) = rows(either)
    assert (row.observed_hash, row.state) == (BLOCK.hash, "signed")


def test_a_refusal_for_want_of_agreement_can_become_a_pause_later(either: Store) -> None:
    admit(either, responses(), agreed=("a",))
    assert rows(either)[0].state == "refused"
    admit(either, responses(), BLOCK)
    assert rows(either)[0].state == "owed"


def test_a_settled_pause_is_not_owed_again(either: Store) -> None:
    (id,) = admit(either, responses())
    for state in ("verified", "failed"):
        with either.begin() as unit:
            ledger.move(unit, id, state)
        admit(either, responses(), BLOCK)
        assert rows(either)[0].state == state


def test_nonces_follow_our_own_until_they_are_dead(either: Store) -> None:
    (id,) = admit(either, responses())
    with either.begin() as unit:
        assert ledger.next_nonce(unit, "0xS", 7) == 7
        ledger.sign(unit, id, Signed(Hash("0x01"), "0xS", 7, 1, 10**30, 1, "0xraw"), 7.0, first=True)
        assert ledger.next_nonce(unit, "0xS", 7) == 8 and ledger.next_nonce(unit, "0xS", 12) == 12
        assert ledger.next_nonce(unit, "0xother", 7) == 7
        assert ledger.pause(unit, id).transactions[0].max_fee == 10**30
        assert ledger.busy(unit, "vault", "another") and not ledger.busy(unit, "vault", id)
        ledger.bury(unit, id, "gone")
        assert ledger.next_nonce(unit, "0xS", 7) == 7 and ledger.pause(unit, id).transactions == ()


def test_episodes_are_apart(either: Store) -> None:
    with either.begin() as unit:
        responses().admit(unit, [transition(), transition(episode=EpisodeId("e2"))], ("a", "b"), AT, 5.0)
    assert len(rows(either)) == 2


def test_outcomes_count_what_became_of_decisions(either: Store) -> None:
    """A refusal because the target was paused already is no failure, and what is on its way is one outcome."""
    (id,) = admit(either, responses())
    for state, note, outcome in [
        ("sent", None, "open"),
        ("refused", ledger.ALREADY_PAUSED, "needless"),
        ("refused", "no key", "refused"),
        ("failed", "reverted", "failed"),
        ("verified", None, "verified"),
    ]:
        with either.begin() as unit:
            ledger.move(unit, id, state, note=note)
        with either.read() as unit:
            assert ledger.outcomes(unit, 5.0) == {("vault", outcome): 1}
            assert ledger.outcomes(unit, 5.5) == {}
