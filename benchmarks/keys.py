"""Keys of validators: reading 300,000 from a chain through three endpoints, loading them again, and joining them with a million validators."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import Report
from monitor.chain import EndpointSettings, Execution, NetworkSettings
from monitor.devnet import actions
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.proxies import EndpointProxy
from monitor.devnet.transactions import ether
from monitor.devnet.world import World
from monitor.protocols.keys.book import KeyBook
from monitor.protocols.keys.reader import KeyReader
from monitor.protocols.keys.rows import load
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import load as load_deployment
from monitor.store import Store

PART = "keys of validators"
KEYS, VALIDATORS = 300_000, 1_000_000
READ_SECONDS, LOAD_SECONDS, FIRST_SECONDS, LATER_SECONDS = 60.0, 5.0, 3.0, 1.0
ROUNDS = 7


def run(report: Report, folder: Path) -> None:
    """One operator of the devnet gets all the keys; as many validators as on mainnet are random ones besides."""
    with World.start(block_time=0) as world:
        actions.stake(world, world.account("staker_0"), ether(32 * KEYS))
        actions.add_keys(world, 0, KEYS)
        actions.deposit_keys(world, 0, KEYS)
        book = asyncio.run(_read(report, world, folder))
    _join(report, book)


async def _read(report: Report, world: World, folder: Path) -> KeyBook:
    proxies = [EndpointProxy(world.anvil.http_url, name) for name in ("one", "two", "three")]
    for proxy in proxies:
        await proxy.start()
    world.deployment.write(folder / "keys.yaml")
    endpoints = tuple(EndpointSettings(name=p.name, url=p.url) for p in proxies)
    execution = Execution(NetworkSettings(chain_id=CHAIN_ID, genesis_time=world.deployment.genesis_time, execution=endpoints))
    source = protocol(load_deployment(folder / "keys.yaml")).keys
    assert source is not None
    with Store.open(f"sqlite:///{folder / 'keys.db'}") as store:
        store.create_all()
        reader = KeyReader(KeyBook([source.name]), [source], execution.read_aside, store.run)
        start = time.perf_counter()
        while await reader.advance(await execution.stamp("latest")):
            pass
        report.add(PART, f"read {KEYS:,} keys", time.perf_counter() - start, "s", READ_SECONDS, "three endpoints, SQLite")
        start = time.perf_counter()
        book = await store.look(lambda unit: load(unit, (source.name,)))
        report.add(PART, "load them after a restart", time.perf_counter() - start, "s", LOAD_SECONDS, f"{book.progress()[0].keys:,} keys")
    await execution.close()
    for proxy in proxies:
        await proxy.close()
    return book


def _join(report: Report, book: KeyBook) -> None:
    rng, ours = np.random.default_rng(1), next(iter(book.shelf("lido").credentials))
    pubkeys = np.frombuffer(rng.bytes(48 * VALIDATORS), "V48").copy()
    # Every third validator is ours, in no order: what makes a search slow.
    mine = rng.permutation(VALIDATORS)[:KEYS]
    pubkeys[mine] = book.keys()[:KEYS]
    credentials = np.frombuffer(rng.bytes(32 * VALIDATORS), "V32").copy()
    credentials[mine] = np.frombuffer(ours, "V32")[0]
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        owners = book.owners(pubkeys, credentials)
        taken.append(time.process_time() - start)
    if int((owners.of >= 0).sum()) != KEYS:
        raise RuntimeError("the join did not find every key")
    report.add(PART, f"whose are {VALIDATORS:,} validators, the first time", taken[0], "CPU s", FIRST_SECONDS)
    report.spread(PART, "the next state", taken[1:], "CPU s", LATER_SECONDS)
