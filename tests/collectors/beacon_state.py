"""A small consensus layer in plain Python: a chain of slots, who is slashed on it, and the views that a service gets of it.

It shares no code with what is under test. Four slots an epoch, and eight epochs in the slashings vector, so that much happens in few blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from monitor.chain.beacon.spec import Spec
from monitor.model import BlockStamp, Hash, Slot, Snapshot
from monitor.model.beacon import (
    FAR_FUTURE_EPOCH,
    BeaconBlock,
    BeaconHead,
    BeaconView,
    Checkpoint,
    Epoch,
    EpochFacts,
    GroupFacts,
    Gwei,
    Loss,
    Offence,
    Owners,
    QueueFacts,
    Registry,
)

SPEC = Spec(slots_per_epoch=4, epochs_per_slashings_vector=8)
GENESIS = 1_600_000_000
ETH = 10**9
GROUPS = (("lido", "curated-0 Alpha"), ("lido", "curated-1 Beta"))
ALPHA, BETA = range(0, 20), range(20, 24)
SIZE = 32
"""Validators 0 to 19 are Alpha's, 20 to 23 Beta's, the others nobody's whom we watch; 30 has left long ago, 31 is not active yet."""
GONE, PENDING = 30, 31


def digest(*parts: Any) -> Hash:
    return Hash("0x" + hashlib.sha256(repr(parts).encode()).hexdigest())


def stamp(slot: int, number: int | None = None, branch: Any = "", parent: Hash | None = None) -> BlockStamp:
    number = slot if number is None else number
    return BlockStamp(number, digest("el", slot, branch), parent or digest("el", slot - 1, branch), GENESIS + 12 * slot, Slot(slot))


def group(**more: Any) -> GroupFacts:
    """Ten active validators, nine of which voted."""
    whole = GroupFacts(
        statuses={"active_ongoing": 10, "pending_queued": 2},
        balance=Gwei(321 * ETH),
        active=10,
        active_effective=Gwei(320 * ETH),
        timely={"source": (9, Gwei(288 * ETH)), "target": (9, Gwei(288 * ETH)), "head": (8, Gwei(256 * ETH))},
        offline={1: (1, Gwei(32 * ETH)), 2: (0, Gwei(0))},
        longest_streak=1,
        proposed=3,
        missed=1,
        earned=Gwei(900),
        ideal=Gwei(1000),
        slashed=0,
        loss=Loss(),
    )
    return replace(whole, **more)


def facts(
    epoch: int, root: Hash, read_at: BlockStamp, groups: Mapping[tuple[str, str], GroupFacts] | None = None, **more: Any
) -> EpochFacts:
    """Facts of ``epoch``, from the state of the last slot of the next one."""
    own = {("ethereum", ""): group(), ("lido", ""): group(), **{g: group() for g in GROUPS}}
    whole = EpochFacts(
        epoch=Epoch(epoch),
        slot=Slot(SPEC.last_slot(epoch + 1)),
        root=root,
        read_at=read_at,
        fork="fulu",
        groups=own if groups is None else groups,
        queues={"entry": QueueFacts(Gwei(64 * ETH), 2, 600), "consolidation": QueueFacts(Gwei(0), 0, None)},
        total_active=Gwei(320 * ETH),
        slashings=Gwei(32 * ETH),
        slots=SPEC.slots_per_epoch,
        missed_slots=1,
        justified=Epoch(epoch),
        finalized=Epoch(max(0, epoch - 1)),
        leaking=False,
        balances_at={"lido": Gwei(321 * ETH)},
        foreign={GROUPS[0]: 1},
    )
    return replace(whole, **more)


def owners() -> Owners:
    of = np.full(SIZE, -1, np.int32)
    of[ALPHA.start : ALPHA.stop], of[BETA.start : BETA.stop] = 0, 1
    return Owners(GROUPS, of)


def registry(slot: int, slashed: Mapping[int, int] | None = None, complete: bool = True, owned: Owners | None = None) -> Registry:
    """``slashed``: the epoch in which each was slashed."""
    activation, withdrawable = np.zeros(SIZE, np.uint64), np.full(SIZE, FAR_FUTURE_EPOCH, np.uint64)
    activation[PENDING], withdrawable[GONE] = FAR_FUTURE_EPOCH, 0
    flags = np.zeros(SIZE, bool)
    for validator, epoch in (slashed or {}).items():
        flags[validator], withdrawable[validator] = True, epoch + SPEC.epochs_per_slashings_vector
    stakes = np.full(SIZE, 32 * ETH, np.uint64)
    return Registry(
        Slot(slot), owned or owners(), stakes, flags, activation, withdrawable, frozenset({"lido"}) if complete else frozenset()
    )


