"""The beacon simulator: one chain that follows anvil, several nodes that tell of it, and a control address for drills.

    sim = await BeaconSim.start(world.anvil.http_url, genesis_time=world.deployment.genesis_time)
    sim.urls["alpha"], sim.control_url
    await sim.stop()

A slot is ``(timestamp - genesis_time) // slot_seconds``. The first execution block of a slot is the payload of its beacon block. Slots that a
warp jumps over are filled with blocks whose payloads the execution chain does not have; slots that are to be missed have none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import structlog

from monitor.chain.beacon.spec import MAINNET, Fork, Spec
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.beacon.api import Face, Shared
from monitor.devnet.beacon.chain import Block, Chain, Pruned
from monitor.devnet.beacon.control import ControlServer
from monitor.devnet.beacon.execution import Follower, News
from monitor.devnet.beacon.orders import Event, Orders
from monitor.devnet.beacon.registry import Key, Registry, registry
from monitor.devnet.beacon.state import Payload

log = structlog.get_logger()

NODES = ("alpha", "bravo", "charlie")
DEVNET = replace(MAINNET, churn_limit_quotient=128, base_reward_factor=16)
"""Mainnet's constants, but a share of the small stake may leave an epoch that leaves room for consolidations, which need a churn above 256 ETH;
and a smaller reward factor, since little stake would earn so much that each report were cut to the protocol's limit."""
JUMP = 1800
"""Slots that are filled in at one go: a quarter of a day."""
PAST_EPOCHS = 8
"""Epochs that the chain has behind it when it begins: so that there are states, sums and finality at once."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a piece of news did to the chain."""

    came: list[Block]
    gone: list[Block]
    replaced: bool = False


