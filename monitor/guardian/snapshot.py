"""Answers by majority at one block, asked by hand: what the pipeline's snapshot is, without service or database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from monitor.chain import stage
from monitor.guardian.node import Nodes, NoMajority, Refused, number, unhex
from monitor.model import Answer, Balance, BlockStamp, Call, Code, Failed, Read, Reverted, Snapshot, Staged, Value

STAGED_GAS = 30_000_000
"""Gas of calls that are made one after the other: what most endpoints allow."""


async def take_snapshot(nodes: Nodes, stamp: BlockStamp, reads: Sequence[Read]) -> Snapshot:
    """Answers by majority at one block, without logs: what the pipeline's snapshot is, taken by hand."""
    unique = list(dict.fromkeys(reads))
    answers = await asyncio.gather(*(_answer(nodes, read, stamp) for read in unique))
    return Snapshot(stamp, dict(zip(unique, answers, strict=True)), (), tuple(n.name for n in nodes.all))


async def _answer(nodes: Nodes, read: Read, stamp: BlockStamp) -> Answer:
    at = {"blockHash": stamp.hash}
    names = tuple(n.name for n in nodes.all)
    try:
        match read.what:
            case Call(data):
                found = await nodes.call("call", read.target, data, sender=read.caller, block=at)
                return Reverted(found.data or b"", names) if isinstance(found, Refused) else Value(found, names)
            case Code():
                return Value(await nodes.agreed("code", unhex, "eth_getCode", read.target, at), names)
            case Staged() as steps:
                tx, codes = stage.request(steps, STAGED_GAS)
                what = "calls one after the other (an endpoint may not take the code that a call brings along)"
                return Value(await nodes.agreed(what, _staged, "eth_call", tx, at, codes), names)
            case Balance():
                wei = await nodes.agreed("balance", number, "eth_getBalance", read.target, at)
                return Value(wei.to_bytes(32, "big"), names)
            case _:
                return Failed("is not read by hand")
    except NoMajority as missing:
        return Failed(str(missing))


def _staged(answer: Any) -> bytes:
    data = unhex(answer)
    stage.outcomes(data)
    return data
