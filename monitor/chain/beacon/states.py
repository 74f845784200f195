"""Whole states: asked of several nodes at once, believed when a majority of all configured nodes sends equal bytes.

A node is asked for one state at a time, is not asked for a slot above its head, and is left alone for a while after it was too slow. Before
the state it says its header of the block that the state must show, which also tells that the block is on its chain, and judged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, NamedTuple

import structlog

from monitor.chain.beacon.answers import Header
from monitor.chain.beacon.columns import StateColumns
from monitor.chain.beacon.download import FIRST, Digest, Sheet, Sheets, Strand, joined
from monitor.chain.beacon.errors import BeaconUnanswered, NodeError
from monitor.chain.beacon.node import BeaconNode
from monitor.chain.beacon.spec import FORKS, Fork, Spec
from monitor.chain.beacon.state import BadState, decode
from monitor.chain.quorum import majority
from monitor.chain.rpc import brief
from monitor.chain.settings import NetworkSettings
from monitor.model import Hash, Slot

log = structlog.get_logger()

OCTETS = "application/octet-stream"


class AgreedState(NamedTuple):
    """A state, and the SHA-256 of its bytes (as evidence; not its hash tree root)."""

    columns: StateColumns
    digest: Hash


class _Taken(NamedTuple):
    digest: Digest
    strand: Strand
    fork: Fork


class StateReader:
    """Asks for states. ``schedule`` gives the agreed fork version (0x hex) of an epoch, None where none is agreed."""

    def __init__(
        self, nodes: tuple[BeaconNode, ...], settings: NetworkSettings, workers: Executor, schedule: Callable[[int], str | None]
    ) -> None:
        self._nodes, self._settings, self._workers, self._schedule = nodes, settings, workers, schedule
        self._needed = majority(len(nodes))
        self._turn = asyncio.Lock()
        self._rest: dict[str, tuple[float, float]] = {}
        self._late: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Stop what is still being sent."""
        late = tuple(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def state(self, slot: Slot, root: Hash, spec: Spec) -> AgreedState:
        """The state of ``slot`` whose newest block is ``root``. Raises BeaconUnanswered, BadState."""
        async with self._turn:
            await self.close()  # one state at a time from each node
            ready, reasons = self._ready(slot)
            if self._settings.beacon_states == "one":
                return await self._from_one(slot, root, spec, ready, reasons)
            return await self._from_many(slot, root, spec, ready, reasons)

    def _ready(self, slot: int) -> tuple[list[BeaconNode], dict[str, str]]:
        """Who can be asked, and why the others cannot."""
        why = {node.name: self._unfit(node, slot) for node in self._nodes}
        return [n for n in self._nodes if not why[n.name]], {name: reason for name, reason in why.items() if reason}

    def _unfit(self, node: BeaconNode, slot: int) -> str:
        if node.refused is not None:
            return node.refused
        if not node.votes or node.head is None:
            return "it is syncing" if node.syncing is not None and node.syncing.is_syncing else "it is down"
        if node.head.header.slot < slot:
            return f"its head is at slot {node.head.header.slot}"
        wait = self._rest.get(node.name, (0.0, 0.0))[0] - time.monotonic()
        return f"it was too slow, and is asked again in {wait:.0f} s" if wait > 0 else ""

    # ---- a majority

    async def _from_many(self, slot: Slot, root: Hash, spec: Spec, ready: list[BeaconNode], reasons: dict[str, str]) -> AgreedState:
        what = f"state of slot {slot}"
        if len(ready) < self._needed:
            raise BeaconUnanswered(what, reasons)
        sheets = Sheets(self._settings.max_state_bytes)
        strands = {n.name: Strand(sheets) for n in ready}
        tasks = {asyncio.create_task(self._take(n, slot, root, strands[n.name])): n.name for n in ready}
        pending = set(tasks)
        taken: dict[str, _Taken] = {}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    _sort(tasks[task], task, taken, reasons)
                camp = _largest(taken)
                if len(camp) >= self._needed:
                    chosen = taken[camp[0]]
                    self._judge(chosen, taken, {t: tasks[t] for t in pending}, strands)
                    pending = set()
                    return await self._decoded(slot, spec, chosen)
                if len(camp) + len(pending) < self._needed:
                    break
            raise BeaconUnanswered(what, reasons | {name: f"sent {t.digest}" for name, t in taken.items()})
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _judge(
        self, chosen: _Taken, taken: Mapping[str, _Taken], pending: Mapping[asyncio.Task[_Taken], str], strands: Mapping[str, Strand]
    ) -> None:
        """Who differs from the majority. Who is not done yet goes on, without keeping bytes, until the next state is asked for."""
        for node in self._nodes:
            if node.name in taken:
                self._compare(node, taken[node.name].digest, chosen.digest)
        for task, name in pending.items():
            late = asyncio.create_task(self._compare_late(task, name, chosen.digest))
            for one in (late, task):
                self._late.add(one)
                one.add_done_callback(self._late.discard)
        for strand in strands.values():
            if strand is not chosen.strand:
                strand.let_go()

    async def _compare_late(self, task: asyncio.Task[_Taken], name: str, right: Digest) -> None:
        node = next(n for n in self._nodes if n.name == name)
        with suppress(NodeError):  # it has complained itself
            self._compare(node, (await task).digest, right)

    def _compare(self, node: BeaconNode, said: Digest, right: Digest) -> None:
        node.dissents["state"] = said != right
        if said != right:
            log.warning("beacon_node.state_differs", node=node.name, said=str(said), majority=str(right))

    # ---- one

    async def _from_one(self, slot: Slot, root: Hash, spec: Spec, ready: list[BeaconNode], reasons: dict[str, str]) -> AgreedState:
        header = await self._agreed_header(slot, root, ready, reasons)
        for node in ready:
            try:
                taken = await self._take(node, slot, root, Strand(Sheets(self._settings.max_state_bytes)), header)
                return await self._decoded(slot, spec, taken)
            except NodeError as error:
                reasons[node.name] = error.reason
            except BadState as error:
                reasons[node.name] = node.error("malformed", f"sent what is no state: {error}").reason
                node.complain("state", reasons[node.name])
        raise BeaconUnanswered(f"state of slot {slot}", reasons)

    async def _agreed_header(self, slot: Slot, root: Hash, ready: list[BeaconNode], reasons: dict[str, str]) -> Header:
        """The header that a majority gives for the root, so that the one node cannot choose it."""
        votes: dict[Header, int] = {}
        said = await asyncio.gather(*(self._header(n, slot, root) for n in ready), return_exceptions=True)
        for node, header in zip(ready, said, strict=True):
            if isinstance(header, Header):
                votes[header] = votes.get(header, 0) + 1
            elif isinstance(header, NodeError):
                reasons[node.name] = header.reason
            else:
                raise header
        agreed = next((header for header, count in votes.items() if count >= self._needed), None)
        if agreed is None:
            raise BeaconUnanswered(f"header {root}", reasons)
        return agreed

    # ---- one request

    async def _header(self, node: BeaconNode, slot: int, root: Hash) -> Header:
        """The node's header of the block, on its chain and judged. Raises NodeError."""
        found = await node.header(root)
        if not found.canonical:
            raise node.error("wrong_state", f"block {root[:10]} is not on its chain")
        if found.header.slot > slot:
            raise node.error("wrong_state", f"block {root[:10]} is of slot {found.header.slot}")
        if found.optimistic:
            raise node.error("optimistic", f"block {root[:10]} is not judged by its execution client")
        return found.header

    async def _take(self, node: BeaconNode, slot: int, root: Hash, strand: Strand, header: Header | None = None) -> _Taken:
        """All bytes of the node's state. ``header``: the agreed one of ``root``; by default the node says its own. Raises NodeError."""
        try:
            shown = header or await self._header(node, slot, root)
            fork = await self._bytes(node, slot, strand, shown)
        except NodeError as error:
            node.complain("state", error.reason)
            raise
        node.complain("state", "")
        self._rest.pop(node.name, None)
        return _Taken(strand.end(), strand, fork)

    async def _bytes(self, node: BeaconNode, slot: int, strand: Strand, shown: Header) -> Fork:
        seconds, checked = self._settings.beacon_state_seconds, False
        try:
            with node.told(seconds):
                async with asyncio.timeout(seconds), node.stream(f"/eth/v2/debug/beacon/states/{slot}", OCTETS) as response:
                    fork = self._fork(node, response.headers)
                    async for chunk in response.aiter_raw():
                        if strand.size + len(chunk) > self._settings.max_state_bytes:
                            raise self._too_large(node)
                        turn = strand.take(chunk)
                        if not checked and len(strand.first) == FIRST:
                            checked = _check(node, strand.first, slot, shown)
                        if turn:
                            await asyncio.sleep(0)
        except NodeError as error:
            if error.kind == "timeout":
                self._spare(node)
            raise
        if not checked:
            raise node.error("malformed", f"its state has {strand.size} bytes")
        node.heard_at = time.monotonic()
        return fork

    def _fork(self, node: BeaconNode, headers: Mapping[str, str]) -> Fork:
        """What the headers say, before anything is read. Raises NodeError."""
        kind = headers.get("content-type", "no content type")
        if not kind.startswith(OCTETS):
            raise node.error("malformed", f"state: {brief(kind, 40)} came, not {OCTETS}")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._settings.max_state_bytes:
            raise self._too_large(node)
        fork = headers.get("eth-consensus-version", "")
        if fork not in FORKS:
            told = f"of fork {brief(fork, 20)}, which we do not read" if fork else "without the header Eth-Consensus-Version"
            raise node.error("wrong_state", f"its state is {told}")
        return fork

    def _too_large(self, node: BeaconNode) -> NodeError:
        return node.error("too_large", f"its state is larger than {self._settings.max_state_bytes} bytes (max_state_bytes)")

    def _spare(self, node: BeaconNode) -> None:
        """A node that was too slow is not pressed: another request would only slow it further."""
        seconds = self._settings.beacon_state_seconds
        rest = min(4 * seconds, 2 * self._rest.get(node.name, (0.0, seconds / 2))[1])
        self._rest[node.name] = (time.monotonic() + rest, rest)

    async def _decoded(self, slot: Slot, spec: Spec, taken: _Taken) -> AgreedState:
        sheet = taken.strand.sheet
        assert sheet is not None
        version = self._schedule(spec.epoch_of(slot))
        taken.strand.let_go()
        columns = await asyncio.get_running_loop().run_in_executor(self._workers, _columns, sheet, taken, spec, slot, version)
        return AgreedState(columns, Hash("0x" + taken.digest.sha256))


def _columns(sheet: Sheet, taken: _Taken, spec: Spec, slot: int, version: str | None) -> StateColumns:
    """In a worker thread. The bytes are gone when this returns: columns are copies."""
    whole = joined(sheet, taken.digest.size)
    return decode(whole, spec, fork=taken.fork, slot=slot, version=version).columns()


def _check(node: BeaconNode, head: bytes, slot: int, shown: Header) -> bool:
    """Of our chain, at our slot, after our block (BeaconState: genesis at 0, slot at 40, latest_block_header at 64). Raises NodeError."""
    found = int.from_bytes(head[40:48], "little")
    if found != slot:
        raise node.error("wrong_state", f"its state is of slot {found}, not {slot}")
    if node.chain is not None and "0x" + head[8:40].hex() != node.chain.validators_root:
        raise node.error("wrong_state", "its state is of another chain")
    newest = (
        int.from_bytes(head[64:72], "little"),
        int.from_bytes(head[72:80], "little"),
        "0x" + head[80:112].hex(),
        "0x" + head[144:176].hex(),
    )
    if newest != (shown.slot, shown.proposer, shown.parent, shown.body_root):
        raise node.error("wrong_state", f"its state shows a block of slot {newest[0]} that is not {shown.root[:10]}")
    return True


def _sort(name: str, task: asyncio.Task[_Taken], taken: dict[str, _Taken], reasons: dict[str, str]) -> None:
    try:
        taken[name] = task.result()
    except NodeError as error:
        reasons[name] = error.reason


def _largest(taken: Mapping[str, _Taken]) -> list[str]:
    camps: dict[tuple[Digest, Fork], list[str]] = {}
    for name, found in taken.items():
        camps.setdefault((found.digest, found.fork), []).append(name)
    return max(camps.values(), key=len, default=[])
