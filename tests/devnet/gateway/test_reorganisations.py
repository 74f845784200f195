"""What geth remembers of blocks that are no longer on the chain, and tells of them; anvil forgets them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.devnet.gateway.conftest import LOGGER, SINK, Chain, Net, Socket, signed

POOL = "eth_sendRawTransaction"
NUMBER_AND_ITS_HASH = "0x" + "a3" * 20
"""Answers a call with the block's number, its own blockhash and its parent's."""


async def logged(chain: Chain, role: str = "staker_0") -> tuple[str, dict[str, Any]]:
    """A block with one log: the transaction's hash, and the block in full."""
    raw, hash = signed(role, to=LOGGER)
    await chain.ask(POOL, raw)
    await mine(chain)
    return hash, await chain.head()


async def mine(chain: Chain) -> None:
    await (chain.mine() if isinstance(chain, Net) else _mine(chain))


async def _mine(chain: Chain) -> None:
    chain.anvil.mine()


async def reorg(chain: Chain, depth: int) -> None:
    await (chain.reorg(depth) if isinstance(chain, Net) else _reorg(chain, depth))


async def _reorg(chain: Chain, depth: int) -> None:
    chain.anvil.reorg(depth)


async def test_an_orphan_is_known_by_its_hash(alone: Chain, net: Net) -> None:
    blocks = {}
    for chain in (alone, net):
        _, blocks[chain] = await logged(chain)
        await reorg(chain, 1)
    assert await alone.ask("eth_getBlockByHash", blocks[alone]["hash"], False) is None
    orphan = blocks[net]
    assert await net.ask("eth_getBlockByHash", orphan["hash"], True) == orphan
    short = await net.ask("eth_getBlockByHash", orphan["hash"], False, at="bravo")
    assert short["transactions"] == [orphan["transactions"][0]["hash"]]
    assert (await net.ask("eth_getBlockByNumber", orphan["number"], False))["hash"] != orphan["hash"]
    assert await net.ask("eth_getBlockByHash", "0x" + "77" * 32, False) is None


async def test_the_receipt_of_an_orphaned_transaction_vanishes_and_comes_again(alone: Chain, net: Net) -> None:
    hashes = {}
    for chain in (alone, net):
        hashes[chain], _ = await logged(chain)
        await reorg(chain, 1)
        assert await chain.ask("eth_getTransactionReceipt", hashes[chain]) is None
        await mine(chain)
    assert await alone.ask("eth_getTransactionByHash", hashes[alone]) is None, "anvil has dropped it"
    again = await net.ask("eth_getTransactionReceipt", hashes[net])
    assert again["status"] == "0x1" and again["blockHash"] == (await net.head())["hash"]


async def test_an_orphaned_transaction_is_pending_again_until_it_is_mined(net: Net) -> None:
    hash, _ = await logged(net)
    await net.reorg(1)
    assert (await net.ask("eth_getTransactionByHash", hash))["blockHash"] is None
    assert await net.ask("txpool_status") == {"pending": "0x1", "queued": "0x0"}


async def test_what_the_new_branch_made_invalid_does_not_come_back(net: Net) -> None:
    """The same nonce was taken for something else there, by people who do not come through an endpoint."""
    _, old = signed(value=5)
    raw, _ = signed(value=5)
    await net.ask(POOL, raw)
    await net.mine()
    sender = (await net.ask("eth_getTransactionByHash", old))["from"]
    net.anvil.reorg(1, [({"from": sender, "to": SINK, "value": "0x9", "gas": "0x5208"}, 0)])
    await net.settled()
    assert await net.ask("eth_getTransactionByHash", old) is None
    assert await net.ask("txpool_status") == {"pending": "0x0", "queued": "0x0"}


@pytest.mark.parametrize(
    ("method", "params"), [("eth_call", [{"to": SINK}]), ("eth_getBalance", [SINK]), ("eth_getStorageAt", [SINK, "0x0"])]
)
async def test_an_orphan_is_not_canonical_and_its_state_is_gone(alone: Chain, net: Net, method: str, params: list[Any]) -> None:
    for chain in (alone, net):
        _, block = await logged(chain)
        assert await chain.ask(method, *params, {"blockHash": block["hash"], "requireCanonical": True})
        await reorg(chain, 1)
        by_hash = {"blockHash": block["hash"]}
        canonical = {**by_hash, "requireCanonical": True}
        if chain is alone:
            assert await chain.refused(method, *params, canonical) == (-32001, "Resource not found")
            assert await chain.refused(method, *params, by_hash) == (-32001, "Resource not found")
        else:
            root = block["stateRoot"]
            gone = f"missing trie node {root[2:]} (path ) state {root} is not available, not found"
            assert await chain.refused(method, *params, canonical) == (-32000, "hash is not currently canonical")
            assert await chain.refused(method, *params, by_hash) == (-32000, gone)


