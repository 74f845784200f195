"""Whole states over real HTTP: believed when a majority sends equal bytes, held once, and never at the cost of the event loop."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.client import AgreedState, BeaconUnanswered
from monitor.chain.beacon.download import Sheets, Strand, joined
from monitor.chain.beacon.ssz import BadState
from tests.chain.beacon_server import Block, FarNode, cut, hang, sends, state_bytes, status, trickle
from tests.chain.test_beacon_client import Watcher, watch

__all__ = ["watch"]
OCTETS = "application/octet-stream"
FULU = {"Eth_Consensus_Version": "fulu"}
Ready = Callable[..., Any]


@pytest.fixture
async def ready(watch: Any) -> AsyncIterator[Ready]:
    """``await ready(**network)``: three nodes at slot 30, followed; slots 22 and 23 are empty."""

    async def make(n: int = 3, spec: dict[str, str] | None = None, **network: Any) -> Watcher:
        watcher: Watcher = await watch(n=n, blocks=21, **network)
        for slot in range(24, 31):
            watcher.script.mine(slot)
        for node in watcher.nodes:
            node.head = watcher.script.tip
            node.spec |= spec or {}
        await watcher.start()
        await watcher.at(30)
        await watcher.until(lambda: all(h.up and h.head == 30 for h in watcher.beacon.health()))
        return watcher

    yield make


def block(watcher: Watcher, slot: int = 23) -> Block:
    return watcher.script.at(watcher.script.tip, slot)


async def ask(watcher: Watcher, slot: int = 23) -> AgreedState:
    return await watcher.beacon.state(slot, block(watcher, slot).root)  # type: ignore[arg-type]


def digest(data: bytes | bytearray) -> str:
    return "0x" + hashlib.sha256(data).hexdigest()


def other(found: Block, slot: int) -> bytearray:
    """A state that differs in its last byte."""
    data = state_bytes(found, slot)
    data[-1] ^= 1
    return data


@pytest.mark.parametrize("how", ["majority", "one"])
async def test_the_state_of_an_empty_slot(ready: Ready, how: str) -> None:
    watcher = await ready(beacon_states=how)
    found = await ask(watcher)
    assert (found.columns.slot, found.columns.latest_block_slot, len(found.columns)) == (23, 21, 64)
    assert found.digest == digest(state_bytes(block(watcher), 23))
    assert sum(path.endswith("/states/23") for node in watcher.nodes for path in node.asked) == (3 if how == "majority" else 1)
    assert not any(h.dissent for h in watcher.beacon.health())


async def test_a_node_that_lies_about_the_state_is_named(ready: Ready) -> None:
    watcher = await ready()
    watcher.nodes[0].state = other
    assert (await ask(watcher)).digest == digest(state_bytes(block(watcher), 23))
    await watcher.until(lambda: watcher.health("one").dissent)
    assert not watcher.health("two").dissent and "state differs" in watcher.health("one").note
    watcher.nodes[0].state = state_bytes
    await ask(watcher)
    await watcher.until(lambda: not watcher.health("one").dissent)


async def test_a_slow_liar_is_named_although_nobody_waits_for_it(ready: Ready) -> None:
    watcher = await ready()

    async def late(request: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response(body=bytes(other(block(watcher), 23)), content_type=OCTETS, headers={"Eth-Consensus-Version": "fulu"})

    watcher.nodes[2].fault["states"] = late
    started = time.monotonic()
    await ask(watcher)
    assert time.monotonic() - started < 0.45
    await watcher.until(lambda: watcher.health("three").dissent)


async def test_without_a_majority_nothing_is_believed(ready: Ready) -> None:
    watcher = await ready()
    watcher.nodes[0].state = other
    watcher.nodes[1].fault["states"] = status(500, '{"code":500,"message":"too expensive"}')
    with pytest.raises(
        BeaconUnanswered, match=r"state of slot 23.*two: states/23: HTTP 500: too expensive.*one: sent \d+ bytes, sha256"
    ) as caught:
        await ask(watcher)
    assert set(caught.value.reasons) == {"one", "two", "three"}


def another_slot(found: Block, slot: int) -> bytearray:
    return state_bytes(found, slot - 1)


def another_block(found: Block, slot: int) -> bytearray:
    data = state_bytes(found, slot)
    data[80:112] = bytes(32)
    return data


def another_chain(found: Block, slot: int) -> bytearray:
    data = state_bytes(found, slot)
    data[8:40] = bytes(32)
    return data


BODY = bytes(5000)
FAULTS = {
    "404": (status(404), "not_found", "HTTP 404"),
    "503 timed out": (status(503, "request timed out"), "http", "HTTP 503"),
    "206": (status(206), "syncing", "syncing"),
    "redirect": (status(301, Location="/elsewhere"), "http", "redirects are not followed"),
    "JSON": (sends(b'{"data":{}}', "application/json", **FULU), "malformed", "application/json came"),
    "HTML": (sends(b"<html>", "text/html"), "malformed", "text/html came"),
    "no fork": (sends(BODY, OCTETS), "wrong_state", "without the header"),
    "an unknown fork": (sends(BODY, OCTETS, Eth_Consensus_Version="heze"), "wrong_state", "of fork heze"),
    "gzip": (sends(gzip.compress(BODY), OCTETS, Content_Encoding="gzip", **FULU), "malformed", "compressed"),
    "short": (sends(b"abc", OCTETS, **FULU), "malformed", "has 3 bytes"),
    "promised too large": (cut(b"", OCTETS, 2**40, **FULU), "too_large", "larger than 2000000 bytes"),
    "another slot": (another_slot, "wrong_state", "of slot 22, not 23"),
    "another branch": (another_block, "wrong_state", "that is not 0x"),
    "another chain": (another_chain, "wrong_state", "another chain"),
    "hangs": (hang, "timeout", "no answer within 1.5 s"),  # last: it is not asked again for a while
}


@pytest.mark.parametrize("how", ["majority", "one"])
async def test_one_node_that_cannot_serve_it_stops_nothing(ready: Ready, how: str) -> None:
    watcher = await ready(beacon_states=how, beacon_state_seconds=1.5, max_state_bytes=2_000_000)
    first = watcher.nodes[0]
    for name, (what, kind, words) in FAULTS.items():
        before = watcher.health("one").errors.get(kind, 0)
        if what in (another_slot, another_block, another_chain):
            first.state = what  # type: ignore[assignment]
        else:
            first.fault["states"] = what  # type: ignore[assignment]
        started = time.monotonic()
        assert (await ask(watcher)).columns.slot == 23, name
        if how == "majority":
            assert time.monotonic() - started < 1.4, f"{name} was waited for"
        await watcher.until(lambda words=words: words in watcher.health("one").note)  # type: ignore[misc]
        assert watcher.health("one").errors.get(kind, 0) > before, name
        first.fault.clear()
    assert len(watcher.heads) >= 1


@pytest.mark.parametrize("what", ["cut", "endless", "slow"])
async def test_bodies_that_do_not_end_as_they_should(ready: Ready, what: str) -> None:
    watcher = await ready(beacon_state_seconds=0.6, max_state_bytes=1_048_576)
    data = bytes(state_bytes(block(watcher), 23))
    faults = {
        "cut": (cut(data[:9000], OCTETS, len(data), **FULU), "connection"),
        "endless": (trickle(OCTETS, data + bytes(400_000), **FULU), "wrong_state"),
        "slow": (trickle(OCTETS, data[:200], **FULU), "timeout"),
    }
    fault, kind = faults[what]
    watcher.nodes[1].fault["states"] = fault
    if what == "endless":
        kind = "too_large"
    await ask(watcher)
    await watcher.until(lambda: watcher.health("two").errors.get(kind, 0) == 1)


async def test_a_node_that_was_too_slow_is_left_alone_for_a_while(ready: Ready) -> None:
    watcher = await ready(n=1, beacon_state_seconds=0.3)
    watcher.nodes[0].fault["states"] = hang
    for words in ("no answer within 0.3 s", "too slow, and is asked again in 0 s"):
        with pytest.raises(BeaconUnanswered, match=words):
            await ask(watcher)
    assert sum(path.endswith("/states/23") for path in watcher.nodes[0].asked) == 1
    watcher.nodes[0].fault.clear()
    await asyncio.sleep(0.3)
    assert (await ask(watcher)).columns.slot == 23


async def test_only_slots_up_to_the_head_are_asked_for(ready: Ready) -> None:
    watcher = await ready()
    with pytest.raises(BeaconUnanswered, match="one: its head is at slot 30"):
        await watcher.beacon.state(31, block(watcher, 30).root)  # type: ignore[arg-type]
    assert not any("debug" in path for node in watcher.nodes for path in node.asked)


async def test_a_block_that_was_reorganised_away_or_is_not_judged_has_no_state(ready: Ready) -> None:
    watcher = await ready()
    orphan = watcher.script.mine(21, on=block(watcher, 20), salt="orphan")
    with pytest.raises(BeaconUnanswered, match="is not on its chain"):
        await watcher.beacon.state(23, orphan.root)  # type: ignore[arg-type]
    for node in watcher.nodes[:2]:
        node.optimistic = True
    with pytest.raises(BeaconUnanswered, match="not judged by its execution client"):
        await ask(watcher)
    assert watcher.health("one").errors["optimistic"] == 1
    assert not any("debug" in path for node in watcher.nodes[:2] for path in node.asked)


async def test_one_node_cannot_choose_its_own_block(ready: Ready) -> None:
    """With ``one``, the header comes from a majority: a node's own false header does not make its state right."""
    watcher = await ready(beacon_states="one")
    honest = block(watcher)
    false = Block(honest.slot, 99, honest.parent, honest.state_root, honest.body_root)
    watcher.nodes[0].lies[honest.root] = false
    watcher.nodes[0].state = lambda found, slot: state_bytes(false, slot)
    assert (await ask(watcher)).digest == digest(state_bytes(honest, 23))
    assert watcher.health("one").errors["wrong_state"] == 1


