"""K signatures meet on one order, whatever peers do; and every order that should be refused is."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from monitor.devnet.accounts import address_of
from monitor.guardian import contract as guardian
from monitor.guardian.execution import ledger
from monitor.guardian.order import Order, digest, pack, recover
from monitor.guardian.sentinels import peers as pulling
from monitor.guardian.sentinels.board import MAX_ORDERS, BadBoard, posted, read_board
from monitor.guardian.sentinels.gather import gathered
from monitor.model import Address, Hash, address
from monitor.store import Store
from monitor.web.orders import orders as route
from tests.fixtures.processes import context
from tests.guardian.execution.bench import CHAIN_ID, DURATION, SENTINELS, OrderBench, Peer, board, document, judge, pause, row
from tests.guardian.execution.steps import is_, until
from tests.guardian.execution.worker import TOKEN, stand_guard

STRANGER = address("0x" + "0f" * 20)


def order_at(bench: OrderBench, at: Any, target: str = "vault", rule: str = "g/d1", **change: Any) -> Order:
    """The order that every honest sentinel makes of a decision at this block."""
    data = "0x" + guardian.TARGET.call(bench.at[target]).data.hex()
    answer = bench.anvil.rpc.call("eth_call", {"to": bench.at["guardian"], "data": data}, "latest")
    epoch = guardian.read_target(bytes.fromhex(answer[2:])).epoch
    fields = {"target": bench.at[target], "epoch": epoch, "decision": ledger.document_digest(document(at, target, rule)),
              "observed_block": at.number, "observed_hash": at.hash}  # fmt: skip
    return Order(**{**fields, **change})


def signed_by(bench: OrderBench, order: Order, *who: int, chain: int = CHAIN_ID, place: Address | None = None) -> dict[Address, bytes]:
    over = digest(order, chain, place or bench.at["guardian"])
    return {address(SENTINELS[i].address): bytes(SENTINELS[i].unsafe_sign_hash(over).signature) for i in who}


def check(bench: OrderBench, order: Order, packed: bytes) -> str:
    """The contract's refusal, looked at in the block after the head, where the head's hash is known."""
    return list(guardian.REFUSALS)[bench.ask(guardian.CHECK_ORDER, order.struct, packed)]


def submit(bench: OrderBench, order: Order, packed: bytes) -> bool:
    """Send the order as anybody may; whether it was mined with success."""
    data = "0x" + guardian.execute_calldata(order, packed).hex()
    tx = {"from": address_of("staker_0"), "to": bench.at["guardian"], "data": data, "gas": hex(3_000_000)}
    return bool(bench.receipt(str(bench.anvil.rpc.call("eth_sendTransaction", tx)))["status"] == "0x1")


# ---------------------------------------------------------------- three processes


@pytest.fixture
def trio_of(trio: OrderBench, tmp_path: Path) -> Iterator[list[Store]]:
    """Three sentinels in three processes, each with its own database, keys and HTTP port."""
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    urls = [f"http://127.0.0.1:{door.getsockname()[1]}/guardian/orders" for door in doors]
    stores = [Store.open(f"sqlite:///{tmp_path}/s{i}.sqlite3") for i in range(3)]
    stop = context.Event()
    processes = []
    for i, store in enumerate(stores):
        store.create_all()
        peers = [{"name": f"s{j}", "url": urls[j], "token": TOKEN} for j in range(3) if j != i]
        own = trio.settings(peers=peers, poll_seconds=0.05, turn_blocks=1).model_dump(mode="json", context={})
        own["peers"] = peers
        arguments = (i, json.dumps(own), trio.url, store.where, doors[i], stop)
        processes.append(context.Process(target=stand_guard, args=arguments))
        processes[-1].start()
    yield stores
    stop.set()
    for process in processes:
        process.join(20)
    for closing in (*stores, *doors):
        closing.close()
    assert [p.exitcode for p in processes] == [0, 0, 0]


def waiting(bench: OrderBench) -> int:
    return int(bench.anvil.rpc.call("txpool_status")["pending"], 16)


def test_three_sentinels_in_three_processes_pause_in_the_block_after_the_observation(
    trio: OrderBench, trio_of: list[Store], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of them decide; the third sees nothing, and is not needed. One transaction is sent."""
    deadline = time.monotonic() + 60
    while not all(_serves(store) for store in trio_of):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    trio.anvil.rpc.call("evm_setAutomine", False)
    at = trio.head()
    began = time.monotonic()
    for store in trio_of[:2]:
        judge(store, at, "d1")
    while not waiting(trio):
        assert time.monotonic() < deadline, [row(s).note for s in trio_of[:2]]
        time.sleep(0.002)
    latency = time.monotonic() - began
    assert waiting(trio) == 1, "the second signer waits for its turn"
    trio.anvil.mine()
    while not all(row(store).state == "reported" for store in trio_of[:2]):
        assert time.monotonic() < deadline, [row(s).state for s in trio_of[:2]]
        time.sleep(0.01)
    assert {row(store).mined_number for store in trio_of[:2]} == {at.number + 1}
    assert trio.pauses() == 1 and sum(trio.nonce(i) for i in range(3)) == 1
    assert trio.call("guardian", "sentinelBudget") == 3
    with capsys.disabled():
        print(f"\n2 of 3 sentinels: {latency:.3f} s from the judged block to the transaction in the pool, mined in the next block")


