"""What a responder reads of a pause, in every channel: golden Slack messages (``GOLDEN=write`` renews them), and the same in the others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts import Book
from monitor.alerts.standing import standing
from monitor.devnet.slack_page import blocks_text
from monitor.devnet.slack_rules import check_blocks, mrkdwn_fault
from monitor.model import Delivery, Transition, labels
from monitor.receivers.alertmanager import notes_of
from monitor.receivers.grafana_text import incident_note
from monitor.receivers.slack_message import render
from monitor.receivers.webhook import message
from tests.alerts.making import Desk, Unit, block, engine_at, episode_of, fires, routes
from tests.guardian import telling

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "<!channel> & <https://evil.example|Lido> *bold* `code` \u202egnp.exe <script>alert(1)</script>"
DRIFT = "LidoShareRateDrift"
AT = block(100).timestamp
TX = "0x" + "fe" * 32


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(engine_at(tmp_path / "book.db"))
    found.book = Book(routes(), consequences=telling.pauses())
    return found


def drift() -> Transition:
    notes = labels(
        summary="Lido's share rate changed by 0.5% without an oracle report",
        description="Shares were minted without ether, or ether left without shares.",
        runbook_url="https://runbooks.example/lido#drift",
    )
    return replace(fires(DRIFT, block(100), zone="accounting"), annotations=notes)


def about(name: str, summary: str) -> Transition:
    first = fires(name, block(100), target="vault", zone="monitor", protocol="")
    return replace(first, labels=labels({k: v for k, v in first.labels if v}), annotations=labels(summary=summary))


def admitted(desk: Desk, transition: Transition, state: str = "", known: dict[str, Any] | None = None, **row: Any) -> None:
    """The block's transaction: the memory, what was decided, then what people are told."""
    with desk.engine.begin() as conn:
        telling.remember(conn, known or telling.memory())
        if state:
            telling.decide(conn, state, episode_of(DRIFT), AT, **row)
    desk.admit(block(100), transition)


def pause_proposed(desk: Desk) -> None:
    """The alert about ourselves: somebody has to decide."""
    note = "not by itself: the second condition does not hold: accounting_wrapped_rate_drift_ratio > 1e-9"
    admitted(desk, about("GuardianPauseProposed", "A pause of vault is proposed: you decide"), "proposed", note=note)


def pause_executed(desk: Desk) -> None:
    """First it is on its way; then it was made, and the message and its thread say so."""
    admitted(desk, drift(), "decided", document=True)
    with desk.engine.begin() as conn:
        telling.move(conn, "reported", mined_number=102, mined_tx=TX, resumes_timestamp=AT + 10_824)
        telling.remember(conn, telling.memory(paused=True, ends=AT + 10_824), seq=2)
    desk.admit(block(103))


def pause_refused(desk: Desk) -> None:
    admitted(desk, drift(), "refused", note="1 of 3 configured endpoints agreed on the block, 2 are needed")


def pause_by_somebody(desk: Desk) -> None:
    """Nobody decided anything here: governance paused it without an end, and who may resume it is not listed."""
    known = telling.memory(paused=True, ends=None) | {
        "pauses": {"vault": {"pause": {"began": AT, "until": None, "by": "other"}}},
        "resumers": {"vault": {"role": "2f" * 32, "why": "the target does not list who holds RESUME_ROLE"}},
    }
    admitted(desk, about("GuardianTargetPaused", "vault is paused"), known=known)


CASES: dict[str, Callable[[Desk], None]] = {f.__name__: f for f in (pause_proposed, pause_executed, pause_refused, pause_by_somebody)}


def messages(desk: Desk) -> list[dict[str, Any]]:
    """The incident's message as it is at the end, and every note."""
    owed = desk.owed()
    for body in (d["body"] for d in owed):
        body["latency"]["sent_at"] = body["latency"]["judged_at"] + 0.25
    return [[d for d in owed if d["kind"] != "note"][-1], *(d for d in owed if d["kind"] == "note")]


@pytest.mark.parametrize("name", CASES)
def test_messages_are_as_people_have_approved_them(desk: Desk, name: str) -> None:
    CASES[name](desk)
    found = [render(d["body"]) for d in messages(desk)]
    for each in found:
        check_blocks(list(each.blocks))
        assert mrkdwn_fault(each.text) is None
        assert len(json.dumps(each.blocks, ensure_ascii=False)) < 12_000
    text = "\n\n".join(blocks_text(list(m.blocks)) for m in found) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_every_channel_says_the_same(desk: Desk) -> None:
    pause_refused(desk)
    (first,) = desk.owed()
    body = first["body"]
    posted = json.loads(message(Delivery("d", "i", "hook", "open", 1, body)))["account"]
    (told,) = posted["pauses"]
    assert (told["target"], told["state"], told["decision"], told["ends"]) == ("vault", "refused", telling.DECISION, None)
    with desk.engine.begin() as conn:
        (one,) = standing(Unit(conn), "slack", 0.0, consequences=desk.book.consequences)
    pushed = notes_of(one, desk.book._links)["stakewarden_pause"]
    drawn = incident_note(body).text
    wanted = [told["title"], *(f["text"] for f in told["facts"]), *(c["command"] for c in told["commands"])]
    assert len(wanted) >= 8
    for text in wanted:
        assert text in pushed
        assert text.replace("<", "‹").replace(">", "›") in drawn


def test_words_of_the_settings_and_notes_of_far_ends_cannot_make_markup(tmp_path: Path) -> None:
    desk = Desk(engine_at(tmp_path / "book.db"))
    desk.book = Book(routes(), consequences=telling.pauses(stops=HOSTILE, goes_on=HOSTILE, cost=HOSTILE))
    admitted(desk, drift(), "failed", note=HOSTILE * 20)
    (first,) = desk.owed()
    shown = render(first["body"])
    check_blocks(list(shown.blocks))
    text = json.dumps(shown.blocks, ensure_ascii=False)
    assert "<!channel>" not in text and "<https://evil" not in text and "&lt;!channel&gt;" in text and "\u202e" not in text
    assert "<script" not in incident_note(first["body"]).text


def test_a_message_full_of_alerts_has_room_for_the_pause(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        telling.remember(conn, telling.memory())
    many = [replace(drift(), episode=episode_of(f"d{i}"), labels=labels(dict(drift().labels), n=str(i))) for i in range(60)]
    desk.admit(block(100), *many)
    (first,) = desk.owed()
    shown = render(first["body"])
    check_blocks(list(shown.blocks))
    text = blocks_text(list(shown.blocks))
    assert text.count("Pause of vault") == 1 and "stakewarden guardian pause vault" in text and len(text) < 8_000


def test_messages_of_before_there_were_any_are_still_shown(desk: Desk) -> None:
    desk.admit(block(100), fires("Other", block(100)))
    body = desk.owed()[0]["body"]
    assert body.pop("pauses") == []
    assert "⏸️" not in blocks_text(list(render(body).blocks))
    assert incident_note(body).text
