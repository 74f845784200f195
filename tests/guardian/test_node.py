"""The guardian's endpoints: a question that is given up must not harm the ones that follow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from monitor.guardian.execution.chain import Chain
from monitor.guardian.node import Node, Nodes, Refused, Silent, number
from monitor.model import Hash
from tests.guardian.bench import CHAIN_ID, Bench, Drop, Relay, endpoint


async def test_questions_given_up_block_none_that_follow(bench: Bench) -> None:
    """A majority answers and the rest is cancelled, again and again: each later question must still be asked."""
    node = Node(endpoint(bench.url), seconds=2.0)
    for _ in range(30):
        tasks = [asyncio.create_task(node.ask("eth_chainId")) for _ in range(8)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await node.ask("eth_chainId") == hex(CHAIN_ID)
    await node.close()


async def test_asking_leaves_no_thread_behind(bench: Bench) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    nodes = Nodes([endpoint(bench.url, f"e{i}") for i in range(3)], 2.0)
    for _ in range(20):
        assert await nodes.agreed("the chain", str, "eth_chainId") == hex(CHAIN_ID)
    await nodes.close()
    assert not [t for t in threading.enumerate() if t.ident not in before and not t.daemon]


@pytest.mark.parametrize("answer", [{"result": 1, "error": None}, {"error": {"code": -32000, "message": "no"}}, {}])
async def test_what_an_endpoint_says_is_a_value_a_refusal_or_silence(relay: Relay, answer: dict[str, object]) -> None:
    relay.handler = lambda method, params, forward: answer
    node = Node(endpoint(relay.url), seconds=2.0)
    said = await node.ask("eth_chainId")
    assert said == 1 if "result" in answer else isinstance(said, Refused if answer else Silent)
    await node.close()


async def test_nobody_at_the_address_is_silence() -> None:
    node = Node(endpoint("http://127.0.0.1:9"), seconds=1.0)
    assert isinstance(await node.ask("eth_chainId"), Silent)
    await node.close()


# ---------------------------------------------------------------- one that lies must not stop the others


JUNK = [
    {"number": "0x1", "hash": [], "timestamp": "0x1", "baseFeePerGas": "0x1"},  # a value that no dictionary takes as a key
    {"number": "0x1", "hash": {}, "timestamp": "0x1", "baseFeePerGas": "0x1"},
    "block",
    ["removed"],
    [[]],
    [None],
    [{"topics": "0x", "blockHash": [], "blockNumber": "0x1", "transactionHash": {}}],
    {"blockHash": [], "blockNumber": "0x1", "status": "0x1"},
    True,
    1e308,
    None,
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
async def test_junk_of_one_endpoint_is_no_vote_whatever_its_shape(bench: Bench, relay: Relay, junk: object) -> None:
    relay.handler = lambda method, params, forward: {"result": junk}
    nodes = Nodes([endpoint(relay.url), endpoint(bench.url, "b"), endpoint(bench.url, "c")], 2.0)
    chain, at = Chain(nodes, bench.guardian), bench.head()
    head = await chain.head()
    assert head.hash == at.hash == await chain.hash_at(at.number)
    assert await chain.receipt(Hash("0x" + "11" * 32)) is None
    assert await chain.fates(bench.guardian, [bytes(32)], 0, head) == []
    await nodes.close()


async def test_the_head_is_where_a_majority_is_though_one_lies_low_and_one_is_slow(bench: Bench, relay: Relay) -> None:
    """Two answers are a majority, but two that differ that much are no agreement: the third is waited for."""
    slow = Relay(bench.url)

    def late(method: str, params: list[object], forward: Callable[[], Any]) -> Any:
        time.sleep(0.5)
        return forward()

    relay.handler = lambda method, params, forward: {"result": "0x0"} if method == "eth_blockNumber" else forward()
    slow.handler = late
    nodes = Nodes([endpoint(relay.url), endpoint(slow.url, "b"), endpoint(bench.url, "c")], 4.0)
    assert (await Chain(nodes, bench.guardian).head()).number == bench.head().number > 1
    await nodes.close()
    slow.close()


async def test_an_endpoint_that_is_down_is_not_waited_for_when_the_others_are_a_block_apart(bench: Bench, relay: Relay) -> None:
    behind, hanging = bench.head().number - 1, Relay(bench.url)
    released = threading.Event()
    relay.handler = lambda method, params, forward: {"result": hex(behind)}

    def hang(method: str, params: list[object], forward: Callable[[], Any]) -> Any:
        released.wait(20)
        raise Drop

    hanging.handler = hang
    nodes = Nodes([endpoint(relay.url), endpoint(hanging.url, "b"), endpoint(bench.url, "c")], 20.0)
    begun = time.monotonic()
    assert await nodes.middle("head", number, "eth_blockNumber", apart=2) == behind
    assert time.monotonic() - begun < 5
    released.set()
    await nodes.close()
    hanging.close()
