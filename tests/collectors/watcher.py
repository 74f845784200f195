"""Follows the devnet block by block as the pipeline does, with plain JSON-RPC in place of endpoints that agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eth_abi import decode, encode

from monitor.collectors import collectors
from monitor.collectors.baseline import Approved, approve, parse
from monitor.collectors.roles import holdings
from monitor.devnet.deploy import MULTICALL3
from monitor.devnet.world import World
from monitor.model import Balance, BlockStamp, Call, Event, Frame, Hash, Labels, Log, Ok, Read, Reverted, Slot, Snapshot, Value, address
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import load
from monitor.service.reading import Memory, judging, plans, reads_of, watched
from monitor.turns import at_once


class Watcher:
    """``frames``: the newest frame by collector and scope. ``events``: all so far. ``reads``: how many each block took."""

    def __init__(self, world: World, folder: Path, approved: Approved | None = None) -> None:
        path = folder / "deployment.yaml"
        world.deployment.write(path)
        self.world, self.sources = world, protocol(load(path))
        self.number = world.anvil.head()[0]
        if approved is None:
            found, self.unreadable = holdings(self.sources, {}, self.snapshot)
            self.text = approve("", 31337, "lido", found, "fresh", "devnet", datetime(2026, 11, 21, tzinfo=UTC))
            approved = parse(self.text).of(31337, "lido")
        self.approved = approved
        self.collectors = collectors(self.sources, approved)
        self.memory = Memory()
        self.frames: dict[tuple[str, Labels], Frame] = {}
        self.events: list[Event] = []
        self.reads: list[int] = []
        self.blind: list[Frame] = []
        self.number -= 1

    def catch_up(self) -> None:
        """Every block up to the newest one, in order."""
        while self.number < self.world.anvil.head()[0]:
            self.number += 1
            stamp = self.stamp()
            due, failed = plans(self.collectors, self.memory, stamp)
            reads = reads_of(due)
            self.reads.append(len(reads))
            found = at_once(judging(self.collectors, due, self.snapshot(reads), self.memory))
            self.memory = found.memory
            for frame in (*failed, *found.frames):
                self.events += frame.events
                self.frames[frame.collector, frame.scope] = frame
                if not isinstance(frame.status, Ok):
                    self.blind.append(frame)

    def stamp(self) -> BlockStamp:
        block = self.world.rpc.call("eth_getBlockByNumber", hex(self.number), False)
        return BlockStamp(self.number, Hash(block["hash"]), Hash(block["parentHash"]), int(block["timestamp"], 16), Slot(0))

    def snapshot(self, reads: Any) -> Snapshot:
        stamp = self.stamp()
        return Snapshot(stamp, self._answers(list(reads)), self._logs(stamp))

    def value(self, family: str, **labels: str) -> float | None:
        """The one sample with these labels in the newest frames, None when it is absent."""
        found = [
            float(v)
            for frame in self.frames.values()
            for series, v in zip(frame.layout.series, frame.values, strict=True)
            if series.family == family and labels.items() <= dict(series.labels).items()
        ]
        assert len(found) <= 1, found
        return found[0] if found else None

    def told(self, family: str) -> list[dict[str, str]]:
        return [dict(e.series.labels) for e in self.events if e.series.family == family]

    def _answers(self, reads: Sequence[Read]) -> dict[Read, Any]:
        at = hex(self.number)
        calls = [(r, r.what.data) for r in reads if isinstance(r.what, Call)]
        rows = [(r.target, True, data) for r, data in calls]
        data = bytes.fromhex("82ad56cb") + encode(["(address,bool,bytes)[]"], [rows])  # aggregate3
        answer = self.world.rpc.call("eth_call", {"to": MULTICALL3, "data": "0x" + data.hex()}, at)
        (results,) = decode(["(bool,bytes)[]"], bytes.fromhex(answer[2:]))
        found: dict[Read, Any] = {r: Value(out, ("a",)) if ok else Reverted(out) for (r, _), (ok, out) in zip(calls, results, strict=True)}
        wallets = [r for r in reads if isinstance(r.what, Balance)]
        balances = self.world.rpc.batch([("eth_getBalance", [r.target, at]) for r in wallets]) if wallets else []
        return found | {r: Value(int(wei, 16).to_bytes(32, "big"), ("a",)) for r, wei in zip(wallets, balances, strict=True)}

    def _logs(self, stamp: BlockStamp) -> tuple[Log, ...]:
        if not hasattr(self, "collectors"):
            return ()
        wanted, ranks, found = watched(self.collectors), Counter[str](), []
        for raw in self.world.rpc.call("eth_getLogs", {"blockHash": stamp.hash, "address": sorted(wanted)}):
            topics, tx = tuple(bytes.fromhex(t[2:]) for t in raw["topics"]), Hash(raw["transactionHash"])
            at = address(raw["address"])
            found.append(Log(at, topics, bytes.fromhex(raw["data"][2:]), stamp, tx, int(raw["logIndex"], 16), ranks[tx]))
            ranks[tx] += 1
        return tuple(found)