async def test_bytes_that_are_no_state_are_said_to_be_none(ready: Ready) -> None:
    def broken(found: Block, slot: int) -> bytearray:
        data = state_bytes(found, slot)
        data[4272:4276] = b"\xff" * 4
        return data

    watcher = await ready()
    for node in watcher.nodes:
        node.state = broken
    with pytest.raises(BadState):
        await ask(watcher)
    watcher.beacon._states._settings = watcher.beacon.settings.model_copy(update={"beacon_states": "one"})
    watcher.nodes[2].state = state_bytes
    assert (await ask(watcher)).columns.slot == 23


async def test_states_are_asked_for_one_at_a_time(ready: Ready) -> None:
    watcher = await ready()
    running, most = [0], [0]

    def counted(node: FarNode) -> Any:
        async def serve(request: web.Request) -> web.StreamResponse:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(0.05)
            running[0] -= 1
            slot = int(request.path.rsplit("/", 1)[1])
            return web.Response(
                body=bytes(state_bytes(block(watcher, slot), slot)), content_type=OCTETS, headers={"Eth-Consensus-Version": "fulu"}
            )

        return serve

    for node in watcher.nodes:
        node.fault["states"] = counted(node)
    found = await asyncio.gather(*(ask(watcher, slot) for slot in (23, 24, 25)))
    assert [f.columns.slot for f in found] == [23, 24, 25]
    assert most[0] <= 3


