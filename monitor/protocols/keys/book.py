"""Whose validator is it: the keys of all watched protocols, as far as they were read, and the join with a beacon state.

The reader alone writes; any thread may ask. What was read is kept by ``rows``, and a restart begins where the last process ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model import Address
from monitor.model.beacon import Owners
from monitor.protocols.keys.join import I32, Index, Join, KeyList, Keys, words
from monitor.protocols.keys.labels import UNLISTED, label, others
from monitor.protocols.signals import KeyModule, KeyOperator, KeyRun

MAX_GROUPS = 1500
"""Operators of one protocol with a label of their own; the others of a module share one. The families have room for so many."""
STALE_SECONDS = 2700
"""So long after a module was last found in step, nobody can say any more that no key is missing. A validator has no duty in the first ten
epochs (64 minutes) after its deposit: two until that is final, one to be eligible, two until that is final, and five to begin."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a protocol's keys is known. ``expected``: deposited keys of all listed operators.

    ``synced``: for each module that there is, block time at which all its keys were last known; None: never. ``repeated``: keys that the
    registries list more than once (each counts where it was read first). ``problems``: what went wrong at the last look, in words.
    """

    protocol: str
    keys: int = 0
    expected: int = 0
    repeated: int = 0
    operators: int = 0
    synced: Mapping[int, int | None] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def complete(self, now: int) -> bool:
        """Whether every key whose validator could have duties at ``now`` (block time) is known. A failed look alone changes nothing yet."""
        return bool(self.synced) and all(at is not None and now - at <= STALE_SECONDS for at in self.synced.values())


@dataclass(frozen=True, slots=True)
class Listing:
    """A module as it was listed whole, with its operators by id, at a block of this time."""

    module: KeyModule
    operators: Mapping[int, KeyOperator]
    timestamp: int


@dataclass(slots=True)
class Shelf:
    """What is known of one protocol. ``held``: keys by (module, operator). ``credentials``: empty until they were read once.

    ``modules``: ids of all that there are, also of those that cannot be read; ``synced``: see :class:`Progress`.
    """

    credentials: frozenset[bytes] = frozenset()
    listings: dict[int, Listing] = field(default_factory=dict)
    held: dict[tuple[int, int], int] = field(default_factory=dict)
    modules: frozenset[int] = frozenset()
    synced: dict[int, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def directory(self) -> Mapping[int, Address]:
        return {id: listing.module.address for id, listing in self.listings.items()}

    def missing(self, module: int, most: int) -> list[KeyRun]:
        """Runs of at most so many keys that got a deposit and were not read yet, in the order of operators."""
        runs = []
        for operator in self.listings[module].operators.values():
            first = self.held.get((module, operator.id), 0)
            while first < operator.deposited:
                runs.append(KeyRun(operator.id, first, min(most, operator.deposited - first)))
                first += runs[-1].count
        return runs


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Groups of validators, and the group of each holder of keys; ``protocol_of``: its place among the protocols."""

    names: tuple[tuple[str, str], ...]
    of: I32
    protocol_of: I32
    unlisted: tuple[int, ...]


