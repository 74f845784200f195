"""What drills do to the network: jams, orphaned and withheld transactions, branches."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from monitor.devnet.accounts import address_of
from monitor.devnet.gateway import Control, Gateway, Jam
from monitor.devnet.proxies import EndpointProxy
from monitor.devnet.upstream import Fails
from tests.devnet.gateway.conftest import GWEI, LOGGER, SINK, Chain, Net, Socket, signed

POOL = "eth_sendRawTransaction"


async def test_a_jam_fills_blocks_and_the_base_fee_rises_by_its_rule(net: Net) -> None:
    await net.gateway.jam(base_fee=10 * GWEI)
    raw, hash = signed(fee=12, tip=1)
    await net.ask(POOL, raw)
    fees, full = [], []
    for _ in range(4):
        await net.mine()
        head = await net.head()
        fees.append(int(head["baseFeePerGas"], 16))
        full.append(head["gasUsed"] == head["gasLimit"])
    assert full == [True] * 4 and fees[0] == 10 * GWEI
    assert all(later == sooner + sooner // 8 for sooner, later in itertools.pairwise(fees))
    assert (await net.ask("eth_getTransactionByHash", hash, at="bravo"))["blockHash"] is None, "no room, and overtaken by the base fee"
    await net.gateway.calm()
    await net.mine(4)
    assert (await net.ask("eth_getTransactionReceipt", hash))["status"] == "0x1"


async def test_who_pays_as_much_as_the_crowd_is_put_in_before_it(net: Net) -> None:
    await net.gateway.jam(Jam(tip=2 * GWEI), base_fee=10 * GWEI)
    (cheap, _), (dear, hash) = signed(fee=12, tip=1), signed(fee=14, tip=2)
    await net.ask(POOL, cheap)
    await net.mine()
    assert not any(tx["to"] == SINK for tx in (await net.head())["transactions"])
    await net.ask(POOL, dear)
    await net.mine()
    head = await net.head()
    assert hash in {tx["hash"] for tx in head["transactions"]} and len(head["transactions"]) == 2
    tip = int(await net.ask("eth_maxPriorityFeePerGas"), 16)
    assert tip >= GWEI, "the market is seen in what is suggested"


async def test_a_chain_without_a_clock_is_not_jammed(net: Net) -> None:
    net.anvil.rpc.call("evm_setAutomine", True)
    try:
        with pytest.raises(Fails, match="clock"):
            await net.gateway.jam()
    finally:
        net.anvil.rpc.call("evm_setAutomine", False)


async def test_an_orphaned_transaction_is_kept_out_for_a_while(net: Net) -> None:
    (raw, hash), (other, bystander) = signed(), signed("staker_1")
    await net.ask(POOL, raw)
    await net.ask(POOL, other)
    await net.mine(2)
    assert await net.gateway.orphan(hash, 2) == 2
    await net.settled()
    for kept_out in (True, True, False):
        await net.mine()
        found = await net.ask("eth_getTransactionByHash", hash, at="charlie")
        assert (found["blockHash"] is None) is kept_out
        assert await net.ask("eth_getTransactionReceipt", bystander), "only the one is kept out"


async def test_a_transaction_is_held_until_it_is_released(net: Net) -> None:
    raw, hash = signed()
    await net.ask(POOL, raw)
    await net.gateway.hold(hash)
    await net.mine(2)
    assert (await net.ask("eth_getTransactionByHash", hash))["blockHash"] is None
    await net.gateway.release(hash)
    await net.mine()
    assert (await net.ask("eth_getTransactionReceipt", hash))["status"] == "0x1"


async def test_what_is_held_can_be_outbid(net: Net) -> None:
    (raw, hash), (better, replacement) = signed(), signed(fee=4, tip=2)
    await net.ask(POOL, raw)
    await net.gateway.hold(hash)
    await net.ask(POOL, better, at="bravo")
    await net.mine()
    assert (await net.ask("eth_getTransactionReceipt", replacement))["status"] == "0x1"


async def test_a_withheld_transaction_is_known_to_one_endpoint_only(net: Net) -> None:
    await net.gateway.withhold(["bravo"])
    raw, hash = signed()
    assert await net.ask(POOL, raw, at="bravo") == hash
    await net.mine(2)
    assert (await net.ask("eth_getTransactionByHash", hash, at="bravo"))["blockHash"] is None
    assert await net.ask("eth_getTransactionByHash", hash, at="alpha") is None
    assert await net.refused(POOL, raw, at="bravo") == (-32000, "already known")
    assert await net.ask(POOL, raw, at="alpha") == hash, "another takes it and tells it on"
    await net.mine()
    assert (await net.ask("eth_getTransactionReceipt", hash, at="bravo"))["status"] == "0x1"


async def test_what_was_withheld_is_told_when_that_ends(net: Net) -> None:
    await net.gateway.withhold(["bravo"])
    raw, hash = signed()
    await net.ask(POOL, raw, at="bravo")
    await net.gateway.withhold([])
    await net.mine()
    assert (await net.ask("eth_getTransactionReceipt", hash))["status"] == "0x1"
    with pytest.raises(Fails, match="there is no endpoint 'delta'"):
        await net.gateway.withhold(["delta"])


# ---------------------------------------------------------------- branches


async def heads(net: Net) -> list[dict[str, Any]]:
    return [await net.ask("eth_getBlockByNumber", "latest", False, at=name) for name in net.endpoints]


async def test_endpoints_on_two_branches_disagree_on_the_head(net: Net) -> None:
    await net.mine(3)
    before = await heads(net)
    await net.gateway.split(["charlie"], back=2)
    alpha, bravo, charlie = await heads(net)
    assert alpha == bravo == before[0] and charlie["hash"] != alpha["hash"]
    assert (charlie["number"], charlie["timestamp"]) == (alpha["number"], alpha["timestamp"])
    shared = await net.ask("eth_getBlockByNumber", "0x1", False)
    assert await net.ask("eth_getBlockByNumber", "0x1", False, at="charlie") == shared
    await net.mine(2)
    alpha, _, charlie = await heads(net)
    assert alpha["number"] == charlie["number"] == "0x5" and alpha["hash"] != charlie["hash"]
    assert await net.ask("eth_getBlockByHash", charlie["hash"], False, at="alpha") is None, "it never followed that branch"
    assert await net.ask("eth_getBlockByHash", alpha["hash"], False, at="charlie") is None
    main = {"blockHash": alpha["hash"]}
    assert await net.refused("eth_getBalance", SINK, main, at="charlie") == (-32000, "header for hash not found")
    assert await net.refused("eth_getLogs", main, at="charlie") == (-32000, "unknown block")
    assert await net.ask("eth_getBlockReceipts", main, at="charlie") is None


async def test_each_branch_has_its_own_state(net: Net) -> None:
    raw, _ = signed(value=10**18)
    await net.ask(POOL, raw)
    await net.mine()
    await net.gateway.split(["charlie"])
    sender = address_of("staker_0")
    balances = {await net.ask("eth_getBalance", sender, "latest", at=name) for name in net.endpoints}
    assert len(balances) == 1, "the shared past is the same"
    net.anvil.rpc.call("eth_sendTransaction", {"from": address_of("staker_1"), "to": SINK, "value": "0x7"})
    raw, hash = signed(nonce=1)
    await net.ask(POOL, raw, at="charlie")
    await net.mine()
    receipts = [await net.ask("eth_getTransactionReceipt", hash, at=name) for name in net.endpoints]
    assert [each["status"] for each in receipts] == ["0x1"] * 3 and receipts[0]["blockHash"] == receipts[1]["blockHash"] != receipts[2][
        "blockHash"
    ]
    assert await net.ask("eth_getBalance", SINK, "latest") == hex(10**18 + 8)
    assert await net.ask("eth_getBalance", SINK, "latest", at="charlie") == hex(10**18 + 1)


async def test_whoever_joins_again_sees_a_reorganisation(net: Net, socket: Socket) -> None:
    raw, hash = signed(to=LOGGER)
    await socket.call("eth_subscribe", "logs", {})
    await net.mine()
    await net.gateway.split(["alpha"])
    await net.gateway.hold(hash)
    await net.ask(POOL, raw)
    await net.gateway.release(hash)
    await net.mine()
    lost = await socket.brought()
    branch = await net.ask("eth_getBlockByNumber", "latest", False)
    await net.gateway.join()
    removed, again = await socket.brought(), await socket.brought()
    assert removed == {**lost, "removed": True} and again["transactionHash"] == hash and again["blockHash"] != lost["blockHash"]
    assert len({each["hash"] for each in await heads(net)}) == 1
    assert (await net.ask("eth_getBlockByHash", branch["hash"], False))["hash"] == branch["hash"], "it has seen that block"
    assert await net.refused("eth_call", {"to": SINK}, {"blockHash": branch["hash"], "requireCanonical": True}) == (
        -32000,
        "hash is not currently canonical",
    )


async def test_a_reorganisation_of_the_main_chain_leaves_the_other_branch_alone(net: Net) -> None:
    await net.mine(2)
    await net.gateway.split(["charlie"])
    await net.mine(2)
    charlie = (await heads(net))[2]
    await net.reorg(1)
    alpha, _, still = await heads(net)
    assert still == charlie and alpha["number"] == charlie["number"]
    await net.mine()
    assert (await heads(net))[2]["parentHash"] == charlie["hash"]


# ---------------------------------------------------------------- control


@pytest.fixture
async def control(net: Net) -> AsyncIterator[httpx.AsyncClient]:
    made = Control(net.gateway)
    await made.start()
    async with httpx.AsyncClient(trust_env=False, verify=False, base_url=made.url) as client:
        yield client
    await made.close()


async def test_drills_steer_it_from_another_process(net: Net, control: httpx.AsyncClient) -> None:
    raw, hash = signed(fee=15)
    await net.ask(POOL, raw)
    await net.mine()
    done = [
        {"do": "jam", "base_fee": 9 * GWEI, "fill": 0.9},
        {"do": "orphan", "transaction": hash, "blocks": None},
        {"do": "withhold", "endpoints": ["bravo"]},
        {"do": "split", "endpoints": ["charlie"]},
    ]
    for order in done:
        answer = await control.post("", json=order)
        assert answer.status_code == 200, answer.text
    assert (await control.get("")).json() == {
        "head": 1, "jam": {"tip": 2 * GWEI, "fill": 0.9}, "held": {hash: None}, "withholding": ["bravo"], "split": ["charlie"],
        "pools": {"alpha": 1, "bravo": 1, "charlie": 1},
    }  # fmt: skip
    for order in ({"do": "calm"}, {"do": "release", "transaction": hash}, {"do": "withhold", "endpoints": []}, {"do": "join"}):
        assert (await control.post("", json=order)).status_code == 200
    state = (await control.get("")).json()
    assert (state["jam"], state["held"], state["withholding"], state["split"]) == (None, {}, [], [])
    await net.mine()
    assert (await net.ask("eth_getTransactionReceipt", hash))["status"] == "0x1"


@pytest.mark.parametrize(
    "order",
    [
        {}, {"do": "jams"}, {"do": "jam", "fill": 2}, {"do": "jam", "more": 1}, {"do": "split", "endpoints": []},
        {"do": "split", "endpoints": ["delta"]}, {"do": "orphan", "transaction": "0x" + "00" * 32}, {"do": "hold", "transaction": "0x12"},
    ],
)  # fmt: skip
async def test_a_wrong_order_changes_nothing_and_says_why(net: Net, control: httpx.AsyncClient, order: Any) -> None:
    before = (await control.get("")).json()
    answer = await control.post("", json=order)
    assert answer.status_code == 422 and answer.json()["error"]
    assert (await control.get("")).json() == before


# ---------------------------------------------------------------- with a clock


async def test_it_keeps_up_with_a_chain_that_mines_by_itself(net: Net, socket: Socket) -> None:
    """Blocks of one second: a transaction sent between two is in the next."""
    await socket.call("eth_subscribe", "newHeads")
    net.anvil.mine_every(1)
    try:
        first = await socket.brought()
        raw, hash = signed()
        await net.ask(POOL, raw)
        second = await socket.brought()
        assert (await net.ask("eth_getTransactionReceipt", hash))["blockHash"] == second["hash"] and second["parentHash"] == first["hash"]
    finally:
        net.anvil.rpc.call("evm_setIntervalMining", 0)


async def test_it_catches_up_when_its_own_connection_was_dropped(alone: Chain) -> None:
    between = EndpointProxy(alone.anvil.http_url)
    await between.start()
    gateway = Gateway(between.url, ["alpha"])
    await gateway.start()
    try:
        feed = await gateway.peer("alpha").subscribe(["newHeads"])
        between.set(no_socket=True)
        alone.anvil.mine(3)
        between.healthy()
        numbers = [int((await asyncio.wait_for(anext(feed), 5))["number"], 16) for _ in range(3)]
        assert numbers == [1, 2, 3]
    finally:
        await gateway.close()
        await between.close()
