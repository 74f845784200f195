"""Owed pauses are part of the judged block's transaction, once for each episode and target; in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from monitor.alerts.matchers import parse_matcher
from monitor.guardian.deciding import Seen
from monitor.guardian.decision import Decision, decision_id
from monitor.guardian.execution import ledger
from monitor.guardian.policy import Agreement, Policy, Response
from monitor.guardian.responses import Responses, fresh, kept
from monitor.model import BlockStamp, EpisodeId, Hash, RuleId, Slot, Tick
from monitor.store import Lease, Store, lease
from monitor.store.tables.decisions import DecisionRow, PolicyRow
from monitor.store.tables.guardian import PauseRow
from tests.guardian.judged import THREE, World, calm, ground

AT = BlockStamp(100, Hash("0xaa"), Hash("0x99"), 1_700_000_000, Slot(5))
BLOCK = BlockStamp(101, Hash("0xbb"), Hash("0xaa"), 1_700_000_012, Slot(6))
RESPONSE = Response("r", (parse_matcher('alertname="Drift"'),), "vault", "automatic", "risk", "because")


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/x.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Store.open(url) as opened:
        opened.create_all()
        yield opened


def decision(kind: str = "pause", at: BlockStamp = AT, episode: str = "e1", **changes: Any) -> Decision:
    document = b"{}\n" if kind == "pause" else b""
    id = decision_id(EpisodeId(episode), "vault")
    found = Decision(id, kind, RESPONSE, EpisodeId(episode), RuleId("g/Drift"), (), Hash("0xee"), at, ("a", "b"), "", document)  # type: ignore[arg-type]
    return replace(found, **changes)


def admit(store: Store, *decisions: Decision, when: float = 5.0) -> list[str]:
    with store.begin() as unit:
        recorded = [d.id for d in fresh(unit, decisions)]
        Responses().admit(unit, decisions, AT, when)
        return recorded


def rows(store: Store) -> list[PauseRow]:
    with store.read() as unit:
        return [PauseRow(**row) for row in unit.conn.execute(select(PauseRow.__table__)).mappings()]  # type: ignore[attr-defined]


def documents(store: Store) -> list[str]:
    with store.read() as unit:
        return [row.document for row in unit.conn.execute(select(DecisionRow.__table__))]  # type: ignore[attr-defined]


def test_a_pause_is_owed_with_its_block_and_its_document(either: Store) -> None:
    (id,) = admit(either, decision())
    (row,) = rows(either)
    assert (row.id, row.state, row.target, row.observed_hash, row.agreed, row.decided_at) == (
        id,
        "decided",
        "vault",
        AT.hash,
        '["a","b"]',
        5.0,
    )
    assert row.evidence == "0x" + decision().digest.hex() and documents(either) == ["{}\n"]
    assert row.standing, "it holds at this block, so it may be signed"


def test_a_rolled_back_block_owes_nothing(either: Store) -> None:
    with pytest.raises(RuntimeError), either.begin() as unit:
        Responses().admit(unit, [decision()], AT, 5.0)
        raise RuntimeError
    assert rows(either) == [] and documents(either) == []


@pytest.mark.parametrize(("kind", "state"), [("shadow", "shadow"), ("propose", "proposed"), ("refused", "refused")])
def test_what_is_no_pause_is_recorded_and_never_open(either: Store, kind: str, state: str) -> None:
    admit(either, decision(kind))
    assert [r.state for r in rows(either)] == [state]
    with either.read() as unit:
        assert ledger.open_pauses(unit) == []


def test_the_same_block_twice_owes_once(either: Store) -> None:
    assert admit(either, decision()) and not admit(either, decision())
    assert len(rows(either)) == 1


def test_what_is_on_its_way_goes_on_whatever_is_decided_at_later_blocks(either: Store) -> None:
    (id,) = admit(either, decision())
    for state in ("decided", "signed", "sent", "orphaned"):
        with either.begin() as unit:
            ledger.move(unit, id, state)
        assert not admit(either, decision(at=BLOCK), when=6.0) and not admit(either, decision("propose", at=BLOCK))
        (row,) = rows(either)
        assert (row.observed_hash, row.decided_at, row.state) == (AT.hash, 5.0, state)


def test_what_does_not_hold_at_a_block_stands_no_more_and_nothing_is_seen_at_a_tick(either: Store) -> None:
    admit(either, decision())
    with either.begin() as unit:
        Responses().admit(unit, [], Tick(AT, AT.timestamp + 30), 6.0)
    assert rows(either)[0].standing
    admit(either)
    assert rows(either)[0].standing is False


@pytest.mark.parametrize("first", ["refused", "propose"])
def test_what_was_not_enough_can_become_a_pause_later(either: Store, first: str) -> None:
    admit(either, decision(first))
    assert admit(either, decision(at=BLOCK)) and rows(either)[0].state == "decided"
    assert not admit(either, decision("propose", at=BLOCK)), "and is not taken back by a weaker word"


def test_a_refusal_becomes_a_proposal_and_not_the_other_way_round(either: Store) -> None:
    admit(either, decision("refused"))
    assert admit(either, decision("propose")) and rows(either)[0].state == "proposed"
    assert not admit(either, decision("refused")) and rows(either)[0].state == "proposed"


def test_a_refusal_becomes_a_shadow_as_it_would_become_a_pause(either: Store) -> None:
    """Fewer endpoints at the first block than at the next: what automatic mode would have done is in the record."""
    admit(either, decision("refused"))
    assert admit(either, decision("shadow", at=BLOCK)) and rows(either)[0].state == "shadow"
    assert not admit(either, decision("shadow")) and rows(either)[0].observed_number == BLOCK.number


def test_a_settled_pause_is_not_owed_again(either: Store) -> None:
    (id,) = admit(either, decision())
    for state, note in (
        ("verified", None),
        ("sent", None),
        ("failed", None),
        ("shadowed", None),
        ("refused", ledger.NEEDLESS),
        ("refused", "cancelled"),
    ):
        with either.begin() as unit:
            ledger.move(unit, id, state, note=note)
        assert not admit(either, decision(at=BLOCK))
        assert rows(either)[0].state == state


def test_each_policy_is_kept_from_the_block_on_which_it_was_in_force(either: Store) -> None:
    for text, at in (("one", AT), ("one", BLOCK), ("two", BLOCK)):
        with either.begin() as unit:
            Responses(Policy((), text)).admit(unit, [], at, 5.0)
    with either.read() as unit:
        found = unit.conn.execute(select(PolicyRow.__table__).order_by(PolicyRow.seq)).all()  # type: ignore[attr-defined, arg-type]
    assert [(row.text, row.since_timestamp) for row in found] == [("one", AT.timestamp), ("two", BLOCK.timestamp)]


def test_the_policy_is_looked_up_once_a_lease_and_again_when_the_commit_failed(either: Store) -> None:
    """What another process wrote while it held the lease is found when ours is held again."""
    asked: list[str] = []
    event.listen(either.engine, "before_cursor_execute", lambda c, cursor, statement, *rest: asked.append(statement))
    responses, first = Responses(Policy((), "one")), acquired(either)
    with pytest.raises(RuntimeError), either.begin(first) as unit:
        responses.admit(unit, [], AT, 5.0)
        raise RuntimeError
    for _ in range(3):
        with either.begin(first) as unit:
            responses.admit(unit, [], AT, 5.0)
    assert sum("guardian_policy" in s and s.startswith("SELECT") for s in asked) == 2
    lease.release(either, first)
    other = acquired(either)
    with either.begin(other) as unit:
        Responses(Policy((), "two")).admit(unit, [], AT, 5.0)
    lease.release(either, other)
    with either.begin(acquired(either)) as unit:
        responses.admit(unit, [], BLOCK, 5.0)
    with either.read() as unit:
        assert [row.text for row in unit.conn.execute(select(PolicyRow.__table__).order_by(PolicyRow.seq))] == ["one", "two", "one"]  # type: ignore[attr-defined, arg-type]


def acquired(store: Store) -> Lease:
    found = lease.acquire(store, "act", "us", 10)
    assert found is not None
    return found


# ---------------------------------------------------------------- with judged blocks


def run(store: Store, world: World, seen: Seen, responses: Responses) -> list[str]:
    """One block as the pipeline does it: what is kept is looked up, decided, and admitted."""
    wanted = responses.firing(seen.live)
    with store.read() as unit:
        before = kept(unit, [c.id for c in wanted])
    decisions = responses.decide(seen, wanted, before)
    with store.begin() as unit:
        recorded = [d.kind for d in fresh(unit, decisions)]
        responses.admit(unit, decisions, seen.at, 5.0)
        return recorded


def of(world: World, sentinel: bool = True) -> Responses:
    return Responses(world.policy, THREE, sentinel, ground())


def test_a_second_condition_that_comes_true_later_leads_to_the_pause_then_and_once(store: Store) -> None:
    world = calm()
    world.memory = replace(world.memory, known={**world.memory.known, "accounting_wrapped": {"slot": "0", "rate": str(WRONG)}})
    world.mint()
    assert run(store, world, world.step(), of(world)) == ["propose"], "the alert fires, the other reading says nothing yet"
    assert "second condition does not hold" in (rows(store)[0].note or "")
    assert run(store, world, world.step(), of(world)) == []
    world.memory = replace(world.memory, known={**world.memory.known, "accounting_wrapped": {"slot": "0", "rate": str(10**18)}})
    assert run(store, world, world.step(), of(world)) == ["pause"]
    assert rows(store)[0].observed_number == world.number
    assert run(store, world, world.step(), of(world)) == [], "once, although both go on to hold"


WRONG = 10**18 * 10**6 // (10**6 + 5_000)
"""The rate to which the mint brings it: remembered as the report's, nothing drifted."""


