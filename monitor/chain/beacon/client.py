"""The consensus layer as the service sees it: heads, blocks and states that a majority of the configured beacon nodes gives alike."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from monitor.chain.beacon.answers import Chain, Header, Stated
from monitor.chain.beacon.bodies import Bodies
from monitor.chain.beacon.errors import BeaconUnanswered, NodeError
from monitor.chain.beacon.events import NodeFeed
from monitor.chain.beacon.heads import Canon
from monitor.chain.beacon.node import BeaconNode, NodeHealth
from monitor.chain.beacon.spec import Spec
from monitor.chain.beacon.states import AgreedState, StateReader
from monitor.chain.beacon.vote import Poll, poll
from monitor.chain.quorum import majority
from monitor.chain.settings import NetworkSettings
from monitor.model import Hash, Slot
from monitor.model.beacon import BeaconBlock, BeaconHead, Checkpoint

__all__ = ["AgreedState", "Beacon", "BeaconUnanswered", "NodeHealth"]

log = structlog.get_logger()

_CATCH_UP_SECONDS = 1.0
"""How long a new head waits for the bodies of the blocks before it that are missing."""


class Beacon:
    """All beacon nodes of one network. ``start`` before use, ``close`` at the end; neither fails for nodes that are down."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.settings = settings
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="beacon")
        self._nodes = tuple(BeaconNode(s, settings, self._workers) for s in settings.beacon)
        self._needed = majority(len(self._nodes))
        self._canon = Canon([n.name for n in self._nodes])
        self._bodies = Bodies(self._canon, max(settings.block_seconds, 0.5))
        self._states = StateReader(self._nodes, settings, self._workers, self._version_at)
        self._spec: Spec | None = None
        self._forks: tuple[tuple[int, str], ...] = ()
        self._justified: Checkpoint | None = None
        self._finalized: Checkpoint | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._feeds: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[str, asyncio.Queue[Hash | Stated]] = {}
        self._moved = asyncio.Event()
        self._published: tuple[object, ...] = ()
        self._head: BeaconHead | None = None
        self._blocks: tuple[BeaconBlock, ...] = ()
        self._version = 0
        self._news = asyncio.Event()
        self.head_at: float | None = None
        """Wall time (Unix seconds) at which a new head was agreed last."""

    async def start(self) -> None:
        """Ask every node which chain it serves, for as long as one request may take, and begin to follow all that answer, now or later."""
        for warning in self.settings.beacon_warnings():
            log.warning("beacon.settings", warning=warning)
        asked = [asyncio.Event() for _ in self._nodes]
        for node, event in zip(self._nodes, asked, strict=True):
            self._claims[node.name] = asyncio.Queue(1)
            self._feeds[node.name] = self._spawn(self._feed(node, event))
            self._spawn(self._forever(partial(self._walk, node)))
        if self._nodes:
            self._spawn(self._forever(self._work))
        waits = [asyncio.create_task(event.wait()) for event in asked]
        try:
            if waits:
                await asyncio.wait(waits, timeout=self.settings.beacon_request_seconds)
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        """Stop all that runs, and leave no thread."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._states.close()
        for node in self._nodes:
            await node.close()
        self._workers.shutdown(cancel_futures=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("beacon.task_died", error=repr(error), exc_info=error)

    async def _forever(self, work: Any) -> None:
        """A mistake of ours in one task must not make it mute for good."""
        while True:
            try:
                await work()
            except Exception as error:
                log.error("beacon.task_died", exc_info=error)
            await asyncio.sleep(1)

    # ---- which chain

    async def _feed(self, node: BeaconNode, asked: asyncio.Event) -> None:
        async def verify(node: BeaconNode) -> None:
            try:
                self._identified(node, await node.identify())
            finally:
                asked.set()

        claims = self._claims[node.name]
        feed = NodeFeed(node, verify, partial(_offer, claims), partial(_offer, claims))
        await self._forever(feed.run)

    def _identified(self, node: BeaconNode, chain: Chain) -> None:
        node.chain, node.unverified = chain, False
        if chain.genesis_time != self.settings.genesis_time:
            self._refuse(node, f"its genesis was at {chain.genesis_time}, but network.genesis_time is {self.settings.genesis_time}")
        elif chain.spec.preset_base != self.settings.beacon_preset:
            self._refuse(node, f"its preset is {chain.spec.preset_base}, but network.beacon_preset is {self.settings.beacon_preset}")
        known = [n.chain for n in self._nodes if n.chain is not None and n.refused is None]
        root = self._common([c.validators_root for c in known])
        if root is None:
            return
        for other in self._nodes:
            if other.chain is not None and other.refused is None and other.chain.validators_root != root:
                self._refuse(
                    other, f"it serves another chain (genesis_validators_root {other.chain.validators_root[:10]}, not {root[:10]})"
                )
        of_ours = [c for c in known if c.validators_root == root]
        spec, forks = self._common([c.spec for c in of_ours]), self._common([c.forks for c in of_ours])
        if spec is not None:
            self._agree_on(spec)
        self._forks = self._forks if forks is None else forks
        for other in self._nodes:
            if other.chain is not None and other.refused is None:
                other.dissents["configuration"] = self._spec is not None and other.chain.spec != self._spec

    def _agree_on(self, spec: Spec) -> None:
        if self._spec is None:
            self._moved.set()
        if spec != self._spec and spec.slot_seconds != self.settings.slot_seconds:
            log.warning("beacon.slot_seconds", nodes=spec.slot_seconds, setting=self.settings.slot_seconds)
        self._spec = spec

    def _common(self, said: list[Any]) -> Any:
        """What a majority of the configured nodes says, or None."""
        return next((value for value, count in Counter(said).items() if count >= self._needed), None)

    def _refuse(self, node: BeaconNode, reason: str) -> None:
        """For good: its head counts no more, and it is not asked again."""
        node.refused = f"{reason}: correct the URL of {node.name} and restart"
        log.error("beacon_node.refused", node=node.name, reason=reason)
        self._canon.drop(node.name)
        self._feeds[node.name].cancel()

    def _version_at(self, epoch: int) -> str | None:
        """The fork version that the agreed schedule has at an epoch, as 0x hex."""
        return next((version for first, version in reversed(self._forks) if first <= epoch), None)

    @property
    def spec(self) -> Spec:
        """The constants that a majority gives. There are some whenever there is a head. Raises BeaconUnanswered before."""
        if self._spec is None:
            raise BeaconUnanswered("constants of the chain", {h.name: h.note or "not asked yet" for h in self.health()})
        return self._spec

    # ---- heads

    async def _walk(self, node: BeaconNode) -> None:
        """From each head of the node down, until its view meets the others'. A newer head comes first."""
        claims = self._claims[node.name]
        while True:
            claim = await claims.get()
            try:
                if isinstance(claim, str) and node.head is not None and node.head.header.root == claim:
                    continue
                said = claim if isinstance(claim, Stated) else await node.header(claim)
                if node.refused is not None or not self._fits(node, said.header):
                    continue
                node.head = said
                self._canon.announce(node.name, said.header)
                self._agree()
                while claims.empty() and (parent := self._canon.missing(node.name)) is not None:
                    below = await node.header(parent)
                    if not self._canon.tell(node.name, below.header):
                        raise node.error("malformed", f"the parent of a block has slot {below.header.slot}, not before it")
                    self._agree()
                node.complain("headers", "")
            except NodeError as error:
                node.complain("headers", error.reason)

    def _fits(self, node: BeaconNode, header: Header) -> bool:
        """Whether the slot can be: none is in the future."""
        now = (time.time() - self.settings.genesis_time) / self.settings.slot_seconds
        if self.settings.wall_clock and header.slot > now + 2:
            node.complain("headers", node.error("malformed", f"its head is at slot {header.slot}, which is in the future").reason)
            return False
        return True

    def _voters(self) -> list[BeaconNode]:
        return [n for n in self._nodes if n.votes]

    def _agree(self) -> None:
        before = self._canon.head
        if not self._canon.advance([n.name for n in self._voters()]):
            return
        head = self._canon.head
        if before is not None and head is not None and self._left(before, head):
            log.info("beacon.reorg", slot=head.slot, root=head.root, before_slot=before.slot, before_root=before.root)
        self._moved.set()

    def _left(self, before: Header, head: Header) -> bool:
        """Whether the old head is certainly on another branch: the new one's ancestors are known as far back, and it is none of them."""
        line = list(self._canon.chain(head.root))
        return line[-1].slot <= before.slot and all(h.root != before.root for h in line)

    async def _work(self) -> None:
        """What belongs to a new head: its body, finality, and bodies that are missing before it. Looks again at least once a block."""
        while True:
            try:
                async with asyncio.timeout(max(self.settings.block_seconds, 0.5)):
                    await self._moved.wait()
            except TimeoutError:
                self._agree()
            self._moved.clear()
            head = self._canon.head
            if head is None or self._spec is None:
                continue
            await asyncio.gather(self._ask_finality(), self._fill(head, time.monotonic() + _CATCH_UP_SECONDS))
            self._publish(head)
            await self._fill(head, None)
            self._publish(head)

    async def _fill(self, head: Header, until: float | None) -> None:
        """Bodies that are missing, the newest first: until a time, or until there is a newer head."""
        for root in self._bodies.missing(head):
            found = await self._ask({n.name: n.block(root) for n in self._voters()}, "block")
            self._bodies.told(root, found.winner)
            if self._moved.is_set() if until is None else time.monotonic() > until:
                return

    async def _ask_finality(self) -> None:
        found = await self._ask({n.name: n.checkpoints() for n in self._voters()}, None)
        if found.winner is not None:
            self._justified, self._finalized = found.winner

    async def _ask(self, questions: dict[str, Coroutine[Any, Any, Any]], topic: str | None) -> Poll[Any]:
        found = await poll(questions, self._needed)
        for task in found.rest.values():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._spawn(self._late(found, topic))
        return found

    async def _late(self, found: Poll[Any], topic: str | None) -> None:
        """Who was slower than the majority, and who differed from it."""
        await found.all()
        if topic is not None:
            for node in self._nodes:
                if (differs := found.dissents().get(node.name)) is not None:
                    node.dissents[topic] = differs
                    node.complain(topic, "it says other facts than the majority" if differs else "")

    def _publish(self, head: Header) -> None:
        if self._justified is None or self._finalized is None:
            return
        optimistic = sum(n.optimistic for n in self._voters() if self._canon.supports(n.name, head.root)) >= self._needed
        made = BeaconHead(head.slot, head.root, self._justified, self._finalized, optimistic)
        blocks = self._bodies.run(head)
        key = (made, blocks[-1].root if blocks else None, next(self._bodies.missing(head), None) is None)
        self._blocks = blocks
        if key == self._published:
            return
        if self._head is None or self._head.root != made.root:
            self.head_at = time.time()
        self._published, self._head = key, made
        self._version += 1
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def follow(self) -> AsyncIterator[BeaconHead]:
        """Each new agreed head, and the same head again when its finality, its verdict or the known blocks change.

        A consumer that is slow gets the newest alone: nothing is queued.
        """
        seen = 0
        while True:
            news = self._news
            if self._version == seen or self._head is None:
                await news.wait()
                continue
            seen = self._version
            yield self._head

    def blocks(self) -> tuple[BeaconBlock, ...]:
        """The newest agreed blocks, rising, each the parent of the next, up to 96 slots back.

        They end at the newest agreed head, or before it while no majority agrees on the facts of its body.
        """
        return self._blocks

    # ---- states

    async def state(self, slot: Slot, root: Hash) -> AgreedState:
        """The state of ``slot`` on the agreed chain, ``root`` being the newest block at or before it.

        Peak memory: the bytes of one state (more only from where an answer differs), and in the end its columns, about as much again;
        the bytes are gone when it returns. Measured with 2.1 million validators: 295 MB of bytes from three nodes, 630 MiB resident at most.
        Raises BeaconUnanswered when it is not to be had, and BadState when a majority gives bytes that are no state we can read.
        """
        return await self._states.state(slot, root, self.spec)

    # ---- how the nodes do

    def health(self) -> tuple[NodeHealth, ...]:
        """One entry a node, in the order of the settings."""
        newest = max((int(n.head.header.slot) for n in self._nodes if n.head is not None and n.refused is None), default=None)
        return tuple(n.health(newest, n.votes and self._canon.opposes(n.name)) for n in self._nodes)

    def agreeing_ratio(self) -> float | None:
        """Nodes with the newest agreed block on their chain, over all configured; None without nodes."""
        if not self._nodes:
            return None
        head = self._canon.head
        return 0.0 if head is None else sum(self._canon.supports(n.name, head.root) for n in self._voters()) / len(self._nodes)


def _offer(claims: asyncio.Queue[Hash | Stated], claim: Hash | Stated) -> None:
    """Only the newest claim waits."""
    while not claims.empty():
        claims.get_nowait()
    claims.put_nowait(claim)
