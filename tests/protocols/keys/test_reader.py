"""Registries are read once, in bounded steps, whatever fails meanwhile; and a restart goes on where the last process ended."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Failed, Hash
from monitor.protocols.keys.book import STALE_SECONDS, KeyBook
from monitor.protocols.keys.reader import KEYS_A_READ, NAMES_SECONDS, KeyReader
from monitor.protocols.keys.rows import load
from monitor.protocols.lido.keys import LidoKeys
from monitor.protocols.signals import KeyRun
from monitor.store import LeaseLost, Store, Unit
from tests.fixtures.processes import context
from tests.protocols.keys.registry import OURS, ROUTER, STAMP, VAULT, Module, Registry, at, key
from tests.protocols.keys.worker import KEYS, OPERATORS, many, read_all

CURATED, COMMUNITY = b"curated-onchain-v1", b"community-onchain-v1"
SOURCE = LidoKeys(ROUTER, VAULT)


class Run:
    """A reader over a registry and a store; ``again`` is a new process."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self.registry, self.store, self.stamp = registry, store, STAMP
        self.again()

    def again(self) -> None:
        with self.store.read() as unit:
            self.book = load(unit, ("lido",))
        self.reader = KeyReader(self.book, [SOURCE], self.registry.read, self.store.run)

    async def step(self, seconds: int = 12) -> bool:
        self.stamp = replace(
            self.stamp, number=self.stamp.number + 1, timestamp=self.stamp.timestamp + seconds, hash=Hash(f"0x{self.stamp.number:064x}")
        )
        return await self.reader.advance(self.stamp)

    async def all(self) -> None:
        while await self.step():
            pass

    @property
    def complete(self) -> bool:
        return self.book.complete(self.stamp.timestamp) == {"lido"}


def whose(book: KeyBook, *keys: bytes) -> list[str | None]:
    pubkeys, credentials = np.frombuffer(b"".join(keys), "V48"), np.frombuffer(OURS * len(keys), "V32")
    owners = book.owners(pubkeys, credentials)
    return [group[1] if (group := owners.group(i)) else None for i in range(len(keys))]


def small() -> Registry:
    return Registry(
        [
            Module(1, CURATED, [(b"Ash", 5, 3), (b"Birch", 2, 2)]),
            Module(3, COMMUNITY, [(b"", 9, 6), (b"", 1, 0)], "Community Staking"),
        ]
    )


@pytest.fixture
def run(store: Store) -> Run:
    return Run(small(), store)


async def test_all_deposited_keys_are_read_once(run: Run) -> None:
    assert await run.step() is False
    assert run.complete
    assert sorted(run.registry.asked) == [(1, 0, 0, 3), (1, 1, 0, 2), (3, 0, 0, 6)]
    assert whose(run.book, key(1, 1, 1), key(3, 0, 5), key(1, 0, 3)) == ["curated #1 Birch", "Community Staking #0", "unlisted"]
    await run.step()
    assert len(run.registry.asked) == 3


async def test_only_what_is_new_is_read(run: Run) -> None:
    await run.all()
    run.registry.asked.clear()
    module = run.registry.modules[0]
    module.operators[0], module.nonce = (b"Ash", 9, 5), 2
    module.operators.append((b"Cedar", 1, 1))
    await run.all()
    assert run.registry.asked == [(1, 0, 3, 2), (1, 2, 0, 1)]
    assert run.complete and whose(run.book, key(1, 0, 4), key(1, 2, 0)) == ["curated #0 Ash", "curated #2 Cedar"]


async def test_a_restart_reads_nothing_again(run: Run) -> None:
    await run.all()
    asked = (key(1, 0, 0), key(1, 1, 1), key(3, 0, 5), key(9, 9, 9))
    before = whose(run.book, *asked)
    run.registry.asked.clear()
    run.again()
    assert whose(run.book, *asked) == before  # before anything was asked
    assert not run.complete  # nobody looked yet
    await run.step()
    assert run.complete and run.registry.asked == []


