"""What a block's reads are as JSON-RPC, and what one endpoint's answers to them mean."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.chain import multicall, stage, wire
from monitor.chain.endpoint import Endpoint
from monitor.chain.errors import EndpointError, Fault, Malformed, UnknownBlock, fault_kind
from monitor.chain.quorum import NoVote, Vote
from monitor.chain.rpc import Ask, Result, brief
from monitor.chain.settings import NetworkSettings
from monitor.model import Address, Balance, BlockStamp, Call, Code, Read, Staged, Storage

MULTICALL_RETRY_SECONDS = 60.0
EMPTY_REVERT_BLOCKS = 256
_CHUNK_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The reads of one block, put in messages once for all endpoints."""

    stamp: BlockStamp
    network: NetworkSettings
    chunks: tuple[tuple[Read, ...], ...]
    chunk_asks: tuple[Ask, ...]
    singles: tuple[Read, ...]
    single_asks: tuple[Ask, ...]
    watch: Mapping[str, Address]
    log_ask: Ask | None

    @property
    def empty(self) -> bool:
        return not (self.chunks or self.singles or self.log_ask)


@dataclass(frozen=True, slots=True)
class Said:
    """What one endpoint said: a vote a read, and the logs of the block itself with their vote."""

    votes: Mapping[Read, Vote | NoVote]
    log_vote: Vote | NoVote | None = None
    logs: tuple[wire.RawLog, ...] = ()


@dataclass(slots=True)
class _Taken:
    """Results being sorted out."""

    votes: dict[Read, Vote | NoVote] = field(default_factory=dict)
    again: list[Read] = field(default_factory=list)


def plan(network: NetworkSettings, stamp: BlockStamp, reads: Sequence[Read], watch: frozenset[Address]) -> Plan:
    """Calls without a caller are bundled; the rest, and the logs of the block, are calls of their own in the same batch."""
    distinct = tuple(dict.fromkeys(reads))
    chunks = _chunks(network, [r for r in distinct if isinstance(r.what, Call) and r.caller is None])
    singles = tuple(r for r in distinct if not (isinstance(r.what, Call) and r.caller is None))
    lowered = wire.lowered(watch)
    log_ask = Ask("eth_getLogs", ({"blockHash": stamp.hash, "address": list(lowered)},)) if lowered else None
    asks = tuple(_aggregate(network, stamp, chunk) for chunk in chunks)
    return Plan(stamp, network, chunks, asks, singles, tuple(_single(network, stamp, r) for r in singles), lowered, log_ask)


