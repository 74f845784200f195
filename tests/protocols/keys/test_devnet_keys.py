"""The devnet's registries through real endpoints, as the service reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest

from monitor.chain import EndpointSettings, Execution, NetworkSettings
from monitor.devnet import actions
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.deploy import DEPOSITED, VALIDATOR
from monitor.devnet.faults import Lie
from monitor.devnet.proxies import EndpointProxy
from monitor.devnet.transactions import ether
from monitor.devnet.validators import DevnetValidator, lido_validators
from monitor.devnet.world import World
from monitor.protocols.keys.book import KeyBook
from monitor.protocols.keys.reader import KeyReader
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import load
from monitor.store import Store


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """One database is enough here: the reader's own tests run on both."""
    return f"sqlite:///{tmp_path / 'keys.db'}"


@pytest.fixture
async def endpoints(world: World) -> AsyncIterator[tuple[EndpointProxy, ...]]:
    """Three ways to the chain."""
    proxies = tuple(EndpointProxy(world.anvil.http_url, name) for name in ("one", "two", "three"))
    for proxy in proxies:
        await proxy.start()
    yield proxies
    for proxy in proxies:
        await proxy.close()


@pytest.fixture
async def reader(world: World, endpoints: tuple[EndpointProxy, ...], store: Store, tmp_path: Path) -> AsyncIterator[Reading]:
    path = tmp_path / "deployment.yaml"
    world.deployment.write(path)
    network = NetworkSettings(
        chain_id=CHAIN_ID, genesis_time=world.deployment.genesis_time, request_seconds=10, block_deadline_seconds=10,
        execution=tuple(EndpointSettings(name=p.name, url=p.url) for p in endpoints),
    )  # fmt: skip
    execution = Execution(network)
    yield Reading(execution, store, path)
    await execution.close()


class Reading:
    """A key reader over real endpoints."""

    def __init__(self, execution: Execution, store: Store, deployment: Path) -> None:
        source = protocol(load(deployment)).keys
        assert source is not None
        self.execution, self.book = execution, KeyBook([source.name])
        self.reader = KeyReader(self.book, [source], execution.read_aside, store.run)

    async def catch_up(self) -> int:
        """Read all there is at the newest block; its time."""
        while True:
            stamp = await self.execution.stamp("latest")
            if not await self.reader.advance(stamp):
                return stamp.timestamp

    def labels(self, validators: Sequence[DevnetValidator]) -> list[str | None]:
        pubkeys = np.frombuffer(b"".join(v.pubkey for v in validators), "V48")
        credentials = np.frombuffer(b"".join(v.withdrawal_credentials for v in validators), "V32")
        owners = self.book.owners(pubkeys, credentials)
        assert owners.foreign == {}
        return [group[1] if (group := owners.group(i)) else None for i in range(len(validators))]


async def test_every_validator_of_the_devnet_is_its_operators(world: World, reader: Reading) -> None:
    now = await reader.catch_up()
    validators = lido_validators(world)
    assert len(validators) == DEPOSITED // VALIDATOR == 1500
    assert len({v.pubkey for v in validators}) == 1500
    assert reader.labels(validators) == [v.operator for v in validators]
    assert reader.book.complete(now) == {"lido"}
    assert len({v.operator for v in validators}) == 11
    assert validators[0].operator == "curated #0 Alder Staking"
    assert validators[-1].operator == "SimpleDVT #2 Cluster Coral"


async def test_new_operators_and_deposits_are_followed(world: World, reader: Reading, endpoints: tuple[EndpointProxy, ...]) -> None:
    await reader.catch_up()
    before = lido_validators(world)
    operator = actions.add_operator(world, "Newcomer \x07& Co", 30)
    actions.deposit_keys(world, operator, 12)
    actions.deposit_keys(world, 1, 3, module="simple_dvt")
    actions.rename_operator(world, 0, "Alder & Alder")
    asked = endpoints[0].asked["eth_call"]
    now = await reader.catch_up()
    assert reader.book.complete(now) == {"lido"}
    # Two looks of a few calls each and two runs of keys, not 1,500 keys again.
    assert endpoints[0].asked["eth_call"] - asked < 12
    after = lido_validators(world)
    assert [v.pubkey for v in after[: len(before)]] == [v.pubkey for v in before]
    assert reader.labels(after) == [v.operator for v in after]
    assert [v.operator for v in after[1500:]] == ["curated #8 Newcomer & Co"] * 12 + ["SimpleDVT #1 Cluster Basalt"] * 3
    assert after[0].operator == "curated #0 Alder & Alder"
    assert lido_validators(world, skip=1505) == after[1505:]


async def test_a_lying_endpoint_puts_no_key_in_the_book(world: World, reader: Reading, endpoints: tuple[EndpointProxy, ...]) -> None:
    registry = world["node_operators_registry"]
    data = registry.artifact.data("getSigningKeys", 0, 0, 1)
    selector = data[:10]
    endpoints[1].set(lies=[Lie(target=registry.address, selector=selector, word=4, add=1)])
    assert (await _call(endpoints[1], registry.address, data)) != (await _call(endpoints[0], registry.address, data))
    await reader.catch_up()
    validators = lido_validators(world)
    assert reader.labels(validators) == [v.operator for v in validators]


async def _call(endpoint: EndpointProxy, to: str, data: str) -> str:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": to, "data": data}, "latest"]}
    async with httpx.AsyncClient(trust_env=False) as client:
        return str((await client.post(endpoint.url, json=body)).json()["result"])


async def test_without_a_majority_nothing_is_read_and_it_is_told(
    world: World, reader: Reading, endpoints: tuple[EndpointProxy, ...]
) -> None:
    stamp = await reader.execution.stamp("latest")
    for proxy in endpoints[:2]:
        proxy.set(refuse=True)
    assert await reader.reader.advance(stamp) is False
    assert reader.book.complete(stamp.timestamp) == frozenset()
    assert reader.book.progress()[0].problems
    for proxy in endpoints[:2]:
        proxy.set(refuse=False)
    await reader.catch_up()
    assert reader.book.progress()[0].problems == ()


async def test_any_deposit_of_the_router_is_backed_by_keys(world: World) -> None:
    """More than the operators' spare keys, and an amount that is no multiple of a deposit."""
    actions.stake(world, world.account("staker_0"), ether(40_000))
    before = world["lido"].read("getBufferedEther")
    actions.deposit(world, ether(40_000) + ether(5))
    assert world["lido"].read("getBufferedEther") == before - ether(40_005)
    assert len(lido_validators(world)) == 1500 + 1250
