"""``stakewarden deliveries``: what was given up is sent again when a person says so, and never an account that is old."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from monitor.alerts import Book, Judged
from monitor.alerts.deliveries import Taken, dead, take, unsure
from monitor.store import Store
from tests.alerts.making import block, ends, fires, routes
from tests.cli.conftest import Run, plain, write


@pytest.fixture
def settings(stakewarden: Run, tmp_path: Path) -> Path:
    """A database in which one incident's first message was given up, and its note with it."""
    path = write(tmp_path, plain(tmp_path))
    stakewarden("db", "migrate", "-s", path)
    return path


def opened(settings: Path) -> Store:
    return Store.open(f"sqlite:///{settings.parent / 'x.sqlite3'}")


def told(store: Store, *transitions: object, at: int = 10) -> None:
    now = time.time()
    with store.begin() as unit:
        Book(routes()).admit(unit, transitions, Judged(block(at), now - 0.01, now))  # type: ignore[arg-type]


def given_up(store: Store, outcome: str = "dead") -> str:
    """Take the next message and let it end so; its id."""
    with store.begin() as unit:
        found = take(unit, "slack", time.time() + 60)
        assert isinstance(found, Taken)
        if outcome == "dead":
            dead(unit, found.delivery, "no such channel; invite the bot")
        else:
            unsure(unit, found.delivery, time.time() + 3600, "the connection broke")
    return found.delivery.id


def state_of(stakewarden: Run, settings: Path, identity: str) -> str:
    listed = json.loads(stakewarden("deliveries", "list", "--all", "--json", "-s", settings).out)
    return next(m["state"] for m in listed if m["id"] == identity)


def test_nothing_waits(stakewarden: Run, settings: Path) -> None:
    assert stakewarden("deliveries", "list", "-s", settings).out == "0 messages\n"
    assert stakewarden("deliveries", "retry", "-s", settings).out == "0 messages are owed again\n"


def test_a_dead_message_is_listed_with_its_reason_and_sent_again(stakewarden: Run, settings: Path) -> None:
    with opened(settings) as store:
        told(store, fires("A", block(10), severity="page"))
        identity = given_up(store)
    said = stakewarden("deliveries", "list", "-s", settings)
    assert identity[:8] in said.out and "no such channel; invite the bot" in said.out and "1 messages, 1 given up" in said.out
    assert stakewarden("deliveries", "list", "--receiver", "other", "-s", settings).out == "0 messages\n"
    assert stakewarden("deliveries", "retry", identity[:8], "-s", settings).out == "1 messages are owed again\n"
    assert state_of(stakewarden, settings, identity) == "owed"
    with opened(settings) as store, store.begin() as unit:
        found = take(unit, "slack", time.time() + 60)
        assert isinstance(found, Taken) and found.delivery.id == identity and not found.look_first
    again = stakewarden("deliveries", "retry", identity[:8], "-s", settings)
    assert again.code == 1 and "is sending: it is sent by itself" in again.err


def test_an_account_that_a_newer_one_replaced_is_not_sent(stakewarden: Run, settings: Path) -> None:
    with opened(settings) as store:
        told(store, fires("A", block(10), severity="page"))
        identity = given_up(store)
        told(store, ends("A", block(11), severity="page"), at=11)
    assert "were replaced by newer ones" in stakewarden("deliveries", "retry", "-s", settings).out
    assert state_of(stakewarden, settings, identity) == "superseded"


def test_a_message_that_may_be_there_is_sent_again_only_when_asked_for(stakewarden: Run, settings: Path) -> None:
    with opened(settings) as store:
        told(store, fires("A", block(10), severity="page"))
        identity = given_up(store, "unsure")
    assert stakewarden("deliveries", "retry", "-s", settings).out == "0 messages are owed again\n"
    refused = stakewarden("deliveries", "retry", identity, "-s", settings)
    assert refused.code == 1 and "may have been accepted: look into slack, and add --unsure" in refused.err
    assert stakewarden("deliveries", "retry", identity, "--unsure", "-s", settings).code == 0
    assert state_of(stakewarden, settings, identity) == "owed"
    unclear = stakewarden("deliveries", "retry", "nothing", "-s", settings)
    assert unclear.code == 1 and "0 messages that wait begin with 'nothing'" in unclear.err