async def test_much_is_read_in_bounded_steps_across_restarts(store: Store) -> None:
    run = Run(Registry([Module(1, CURATED, [(b"Big", 20_000, 19_001)])]), store)
    assert await run.step() is True
    assert sum(count for *_, count in run.registry.asked) == 16_000 and max(count for *_, count in run.registry.asked) == KEYS_A_READ
    assert not run.complete
    assert run.book.progress()[0].expected == 19_001
    run.again()
    assert await run.step() is False
    assert run.complete
    assert sum(count for *_, count in run.registry.asked) == 19_001
    assert whose(run.book, key(1, 0, 0), key(1, 0, 15_999), key(1, 0, 16_000), key(1, 0, 19_000), key(1, 0, 19_001)) == [
        *["curated #0 Big"] * 4, "unlisted",
    ]  # fmt: skip


async def test_a_run_that_fails_is_told_and_leaves_no_hole(store: Store) -> None:
    run = Run(Registry([Module(1, CURATED, [(b"Ash", 1200, 1200), (b"Birch", 2, 2)])]), store)
    module = SOURCE.overview(run.registry.snapshot(SOURCE.overview_reads({1: at(1)})), {1: at(1)}).modules[0]
    run.registry.spoil[SOURCE.key_read(module, KeyRun(0, 500, 500))] = Failed("no answer within 4 s")
    assert await run.step() is False
    assert whose(run.book, key(1, 0, 499), key(1, 0, 500), key(1, 0, 1199), key(1, 1, 1)) == [
        "curated #0 Ash", "unlisted", "unlisted", "curated #1 Birch",
    ]  # fmt: skip
    assert not run.complete and "no answer within 4 s" in run.book.progress()[0].problems[0]
    run.registry.spoil.clear()
    await run.all()
    assert run.complete and whose(run.book, key(1, 0, 1199)) == ["curated #0 Ash"]


async def test_a_module_that_cannot_be_read_hides_no_other(run: Run) -> None:
    run.registry.modules.append(Module(7, b"liquid-onchain-v9", [], "Newcomer"))
    await run.all()
    assert whose(run.book, key(1, 0, 0), key(3, 0, 0)) == ["curated #0 Ash", "Community Staking #0"]
    assert not run.complete and "module 7 (Newcomer)" in run.book.progress()[0].problems[0]


async def test_fewer_deposits_than_were_read_are_read_again(run: Run) -> None:
    """Only a reorganisation deeper than we wait for, or another contract, can do that."""
    await run.all()
    run.registry.modules[0].operators[0], run.registry.modules[0].nonce = (b"Ash", 5, 1), 2
    await run.all()
    assert whose(run.book, key(1, 0, 0), key(1, 0, 1), key(1, 1, 0)) == ["curated #0 Ash", "unlisted", "curated #1 Birch"]
    run.again()
    assert whose(run.book, key(1, 0, 0), key(1, 0, 1)) == ["curated #0 Ash", "unlisted"]
    assert run.book.progress()[0].keys == 9


async def test_another_contract_under_the_same_id_is_read_anew(run: Run) -> None:
    await run.all()
    run.registry.modules[1].place = 33
    run.registry.asked.clear()
    await run.all()
    assert run.registry.asked == [(3, 0, 0, 6)] and run.complete


async def test_a_module_at_odds_with_its_operators_is_not_complete(run: Run) -> None:
    run.registry.modules[0].said_deposited = 6
    await run.all()
    assert not run.complete
    assert run.book.progress()[0].problems == ("module 1 (curated): its operators have 5 deposited keys, it says 6 itself",)


async def test_a_rename_is_seen_after_a_while_though_the_nonce_stays(run: Run) -> None:
    await run.all()
    run.registry.modules[0].operators[0] = (b"Ash & Oak", 5, 3)
    await run.step()
    assert whose(run.book, key(1, 0, 0)) == ["curated #0 Ash"]
    await run.step(NAMES_SECONDS)
    assert whose(run.book, key(1, 0, 0)) == ["curated #0 Ash & Oak"]
    run.again()
    assert whose(run.book, key(1, 0, 0)) == ["curated #0 Ash & Oak"]


