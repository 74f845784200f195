"""What alerts become: incidents, owed messages, and silence where silence is right."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from monitor.alerts.book import CommandRefused
from monitor.model import Acknowledge, AlertInstance, Labels, RuleId, Silence, labels
from tests.alerts.making import START, Desk, Unit, block, ends, engine_at, episode_of, fires, moved, routes


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(engine_at(tmp_path / "book.db"))


def at(number: int) -> float:
    return block(number).timestamp + 1.0


def test_a_page_is_owed_in_the_transaction_that_judged_it(desk: Desk) -> None:
    assert desk.admit(block(1), fires("RoleGranted", block(1))) == 1
    (only,) = desk.owed()
    assert (only["kind"], only["state"], only["receiver"], only["revision"]) == ("open", "owed", "slack", 1)
    body = only["body"]
    assert (body["title"], body["severity"], body["state"]) == ("RoleGranted is broken", "page", "firing")
    assert body["alerts"][0]["since"]["block"] == 1
    assert body["alerts"][0]["evidence"] == "0x" + "ab" * 32
    assert body["latency"]["block_at"] == START + 12


def test_the_same_blocks_give_the_same_ids(tmp_path: Path) -> None:
    ids = []
    for name in ("one.db", "two.db"):
        desk = Desk(engine_at(tmp_path / name))
        desk.admit(block(1), fires("A", block(1)), now=at(1) + (5 if name == "two.db" else 0))
        ids.append([(d["id"], d["incident"]) for d in desk.owed()])
    assert ids[0] == ids[1]


def test_a_ticket_waits_for_its_group_and_is_told_once(desk: Desk) -> None:
    desk.admit(block(1), fires("Late/a", block(1), severity="ticket"))
    desk.admit(block(2), fires("Late/b", block(2), severity="ticket"))
    assert desk.owed() == []
    assert desk.tick(at(1) + 15) == 1
    assert desk.tick(at(1) + 16) == 0
    (only,) = desk.owed()
    assert only["body"]["title"] == "2 alerts of Late: Late/a is broken"


def test_resolved_closes_the_message_with_a_note(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    assert desk.admit(block(9), ends("A", block(9))) == 2
    close, note = desk.owed("close")[0], desk.owed("note")[0]
    assert close["body"]["state"] == "resolved"
    assert close["body"]["alerts"][0]["ended"] == {"block": 9, "at": block(9).timestamp}
    assert note["body"]["note"]["lines"] == ["Resolved at block 9, 1.6 min of block time after it began: A is broken"]
    assert (note["body"]["note"]["broadcast"], note["body"]["note"]["about"]) == (True, "change")
    assert desk.admit(block(10)) == 0


@pytest.mark.parametrize(
    ("cause", "word", "line"),
    [
        ("expired", "expired", "Expired at block 2"),
        ("reorg", "retracted", "Retracted: the block was reorganised away at block 2"),
        ("reload", "withdrawn", "Withdrawn: the rule was changed or removed at block 2"),
        ("made_up", "resolved", "Resolved at block 2"),
    ],
)
def test_the_close_says_why(desk: Desk, cause: str, word: str, line: str) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2), cause=cause))
    assert desk.owed("close")[0]["body"]["state"] == word
    assert desk.owed("note")[0]["body"]["note"]["lines"][0].startswith(line)


def test_a_message_that_was_not_sent_is_superseded_and_notes_stay(desk: Desk) -> None:
    desk.admit(block(1), fires("A/x", block(1)))
    desk.admit(block(2), fires("A/y", block(2)))
    desk.admit(block(3), ends("A/x", block(3)), ends("A/y", block(3)))
    assert [(d["kind"], d["state"]) for d in desk.owed() if d["kind"] != "note"] == [
        ("open", "superseded"), ("update", "superseded"), ("close", "owed"),
    ]  # fmt: skip
    assert [d["state"] for d in desk.owed("note")] == ["owed", "owed"]


def test_after_the_close_the_next_episode_is_a_new_incident(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2)))
    desk.admit(block(3), fires("A", block(3), life=1))
    first, second = desk.owed("open")
    assert first["incident"] != second["incident"]


def test_a_ticket_that_ends_within_its_wait_is_not_told(desk: Desk) -> None:
    desk.admit(block(1), fires("Late", block(1), severity="ticket"))
    desk.admit(block(2), ends("Late", block(2), severity="ticket"))
    assert desk.tick(at(99)) == 0
    assert desk.owed() == []


@pytest.mark.parametrize(("number", "cause"), [(100, "judged"), (2, "expired"), (2, "made_up")])
def test_what_lasted_or_was_an_event_is_told_even_when_wall_time_was_short(desk: Desk, number: int, cause: str) -> None:
    """Catching up after an outage judges hours of blocks in seconds: the wait must not swallow them."""
    desk.admit(block(1), fires("Late", block(1), severity="ticket"), now=at(1))
    desk.admit(block(number), ends("Late", block(number), severity="ticket", cause=cause), now=at(1) + 2)
    (only,) = desk.owed()
    assert only["kind"] == "open"
    assert only["body"]["state"] in ("resolved", "expired")


def test_opened_and_ended_in_one_go_is_told_as_both(desk: Desk) -> None:
    desk.admit(block(5), fires("A", block(2)), ends("A", block(4), cause="made_up"))
    assert [d["kind"] for d in desk.owed() if d["kind"] != "note"] == ["open", "close"]
    assert desk.owed("note")[0]["body"]["note"]["lines"] == ["Resolved at block 4, 24.0 s of block time after it began: A is broken"]


def test_retracted_before_it_was_told_is_never_told(desk: Desk) -> None:
    desk.admit(block(1), fires("Late", block(1), severity="ticket"))
    desk.admit(block(50), ends("Late", block(50), severity="ticket", cause="reorg"))
    assert desk.tick(at(99)) == 0


def test_still_firing_after_a_reorg_is_the_same_incident_and_a_note(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(3, "b"), moved("A", "firing", "firing", block(2, "b"), cause="reorg"))
    assert len({d["incident"] for d in desk.owed()}) == 1
    assert desk.owed("note")[0]["body"]["note"]["lines"] == ["Still firing after a reorganisation, now since block 2: A is broken"]


def test_an_episode_that_comes_back_after_its_retraction_is_told_again(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2), cause="reorg"))
    desk.admit(block(4), fires("A", block(4)))
    opens = desk.owed("open")
    assert len(opens) == 2
    assert opens[0]["incident"] != opens[1]["incident"]


def test_an_alert_that_comes_back_within_its_open_incident_stays_in_the_message(desk: Desk) -> None:
    """It was named already, so a silence that comes before the next change must not take it out again."""
    desk.admit(block(1), fires("A/x", block(1)), fires("A/y", block(1)))
    desk.admit(block(2), ends("A/x", block(2), cause="reorg"))
    desk.admit(block(3), fires("A/x", block(3)), now=at(2) + 0.5)
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), silence(at(2) + 0.6, 9999, 'instance="x"'))
    desk.tick(at(2) + 5)
    last = desk.owed("update")[-1]["body"]
    assert {a["summary"]: (a["state"], a["silenced"] is None) for a in last["alerts"]} == {
        "A/x is broken": ("firing", False), "A/y is broken": ("firing", True),
    }  # fmt: skip


def test_two_endpoints_down_and_a_liar_is_one_page(desk: Desk) -> None:
    for name in ("Endpoint/a", "Endpoint/b", "EndpointDissent/c"):
        desk.admit(block(1), fires(name, block(1), severity="ticket"))
    desk.admit(block(2), fires("NoHead", block(2)), now=at(1) + 10)
    assert desk.tick(at(30)) == 0
    (only,) = desk.owed()
    assert only["body"]["title"] == "NoHead is broken"
    desk.admit(block(60), ends("NoHead", block(60)))
    desk.admit(block(61), *(ends(n, block(61), severity="ticket") for n in ("Endpoint/a", "Endpoint/b", "EndpointDissent/c")))
    desk.tick(at(99))
    assert len({d["incident"] for d in desk.owed()}) == 1


def test_what_was_inhibited_is_told_when_the_cause_is_gone_and_it_still_fires(desk: Desk) -> None:
    desk.admit(block(1), fires("NoHead", block(1)), fires("Endpoint/a", block(1), severity="ticket"))
    desk.admit(block(5), ends("NoHead", block(5)))
    desk.tick(at(5) + 20)
    assert [d["body"]["title"] for d in desk.owed("open")] == ["NoHead is broken", "Endpoint/a is broken"]


def test_inhibition_holds_within_equal_labels_only(desk: Desk) -> None:
    desk.admit(
        block(1), fires("Blind", block(1)), fires("A", block(1), no_data="yes"), fires("B", block(1), no_data="yes", protocol="other")
    )
    assert sorted(d["body"]["title"] for d in desk.owed()) == ["B is broken", "Blind is broken"]


def silence(now: float, seconds: float, *matchers: str) -> Silence:
    return Silence(str(uuid.uuid4()), matchers, "U0ANN", now, now + seconds, "planned work")


def test_silenced_alerts_are_told_when_the_silence_is_over(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), silence(at(0), 600, 'alertname="A"'))
    desk.admit(block(1), fires("A", block(1)))
    assert desk.tick(at(0) + 599) == 0
    assert desk.tick(at(0) + 601) == 1


def test_an_alert_that_ends_while_silenced_is_never_told(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), silence(at(0), 600, 'alertname="A"'))
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(9), ends("A", block(9)))
    assert desk.tick(at(999)) == 0


def test_a_told_alert_is_closed_although_it_is_silenced(desk: Desk) -> None:
    """Alertmanager loses this resolve; a message that stays red for ever is a false alarm."""
    desk.admit(block(1), fires("A", block(1)))
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), silence(at(2), 9999, 'alertname="A"'))
    assert desk.owed("update")[0]["body"]["alerts"][0]["silenced"]["who"] == "U0ANN"
    desk.admit(block(5), ends("A", block(5)))
    assert desk.owed("close")[0]["body"]["state"] == "resolved"


def test_ending_a_silence_early_tells_at_once(desk: Desk) -> None:
    quiet = silence(at(0), 600, 'alertname="A"')
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), quiet)
    desk.admit(block(1), fires("A", block(1)))
    with desk.engine.begin() as conn:
        assert desk.book.end_silence(Unit(conn), quiet.id, "U0BOB", at(2)) == 1


@pytest.mark.parametrize(
    ("matchers", "seconds", "why", "says"),
    [
        ((), 60, "x", "needs a matcher"),
        (('alertname=~".*"',), 60, "x", "needs a matcher"),
        (("alertname",), 60, "x", "not of the form"),
        (('alertname=~"("',), 60, "x", "bad regular expression"),
        (('alertname="A"',), 0, "x", "end after it begins"),
        (('alertname="A"',), float("nan"), "x", "end after it begins"),
        (('alertname="A"',), 60, "  ", "reason of a silence is missing"),
    ],
)
def test_a_silence_must_be_exact_bounded_and_reasoned(desk: Desk, matchers: tuple[str, ...], seconds: float, why: str, says: str) -> None:
    with desk.engine.begin() as conn, pytest.raises(CommandRefused, match=says):
        desk.book.silence(Unit(conn), Silence("s", matchers, "U0ANN", at(0), at(0) + seconds, why))


def test_reminders_come_until_somebody_acknowledges(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    assert desk.tick(at(1) + 3599) == 0
    assert desk.tick(at(1) + 3600) == 2
    note = desk.owed("note")[-1]["body"]["note"]
    assert (note["lines"], note["broadcast"], note["about"]) == (["Still firing, 1 h after it was opened."], True, "reminder")
    incident = desk.owed()[0]["incident"]
    with desk.engine.begin() as conn:
        assert desk.book.acknowledge(Unit(conn), Acknowledge(incident, "U0ANN", at(1) + 3700, "on it")) == 2
    assert desk.tick(at(1) + 99_999) == 0
    assert desk.owed("update")[-1]["body"]["acknowledged"] == {"who": "U0ANN", "at": at(1) + 3700}
    note = desk.owed("note")[-1]["body"]["note"]
    assert (note["lines"], note["about"]) == (["Acknowledged by U0ANN: on it."], "acknowledgement")


def test_acknowledging_what_is_not_open_is_refused(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    incident = desk.owed()[0]["incident"]
    desk.admit(block(2), ends("A", block(2)))
    for name, says in ((incident, "closed already"), ("nonsense", "no open incident")):
        with desk.engine.begin() as conn, pytest.raises(CommandRefused, match=says):
            desk.book.acknowledge(Unit(conn), Acknowledge(name, "U0ANN", at(3)))


def instance(name: str, unknown: int | None, value: float = 1.0) -> AlertInstance:
    notes: Labels = labels(summary=f"{name} is now {value}")
    since = None if unknown is None else block(unknown)
    return AlertInstance(1, RuleId("test/A"), labels(alertname=name), notes, "firing", block(1), 0, 0, since, episode_of(name), value)


def test_a_result_that_is_not_known_is_shown_and_never_resolves(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), live={episode_of("A"): instance("A", 2)})
    (update,) = desk.owed("update")
    assert update["body"]["alerts"][0]["unknown_since"] == 2
    assert update["body"]["state"] == "firing"
    assert desk.admit(block(3), live={episode_of("A"): instance("A", 2)}) == 0
    desk.admit(block(4), live={episode_of("A"): instance("A", None, 7.5)})
    last = desk.owed("update")[-1]["body"]
    assert last["alerts"][0]["unknown_since"] is None
    assert last["alerts"][0]["value"] == "7.5"


def test_a_rolled_back_block_has_never_happened(desk: Desk) -> None:
    with pytest.raises(RuntimeError), desk.engine.begin() as conn:
        desk.book.admit(Unit(conn), [fires("A", block(1))], _judged(1))
        raise RuntimeError("the lease is lost")
    assert desk.owed() == []
    assert desk.admit(block(1), fires("A", block(1))) == 1


def _judged(number: int):  # type: ignore[no-untyped-def]
    from monitor.alerts.book import Judged

    return Judged(block(number), at(number) - 0.1, at(number))


def test_an_alert_can_be_told_at_two_routes_and_to_two_receivers(tmp_path: Path) -> None:
    text = """
