"""Beacon nodes as far ends: a scripted chain of blocks, served over real HTTP by nodes that can be told to misbehave.

script = Script()                        # genesis and a tree of blocks
block = script.mine(7)                   # on the newest block; script.mine(8, on=other, proposals=[3]) elsewhere, with a slashing
node = FarNode(script, "one"); await node.start()
node.show(block)                         # its head from now on, told over its event stream
node.fault["headers"] = hang             # any answer instead of the right one, by the last fixed word of the path
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from monitor.chain.beacon.roots import header_root
from monitor.model import Hash
from tests.chain.beacon_states import big_state, sample

GENESIS_TIME = 1606824023
VALIDATORS_ROOT = hashlib.sha256(b"validators").digest()
SPEC = {**dict.fromkeys(("PRESET_BASE",), "minimal"), "SECONDS_PER_SLOT": "12", "SLOTS_PER_EPOCH": "8"}
FULU_VERSION = sample("fulu-minimal").data[52:56]
FAR_FUTURE = str(2**64 - 1)


@dataclass(frozen=True)
class Block:
    slot: int
    proposer: int
    parent: Hash
    state_root: bytes
    body_root: bytes
    proposals: tuple[int, ...] = ()
    attestations: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()

    @property
    def root(self) -> Hash:
        return header_root({"slot": self.slot, "proposer_index": self.proposer, "parent_root": bytes.fromhex(self.parent[2:]),
                            "state_root": self.state_root, "body_root": self.body_root})  # fmt: skip

    def header(self, state_root: bytes | None = None) -> bytes:
        """Its SSZ bytes, as ``latest_block_header`` has them."""
        return (
            struct.pack("<QQ", self.slot, self.proposer)
            + bytes.fromhex(self.parent[2:])
            + (self.state_root if state_root is None else state_root)
            + self.body_root
        )


class Script:
    """All blocks that any node may know."""

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.tip = self._add(Block(0, 0, Hash("0x" + "00" * 32), bytes(32), bytes(32)))

    def _add(self, block: Block) -> Block:
        self.blocks[block.root] = block
        return block

    def mine(
        self,
        slot: int,
        on: Block | None = None,
        proposals: Sequence[int] = (),
        attestations: Sequence[tuple[Sequence[int], Sequence[int]]] = (),
        salt: str = "",
    ) -> Block:
        """A block on another (default: on the newest one made, and it becomes the newest)."""
        body = hashlib.sha256(f"{slot} {salt} {proposals} {attestations}".encode()).digest()
        votes = tuple((tuple(a), tuple(b)) for a, b in attestations)
        made = self._add(Block(slot, slot % 5, (on or self.tip).root, hashlib.sha256(body).digest(), body, tuple(proposals), votes))
        if on is None:
            self.tip = made
        return made

    def mine_to(self, slot: int) -> Block:
        """A block in every slot after the newest."""
        for number in range(self.tip.slot + 1, slot + 1):
            self.mine(number)
        return self.tip

    def back(self, block: Block) -> Iterator[Block]:
        """The block and its ancestors."""
        found: Block | None = block
        while found is not None:
            yield found
            found = self.blocks.get(found.parent)

    def at(self, head: Block, slot: int) -> Block:
        """The newest block at or before a slot, on the chain of ``head``."""
        return next(b for b in self.back(head) if b.slot <= slot)


def state_bytes(block: Block, slot: int, validators: int | None = None) -> bytearray:
    """A Fulu state of ``slot`` whose newest block is ``block``: the minimal sample, or mainnet's layout with so many validators."""
    data = bytearray(sample("fulu-minimal").data) if validators is None else big_state(validators)
    data[0:8] = struct.pack("<Q", GENESIS_TIME)
    data[8:40] = VALIDATORS_ROOT
    data[40:48] = struct.pack("<Q", slot)
    data[64:176] = block.header(bytes(32) if slot == block.slot else None)
    return data


Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FarNode:
    """One node. All that it says can be set; ``asked`` are the paths that were asked, in order."""

    script: Script
    name: str
    head: Block = field(init=False)
    genesis_time: int = GENESIS_TIME
    validators_root: bytes = VALIDATORS_ROOT
    spec: dict[str, Any] = field(default_factory=lambda: dict(SPEC))
    status: dict[str, Any] = field(default_factory=dict)
    optimistic: bool = False
    finality: tuple[int, int] = (0, 0)
    topics: set[str] = field(default_factory=lambda: {"head", "chain_reorg", "finalized_checkpoint"})
    fault: dict[str, Fault] = field(default_factory=dict)
    lies: dict[str, Block] = field(default_factory=dict)
    """Blocks that it shows in place of the script's, by root."""
    state: Callable[[Block, int], bytes | bytearray] = state_bytes
    version: str | None = "fulu"
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    _runner: web.AppRunner | None = None
    _port: int = 0

    def __post_init__(self) -> None:
        self.head = self.script.tip

    # ---- how it runs

    async def start(self) -> FarNode:
        """Listen; again at the same port after ``stop``."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://user:hunter2@127.0.0.1:{self._port}/base/path?key=secretkey"
        return self

    async def stop(self) -> None:
        """Hang up on everybody."""
        self.end_streams()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def show(self, block: Block, tell: bool = True) -> None:
        """Its head from now on."""
        self.head = block
        if tell:
            self.tell(
                "head", f'{{"slot":"{block.slot}","block":"{block.root}","state":"0x{block.state_root.hex()}","epoch_transition":false}}'
            )

    def tell(self, topic: str, data: str) -> None:
        """An event to all streams."""
        self.raw(f"event: {topic}\ndata: {data}\n\n".encode())

    def raw(self, chunk: bytes) -> None:
        for stream in self.streams:
            stream.put_nowait(chunk)

    def end_streams(self) -> None:
        for stream in self.streams:
            stream.put_nowait(None)

    # ---- what it says

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/base/path")
        self.asked.append(path)
        self.headers.append(dict(request.headers))
        if request.query.get("key") != "secretkey" or not request.path.startswith("/base/path"):
            return web.Response(status=401)
        words = path.strip("/").split("/")
        word = next(w for w in reversed(words) if w in _ANSWERS)
        if word in self.fault:
            return await self.fault[word](request)
        return await _ANSWERS[word](self, request, words[-1])

    def find(self, identity: str) -> Block | None:
        """A block by root, or on its chain by slot or ``head``."""
        if identity.startswith("0x"):
            found = self.script.blocks.get(identity)
            known = found is not None and (found.slot <= self.head.slot or found in self.script.back(self.head))
            return self.lies.get(identity, found) if known else None
        if identity == "head":
            return self.lies.get(self.head.root, self.head)
        return next((b for b in self.script.back(self.head) if b.slot == int(identity)), None)

    async def _genesis(self, request: web.Request, _: str) -> web.Response:
        root = "0x" + self.validators_root.hex()
        return answer({"genesis_time": str(self.genesis_time), "genesis_validators_root": root, "genesis_fork_version": "0x00000000"})

    async def _spec(self, request: web.Request, _: str) -> web.Response:
        return answer(self.spec)

    async def _forks(self, request: web.Request, _: str) -> web.Response:
        version = "0x" + FULU_VERSION.hex()
        return answer([
            {"previous_version": "0x00000000", "current_version": version, "epoch": "0"},
            {"previous_version": version, "current_version": "0x07000000", "epoch": FAR_FUTURE},
        ])  # fmt: skip

    async def _syncing(self, request: web.Request, _: str) -> web.Response:
        usual = {"head_slot": str(self.head.slot), "sync_distance": "0", "is_syncing": False, "is_optimistic": False, "el_offline": False}
        return answer({**usual, **self.status})

    async def _header(self, request: web.Request, identity: str) -> web.Response:
        block = self.find(identity)
        if block is None:
            return web.json_response({"code": 404, "message": "NOT_FOUND: beacon block"}, status=404)
        message = {
            "slot": str(block.slot), "proposer_index": str(block.proposer), "parent_root": block.parent,
            "state_root": "0x" + block.state_root.hex(), "body_root": "0x" + block.body_root.hex(),
        }  # fmt: skip
        root = identity if identity.startswith("0x") else self.head.root
        canonical = root in {b.root for b in self.script.back(self.head)}
        data = {"root": root, "canonical": canonical, "header": {"message": message, "signature": "0x" + "00" * 96}}
        return web.json_response({"execution_optimistic": self.optimistic, "finalized": False, "data": data})

    async def _body(self, request: web.Request, identity: str) -> web.Response:
        block = self.find(identity)
        if block is None:
            return web.json_response({"code": 404, "message": "NOT_FOUND: beacon block"}, status=404)
        return web.json_response(
            {"version": self.version, "execution_optimistic": self.optimistic, "finalized": False, "data": body(block)}
        )

    async def _checkpoints(self, request: web.Request, _: str) -> web.Response:
        justified, finalized = self.finality
        point = {name: {"epoch": str(epoch), "root": f"0x{epoch:064x}"} for name, epoch in (
            ("previous_justified", justified), ("current_justified", justified), ("finalized", finalized))}  # fmt: skip
        return answer(point)

    async def _state(self, request: web.Request, slot: str) -> web.Response:
        head = next((b for b in self.script.back(self.head) if b.slot <= int(slot)), None)
        if head is None or int(slot) > self.head.slot:
            return web.json_response({"code": 404, "message": "NOT_FOUND: beacon state"}, status=404)
        assert request.headers["accept"] == "application/octet-stream" and request.headers["accept-encoding"] == "identity"
        data = self.state(head, int(slot))
        headers = {} if self.version is None else {"Eth-Consensus-Version": self.version}
        return web.Response(body=bytes(data), content_type="application/octet-stream", headers=headers)

    async def _events(self, request: web.Request, _: str) -> web.StreamResponse:
        if unknown := set(request.query.getall("topics")) - self.topics:
            return web.json_response({"code": 400, "message": f"unknown topic {unknown}"}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b":\n\n")
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(queue)
        try:
            while (chunk := await queue.get()) is not None:
                await response.write(chunk)
        except ConnectionError:
            pass
        finally:
            self.streams.remove(queue)
        return response


_ANSWERS: dict[str, Callable[[FarNode, web.Request, str], Awaitable[web.StreamResponse]]] = {
    "genesis": FarNode._genesis, "spec": FarNode._spec, "fork_schedule": FarNode._forks, "syncing": FarNode._syncing,
    "headers": FarNode._header, "blinded_blocks": FarNode._body, "blocks": FarNode._body, "finality_checkpoints": FarNode._checkpoints,
    "states": FarNode._state, "events": FarNode._events,
}  # fmt: skip


def answer(data: Any) -> web.Response:
    return web.json_response({"data": data})


def body(block: Block) -> dict[str, Any]:
    """The block's JSON, as far as we read it, and a bit of what we do not."""

    def signed(proposer: int, slot: int) -> dict[str, Any]:
        return {"message": {"slot": str(slot), "proposer_index": str(proposer)}, "signature": "0x"}

    def vote(indices: Sequence[int]) -> dict[str, Any]:
        return {"attesting_indices": [str(i) for i in indices], "data": {}, "signature": "0x"}

    slashed = [{"signed_header_1": signed(p, 1), "signed_header_2": signed(p, 1)} for p in block.proposals]
    voted = [{"attestation_1": vote(a), "attestation_2": vote(b)} for a, b in block.attestations]
    inner = {"randao_reveal": "0x", "proposer_slashings": slashed, "attester_slashings": voted, "attestations": []}
    return {"message": {"slot": str(block.slot), "proposer_index": str(block.proposer), "parent_root": block.parent, "body": inner}}


# ---------------------------------------------------------------- faults


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.sleep(60)
    return web.Response()


def status(code: int, text: str = "", **headers: str) -> Fault:
    """Answers this status."""

    async def fault(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return fault


def sends(content: bytes, kind: str = "application/json", **headers: str) -> Fault:
    """Answers 200 with this body."""

    async def fault(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, headers={"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}})

    return fault


def cut(content: bytes, kind: str, length: int, **headers: str) -> Fault:
    """Promises ``length`` bytes and hangs up after these."""

    async def fault(request: web.Request) -> web.StreamResponse:
        more = {k.replace("_", "-"): v for k, v in headers.items()}
        response = web.StreamResponse(headers={"Content-Type": kind, "Content-Length": str(length), **more})
        await response.prepare(request)
        await response.write(content)
        assert request.transport is not None
        request.transport.close()
        return response

    return fault


def trickle(kind: str, chunk: bytes, **headers: str) -> Fault:
    """Sends the chunk again and again, slowly, and never ends."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}})
        await response.prepare(request)
        while True:
            await response.write(chunk)
            await asyncio.sleep(0.02)

    return fault