def test_without_a_key_a_pause_is_refused_with_the_remedy(store: Store) -> None:
    world = calm()
    world.mint()
    assert run(store, world, world.step(), of(world, sentinel=False)) == ["refused"]
    assert "guardian.sentinel" in (rows(store)[0].note or "")


def test_agreement_that_comes_later_pauses_then(store: Store) -> None:
    world = calm()
    world.mint()
    assert run(store, world, world.step(agreement=Agreement(THREE, frozenset("a"))), of(world)) == ["refused"]
    assert run(store, world, world.step(), of(world)) == ["pause"]


def test_episodes_are_apart(either: Store) -> None:
    admit(either, decision(), decision(episode="e2"))
    assert len(rows(either)) == 2


def test_outcomes_count_what_became_of_decisions(either: Store) -> None:
    """A refusal because the target was paused already is no failure, and what is on its way is one outcome."""
    (id,) = admit(either, decision())
    for state, note, outcome in [
        ("sent", None, "open"),
        ("refused", ledger.NEEDLESS, "needless"),
        ("refused", "no key", "refused"),
        ("failed", "reverted", "failed"),
        ("verified", None, "verified"),
    ]:
        with either.begin() as unit:
            ledger.move(unit, id, state, note=note)
        with either.read() as unit:
            assert ledger.outcomes(unit, AT.timestamp) == {("vault", outcome): 1}
            assert ledger.outcomes(unit, AT.timestamp + 1) == {}, "counted in block time, in which alerts are judged"
