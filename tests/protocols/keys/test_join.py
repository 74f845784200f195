"""Every validator finds exactly the key that has its 48 bytes, however the registry and the book came to be what they are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.protocols.keys.join import COLLIDED, NONE, Index, Join, KeyList, Keys, hashes, words


def key(number: int) -> bytes:
    """Keys that differ in few bits, in the first word or the last, so that whatever looks at a part only fails."""
    return (number % 7).to_bytes(8, "little") + bytes(32) + (number // 7).to_bytes(8, "big")


def column(*numbers: int) -> np.ndarray:
    return np.frombuffer(b"".join(map(key, numbers)), "V48")


def full(join: Join, pubkeys: np.ndarray, keys: KeyList, generation: int = 0) -> list[int]:
    return [max(NONE, int(n)) for n in join.numbers(pubkeys, keys.now(), generation)]


@dataclass
class Model:
    """What the book holds, in plain words: the first live place of each key."""

    keys: KeyList = field(default_factory=KeyList)
    all: list[tuple[int, int]] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)

    def add(self, numbers: list[int], holder: int) -> None:
        self.keys.add(b"".join(map(key, numbers)), holder)
        self.all += [(number, holder) for number in numbers]

    def find(self, number: int) -> int:
        return next((i for i, (n, h) in enumerate(self.all) if n == number and h not in self.gone), NONE)


NUMBERS = st.integers(0, 40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keys"), st.lists(NUMBERS, max_size=5)),
        st.tuples(st.just("validators"), st.lists(NUMBERS, max_size=5)),
        st.tuples(st.just("swap"), st.lists(NUMBERS, min_size=1, max_size=3)),
        st.tuples(st.just("shrink"), st.just([])),
        st.tuples(st.just("forget"), st.lists(st.integers(0, 5), min_size=1, max_size=1)),
    ),
    max_size=14,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_the_remembered_join_is_the_join(steps: list[tuple[str, list[int]]]) -> None:
    model, join, validators, generation = Model(), Join(), list[int](), 0
    for holder, (what, numbers) in enumerate(steps):
        if what == "keys":
            model.add(numbers, holder)
        elif what == "validators":
            validators += numbers
        elif what == "swap":  # another state than the one before: a fork, or another node's
            validators[-len(numbers) :] = numbers
        elif what == "shrink":
            del validators[-2:]
        elif numbers[0] < holder:
            model.keys.forget(numbers[0])
            model.gone.add(numbers[0])
            generation += 1
        assert full(join, column(*validators), model.keys, generation) == [model.find(v) for v in validators]


@given(st.lists(NUMBERS, max_size=12), st.lists(NUMBERS, max_size=12), st.integers(0, 3))
@settings(deadline=None)
def test_keys_whose_hashes_collide_are_told_apart(listed: list[int], asked: list[int], buckets: int) -> None:
    """Hashes of ours do not collide in a lifetime, so here they are made to."""

    def worst(rows: np.ndarray) -> np.ndarray:
        return rows[:, 0] & np.uint64(buckets)

    rows = words(column(*listed))
    index = Index(Keys(rows, worst(rows), np.zeros(len(listed), np.int32)))
    found = index.find(words(column(*asked)), worst(words(column(*asked))))
    assert [max(NONE, int(n)) for n in found] == [listed.index(a) if a in listed else NONE for a in asked]
    assert index.repeated() <= len(listed) - len(set(listed))


def test_a_collision_is_said_and_never_remembered_as_an_absence() -> None:
    rows = words(column(1, 2))
    index = Index(Keys(rows, np.zeros(2, np.uint64), np.zeros(2, np.int32)))
    assert index.find(words(column(3)), np.zeros(1, np.uint64)).tolist() == [COLLIDED]
    assert index.find(words(column(3)), np.ones(1, np.uint64)).tolist() == [NONE]


def test_a_key_listed_twice_counts_where_it_came_first() -> None:
    model = Model()
    model.add([4, 5, 5, 6, 4], 0)
    assert full(Join(), column(4, 5, 6, 7), model.keys) == [0, 1, 3, NONE]
    assert Index(model.keys.now()).repeated() == 2


def test_what_was_given_out_does_not_change() -> None:
    keys = KeyList()
    keys.add(key(1), 3)
    before = keys.now()
    for i in range(2, 3000):
        keys.add(key(i), 0)
    keys.forget(3)
    assert (len(before), before.holder.tolist()) == (1, [3])
    assert bytes(before.rows.tobytes()) == key(1)
    assert len(keys.now()) == len(keys) == 2999


def test_hashes_see_every_bit() -> None:
    base = np.frombuffer(bytes(48), "V48")
    seen = {int(hashes(words(base))[0])}
    for bit in range(384):
        flipped = (1 << bit).to_bytes(48, "little")
        seen.add(int(hashes(words(np.frombuffer(flipped, "V48")))[0]))
    assert len(seen) == 385