def _serves(store: Store) -> bool:
    """Whether the process has its database open: its first look makes the write-ahead log."""
    return Path(store.where.removeprefix("sqlite:///") + "-shm").exists()


# ---------------------------------------------------------------- refusals, on chain


@pytest.fixture
def seen(trio: OrderBench) -> tuple[Order, bytes]:
    """A good order of the block before the head, signed by two of three."""
    order = order_at(trio, trio.head())
    trio.anvil.mine()
    packed = pack(signed_by(trio, order, 0, 1))
    assert check(trio, order, packed) == "None"
    return order, packed


def test_a_replayed_order_is_refused(trio: OrderBench, seen: tuple[Order, bytes]) -> None:
    assert submit(trio, *seen) and trio.pauses() == 1
    assert not submit(trio, *seen)
    trio.by_admin("vault", "grantRole", guardian.keccak(b"RESUME_ROLE"), address_of("governance"))
    trio.by_admin("vault", "resume")
    trio.anvil.increase_time(DURATION)
    trio.by_admin("guardian", "arm", trio.at["vault"])
    assert check(trio, *seen) == "WrongEpoch" and not submit(trio, *seen) and trio.pauses() == 1


def test_a_reorganised_order_is_refused(trio: OrderBench, seen: tuple[Order, bytes]) -> None:
    trio.anvil.reorg(2)
    trio.anvil.mine()
    assert check(trio, *seen) == "WrongBlockHash" and not submit(trio, *seen) and trio.pauses() == 0


def test_a_late_order_is_refused(trio: OrderBench, seen: tuple[Order, bytes]) -> None:
    trio.anvil.mine(32)
    assert check(trio, *seen) == "OrderTooOld" and not submit(trio, *seen) and trio.pauses() == 0


def test_an_under_signed_order_is_refused(trio: OrderBench, seen: tuple[Order, bytes]) -> None:
    order, packed = seen
    one = signed_by(trio, order, 2)
    for few, why in ((pack(one), "TooFewSignatures"), (b"", "TooFewSignatures"), (pack(one) * 2, "SignersNotAscending")):
        assert check(trio, order, few) == why and not submit(trio, order, few)
    (low, high) = (packed[:65], packed[65:])
    assert check(trio, order, high + low) == "SignersNotAscending" and trio.pauses() == 0


def test_a_foreign_order_is_refused(trio: OrderBench, seen: tuple[Order, bytes]) -> None:
    """Signed for another chain, another contract, another target, or by somebody who is no sentinel."""
    order, _ = seen
    elsewhere = [
        pack(signed_by(trio, order, 0, 1, chain=1)),
        pack(signed_by(trio, order, 0, 1, place=STRANGER)),
        pack(signed_by(trio, order_at(trio, trio.stamp(hex(order.observed_block)), target="pool"), 0, 1)),
    ]
    assert all(check(trio, order, packed) in ("NotSentinel", "SignersNotAscending") for packed in elsewhere)
    assert not any(submit(trio, order, packed) for packed in elsewhere)
    trio.send("guardian_person", "guardian", "revokeSentinel", SENTINELS[0].address)
    assert check(trio, *seen) == "NotSentinel" and not submit(trio, *seen) and trio.pauses() == 0


