"""Each execution endpoint by itself: does it serve our chain, how far behind is it, how old a state can it read, does its socket work?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from monitor.chain.endpoint import LATEST, Endpoint, by_hash
from monitor.chain.errors import EndpointError, Fault, fault_kind
from monitor.chain.quorum import majority
from monitor.chain.rpc import Ask, Result, brief
from monitor.chain.settings import EndpointSettings, NetworkSettings
from monitor.cli.doctor.finding import Finding, note, ok, wrong
from monitor.model import BlockStamp

FAR = 100_000
"""Blocks back at which only an archive has state: two weeks of mainnet."""
SLOW_SECONDS = 1.0


async def endpoints(network: NetworkSettings) -> list[Finding]:
    """A line for each endpoint, for the vote of all, and for our clock."""
    found = await asyncio.gather(*(_endpoint(Endpoint(e, network), network) for e in network.execution))
    heads = [head for _, head in found if head is not None]
    lines = [finding for finding, _ in found]
    return [*lines, await _vote(network, heads), *_weak(network), _clock(network, heads)]


async def _endpoint(endpoint: Endpoint, network: NetworkSettings) -> tuple[Finding, BlockStamp | None]:
    what = f"endpoint {endpoint.name}"
    try:
        started = time.monotonic()
        (head,) = await endpoint.blocks((LATEST,))
        seconds = time.monotonic() - started
        if head is None:
            return wrong(what, "does not know its latest block", "let it sync"), None
        return await _examined(endpoint, network, what, head, seconds), head
    except EndpointError as error:
        remedy = (
            f"correct its URL: it must serve chain {network.chain_id}"
            if endpoint.rpc.refused
            else "see that it runs and that its URL and key are right"
        )
        return wrong(what, error.reason, remedy), None
    finally:
        await endpoint.rpc.close()


async def _examined(endpoint: Endpoint, network: NetworkSettings, what: str, head: BlockStamp, seconds: float) -> Finding:
    need = min(network.history_blocks, head.number)
    code, logs, *_ = await endpoint.rpc.batch(
        (
            Ask("eth_getCode", (network.multicall, {"blockHash": head.hash})),
            Ask("eth_getLogs", ({"blockHash": head.hash, "address": [network.multicall]},)),
        )
    )
    if isinstance(code, Fault):
        return wrong(
            what,
            f"cannot read the state at a block's hash ({brief(code.message, 60)})",
            "use a node or provider that takes EIP-1898 block hashes",
        )
    if code in ("0x", None):
        return wrong(what, f"has no Multicall3 at {network.multicall}", "correct network.multicall")
    if isinstance(logs, Fault):
        return wrong(what, f"gives no logs ({brief(logs.message, 60)})", "use a node or provider that serves eth_getLogs by block hash")
    if not await _has_state(endpoint, head.number - need):
        depth = await _depth(endpoint, head.number, need)
        return wrong(
            what,
            f"has the state of {depth} blocks, less than network.history_blocks ({need})",
            f"set network.history_blocks: {max(depth, 1)}, or use a node that keeps more",
        )
    archive = head.number > FAR and await _has_state(endpoint, head.number - FAR)
    state = "archive" if archive else f"state of {need} blocks" if need < head.number else "all blocks' state"
    socket = await _socket(endpoint.settings, network)
    said = f"block {head.number} in {1000 * seconds:.0f} ms, {state}, {'WebSocket' if socket is None else socket}"
    if seconds > SLOW_SECONDS:
        return note(what, said, "it is slow: a nearer one leaves more of a slot for judging")
    return (
        ok(what, said)
        if socket in (None, _NO_SOCKET)
        else note(what, said, "heads are polled meanwhile, up to half a slot later: correct ws_url")
    )


async def _has_state(endpoint: Endpoint, number: int) -> bool:
    """Whether a balance of that block can be read. Raises EndpointError for what says nothing about its depth."""
    result: Result = await endpoint.rpc.one(Ask("eth_getBalance", (endpoint.network.multicall, hex(number))))
    if isinstance(result, Fault):
        if fault_kind(result) in ("pruned", "unknown_block", "rpc"):
            return False
        raise endpoint.failed(result)
    return True


async def _depth(endpoint: Endpoint, head: int, too_deep: int) -> int:
    """How many blocks back there is state, less than ``too_deep``: by halving."""
    has, lacks = 0, too_deep
    while lacks - has > 1:
        middle = (has + lacks) // 2
        has, lacks = (middle, lacks) if await _has_state(endpoint, head - middle) else (has, middle)
    return has


_NO_SOCKET = "no WebSocket configured"


async def _socket(settings: EndpointSettings, network: NetworkSettings) -> str | None:
    """None when heads can be subscribed to; else what hinders."""
    if settings.ws is None:
        return _NO_SOCKET
    headers = {k: v.get_secret_value() for k, v in settings.headers.items()}
    try:
        async with (
            asyncio.timeout(2 * network.request_seconds),
            connect(settings.ws, additional_headers=headers, proxy=None, close_timeout=1) as socket,
        ):
            await socket.send(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}).decode())
            answer = orjson.loads(await socket.recv())
    except (TimeoutError, OSError, EOFError, ValueError, WebSocketException) as error:
        return f"its WebSocket does not answer ({type(error).__name__})"
    return None if isinstance(answer, dict) and isinstance(answer.get("result"), str) else "its WebSocket refuses eth_subscribe"


async def _vote(network: NetworkSettings, heads: Sequence[BlockStamp]) -> Finding:
    """Whether a majority has the same block at the height that a majority has reached."""
    what, count = "agreement of the endpoints", len(network.execution)
    needed = majority(count)
    if len(heads) < needed:
        return wrong(
            what,
            f"{len(heads)} of {count} answer, {needed} are needed: nothing is known",
            "mend or replace endpoints until a majority answers",
        )
    height = sorted((h.number for h in heads), reverse=True)[needed - 1]
    same = await _holders_of(network, next(h for h in heads if h.number == height))
    if same < needed:
        return wrong(
            what,
            f"{same} of {count} know block {height} by one hash, {needed} are needed",
            "one is on another branch or far behind: compare their heads",
        )
    return ok(what, f"{same} of {count} have block {height} by one hash, {needed} are needed")


async def _holders_of(network: NetworkSettings, stamp: BlockStamp) -> int:
    async def knows(endpoint: Endpoint) -> bool:
        try:
            (found,) = await endpoint.blocks((by_hash(stamp.hash),))
            return found == stamp
        except EndpointError:
            return False
        finally:
            await endpoint.rpc.close()

    return sum(await asyncio.gather(*(knows(Endpoint(e, network)) for e in network.execution)))


def _weak(network: NetworkSettings) -> list[Finding]:
    return [note("choice of endpoints", warning) for warning in network.warnings()]


def _clock(network: NetworkSettings, heads: Sequence[BlockStamp]) -> Finding:
    """Our clock against the newest block: blocks come at the begin of a slot, never from the future."""
    what = "clock"
    if not network.wall_clock:
        return note(what, "not compared: network.wall_clock is false, so the chain's time may be warped")
    if not heads:
        return note(what, "not compared: no endpoint gave a block")
    age = time.time() - max(h.timestamp for h in heads)
    if age < -1:
        return wrong(
            what,
            f"the newest block is {-age:.0f} s in our future: our clock is late",
            "turn on time synchronisation (timedatectl set-ntp true)",
        )
    if age > 5 * network.block_seconds + 10:
        return wrong(
            what,
            f"the newest block of any endpoint is {age:.0f} s old",
            "our clock is early (timedatectl set-ntp true), or all endpoints are behind",
        )
    return ok(what, f"the newest block is {age:.0f} s old")