async def test_blocks_that_never_were_are_refused_in_geths_words(alone: Chain, net: Net) -> None:
    unknown, call = {"blockHash": "0x" + "77" * 32}, {"to": SINK}
    assert await alone.refused("eth_call", call, unknown) == (-32001, "Resource not found")
    assert await net.refused("eth_call", call, unknown) == (-32000, "header for hash not found")
    assert await net.refused("eth_call", call, {**unknown, "requireCanonical": True}) == (-32000, "header for hash not found")
    assert (await alone.refused("eth_getBalance", SINK, "0x999"))[0] == -32602
    assert await net.refused("eth_getBalance", SINK, "0x999") == (-32000, "header not found")
    for chain in (alone, net):
        assert await chain.refused("eth_getLogs", unknown) == (-32000, "unknown block")


async def test_an_orphans_logs_and_receipts_are_still_told_by_its_hash(alone: Chain, net: Net) -> None:
    """geth has no requireCanonical for logs: it takes the filter and answers from what it has of the block."""
    for chain in (alone, net):
        _, block = await logged(chain)
        query = {"blockHash": block["hash"]}
        before = await chain.ask("eth_getLogs", query)
        receipts = await chain.ask("eth_getBlockReceipts", query)
        await reorg(chain, 1)
        if chain is alone:
            assert await chain.refused("eth_getLogs", query) == (-32000, "unknown block")
            continue
        assert len(before) == 1 and await chain.ask("eth_getLogs", {**query, "requireCanonical": True}) == before
        assert await chain.ask("eth_getLogs", {**query, "address": SINK}) == []
        assert await chain.ask("eth_getLogs", {"fromBlock": block["number"], "toBlock": block["number"]}) == []
        assert await chain.ask("eth_getBlockReceipts", query) == receipts


async def test_a_batch_is_answered_in_its_order_whoever_answers(net: Net) -> None:
    _, orphan = await logged(net)
    await net.reorg(1)
    raw, hash = signed("staker_1")
    calls = [
        ("eth_getBlockByHash", [orphan["hash"], False]), ("eth_sendRawTransaction", [raw]), ("eth_blockNumber", []),
        ("eth_getBalance", [SINK, {"blockHash": orphan["hash"], "requireCanonical": True}]), ("eth_maxPriorityFeePerGas", []),
    ]  # fmt: skip
    import httpx

    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        body = [{"jsonrpc": "2.0", "id": 7 - i, "method": method, "params": params} for i, (method, params) in enumerate(calls)]
        answers = (await client.post(net.endpoints["alpha"].url, json=body)).json()
    assert [answer["id"] for answer in answers] == [7, 6, 5, 4, 3]
    assert answers[0]["result"]["hash"] == orphan["hash"] and answers[1]["result"] == hash
    assert answers[3]["error"]["message"] == "hash is not currently canonical"


# ---------------------------------------------------------------- subscriptions


async def test_logs_of_a_block_that_is_taken_out_are_told_as_removed(net: Net, socket: Socket) -> None:
    await socket.call("eth_subscribe", "logs", {"address": LOGGER})
    hash, block = await logged(net)
    first = await socket.brought()
    assert (first["transactionHash"], first["removed"]) == (hash, False)
    await net.reorg(1)
    assert await socket.brought() == {**first, "removed": True}
    await net.mine()
    again = await socket.brought()
    assert (again["transactionHash"], again["removed"]) == (hash, False) and again["blockHash"] != block["hash"]


async def test_anvil_alone_tells_no_removed_logs(alone: Chain) -> None:
    import aiohttp

    async with aiohttp.ClientSession(trust_env=False) as session, session.ws_connect(alone.anvil.ws_url) as opened:
        socket = Socket(opened)
        await socket.call("eth_subscribe", "logs", {"address": LOGGER})
        await logged(alone)
        assert not (await socket.brought())["removed"]
        await reorg(alone, 1)
        await logged(alone, "staker_1")
        assert not (await socket.brought())["removed"], "the next that comes is another transaction's"


async def test_only_what_a_filter_asks_for_is_told(net: Net, socket: Socket) -> None:
    topic = "0x" + "00" * 31 + "07"
    net.anvil.set_code(LOGGER, bytes.fromhex("60075f5fa1"))
    await socket.call("eth_subscribe", "logs", {"address": SINK})
    await socket.call("eth_subscribe", "logs", {"topics": ["0x" + "00" * 32]})
    await socket.call("eth_subscribe", "logs", {"topics": [None, topic]})
    await socket.call("eth_subscribe", "logs", {"topics": [["0x" + "00" * 32, topic]], "address": [SINK, LOGGER]})
    hash, _ = await logged(net)
    await socket.call("eth_subscribe", "newHeads")
    await net.mine()
    came = [await socket.brought() for _ in range(2)]
    assert [entry.get("transactionHash") for entry in came] == [hash, None]


