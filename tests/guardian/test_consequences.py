"""What an alert says of a pause follows what became of it, and changes when something happens, not because time goes by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts import Book
from monitor.alerts.book import pauses_of
from monitor.alerts.consequences import Consequence
from monitor.alerts.desk import Desk as Look
from monitor.guardian.execution.ledger import NEEDLESS
from monitor.model import Acknowledge, Transition, labels
from monitor.store.tables.guardian import PauseRow
from tests.alerts.making import Desk, Unit, block, ends, engine_at, episode_of, fires, routes
from tests.guardian import telling
from tests.guardian.telling import DECISION, SAFE, TARGET, decide, memory, move, pauses, remember

DRIFT = "LidoShareRateDrift"
AT = block(100).timestamp
MINED: dict[str, Any] = {"mined_number": 102, "mined_tx": "0xfe", "resumes_timestamp": AT + 10_824}
BY_KEY = 'stakewarden guardian pause vault --reason "..."'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(engine_at(tmp_path / "book.db"))
    found.book = Book(routes(), consequences=pauses())
    return found


def about(name: str = "GuardianTargetPaused", target: str = "vault") -> Transition:
    first = fires(name, block(100))
    return replace(first, labels=labels({"alertname": name, "severity": "page", "target": target}))


def led(desk: Desk, *transitions: Transition) -> tuple[Consequence, ...]:
    """What the open incident says after these fired."""
    desk.admit(block(100), *transitions)
    return now(desk)


def now(desk: Desk) -> tuple[Consequence, ...]:
    with desk.engine.begin() as conn:
        look = Look(conn, 0.0, consequences=desk.book.consequences)
        return tuple(c for i in look.incidents.values() for c in look.leads_to(i))


def given(desk: Desk, state: str = "", known: dict[str, Any] | None = None, judged: int = 100, **row: Any) -> None:
    with desk.engine.begin() as conn:
        remember(conn, known or memory())
        telling.judged(conn, judged)
        if state:
            decide(conn, state, episode_of(DRIFT), AT, **row)


@pytest.mark.parametrize(
    ("state", "row", "told", "typed"),
    [
        ("decided", {"document": True}, "on its way", [f"stakewarden guardian evidence {DECISION}"]),
        ("orphaned", {}, "on its way", []),
        ("gathered", {"standing": False}, "held up", [BY_KEY]),
        ("sent", {"standing": False}, "on its way", []),
        ("replaced", {"paged_at": 1.0}, "stuck", [BY_KEY]),
        ("mined", {"mined_number": 102}, "on its way", []),
        ("reported", MINED, "paused", []),
        ("reported", {**MINED, "mined_number": 90}, "over", []),
        ("failed", {"note": "out of gas"}, "failed", [BY_KEY]),
        ("proposed", {}, "proposed", [BY_KEY]),
        ("refused", {"note": "too few"}, "refused", [BY_KEY]),
        ("refused", {"note": NEEDLESS}, "needless", []),
        ("withdrawn", {}, "withdrawn", []),
        ("shadow", {"document": True}, "shadow", [f"stakewarden guardian evidence {DECISION}"]),
        ("shadowed", {}, "shadowed", []),
    ],
)
def test_each_state_has_its_words_and_what_to_type(desk: Desk, state: str, row: dict[str, Any], told: str, typed: list[str]) -> None:
    given(desk, state, **row)
    (found,) = led(desk, fires(DRIFT, block(100)))
    assert (found.target, found.state, [c for _, c in found.commands]) == ("vault", told, typed)
    assert found.decision == DECISION and found.title.startswith("pause of vault ")
    assert {"stops", "goes on", "costs", "undo"} <= {name for name, _ in found.facts}


def test_every_state_of_the_ledger_is_known() -> None:
    from monitor.guardian.consequences import _TITLES
    from monitor.guardian.execution.ledger import DONE, FINAL, IN_POOL, UNSENT
    from monitor.guardian.responses import STATES

    ours = {*UNSENT, *IN_POOL, *DONE, "orphaned"}
    assert {*FINAL, *STATES.values()} - ours <= set(_TITLES)


@pytest.mark.parametrize(
    ("mode", "words"), [("automatic", "made by itself when"), ("propose", "asked to decide"), ("shadow", "only recorded")]
)
def test_what_may_follow_is_told_before_anything_is_decided(desk: Desk, mode: str, words: str) -> None:
    desk.book = Book(routes(), consequences=pauses(mode))
    given(desk)
    (found,) = led(desk, fires(DRIFT, block(100)))
    assert words in found.title and found.decision is None and [c for _, c in found.commands] == [BY_KEY]


def test_alerts_that_have_to_do_with_no_pause_say_nothing(desk: Desk) -> None:
    given(desk, "failed")
    assert led(desk, fires("Other", block(100)), about(target="elsewhere")) == ()


def test_an_alert_about_a_target_tells_what_was_decided_lately_and_nothing_else(desk: Desk) -> None:
    given(desk)
    assert led(desk, about("GuardianNotReady")) == (), "nothing is paused, and nothing was decided"
    with desk.engine.begin() as conn:
        decide(conn, "proposed", "another episode", AT - 6 * 3600 - 1, id="0" * 32)
    assert now(desk) == (), "that was long before"
    with desk.engine.begin() as conn:
        decide(conn, "shadow", "another episode", AT + 12, id="1" * 32)
        decide(conn, "failed", "a third", AT - 60, id="2" * 32)
    (found,) = now(desk)
    assert (found.state, found.decision) == ("failed", "2" * 32), "what people must do something about comes first, older or not"


def test_a_pause_that_people_made_is_told_with_its_end(desk: Desk) -> None:
    known = memory(paused=True, ends=AT + 60) | {"pauses": {"vault": {"pause": {"began": AT, "until": AT + 60, "by": "guardian"}}}}
    given(desk, known=known)
    (found,) = led(desk, about())
    assert (found.state, found.ends, found.decision, found.commands) == ("paused", AT + 60, None, ())
    assert "by a holder of GUARDIAN_ROLE: it ends by itself at 2023-11-14 22:34:20 UTC" in found.title


def test_an_outage_does_not_make_a_pause_come_and_go(desk: Desk) -> None:
    given(desk, known=memory(paused=True, ends=AT + 60))
    desk.admit(block(100), about())
    with desk.engine.begin() as conn:
        remember(conn, memory(paused=True, ends=AT + 60, unsure=True), seq=2)
    desk.admit(block(101))
    assert [d["kind"] for d in desk.owed()] == ["open"]
    assert dict(now(desk)[0].facts)["now"] == "whether it is paused cannot be read"


def test_a_safe_gets_its_own_command(desk: Desk) -> None:
    given(desk, "proposed", memory() | {"people": [SAFE]})
    (found,) = led(desk, fires(DRIFT, block(100)))
    assert [c for _, c in found.commands] == ["stakewarden guardian safe prepare vault"]


def test_what_the_chain_never_told_is_unknown(desk: Desk) -> None:
    desk.admit(block(100), fires(DRIFT, block(100)))
    (found,) = now(desk)
    facts = dict(found.facts)
    assert facts["lasts"].startswith("unknown: ") and facts["undo"].startswith("unknown: ") and "now" in facts


# ---------------------------------------------------------------- messages


def test_a_message_changes_when_the_pause_does_and_never_with_time(desk: Desk) -> None:
    given(desk, "decided", document=True)
    desk.admit(block(100), fires(DRIFT, block(100)))
    for i, state in enumerate(("signed", "gathered", "simulated", "sent", "replaced"), 101):
        with desk.engine.begin() as conn:
            move(conn, state)
        desk.admit(block(i))
        desk.tick(block(i).timestamp + 5.0)
    assert [d["kind"] for d in desk.owed()] == ["open"], "it is on its way all the while"
    with desk.engine.begin() as conn:
        move(conn, "reported", **MINED)
        remember(conn, memory(paused=True, ends=MINED["resumes_timestamp"]), seq=2)
        telling.judged(conn, 110, seq=2)
    for i in range(110, 120):
        desk.admit(block(i))
    assert [d["kind"] for d in desk.owed()] == ["open", "update", "note"]
    note = desk.owed("note")[0]["body"]["note"]
    assert note["lines"] == ["Pause of vault on by order of sentinels since block 102: it ends by itself at 2023-11-15 01:33:44 UTC."]
    assert not note["broadcast"], "GuardianTargetPaused pages; the thread of the cause need not"
    with desk.engine.begin() as conn:
        remember(conn, memory(), seq=3)
    desk.admit(block(130), ends(DRIFT, block(130)))
    close = desk.owed("close")[0]["body"]
    (over,) = close["pauses"]
    assert (over["state"], [c["for"] for c in over["commands"]]) == ("over", ["evidence"])
    assert [f["name"] for f in over["facts"]] == ["from", "transaction"], "what it was worth is history"


def test_a_command_of_a_person_says_the_same_as_the_service(desk: Desk) -> None:
    """It is another process: all that it knows is in the store."""
    given(desk, "proposed")
    desk.admit(block(100), fires(DRIFT, block(100)))
    first = desk.owed()[0]
    book = Book(routes(), consequences=pauses())
    with desk.engine.begin() as conn:
        book.acknowledge(Unit(conn), Acknowledge(first["incident"], "ann", AT + 60.0, ""))
    assert desk.owed("update")[0]["body"]["pauses"] == first["body"]["pauses"] != []


def test_without_a_guardian_bodies_say_nothing_and_nothing_is_read(desk: Desk) -> None:
    desk.book = Book(routes())
    given(desk, "proposed")
    desk.admit(block(100), fires(DRIFT, block(100)))
    assert desk.owed()[0]["body"]["pauses"] == []


def test_the_page_has_it_for_open_incidents(desk: Desk) -> None:
    given(desk, "proposed")
    desk.admit(block(100), fires(DRIFT, block(100)))
    with desk.engine.begin() as conn:
        shown = pauses_of(Unit(conn), desk.book.consequences)  # type: ignore[arg-type]
    assert shown == {desk.owed()[0]["incident"]: desk.owed()[0]["body"]["pauses"]}


def test_the_record_of_a_decision_tells_the_effect_and_not_the_reason_twice(desk: Desk) -> None:
    given(desk, "proposed", note="why not")
    with desk.engine.begin() as conn:
        row = PauseRow(**dict(conn.execute(PauseRow.__table__.select()).mappings().one()))  # type: ignore[attr-defined]
        found = pauses().of_decision(conn, row)
        row.target = "gone"
        assert pauses().of_decision(conn, row) is None
    assert found is not None and {"from", "why"}.isdisjoint(name for name, _ in found.facts)
    assert dict(found.facts)["costs"] == TARGET["cost"]