def test_a_cancelled_order_is_refused(trio: OrderBench, seen: tuple[Order, bytes]) -> None:
    trio.send("guardian_person", "guardian", "cancel", seen[0].struct)
    assert check(trio, *seen) == "OrderClosed" and not submit(trio, *seen) and trio.pauses() == 0


def test_an_order_signed_in_shadow_pauses_nothing_then_and_later(trio: OrderBench) -> None:
    trio.by_admin("guardian", "shadow", trio.at["vault"])
    order = order_at(trio, trio.head())
    trio.anvil.mine()
    packed = pack(signed_by(trio, order, 0, 1))
    assert submit(trio, order, packed) and trio.pauses() == 0
    assert check(trio, order, packed) == "OrderClosed"
    trio.by_admin("guardian", "arm", trio.at["vault"])
    assert check(trio, order, packed) == "WrongEpoch" and not submit(trio, order, packed) and trio.pauses() == 0


def test_at_the_head_the_hash_alone_is_unknown(trio: OrderBench) -> None:
    """What the machine relies on when it simulates at the observed block itself."""
    order = order_at(trio, trio.head())
    assert check(trio, order, pack(signed_by(trio, order, 0, 1))) == "WrongBlockHash"


# ---------------------------------------------------------------- peers that misbehave


def as_peer(peer: Peer, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "bravo", "url": peer.url, **more}]


async def test_a_peers_signature_completes_the_order(trio: OrderBench, book: Store, peer: Peer) -> None:
    at = trio.head()
    order = order_at(trio, at)
    peer.serve(board(trio, (order, next(iter(signed_by(trio, order, 1).values())))))
    judge(book, at, "d1")
    worker = trio.executor(book, peers=as_peer(peer), turn_blocks=0)
    await until(worker, is_(book, "reported"))
    found = json.loads(row(book).execution or "")
    assert set(found["signatures"]) == {SENTINELS[0].address, SENTINELS[1].address} and trio.pauses() == 1
    await worker.close()


def misbehaving(bench: OrderBench, at: Any) -> dict[str, tuple[int, bytes]]:
    """What a peer could serve to make us believe, or break."""
    order = order_at(bench, at)
    ours, second = signed_by(bench, order, 0), signed_by(bench, order, 1)
    (own,), (good,) = ours.values(), second.values()
    other = order_at(bench, at, rule="g/else")
    (elsewhere,) = signed_by(bench, other, 1).values()
    (foreign,) = signed_by(bench, order, 1, chain=1).values()
    return {
        "our own signature back": (200, board(bench, (order, own))),
        "a signature of another order under ours": (200, board(bench, (order, elsewhere))),
        "another order": (200, board(bench, (other, elsewhere))),
        "for another chain": (200, board(bench, (order, foreign))),
        "another guardian's board": (200, board(bench, (order, good), guardian=STRANGER)),
        "another chain's board": (200, board(bench, (order, good), chain_id=1)),
        "another version": (200, board(bench, (order, good), version=2)),
        "v of 0": (200, board(bench, (order, good[:64] + bytes([good[64] - 27])))),
        "junk": (200, b"<html>"),
        "deep junk": (200, b"[" * 30_000),
        "wrong shapes": (200, board(bench, orders=[{"order": 1, "signature": 2}])),
        "too many": (200, board(bench, *[(order, own)] * (MAX_ORDERS + 1))),
        "megabytes": (200, b" " * 10_000_000),
        "an error": (500, board(bench, (order, good))),
        "a redirect": (302, board(bench, (order, good))),
    }


