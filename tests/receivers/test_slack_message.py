"""What people read in Slack: golden files, made by real incidents. ``GOLDEN=write pytest tests/receivers`` renews them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts import Book, Links
from monitor.alerts.body import latency_line
from monitor.devnet.slack_page import blocks_text
from monitor.devnet.slack_rules import check_blocks, mrkdwn_fault
from monitor.model import Acknowledge, AlertInstance, Hash, RuleId, Silence, Transition, labels
from monitor.receivers.slack_message import cut, escape, render
from tests.alerts.making import Desk, Unit, block, ends, engine_at, episode_of, fires, routes

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "<!channel> & <https://evil.example|Lido> *bold*\n`code` \u202egnp.exe \x00 &amp; " + "long" * 400


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(engine_at(tmp_path / "book.db"))


def oracle_late(number: int, instance: str = "", **more: str) -> Transition:
    own = labels(
        {"alertname": "LidoOracleReportLate", "severity": "page", "protocol": "lido", "zone": "accounting", "oracle": "accounting_oracle"}
        | {"instance": instance} | more
    )  # fmt: skip
    notes = labels(
        summary="Lido's oracle report is 2h 10m late",
        description="The report of the current frame was due and is not processed.\nWithdrawals wait, and the share rate is stale.",
        runbook_url="https://runbooks.example/lido/oracle-report-late",
        stakewarden_owner="lido-oncall",
    )
    episode = episode_of(f"LidoOracleReportLate{instance}")
    at = block(number)
    return Transition(
        episode,
        7,
        RuleId("lido-oracle/LidoOracleReportLate"),
        own,
        notes,
        "inactive",
        "firing",
        at,
        "judged",
        7800.0,
        Hash("0x" + "c4" * 32),
    )


def ended(first: Transition, number: int, cause: Any) -> Transition:
    return Transition(
        first.episode, 7, first.rule, first.labels, first.annotations, "firing", "inactive", block(number), cause, 0.0, first.evidence
    )


def page_firing(desk: Desk) -> None:
    desk.admit(block(100), oracle_late(100))


def grouped(desk: Desk) -> None:
    desk.admit(block(100), oracle_late(100, "one"), oracle_late(100, "two"), oracle_late(100, "three"))
    desk.admit(block(105), ended(oracle_late(100, "two"), 105, "judged"))


def resolved(desk: Desk) -> None:
    page_firing(desk)
    desk.admit(block(160), ended(oracle_late(100), 160, "judged"))


def expired(desk: Desk) -> None:
    page_firing(desk)
    desk.admit(block(400), ended(oracle_late(100), 400, "expired"))


def retracted(desk: Desk) -> None:
    page_firing(desk)
    desk.admit(block(103), ended(oracle_late(100), 103, "reorg"))


def unknown(desk: Desk) -> None:
    page_firing(desk)
    first = oracle_late(100)
    since, episode = block(110), first.episode
    live = AlertInstance(7, first.rule, first.labels, first.annotations, "firing", block(100), 0, 0, since, episode, 7920.0)
    desk.admit(block(112), live={episode: live})


def acknowledged(desk: Desk) -> None:
    page_firing(desk)
    incident = desk.owed()[0]["incident"]
    with desk.engine.begin() as conn:
        desk.book.acknowledge(Unit(conn), Acknowledge(incident, "Ann <oncall>", block(103).timestamp + 5.0, "looking at it"))


def silenced(desk: Desk) -> None:
    page_firing(desk)
    at = block(103).timestamp + 5.0
    with desk.engine.begin() as conn:
        desk.book.silence(Unit(conn), Silence("s1", ('alertname="LidoOracleReportLate"',), "Bob", at, at + 3600, "planned upgrade"))


def huge_labels(desk: Desk) -> None:
    desk.admit(block(100), *(oracle_late(100, f"{i:03d}", token=HOSTILE) for i in range(60)))


def ahead_of_time(desk: Desk) -> None:
    """A drill has warped the chain's clock a day ahead."""
    desk.admit(block(100), oracle_late(100), now=block(100).timestamp - 86_400.0)


def linked(desk: Desk) -> None:
    """The settings say where the page is, and the rule names its runbook by a path."""
    desk.book = Book(routes(), links=Links("https://stakewarden.example"))
    first = oracle_late(100)
    notes = labels(dict(first.annotations), runbook_url="docs/runbooks/lido.md#lidooraclereportlate")
    desk.admit(block(100), replace(first, annotations=notes))


CASES = {
    f.__name__: f
    for f in (page_firing, grouped, resolved, expired, retracted, unknown, acknowledged, silenced, huge_labels, ahead_of_time, linked)
}


