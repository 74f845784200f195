"""The way of a pause on a real chain: once, whatever the endpoints do and whoever dies."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from monitor.devnet.accounts import address_of, key_of
from monitor.guardian import ledger
from monitor.guardian.node import NoMajority
from monitor.guardian.responses import record
from monitor.guardian.submit import KeyRefused, Submitter, WrongChain
from monitor.store import Store
from monitor.store.tables.guardian import PauseRow
from tests.guardian.bench import CHAIN_ID, Bench, Drop, Relay, decision, endpoint, killer
from tests.guardian.conftest import signer_of
from tests.guardian.worker import work_until_done

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.guardian.worker"])


def submitter(bench: Bench, store: Store, *urls: str, role: str = "sentinel", **settings: Any) -> Submitter:
    endpoints = [endpoint(url, f"e{i}") for i, url in enumerate(urls or (bench.url,))]
    return Submitter(bench.settings(**settings), CHAIN_ID, endpoints, store, signer_of(role))


def owe(store: Store, bench: Bench, id: str = "d1", **more: Any) -> None:
    with store.begin() as unit:
        record(unit, decision(bench, id, **more), time.time())


def row(store: Store, id: str = "d1") -> PauseRow:
    with store.read() as unit:
        return ledger.pause(unit, id).row


async def until(worker: Submitter, condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await worker.advance_once()


async def test_an_owed_pause_is_mined_and_read_back(bench: Bench, store: Store) -> None:
    owe(store, bench)
    worker = submitter(bench, store)
    await until(worker, lambda: row(store).state == "verified")
    found = row(store)
    assert bench.call("vault", "isPaused") and bench.pauses() == 1
    assert found.resumes_timestamp == bench.call("vault", "getResumeSinceTimestamp")
    times = [found.decided_at, found.simulated_at, found.signed_at, found.sent_at, found.mined_at, found.verified_at]
    assert all(t is not None for t in times) and times == sorted(times, key=lambda t: t or 0)
    assert found.mined_number == bench.head().number
    assert list(ledger.latencies(found)) == ["simulated", "signed", "sent", "mined", "verified"]
    assert not await worker.advance_once()
    await worker.close()


async def test_run_pauses_when_woken(bench: Bench, store: Store) -> None:
    worker = submitter(bench, store, poll_seconds=60)
    task = asyncio.create_task(worker.run())
    owe(store, bench)
    worker.wake()
    deadline = time.monotonic() + 10
    while row(store).state != "verified":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await worker.close()


async def test_a_key_of_a_person_is_refused(bench: Bench, store: Store) -> None:
    worker = submitter(bench, store, role="guardian_person")
    owe(store, bench)
    with pytest.raises(KeyRefused, match="grant it SENTINEL_ROLE"):
        await worker.check_start()
    with pytest.raises(KeyRefused):
        await worker.advance_once()
    assert row(store).state == "owed"
    await worker.close()


async def test_wrong_chain_and_wrong_address_are_named(bench: Bench, store: Store) -> None:
    worker = Submitter(bench.settings(), 1, [endpoint(bench.url)], store, signer_of("sentinel"))
    with pytest.raises(WrongChain, match=r"network\.chain_id"):
        await worker.check_start()
    await worker.close()
    worker = submitter(bench, store, contract=address_of("staker_0"))
    with pytest.raises(WrongChain, match="no contract"):
        await worker.check_start()
    await worker.close()
    targets = [{"name": "vault", "address": bench.guardian}]
    worker = submitter(bench, store, contract=address_of("attacker"), targets=targets)
    bench.anvil.set_code(address_of("attacker"), bytes.fromhex("00"))
    with pytest.raises(WrongChain, match="not a guardian"):
        await worker.check_start()
    await worker.close()


async def test_two_episodes_pause_one_target_once(bench: Bench, store: Store) -> None:
    owe(store, bench, "d1")
    owe(store, bench, "d2")
    worker = submitter(bench, store)
    await until(worker, lambda: row(store, "d2").state == "refused")
    assert row(store, "d1").state == "verified" and "paused already" in (row(store, "d2").note or "")
    assert bench.pauses() == 1 and bench.nonce("sentinel") == 1
    await worker.close()


async def test_what_the_contract_refuses_fails_with_its_reason(bench: Bench, store: Store) -> None:
    bench.send("guardian_person", "guardian", "disarm", bench.vault)
    owe(store, bench)
    worker = submitter(bench, store)
    await until(worker, lambda: row(store).state == "failed")
    assert row(store).note == "the target is not armed (the admin arms it)"
    assert bench.nonce("sentinel") == 0
    await worker.close()


async def test_an_unknown_target_fails(bench: Bench, store: Store) -> None:
    owe(store, bench, target="pool")
    worker = submitter(bench, store)
    await until(worker, lambda: row(store).state == "failed")
    assert "pool" in (row(store).note or "")
    await worker.close()


async def test_an_orphaned_block_pauses_nothing_until_judged_again(bench: Bench, store: Store) -> None:
    bench.anvil.mine(3)
    owe(store, bench)
    bench.anvil.increase_time(100)
    bench.anvil.reorg(2)
    worker = submitter(bench, store)
    await until(worker, lambda: row(store).state == "orphaned")
    assert bench.nonce("sentinel") == 0
    owe(store, bench)  # the same episode on the new branch
    await until(worker, lambda: row(store).state == "verified")
    assert bench.pauses() == 1
    await worker.close()


async def test_an_old_decision_is_given_up(bench: Bench, store: Store) -> None:
    owe(store, bench)
    bench.anvil.mine(5)
    worker = submitter(bench, store, max_age_blocks=4)
    await until(worker, lambda: row(store).state == "failed")
    assert "not signed within 4 blocks" in (row(store).note or "") and bench.pauses() == 0
    await worker.close()


async def test_missing_gas_money_waits_and_says_so(bench: Bench, store: Store) -> None:
    bench.anvil.set_balance(address_of("sentinel"), 1)
    owe(store, bench)
    worker = submitter(bench, store)
    await worker.advance_once()
    assert "fund it" in (row(store).note or "") and row(store).state == "simulated"
    bench.anvil.set_balance(address_of("sentinel"), 10**18)
    await until(worker, lambda: row(store).state == "verified")
    await worker.close()


async def test_a_fee_cap_waits(bench: Bench, store: Store) -> None:
    owe(store, bench)
    worker = submitter(bench, store, max_fee_gwei="0.000000001")
    await worker.advance_once()
    assert "max_fee_gwei" in (row(store).note or "") and bench.nonce("sentinel") == 0
    await worker.close()


async def test_a_majority_of_all_endpoints_is_needed(bench: Bench, store: Store, relay: Relay) -> None:
    """Two of three are down: nothing is signed, since nothing is known."""

    def down(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        raise Drop

    relay.handler = down
    owe(store, bench)
    worker = submitter(bench, store, bench.url, relay.url, relay.url)
    with pytest.raises(NoMajority):
        await worker.advance_once()
    assert bench.nonce("sentinel") == 0 and row(store).state == "owed"
    relay.handler = lambda method, params, forward: forward()
    await until(worker, lambda: row(store).state == "verified")
    assert bench.pauses() == 1
    await worker.close()


async def test_a_liar_about_receipts_is_outvoted(bench: Bench, store: Store, relay: Relay) -> None:
    """One endpoint says that everything is mined; the transaction never reached the chain until the others had it."""

    def lie(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if method == "eth_getTransactionReceipt":
            return {"result": {"blockHash": "0x" + "11" * 32, "blockNumber": "0x1", "status": "0x1", "logs": []}}
        return forward()

    relay.handler = lie
    owe(store, bench)
    worker = submitter(bench, store, relay.url, bench.url, bench.url)
    await until(worker, lambda: row(store).state == "verified")
    assert row(store).mined_hash == bench.head().hash
    await worker.close()


async def test_an_endpoint_that_hangs_delays_nothing(bench: Bench, store: Store, relay: Relay) -> None:
    released = threading.Event()

    def hang(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        released.wait(60)
        raise Drop

    relay.handler = hang
    owe(store, bench)
    worker = submitter(bench, store, relay.url, bench.url, bench.url, request_seconds=60)
    await until(worker, lambda: row(store).state == "verified", 20)
    assert bench.pauses() == 1
    released.set()
    await worker.close()


async def test_an_answer_lost_on_the_way_is_looked_up(bench: Bench, store: Store, relay: Relay) -> None:
    """The chain takes the transaction, the answer never comes: it is found by its receipt, and not sent under another nonce."""

    def swallow(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction":
            forward()
            raise Drop
        return forward()

    relay.handler = swallow
    owe(store, bench)
    worker = submitter(bench, store, relay.url)
    await until(worker, lambda: row(store).state == "verified")
    assert bench.pauses() == 1 and bench.nonce("sentinel") == 1
    await worker.close()


async def test_a_stuck_pause_gets_a_higher_fee_on_the_same_nonce(bench: Bench, store: Store) -> None:
    bench.anvil.rpc.call("evm_setAutomine", False)
    owe(store, bench)
    worker = submitter(bench, store, bump_after_seconds=0.05)

    def transactions() -> int:
        with store.read() as unit:
            return len(ledger.pause(unit, "d1").transactions)

    await until(worker, lambda: transactions() >= 3)
    with store.read() as unit:
        signed = ledger.pause(unit, "d1").transactions
    assert {t.nonce for t in signed} == {0}
    assert all(b.max_fee * 8 >= a.max_fee * 9 for a, b in itertools.pairwise(signed))
    bench.anvil.mine()
    bench.anvil.rpc.call("evm_setAutomine", True)
    await until(worker, lambda: row(store).state == "verified")
    assert bench.pauses() == 1 and bench.nonce("sentinel") == 1
    await worker.close()


async def test_a_nonce_used_by_somebody_else_is_signed_anew(bench: Bench, store: Store, relay: Relay) -> None:
    """The signed transaction can never be mined, so another nonce is safe."""
    other = {"from": address_of("sentinel"), "to": address_of("staker_0"), "value": "0x1"}

    def steal(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction" and bench.nonce("sentinel") == 0:
            bench.anvil.rpc.call("eth_sendTransaction", other)
        return forward()

    relay.handler = steal
    owe(store, bench)
    worker = submitter(bench, store, relay.url)
    await until(worker, lambda: row(store).state == "verified")
    assert bench.pauses() == 1 and bench.nonce("sentinel") == 2
    await worker.close()


async def test_a_pause_by_a_person_in_between_fails_with_the_reason(bench: Bench, store: Store, relay: Relay) -> None:
    def overtaken(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction":
            bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
        return forward()

    relay.handler = overtaken
    owe(store, bench)
    worker = submitter(bench, store, relay.url)
    await until(worker, lambda: row(store).state == "failed")
    assert "paused already" in (row(store).note or "")
    assert bench.call("guardian", "sentinelBudget") == 3
    await worker.close()


async def test_a_mined_block_that_is_reorganised_is_mined_again(bench: Bench, store: Store, relay: Relay) -> None:
    """Between mined and verified the block goes away: the same bytes are sent again."""
    done: list[int] = []

    def reorganise(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if method == "eth_blockNumber" and row(store).state == "mined" and not done:
            done.append(1)
            bench.anvil.reorg(1)
        return forward()

    bench.anvil.mine(2)
    relay.handler = reorganise
    owe(store, bench)
    bench.anvil.mine()
    worker = submitter(bench, store, relay.url)
    await until(worker, lambda: row(store).state == "verified", 20)
    assert done and bench.call("vault", "isPaused")
    assert bench.pauses() == 1 and bench.nonce("sentinel") == 1
    await worker.close()


STEPS = [
    ("eth_call", 3, False),  # about to simulate
    ("eth_getTransactionCount", 1, True),  # simulated, not signed
    ("eth_sendRawTransaction", 1, False),  # signed, not sent
    ("eth_sendRawTransaction", 1, True),  # sent, not written
    ("eth_getTransactionReceipt", 1, False),  # mined, not seen
    ("eth_getTransactionReceipt", 1, True),  # seen, not written
    ("eth_getTransactionReceipt", 2, True),  # written as mined, not read back
    ("eth_call", 4, True),  # read back, not written
]


@pytest.mark.parametrize(("method", "nth", "after"), STEPS)
def test_killed_at_any_step_there_is_exactly_one_pause(
    bench: Bench, store: Store, relay: Relay, method: str, nth: int, after: bool
) -> None:
    owe(store, bench)
    hold = PROCESSES.Event()
    arguments = (bench.settings().model_dump_json(), CHAIN_ID, relay.url, store.where, hold)
    first = PROCESSES.Process(target=work_until_done, args=arguments)
    first.start()
    assert first.pid is not None
    relay.handler = killer(first.pid, method, nth, after=after)
    hold.set()
    first.join(20)
    assert first.exitcode == -9, "it was to be killed at this step"
    assert row(store).state != "verified"
    relay.handler = lambda method, params, forward: forward()
    second = PROCESSES.Process(target=work_until_done, args=arguments)
    second.start()
    second.join(20)
    assert second.exitcode == 0
    assert row(store).state == "verified"
    assert bench.pauses() == 1 and bench.nonce("sentinel") == 1


async def test_no_secret_in_logs(bench: Bench, store: Store) -> None:
    owe(store, bench)
    worker = submitter(bench, store)
    with structlog.testing.capture_logs() as logs:
        await until(worker, lambda: row(store).state == "verified")
    assert logs and key_of("sentinel")[2:] not in repr(logs) and key_of("sentinel")[2:] not in repr(vars(worker))
    await worker.close()
