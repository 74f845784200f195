"""The simulated nodes' answers, judged by the Beacon API's own specification, and their faults."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from monitor.chain.beacon.spec import ETHER, Spec
from monitor.chain.beacon.state import decode
from monitor.devnet.beacon.api import Face, Shared
from monitor.devnet.beacon.chain import Chain
from monitor.devnet.beacon.orders import Orders
from monitor.devnet.beacon.sim import DEVNET
from tests.devnet.beacon.conftest import MakeChain, payload

DOCUMENT = json.loads(gzip.decompress((Path(__file__).parents[2] / "data/beacon/beacon-openapi.json.gz").read_bytes()))
OCTETS = {"accept": "application/octet-stream"}


BOTH = pytest.mark.parametrize("chain", ["electra", "fulu"], indirect=True)


@pytest.fixture
def chain(request: pytest.FixtureRequest, make_chain: MakeChain) -> Chain:
    """A chain on which all has happened that a block can carry."""
    made = make_chain(validators=128, fork=getattr(request, "param", "fulu"), miss_rate=0.01, slots=20)
    orders = Orders(made)
    orders.slash([5, 6, 7])
    orders.slash([9], kind="proposal")
    orders.exit([20])
    orders.deposit(2)
    large = int(np.flatnonzero(made.state.prefix() == 2)[0])
    made.fill(1)
    orders.consolidate([(30, 30)])
    orders.consolidate()
    orders.withdraw(large, ETHER)
    orders.miss_slots(1)
    made.fill(20)
    return made


@pytest.fixture
async def faces(chain: Chain) -> AsyncIterator[tuple[Face, Face]]:
    shared = Shared(chain, 31337)
    pair = Face("alpha", shared), Face("bravo", shared)
    for face in pair:
        await face.start()
    yield pair
    for face in pair:
        await face.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


def problems(path: str, method: str, body: Any) -> list[str]:
    """What the specification has against an answer."""
    schema = DOCUMENT["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    checker = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in checker.iter_errors(body)]


@BOTH
async def test_every_answer_is_as_the_specification_says(faces: tuple[Face, Face], http: httpx.AsyncClient, chain: Chain) -> None:
    told = next(block for block in chain.blocks.values() if len(block.operations) > 3)
    requested = next(block for block in chain.blocks.values() if block.slot > told.slot and block.operations)
    blocks = ["head", str(told.slot), f"0x{told.root.hex()}", str(requested.slot)]
    states = ["head", str(chain.head_slot - 3), f"0x{chain.rings.states[chain.head_slot - 1].hex()}"]
    asked = 0
    for path, methods in DOCUMENT["paths"].items():
        for block in blocks if "{block_id}" in path else states if "{state_id}" in path else [""]:
            if path in ("/eth/v1/events", "/eth/v1/node/health", "/eth/v2/debug/beacon/states/{state_id}"):
                continue
            url = path.replace("{block_id}", block).replace("{state_id}", block).replace("{validator_id}", "7")
            if "proposer_lookahead" in path and chain.fork == "electra":
                assert (await http.get(faces[0].url + url)).status_code == 400
                continue
            answer = await http.get(faces[0].url + url)
            assert answer.status_code == 200, (url, answer.text)
            found = problems(path, "get", answer.json())
            # The specification itself allows but one consolidation; consensus-specs allows two.
            assert not [one for one in found if "consolidations" not in one], url
            assert path == "/eth/v1/node/version" or (await http.get(faces[1].url + url)).content == answer.content
            asked += 1
            if "post" in methods:
                body: Any = (
                    ["1", "2"] if "balances" in path else {"ids": ["1", "0x" + bytes(chain.state.pubkeys[2]).hex()], "statuses": ["active"]}
                )
                posted = await http.post(faces[0].url + url, json=body)
                assert posted.status_code == 200
                assert not problems(path, "post", posted.json())
                assert [row["index"] for row in posted.json()["data"]] == ["1", "2"]
    assert asked > 40


@BOTH
async def test_blocks_tell_what_happened(faces: tuple[Face, Face], http: httpx.AsyncClient, chain: Chain) -> None:
    told = next(block for block in chain.blocks.values() if len(block.operations) > 3)
    for call in ("v2/beacon/blocks", "v1/beacon/blinded_blocks"):
        answer = await http.get(f"{faces[0].url}/eth/{call}/{told.slot}")
        assert answer.headers["eth-consensus-version"] == chain.fork == answer.json()["version"]
        body = answer.json()["data"]["message"]["body"]
        (votes,) = body["attester_slashings"]
        first, second = (set(votes[f"attestation_{i}"]["attesting_indices"]) for i in (1, 2))
        assert first & second == {"5", "6", "7"}
        assert first ^ second
        (headers,) = body["proposer_slashings"]
        assert headers["signed_header_1"]["message"]["proposer_index"] == "9"
        assert headers["signed_header_1"] != headers["signed_header_2"]
        assert [one["message"]["validator_index"] for one in body["voluntary_exits"]] == ["20"]
        assert len(body["execution_requests"]["deposits"]) == 2


@BOTH
async def test_whole_states_are_the_same_bytes_everywhere(faces: tuple[Face, Face], http: httpx.AsyncClient, chain: Chain) -> None:
    last_of_epoch = chain.head_slot // 32 * 32 - 1
    missed = next(slot for slot in range(chain.first_slot + 21, chain.head_slot) if slot not in chain.blocks)
    for slot in (last_of_epoch, missed, chain.head_slot):
        one, other = [await http.get(f"{face.url}/eth/v2/debug/beacon/states/{slot}", headers=OCTETS) for face in faces]
        assert one.content == other.content
        assert one.headers["eth-consensus-version"] == chain.fork
        assert int(one.headers["content-length"]) == len(one.content)
        columns = decode(one.content, DEVNET, fork=chain.fork, slot=slot).columns()
        assert columns.latest_block_slot == chain.newest(slot).slot
    queue = await http.get(f"{faces[0].url}/eth/v1/beacon/states/head/pending_deposits", headers=OCTETS)
    assert queue.content == chain.state.deposits.tobytes()


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("/eth/v1/beacon/headers/1", 404),
        ("/eth/v1/beacon/headers/nonsense", 400),
        ("/eth/v1/beacon/headers/0x1234", 400),
        (f"/eth/v1/beacon/headers/0x{'00' * 32}", 404),
        ("/eth/v2/debug/beacon/states/100", 404),
        ("/eth/v2/debug/beacon/states/18446744073709551616", 400),
        ("/eth/v1/beacon/states/head/validators/99999", 404),
        ("/eth/v1/beacon/states/head/validators?status=asleep", 400),
        ("/eth/v1/events?topics=head,nonsense", 400),
        ("/eth/v1/nothing", 404),
    ],
)
async def test_errors_have_their_status(faces: tuple[Face, Face], http: httpx.AsyncClient, call: str, status: int) -> None:
    answer = await http.get(faces[0].url + call, headers={"accept": "*/*"})
    assert answer.status_code == status
    assert answer.json()["code"] == status


async def test_each_node_has_faults_of_its_own(faces: tuple[Face, Face], http: httpx.AsyncClient, chain: Chain) -> None:
    alpha, bravo = faces
    head, state = f"{alpha.url}/eth/v1/beacon/headers/head", f"{alpha.url}/eth/v2/debug/beacon/states/{chain.head_slot - 1}"
    honest = (await http.get(f"{bravo.url}/eth/v1/beacon/headers/head")).json()

    async def switch(mode: str, value: Any = True) -> None:
        (await http.post(alpha.control_url, json={"mode": "healthy"})).raise_for_status()
        (await http.post(alpha.control_url, json={"mode": mode, "value": value})).raise_for_status()

    async def broken(url: str) -> bool:
        try:
            await http.get(url, headers={"accept": "*/*"}, timeout=0.3)
        except httpx.TransportError:
            return True
        return False

    await switch("refuse")
    assert await broken(head)
    await switch("hang")
    assert await broken(head)
    await switch("cut_body")
    assert await broken(state)
    for mode, status in (("unavailable", 503), ("syncing_503", 503), ("pruned", 404), ("no_debug", 404), ("state_error", 500)):
        await switch(mode)
        assert (await http.get(state, headers=OCTETS)).status_code == status, mode
    await switch("rate_limit", 7)
    assert (await http.get(head)).headers["retry-after"] == "7"
    await switch("lag", 4)
    assert int((await http.get(head)).json()["data"]["header"]["message"]["slot"]) <= chain.head_slot - 4
    assert (await http.get(f"{alpha.url}/eth/v1/node/syncing")).json()["data"]["sync_distance"] == "4"
    await switch("is_optimistic")
    assert (await http.get(head)).json()["execution_optimistic"] is True
    assert (await http.get(f"{alpha.url}/eth/v1/node/health")).status_code == 206
    await switch("state_offset", -2)
    assert int.from_bytes((await http.get(state, headers=OCTETS)).content[40:48], "little") == chain.head_slot - 3
    await switch("wrong_version")
    assert (await http.get(state, headers=OCTETS)).headers["eth-consensus-version"] != chain.fork
    await switch("garbage")
    with pytest.raises(ValueError, match=r"."):
        (await http.get(head)).json()
    assert (await http.get(f"{bravo.url}/eth/v1/beacon/headers/head")).json() == honest
    assert (await http.post(alpha.control_url, json={"mode": "nonsense"})).status_code == 422
    await switch("healthy")
    assert (await http.get(head)).json() == honest


async def test_a_node_can_lie(faces: tuple[Face, Face], http: httpx.AsyncClient, chain: Chain) -> None:
    alpha, bravo = faces
    state = f"/eth/v2/debug/beacon/states/{chain.head_slot}"
    true = (await http.get(bravo.url + state, headers=OCTETS)).content
    alpha.set(state_lies=[{"operator": "operator-03", "zero_participation": True}, {"validators": [100], "slashed": True}])
    columns = decode((await http.get(alpha.url + state, headers=OCTETS)).content, DEVNET).columns()
    theirs = chain.registry.group == chain.registry.operators.index("operator-03")
    assert not columns.previous_epoch_participation[: len(theirs)][theirs].any()
    assert columns.slashed[100]
    assert not chain.state.slashed[100]

    alpha.healthy()
    alpha.set(invent_slashings=[50, 51])
    body = (await http.get(f"{alpha.url}/eth/v2/beacon/blocks/head")).json()["data"]["message"]["body"]
    assert set(body["attester_slashings"][0]["attestation_1"]["attesting_indices"]) == {"50", "51"}
    assert not (await http.get(f"{bravo.url}/eth/v2/beacon/blocks/head")).json()["data"]["message"]["body"]["attester_slashings"]

    alpha.healthy()
    alpha.set(hide_slashings=True)
    told = next(block for block in chain.blocks.values() if len(block.operations) > 3)
    body = (await http.get(f"{alpha.url}/eth/v2/beacon/blocks/{told.slot}")).json()["data"]["message"]["body"]
    assert (body["attester_slashings"], body["proposer_slashings"]) == ([], [])

    alpha.healthy()
    alpha.set(fake_head=True)
    fake = (await http.get(f"{alpha.url}/eth/v1/beacon/headers/head")).json()["data"]
    assert fake["root"] != "0x" + chain.newest().root.hex()
    assert (await http.get(f"{alpha.url}/eth/v1/beacon/headers/{fake['root']}")).json()["data"] == fake
    assert (await http.get(f"{bravo.url}/eth/v1/beacon/headers/{fake['root']}")).status_code == 404
    alpha.healthy()
    assert (await http.get(alpha.url + state, headers=OCTETS)).content == true


async def listen(http: httpx.AsyncClient, url: str, topics: str, act: Callable[[], None], count: int) -> list[tuple[str, Any]]:
    """The first events after ``act``; fewer than ``count`` when no more come."""
    found: list[tuple[str, Any]] = []
    async with http.stream("GET", f"{url}/eth/v1/events?topics={topics}") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith(":")
        act()
        topic = ""
        try:
            async with asyncio.timeout(0.5):
                async for line in lines:
                    if line.startswith("event: "):
                        topic = line[7:]
                    elif line.startswith("data: "):
                        found.append((topic, json.loads(line[6:])))
                        if len(found) == count:
                            break
        except TimeoutError:
            pass
    return found


async def test_events_tell_heads_reorgs_and_gossip(faces: tuple[Face, Face], http: httpx.AsyncClient, chain: Chain) -> None:
    alpha = faces[0]

    def grow() -> None:
        alpha.arrived(chain.fill(1), [], finalized=True)

    heads = await listen(http, alpha.url, "head,block&topics=finalized_checkpoint", grow, 3)
    assert [topic for topic, _ in heads] == ["block", "head", "finalized_checkpoint"]
    block = chain.newest()
    assert heads[1][1]["block"] == "0x" + block.root.hex()
    assert heads[1][1]["slot"] == str(block.slot)

    def reorganise() -> None:
        gone = chain.rewind(chain.head_slot - 2)
        came = chain.grow(chain.head_slot + 2, payload(9, b"other"))
        alpha.arrived(came, gone, finalized=False)

    ((_, told),) = await listen(http, alpha.url, "chain_reorg", reorganise, 1)
    assert told["old_head_block"] == "0x" + block.root.hex()
    assert told["new_head_block"] == "0x" + chain.newest().root.hex()
    assert int(told["depth"]) >= 1

    def slash() -> None:
        for topic, data in Orders(chain).slash([70])[1]:
            alpha.publish(topic, data)

    ((_, gossip),) = await listen(http, alpha.url, "attester_slashing,proposer_slashing", slash, 1)
    assert "70" in gossip["attestation_1"]["attesting_indices"]
    alpha.set(mute_slashings=True)
    assert not await listen(http, alpha.url, "attester_slashing", lambda: alpha.publish("attester_slashing", {}), 1)
    alpha.set(mute_events=True)
    assert not await listen(http, alpha.url, "head", grow, 1)


def spec_of(answer: Any) -> Spec:
    return Spec.of(answer["data"])


async def test_the_configuration_is_that_of_the_chain(faces: tuple[Face, Face], http: httpx.AsyncClient) -> None:
    assert spec_of((await http.get(f"{faces[0].url}/eth/v1/config/spec")).json()) == DEVNET
