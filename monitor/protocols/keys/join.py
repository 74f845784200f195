"""Public keys by the hundred thousand: kept as words, found by hash, and compared byte for byte before a match is believed.

The hash is keyed with secrets of the process, so that nobody can make keys that collide; keys that do are told apart anyway.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 48
_WORDS = KEY_BYTES // 8
_SHIFT = np.uint64(29)
_SECRETS = np.array([secrets.randbits(64) | 1 for _ in range(_WORDS)], np.uint64)

NONE, COLLIDED = -1, -2
U64 = NDArray[np.uint64]
I32 = NDArray[np.int32]


def words(values: NDArray[Any]) -> U64:
    """Fixed-size byte strings (V32, V48, ...) as rows of 64-bit words; a view where the memory allows."""
    flat = np.ascontiguousarray(values)
    return flat.view(np.uint64).reshape(len(flat), flat.dtype.itemsize // 8)


def hashes(rows: U64) -> U64:
    """A 64-bit hash a row."""
    found = np.zeros(len(rows), np.uint64)
    for i in range(_WORDS):
        found ^= rows[:, i]
        found *= _SECRETS[i]
        found ^= found >> _SHIFT
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """Numbered keys at one moment. ``holder``: whose each is, below zero for one that counts no more."""

    rows: U64
    hash: U64
    holder: I32

    def __len__(self) -> int:
        return len(self.rows)


class KeyList:
    """Keys in the order in which they were added; what was given out stays as it was."""

    def __init__(self) -> None:
        self._rows = np.empty((1024, _WORDS), np.uint64)
        self._hash = np.empty(1024, np.uint64)
        self._holder = np.empty(1024, np.int32)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, keys: bytes, holder: int) -> None:
        """Append keys of 48 bytes each, all of one holder."""
        rows = np.frombuffer(keys, np.uint64).reshape(-1, _WORDS)
        end = self._size + len(rows)
        if end > len(self._hash):
            room = max(end, 2 * len(self._hash))
            self._rows, self._hash, self._holder = (_grown(a, self._size, room) for a in (self._rows, self._hash, self._holder))
        self._rows[self._size : end] = rows
        self._hash[self._size : end] = hashes(rows)
        self._holder[self._size : end] = holder
        self._size = end

    def forget(self, holder: int) -> None:
        """The holder's keys count no more."""
        mine = self._holder[: self._size]
        mine[mine == holder] = -1

    def now(self) -> Keys:
        """All keys as of now. Rows and hashes are never written again, holders are copied."""
        return Keys(self._rows[: self._size], self._hash[: self._size], self._holder[: self._size].copy())


def _grown(old: NDArray[Any], size: int, room: int) -> NDArray[Any]:
    new = np.empty((room, *old.shape[1:]), old.dtype)
    new[:size] = old[:size]
    return new


class Index:
    """Finds keys among some of them: from number ``first`` on, those that count. The same key twice is found where it came first."""

    def __init__(self, keys: Keys, first: int = 0) -> None:
        live = np.flatnonzero(keys.holder[first:] >= 0) + first
        order = np.argsort(keys.hash[live], kind="stable")
        self._numbers = live[order].astype(np.int32)
        self._hash = keys.hash[self._numbers]
        self._rows = keys.rows

    def find(self, rows: U64, hash: U64) -> I32:
        """The number of each row's key; NONE where there is none, COLLIDED where there is none but another key has its hash."""
        found = np.full(len(rows), NONE, np.int32)
        if not len(self._hash) or not len(rows):
            return found
        at = np.searchsorted(self._hash, hash)
        # Candidates have the same hash; in the rare case that it is another key's, the next one is looked at.
        asking = np.arange(len(rows))
        while len(asking):
            near = at[asking]
            asking = asking[(near < len(self._hash)) & (self._hash[np.minimum(near, len(self._hash) - 1)] == hash[asking])]
            numbers = self._numbers[at[asking]]
            same = (rows[asking] == self._rows[numbers]).all(axis=1)
            found[asking] = np.where(same, numbers, COLLIDED)
            asking = asking[~same]
            at[asking] += 1
        return found

    def repeated(self) -> int:
        """How many keys are there once more than once."""
        alike = np.flatnonzero(self._hash[1:] == self._hash[:-1])
        if not len(alike):
            return 0
        return int((self._rows[self._numbers[alike]] == self._rows[self._numbers[alike + 1]]).all(axis=1).sum())


class Join:
    """Which key each validator has, remembered from state to state: a registry that only grew costs little."""

    def __init__(self) -> None:
        self._hash: U64 = np.empty(0, np.uint64)
        self._number: I32 = np.empty(0, np.int32)
        self._known = 0
        self._generation = -1
        self._index: Index | None = None

    def numbers(self, pubkeys: NDArray[Any], keys: Keys, generation: int) -> I32:
        """The key's number for each validator, below zero for none. Another ``generation``: keys were taken back, so nothing is remembered."""
        rows = words(pubkeys)
        hash = hashes(rows)
        if generation != self._generation or len(keys) < self._known:
            self._number, self._hash, self._known, self._index = np.empty(0, np.int32), np.empty(0, np.uint64), 0, None
        found = np.full(len(rows), NONE, np.int32)
        before = min(len(rows), len(self._number))
        kept = np.zeros(len(rows), np.bool_)
        # An equal hash is an equal key where that hash met no other key; what has a number is compared below.
        kept[:before] = (hash[:before] == self._hash[:before]) & (self._number[:before] != COLLIDED)
        found[kept] = self._number[:before][kept[:before]]
        self._look_up(rows, hash, found, kept, keys)
        self._hash, self._number, self._known, self._generation = hash, found, len(keys), generation
        return found

    def _look_up(self, rows: U64, hash: U64, found: I32, kept: NDArray[np.bool_], keys: Keys) -> None:
        """Validators that are not as remembered, among all keys; the others that had none, among the keys that are new."""
        wrong = np.flatnonzero(found >= 0)
        wrong = wrong[(rows[wrong] != keys.rows[found[wrong]]).any(axis=1)]
        kept[wrong] = False
        new = np.flatnonzero(~kept)
        fresh = Index(keys, self._known) if len(keys) > self._known else None
        if len(new):
            if self._index is None or fresh is not None:
                self._index = Index(keys)
            found[new] = self._index.find(rows[new], hash[new])
        elif fresh is not None:
            self._index = None
        if fresh is not None:
            rest = np.flatnonzero(kept & (found < 0))
            found[rest] = fresh.find(rows[rest], hash[rest])
