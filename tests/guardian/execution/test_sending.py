"""Endpoints, fees, nonces and senders: a pause gets through once, whatever they do."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from monitor.devnet.accounts import address_of
from monitor.guardian import contract as guardian
from monitor.guardian.node import NoMajority
from monitor.store import Store
from tests.guardian.bench import Drop, Relay
from tests.guardian.execution.bench import CHAIN_ID, SENDERS, OrderBench, judge, pause, row
from tests.guardian.execution.steps import Forward, is_, silent, swallowing, until

# ---------------------------------------------------------------- endpoints


async def test_a_majority_of_all_endpoints_is_needed(orders: OrderBench, book: Store, relay: Relay) -> None:
    relay.handler = silent
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, orders.url, relay.url, relay.url)
    with pytest.raises(NoMajority):
        await worker.advance_once()
    assert orders.nonce(0) == 0 and row(book).state == "decided"
    relay.handler = lambda method, params, forward: forward()
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_a_liar_about_what_became_of_the_order_is_outvoted(orders: OrderBench, book: Store, relay: Relay) -> None:
    def lie(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_getLogs":
            return {"result": []}
        if method == "eth_getTransactionReceipt":
            return {"result": {"blockHash": "0x" + "11" * 32, "blockNumber": "0x1", "status": "0x1", "logs": []}}
        return {"result": "0x" + "00" * 31 + "05"} if method == "eth_call" else forward()

    relay.handler = lie
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, orders.url, orders.url)
    await until(worker, is_(book, "reported"))
    assert row(book).mined_hash == orders.head().hash
    await worker.close()


async def test_an_endpoint_that_hangs_delays_nothing(orders: OrderBench, book: Store, relay: Relay) -> None:
    released = threading.Event()

    def hang(method: str, params: list[Any], forward: Forward) -> Any:
        released.wait(60)
        raise Drop

    relay.handler = hang
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, orders.url, orders.url, request_seconds=60)
    await until(worker, is_(book, "reported"), 30)
    assert orders.pauses() == 1
    released.set()
    await worker.close()


async def test_an_answer_lost_on_the_way_is_looked_up(orders: OrderBench, book: Store, relay: Relay) -> None:
    def swallow(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_sendRawTransaction":
            forward()
            raise Drop
        return forward()

    relay.handler = swallow
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    await worker.close()


# ---------------------------------------------------------------- fees, nonces, senders


async def test_each_block_without_it_raises_the_offer_on_the_same_nonce(orders: OrderBench, book: Store, relay: Relay) -> None:
    relay.handler = swallowing(0)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "sent"))
    for _ in range(3):
        before = len(pause(book).transactions)
        await worker.advance_once()
        assert len(pause(book).transactions) == before, "one offer a block"
        orders.anvil.mine()
        await worker.advance_once()
    found = pause(book).transactions
    assert row(book).state == "replaced" and len(found) == 4 and {t.nonce for t in found} == {0}
    assert all(b.max_fee * 8 >= a.max_fee * 9 and b.tip * 8 >= a.tip * 9 for a, b in itertools.pairwise(found))
    relay.handler = lambda method, params, forward: forward()
    orders.anvil.mine()
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    await worker.close()


async def test_a_stuck_sender_is_joined_by_the_second_and_people_are_paged(orders: OrderBench, book: Store, relay: Relay) -> None:
    relay.handler = swallowing(0)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url, senders=2, stuck_blocks=2)
    await until(worker, is_(book, "sent"))
    orders.anvil.mine()
    await worker.advance_once()
    assert row(book).paged_at is None and {t.sender for t in pause(book).transactions} == {SENDERS[0].address}
    orders.anvil.mine()
    await worker.advance_once()
    paged = row(book)
    assert paged.paged_at is not None and "pauseTarget(" in (paged.note or "") and orders.at["guardian"] in (paged.note or "")
    assert guardian.PAUSE_TARGET.call(orders.at["vault"]).data.hex() in (paged.note or ""), "what to send is in the page"
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1 and orders.nonce(0) == 0 and orders.nonce(3) == 1
    await worker.close()


async def test_a_sender_without_money_leaves_it_to_the_second(orders: OrderBench, book: Store) -> None:
    orders.anvil.set_balance(SENDERS[0].address, 1)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, senders=2)
    await until(worker, is_(book, "reported"))
    assert orders.nonce(0) == 0 and orders.nonce(3) == 1
    await worker.close()


async def test_missing_money_and_a_cap_on_fees_wait_and_say_so(orders: OrderBench, book: Store) -> None:
    orders.anvil.set_balance(SENDERS[0].address, 1)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await worker.advance_once()
    assert "fund it" in (row(book).note or "") and row(book).state == "simulated"
    orders.anvil.set_balance(SENDERS[0].address, 10**18)
    capped = orders.executor(book, max_fee_gwei="0.000000001")
    await capped.advance_once()
    assert "max_fee_gwei" in (row(book).note or "") and orders.nonce(0) == 0
    await until(worker, is_(book, "reported"))
    await capped.close()
    await worker.close()


async def test_a_nonce_used_by_somebody_else_is_signed_anew(orders: OrderBench, book: Store, relay: Relay) -> None:
    stolen: list[int] = []

    def steal(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_sendRawTransaction" and not stolen:
            stolen.append(1)
            gwei = 10**9
            other = SENDERS[0].sign_transaction(
                {"type": 2, "chainId": CHAIN_ID, "nonce": 0, "to": address_of("staker_0"), "value": 1, "gas": 21000,
                 "maxFeePerGas": 100 * gwei, "maxPriorityFeePerGas": gwei}
            )  # fmt: skip
            orders.anvil.rpc.call("eth_sendRawTransaction", "0x" + other.raw_transaction.hex())
        return forward()

    relay.handler = steal
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1 and orders.nonce(0) == 2
    await worker.close()


async def test_a_useless_transaction_that_still_waits_is_outbid_by_the_next_pause(orders: OrderBench, book: Store, relay: Relay) -> None:
    """The vault's pause is made by people while ours waits; the pool's takes over its nonce instead of waiting behind it for ever."""
    mute = [True]
    relay.handler = swallowing(0, keep=lambda: mute[0])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "sent"))
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    await until(worker, is_(book, "refused"))
    mute[0] = False
    judge(book, orders.head(), "d2", target="pool")
    await until(worker, is_(book, "reported", "d2"))
    (useless,), (taken,) = pause(book).transactions, pause(book, "d2").transactions
    assert useless.nonce == taken.nonce == 0 and taken.max_fee * 8 >= useless.max_fee * 9
    await worker.close()


async def test_private_endpoints_come_first_and_the_public_after(orders: OrderBench, book: Store, relay: Relay) -> None:
    """The private one keeps what it is given: nobody else sees a pause for two blocks."""
    public = Relay(orders.url)
    relay.handler = swallowing(0)
    submission = [{"name": "quiet", "url": relay.url, "private": True}]
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, public.url, submission=submission, private_blocks=2)
    await until(worker, is_(book, "sent"))
    orders.anvil.mine()
    await worker.advance_once()
    assert public.seen.count("eth_sendRawTransaction") == 0 and relay.seen.count("eth_sendRawTransaction") == 2
    assert all(t.private for t in pause(book).transactions)
    orders.anvil.mine()
    await until(worker, is_(book, "reported"))
    assert public.seen.count("eth_sendRawTransaction") == 1 and orders.pauses() == 1
    await worker.close()
    public.close()


async def test_what_the_private_endpoint_does_not_take_is_public_at_once(orders: OrderBench, book: Store, relay: Relay) -> None:
    relay.handler = silent
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, submission=[{"name": "quiet", "url": relay.url, "private": True}], private_blocks=2)
    await until(worker, is_(book, "reported"))
    (sent,) = pause(book).transactions
    assert not sent.private and sent.sends == 2 and orders.pauses() == 1
    await worker.close()