async def test_an_outage_is_told_at_once_and_ends_completeness_after_a_while(run: Run) -> None:
    await run.all()
    run.registry.spoil = {read: Failed("connection refused") for read in run.reader.reads()}
    await run.step()
    assert whose(run.book, key(1, 0, 0)) == ["curated #0 Ash"]
    assert run.complete and "connection refused" in run.book.progress()[0].problems[0]
    await run.step(STALE_SECONDS)
    assert not run.complete
    run.registry.spoil = {}
    await run.step()
    assert run.complete and run.book.progress()[0].problems == ()


async def test_at_the_head_it_is_seen_that_nothing_changed_since(run: Run) -> None:
    """Block time may jump by a day on the embedded chain, and what is settled lies before the jump."""
    await run.all()
    head = replace(run.stamp, number=200, timestamp=run.stamp.timestamp + 86_400, hash=Hash("0x" + "7" * 64))
    assert not run.book.complete(head.timestamp)
    run.registry.modules[1].nonce += 1
    await run.reader.confirm(head)
    assert not run.book.complete(head.timestamp)
    assert run.book.progress()[0].synced == {1: head.timestamp, 3: run.stamp.timestamp}
    run.registry.modules[1].nonce -= 1
    run.registry.modules.append(Module(4, CURATED, []))
    await run.reader.confirm(head)
    assert not run.book.complete(head.timestamp)
    run.registry.modules.pop()
    run.registry.spoil = {read: Failed("gone") for read in run.reader.reads()}
    await run.reader.confirm(head)
    assert not run.book.complete(head.timestamp)
    run.registry.spoil = {}
    await run.reader.confirm(head)
    assert run.book.complete(head.timestamp) == {"lido"}


async def test_what_was_never_read_whole_is_not_confirmed(store: Store) -> None:
    run = Run(Registry([Module(1, CURATED, [(b"Big", 20_000, 19_001)])]), store)
    await run.step()
    await run.reader.confirm(run.stamp)
    assert not run.complete


async def test_what_changed_is_known_from_a_few_reads(run: Run) -> None:
    def changed() -> bool | None:
        return run.reader.changed(run.registry.snapshot(run.reader.reads()))

    assert changed() is True
    await run.all()
    assert changed() is False
    run.registry.modules[0].nonce += 1
    assert changed() is True
    run.registry.modules[0].nonce -= 1
    run.registry.modules.append(Module(4, CURATED, []))
    assert changed() is True
    run.registry.spoil = {read: Failed("gone") for read in run.reader.reads()}
    assert changed() is None


