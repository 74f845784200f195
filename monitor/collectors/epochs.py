"""When the facts of an evaluated epoch become frames: once for each (epoch, root), a scope an owner.

An epoch is admitted at the first judged block that is not older than the block whose state was read (``EpochFacts.read_at``): so a rewind of
the execution chain that orphans the one takes back the other, and blocks that are made up after an outage learn nothing of their future. A
newer epoch, or the same one with another root (evaluated again after a reorganisation), replaces what was admitted; an older one never does.
Facts that come late are stale, as they should be: a frame's age counts from ``read_at``.

A protocol whose keys were not all read has no complete figures: its scope gets a failed frame that says so, and its figures as soon as the keys are
there. The network's scope does not depend on keys.

``known``: ``epoch`` and ``root`` that were admitted, ``read`` the stamp that they speak for, ``waiting`` the owners without figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from monitor.collectors.emit import Samples
from monitor.model import (  # fmt: skip
    EVERY_BLOCK,
    Address,
    BlockStamp,
    Failed,
    Family,
    Frame,
    Hash,
    Known,
    Labels,
    Read,
    Slot,
    Snapshot,
    blind_frame,
    labels,
    ok_frame,
)
from monitor.model.beacon import BeaconView, EpochFacts

NETWORK = "ethereum"
"""The owner of all validators."""
ETHER = 10**9
"""One ether in gwei."""
Fill = Callable[[Samples, EpochFacts, str], None]


class Epochs:
    """The frames of an epoch: ``fill`` puts the samples of one owner. Plans no reads, and is due at each block."""

    cadence = EVERY_BLOCK
    watches: frozenset[Address] = frozenset()

    def __init__(self, name: str, families: tuple[Family, ...], owners: Sequence[str], fill: Fill) -> None:
        self.name, self.families, self._fill = name, families, fill
        self._scopes = {owner: labels(protocol=owner) for owner in owners}
        self.scopes: tuple[Labels, ...] = tuple(self._scopes.values())

    def plan(self, known: Known) -> Sequence[Read]:
        return ()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """No frame where there is nothing new."""
        view = snapshot.beacon
        if view is None or view.epoch is None or not is_past(view.epoch.read_at, snapshot.stamp):
            return [], known
        facts, news = view.epoch, _news(view.epoch, known)
        if news == "old":
            return [], known
        complete = {owner for owner in self._scopes if is_complete(view, owner)}
        due = [o for o in self._scopes if news == "new" or (o in known["waiting"] and o in complete)]
        if not due:
            return [], known
        read_at = _speaks_for(facts, known)
        frames = [self._frame(owner, facts, owner in complete, read_at, snapshot.stamp) for owner in due]
        waiting = [owner for owner in self._scopes if owner not in complete]
        return frames, {"epoch": facts.epoch, "root": facts.root, "read": stamp_json(read_at), "waiting": waiting}

    def _frame(self, owner: str, facts: EpochFacts, complete: bool, read_at: BlockStamp, admitted: BlockStamp) -> Frame:
        scope = self._scopes[owner]
        if not complete:
            reason = f"epoch {facts.epoch}: not all keys of {owner} were read, so its validators are not all known"
            return blind_frame(self.name, scope, read_at, Failed(reason), admitted)
        if (owner, "") not in facts.groups:
            reason = f"epoch {facts.epoch}: the evaluation found no validator of {owner}"
            return blind_frame(self.name, scope, read_at, Failed(reason), admitted)
        samples = Samples(scope)
        self._fill(samples, facts, owner)
        return ok_frame(self.name, scope, read_at, samples.found, admitted=admitted)


def is_past(read_at: BlockStamp, judged: BlockStamp) -> bool:
    """Whether a block can be the judged one or behind it; of the same number it must be the same."""
    if read_at.number == judged.number:
        return read_at.hash == judged.hash
    return read_at.number < judged.number and read_at.timestamp <= judged.timestamp


def is_complete(view: BeaconView, owner: str) -> bool:
    """Whether the owner's validators are all known: the network's always are."""
    return owner == NETWORK or (view.registry is not None and owner in view.registry.complete)


def ether(gwei: int) -> float:
    """Gwei to ether, rounded once."""
    return gwei / ETHER


def stamp_json(stamp: BlockStamp) -> list[Any]:
    """A stamp as plain JSON, to be remembered."""
    return [stamp.number, stamp.hash, stamp.parent, stamp.timestamp, stamp.slot, stamp.beacon_root]


def json_stamp(row: Sequence[Any]) -> BlockStamp:
    """The inverse of ``stamp_json``."""
    number, hash, parent, timestamp, slot, root = row
    return BlockStamp(number, Hash(hash), Hash(parent), timestamp, Slot(slot), None if root is None else Hash(root))


def _news(facts: EpochFacts, known: Mapping[str, Any]) -> Literal["new", "same", "old"]:
    if "epoch" not in known or facts.epoch > known["epoch"]:
        return "new"
    if facts.epoch < known["epoch"]:
        return "old"
    return "same" if facts.root == known["root"] else "new"


def _speaks_for(facts: EpochFacts, known: Mapping[str, Any]) -> BlockStamp:
    """What replaces an epoch speaks for no earlier moment than what it replaces: the window would pass over it."""
    before = json_stamp(known["read"]) if "read" in known else None
    return before if before is not None and before.timestamp > facts.read_at.timestamp else facts.read_at
