"""A made-up chain and small collectors: real enough to be planned, judged and to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from monitor.model import (
    EVERY_BLOCK,
    Address,
    BlockStamp,
    Cadence,
    Family,
    Frame,
    Hash,
    Known,
    Labels,
    Log,
    Read,
    Series,
    Slot,
    Snapshot,
    labels,
    ok_frame,
)  # fmt: skip

GENESIS = 1_700_000_000
HERE, THERE = Address("0x" + "11" * 20), Address("0x" + "22" * 20)


def block(number: int, branch: str = "") -> BlockStamp:
    """Block ``number`` of a branch, 12 seconds apart."""

    def digest(n: int) -> Hash:
        return Hash("0x" + hashlib.sha256(f"{branch}{n}".encode()).hexdigest())

    return BlockStamp(number, digest(number), digest(number - 1), GENESIS + 12 * number, Slot(number))


def log(at: BlockStamp, address: Address = HERE) -> Log:
    return Log(address, (), b"", at, Hash("0x" + "ab" * 32), 0, 0)


class Small:
    """A collector of one scope or two that does as it is told: ``trouble`` is raised in that step."""

    families: tuple[Family, ...] = ()

    def __init__(
        self, name: str, *, cadence: Cadence = EVERY_BLOCK, watches: frozenset[Address] = frozenset(), reads: Sequence[Read] = (),
        in_plan: Exception | None = None, in_judge: Exception | None = None, scopes: tuple[Labels, ...] = ((),),
    ) -> None:  # fmt: skip
        self.name, self.cadence, self.watches, self.scopes = name, cadence, watches, scopes
        self.reads, self.in_plan, self.in_judge = reads, in_plan, in_judge

    def plan(self, known: Known) -> Sequence[Read]:
        if self.in_plan is not None:
            raise self.in_plan
        return self.reads

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        if self.in_judge is not None:
            raise self.in_judge
        seen = len(snapshot.logs_of(*self.watches)) if self.watches else 0
        series = Series("count", labels(of=self.name))
        frames = [ok_frame(self.name, scope, snapshot.stamp, {series: float(seen)}) for scope in self.scopes]
        return frames, {**known, "logs": known.get("logs", 0) + seen}
