"""Calls one after the other at one block: each sees what those before it changed, from its true sender, on every client that takes code with a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain import Execution, NetworkSettings
from monitor.chain.stage import MAGIC, STAGE, NotStaged, Outcome, outcomes, request
from monitor.model import Answer, Call, Failed, Read, Staged, Step, Value, address
from tests.chain.conftest import Node, account

SWITCH, ALICE, BOB = account(0xD001), account(0xD002), address("0x" + "ab" * 20)
CODE = "36601157" + "5f5480601657" + "335f5260205ff3" + "5b335f5500" + "5b5f5260205ffd"
"""With data it keeps who called. Without, it says who called, until somebody was kept: then it reverts with who that was."""
ASK, PULL = Step(BOB, SWITCH, b"", undone=True), Step(ALICE, SWITCH, b"\1")
STAGED = Read(SWITCH, Staged((ASK, PULL, ASK)))
TRUTH = (Outcome(True, bytes.fromhex("00" * 12 + BOB[2:])), Outcome(True, b""), Outcome(False, bytes.fromhex("00" * 12 + ALICE[2:])))

Client = Callable[[list[Any]], list[Any] | dict[str, Any]]
"""What a client makes of the parameters of a call with code: other parameters, or the error that it answers."""


def takes(params: list[Any]) -> list[Any]:
    return params


def ignores(params: list[Any]) -> list[Any]:
    return params[:2]


def refuses(params: list[Any]) -> dict[str, Any]:
    return {"code": -32602, "message": "too many arguments, want at most 2"}


def takes_one_account(params: list[Any]) -> list[Any]:
    return [*params[:2], {STAGE: params[2][STAGE]}]


@asynccontextmanager
async def clients(node: Node, *kinds: Client) -> AsyncIterator[Execution]:
    """Endpoints before the node, one a client."""
    http = httpx.AsyncClient(trust_env=False)

    def server(kind: Client) -> web.AppRunner:
        async def handle(asked: web.Request) -> web.Response:
            given = await asked.json()
            calls = given if isinstance(given, list) else [given]
            told = {}
            for call in calls:
                if len(call.get("params") or []) > 2 and call["method"] == "eth_call":
                    made = kind(call["params"])
                    if isinstance(made, dict):
                        told[call["id"]] = {"jsonrpc": "2.0", "id": call["id"], "error": made}
                        continue
                    call = {**call, "params": made}
                told[call["id"]] = (await http.post(node.anvil.http_url, json=call)).json()
            found = [told[call["id"]] for call in calls]
            return web.Response(body=orjson.dumps(found if isinstance(given, list) else found[0]))

        app = web.Application()
        app.router.add_post("/", handle)
        return web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    runners = [server(kind) for kind in kinds]
    endpoints = []
    for i, runner in enumerate(runners):
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoints.append({"name": f"e{i}", "url": f"http://127.0.0.1:{runner.addresses[0][1]}"})
    chain = Execution(NetworkSettings.model_validate({"chain_id": 31337, "execution": endpoints}))
    try:
        yield chain
    finally:
        await chain.close()
        for runner in runners:
            await runner.cleanup()
        await http.aclose()


@pytest.fixture
def switch(node: Node) -> Node:
    node.anvil.rpc.call("anvil_setCode", SWITCH, "0x" + CODE)
    node.anvil.mine()
    return node


async def answer(chain: Execution, node: Node, read: Read = STAGED) -> Answer:
    stamp = node.stamp()
    node.anvil.mine()
    return (await chain.read(stamp, (read,), frozenset(), stamp.number - 1)).answers[read]


async def test_each_step_sees_what_those_before_it_changed(switch: Node) -> None:
    async with clients(switch, takes, takes, takes) as chain:
        found = await answer(chain, switch)
        assert isinstance(found, Value) and outcomes(found.data) == TRUTH and len(found.endpoints) >= 2
        plain = Read(SWITCH, Call(b""), caller=BOB)
        untouched = await answer(chain, switch, plain)
        assert isinstance(untouched, Value), "nothing of it stays on the chain"


async def test_what_is_undone_changes_nothing_for_the_next(switch: Node) -> None:
    read = Read(SWITCH, Staged((Step(ALICE, SWITCH, b"\1", undone=True), ASK)))
    async with clients(switch, takes) as chain:
        found = await answer(chain, switch, read)
        assert isinstance(found, Value) and outcomes(found.data) == (Outcome(True, b""), TRUTH[0])


@pytest.mark.parametrize("kind", [ignores, refuses, takes_one_account])
async def test_a_client_that_does_not_take_the_code_has_no_vote_and_is_not_accused(switch: Node, kind: Client) -> None:
    async with clients(switch, takes, kind, takes) as chain:
        found = await answer(chain, switch)
        assert isinstance(found, Value) and outcomes(found.data) == TRUTH
        assert [(h.errors, h.disputes) for h in chain.health()] == [({}, 0)] * 3
    async with clients(switch, kind, takes, kind) as chain:
        found = await answer(chain, switch)
        assert isinstance(found, Failed) and "2 must agree" in found.reason
        assert "too many arguments" in found.reason or "state override" in found.reason


async def test_a_step_that_eats_all_gas_is_told_and_the_others_are_made(switch: Node) -> None:
    eater = account(0xD003)
    switch.anvil.rpc.call("anvil_setCode", eater, "0xfe")
    switch.anvil.mine()
    async with clients(switch, takes) as chain:
        found = await answer(chain, switch, Read(SWITCH, Staged((Step(ALICE, eater, b"\1"), ASK))))
        assert isinstance(found, Value) and outcomes(found.data) == (Outcome(False, b""), TRUTH[0])


async def test_a_sender_is_an_account_without_code_for_everybody_else(switch: Node) -> None:
    """Called back by the target, it takes the call and says nothing: this code calls its caller and returns whether that went well, and how much it said."""
    caller_back = account(0xD004)
    switch.anvil.rpc.call("anvil_setCode", caller_back, "0x5f5f5f5f5f335af15f523d60205260405ff3")
    switch.anvil.mine()
    async with clients(switch, takes) as chain:
        found = await answer(chain, switch, Read(SWITCH, Staged((Step(ALICE, caller_back, b"\1"),))))
        assert isinstance(found, Value) and outcomes(found.data) == (Outcome(True, (1).to_bytes(32, "big") + bytes(32)),)


@pytest.mark.parametrize("steps", [(), (Step(SWITCH, SWITCH, b""),), (ASK, Step(ALICE, BOB, b"")), (Step(STAGE, SWITCH, b""),)])
def test_a_sender_whose_code_is_needed_is_refused(steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValueError, match="sender"):
        request(Staged(steps), 10**6)


@given(st.binary(max_size=200), st.booleans())
def test_any_answer_is_outcomes_or_none_of_the_stage(data: bytes, marked: bool) -> None:
    try:
        found = outcomes((MAGIC if marked else b"") + data)
    except NotStaged:
        return
    assert marked
    told = b"".join((32 + len(o.data)).to_bytes(32, "big") + int(o.success).to_bytes(32, "big") + o.data for o in found)
    assert told == data