def head(slot: int, root: Hash | None = None, optimistic: bool = False, behind: int = 2) -> BeaconHead:
    epoch = SPEC.epoch_of(slot)
    justified, finalized = (Checkpoint(Epoch(max(0, epoch - n)), digest("cp", epoch - n)) for n in (behind - 1, behind))
    return BeaconHead(Slot(slot), root or digest("b", slot, ""), justified, finalized, optimistic)


def offence(*validators: int, kind: Any = "attestation") -> Offence:
    return Offence(kind, tuple(sorted(validators)))


def blocks(first: int, last: int, offences: Mapping[int, Sequence[Offence]] | None = None, branch: str = "") -> tuple[BeaconBlock, ...]:
    """A block in each slot."""
    return tuple(
        BeaconBlock(Slot(s), digest("b", s, branch), digest("b", s - 1, branch), 1, tuple((offences or {}).get(s, ())))
        for s in range(first, last + 1)
    )


def snapshot(at: BlockStamp, view: BeaconView | None) -> Snapshot:
    return Snapshot(at, {}, (), ("a",), view)


# ---------------------------------------------------------------- a chain that grows and is reorganised


@dataclass(frozen=True)
class Block:
    """A beacon block and the execution block that it carries."""

    beacon: BeaconBlock
    stamp: BlockStamp


@dataclass
class Chain:
    """``now``: the current slot. ``evaluated``: how many of the newest blocks a view holds is ``reach``."""

    reach: int = 12
    now: int = 0
    canonical: list[Block] = field(default_factory=list)
    forks: int = 0
    complete: bool = True
    _facts: EpochFacts | None = None
    _registry: Registry | None = None

    def __post_init__(self) -> None:
        self.advance()

    def advance(self, offences: Sequence[Offence] = (), missed: int = 0) -> None:
        """A block after so many empty slots."""
        self.now += 1 + missed
        before = self.canonical[-1] if self.canonical else None
        parent = before.beacon.root if before else digest("genesis")
        number = before.stamp.number + 1 if before else 1
        root = digest("b", self.now, self.forks)
        block = BeaconBlock(Slot(self.now), root, parent, 1, tuple(offences))
        self.canonical.append(Block(block, stamp(self.now, number, self.forks, before.stamp.hash if before else None)))

    def orphan(self, depth: int) -> BlockStamp:
        """Drop the newest blocks; what stays. Another branch begins right behind it, in the same slots."""
        depth = min(depth, len(self.canonical) - 1)
        del self.canonical[len(self.canonical) - depth :]
        self.forks += 1
        self.now = self.canonical[-1].beacon.slot
        return self.canonical[-1].stamp

    def slashed(self, until: int) -> dict[int, int]:
        """Who is slashed in the state of a slot, with the epoch: the specification's rule, block by block."""
        found: dict[int, int] = {}
        for block in self.canonical:
            if block.beacon.slot <= until:
                epoch = block.beacon.slot // SPEC.slots_per_epoch
                for one in block.beacon.offences:
                    found |= {v: epoch for v in one.validators if v not in found and v not in (GONE, PENDING)}
        return found

    def beneath_state(self) -> int:
        """How many blocks to orphan, so that the evaluated state is of the other branch; 0 without one."""
        slot = -1 if self._registry is None else self._registry.slot
        return sum(b.beacon.slot >= slot - 1 for b in self.canonical) if slot > 0 else 0

    def evaluate(self, back: int = 0) -> None:
        """The newest complete epoch, or so many before it: a state of a slot before the head."""
        epoch = self.canonical[-1].beacon.slot // SPEC.slots_per_epoch - 2 - back
        slot = SPEC.last_slot(epoch + 1)
        behind = [b for b in self.canonical if b.beacon.slot <= slot]
        if epoch < 0 or not behind:
            return
        newest = behind[-1]
        mark = Gwei(int(newest.beacon.root[2:10], 16))
        self._facts = facts(epoch, newest.beacon.root, newest.stamp, total_active=mark)
        self._registry = registry(slot, self.slashed(slot), self.complete)

    def view(self) -> BeaconView:
        newest = self.canonical[-1].beacon
        shown = tuple(b.beacon for b in self.canonical[-self.reach :])
        return BeaconView(head(newest.slot, newest.root), shown, self._facts, self._registry)
