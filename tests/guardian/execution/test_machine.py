"""The way of a pause on a real chain: once, whatever endpoints, people and blocks do."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account

from monitor.devnet.accounts import address_of
from monitor.guardian import contract as guardian
from monitor.guardian.execution import ledger
from monitor.guardian.execution.machine import Executor
from monitor.guardian.node import NoMajority
from monitor.guardian.order import Order, digest, pack
from monitor.store import Store
from tests.guardian.bench import Drop, Relay
from tests.guardian.execution.bench import CHAIN_ID, SENDERS, SENTINELS, OrderBench, document, judge, pause, row

Forward = Callable[[], Any]


async def until(worker: Executor, condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await worker.advance_once()
        await asyncio.sleep(0.002)


def is_(store: Store, state: str, id: str = "d1") -> Callable[[], bool]:
    return lambda: row(store, id).state == state


def silent(method: str, params: list[Any], forward: Forward) -> Any:
    raise Drop


def swallowing(*senders: int, keep: Callable[[], bool] = lambda: True) -> Callable[[str, list[Any], Forward], Any]:
    """A node that takes transactions of these senders and shows them to nobody, as long as ``keep`` says so."""
    mute = {SENDERS[i].address for i in senders}

    def handle(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_sendRawTransaction" and keep() and Account.recover_transaction(params[0]) in mute:
            return {"result": "0x" + "77" * 32}
        return forward()

    return handle


@pytest.fixture
def relay(orders: OrderBench) -> Any:
    found = Relay(orders.url)
    yield found
    found.close()


# ---------------------------------------------------------------- the way


async def test_a_decision_becomes_a_pause_that_is_proven_and_told_once(orders: OrderBench, book: Store) -> None:
    told = []
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    worker.room.tell = lambda unit, report: told.append(report)
    await until(worker, is_(book, "reported"))
    found = row(book)
    assert orders.call("vault", "isPaused") and orders.pauses() == 1 and orders.nonce(0) == 1
    assert found.resumes_timestamp == orders.call("vault", "getResumeSinceTimestamp")
    assert list(ledger.latencies(found)) == ["signed", "gathered", "simulated", "sent", "mined", "verified", "reported"]
    steps = [*ledger.latencies(found).values()]
    assert steps == sorted(steps)
    assert len(told) == 1 and told[0].tx == found.mined_tx and told[0].block == found.observed_number + 1
    assert not await worker.advance_once() and len(told) == 1
    await worker.close()


async def test_the_execution_tells_who_signed_what_was_sent_and_what_came_of_it(orders: OrderBench, book: Store) -> None:
    at = orders.head()
    judge(book, at, "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    found = json.loads(row(book).execution or "")
    order = Order(orders.at["vault"], found["order"]["epoch"], bytes.fromhex(found["decision"][2:]), at.number, at.hash)
    assert found["order"]["digest"] == "0x" + digest(order, CHAIN_ID, orders.at["guardian"]).hex()
    assert found["decision"] == "0x" + ledger.document_digest(document(at, "vault", "g/d1")).hex()
    assert set(found["signatures"]) == {SENTINELS[0].address}
    (sent,) = found["transactions"]
    assert sent["hash"] == found["mined"]["tx"] and sent["sender"] == SENDERS[0].address
    assert found["read_back"]["paused"] and set(found["latencies_seconds"]) == set(ledger.latencies(row(book)))
    await worker.close()


async def test_run_pauses_when_woken(orders: OrderBench, book: Store) -> None:
    worker = orders.executor(book, poll_seconds=60)
    task = asyncio.create_task(worker.run())
    judge(book, orders.head(), "d1")
    worker.wake()
    deadline = time.monotonic() + 20
    while row(book).state != "reported":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await worker.close()


async def test_a_settled_pause_is_closed(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, settled_blocks=3)
    await until(worker, is_(book, "reported"))
    assert row(book).settled_at is None
    orders.anvil.mine(3)
    await worker.advance_once()
    assert row(book).settled_at is not None
    with book.read() as unit:
        assert ledger.open_pauses(unit) == []
    await worker.close()


# ---------------------------------------------------------------- only while it holds


async def test_what_does_not_hold_any_more_is_neither_signed_nor_sent(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1")
    orders.anvil.mine()
    judge(book, orders.head())  # unknown, or over
    worker = orders.executor(book, max_age_blocks=2)
    await worker.advance_once()
    assert row(book).state == "decided" and not pause(book).signed
    orders.anvil.mine(3)
    await until(worker, is_(book, "withdrawn"))
    assert orders.nonce(0) == 0 and "held last" in (row(book).note or "")
    await worker.close()


async def test_what_was_judged_long_ago_is_history_though_nothing_newer_was_judged(orders: OrderBench, book: Store) -> None:
    """Judging has stopped: nobody knows what holds at the head."""
    judge(book, orders.head(), "d1")
    orders.anvil.mine(9)
    worker = orders.executor(book)
    await worker.advance_once()
    assert row(book).standing and row(book).state == "decided" and not pause(book).signed
    judge(book, orders.head(), "d1")
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_a_signed_order_is_not_sent_when_the_decision_ends_and_is_when_it_holds_again(
    orders: OrderBench, book: Store, relay: Relay
) -> None:
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)

    def over(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_getLogs" and row(book).state == "gathered" and row(book).standing:
            judge(book, orders.head())
        return forward()

    relay.handler = over
    for _ in range(3):
        await worker.advance_once()
    assert orders.nonce(0) == 0 and "does not hold" in (row(book).note or "")
    relay.handler = lambda method, params, forward: forward()
    orders.anvil.mine()
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_every_block_at_which_it_holds_is_signed_and_the_newest_is_carried_out(trio: OrderBench, book: Store) -> None:
    worker = trio.executor(book)
    for _ in range(3):
        trio.anvil.mine()
        judge(book, trio.head(), "d1")
        await worker.advance_once()
    signed = pause(book).signed
    assert [s.number for s in signed] == [trio.head().number - i for i in (2, 1, 0)]
    assert len({s.digest for s in signed}) == 3 and row(book).state == "signed"
    assert "fewer than 2 live sentinels" in (row(book).note or "")
    await worker.close()


# ---------------------------------------------------------------- not twice, no budget lost


async def test_two_rules_on_one_target_pause_it_once(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1", "d2")
    worker = orders.executor(book)
    await until(worker, lambda: {row(book, i).state for i in ("d1", "d2")} == {"reported", "refused"})
    assert row(book, "d2").note == ledger.NEEDLESS
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    assert orders.call("guardian", "sentinelBudget") == 3 and orders.call("guardian", "target", orders.at["vault"])[3] == 1
    with book.read() as unit:
        assert ledger.outcomes(unit, 0) == {("vault", "verified"): 1, ("vault", "needless"): 1}
    await worker.close()


async def test_two_targets_in_one_block_are_both_paused(orders: OrderBench, book: Store) -> None:
    orders.anvil.rpc.call("evm_setAutomine", False)
    at = orders.head()
    with book.begin() as unit:
        from tests.guardian.execution.bench import values

        for name in ("vault", "pool"):
            ledger.decide(unit, values(name, at, name))
        ledger.observe(unit, at, {name: document(at, name) for name in ("vault", "pool")}, time.time())
    worker = orders.executor(book)
    await until(worker, lambda: is_(book, "sent", "vault")() and is_(book, "sent", "pool")())
    orders.anvil.mine()
    await until(worker, lambda: is_(book, "reported", "vault")() and is_(book, "reported", "pool")())
    assert {row(book, n).mined_number for n in ("vault", "pool")} == {at.number + 1}
    assert orders.pauses() == 2 and orders.nonce(0) == 2 and orders.call("guardian", "sentinelBudget") == 2
    await worker.close()


async def test_what_somebody_else_submits_is_our_pause_too(orders: OrderBench, book: Store, relay: Relay) -> None:
    """Our own transaction never gets anywhere; a stranger takes the signed order and submits it."""
    judge(book, orders.head(), "d1")
    relay.handler = swallowing(0)
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "sent"))
    found = pause(book).signed[-1]
    stranger = address_of("staker_0")
    data = guardian.execute_calldata(found.order, pack({SENTINELS[0].address: found.signature}))
    tx = {"from": stranger, "to": orders.at["guardian"], "data": "0x" + data.hex(), "gas": hex(3_000_000)}
    hash = orders.anvil.rpc.call("eth_sendTransaction", tx)
    await until(worker, is_(book, "reported"))
    assert row(book).mined_tx == hash and orders.nonce(0) == 0 and orders.pauses() == 1
    await worker.close()


async def test_a_target_that_people_paused_is_left_alone(orders: OrderBench, book: Store) -> None:
    orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "refused"))
    assert row(book).note == ledger.NEEDLESS and orders.nonce(0) == 0
    await worker.close()


async def test_a_person_who_is_quicker_makes_our_transaction_revert_and_nothing_else(orders: OrderBench, book: Store, relay: Relay) -> None:
    def overtaken(method: str, params: list[Any], forward: Forward) -> Any:
        if method == "eth_sendRawTransaction":
            orders.send("guardian_person", "guardian", "pauseTarget", orders.at["vault"])
        return forward()

    relay.handler = overtaken
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, relay.url)
    await until(worker, is_(book, "refused"))
    assert row(book).note == ledger.NEEDLESS and orders.call("guardian", "sentinelBudget") == 4 and orders.pauses() == 1
    await worker.close()


# ---------------------------------------------------------------- what the contract says


@pytest.mark.parametrize(
    ("by", "call", "said"),
    [
        ("guardian_person", ("disarm", "vault"), "not armed"),
        ("guardian_person", ("stopSentinels",), "stopped"),
        ("governance", ("setSentinelBudget", 0), "budget over all targets"),
        ("governance", ("unregister", "vault"), "not registered"),
    ],
)
async def test_what_forbids_every_order_fails_with_its_reason(
    orders: OrderBench, book: Store, by: str, call: tuple[Any, ...], said: str
) -> None:
    function, *arguments = call
    orders.send(by, "guardian", function, *[orders.at.get(a, a) if isinstance(a, str) else a for a in arguments])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "failed"))
    assert said in (row(book).note or "") and orders.nonce(0) == 0
    await worker.close()


async def test_a_lever_that_would_revert_is_found_before_anything_is_sent(orders: OrderBench, book: Store) -> None:
    from tests.guardian.execution.bench import PAUSE_ROLE

    orders.by_admin("vault", "revokeRole", PAUSE_ROLE, orders.at["guardian"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "failed"))
    assert "right to pause" in (row(book).note or "") and orders.nonce(0) == 0
    await worker.close()


async def test_a_cancelled_order_ends_the_episode(trio: OrderBench, book: Store) -> None:
    """The contract voids one block's order; our sentinel takes it as a no to all that follow."""
    judge(book, trio.head(), "d1")
    worker = trio.executor(book)
    await until(worker, lambda: bool(pause(book).signed))
    trio.send("guardian_person", "guardian", "cancel", pause(book).signed[-1].order.struct)
    trio.anvil.mine()
    judge(book, trio.head(), "d1")
    await until(worker, is_(book, "refused"))
    assert "cancelled the order" in (row(book).note or "")
    trio.anvil.mine()
    judge(book, trio.head(), "d1")
    assert row(book).state == "refused", "the same episode is not opened again"
    await worker.close()