async def test_a_large_state_from_three_nodes_never_stops_the_event_loop(ready: Ready, tmp_path: Path) -> None:
    """100,000 validators, 16.6 MB. A wait counts as ours as far as this process was working in it: others may be using the machine."""
    watcher = await ready(spec={"PRESET_BASE": "mainnet", "SLOTS_PER_EPOCH": "32"}, beacon_preset="mainnet", beacon_state_seconds=30.0)
    data = bytes(state_bytes(block(watcher), 23, 100_000))
    file = tmp_path / "state"
    file.write_bytes(data)
    for node in watcher.nodes:
        node.fault["states"] = _from_file(file)
    lag = asyncio.create_task(_longest_lag())
    found = await ask(watcher)
    lag.cancel()
    longest = await lag
    assert found.digest == digest(data) and len(found.columns) == 100_000
    assert longest < 0.05


def _from_file(file: Path) -> Any:
    async def serve(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file, headers={"Content-Type": OCTETS, "Eth-Consensus-Version": "fulu"})

    return serve


async def _longest_lag() -> float:
    longest = 0.0
    try:
        while True:
            wall, worked = time.monotonic(), time.process_time()
            await asyncio.sleep(0.001)
            longest = max(longest, min(time.monotonic() - wall - 0.001, time.process_time() - worked))
    except asyncio.CancelledError:
        return longest


# ---------------------------------------------------------------- sheets


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=5), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)), max_size=30))
def test_whatever_is_sent_comes_out_again(sent: list[bytes], steps: list[tuple[int, int]]) -> None:
    """Any bytes of any length, in any order: also answers that are the begin of another's, and branches of branches."""
    sheets = Sheets(100, block=4)
    strands = [Strand(sheets) for _ in sent]
    at = [0] * len(sent)
    for who, size in [*((w % len(sent), size) for w, size in steps), *((n, 20) for n in range(len(sent)))]:
        strands[who].take(sent[who][at[who] : at[who] + size])
        at[who] += size
    digests = [strand.end() for strand in strands]
    for strand, digest_, data in zip(strands, digests, sent, strict=True):
        assert digest_.size == len(data) and digest_.sha256 == hashlib.sha256(data).hexdigest()
        assert strand.sheet is not None and bytes(joined(strand.sheet, len(data))) == data


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 100)), max_size=12), st.integers(0, 192), st.sampled_from([0, 1, 2]))
def test_equal_bytes_are_held_once_and_different_ones_come_out_as_sent(steps: list[tuple[int, int]], place: int, false: int) -> None:
    right = bytes(range(192)) + b"end"
    wrong = bytearray(right)
    wrong[place] ^= 255
    sent = {n: bytes(wrong) if n == false else right for n in range(3)}
    sheets = Sheets(1000, block=64)
    strands = [Strand(sheets) for _ in range(3)]
    at = [0, 0, 0]
    for who, size in [*steps, *((n, len(right)) for n in range(3))]:
        strands[who].take(sent[who][at[who] : at[who] + size])
        at[who] += size
    digests = [strand.end() for strand in strands]
    assert [d == digests[false] for d in digests] == [n == false for n in range(3)]
    assert sheets.held == len(right) + len(right) - 64 * (place // 64), "one state, and one more from the block that differs"
    honest = next(n for n in range(3) if n != false)
    sheet = strands[honest].sheet
    assert sheet is not None and bytes(joined(sheet, digests[honest].size)) == right
