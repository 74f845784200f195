"""Both halves of the cross-check together: what watches the chain sees what the simulator, written for itself, did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from monitor.chain.beacon.client import Beacon
from monitor.chain.beacon.state import decode
from monitor.chain.settings import NetworkSettings
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.beacon import BeaconSim, ssz, transition
from monitor.devnet.beacon.chain import Chain
from monitor.devnet.beacon.orders import Orders
from monitor.devnet.world import World
from monitor.model import Hash, Slot
from monitor.model.beacon import Offence, Owners
from monitor.protocols.ethereum.evaluate import evaluate
from tests.devnet.beacon.conftest import MakeChain


def told(chain: Chain) -> dict[int, tuple[int, int]]:
    """By operator: what the watcher's formulas find that the validators' votes earned, and what they hold."""
    state = chain.state
    columns = decode(ssz.encode(state, 0, chain.validators_root, chain.rings), chain.spec).columns()
    count = len(chain.registry.operators)
    owners = Owners(tuple(("lido", str(i)) for i in range(count)), chain.group.astype(np.int32))
    facts = evaluate(columns, Hash("0x" + chain.newest().root.hex()), owners, None, frozenset({"lido"})).facts
    return {i: (int(facts.groups["lido", str(i)].earned), int(facts.groups["lido", str(i)].balance)) for i in range(count)}


def done(chain: Chain) -> dict[int, tuple[int, int]]:
    """The same by the simulator's own transition."""
    state = chain.state.copy()
    before = state.balances.copy()
    transition.justify(state, lambda epoch: bytes(32))
    transition.update_scores(state)
    transition.reward(state)
    change = state.balances - before
    # The penalties of slashed validators are losses, which the watcher tells apart.
    mine = [(chain.group == i) & ~chain.state.slashed for i in range(len(chain.registry.operators))]
    held = [chain.group == i for i in range(len(chain.registry.operators))]
    return {i: (int(change[one].sum()), int(before[held[i]].sum())) for i, one in enumerate(mine)}


@pytest.mark.parametrize("trouble", ["none", "operators", "slashings", "stall"])
def test_the_watchers_formulas_find_what_the_simulator_paid(make_chain: MakeChain, trouble: str) -> None:
    chain = make_chain(validators=512, miss_rate=0.05, slots=40)
    orders = Orders(chain)
    if trouble == "operators":
        orders.offline("operator-11", 0.7)
        orders.late("exchange-b")
    elif trouble == "slashings":
        orders.slash(count=40)
    elif trouble == "stall":
        orders.stall(0.45)
    for epochs in (1, 1, 6):
        chain.fill((chain.head_slot // 32 + epochs + 1) * 32 - 1 - chain.head_slot)
        assert told(chain) == done(chain)


@pytest.fixture
async def client(sim: BeaconSim, world: World) -> AsyncIterator[Beacon]:
    settings = NetworkSettings.model_validate({
        "chain_id": CHAIN_ID, "genesis_time": world.deployment.genesis_time, "slot_seconds": 12, "block_seconds": 1, "wall_clock": False,
        "execution": [{"name": "anvil", "url": world.anvil.http_url}],
        "beacon": [{"name": name, "url": url} for name, url in sim.urls.items()],
    })  # fmt: skip
    made = Beacon(settings)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def sim(world: World) -> AsyncIterator[BeaconSim]:
    async with await BeaconSim.start(
        world.anvil.http_url, genesis_time=world.deployment.genesis_time, validators=128, past_epochs=4
    ) as running:
        yield running


async def test_the_client_follows_the_simulator_though_a_node_lies(world: World, sim: BeaconSim, client: Beacon) -> None:
    sim.faces["bravo"].set(hide_slashings=True, fake_head=True)
    chosen, _ = sim.orders.slash([3, 4])
    await asyncio.to_thread(world.warp, 24)
    await sim.reached((world.now() - world.deployment.genesis_time) // 12)
    deadline = time.monotonic() + 15
    while not any(block.offences for block in client.blocks()) or client.blocks()[-1].slot < sim.chain.newest().slot:
        assert time.monotonic() < deadline, client.health()
        await asyncio.sleep(0.02)
    assert [block.offences for block in client.blocks() if block.offences] == [(Offence("attestation", tuple(chosen)),)]
    block = client.blocks()[-1]
    state = (await client.state(Slot(sim.chain.head_slot), block.root)).columns
    assert state.slashed.nonzero()[0].tolist() == chosen
    assert state.balances.tolist() == sim.chain.state.balances.tolist()
    assert state.block.number == sim.chain.state.payload.number