async def test_new_heads_tell_the_whole_new_branch(net: Net, socket: Socket) -> None:
    """anvil agrees, as its branch is mined block by block."""
    await net.mine(3)
    await socket.call("eth_subscribe", "newHeads")
    await net.reorg(2)
    heads = [await socket.brought() for _ in range(2)]
    head = await net.head()
    assert [int(each["number"], 16) for each in heads] == [2, 3]
    assert heads[1]["hash"] == head["hash"] and heads[1]["parentHash"] == heads[0]["hash"] and "transactions" not in heads[0]


async def test_pending_transactions_are_announced_and_a_subscription_ends(net: Net, socket: Socket) -> None:
    identity = (await socket.call("eth_subscribe", "newPendingTransactions"))["result"]
    raw, hash = signed()
    await net.ask(POOL, raw, at="charlie")
    assert await socket.brought() == hash
    assert (await socket.call("eth_unsubscribe", identity))["result"] is True
    assert (await socket.call("eth_unsubscribe", identity))["result"] is False
    assert 'no "syncing2" subscription' in (await socket.call("eth_subscribe", "syncing2"))["error"]["message"]


# ---------------------------------------------------------------- calls and fees


async def test_a_call_at_the_head_sees_its_own_blockhash_as_zero(alone: Chain, net: Net) -> None:
    """Anvil agrees: such a call runs as part of the head, whose hash it cannot know."""
    for chain in (alone, net):
        chain.anvil.set_code(NUMBER_AND_ITS_HASH, bytes.fromhex("435f5243406020526001430340604052" + "60605ff3"))
        chain.anvil.mine(2)
        head = await chain.head()
        for at in ("latest", head["number"], {"blockHash": head["hash"]}):
            answer = await chain.ask("eth_call", {"to": NUMBER_AND_ITS_HASH}, at)
            assert answer == "0x" + f"{int(head['number'], 16):064x}" + "00" * 32 + head["parentHash"][2:]


async def test_a_call_must_offer_the_base_fee_if_it_offers_anything(alone: Chain, net: Net) -> None:
    sender = "0x" + "99" * 20
    call = {"from": sender, "to": SINK, "gas": "0xc350", "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1"}
    for chain in (alone, net):
        chain.anvil.set_balance(sender, 10**18)
        chain.anvil.mine()
    assert await alone.ask("eth_call", call, "latest") == "0x"
    fee = int((await net.head())["baseFeePerGas"], 16)
    words = f"max fee per gas less than block base fee: address {sender}, maxFeePerGas: 1, baseFee: {fee}"
    assert await net.refused("eth_call", call, "latest") == (-32000, f"err: {words} (supplied gas 50000)")
    assert await net.refused("eth_estimateGas", call) == (-32000, words)
    hash = (await net.head())["hash"]
    assert await net.ask("eth_call", {**call, "maxFeePerGas": hex(fee)}, {"blockHash": hash}) == "0x"
    assert await net.ask("eth_call", {**call, "maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"}, "latest") == "0x"


async def test_a_call_must_be_payable(alone: Chain, net: Net) -> None:
    sender = "0x" + "98" * 20
    call = {"from": sender, "to": SINK, "value": "0x1"}
    assert await alone.refused("eth_call", call, "latest") == (-32003, "Insufficient funds for gas * price + value")
    code, words = await net.refused("eth_call", call, "latest")
    assert code == -32000 and words.startswith(f"err: insufficient funds for gas * price + value: address {sender}")


async def test_fee_history_tells_the_next_base_fee_too(alone: Chain, net: Net) -> None:
    """Anvil agrees."""
    for chain in (alone, net):
        for _ in range(3):
            await logged(chain) if chain.anvil.head()[0] == 0 else await mine(chain)
        told = await chain.ask("eth_feeHistory", "0x2", "latest", [50])
        head = await chain.head()
        assert len(told["baseFeePerGas"]) == 3 and len(told["gasUsedRatio"]) == 2 and len(told["reward"]) == 2
        assert int(told["oldestBlock"], 16) == int(head["number"], 16) - 1
        assert told["baseFeePerGas"][1] == head["baseFeePerGas"]
        await mine(chain)
        assert (await chain.head())["baseFeePerGas"] == told["baseFeePerGas"][2]


async def test_the_suggested_tip_is_what_the_last_blocks_took(alone: Chain, net: Net) -> None:
    for chain in (alone, net):
        suggested = []
        for i, role in enumerate(("staker_0", "staker_1", "staker_2", "attacker")):
            suggested.append(int(await chain.ask("eth_maxPriorityFeePerGas"), 16))
            raw, _ = signed(role, fee=20, tip=5 + i)
            await chain.ask(POOL, raw)
            await mine(chain)
        suggested.append(int(await chain.ask("eth_maxPriorityFeePerGas"), 16))
        if chain is alone:
            assert (suggested[0], suggested[-1]) == (10**9, 8 * 10**9), "anvil says what the last block took"
        else:
            assert (suggested[0], suggested[-1]) == (10**6, 6 * 10**9)
            price = int(await chain.ask("eth_gasPrice"), 16)
            assert price == suggested[-1] + int((await chain.head())["baseFeePerGas"], 16)