class KeyBook:
    """Keys of ``protocols``; of two that claim the same key the one that listed it first has it."""

    def __init__(self, protocols: Sequence[str]) -> None:
        self.protocols = tuple(protocols)
        self._shelves = {name: Shelf() for name in self.protocols}
        self._keys = KeyList()
        self._holders: list[tuple[str, int, int]] = []
        self._holder_of: dict[tuple[str, int, int], int] = {}
        self._generation = 0
        self._lock = threading.Lock()
        self._joining = threading.Lock()
        self._join = Join()
        self._repeated: tuple[tuple[int, int], Mapping[str, int]] = ((0, 0), {})

    # ---------------------------------------------------------------- what the reader writes

    def shelf(self, protocol: str) -> Shelf:
        """What is known of the protocol: to be read by the one who writes."""
        return self._shelves[protocol]

    def put_credentials(self, protocol: str, credentials: frozenset[bytes]) -> None:
        with self._lock:
            self._shelves[protocol].credentials = credentials

    def put_listing(self, protocol: str, listing: Listing) -> None:
        """A module's operators as listed now. A name that could not be read stays what it was."""
        with self._lock:
            before = self._shelves[protocol].listings.get(listing.module.id)
            self._shelves[protocol].listings[listing.module.id] = named(listing, before)

    def add(self, protocol: str, module: int, run: KeyRun, keys: bytes) -> None:
        """Keys that were read: the next of their operator."""
        with self._lock:
            place = (module, run.operator)
            shelf = self._shelves[protocol]
            if shelf.held.get(place, 0) != run.first:
                raise ValueError(
                    f"keys of operator {run.operator} of module {module} from {run.first}, but {shelf.held.get(place, 0)} are there"
                )
            holder = self._holder_of.setdefault((protocol, *place), len(self._holders))
            if holder == len(self._holders):
                self._holders.append((protocol, *place))
            self._keys.add(keys, holder)
            shelf.held[place] = run.first + run.count

    def drop(self, protocol: str, module: int, operator: int | None = None) -> None:
        """The keys of an operator, or of all of a module, are not what was read: forget them."""
        with self._lock:
            shelf = self._shelves[protocol]
            for place in [p for p in shelf.held if p[0] == module and operator in (None, p[1])]:
                del shelf.held[place]
                self._keys.forget(self._holder_of.pop((protocol, *place)))
            shelf.synced.pop(module, None)
            if operator is None:
                shelf.listings.pop(module, None)
            self._generation += 1

    def checked(self, protocol: str, modules: Iterable[int], synced: Mapping[int, int], problems: Sequence[str]) -> None:
        """The registries were looked at: which modules there are, which of them are in step (with the block's time), what went wrong."""
        with self._lock:
            shelf = self._shelves[protocol]
            shelf.modules, shelf.synced, shelf.problems = frozenset(modules), {**shelf.synced, **synced}, tuple(problems)

    def in_step(self, protocol: str, modules: Iterable[int], timestamp: int) -> None:
        """These modules have not changed until this block time: all their keys are known still."""
        with self._lock:
            self._shelves[protocol].synced.update(dict.fromkeys(modules, timestamp))

    def in_vain(self, protocol: str, why: str) -> None:
        """The registries could not be looked at."""
        with self._lock:
            self._shelves[protocol].problems = (why,)

    # ---------------------------------------------------------------- what anybody may ask

    def progress(self) -> tuple[Progress, ...]:
        """One entry a protocol."""
        repeated = self._count_repeated()
        with self._lock:
            return tuple(self._progress(name, shelf, repeated.get(name, 0)) for name, shelf in self._shelves.items())

    def complete(self, now: int) -> frozenset[str]:
        """Protocols whose keys are all known at block time ``now``. Quick, unlike the first ``progress`` after keys were added."""
        with self._lock:
            return frozenset(name for name, shelf in self._shelves.items() if self._progress(name, shelf, 0).complete(now))

    def keys(self) -> NDArray[Any]:
        """All keys that count (V48), in the order in which they were read."""
        with self._lock:
            now = self._keys.now()
        return now.rows[now.holder >= 0].view("V48").reshape(-1)

    def owners(self, pubkeys: NDArray[Any], withdrawal_credentials: NDArray[Any]) -> Owners:
        """Whose each validator is, by its key (V48) and withdrawal credentials (V32), both by validator index.

        A validator is an operator's if the operator's key got a deposit and withdrawals go to the protocol. With the key alone it is
        ``foreign``; with the credentials alone it is ``unlisted``. A million validators and 350,000 keys take about a second the
        first time and a fifth of it later, when their number only grew; meant for a worker thread.
        """
        with self._joining:
            with self._lock:
                keys, generation, groups = self._keys.now(), self._generation, self._groups()
                credentials = [self._shelves[name].credentials for name in self.protocols]
            number = self._join.numbers(pubkeys, keys, generation)
        rows = words(withdrawal_credentials)
        ours = [_among(rows, each) for each in credentials]
        of = np.full(len(number), -1, np.int32)
        for place, mine in zip(groups.unlisted, ours, strict=True):
            of[mine] = place
        found = np.flatnonzero(number >= 0)
        holder = keys.holder[number[found]]
        right = np.zeros(len(found), np.bool_)
        for which, mine in enumerate(ours):
            right |= (groups.protocol_of[holder] == which) & mine[found]
        of[found[right]] = groups.of[holder[right]]
        return Owners(groups.names, of, self._foreign(groups, holder[~right], credentials))

    # ---------------------------------------------------------------- inside

    def _foreign(self, groups: _Groups, holder: I32, credentials: Sequence[frozenset[bytes]]) -> Mapping[tuple[str, str], int]:
        """Counts by group; of a protocol whose credentials are not known yet nothing can be said."""
        known = np.array([bool(each) for each in credentials], np.bool_)
        counts = np.bincount(groups.of[holder[known[groups.protocol_of[holder]]]], minlength=len(groups.names)) if len(holder) else ()
        return {groups.names[i]: int(n) for i, n in enumerate(counts) if n}

    def _groups(self) -> _Groups:
        """Labels of today for the holders of keys, in the order in which they came: a group's place changes with no rename."""
        names: list[tuple[str, str]] = []
        places: dict[tuple[str, str], int] = {}
        of, protocol_of = [], []
        room = dict.fromkeys(self.protocols, MAX_GROUPS)
        for protocol, module, operator in self._holders:
            text = self._label(protocol, module, operator, room)
            place = places.setdefault((protocol, text), len(names))
            if place == len(names):
                names.append((protocol, text))
            of.append(place)
            protocol_of.append(self.protocols.index(protocol))
        unlisted = tuple(range(len(names), len(names) + len(self.protocols)))
        names += [(protocol, UNLISTED) for protocol in self.protocols]
        return _Groups(tuple(names), np.array(of, np.int32), np.array(protocol_of, np.int32), unlisted)

    def _label(self, protocol: str, module: int, operator: int, room: dict[str, int]) -> str:
        listing = self._shelves[protocol].listings.get(module)
        title = listing.module.name if listing else f"module {module}"
        if room[protocol] <= 0:
            return others(title)
        room[protocol] -= 1
        known = listing.operators.get(operator) if listing else None
        return label(title, operator, known.name or "" if known else "")

    def _progress(self, protocol: str, shelf: Shelf, repeated: int) -> Progress:
        operators = [o for listing in shelf.listings.values() for o in listing.operators.values()]
        keys, expected = sum(shelf.held.values()), sum(o.deposited for o in operators)
        synced = {id: shelf.synced.get(id) for id in sorted(shelf.modules)}
        return Progress(protocol, keys, expected, repeated, len(operators), synced, shelf.problems)

    def _count_repeated(self) -> Mapping[str, int]:
        """Counted once for each state of the book: it takes a sort."""
        with self._lock:
            key, keys = (len(self._keys), self._generation), self._keys.now()
            which = np.array([self.protocols.index(p) for p, _, _ in self._holders], np.int32)
        if self._repeated[0] != key:
            counts = {}
            for place, name in enumerate(self.protocols):
                mine = np.where((keys.holder >= 0) & (which[keys.holder] == place), keys.holder, -1) if len(which) else keys.holder
                counts[name] = Index(Keys(keys.rows, keys.hash, mine.astype(np.int32))).repeated()
            self._repeated = (key, counts)
        return self._repeated[1]


def named(listing: Listing, before: Listing | None) -> Listing:
    """The listing with the names of an earlier one where they could not be read now."""
    old = before.operators if before else {}
    names = {id: old[id].name if id in old else "" for id, o in listing.operators.items() if o.name is None}
    operators = {id: replace(o, name=names[id]) if id in names else o for id, o in listing.operators.items()}
    return replace(listing, operators=operators)


def _among(rows: NDArray[np.uint64], wanted: frozenset[bytes]) -> NDArray[np.bool_]:
    """Which rows are one of these byte strings."""
    found = np.zeros(len(rows), np.bool_)
    for each in wanted:
        found |= (rows == np.frombuffer(each, np.uint64)).all(axis=1)
    return found
