"""The outbox with the real Slack receiver, the real store, and an inbox that misbehaves: each message exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor.alerts import Book, Judged, Outbox, Patience, waiting
from monitor.alerts.desk import DELIVERIES
from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.model import Acknowledge, BlockStamp, Transition
from monitor.receivers.slack import SlackReceiver, SlackSettings
from monitor.store import Lease, LeaseLost, Store
from tests.alerts.making import block, ends, fires, routes

FAST = Patience(first=0.02, most=0.1, refused=0.2, give_up=60.0, attempt=5.0, idle=4.0)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox() as inbox:
        yield inbox


class Bench:
    """A book, an outbox, and blocks that come now."""

    def __init__(self, store: Store, inbox: Inbox, **more: Any) -> None:
        self.store, self.inbox = store, inbox
        self.book = Book(routes())
        own = {"token": TOKEN, "channel": CHANNEL, "base_url": inbox.base_url, "timeout_seconds": 0.3, "settle_seconds": 0.1}
        self.slack = SlackReceiver(SlackSettings(**(own | {"posts_a_second": 500.0} | more)))
        self.outbox = Outbox([self.slack], store.run, patience=FAST)

    async def admit(self, at: BlockStamp, *transitions: Transition) -> None:
        now = time.time()
        await self.store.run(lambda unit: self.book.admit(unit, transitions, Judged(at, now - 0.01, now)))
        self.outbox.wake()

    async def rows(self) -> list[dict[str, Any]]:
        def read(unit: Any) -> list[dict[str, Any]]:
            return [dict(r) for r in unit.conn.execute(select(DELIVERIES).order_by(DELIVERIES.c.revision)).mappings()]

        return await self.store.run(read)

    async def until_settled(self, seconds: float = 5.0) -> None:
        """Let the workers run until nothing is owed."""
        worker = asyncio.create_task(self.outbox.work())
        try:
            async with asyncio.timeout(seconds):
                while any(r["state"] in ("owed", "sending", "unsure") for r in await self.rows()):  # noqa: ASYNC110 (asks a database)
                    await asyncio.sleep(0.02)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


async def test_a_message_is_sent_within_milliseconds_of_its_commit(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    worker = asyncio.create_task(bench.outbox.work())
    await asyncio.sleep(0.1)
    await bench.admit(block(1), fires("A", block(1)))
    start = time.perf_counter()
    while not bench.outbox.health["slack"].sent and time.perf_counter() - start < 5:  # noqa: ASYNC110 (a plain counter)
        await asyncio.sleep(0.002)
    assert time.perf_counter() - start < 2, "woken at once, not by the next look"
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert len(inbox.messages()) == 1


async def test_open_update_note_close_are_one_message_and_its_thread(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    await bench.admit(block(1), fires("A/x", block(1)))
    await bench.until_settled()
    incident = (await bench.rows())[0]["incident"]
    await store.run(lambda unit: bench.book.acknowledge(unit, Acknowledge(incident, "Ann", time.time(), "mine")))
    await bench.until_settled()
    await bench.admit(block(9), ends("A/x", block(9)))
    await bench.until_settled()
    (message,) = inbox.messages()
    assert message["text"].startswith("✅")
    assert [n["text"] for n in message["thread"]] == [
        "🚨 Acknowledged by Ann: mine.",
        "✅ Resolved at block 9, 1.6 min of block time after it began: A/x is broken",
    ]
    assert message["edits"] == 2
    assert {r["state"] for r in await bench.rows()} == {"sent"}
    assert inbox.snapshot()["rejected"] == []


async def test_only_the_last_account_is_sent_after_an_outage_and_every_note(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    await bench.admit(block(1), fires("A/x", block(1)))
    await bench.admit(block(9), ends("A/x", block(9)))
    await bench.until_settled()
    (message,) = inbox.messages()
    assert (message["edits"], len(message["thread"])) == (0, 1)
    assert sorted(r["state"] for r in await bench.rows()) == ["sent", "sent", "superseded"]


DROPS: list[dict[str, Any]] = [{"kind": "drop"}, {"kind": "drop", "accepted": True}, {"kind": "hang", "accepted": True, "seconds": 2}]
ANSWERS: list[dict[str, Any]] = [{"kind": "server_error"}, {"kind": "rate_limited", "seconds": 0.1}, {"kind": "html", "accepted": True}]
OTHERS: list[dict[str, Any]] = [
    {"kind": "hang", "seconds": 2},
    {"kind": "server_error", "accepted": True},
    {"kind": "error", "error": "fatal_error", "accepted": True},
    {"kind": "garbage", "accepted": True},
    {"kind": "slow", "seconds": 0.35},
    {"kind": "error", "error": "not_in_channel"},
]


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        *(("chat.postMessage", fault) for fault in DROPS + ANSWERS + OTHERS),
        *(("chat.update", fault) for fault in DROPS + ANSWERS),
        *(("conversations.history", fault) for fault in [DROPS[0], ANSWERS[1], OTHERS[0], OTHERS[5]]),
    ],
    ids=str,
)
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_each_message_exactly_once_whatever_happens(store: Store, inbox: Inbox, method: str, fault: dict[str, Any]) -> None:
    """``hold``: where the channel cannot be read, the outbox waits until it can."""
    bench = Bench(store, inbox, settle_seconds=0.6 if fault["kind"] == "slow" else 0.05, when_blind="hold")
    if method == "conversations.history":
        inbox.fail("drop", "chat.postMessage", accepted=True)
    inbox.fail(method=method, **fault)
    await bench.admit(block(1), fires("A/x", block(1)))
    await bench.until_settled()
    await bench.admit(block(9), ends("A/x", block(9)))
    await bench.until_settled()
    await asyncio.sleep(0.1)
    (message,) = inbox.messages()
    assert message["text"].startswith("✅")
    assert len(message["thread"]) == 1
    assert {r["state"] for r in await bench.rows()} == {"sent"}


async def test_what_a_killed_process_was_sending_is_looked_up_first(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    await bench.admit(block(1), fires("A", block(1)))
    inbox.fail("hang", "chat.postMessage", accepted=True, seconds=1)
    worker = asyncio.create_task(bench.outbox.work())
    while not inbox.messages():  # noqa: ASYNC110 (asks a far end)
        await asyncio.sleep(0.005)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert [r["state"] for r in await bench.rows()] == ["sending"]
    again = Bench(store, inbox)
    await again.until_settled()
    assert len(inbox.messages()) == 1
    assert inbox.traffic.requests["chat.postMessage"] == 1
    assert again.outbox.health["slack"].found == 1


async def test_a_refused_destination_keeps_its_messages_until_it_is_mended(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    inbox.workspace.channels[CHANNEL].member = False
    await bench.admit(block(1), fires("A", block(1)))
    with pytest.raises(TimeoutError):
        await bench.until_settled(0.3)
    health = bench.outbox.health["slack"]
    assert "invite the app" in str(health.last_error)
    assert inbox.traffic.requests["chat.postMessage"] <= 3, "a refusing receiver is not hammered"
    inbox.workspace.channels[CHANNEL].member = True
    await bench.until_settled()
    assert len(inbox.messages()) == 1


async def test_a_refused_message_is_dead_and_does_not_block_others(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    inbox.fail("error", "chat.postMessage", error="no_text", count=2)
    await bench.admit(block(1), fires("A", block(1)), fires("B", block(1)))
    await bench.until_settled()
    assert sorted(r["state"] for r in await bench.rows()) == ["dead", "sent"]
    assert bench.outbox.health["slack"].dead == 1
    figures = await store.run(lambda unit: waiting(unit, ["slack", "other"], time.time()))
    assert (figures["slack"].owed, figures["slack"].dead, figures["other"].owed) == (0, 1, 0)


async def test_waiting_messages_are_counted_with_the_age_of_the_oldest(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    await bench.admit(block(1), fires("A", block(1)), fires("B", block(1)))
    await store.run(lambda unit: unit.conn.execute(update(DELIVERIES).values(owed_at=DELIVERIES.c.owed_at - 90)))
    figures = await store.run(lambda unit: waiting(unit, ["slack"], time.time()))
    assert figures["slack"].owed == 2
    assert 90 <= figures["slack"].oldest_seconds < 95


async def test_a_page_does_not_wait_behind_tickets(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    at = block(1)
    for i in range(5):
        await bench.admit(at, fires(f"Ticket{i}", at, severity="ticket"))
    await store.run(lambda unit: bench.book.tick(unit, time.time() + 20))
    await store.run(lambda unit: unit.conn.execute(update(DELIVERIES).values(next_at=0.0, owed_at=0.0)))
    await bench.admit(at, fires("Page", at))
    await bench.until_settled()
    assert inbox.messages()[0]["text"].startswith("🚨 Page")
    assert len(inbox.messages()) == 6


async def test_a_process_without_the_lease_sends_nothing(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    await bench.admit(block(1), fires("A", block(1)))
    lost = Lease("main", "somebody", 1, 10.0, time.time() + 10)
    outbox = Outbox([bench.slack], partial(store.run, lease=lost), patience=FAST)
    with pytest.raises(LeaseLost):
        await outbox.work()
    assert inbox.messages() == []


async def test_drain_delivers_what_is_due_and_returns(store: Store, inbox: Inbox) -> None:
    bench = Bench(store, inbox)
    await bench.admit(block(1), fires("A", block(1)), fires("B", block(1)))
    await bench.outbox.drain()
    assert len(inbox.messages()) == 2