route:
  receiver: slack
  group_wait: 0s
  routes:
    - matchers: ['severity="page"']
      receiver: [slack, archive]
      continue: true
    - matchers: ['protocol="lido"']
      receiver: archive
"""
    desk = Desk(engine_at(tmp_path / "book.db"), routes(text))
    desk.admit(block(1), fires("A", block(1)))
    assert sorted((d["receiver"]) for d in desk.owed()) == ["archive", "archive", "slack"]
    assert len({d["incident"] for d in desk.owed()}) == 2


def test_a_route_that_is_gone_still_closes_its_incident_and_tells_nobody_twice(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    after = Desk(desk.engine, routes("route: {receiver: archive, group_wait: 0s}"))
    assert after.admit(block(2)) == 0
    after.admit(block(3), ends("A", block(3)))
    assert {d["receiver"] for d in after.owed("close")} == {"slack"}


def test_values_that_json_and_sqlite_cannot_hold_survive(desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1), value=float("nan"), token="a\x00b\ud800"))
    assert desk.owed()[0]["body"]["alerts"][0]["value"] == "nan"
    desk.admit(block(2), ends("A", block(2)))
    assert len(desk.owed("close")) == 1


def test_many_alerts_are_counted_not_listed_without_end(desk: Desk) -> None:
    desk.admit(block(1), *(fires(f"A/{i}", block(1)) for i in range(500)))
    (only,) = desk.owed()
    assert len(only["body"]["alerts"]) == 40
    assert (only["body"]["more"], only["body"]["firing"]) == (460, 500)
