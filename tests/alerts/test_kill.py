"""``kill -9`` of the sending process at random moments, while Slack misbehaves: each message exactly once, the last state right."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor.alerts import Book, Judged, Outbox, Patience
from monitor.alerts.desk import DELIVERIES
from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.receivers.slack import SlackReceiver, SlackSettings
from monitor.store import Store
from tests.alerts.making import block, ends, fires, routes
from tests.fixtures.processes import context

ROUNDS = 10
INCIDENTS = 6


def serve(url: str, base_url: str) -> None:
    """The process that is killed: it only delivers; the parent judges."""

    async def main() -> None:
        store = Store.open(url)
        own = SlackSettings(  # type: ignore[call-arg]
            token=TOKEN, channel=CHANNEL, base_url=base_url, timeout_seconds=0.2, settle_seconds=0.4, posts_a_second=500.0, when_blind="hold"
        )  # fmt: skip
        patience = Patience(first=0.01, most=0.05, refused=0.1, attempt=5.0, idle=0.05)
        await Outbox([SlackReceiver(own)], store.run, patience=patience).work()

    asyncio.run(main())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found: str = f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as store:
        store.create_all()
        yield store


class Victim:
    """A process of its own that runs ``serve``; killed without a chance to tidy up."""

    def __init__(self, url: str, base_url: str) -> None:
        self.process = context.Process(target=serve, args=(url, base_url), daemon=True)
        self.process.start()

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join(5)

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(5)
        assert self.process.exitcode == -signal.SIGKILL, "it had died by itself"


def misbehave(inbox: Inbox, rng: random.Random) -> None:
    kind = rng.choice(["drop", "drop", "hang", "server_error", "rate_limited", "error", "garbage"])
    method = rng.choice(["chat.postMessage", "chat.postMessage", "chat.update", "conversations.history", "conversations.replies"])
    more: dict[str, Any] = {"seconds": 0.05 if kind == "rate_limited" else 0.5, "accepted": rng.random() < 0.6, "skip": rng.randrange(3)}
    inbox.fail(kind, method, **more)  # type: ignore[arg-type]


async def rows(store: Store) -> list[dict[str, Any]]:
    return await store.run(lambda unit: [dict(r) for r in unit.conn.execute(select(DELIVERIES)).mappings()])


async def until_it_works(inbox: Inbox, store: Store) -> None:
    """Until the process has asked the inbox something, so that kills hit attempts also on a slow machine."""
    before, start = inbox.traffic.requests.total(), time.monotonic()
    if not any(r["state"] in ("owed", "sending", "unsure") for r in await rows(store)):
        return
    while inbox.traffic.requests.total() == before and time.monotonic() - start < 2:  # noqa: ASYNC110 (a plain counter)
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("seed", [1])
async def test_killed_at_random_moments_each_message_is_there_once(url: str, store: Store, seed: int) -> None:
    rng = random.Random(seed)
    book = Book(routes())
    async with Inbox() as inbox:
        names = [f"Alert{i}/{x}" for i in range(INCIDENTS) for x in "ab"]
        todo = [(name, step) for step in ("fire", "end") for name in names]
        kills_in_flight = 0
        for number in range(1, ROUNDS + 1):
            part, todo = todo[: len(todo) // (ROUNDS - number + 1)], todo[len(todo) // (ROUNDS - number + 1) :]
            at, now = block(number), time.time() - 200 + 2 * number
            moves = [fires(n, at) if step == "fire" else ends(n, at) for n, step in part]
            await store.run(lambda unit, m=moves, a=at, t=now: book.admit(unit, m, Judged(a, t, t)))
            for _ in range(2):
                misbehave(inbox, rng)
            with Victim(url, inbox.base_url) as victim:
                await until_it_works(inbox, store)
                await asyncio.sleep(rng.choice([0.0, rng.uniform(0, 0.02), rng.uniform(0, 0.2)]))
                victim.kill()
            kills_in_flight += any(r["state"] == "sending" for r in await rows(store))
        inbox.faults.clear()
        await store.run(lambda unit: book.tick(unit, time.time()))
        with Victim(url, inbox.base_url):
            async with asyncio.timeout(20):
                while any(r["state"] in ("owed", "sending", "unsure") for r in await rows(store)):  # noqa: ASYNC110 (asks a database)
                    await asyncio.sleep(0.05)
        assert kills_in_flight, "no kill hit an attempt: the test proves nothing"
        check(inbox, await rows(store))


def check(inbox: Inbox, owed: list[dict[str, Any]]) -> None:
    messages = inbox.messages()
    assert {r["state"] for r in owed} <= {"sent", "superseded"}
    assert sorted(m["metadata"]["event_payload"]["incident_id"] for m in messages) == sorted({r["incident"] for r in owed})
    for message in messages:
        assert message["text"].startswith("✅"), "the message shows the last state"
        incident = message["metadata"]["event_payload"]["incident_id"]
        notes = sorted((r["revision"], r["id"]) for r in owed if r["incident"] == incident and r["kind"] == "note")
        assert [n["metadata"]["event_payload"]["delivery_id"] for n in message["thread"]] == [i for _, i in notes], (
            "each note once, in order"
        )
    assert inbox.snapshot()["rejected"] == []
