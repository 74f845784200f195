"""Which blocks are agreed: announcements of endpoints in, agreed heads and reorgs out. Pure, no I/O.

Every endpoint has a *view*: its head, and the blocks that it itself stated to be on its chain. A view is walked from
its head down by parent hashes; when it reaches a block that we agreed on before, it is *rooted* there, and each block
above the root has its vote. Blocks with the votes of a majority of all endpoints form one chain (a view supports
one block a height, and always its ancestors too), which is the agreed one. A liar's head has one vote and never
becomes a block; a lagging endpoint votes for what it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.chain.quorum import majority
from monitor.model import BlockStamp, Hash

DEPTH = 64
"""How deep a reorg may be, in blocks: two epochs."""
SAYS_SECONDS = 384
"""For so long of block time an endpoint's newest block says on which branch it is: an epoch. Then it is one that stopped."""
_SLACK = 6


@dataclass(frozen=True, slots=True)
class Block:
    """The next agreed block. ``seen_at``: when a majority knew it; ``first_at``: when the first endpoint did (Unix seconds)."""

    stamp: BlockStamp
    seen_at: float
    first_at: float


@dataclass(frozen=True, slots=True)
class Rewind:
    """A reorg: everything above ``to`` is no longer on the chain."""

    to: BlockStamp


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks ``first`` to ``last`` are skipped, because their state can no longer be read."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """No new agreed head for two slots or longer. ``timestamp``: the block time it is now."""

    timestamp: int
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The chain that the recent blocks were on is gone: the caller must start anew."""

    reason: str


HeadEvent = Block | Rewind | Gap | Quiet | Lost


@dataclass(frozen=True, slots=True)
class Need:
    """Ask ``endpoint`` for its blocks ``first`` to ``last``, by number, and ``tell`` them."""

    endpoint: str
    first: int
    last: int


@dataclass(slots=True)
class _View:
    head: BlockStamp | None = None
    stated: dict[int, BlockStamp] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Walk:
    """From the top of a view downwards: blocks (newest first), where they root, or which number is missing."""

    blocks: tuple[BlockStamp, ...] = ()
    root: BlockStamp | None = None
    missing: int | None = None
    foreign: bool = False
    """It passed our oldest block without meeting our chain."""