def last_messages(desk: Desk) -> list[dict[str, Any]]:
    """The incident's message as it ends, and every note."""
    owed = desk.owed()
    final = [d for d in owed if d["kind"] != "note"][-1]
    for body in (d["body"] for d in owed):
        body["latency"]["sent_at"] = body["latency"]["judged_at"] + 0.25
    return [final, *(d for d in owed if d["kind"] == "note")]


@pytest.mark.parametrize("name", CASES)
def test_messages_are_as_people_have_approved_them(desk: Desk, name: str) -> None:
    CASES[name](desk)
    messages = [render(d["body"]) for d in last_messages(desk)]
    for message in messages:
        check_blocks(list(message.blocks))
        assert mrkdwn_fault(message.text) is None
        assert len(json.dumps(message.blocks, ensure_ascii=False)) < 12_000
    shown = json.dumps([{"text": m.text, "blocks": m.blocks} for m in messages], indent=1, ensure_ascii=False) + "\n"
    text = "\n\n".join(blocks_text(list(m.blocks)) for m in messages) + "\n"
    for path, now in ((GOLDEN / f"{name}.json", shown), (GOLDEN / f"{name}.txt", text)):
        if os.environ.get("GOLDEN") == "write":
            path.write_text(now, "utf-8")
        assert path.read_text("utf-8") == now


@given(st.text(max_size=60), st.integers(1, 40))
def test_cut_text_is_within_the_limit_and_never_half_an_entity(text: str, limit: int) -> None:
    found = cut(escape(text), limit)
    assert len(found) <= limit
    assert mrkdwn_fault(found) is None


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=300), min_size=1, max_size=3))
def test_whatever_the_chain_says_makes_a_message_that_slack_takes(summary: str, runbook: str, texts: list[str]) -> None:
    body = _body(summary, runbook, texts)
    for note in (None, {"lines": texts, "broadcast": False}):
        message = render({**body, "note": note})
        check_blocks(list(message.blocks))
        assert mrkdwn_fault(message.text) is None
        json.dumps(message.blocks).encode("utf-8")
        assert message.text.strip()


def _body(summary: str, runbook: str, texts: list[str]) -> dict[str, Any]:
    alert = {
        "episode": "e", "name": "A", "rule": texts[0], "state": "firing", "severity": "page", "summary": summary, "description": texts[-1],
        "runbook": runbook, "owner": texts[0], "zone": "", "labels": {"k": texts[0]}, "value": "1", "evidence": "0x00",
        "since": {"block": 1, "hash": "0x", "at": 1}, "ended": None, "unknown_since": None,
        "silenced": {"who": texts[0], "until": 5.0, "why": texts[-1]},
    }  # fmt: skip
    return {
        "incident": "12345678-0000", "revision": 1, "title": summary, "severity": "page", "state": "firing", "protocol": texts[0], "zone": "",
        "alerts": [alert, alert], "firing": 2, "more": 0, "note": None, "acknowledged": {"who": texts[0], "at": 5.0},
        "latency": {"block_at": 1, "seen_at": 2.0, "judged_at": 2.1, "sent_at": None, "acknowledged_at": None},
        "pauses": [{"title": summary, "facts": [{"name": t, "text": summary} for t in texts], "commands": [{"for": runbook, "command": runbook}]}],
    }  # fmt: skip


def test_a_web_address_is_a_link_and_nothing_else_is() -> None:
    good = blocks_text(list(render(_body("s", "https://x.example/a?b=1&c=2", ["t"])).blocks))
    assert "runbook https://x.example/a?b=1&c=2" in good
    for bad in ("javascript:alert(1)", "https://x.example/|click", "https://x.example/ <!channel>", "docs/runbook.md"):
        message = json.dumps(render(_body("s", bad, ["t"])).blocks)
        assert "runbook `" in message


def test_latency_never_shows_a_negative_time(desk: Desk) -> None:
    ahead_of_time(desk)
    line = latency_line(desk.owed()[0]["body"])
    assert line.startswith("block n/a → seen ")
    assert "-" not in line


def test_latency_names_every_step() -> None:
    steps = {"block_at": 1_700_000_000, "seen_at": 1_700_000_000.4, "judged_at": 1_700_000_000.5, "sent_at": 1_700_000_001.7}
    line = latency_line({"latency": {**steps, "acknowledged_at": 1_700_000_121.7}})
    assert line == "block 22:13:20 → seen +400 ms → judged +100 ms → sent +1.2 s → acknowledged +2 min"


def test_an_ended_alert_of_the_same_kind_keeps_its_place(desk: Desk) -> None:
    desk.admit(block(1), fires("A/x", block(1)), fires("A/y", block(1)))
    desk.admit(block(2), ends("A/x", block(2)))
    text = blocks_text(list(render(desk.owed("update")[-1]["body"]).blocks))
    assert text.index("A/y is broken") < text.index("A/x is broken")
    assert "(1 of 2)" in text