def _chunks(network: NetworkSettings, reads: Sequence[Read]) -> tuple[tuple[Read, ...], ...]:
    most = max(1, network.multicall_gas // network.multicall_call_gas)
    chunks: list[list[Read]] = []
    size = 0
    for read in reads:
        assert isinstance(read.what, Call)
        cost = len(read.what.data) + 192
        if not chunks or len(chunks[-1]) >= most or size + cost > _CHUNK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(read)
        size += cost
    return tuple(map(tuple, chunks))


def _aggregate(network: NetworkSettings, stamp: BlockStamp, reads: Sequence[Read]) -> Ask:
    calls = [(r.target, r.what.data) for r in reads if isinstance(r.what, Call)]
    tx = {"to": network.multicall, "data": "0x" + multicall.encode(calls).hex(), "gas": hex(network.multicall_gas)}
    return Ask("eth_call", (tx, {"blockHash": stamp.hash}))


def _single(network: NetworkSettings, stamp: BlockStamp, read: Read) -> Ask:
    at = {"blockHash": stamp.hash}
    match read.what:
        case Call(data):
            tx = {"to": read.target, "data": "0x" + data.hex(), "gas": hex(network.multicall_gas)}
            return Ask("eth_call", (tx if read.caller is None else {**tx, "from": read.caller}, at))
        case Balance():
            return Ask("eth_getBalance", (read.target, at))
        case Storage(slot):
            return Ask("eth_getStorageAt", (read.target, hex(slot), at))
        case Code():
            return Ask("eth_getCode", (read.target, at))
        case Staged() as staged:
            tx, codes = stage.request(staged, network.multicall_gas)
            return Ask("eth_call", (tx, at, codes))


# ---------------------------------------------------------------- what one endpoint says


async def ask(endpoint: Endpoint, plan: Plan) -> Said:
    """One endpoint's answers to the plan. Raises EndpointError (UnknownBlock when the block is not there yet)."""
    bundled = time.monotonic() >= endpoint.multicall_broken_until
    lone = () if bundled else tuple(r for chunk in plan.chunks for r in chunk)
    chunk_asks = plan.chunk_asks if bundled else ()
    tail = () if plan.log_ask is None else (plan.log_ask,)
    results = await endpoint.rpc.batch((*chunk_asks, *plan.single_asks, *_singles(plan, lone), *tail))
    taken = _Taken()
    for chunk, result in zip(plan.chunks, results, strict=False) if bundled else ():
        _take_chunk(endpoint, plan, chunk, result, taken)
    for read, result in zip((*plan.singles, *lone), results[len(chunk_asks) :], strict=False):
        taken.votes[read] = _vote(endpoint, plan.stamp, read, result)
    log_vote, logs = _take_logs(endpoint, plan, results[-1]) if plan.log_ask is not None else (None, ())
    if taken.again:
        await _ask_alone(endpoint, plan, taken)
    return Said(taken.votes, log_vote, logs)


def _singles(plan: Plan, reads: Sequence[Read]) -> tuple[Ask, ...]:
    return tuple(_single(plan.network, plan.stamp, read) for read in reads)


def _take_chunk(endpoint: Endpoint, plan: Plan, chunk: Sequence[Read], result: Result, taken: _Taken) -> None:
    """A chunk that failed as a whole is asked read by read, and so is a call that failed without a word:

    it may have run out of the gas that the calls before it used up, which is no revert.
    """
    pairs = _aggregated(endpoint, plan, chunk, result)
    if pairs is None:
        endpoint.multicall_broken_until = time.monotonic() + MULTICALL_RETRY_SECONDS
        taken.again += chunk
        return
    for read, (success, data) in zip(chunk, pairs, strict=True):
        if success or data or len(chunk) == 1 or _known_empty(endpoint, plan.stamp, read):
            taken.votes[read] = Vote(data, reverted=not success)
        else:
            taken.again.append(read)


def _aggregated(endpoint: Endpoint, plan: Plan, chunk: Sequence[Read], result: Result) -> list[tuple[bool, bytes]] | None:
    """None if Multicall3 does not work there. Raises EndpointError if the endpoint does not."""
    if isinstance(result, Fault):
        if fault_kind(result) in ("unknown_block", "pruned"):
            raise endpoint.failed(result, plan.stamp.number)
        return None
    try:
        answer = wire.data(result, "eth_call")
        return multicall.decode(answer, len(chunk)) if answer else None
    except Malformed as error:
        raise endpoint.rpc.error("malformed", str(error)) from None


async def _ask_alone(endpoint: Endpoint, plan: Plan, taken: _Taken) -> None:
    results = await endpoint.rpc.batch(_singles(plan, taken.again))
    for read, result in zip(taken.again, results, strict=True):
        vote = taken.votes[read] = _vote(endpoint, plan.stamp, read, result)
        if vote == Vote(b"", reverted=True) and isinstance(read.what, Call):
            if len(endpoint.empty_reverts) > 4096:
                endpoint.empty_reverts.clear()
            endpoint.empty_reverts[read.target, read.what.data] = plan.stamp.number


def _known_empty(endpoint: Endpoint, stamp: BlockStamp, read: Read) -> bool:
    assert isinstance(read.what, Call)
    seen = endpoint.empty_reverts.get((read.target, read.what.data))
    return seen is not None and abs(stamp.number - seen) < EMPTY_REVERT_BLOCKS


def _vote(endpoint: Endpoint, stamp: BlockStamp, read: Read, result: Result) -> Vote | NoVote:
    """The vote of one result. Raises EndpointError for what concerns the whole block."""
    if isinstance(result, Fault):
        kind = fault_kind(result)
        if kind == "reverted" and isinstance(read.what, Call):
            return Vote(_revert_data(result), reverted=True)
        if isinstance(read.what, Staged) and kind not in ("unknown_block", "pruned"):
            # A client that does not take the code is no client that fails: it is not counted among its errors at every block.
            return NoVote(f"did not run the steps: error {result.code}: {brief(result.message)}")
        error = endpoint.failed(result, stamp.number)
        if isinstance(error, UnknownBlock) or error.kind == "pruned":
            raise error
        return NoVote(error.reason)
    try:
        if isinstance(read.what, Staged):
            return _staged(wire.data(result, "eth_call"), len(read.what.steps))
        return Vote(_bytes(read, result))
    except Malformed as error:
        raise endpoint.rpc.error("malformed", str(error)) from None


def _staged(answer: bytes, steps: int) -> Vote | NoVote:
    """A client that runs another code than the one it was given says nothing about the chain, so it does not dissent either."""
    try:
        made = len(stage.outcomes(answer))
    except stage.NotStaged as ignored:
        return NoVote(str(ignored))
    return Vote(answer) if made == steps else NoVote(f"made {made} of {steps} steps")


def _bytes(read: Read, result: object) -> bytes:
    match read.what:
        case Balance():
            return wire.quantity(result, "balance", 2**256).to_bytes(32, "big")
        case Storage():
            word = wire.data(result, "storage")
            if len(word) > 32:
                raise Malformed("storage is longer than a word")
            return word.rjust(32, b"\0")
        case Code() | Call() | Staged():
            return wire.data(result, "eth_call" if isinstance(read.what, Call) else "code")


def _revert_data(fault: Fault) -> bytes:
    """Revert data: hex in ``error.data``; some clients put it after a word, or one level deeper."""
    found = fault.data
    if isinstance(found, dict):
        found = found.get("data")
    if isinstance(found, str):
        text = found.rpartition(" ")[2]
        try:
            return wire.data(text, "revert data")
        except Malformed:
            return b""
    return b""


def _take_logs(endpoint: Endpoint, plan: Plan, result: Result) -> tuple[Vote | NoVote, tuple[wire.RawLog, ...]]:
    if isinstance(result, Fault):
        error: EndpointError = endpoint.failed(result, plan.stamp.number)
        if isinstance(error, UnknownBlock):
            raise error
        return NoVote(error.reason), ()
    try:
        logs = wire.logs(result, plan.watch)
        if any(log.block != plan.stamp.hash or log.number != plan.stamp.number for log in logs):
            raise Malformed("a log of another block than asked for")
    except Malformed as error:
        return NoVote(endpoint.rpc.error("malformed", str(error)).reason), ()
    return Vote(b"".join(log.canonical() for log in logs)), logs