class Tracker:
    """Feed it by ``announce`` and ``tell``, then take ``advance()``; ``needs()`` says what to ask."""

    def __init__(self, names: Sequence[str], recent: Sequence[BlockStamp], history: int, depth: int = DEPTH) -> None:
        """``recent``: the last judged blocks, oldest first; ``history``: how many blocks back state can be read."""
        self._views = {name: _View() for name in names}
        self._needed = majority(len(names))
        self._history, self._depth = history, depth
        self._chain: list[BlockStamp] = []
        self._by_hash: dict[Hash, BlockStamp] = {}
        self._first_at: dict[Hash, float] = {}
        self._resume: int | None = None
        self._lost = False
        for stamp in _linked(recent)[-depth:]:
            self._extend(stamp)

    @property
    def tip(self) -> BlockStamp | None:
        """The last agreed block."""
        return self._chain[-1] if self._chain else None

    # ---- what endpoints say

    def announce(self, name: str, stamp: BlockStamp, at: float) -> None:
        """The endpoint's head is now ``stamp``."""
        view = self._views[name]
        if view.head == stamp:
            return
        view.head = stamp
        view.asked.clear()
        for number in [n for n in view.stated if n > stamp.number]:
            del view.stated[number]
        self._state(view, stamp)
        self._first_at.setdefault(stamp.hash, at)
        self._forget(view)

    def tell(self, name: str, stamps: Iterable[BlockStamp]) -> None:
        """Blocks that the endpoint has on its chain, in answer to a Need."""
        view = self._views[name]
        for stamp in sorted(stamps, key=lambda s: s.number, reverse=True):
            above = view.stated.get(stamp.number + 1)
            linked = above is None or above.parent == stamp.hash
            if view.head is not None and stamp.number <= view.head.number and linked:
                self._state(view, stamp)

    def retry(self) -> None:
        """Ask again for what was asked for without success."""
        for view in self._views.values():
            view.asked.clear()

    def _state(self, view: _View, stamp: BlockStamp) -> None:
        below = view.stated.get(stamp.number - 1)
        if below is not None and below.hash != stamp.parent:
            del view.stated[stamp.number - 1]
        view.stated[stamp.number] = stamp

    def _forget(self, view: _View) -> None:
        oldest = self._chain[0].number if self._chain else -1
        top = self._top()
        most = (view.head.number if top is None and view.head else top or 0) + 4 * self._depth
        keep = view.head.number if view.head else None
        if len(view.stated) > 2 * (self._depth + self._history):
            view.stated = {n: s for n, s in view.stated.items() if n == keep or oldest <= n <= most}
            while len(view.stated) > 4 * (self._depth + self._history):
                del view.stated[min(view.stated)]
        if len(self._first_at) > 4096:
            self._first_at = dict(list(self._first_at.items())[-1024:])

    def split(self, stamp: BlockStamp) -> bool | None:
        """Whether an endpoint is on another branch than this block; None while fewer than a majority stated any block at this height.

        Branches do not grow at one pace: the newest block counts that an endpoint stated at this height or below. One that is down, or behind on our
        chain, disagrees with nobody.
        """
        if any(self._elsewhere(view, stamp) for view in self._views.values()):
            return True
        return False if sum(stamp.number in view.stated for view in self._views.values()) >= self._needed else None

    def _elsewhere(self, view: _View, stamp: BlockStamp) -> bool:
        block = view.stated.get(max((n for n in view.stated if n <= stamp.number), default=-1))
        if block is None or block.hash == stamp.hash or stamp.timestamp - block.timestamp > SAYS_SECONDS:
            return False
        if block.number == stamp.number:
            return True
        oldest = self._chain[0] if self._chain else stamp
        # What is older than all that we keep may be ours; later and yet lower than that, it cannot be.
        return block.hash not in self._by_hash and (block.number >= oldest.number or block.timestamp > oldest.timestamp)

    # ---- what to ask

    def needs(self) -> list[Need]:
        """What would let views reach our chain; nothing is asked twice until the endpoint's head changes or ``retry``."""
        top = self._top()
        if top is None or self._lost:
            return []
        found: list[Need] = []
        for name, view in self._views.items():
            if view.head is None:
                continue
            wanted = self._bridge_wants(view) if self._behind(top) else self._walk_wants(view, top)
            numbers = [n for n in wanted if n >= 0 and n not in view.asked]
            view.asked.update(numbers)
            found += [Need(name, first, last) for first, last in _ranges(numbers)]
        return found

    def _walk_wants(self, view: _View, top: int) -> Iterable[int]:
        missing = self._walk(view, top).missing
        if missing is None:
            return ()
        if not self._chain:
            return (missing,) if (floor := self._floor(view, top)) == missing else range(floor, missing + 1)
        tip, oldest = self._chain[-1].number, self._chain[0].number
        if missing > tip:
            return range(tip + 1, missing + 1)  # what was stated below a missing block may be of another branch
        return range(max(oldest, missing - 2 * (tip - missing) - 1), missing + 1)

    def _bridge_wants(self, view: _View) -> Iterable[int]:
        assert self._resume is not None and view.head is not None
        if view.head.number < self._resume:
            return ()
        tip = self._chain[-1]
        wanted = {tip.number, self._resume}
        anchor = view.stated.get(tip.number)
        if anchor is not None and anchor.hash != tip.hash:
            wanted |= {stamp.number for stamp in self._chain}
        return sorted(n for n in wanted if n not in view.stated)

    # ---- what is agreed

    def advance(self, at: float) -> list[HeadEvent]:
        """What is agreed now and was not before, in order. ``at``: the wall time of what was said last."""
        top = self._top()
        if top is None or self._lost:
            return []
        if not self._chain:
            return self._begin(top, at)
        events: list[HeadEvent] = []
        if self._behind(top):
            events = self._bridge(at)
            if not events or self._lost:
                return events
        return events + self._follow(top, at)

    def _begin(self, top: int, at: float) -> list[HeadEvent]:
        votes = Counter(key for view in self._views.values() for key in map(_bare, self._walk(view, top).blocks))
        agreed = [stamp for stamp, count in votes.items() if count >= self._needed]
        if not agreed:
            return []
        return [self._add(max(agreed, key=lambda s: s.number), at)]

    def _follow(self, top: int, at: float) -> list[HeadEvent]:
        walks = [self._walk(view, top) for view in self._views.values() if view.head is not None]
        if sum(walk.foreign for walk in walks) >= self._needed:
            return self._lose(f"a majority of the endpoints is on a chain without block {self._chain[0].number} that we judged")
        votes = Counter(_bare(stamp) for walk in walks if walk.root is not None for stamp in walk.blocks)
        agreed = {stamp.parent: stamp for stamp, count in votes.items() if count >= self._needed}
        root = next((self._by_hash[parent] for parent in agreed if parent in self._by_hash), None)
        if root is None:
            return []
        events: list[HeadEvent] = []
        if root != self._chain[-1]:
            events.append(self._rewind(root))
        current = root.hash
        while (stamp := agreed.get(current)) is not None:
            events.append(self._add(stamp, at))
            current = stamp.hash
        return events

    def _bridge(self, at: float) -> list[HeadEvent]:
        """Over an outage that was longer than the state history: where we were, and where to go on."""
        views = list(self._views.values())
        oldest = self._chain[0]
        astray = sum(1 for v in views if (s := v.stated.get(oldest.number)) is not None and s.hash != oldest.hash)
        if astray >= self._needed:
            return self._lose(f"a majority of the endpoints is on a chain without block {oldest.number} that we judged")
        anchor = next((b for b in reversed(self._chain) if self._confirming(b) >= self._needed), None)
        votes = Counter(_bare(s) for v in views if (s := v.stated.get(self._resume if self._resume is not None else -1)) is not None)
        resumed = next((stamp for stamp, count in votes.items() if count >= self._needed), None)
        if anchor is None or resumed is None:
            return []
        events: list[HeadEvent] = [self._rewind(anchor)] if anchor != self._chain[-1] else []
        events.append(Gap(anchor.number + 1, resumed.number - 1))
        self._chain, self._by_hash, self._resume = [], {}, None
        return [*events, self._add(resumed, at)]

    def _confirming(self, block: BlockStamp) -> int:
        return sum(1 for v in self._views.values() if (s := v.stated.get(block.number)) is not None and s.hash == block.hash)

    # ---- the walk

    def _walk(self, view: _View, top: int) -> _Walk:
        if view.head is None:
            return _Walk()
        if self._chain and view.head.number < self._chain[0].number:
            # Lower and yet later than our tip: not an endpoint that lags, but a chain that began anew.
            return _Walk(foreign=view.head.timestamp > self._chain[-1].timestamp)
        blocks: list[BlockStamp] = []
        number = min(view.head.number, top)
        floor = self._chain[0].number if self._chain else self._floor(view, top)
        while True:
            stamp = view.stated.get(number)
            if stamp is None:
                return _Walk(tuple(blocks), missing=number)
            if (known := self._by_hash.get(stamp.hash)) is not None:
                return _Walk(tuple(blocks), root=known)
            blocks.append(stamp)
            if (known := self._by_hash.get(stamp.parent)) is not None:
                return _Walk(tuple(blocks), root=known) if known.number == number - 1 else _Walk()
            if number <= floor:
                return _Walk(tuple(blocks), foreign=bool(self._chain))
            number -= 1

    def _floor(self, view: _View, top: int) -> int:
        """At the very start: how far down to look for a block that others know too."""
        assert view.head is not None
        at = min(view.head.number, top)
        others = [v.head.number for v in self._views.values() if v.head is not None]
        return min((n for n in others if at - self._depth <= n <= at), default=at)

    def _top(self) -> int | None:
        """The greatest number that a majority of the endpoints claims to have reached."""
        numbers = sorted((v.head.number for v in self._views.values() if v.head is not None), reverse=True)
        return numbers[self._needed - 1] if len(numbers) >= self._needed else None

    def _behind(self, top: int) -> bool:
        """Whether blocks must be skipped. Fixes where to go on, so that the goal stays put while answers come."""
        if not self._chain or top - self._chain[-1].number <= self._history:
            self._resume = None
            return False
        if self._resume is None or top - self._resume > self._history + _SLACK:
            self._resume = top - self._history + 1
        return True

    # ---- our chain

    def _add(self, stamp: BlockStamp, at: float) -> Block:
        full = self._with_root(stamp)
        self._extend(full)
        return Block(full, at, self._first_at.get(full.hash, at))

    def _with_root(self, bare: BlockStamp) -> BlockStamp:
        """The stamp with the parent beacon root that a majority gives; some endpoints' heads are without it."""
        said = [v.stated.get(bare.number) for v in self._views.values()]
        roots = Counter(s.beacon_root for s in said if s is not None and s.hash == bare.hash and s.beacon_root is not None)
        root, count = roots.most_common(1)[0] if roots else (None, 0)
        return replace(bare, beacon_root=root if count >= self._needed else None)

    def _extend(self, stamp: BlockStamp) -> None:
        self._chain.append(stamp)
        self._by_hash[stamp.hash] = stamp
        while len(self._chain) > self._depth:
            del self._by_hash[self._chain.pop(0).hash]

    def _rewind(self, to: BlockStamp) -> Rewind:
        while self._chain[-1] != to:
            del self._by_hash[self._chain.pop().hash]
        return Rewind(to)

    def _lose(self, reason: str) -> list[HeadEvent]:
        self._lost = True
        return [Lost(reason)]


def _bare(stamp: BlockStamp) -> BlockStamp:
    """What endpoints must agree on: everything but the parent beacon root, which some leave out of their heads."""
    return stamp if stamp.beacon_root is None else replace(stamp, beacon_root=None)


def _linked(recent: Sequence[BlockStamp]) -> list[BlockStamp]:
    """The last part of ``recent`` without a gap in it."""
    chain: list[BlockStamp] = []
    for stamp in recent:
        if chain and (stamp.parent != chain[-1].hash or stamp.number != chain[-1].number + 1):
            chain = []
        chain.append(stamp)
    return chain


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
