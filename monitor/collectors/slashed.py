"""Who was slashed since we last looked: from blocks as they come, and from states, which forget nobody. Pure.

A validator is slashed at most once in its life, so the ledger is kept by validators, not by blocks: blocks may be looked at again (after a
rewind, after a restart) and nobody is found twice or missed. A state's flags are final for the blocks that it contains; who is flagged there
and was in no block that we saw is *unseen*. For blocks after the state, an offence slashes who is not slashed yet, active,
and not withdrawable (consensus-specs, ``is_slashable_validator``). What a block said is forgotten with the next state: if its branch died without a
rewind of ours, the same validator can still be found when it is really slashed.

``known``: ``state`` is slot and root of the last admitted state, ``slashed`` who is flagged in it, ``told`` who was found in later blocks, by slot;
``seen`` is slot and root of the newest block up to which nothing was missed, ``gap`` whether blocks are missing behind the ones at hand.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from monitor.chain.beacon.spec import Spec
from monitor.model import Hash
from monitor.model.beacon import BeaconBlock, BeaconView, Registry

Kind = Literal["proposal", "attestation", "unseen"]


@dataclass(frozen=True, slots=True)
class Slashed:
    """Validators slashed by one offence, rising; for kind unseen: all that one state adds, with the state's slot and root."""

    kind: Kind
    slot: int
    root: Hash
    validators: tuple[int, ...]


class Ledger:
    """One look at a view, with what was known before. ``now``: slot of the judged block; later blocks and states wait."""

    def __init__(self, view: BeaconView, registry: Registry, known: Mapping[str, Any], now: int, spec: Spec) -> None:
        self._registry, self._spec = registry, spec
        self._view, self._blocks = view, [b for b in view.blocks if b.slot <= now]
        self._root = _root_of(view, registry)
        self._on_branch = self._root is not None and _leads_to(view.blocks, registry.slot, self._root)
        self._usable = self._on_branch and registry.slot <= now
        self._known = known
        self._told: list[list[Any]] = [list(row) for row in known.get("told", ())]
        self._slashed = known["slashed"] if "slashed" in known else pack(self._first())
        self._gone: set[int] | None = None
        self.found: list[Slashed] = []

    @property
    def ready(self) -> bool:
        """Whether there is a state to begin with: who was slashed before the first look is told nobody."""
        return self._usable or "state" in self._known

    def look(self) -> dict[str, Any]:
        """Fill ``found``; what is known afterwards. Only when ``ready``."""
        state = self._known.get("state")
        for block in self._blocks:
            if block.offences and block.slot <= self._registry.slot:
                self._block(block)
        if self._usable and self._is_news(state):
            self._take_state()
            state = [int(self._registry.slot), self._root]
        for block in self._blocks:
            if block.offences and block.slot > self._registry.slot:
                self._block(block)
        seen, gap = self._reach()
        return {"state": state, "slashed": self._slashed, "told": self._told, "seen": seen, "gap": gap}

    # ------------------------------------------------------------ blocks

    def _block(self, block: BeaconBlock) -> None:
        for offence in block.offences:
            new = tuple(v for v in offence.validators if self._is_new(v, block))
            if new:
                self.found.append(Slashed(offence.kind, block.slot, block.root, new))
                self._told.append([int(block.slot), pack(new)])
                self._all_gone().update(new)

    def _is_new(self, validator: int, block: BeaconBlock) -> bool:
        if validator in self._all_gone():
            return False
        known = validator < len(self._registry.slashed)
        if self._on_branch and block.slot <= self._registry.slot:
            return known and bool(self._registry.slashed[validator])
        epoch = self._spec.epoch_of(block.slot)
        return not known or int(self._registry.activation_epoch[validator]) <= epoch < int(self._registry.withdrawable_epoch[validator])

    def _all_gone(self) -> set[int]:
        """Who was found slashed before, by a state or a block."""
        if self._gone is None:
            self._gone = set(unpack(self._slashed)).union(*(unpack(row[1]) for row in self._told))
        return self._gone

    # ------------------------------------------------------------ states

    def _is_news(self, state: Any) -> bool:
        """A later state, or the same slot on another branch; an older one never is."""
        slot = int(self._registry.slot)
        return state is None or slot > state[0] or (slot == state[0] and self._root != state[1])

    def _take_state(self) -> None:
        flagged = np.flatnonzero(self._registry.slashed).tolist()
        if "state" in self._known:
            new = tuple(v for v in flagged if v not in self._all_gone())
            if new and self._root is not None:
                self.found.append(Slashed("unseen", int(self._registry.slot), self._root, new))
        self._slashed, self._gone = pack(flagged), None
        self._told = [row for row in self._told if row[0] > self._registry.slot]

    def _first(self) -> Iterable[int]:
        """Who counts as slashed long ago at the very first look: all that are flagged, but for those whom the blocks at hand slashed."""
        flagged = set(np.flatnonzero(self._registry.slashed).tolist())
        for block in self._view.blocks:
            earliest = self._spec.epoch_of(block.slot) + self._spec.epochs_per_slashings_vector
            recent = {v for offence in block.offences for v in offence.validators if v in flagged}
            flagged -= {v for v in recent if int(self._registry.withdrawable_epoch[v]) >= earliest}
        return sorted(flagged)

    # ------------------------------------------------------------ what was missed

    def _reach(self) -> tuple[list[Any] | None, bool]:
        """The newest block up to which nothing is missing, and whether something is missing behind the blocks at hand."""
        seen = self._known.get("seen")
        ends: list[tuple[int, Hash]] = [] if seen is None else [(seen[0], seen[1])]
        if self._usable and self._root is not None:
            ends.append((int(self._registry.slot), self._root))
        if not self._blocks:
            return seen, True
        first, last = self._blocks[0], self._blocks[-1]
        if any(first.slot <= slot + 1 or first.parent == root for slot, root in ends):
            return [int(last.slot), last.root], False
        return seen, True


def pack(validators: Iterable[int]) -> str:
    """Rising validator indices as short text: differences, compressed. A hundred thousand take some 100 kB."""
    steps = np.diff(np.fromiter(validators, np.int64), prepend=0).astype("<u4")
    return base64.b85encode(zlib.compress(steps.tobytes(), 9)).decode()


@lru_cache(maxsize=64)
def unpack(text: str) -> frozenset[int]:
    """The inverse of ``pack``, as a set."""
    steps = np.frombuffer(zlib.decompress(base64.b85decode(text)), "<u4")
    return frozenset(np.cumsum(steps, dtype=np.int64).tolist())


def _root_of(view: BeaconView, registry: Registry) -> Hash | None:
    """The root behind the registry's state; None when the view's epoch is not the one that the registry is of."""
    return view.epoch.root if view.epoch is not None and view.epoch.slot == registry.slot else None


def _leads_to(blocks: Sequence[BeaconBlock], slot: int, root: Hash) -> bool:
    """Whether ``root`` is the newest block at or before ``slot`` on the branch of these blocks; not, when they do not reach back."""
    behind = [b for b in blocks if b.slot <= slot]
    if behind:
        return behind[-1].root == root
    return bool(blocks) and blocks[0].parent == root
