from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.spec import MINIMAL
from monitor.model.beacon import Epoch
from monitor.protocols.ethereum import DamagedStreaks, Streaks, advance
from monitor.protocols.ethereum.streaks import LONGEST
from tests.protocols.ethereum.restated import FAR, State, Validator
from tests.protocols.ethereum.states import columns_of

EPOCH = 100


def at(epoch: int, *validators: Validator) -> State:
    return State(MINIMAL, "fulu", MINIMAL.last_slot(epoch), list(validators), [0] * 64)


def after(before: Streaks | None, epoch: int, *validators: Validator) -> Streaks:
    return advance(before, columns_of(at(epoch, *validators)))


def test_a_streak_grows_while_no_vote_is_timely_and_ends_with_the_first_one() -> None:
    silent, voting = Validator(previous=0), Validator(previous=1)
    first = after(None, EPOCH, silent, voting)
    assert (first.epoch, first.seen, first.counts.tolist()) == (EPOCH - 1, 1, [1, 0])
    second = after(first, EPOCH + 1, silent, silent)
    assert (second.seen, second.counts.tolist()) == (2, [2, 1])
    third = after(second, EPOCH + 2, voting, silent)
    assert (third.seen, third.counts.tolist()) == (3, [0, 2])


@pytest.mark.parametrize(
    ("who", "streak"),
    [
        (Validator(previous=0, exit_epoch=EPOCH + 5, withdrawable_epoch=EPOCH + 9), 1),  # leaving, and must vote until it is out
        (Validator(previous=0, exit_epoch=EPOCH, withdrawable_epoch=EPOCH + 9), 1),  # out now, but had to vote in the evaluated epoch
        (Validator(previous=0, exit_epoch=EPOCH - 1, withdrawable_epoch=EPOCH + 9), 0),
        (Validator(previous=0, slashed=True, exit_epoch=EPOCH + 5, withdrawable_epoch=EPOCH + 99), 0),
        (Validator(previous=0, activation_epoch=EPOCH), 0),  # active now, but not yet in the evaluated epoch
        (Validator(previous=0, activation_epoch=FAR), 0),
        (Validator(previous=8), 1),  # bits that are no flags do not count
    ],
)
def test_only_those_who_must_vote_can_be_offline(who: Validator, streak: int) -> None:
    assert after(None, EPOCH, who).counts.tolist() == [streak]


@pytest.mark.parametrize("of", [EPOCH - 3, EPOCH - 1, EPOCH])
def test_after_a_gap_counting_begins_anew(of: int) -> None:
    before = Streaks(Epoch(of), 50, np.array([50], np.uint16))
    found = after(before, EPOCH, Validator(previous=0))
    assert (found.seen, found.counts.tolist()) == (1, [1])


def test_validators_come_and_a_reorganisation_may_take_them_back() -> None:
    silent = Validator(previous=0)
    grown = after(Streaks(Epoch(EPOCH - 2), 3, np.array([3], np.uint16)), EPOCH, silent, silent)
    assert grown.counts.tolist() == [4, 1]
    shrunk = after(Streaks(Epoch(EPOCH - 2), 3, np.array([3, 2], np.uint16)), EPOCH, silent)
    assert shrunk.counts.tolist() == [4]


def test_a_streak_stops_counting_and_does_not_wrap() -> None:
    found = after(Streaks(Epoch(EPOCH - 2), LONGEST, np.array([LONGEST], np.uint16)), EPOCH, Validator(previous=0))
    assert (found.seen, found.counts.tolist()) == (LONGEST, [LONGEST])


@given(st.lists(st.lists(st.sampled_from([7, 1, 0]), min_size=3, max_size=3), min_size=1, max_size=8))
def test_a_streak_is_the_number_of_silent_epochs_at_the_end(votes: list[list[int]]) -> None:
    streaks = None
    for at_epoch, row in enumerate(votes):
        streaks = after(streaks, EPOCH + at_epoch, *(Validator(previous=flags) for flags in row))
    assert streaks is not None and streaks.seen == len(votes)
    for who in range(3):
        column = [row[who] for row in votes]
        silent = next((back for back, flags in enumerate(reversed(column)) if flags), len(column))
        assert streaks.counts[who] == silent


@given(st.lists(st.one_of(st.just(0), st.integers(0, LONGEST)), max_size=400), st.integers(0, 2**40), st.integers(1, LONGEST))
def test_the_stored_form_is_the_same_streaks(counts: list[int], epoch: int, seen: int) -> None:
    found = Streaks.from_bytes(Streaks(Epoch(epoch), seen, np.array(counts, np.uint16)).to_bytes())
    assert (found.epoch, found.seen, found.counts.tolist()) == (epoch, seen, counts)
    assert found.counts.dtype == np.uint16


def test_the_stored_form_of_a_million_validators_is_small() -> None:
    random = np.random.default_rng(1)
    counts = np.where(random.random(1_000_000) < 0.01, random.integers(1, 5000, 1_000_000), 0).astype(np.uint16)
    assert len(Streaks(Epoch(1), 5000, counts).to_bytes()) < 60_000
    everybody = np.full(1_000_000, 7, np.uint16)
    assert len(Streaks(Epoch(1), 5000, everybody).to_bytes()) < 60_000


@given(st.data())
def test_damaged_bytes_never_become_other_streaks(data: st.DataObject) -> None:
    whole = Streaks(Epoch(5), 9, np.array([0, 3, 0, 0, 9, 1], np.uint16)).to_bytes()
    where, bit = data.draw(st.integers(2, len(whole) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(whole)
    damaged[where] ^= 1 << bit
    with suppress(DamagedStreaks):
        assert Streaks.from_bytes(bytes(damaged)).to_bytes() == whole  # a bit that pads the compressed form means nothing
    with pytest.raises(DamagedStreaks):
        Streaks.from_bytes(whole[:where])


@pytest.mark.parametrize("data", [b"", b"STK1", b"\xff" * 60, zlib.compress(b"STK0" + bytes(18)), zlib.compress(bytes(9))])
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedStreaks):
        Streaks.from_bytes(data)