async def test_what_a_misbehaving_peer_serves_counts_for_nothing(trio: OrderBench, book: Store, peer: Peer) -> None:
    at = trio.head()
    judge(book, at, "d1")
    worker = trio.executor(book, peers=as_peer(peer), turn_blocks=0)
    for name, (status, body) in misbehaving(trio, at).items():
        peer.serve(body, status)
        asked = peer.asked
        await worker.advance_once()
        assert peer.asked == asked + 1, name
        assert row(book).state == "signed", name
        with book.read() as unit:
            assert ledger.signatures(unit, [pause(book).signed[-1].digest or ""]) == {}, name
    assert trio.pauses() == 0
    order = order_at(trio, at)
    peer.serve(board(trio, (order, next(iter(signed_by(trio, order, 1).values())))))
    await until(worker, is_(book, "reported"))
    assert worker.peers.problems == {}
    await worker.close()


async def test_a_peer_that_hangs_or_drips_costs_no_time_when_another_has_what_is_needed(
    trio: OrderBench, book: Store, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PEER_SECONDS", 30.0)
    released = threading.Event()
    slow = Peer()

    def hang(headers: Any) -> tuple[int, bytes]:
        released.wait(60)
        return 200, b""

    slow.answer = hang
    at = trio.head()
    order = order_at(trio, at)
    peer.serve(board(trio, (order, next(iter(signed_by(trio, order, 1).values())))))
    judge(book, at, "d1")
    worker = trio.executor(book, peers=[{"name": "slow", "url": slow.url}, *as_peer(peer)], turn_blocks=0)
    await until(worker, is_(book, "reported"), 25)
    released.set()
    await worker.close()
    slow.close()


async def test_a_silent_peer_is_named_without_its_address_and_people_are_paged(trio: OrderBench, book: Store, peer: Peer) -> None:
    url = peer.url.replace("127.0.0.1", "user:canary-secret@127.0.0.1")
    peer.close()
    judge(book, trio.head(), "d1")
    worker = trio.executor(book, peers=[{"name": "bravo", "url": url}], stuck_blocks=2)
    await until(worker, lambda: "bravo: silent" in (row(book).note or ""))
    trio.anvil.mine(2)
    judge(book, trio.head(), "d1")
    await worker.advance_once()
    found = row(book)
    assert found.paged_at is not None and "pauseTarget(" in (found.note or "") and "fewer than 2" in (found.note or "")
    assert "canary" not in (found.note or "") and "127.0.0.1" not in (found.note or "")
    with book.read() as unit:
        assert ledger.outcomes(unit, 0) == {("vault", "stuck"): 1}
    await worker.close()


async def test_sentinels_that_fire_a_block_apart_meet_at_the_later_block(trio: OrderBench, book: Store, peer: Peer) -> None:
    """We fired first; the other is one block late, and signs that block alone."""
    judge(book, trio.head(), "d1")
    worker = trio.executor(book, peers=as_peer(peer), turn_blocks=0)
    await worker.advance_once()
    trio.anvil.mine()
    later = trio.head()
    order = order_at(trio, later)
    peer.serve(board(trio, (order, next(iter(signed_by(trio, order, 1).values())))))
    judge(book, later, "d1")
    await until(worker, is_(book, "reported"))
    assert pause(book).chosen is not None and pause(book).chosen.number == later.number  # type: ignore[union-attr]
    await worker.close()


async def test_who_fires_after_the_others_paused_is_not_needed_and_pages_nobody(trio: OrderBench, book: Store) -> None:
    order = order_at(trio, trio.head())
    assert submit(trio, order, pack(signed_by(trio, order, 1, 2)))
    judge(book, trio.head(), "d1")
    worker = trio.executor(book, stuck_blocks=1)
    trio.anvil.mine(2)
    await until(worker, is_(book, "refused"))
    assert row(book).note == ledger.NEEDLESS and row(book).paged_at is None
    await worker.close()


# ---------------------------------------------------------------- what we serve


async def test_the_board_is_for_who_knows_the_token(trio: OrderBench, book: Store) -> None:
    async def board_of() -> bytes:
        return await book.look(lambda unit: posted(unit, CHAIN_ID, trio.at["guardian"], time.time()))

    web = httpx.ASGITransport(Starlette(routes=[route(board_of, TOKEN)]))
    async with httpx.AsyncClient(transport=web, base_url="http://s0") as client:
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}, {"Authorization": "Bearer "}):
            refused = await client.get("/guardian/orders", headers=headers)
            assert refused.status_code == 401 and TOKEN not in refused.text
        good = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.post("/guardian/orders", headers=good)).status_code == 405
        answer = await client.get("/guardian/orders", headers=good)
    assert answer.json() == {"version": 1, "chain_id": CHAIN_ID, "guardian": trio.at["guardian"], "orders": []}
    assert answer.headers["cache-control"] == "no-store"