async def test_in_shadow_the_order_is_told_on_chain_and_nothing_is_paused(orders: OrderBench, book: Store) -> None:
    orders.by_admin("guardian", "shadow", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "shadowed"))
    assert orders.pauses() == 0 and orders.nonce(0) == 1 and not orders.call("vault", "isPaused")
    await worker.close()


async def test_arming_anew_voids_the_order_and_the_next_block_is_signed(orders: OrderBench, book: Store) -> None:
    """Epochs rise between signing and sending: the old order would revert, so it is not sent."""
    judge(book, orders.head(), "d1")
    mute = orders.executor(book, senders=0)
    await until(mute, is_(book, "simulated"))
    orders.by_admin("guardian", "arm", orders.at["vault"])
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    assert len({s.row.epoch for s in pause(book).signed}) == 2
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    await mute.close()
    await worker.close()


async def test_an_unknown_target_fails(orders: OrderBench, book: Store) -> None:
    judge(book, orders.head(), "d1", target="elsewhere")
    worker = orders.executor(book)
    await until(worker, is_(book, "failed"))
    assert "elsewhere" in (row(book).note or "")
    await worker.close()


# ---------------------------------------------------------------- reorganisations


async def test_an_observed_block_that_is_gone_pauses_nothing_until_the_new_branch_shows_the_same(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(3)
    judge(book, orders.head(), "d1")
    orders.anvil.reorg(2)
    worker = orders.executor(book)
    for _ in range(3):
        await worker.advance_once()
    assert row(book).state == "decided" and not pause(book).signed and orders.nonce(0) == 0
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert orders.pauses() == 1
    await worker.close()


async def test_a_pause_that_is_reorganised_away_goes_out_again(orders: OrderBench, book: Store) -> None:
    """The observed block is still there: the same bytes, the same nonce."""
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    first = row(book)
    orders.anvil.reorg(1)
    assert orders.pauses() == 0 and not orders.call("vault", "isPaused")
    states = set()
    deadline = time.monotonic() + 20
    while not (row(book).state == "reported" and row(book).mined_hash != first.mined_hash):
        assert time.monotonic() < deadline
        await worker.advance_once()
        states.add(row(book).state)
    assert row(book).mined_tx == first.mined_tx and orders.pauses() == 1 and orders.nonce(0) == 1
    await worker.close()


async def test_a_pause_whose_observed_block_is_reorganised_too_is_judged_signed_and_sent_again(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book)
    await until(worker, is_(book, "reported"))
    first = row(book)
    orders.anvil.reorg(2)
    judge(book, orders.head())  # the rewound pipeline has judged nothing yet
    for _ in range(3):
        await worker.advance_once()
    assert row(book).state == "orphaned" and orders.pauses() == 0 and orders.nonce(0) == 0
    assert row(book).execution is None and row(book).verified_at is None
    judge(book, orders.head(), "d1", open=False)
    await until(worker, is_(book, "reported"))
    assert row(book).mined_tx != first.mined_tx and row(book).order != first.order
    assert orders.pauses() == 1 and orders.nonce(0) == 1
    fees = [t.max_fee for t in pause(book).transactions]
    assert fees[1] * 8 >= fees[0] * 9 and len({t.nonce for t in pause(book).transactions}) == 1
    await worker.close()


async def test_a_reorganised_pause_that_nothing_asks_for_any_more_is_withdrawn(orders: OrderBench, book: Store) -> None:
    orders.anvil.mine(2)
    judge(book, orders.head(), "d1")
    worker = orders.executor(book, max_age_blocks=2)
    await until(worker, is_(book, "reported"))
    orders.anvil.reorg(2)
    judge(book, orders.head())
    orders.anvil.mine(3)
    await until(worker, is_(book, "withdrawn"))
    assert orders.pauses() == 0
    await worker.close()


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