async def test_the_loop_reads_on_wakes_and_ends_with_its_task(run: Run) -> None:
    run.registry.modules[0].operators[0] = (b"Ash", 17_000, 17_000)

    async def settled() -> object:
        return run.stamp

    head = replace(run.stamp, number=164, timestamp=run.stamp.timestamp + 2 * STALE_SECONDS, hash=Hash("0x" + "4" * 64))
    task = asyncio.create_task(run.reader.work(settled, every=30, head=lambda: head))  # type: ignore[arg-type]
    await _until(lambda: run.book.complete(head.timestamp) == {"lido"})
    run.registry.modules[0].operators[1], run.registry.modules[0].nonce = (b"Birch", 3, 3), 2
    run.stamp = replace(run.stamp, number=101, hash=Hash("0x" + "2" * 64))
    run.reader.wake()
    await _until(lambda: whose(run.book, key(1, 1, 2)) == ["curated #1 Birch"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_lost_lease_ends_the_loop_and_the_book_has_nothing_that_is_not_kept(run: Run) -> None:
    async def save(work: Callable[[Unit], None]) -> None:
        raise LeaseLost("leader", 1, "taken by another")

    run.reader = KeyReader(run.book, [SOURCE], run.registry.read, save)
    with pytest.raises(LeaseLost):
        await run.step()
    assert run.book.shelf("lido").held == {} and run.book.shelf("lido").listings == {}


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 the loop under test says nothing when it is done
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- whatever happens

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deposit"), st.integers(0, 4), st.integers(1, 700)),
        st.tuples(st.just("operator"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("fail"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("step"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=15, deadline=None)
def test_in_the_end_every_key_is_its_operators(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/keys.db") as store:
        store.create_all()
        asyncio.run(_whatever_happens(Run(small(), store), steps))


async def _whatever_happens(run: Run, steps: list[tuple[str, int, int]]) -> None:
    fails = [0]

    async def read(stamp: object, reads: object) -> object:
        fails[0] -= 1
        found = run.registry.snapshot(reads, stamp)  # type: ignore[arg-type]
        return replace(found, answers={r: Failed("no") for r in found.answers}) if fails[0] == 0 else found

    def start() -> None:
        run.again()
        run.reader = KeyReader(run.book, [SOURCE], read, run.store.run)  # type: ignore[arg-type]

    start()
    for what, which, amount in steps:
        module = run.registry.modules[which % 2]
        if what == "deposit":
            place = which % len(module.operators)
            name, _, deposited = module.operators[place]
            module.operators[place], module.nonce = (name, deposited + amount + 3, deposited + amount), module.nonce + 1
        elif what == "operator":
            # Community Staking's operators have no names.
            module.operators.append((b"New" if module.id == 1 else b"", 0, 0))
            module.nonce += 1
        elif what == "fail":
            fails[0] = which
        elif what == "restart":
            start()
        else:
            await run.step()
    fails[0] = 0
    await run.all()
    assert run.complete
    expected = {
        key(m.id, o, i): f"{'curated' if m.id == 1 else 'Community Staking'} #{o} {name.decode()}".rstrip()
        for m in run.registry.modules
        for o, (name, _, deposited) in enumerate(m.operators)
        for i in {0, deposited // 2, deposited - 1} - {-1}
        if deposited
    }
    assert whose(run.book, *expected) == list(expected.values())
    assert run.book.progress()[0].keys == sum(n for m in run.registry.modules for _, _, n in m.operators)


# ---------------------------------------------------------------- kill -9


def test_a_killed_reader_goes_on_where_it_was(store: Store, store_url: str) -> None:
    rng, asked, kills = random.Random(5), [0] * OPERATORS, 2
    for rounds in [rng.randint(1, 5) for _ in range(kills)]:
        assert _read_until_killed(store_url, rounds, rng.uniform(0, 0.03), asked) != "done"
    assert _read_until_killed(store_url, None, 0, asked) == "done"
    # What was committed is not asked for again: at most the two rounds that were under way at a kill.
    assert min(asked) == 1 and max(asked) <= 1 + kills
    assert sum(asked) - OPERATORS <= kills * 2 * 50
    with store.read() as unit:
        book = load(unit, ("lido",))
    assert book.progress()[0].keys == OPERATORS * KEYS
    numbers = range(0, OPERATORS, 67)
    assert whose(book, *(key(1, o, KEYS - 1) for o in numbers)) == [f"curated #{o}" for o in numbers]
    assert many().modules[0].id == 1


def _read_until_killed(url: str, rounds: int | None, after: float, asked: list[int]) -> object:
    """Run a reader and kill it a moment after so many rounds of keys, or let it end; the last thing that it told."""
    ours, its = context.Pipe(duplex=False)
    process = context.Process(target=read_all, args=(url, its))
    process.start()
    its.close()
    last: object = ours.recv()
    with contextlib.suppress(EOFError):
        while last != "done":
            last = ours.recv()
            if isinstance(last, list):
                for operator in last:
                    asked[operator] += 1
                rounds = None if rounds is None else rounds - 1
            if rounds == 0:
                time.sleep(after)
                process.kill()
    process.join()
    assert process.exitcode == (0 if last == "done" else -signal.SIGKILL)
    ours.close()
    return last
