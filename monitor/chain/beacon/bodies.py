"""The blocks whose bodies are agreed: which are missing before a head, and the run of them that ends at it. Pure, no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from monitor.chain.beacon.answers import Header
from monitor.chain.beacon.heads import DEPTH, Canon
from monitor.model import Hash
from monitor.model.beacon import BeaconBlock

_LONGEST_WAIT = 64
_NOTHING = Hash("0x" + "00" * 32)


class Bodies:
    """Facts by root, ``depth`` slots back. What could not be had is asked for again after ``wait`` seconds, then twice that, and so on."""

    def __init__(self, canon: Canon, wait: float, depth: int = DEPTH, clock: Callable[[], float] = time.monotonic) -> None:
        self._canon, self._wait, self._depth, self._clock = canon, wait, depth, clock
        self._known: dict[Hash, BeaconBlock] = {}
        self._failed: dict[Hash, tuple[float, int]] = {}

    def told(self, root: Hash, block: BeaconBlock | None) -> None:
        """What a majority says of the block, or that there is no majority."""
        if block is None:
            tries = self._failed.get(root, (0.0, 0))[1] + 1
            self._failed[root] = (self._clock() + self._wait * min(2 ** (tries - 1), _LONGEST_WAIT), tries)
            return
        self._failed.pop(root, None)
        self._known[root] = block

    def missing(self, head: Header) -> Iterator[Hash]:
        """Roots to ask for now, from the head down; answers may come between two of them."""
        self._forget(head)
        root, slot, floor = head.root, head.slot + 1, max(0, head.slot - self._depth)
        while root != _NOTHING:
            if root not in self._known and self._clock() >= self._failed.get(root, (0.0, 0))[0]:
                yield root
            slot, root = self._below(root, slot)
            if slot <= floor:
                return

    def run(self, head: Header) -> tuple[BeaconBlock, ...]:
        """The known blocks that end at the head, or at its newest known ancestor, rising, without a hole."""
        found: list[BeaconBlock] = []
        root, slot, floor = head.root, head.slot + 1, max(0, head.slot - self._depth)
        while root != _NOTHING:
            block = self._known.get(root)
            if block is None and found:
                break
            if block is not None and block.slot >= floor:
                found.append(block)
            slot, root = self._below(root, slot)
            if slot <= floor:
                break
        return tuple(reversed(found))

    def _below(self, root: Hash, above: int) -> tuple[int, Hash]:
        """The slot of a block and its parent; the end of all when nothing is known of it, or when slots do not fall."""
        known = self._known.get(root) or self._canon.agreed(root)
        return (known.slot, known.parent) if known is not None and known.slot < above else (0, _NOTHING)

    def _forget(self, head: Header) -> None:
        oldest = head.slot - 2 * self._depth
        if len(self._known) > 2 * self._depth:
            self._known = {root: block for root, block in self._known.items() if block.slot >= oldest}
        if len(self._failed) > 4 * self._depth:
            self._failed = dict(list(self._failed.items())[-self._depth :])
