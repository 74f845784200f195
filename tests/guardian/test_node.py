"""The guardian's endpoints: a question that is given up must not harm the ones that follow."""

from __future__ import annotations

import asyncio
import threading

import pytest

from monitor.guardian.node import Node, Nodes, Refused, Silent
from tests.guardian.bench import CHAIN_ID, Bench, Relay, endpoint


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
