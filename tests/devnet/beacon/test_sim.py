"""The simulator on a real anvil: its slots are anvil's times, through warps and reorganisations, and drills steer it from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from monitor.chain.beacon.spec import ETHER
from monitor.devnet.beacon import BeaconControl, BeaconRefused, BeaconSim, Key, credentials_of, derive_pubkey
from monitor.devnet.world import World

KEYS = [Key(derive_pubkey(f"lido-{i // 20}", i), credentials_of("0x" + "ab" * 20), f"lido-{i // 20}") for i in range(60)]


@pytest.fixture
async def sim(world: World) -> AsyncIterator[BeaconSim]:
    genesis = world.deployment.genesis_time
    async with await BeaconSim.start(world.anvil.http_url, genesis_time=genesis, validators=128, keys=KEYS, past_epochs=4) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


def slot_now(world: World) -> int:
    return (world.now() - world.deployment.genesis_time) // 12


def hash_of(world: World, number: int) -> bytes:
    return bytes.fromhex(world.rpc.call("eth_getBlockByNumber", hex(number), False)["hash"][2:])


def time_of(world: World, number: int) -> int:
    return int(world.rpc.call("eth_getBlockByNumber", hex(number), False)["timestamp"], 16)


async def until(what: str, found: object, seconds: float = 5.0) -> None:
    """Wait for a condition (a callable)."""
    deadline = time.monotonic() + seconds
    while not found():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def test_it_begins_at_the_slot_of_the_newest_block(world: World, sim: BeaconSim, http: httpx.AsyncClient) -> None:
    assert sim.chain.head_slot == slot_now(world)
    head = (await http.get(f"{sim.urls['alpha']}/eth/v1/beacon/headers/head")).json()["data"]["header"]["message"]
    assert int(head["slot"]) == sim.chain.newest().slot
    assert sim.chain.state.payload.hash == hash_of(world, sim.chain.state.payload.number)
    for wanted in ("finalized", "justified"):
        assert (await http.get(f"{sim.urls['bravo']}/eth/v1/beacon/states/{wanted}/finality_checkpoints")).status_code == 200


async def test_the_first_block_of_a_slot_is_its_payload(world: World, sim: BeaconSim) -> None:
    await asyncio.to_thread(world.warp, 24)
    await sim.reached(slot_now(world))
    number, timestamp = world.anvil.head()
    slot = slot_now(world)
    first = sim.chain.state.payload
    left = 12 - (timestamp - world.deployment.genesis_time) % 12
    await asyncio.to_thread(world.wait_blocks, left + 3)
    await sim.reached(slot + 1)
    assert sim.chain.blocks[slot].payload == first
    assert first.number == number
    # A busy anvil may leave a second without a block.
    later = next(n for n in range(number + 1, number + left + 4) if time_of(world, n) >= timestamp + left)
    assert sim.chain.blocks[slot + 1].payload.number == later
    assert sim.chain.blocks[slot + 1].payload.hash == hash_of(world, later)


async def test_a_warp_is_filled_with_ordinary_blocks(world: World, sim: BeaconSim) -> None:
    before = sim.chain.head_slot
    seconds = time.process_time()
    await asyncio.to_thread(world.warp, 86400)
    await sim.reached(slot_now(world), 30)
    spent = time.process_time() - seconds
    assert sim.chain.head_slot == before + 7200
    missed = [slot for slot in range(before + 1, sim.chain.head_slot + 1) if slot not in sim.chain.blocks]
    assert not missed
    assert sim.chain.state.epoch - sim.chain.state.finalized.epoch == 2
    # A day takes about a second of this processor; a busy machine may need more.
    assert spent < 10


async def test_slots_are_missed_across_a_warp_where_a_drill_asks(world: World, sim: BeaconSim) -> None:
    async with asyncio.timeout(10):
        slots = await asyncio.to_thread(lambda: BeaconControl(sim.control_url).miss_slots(5))
        await asyncio.to_thread(world.warp, 12 * 20)
        await sim.reached(slot_now(world))
    assert not set(slots) & set(sim.chain.blocks)
    assert slots[-1] + 1 in sim.chain.blocks


async def test_a_reorganised_payload_reorganises_the_beacon_chain(world: World, sim: BeaconSim, http: httpx.AsyncClient) -> None:
    for _ in range(3):
        await asyncio.to_thread(world.warp, 12)
    await sim.reached(slot_now(world))
    old = sim.chain.newest()
    async with http.stream("GET", f"{sim.urls['alpha']}/eth/v1/events?topics=chain_reorg", timeout=10) as response:
        lines = response.aiter_lines()
        await anext(lines)
        await asyncio.to_thread(world.anvil.reorg, 2)
        async with asyncio.timeout(5):
            told = [line async for line in _first(lines, "data: ")]
    assert old.root.hex() in told[0]
    await until("the new branch", lambda: sim.chain.head_slot == old.slot)
    new = sim.chain.newest()
    assert new.root != old.root
    assert new.payload.hash == hash_of(world, new.payload.number)
    orphan = (await http.get(f"{sim.urls['charlie']}/eth/v1/beacon/headers/0x{old.root.hex()}")).json()["data"]
    assert orphan["canonical"] is False


async def _first(lines: AsyncIterator[str], prefix: str) -> AsyncIterator[str]:
    async for line in lines:
        if line.startswith(prefix):
            yield line
            return


async def test_a_chain_that_goes_far_back_is_begun_anew(world: World, sim: BeaconSim) -> None:
    snapshot = world.anvil.snapshot()
    start = sim.chain.head_slot
    await asyncio.to_thread(world.warp, 4 * 3600)
    await sim.reached(slot_now(world), 30)
    world.anvil.revert(snapshot)
    await asyncio.to_thread(world.warp, 60)
    await until("the older time", lambda: sim.chain.head_slot == slot_now(world) and not sim.shared.lock.locked())
    assert sim.chain.head_slot < start + 20
    assert sim.chain.state.payload.hash == hash_of(world, sim.chain.state.payload.number)


async def test_drills_steer_it_from_another_process(world: World, sim: BeaconSim, http: httpx.AsyncClient) -> None:
    def drill() -> tuple[list[int], int]:
        with BeaconControl(sim.control_url) as control:
            status = control.status()
            assert status["watched"] == ["lido-0", "lido-1", "lido-2"]
            assert status["operators"]["lido-1"] == 20
            assert control.offline("lido-1", 0.5) == 10
            chosen = control.slash(operator="lido-2", count=3)
            control.fault("bravo", "lag", 2)
            with pytest.raises(BeaconRefused, match="no operator"):
                control.offline("nobody")
            with pytest.raises(BeaconRefused, match="no mode"):
                control.fault("bravo", "nonsense")
            return chosen, status["slot"]

    chosen, slot = await asyncio.to_thread(drill)
    assert chosen == [40, 41, 42]
    await asyncio.to_thread(world.warp, 12 * 64)
    await sim.reached(slot_now(world))
    assert sim.chain.state.slashed.nonzero()[0].tolist() == chosen
    assert not sim.chain.state.previous_flags[20:30].any()
    syncing = (await http.get(f"{sim.urls['bravo']}/eth/v1/node/syncing")).json()["data"]
    assert syncing["sync_distance"] == "2"
    last = slot // 32 * 32 + 31

    def balances() -> None:
        with BeaconControl(sim.control_url) as control:
            told = control.balances_at(last)
            assert told["gwei"] == int(sim.chain.state_at(last).balances[:60].sum())
            assert 60 * 31 * ETHER < told["gwei"] < 60 * 33 * ETHER
            assert sum(told["operators"].values()) == told["gwei"]
            control.online()
            assert control.stall(0.5) >= 0.5
            control.unstall()
            assert control.exit(operator="lido-0") == [0]
            assert len(control.deposit(2)) == 2
            control.fault("bravo", "healthy")
            assert control.status()["nodes"]["bravo"] == {}

    await asyncio.to_thread(balances)


async def test_it_follows_quickly(live_world: World) -> None:
    genesis = live_world.deployment.genesis_time
    async with await BeaconSim.start(live_world.anvil.http_url, genesis_time=genesis, validators=2048) as sim:
        await asyncio.to_thread(live_world.warp, 13)
        seen = time.monotonic()
        await sim.reached(slot_now(live_world))
        # Aimed at 150 ms; this bound is for a busy machine.
        assert time.monotonic() - seen < 2
