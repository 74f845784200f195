"""The logs of many missed blocks from one endpoint, in ranges that shrink and grow with what it allows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.chain import wire
from monitor.chain.endpoint import LATEST, Endpoint, by_hash
from monitor.chain.errors import BackingOff, EndpointError, Fault, Malformed, fault_kind
from monitor.chain.quorum import Vote
from monitor.chain.rpc import Ask
from monitor.model import Address, BlockStamp, Hash


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Logs of a range with the stamps of their blocks."""

    logs: tuple[wire.RawLog, ...] = ()
    stamps: Mapping[Hash, BlockStamp] | None = None

    def vote(self) -> Vote:
        """Equal for equal logs in equal blocks."""
        blocks = sorted((s.number, s.hash, s.parent, s.timestamp) for s in (self.stamps or {}).values())
        return Vote(repr(blocks).encode() + b"".join(log.canonical() for log in self.logs))


async def make_up(endpoint: Endpoint, watch: Mapping[str, Address], first: int, last: int, known: Mapping[int, BlockStamp]) -> MadeUp:
    """All watched logs of the blocks ``first`` to ``last``. ``known``: agreed blocks by number, which the logs must be of.

    Raises EndpointError; run it under a deadline.
    """
    while not await endpoint.reaches(last, 0.5):  # asked beyond its head, a node leaves out what it has not, without a word
        (head,) = await endpoint.blocks((LATEST,))
        if head is not None:
            endpoint.announce(head)
    logs = await _logs(endpoint, watch, first, last)
    for log in logs:
        if (stamp := known.get(log.number)) is not None and stamp.hash != log.block:
            raise endpoint.rpc.error("rpc", f"gave logs of block {log.number} of another branch")
    agreed = {s.hash: s for s in known.values()}
    wanted = {log.block: log.number for log in logs if log.block not in agreed}
    fetched = await _headers(endpoint, wanted)
    return MadeUp(logs, fetched | {log.block: agreed[log.block] for log in logs if log.block in agreed})


async def _logs(endpoint: Endpoint, watch: Mapping[str, Address], first: int, last: int) -> tuple[wire.RawLog, ...]:
    found: list[wire.RawLog] = []
    at = first
    while at <= last:
        end = min(at + endpoint.span.blocks - 1, last)
        part = await _part(endpoint, watch, at, end)
        if part is None:
            continue
        found += part
        at = end + 1
    return tuple(found)


async def _part(endpoint: Endpoint, watch: Mapping[str, Address], first: int, last: int) -> Sequence[wire.RawLog] | None:
    """The logs of one range; None if it must be tried again, maybe smaller."""
    where = {"fromBlock": hex(first), "toBlock": hex(last), "address": list(watch)}
    try:
        result = await endpoint.rpc.one(Ask("eth_getLogs", (where,)))
    except EndpointError as error:
        await _bear(endpoint, error, last - first + 1)
        return None
    if isinstance(result, Fault):
        if fault_kind(result) == "range":
            if endpoint.span.shrink(last - first + 1):
                return None
            raise endpoint.rpc.error("rpc", f"gives no logs of the single block {first}: it has too many for this endpoint")
        raise endpoint.failed(result, last)
    try:
        logs = wire.logs(result, watch)
        if logs and not (first <= logs[0].number and logs[-1].number <= last):
            raise Malformed("a log of a block that was not asked for")
    except Malformed as error:
        raise endpoint.rpc.error("malformed", str(error)) from None
    endpoint.span.grow()
    return logs


async def _bear(endpoint: Endpoint, error: EndpointError, blocks: int) -> None:
    """Go on after an error that a smaller range or some patience may cure, else raise it."""
    if isinstance(error, BackingOff) or error.kind == "rate_limited":
        await asyncio.sleep(0.25)
    elif error.kind not in ("timeout", "malformed") or not endpoint.span.shrink(blocks):
        raise error


async def _headers(endpoint: Endpoint, wanted: Mapping[Hash, int]) -> dict[Hash, BlockStamp]:
    hashes = list(wanted)
    stamps = await endpoint.blocks([by_hash(h) for h in hashes])
    found: dict[Hash, BlockStamp] = {}
    for block, stamp in zip(hashes, stamps, strict=True):
        if stamp is None or stamp.hash != block or stamp.number != wanted[block]:
            raise endpoint.rpc.error("malformed", f"gave a log of block {wanted[block]} that it does not know")
        found[block] = stamp
    return found
