"""The pool's rules for whatever comes: property tests over made-up transactions, no chain."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.devnet.gateway.pool import BUMP_PER_CENT, QUEUE_LIMIT, Account, Pool, best_paying, next_base_fee
from monitor.devnet.gateway.signed import Signed
from monitor.devnet.upstream import Fails

SENDERS = ("0x" + "aa" * 20, "0x" + "bb" * 20)
RICH = 10**30


def made(sender: str = SENDERS[0], nonce: int = 0, max_fee: int = 100, tip: int = 10, gas: int = 21_000, value: int = 0) -> Signed:
    raw = hashlib.sha256(repr((sender, nonce, max_fee, tip, gas, value)).encode()).digest()
    return Signed(raw, 2, sender, 1, nonce, gas, max_fee, min(tip, max_fee), SENDERS[0], value, b"", (0, 0), 0, {})


transactions = st.builds(
    made, st.sampled_from(SENDERS), st.integers(0, 6), st.integers(1, 200), st.integers(1, 60), st.sampled_from((21_000, 60_000, 400_000))
)


def held(pool: Pool) -> dict[tuple[str, int], Signed]:
    return {(tx.sender, tx.nonce): tx for tx in pool}


@dataclass(frozen=True)
class Move:
    """The head moves: each account's next nonce and wei."""

    accounts: tuple[Account, ...]


moves = st.builds(Move, st.tuples(*[st.builds(Account, st.integers(0, 5), st.sampled_from((0, 10**7, RICH)))] * len(SENDERS)))


@settings(max_examples=60, deadline=None)
@given(st.lists(transactions | moves, max_size=25))
def test_whatever_comes_the_pool_holds_only_what_could_be_mined_one_day(steps: Sequence[Signed | Move]) -> None:
    pool, accounts = Pool(), dict.fromkeys(SENDERS, Account(0, RICH))
    for step in steps:
        before = held(pool)
        if isinstance(step, Move):
            accounts = dict(zip(SENDERS, step.accounts, strict=True))
            pool.reset(accounts)
            assert held(pool).items() <= before.items()
        else:
            _add(pool, step, accounts, before)
        for tx in pool:
            assert tx.nonce >= accounts[tx.sender].nonce and tx.cost <= accounts[tx.sender].balance
        for sender in pool.senders():
            pending, queued = pool.pending(sender), pool.queued(sender)
            start = accounts[sender].nonce
            assert [tx.nonce for tx in pending] == list(range(start, start + len(pending)))
            assert all(tx.nonce > start + len(pending) for tx in queued)
            assert {tx.hash for tx in (*pending, *queued)} == {tx.hash for tx in pool if tx.sender == sender}
        assert len(pool) == len(held(pool)) and all(tx.hash in pool and pool.get(tx.hash) is tx for tx in pool)


def _add(pool: Pool, tx: Signed, accounts: dict[str, Account], before: dict[tuple[str, int], Signed]) -> None:
    old = before.get((tx.sender, tx.nonce))
    try:
        replaced = pool.add(tx, accounts[tx.sender])
    except Fails as failed:
        assert held(pool) == before, "a refusal changes nothing"
        if failed.error["message"] == "replacement transaction underpriced":
            assert old is not None and (_short(old.max_fee, tx.max_fee) or _short(old.tip, tx.tip))
        return
    assert replaced is old and tx.hash in pool
    if old is not None:
        assert old.hash not in pool and not _short(old.max_fee, tx.max_fee) and not _short(old.tip, tx.tip)


def _short(old: int, new: int) -> bool:
    """Not a tenth more, rounded down, or not more at all."""
    return new <= old or new < old * (100 + BUMP_PER_CENT) // 100


@settings(max_examples=60, deadline=None)
@given(st.lists(transactions, max_size=15), st.integers(0, 150), st.integers(0, 1_000_000), st.integers(0, 20), st.sets(st.integers(0, 5)))
def test_a_block_holds_what_pays_in_the_order_of_nonces(
    given_: Sequence[Signed], base_fee: int, gas: int, least: int, held_back: set[int]
) -> None:
    pool = Pool()
    for tx in given_:
        try:
            pool.add(tx, Account(0, RICH))
        except Fails:
            continue
    out = {tx.hash for i, tx in enumerate(pool) if i in held_back}
    taken = best_paying(pool, base_fee, gas, least, out)
    assert sum(tx.gas for tx in taken) <= gas
    assert all(tx.effective_tip(base_fee) >= least and tx.max_fee >= base_fee and tx.hash not in out for tx in taken)
    for sender in SENDERS:
        own = [tx.hash for tx in taken if tx.sender == sender]
        assert own == [tx.hash for tx in pool.pending(sender)][: len(own)]
        rest = pool.pending(sender)[len(own) :]
        if rest and rest[0].hash not in out and rest[0].effective_tip(base_fee) >= least:
            assert rest[0].gas > gas - sum(tx.gas for tx in taken), "what pays and fits is taken"


def test_a_gap_is_not_kept_without_end() -> None:
    pool = Pool()
    for nonce in range(1, QUEUE_LIMIT + 10):
        pool.add(made(nonce=nonce), Account(0, RICH))
    assert [tx.nonce for tx in pool.queued(SENDERS[0])] == list(range(1, QUEUE_LIMIT + 1))


@pytest.mark.parametrize(("used", "fee"), [(0, 875), (15, 1000), (30, 1125), (20, 1041), (16, 1008), (14, 992)])
def test_the_base_fee_moves_by_an_eighth_at_most(used: int, fee: int) -> None:
    """EIP-1559's own arithmetic, with a target of 15."""
    assert next_base_fee(1000, used, 30) == fee


@given(st.integers(7, 10**12), st.integers(0, 300), st.just(300))
def test_the_base_fee_follows_the_specification(base_fee: int, used: int, limit: int) -> None:
    new, target = next_base_fee(base_fee, used, limit), limit // 2
    assert (new > base_fee) is (used > target)
    assert abs(new - base_fee) <= max(1, base_fee // 8)
