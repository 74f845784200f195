"""The execution clients of the devnet and the network between them: gossip, block making, reorganisations, and what goes wrong with each."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog

from monitor.devnet.anvil import Anvil, Node
from monitor.devnet.gateway import pool as rules
from monitor.devnet.gateway import signed
from monitor.devnet.gateway.branch import UNREACHABLE, Branch, Change
from monitor.devnet.gateway.maker import Jam, Maker
from monitor.devnet.gateway.peer import Peer
from monitor.devnet.gateway.pool import Account, Pool
from monitor.devnet.gateway.signed import Signed
from monitor.devnet.upstream import Fails, Plain, failure

log = structlog.get_logger()

REMEMBERED = 4096
"""Transactions that went through here, kept so that they can come back after a reorganisation."""


@dataclass
class Side:
    """One branch with its maker. ``forked_at``: the last block that it shares with the main chain; None for that itself."""

    node: Plain
    branch: Branch
    maker: Maker
    forked_at: int | None = None
    anvil: Anvil | None = None
    coinbase: str = field(default_factory=lambda: "0x" + secrets.token_hex(20))

    async def close(self) -> None:
        await self.branch.close()
        await self.node.close()
        if self.anvil is not None:
            await asyncio.to_thread(self.anvil.stop)


class Gateway:
    """Geth's manners before one anvil, for several endpoints. ``start`` it in a running loop, then put a ``peer`` behind each endpoint."""

    def __init__(self, url: str, names: Sequence[str]) -> None:
        self._url = url
        self._names = tuple(names)
        self._peers: dict[str, Peer] = {}
        self._sides: list[Side] = []
        self._known: dict[str, Signed] = {}
        self._lock = asyncio.Lock()
        self._changes: asyncio.Queue[tuple[Side, Change]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._chain = 0

    async def start(self) -> None:
        main = await self._open(self._url)
        self._sides = [main]
        self._chain = int(await main.node.ask("eth_chainId", []), 16)
        self._peers = {name: Peer(self, name, main) for name in self._names}
        self._worker = asyncio.create_task(self._work(), name="gateway")

    async def close(self) -> None:
        """End the other branches and let go of the node."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for side in self._sides:
            await side.close()

    @property
    def main(self) -> Side:
        """The chain that the world lives on."""
        return self._sides[0]

    def peer(self, name: str) -> Peer:
        """The client behind this endpoint."""
        return self._peers[name]

    def knows(self, hash: str) -> bool:
        """Whether a transaction went through here."""
        return hash in self._known

    # ---- transactions

    async def submit(self, peer: Peer, raw: object) -> str:
        """A client takes a transaction and tells the others. Its hash is returned. Raises ``Fails`` in geth's words."""
        tx = signed.read(raw)
        async with self._lock:
            if tx.hash in peer.pool:
                raise failure(-32000, "already known")
            head = peer.side.branch.head
            assert head is not None
            rules.check(tx, self._chain, head.gas_limit)
            account = (await self._accounts(peer.side, [tx.sender]))[tx.sender]
            peer.pool.add(tx, account)
            self._remember(tx)
            peer.announce(tx)
            if not peer.withholds:
                await self._gossip([tx])
        return tx.hash

    async def withhold(self, names: Iterable[str]) -> None:
        """Exactly these clients take transactions and tell nobody; the others pass on what they have."""
        wanted = set(names)
        if unknown := wanted - self._peers.keys():
            raise failure(-32602, f"there is no endpoint {min(unknown)!r}; there are: {', '.join(self._peers)}")
        async with self._lock:
            freed = [peer for peer in self._peers.values() if peer.withholds and peer.name not in wanted]
            for peer in self._peers.values():
                peer.withholds = peer.name in wanted
            await self._gossip([tx for peer in freed for tx in peer.pool])

    async def _gossip(self, transactions: Sequence[Signed]) -> None:
        """Every client and every maker takes what it can of it."""
        for side in self._sides if transactions else ():
            accounts = await self._accounts(side, {tx.sender for tx in transactions})
            for tx in transactions:
                for peer in self._peers.values():
                    if peer.side is side and _take(peer.pool, tx, accounts)[0]:
                        peer.announce(tx)
                if (old := _take(side.maker.pool, tx, accounts)[1]) is not None:
                    await side.maker.withdraw(old.hash)
            await side.maker.fill()

    def _remember(self, tx: Signed) -> None:
        self._known[tx.hash] = tx
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    async def _accounts(self, side: Side, senders: Iterable[str]) -> dict[str, Account]:
        asked = [(sender, method) for sender in senders for method in ("eth_getTransactionCount", "eth_getBalance")]
        bodies = [{"jsonrpc": "2.0", "id": i, "method": m, "params": [sender, "latest"]} for i, (sender, m) in enumerate(asked)]
        if not bodies:
            return {}
        told = {answer["id"]: int(answer["result"], 16) for answer in orjson.loads(await side.node.post(orjson.dumps(bodies)))}
        return {asked[i][0]: Account(told[i], told[i + 1]) for i in range(0, len(asked), 2)}

    # ---- the chain moves

    async def settled(self) -> None:
        """Wait until all that anvil's chain did is done here too: pools, other branches, the next block's content."""
        for side in self._sides:
            await side.branch.caught_up()
        await self._changes.join()

    async def _work(self) -> None:
        while True:
            side, change = await self._changes.get()
            try:
                await self._moved(side, change)
            except UNREACHABLE as error:
                log.warning("gateway.step_failed", error=str(error) or type(error).__name__)
            finally:
                self._changes.task_done()

    async def _moved(self, side: Side, change: Change) -> None:
        async with self._lock:
            back = self._taken_out(change)
            pools = [peer.pool for peer in self._peers.values() if peer.side is side] + [side.maker.pool]
            senders = {sender for pool in pools for sender in pool.senders()} | {tx.sender for tx in back}
            accounts = await self._accounts(side, senders)
            for pool in pools:
                pool.reset(accounts)
                for tx in back:
                    _take(pool, tx, accounts)
            if senders or side.maker.jam is not None:
                await side.maker.fill()
        if side is self.main:
            for other in self._sides[1:]:
                await self._follow(other)

    def _taken_out(self, change: Change) -> list[Signed]:
        """What was in the removed blocks and is not in the added ones: it goes back to the pools."""
        there = {hash for block in change.added for hash in block.transactions}
        gone = [hash for block in reversed(change.removed) for hash in block.transactions if hash not in there]
        return [self._known[hash] for hash in gone if hash in self._known]

    # ---- what can be done to it

    async def jam(self, jam: Jam | None = None, base_fee: int | None = None) -> None:
        """Others fill every block of the main chain from now on, and the base fee rises by its rule, from ``base_fee`` wei if given."""
        await self.main.maker.begin(jam or Jam(), base_fee)

    async def calm(self) -> None:
        """End the jam."""
        await self.main.maker.end()

    async def hold(self, hash: str, blocks: int | None = None) -> None:
        """No maker puts this transaction into one of the next ``blocks`` blocks (None: ever); it stays in the pools."""
        for side in self._sides:
            head = side.branch.head
            side.maker.held[hash] = None if blocks is None or head is None else head.number + 1 + blocks
            await side.maker.withdraw(hash)

    async def release(self, hash: str) -> None:
        """Makers may take it again."""
        for side in self._sides:
            side.maker.held.pop(hash, None)
            await side.maker.fill()

    async def orphan(self, hash: str, blocks: int | None = 0) -> int:
        """Reorganise the block away that holds this transaction; the number of blocks taken out is returned.

        What went through an endpoint is back in the pools then; this one transaction is not mined again in the first ``blocks`` new blocks after the
        branch that replaces the old one (None: until ``release``). What the devnet's people sent to anvil itself is gone, as if they had taken
        the nonce for something else.
        """
        receipt = await self.main.node.ask("eth_getTransactionReceipt", [hash])
        if receipt is None:
            raise failure(-32000, f"transaction {hash} is in no block: nothing to take out")
        head = await self.main.branch.caught_up()
        depth = head.number - int(receipt["blockNumber"], 16) + 1
        self.main.maker.held[hash] = None if blocks is None else head.number + 1 + blocks
        node = Node(urlsplit(self._url).port or 80)
        try:
            await asyncio.to_thread(node.reorg, depth)
        finally:
            node.stop()
        await self.main.branch.caught_up()
        return depth

    async def split(self, names: Iterable[str], back: int = 0) -> None:
        """These endpoints follow another branch, which left the main chain ``back`` blocks ago and keeps its pace and its clock."""
        peers = [self._named(name) for name in names]
        head = await self.main.branch.caught_up()
        forked_at = head.number - back
        anvil = await asyncio.to_thread(Anvil.start, fork=(self._url, forked_at))
        side = await self._open(anvil.http_url, forked_at, anvil)
        self._sides.append(side)
        await self._follow(side)
        async with self._lock:
            for peer in peers:
                peer.move(side)
        log.info("gateway.split", endpoints=[peer.name for peer in peers], block=forked_at)

    async def join(self) -> None:
        """All endpoints are on the main chain again; the other branches end."""
        async with self._lock:
            for peer in self._peers.values():
                if peer.side is not self.main:
                    peer.move(self.main)
            ended, self._sides = self._sides[1:], self._sides[:1]
        for side in ended:
            await side.close()

    def state(self) -> dict[str, Any]:
        """What is on, for people and drills."""
        jam, head = self.main.maker.jam, self.main.branch.head
        return {
            "head": head.number if head is not None else None,
            "jam": None if jam is None else {"tip": jam.tip, "fill": jam.fill},
            "held": dict(self.main.maker.held),
            "withholding": [peer.name for peer in self._peers.values() if peer.withholds],
            "split": [peer.name for peer in self._peers.values() if peer.side is not self.main],
            "pools": {peer.name: len(peer.pool) for peer in self._peers.values()},
        }

    # ---- inside

    def _named(self, name: str) -> Peer:
        if name not in self._peers:
            raise failure(-32602, f"there is no endpoint {name!r}; there are: {', '.join(self._peers)}")
        return self._peers[name]

    async def _open(self, url: str, forked_at: int | None = None, anvil: Anvil | None = None) -> Side:
        node = Plain(url)
        await node.start()
        branch = Branch(node, lambda change: self._told(side, change))
        side = Side(node, branch, Maker(branch), forked_at, anvil)
        try:
            await branch.start()
        except BaseException:
            await side.close()
            raise
        return side

    def _told(self, side: Side, change: Change) -> None:
        for peer in self._peers.values():
            if peer.side is side:
                peer.tell(change)
        self._changes.put_nowait((side, change))

    async def _follow(self, side: Side) -> None:
        """The other branch makes a block for each of the main chain's, at the same time."""
        main, own = self.main.branch, await side.branch.caught_up()
        for number in range(own.number + 1, (main.head.number if main.head is not None else 0) + 1):
            if (block := main.at(number)) is None:
                continue
            await side.node.ask("anvil_setCoinbase", [side.coinbase])
            await side.node.ask("evm_setNextBlockTimestamp", [hex(block.timestamp)])
            await side.node.ask("evm_mine", [])
        await side.branch.caught_up()


def _take(pool: Pool, tx: Signed, accounts: dict[str, Account]) -> tuple[bool, Signed | None]:
    """Whether a pool took a transaction that it was told of, and what it gave up for it."""
    try:
        return True, pool.add(tx, accounts[tx.sender])
    except Fails:
        return False, None