class BeaconSim:
    """A running simulator. ``stop`` ends all of it."""

    def __init__(self, follower: Follower, given: Registry, chain: Chain, nodes: Sequence[str]) -> None:
        self.chain, self.orders = chain, Orders(chain)
        self.shared = Shared(chain, CHAIN_ID)
        self.faces = {name: Face(name, self.shared) for name in nodes}
        self.control = ControlServer(self)
        self._follower, self._registry = follower, given
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, url: str, *, genesis_time: int, nodes: Sequence[str] = NODES, validators: int = 2048, keys: Sequence[Key] | None = None,
        spec: Spec = DEVNET, fork: Fork = "fulu", past_epochs: int = PAST_EPOCHS, miss_rate: float = 0.002, swept: bool = False,
    ) -> Self:  # fmt: skip
        """Follow the node at ``url``. ``keys``: the watched validators, first in the registry; others fill it up to ``validators``.

        ``past_epochs``: the history invented before now. ``miss_rate``: votes that go wrong at random. ``swept``: watched validators' rewards are
        withdrawn too; without it they stay in their balances, so that the withdrawal vault of the execution side need not be filled.
        """
        follower = Follower(url)
        try:
            blocks = await follower.begin()
            given = await asyncio.to_thread(registry, keys, validators)
            chain = await asyncio.to_thread(_begin, spec, fork, genesis_time, given, blocks, past_epochs, miss_rate, swept)
        except BaseException:
            await follower.close()
            raise
        made = cls(follower, given, chain, nodes)
        try:
            for face in made.faces.values():
                await face.start()
            await made.control.start()
        except BaseException:
            await made.stop()
            raise
        made._task = asyncio.create_task(follower.follow(made._take))
        return made

    async def stop(self) -> None:
        """End the following, the nodes and the control address."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for face in self.faces.values():
            await face.close()
        await self.control.close()
        await self._follower.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def urls(self) -> dict[str, str]:
        """Address of each node."""
        return {name: face.url for name, face in self.faces.items()}

    @property
    def controls(self) -> dict[str, str]:
        """Control address of each node's faults."""
        return {name: face.control_url for name, face in self.faces.items()}

    @property
    def control_url(self) -> str:
        """Control address of the chain: for ``BeaconControl``."""
        return self.control.url

    async def reached(self, slot: int, seconds: float = 10.0) -> None:
        """Wait until the chain has processed a slot. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.chain.head_slot < slot or self.shared.lock.locked():
            if time.monotonic() > deadline:
                raise TimeoutError(f"slot {slot} was not reached within {seconds} s: the head is at {self.chain.head_slot}")
            await asyncio.sleep(0.01)

    def gossip(self, events: Sequence[Event]) -> None:
        """Let every node tell its listeners."""
        for topic, data in events:
            for face in self.faces.values():
                face.publish(topic, data)

    # ------------------------------------------------------------ following

    async def _take(self, news: News) -> None:
        finalized = self.chain.state.finalized
        while (ahead := _gap(self.chain, news)) > JUMP:
            # In pieces, so that nodes answer in the middle of a long warp: with a head that catches up, as real ones do.
            async with self.shared.lock:
                await asyncio.to_thread(self.chain.fill, min(ahead, JUMP))
        async with self.shared.lock:
            change = await asyncio.to_thread(self._apply, news)
        if change.replaced:
            self.shared.chain = self.chain
            self.orders.follow(self.chain)
        for face in self.faces.values():
            if change.replaced:
                face.follow(self.chain)
            if change.came or change.gone:
                face.arrived(change.came, change.gone, self.chain.state.finalized != finalized)

    def _apply(self, news: News) -> Change:
        """Runs in a thread, with the lock held."""
        before = self.chain
        try:
            came, gone = apply_news(before, news, self._follower.known(news.ancestor))
        except Pruned:
            latest = news.blocks[-1] if news.blocks else self._follower.known(news.ancestor)
            assert latest is not None
            log.warning("beacon_sim.begun_anew", block=latest.number)
            behaviour = before.behaviour(before.head_slot)
            known = (latest,)
            swept = not bool(before.unswept.any())
            self.chain = _begin(
                before.spec, before.fork, before.genesis_time, self._registry, known, PAST_EPOCHS, behaviour.miss_rate, swept
            )  # fmt: skip
            return Change(list(self.chain.blocks.values()), list(before.blocks.values())[-64:], replaced=True)
        return Change(came, gone)


def apply_news(chain: Chain, news: News, ancestor: Payload | None) -> tuple[list[Block], list[Block]]:
    """Let the beacon chain go the way of the execution chain: the new blocks, and the orphaned ones. Raises Pruned.

    Blocks whose payload is gone go; so do those that were only filled in before it, when time itself went back.
    """
    gone: list[Block] = []
    came: list[Block] = []
    lost = [block.slot for block in _newest_first(chain) if block.payload.number > news.ancestor]
    if lost:
        gone = chain.rewind(min(lost) - 1)
    previous = None if ancestor is None else slot_of(chain, ancestor)
    if not news.blocks and previous is not None and chain.head_slot > previous:
        gone = chain.rewind(previous) + gone
    for block in news.blocks:
        slot = slot_of(chain, block)
        if previous is not None and slot <= previous:
            continue  # a later block of the same slot
        if slot <= chain.head_slot:
            gone = chain.rewind(slot - 1) + gone
            came = [one for one in came if one.slot < slot]
        came += chain.grow(slot, block)
        previous = slot
    return came, [block for block in gone if block.root not in chain.by_root]


def _gap(chain: Chain, news: News) -> int:
    """Slots to fill in before the first new block; 0 where something was reorganised."""
    if not news.blocks or chain.state.payload.number > news.ancestor:
        return 0
    return slot_of(chain, news.blocks[0]) - 1 - chain.head_slot


def slot_of(chain: Chain, block: Payload) -> int:
    """The slot in which an execution block was made."""
    return (block.timestamp - chain.genesis_time) * 1000 // chain.spec.slot_duration_ms


def _newest_first(chain: Chain) -> list[Block]:
    """Blocks from the head back to where no reorg of execution blocks could reach."""
    return [chain.blocks[slot] for slot in range(chain.head_slot, chain.oldest_state() - 1, -1) if slot in chain.blocks]


def _begin(
    spec: Spec, fork: Fork, genesis_time: int, given: Registry, blocks: Sequence[Payload], past_epochs: int, miss_rate: float, swept: bool
) -> Chain:  # fmt: skip
    """A chain that begins ``past_epochs`` before the newest execution block and has followed since."""
    head = (blocks[-1].timestamp - genesis_time) * 1000 // spec.slot_duration_ms
    first = (head // spec.slots_per_epoch - past_epochs) * spec.slots_per_epoch
    begins = genesis_time + first * spec.slot_duration_ms // 1000
    before = [block for block in blocks if block.timestamp < begins]
    later = tuple(block for block in blocks if block.timestamp >= begins)
    payload = before[-1] if before else blocks[0]
    chain = Chain.begin(spec, fork, genesis_time, given, first, payload, miss_rate=miss_rate, swept=swept)
    apply_news(chain, News(payload.number, later), before[-1] if before else None)
    return chain
