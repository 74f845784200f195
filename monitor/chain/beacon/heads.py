"""Which beacon block is the agreed head: what each node has on its chain in, the newest block of a majority out. Pure, no I/O.

Every node has a *view*: its head, and the headers that it itself stated. A view is walked from its head down by parent roots, until it
meets a block that was agreed before (*rooted*), or until nothing more is stated. Each header in the walk has the node's vote, and so has
all that is agreed below the root. A node votes for whole headers, so one that lies about a parent stands alone. Two agreed headers share a
view, so all agreed headers are on one chain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from monitor.chain.beacon.answers import Header
from monitor.chain.quorum import majority
from monitor.model import Hash

DEPTH = 96
"""Slots back from a head that are walked and remembered: three epochs."""


@dataclass(slots=True)
class _View:
    head: Header | None = None
    stated: dict[Hash, Header] = field(default_factory=dict)


class Canon:
    """Feed it by ``announce`` and ``tell``, ask ``missing``, then take ``advance()``. Nodes without a vote are not counted."""

    def __init__(self, names: Sequence[str], depth: int = DEPTH) -> None:
        self._views = {name: _View() for name in names}
        self._needed = majority(len(names))
        self._depth = depth
        self._agreed: dict[Hash, Header] = {}
        self.head: Header | None = None
        """The agreed head."""

    def announce(self, name: str, header: Header) -> None:
        """The node's head is this block."""
        view = self._views[name]
        view.head = header
        view.stated[header.root] = header
        if len(view.stated) > 2 * self._depth:
            view.stated = dict(list(view.stated.items())[-self._depth :])

    def tell(self, name: str, header: Header) -> bool:
        """The node has this block, the parent that was asked for. False if it cannot be: it is not older than its child."""
        view = self._views[name]
        child = next((h for h in self._walk(view) if h.parent == header.root), None)
        if child is None:
            return True  # the head has moved meanwhile
        if header.slot >= child.slot:
            return False
        view.stated[header.root] = header
        return True

    def drop(self, name: str) -> None:
        """The node is of another chain: forget its view."""
        self._views[name] = _View()

    def missing(self, name: str) -> Hash | None:
        """The parent that the node must be asked for next, so that its view meets the others' or ours."""
        view = self._views[name]
        last = next(reversed([*self._walk(view)]), None)
        if last is None or view.head is None or last.parent in self._agreed:
            return None
        return last.parent if last.slot > max(0, view.head.slot - self._depth) else None

    # ---- what is agreed

    def advance(self, voters: Collection[str]) -> bool:
        """Take the newest header with a majority's votes. False when the head stays.

        A head that is merely older than ours is not taken: nodes that fall silent or restart take nothing back. Another branch is.
        """
        votes: Counter[Header] = Counter()
        for name in voters:
            votes.update(self._votes(self._views[name]))
        agreed = [header for header, count in votes.items() if count >= self._needed]
        best = max(agreed, key=lambda h: h.slot, default=None)
        if best is None or not self._newer(best):
            return False
        self.head = best
        self._agreed.update((h.root, h) for h in agreed)
        self._agreed = {root: h for root, h in self._agreed.items() if best.slot - 2 * self._depth <= h.slot <= best.slot + self._depth}
        return True

    def _newer(self, best: Header) -> bool:
        """Whether it is above our head, or certainly not on our head's chain."""
        if self.head is None or best.slot > self.head.slot:
            return True
        ours = next((h for h in self.chain(self.head.root) if h.slot <= best.slot), None)
        return ours is not None and ours != best

    def chain(self, root: Hash) -> Iterator[Header]:
        """Agreed headers from ``root`` downwards."""
        header = self._agreed.get(root)
        while header is not None:
            yield header
            below = self._agreed.get(header.parent)
            header = below if below is not None and below.slot < header.slot else None

    def agreed(self, root: Hash) -> Header | None:
        """The header of a block that is, or was, agreed."""
        return self._agreed.get(root)

    def supports(self, name: str, root: Hash) -> bool:
        """Whether the block is on the node's chain, as far as we know."""
        return any(header.root == root for header in self._votes(self._views[name]))

    def opposes(self, name: str) -> bool:
        """Whether the node certainly has another block than the agreed head: its chain is known down to ours, which is not on it.

        A newer head whose ancestors were not asked for yet, as after a pause, opposes nothing.
        """
        view = self._views[name]
        if self.head is None or view.head is None or view.head.slot < self.head.slot:
            return False
        line = list(self._votes(view))
        return line[-1].slot <= self.head.slot and self.head not in line

    def _votes(self, view: _View) -> Iterator[Header]:
        last = None
        for last in self._walk(view):
            yield last
        if view.head is not None:
            yield from self.chain(view.head.root if last is None else last.parent)

    def _walk(self, view: _View) -> Iterator[Header]:
        """What the node itself stated, from its head down, above what is agreed. Slots fall, so a lie makes no circle."""
        header = view.head
        while header is not None and self._agreed.get(header.root) != header:
            yield header
            below = None if header.parent in self._agreed else view.stated.get(header.parent)
            header = below if below is not None and below.slot < header.slot else None
