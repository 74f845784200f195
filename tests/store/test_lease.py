"""One process acts: the lease is taken, renewed, lost and fenced by the database's clock."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest
from sqlalchemy import insert, select, update

from monitor.store import LeaseLost, Store, lease
from monitor.store.tables.journal import MetaRow
from monitor.store.tables.lease import LeaseRow
from tests.fixtures.processes import context


def _expire(store: Store, name: str = "lead") -> None:
    """Let the lease's time be over, as if it had not been renewed."""
    with store.begin() as unit:
        unit.conn.execute(update(LeaseRow).where(LeaseRow.name == name).values(expires_at=1.0))


def _put(store: Store, held: lease.Lease | None, key: str) -> None:
    with store.begin(held) as unit:
        unit.conn.execute(insert(MetaRow).values(key=key, value=1))


def _keys(store: Store) -> set[str]:
    with store.read() as unit:
        return set(unit.conn.execute(select(MetaRow.key)).scalars())


def test_a_held_lease_is_not_given_twice(store: Store) -> None:
    first = lease.acquire(store, "lead", "a", 30)
    assert first is not None
    assert first.epoch == 1
    assert lease.acquire(store, "lead", "b", 30) is None
    assert lease.acquire(store, "lead", "a", 30) is None
    assert lease.acquire(store, "other", "b", 30) is not None


def test_end_is_in_database_time_and_renewal_moves_it(store: Store) -> None:
    first = lease.acquire(store, "lead", "a", 30)
    assert first is not None
    assert abs(first.expires_at - (time.time() + 30)) < 5
    time.sleep(0.02)
    again = lease.renew(store, first)
    assert again.expires_at > first.expires_at
    assert again.epoch == first.epoch


def test_takeover_after_the_end_raises_the_epoch_and_fences_the_sleeper(store: Store) -> None:
    sleeper = lease.acquire(store, "lead", "a", 30)
    assert sleeper is not None
    _put(store, sleeper, "before")
    _expire(store)
    leader = lease.acquire(store, "lead", "b", 30)
    assert leader is not None
    assert leader.epoch == sleeper.epoch + 1
    with pytest.raises(LeaseLost, match="b holds epoch 2"):
        _put(store, sleeper, "after")
    with pytest.raises(LeaseLost):
        lease.renew(store, sleeper)
    assert not lease.release(store, sleeper)
    _put(store, leader, "leader's")
    assert _keys(store) == {"before", "leader's"}


def test_a_lease_that_is_over_but_not_taken_is_still_ours(store: Store) -> None:
    held = lease.acquire(store, "lead", "a", 30)
    assert held is not None
    _expire(store)
    _put(store, held, "late")
    assert lease.renew(store, held).epoch == 1
    assert lease.acquire(store, "lead", "b", 30) is None


def test_released_lease_is_free_at_once_and_its_owner_is_fenced(store: Store) -> None:
    held = lease.acquire(store, "lead", "a", 30)
    assert held is not None
    assert lease.release(store, held)
    with pytest.raises(LeaseLost, match="released"):
        _put(store, held, "after")
    second = lease.acquire(store, "lead", "b", 30)
    assert second is not None
    assert second.epoch == 2


def _named(results: multiprocessing.Queue[str], url: str, end: bool) -> None:
    """Take the lease for an hour under this process's own name; then end, or stay until killed."""
    with Store.open(url) as store:
        owner = lease.new_owner()
        assert lease.acquire(store, "lead", owner, 3600) is not None
        results.put(owner)
    if not end:
        time.sleep(60)


def test_after_a_kill_a_restart_on_the_same_machine_does_not_wait(store: Store, store_url: str) -> None:
    results: multiprocessing.Queue[str] = context.Queue()
    leader = context.Process(target=_named, args=(results, store_url, False))
    leader.start()
    try:
        owner = results.get(timeout=20)
        assert not lease.is_dead(owner)
        assert lease.acquire(store, "lead", "b", 30) is None, "the holder lives"
    finally:
        leader.kill()
        leader.join(10)
    held = lease.acquire(store, "lead", "b", 30)
    assert held is not None
    assert held.epoch == 2


def test_only_a_process_that_has_certainly_ended_is_dead(store: Store, store_url: str) -> None:
    results: multiprocessing.Queue[str] = context.Queue()
    leader = context.Process(target=_named, args=(results, store_url, True))
    leader.start()
    owner = results.get(timeout=20)
    leader.join(10)
    assert lease.is_dead(owner)
    host, pid, random, place = owner.split(":")
    assert not lease.is_dead(f"{host}:{pid}:{random}:{place[::-1]}"), "a process id of another container or machine says nothing"
    assert not lease.is_dead(f"{host}:{pid}:{random}"), "nor that of an owner who does not say where it is from"
    assert not lease.is_dead(f"{host}:1:{random}:{place}"), "its number is in use again: wait for the end of the lease"
    assert not lease.is_dead(f"{host}:{10**30}:{random}:{place}")
    assert not lease.is_dead("")


def test_takeover_waits_for_a_commit_that_was_fenced_in_time(store: Store) -> None:
    """Between the fence and the commit nobody can take over: else two leaders' commits could interleave."""
    held = lease.acquire(store, "lead", "a", 30)
    assert held is not None
    _expire(store)
    order: list[str] = []

    def take() -> None:
        assert lease.acquire(store, "lead", "b", 30) is not None
        order.append("taken")

    other = threading.Thread(target=take)
    with store.begin(held) as unit:
        other.start()
        other.join(0.3)
        assert other.is_alive()
        unit.conn.execute(insert(MetaRow).values(key="in time", value=1))
        order.append("committing")
    other.join(10)
    assert order == ["committing", "taken"]
    assert _keys(store) == {"in time"}


def _contend(url: str, owner: str, rounds: int, results: multiprocessing.Queue[list[int]]) -> None:
    """Take the lease again and again; note which epochs were ours, commit once in each, give it back by letting it end."""
    epochs = []
    with Store.open(url) as store:
        while len(epochs) < rounds:
            held = lease.acquire(store, "lead", owner, 0.01)
            if held is None:
                continue
            try:
                _put(store, held, f"{held.epoch}")
                epochs.append(held.epoch)
            except LeaseLost:
                pass
    results.put(epochs)


def test_two_processes_never_hold_the_same_epoch(store: Store, store_url: str) -> None:
    results: multiprocessing.Queue[list[int]] = context.Queue()
    workers = [context.Process(target=_contend, args=(store_url, name, 15, results)) for name in "ab"]
    for worker in workers:
        worker.start()
    taken = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(10)
        assert worker.exitcode == 0
    assert not set(taken[0]) & set(taken[1])
    assert _keys(store) == {str(epoch) for epochs in taken for epoch in epochs}
    assert all(epochs == sorted(epochs) for epochs in taken)