async def test_the_board_holds_what_was_signed_and_no_more_than_peers_take(trio: OrderBench, book: Store) -> None:
    worker = trio.executor(book)
    judge(book, trio.head(), "d1")
    await worker.advance_once()
    judge(book, trio.head(), "d1")  # judged again, signed once
    with book.begin() as unit:
        body = posted(unit, CHAIN_ID, trio.at["guardian"], time.time())
        ((order, signature),) = read_board(body, CHAIN_ID, trio.at["guardian"])
        assert order == order_at(trio, trio.head())
        assert recover(digest(order, CHAIN_ID, trio.at["guardian"]), signature) == SENTINELS[0].address
        assert (
            json.loads(body)["orders"][0]["order"]["decision"]
            == "0x" + ledger.document_digest(document(trio.head(), "vault", "g/d1")).hex()
        )
        assert read_board(posted(unit, CHAIN_ID, trio.at["guardian"], time.time() + 3600), CHAIN_ID, trio.at["guardian"]) == []
    with book.begin() as unit:
        for i in range(MAX_ORDERS + 3):
            at = replace(trio.head(), number=10_000 + i, hash=Hash(f"0x{i:064x}"))
            ledger.observe(unit, at, {"d1": document(at)}, time.time())
            order = Order(trio.at["vault"], 1, b"\x01" * 32, at.number, at.hash)
            assert ledger.sign(unit, "d1", ledger.pause(unit, "d1").sightings[-1], order, "0x" + "00" * 32, b"\x01" * 65, time.time())
        assert len(ledger.pause(unit, "d1").sightings) == MAX_ORDERS + 3, "what is too old for the contract is not kept"
    with book.read() as unit:
        full = posted(unit, CHAIN_ID, trio.at["guardian"], time.time())
    assert len(read_board(full, CHAIN_ID, trio.at["guardian"])) == MAX_ORDERS and len(full) < pulling.MAX_BOARD_BYTES
    await worker.close()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda i: st.lists(i, max_size=3)
       | st.dictionaries(st.sampled_from(["version", "chain_id", "guardian", "orders", "order", "signature"]), i, max_size=4), max_leaves=9)
       .map(lambda v: json.dumps(v).encode()))  # fmt: skip
def test_a_strangers_bytes_are_a_board_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadBoard):
        assert isinstance(read_board(body, 1, STRANGER), list)


# ---------------------------------------------------------------- gathering, pure


PEOPLE = [address("0x" + f"{i:02x}" * 20) for i in range(1, 7)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, 9), max_size=6), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, 20), max_size=6), st.integers(1, 4), st.integers(0, 20),
)  # fmt: skip
def test_only_live_sentinels_count_and_no_more_than_needed_go_along(
    signed: list[dict[Address, int]], sentinels: dict[Address, int], threshold: int, now: int
) -> None:
    names = [f"0x{i}" for i in range(len(signed))]
    whole = {n: {a: bytes([v]) * 65 for a, v in s.items()} for n, s in zip(names, signed, strict=True)}
    found = gathered(names, whole, sentinels, threshold, now)
    enough = [n for n in names if sum(sentinels.get(a, 0) > now for a in whole[n]) >= threshold]
    assert (found is None) == (not enough)
    if found is not None:
        assert found.digest == enough[0] and len(found.signatures) == 65 * threshold
        assert set(found.signers) == {a for a in whole[found.digest] if sentinels.get(a, 0) > now}
        assert sorted(found.turn(a) for a in found.signers) == list(range(len(found.signers)))
        assert found.turn(None) == found.turn(STRANGER) == len(found.signers)


def test_a_threshold_of_nobody_is_never_met() -> None:
    assert gathered(["0x0"], {"0x0": {}}, {}, 0, 1) is None
