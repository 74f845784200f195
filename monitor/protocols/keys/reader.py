"""Reading key registries beside the pipeline: a bounded step at a time, each committed before it counts.

Keys that got a deposit never change. A step is made at a block that no reorganisation takes back any more (the caller says which);
nothing is lost by that, since the chain makes a validator of a deposit only after it finalized it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import structlog

from monitor.model import Address, BlockStamp, Failed, Hash, Read, Snapshot, Unanswered
from monitor.protocols.keys import rows
from monitor.protocols.keys.book import KeyBook, Listing, Shelf, named
from monitor.protocols.signals import KeyModule, KeyOperator, KeyOverview, KeyRun, KeySource
from monitor.store import Unit

log = structlog.get_logger(__name__)

Reading = Callable[[BlockStamp, Sequence[Read]], Awaitable[Snapshot]]
"""Answers of a majority at the block, as ``Execution.read_aside``."""
Saving = Callable[[Callable[[Unit], None]], Awaitable[None]]
"""One committed transaction, as ``partial(store.run, lease=lease)``."""

OPERATORS_A_ROUND = 200
KEYS_A_READ = 500
"""On mainnet a key with its signature takes about 13,000 gas to read: 7 million in all, a fifth of what is asked for."""
KEYS_A_ROUND = 2000
READS_A_ROUND = 50
ROUNDS_A_STEP = 8
"""So a step reads 16,000 keys at most: 300,000 take some twenty steps."""
NAMES_SECONDS = 6 * 3600
"""Names change without a word to the nonce: operators are listed again after so long."""
_DIRECTORY_ROUNDS = 3


class KeyReader:
    """Keeps ``book`` up with its sources. One task runs it; ``book`` may be asked by any thread meanwhile."""

    def __init__(self, book: KeyBook, sources: Sequence[KeySource], read: Reading, save: Saving) -> None:
        if sorted(s.name for s in sources) != sorted(book.protocols):
            raise ValueError(f"sources of {[s.name for s in sources]} for a book of {list(book.protocols)}")
        self.book, self.sources = book, tuple(sources)
        self._read, self._save = read, save
        self._wake = asyncio.Event()
        self._at: Hash | None = None
        self._told: dict[str, set[str]] = {}

    # ---------------------------------------------------------------- the loop

    async def work(
        self, settled: Callable[[], Awaitable[BlockStamp | None]], every: float = 60.0, head: Callable[[], BlockStamp | None] = lambda: None
    ) -> None:
        """Step whenever ``settled`` names another block, every so many seconds at most, at once while there is more to read.

        ``head``: the newest agreed block, to confirm at it that nothing changed since the settled one. Runs until cancelled; raises
        what committing raises (a lost lease), never for endpoints.
        """
        while True:
            self._wake.clear()
            begun = time.monotonic()
            stamp = await settled()
            if stamp is not None and stamp.hash != self._at and await self.advance(stamp):
                self._at = None  # the rest may be read at the same block
                await asyncio.sleep(0)
                continue
            if (newest := head()) is not None:
                await self.confirm(newest)
            try:
                async with asyncio.timeout(max(0.0, begun + every - time.monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def wake(self) -> None:
        """Look at once: something was seen to change."""
        self._wake.set()

    def reads(self) -> Sequence[Read]:
        """What shows at any block whether the registries changed: about five calls a module."""
        return [read for s in self.sources for read in s.overview_reads(self.book.shelf(s.name).directory)]

    def changed(self, snapshot: Snapshot) -> bool | None:
        """Whether the registries are others at this snapshot (which answered :meth:`reads`) than when they were listed; None: cannot be said."""
        found = False
        for source in self.sources:
            shelf = self.book.shelf(source.name)
            try:
                directory = source.directory(snapshot)
                overview = source.overview(snapshot, shelf.directory) if directory == shelf.directory else None
            except Unanswered:
                return None
            if overview is None or any(_differs(shelf, module) for module in overview.modules):
                found = True
        return found

    # ---------------------------------------------------------------- one step

    async def advance(self, stamp: BlockStamp) -> bool:
        """Look at every registry at this block and read what is new, up to a bound; True while there is more.

        What cannot be read is told in the book's progress, and hides nothing else.
        """
        more = False
        for source in self.sources:
            try:
                more |= await self._step(source, stamp)
            except Unanswered as missing:
                self.book.in_vain(source.name, str(missing))
                self._tell(source.name, [str(missing)])
        self._at = stamp.hash
        return more

    async def confirm(self, head: BlockStamp) -> None:
        """See at the head which modules are as they were listed: their keys are all known until then. What cannot be seen stays as it was."""
        for source in self.sources:
            shelf = self.book.shelf(source.name)
            known = shelf.directory
            snapshot = await self._read(head, source.overview_reads(known))
            try:
                modules = source.overview(snapshot, known).modules if source.directory(snapshot) == known else ()
            except Unanswered as missing:
                log.info("keys.unconfirmed", protocol=source.name, block=head.number, reason=str(missing))
                continue
            same = [m.id for m in modules if m.id in shelf.synced and not _differs(shelf, m) and not shelf.missing(m.id, KEYS_A_READ)]
            self.book.in_step(source.name, same, head.timestamp)

    async def _step(self, source: KeySource, stamp: BlockStamp) -> bool:
        overview = await self._overview(source, stamp)
        shelf = self.book.shelf(source.name)
        if overview.credentials != shelf.credentials:
            await self._save(partial(rows.put_credentials, protocol=source.name, credentials=overview.credentials))
            self.book.put_credentials(source.name, overview.credentials)
        problems, synced, rounds, more = list(overview.unread), dict[int, int](), ROUNDS_A_STEP, False
        for module in overview.modules:
            try:
                await self._list(source, module, stamp)
                rounds -= await self._fetch(source, module, stamp, rounds)
            except Unanswered as missing:
                problems.append(str(missing))
                continue
            if (why := _odd_sum(shelf, module)) is not None:
                problems.append(why)
            elif shelf.missing(module.id, KEYS_A_READ):
                more = True
            else:
                synced[module.id] = stamp.timestamp
        self.book.checked(source.name, overview.ids, synced, problems)
        self._tell(source.name, problems)
        return more

    async def _overview(self, source: KeySource, stamp: BlockStamp) -> KeyOverview:
        """Modules are asked for what the router lists: when it lists others than known, once more."""
        directory: Mapping[int, Address] = self.book.shelf(source.name).directory
        for _ in range(_DIRECTORY_ROUNDS):
            snapshot = await self._read(stamp, source.overview_reads(directory))
            now = source.directory(snapshot)
            if now == directory:
                return source.overview(snapshot, directory)
            directory = now
        raise Unanswered(f"modules of {source.name}", Failed("the list of modules is another each time it is read at the same block"))

    async def _list(self, source: KeySource, module: KeyModule, stamp: BlockStamp) -> None:
        """List the module's operators anew if it changed, or if their names are old."""
        shelf = self.book.shelf(source.name)
        before = shelf.listings.get(module.id)
        if before is not None and not _differs(shelf, module) and stamp.timestamp - before.timestamp < NAMES_SECONDS:
            return
        if before is not None and before.module.address != module.address:
            await self._drop(source.name, module.id, None, "the module is another contract now")
            before = None
        found: dict[int, KeyOperator] = {}
        for ids in _pieces(range(module.operators), OPERATORS_A_ROUND):
            snapshot = await self._read(stamp, source.operator_reads(module, ids))
            found |= {o.id: o for o in source.operators(snapshot, module, ids)}
        for operator, held in [(o, n) for (m, o), n in shelf.held.items() if m == module.id]:
            if operator not in found or found[operator].deposited < held:
                await self._drop(source.name, module.id, operator, f"fewer keys got a deposit than the {held} that were read")
        # A name that could not be read is kept as it was, in the rows as in the book.
        listing = Listing(module, found, stamp.timestamp)
        await self._save(partial(rows.put_listing, protocol=source.name, listing=named(listing, before)))
        self.book.put_listing(source.name, listing)
        log.info("keys.listed", protocol=source.name, module=module.name, operators=len(found), deposited=module.deposited)

    async def _fetch(self, source: KeySource, module: KeyModule, stamp: BlockStamp, rounds: int) -> int:
        """Read what is missing, in at most so many rounds; how many it took. One bad answer spoils no other, and ends the module's turn."""
        taken = 0
        while taken < rounds and (runs := _round(self.book.shelf(source.name).missing(module.id, KEYS_A_READ))):
            taken += 1
            snapshot = await self._read(stamp, [source.key_read(module, run) for run in runs])
            good, bad = _sorted_out(source, snapshot, module, runs)
            if good:
                await self._save(partial(rows.add, protocol=source.name, module=module.id, runs=good))
                for run, keys in good:
                    self.book.add(source.name, module.id, run, keys)
            if bad is not None:
                raise bad
        return taken

    async def _drop(self, protocol: str, module: int, operator: int | None, why: str) -> None:
        log.warning("keys.dropped", protocol=protocol, module=module, operator=operator, reason=why)
        await self._save(partial(rows.drop, protocol=protocol, module=module, operator=operator))
        self.book.drop(protocol, module, operator)

    def _tell(self, protocol: str, problems: Sequence[str]) -> None:
        """Into the log, when it is news."""
        for why in set(problems) - self._told.get(protocol, set()):
            log.warning("keys.unread", protocol=protocol, reason=why)
        self._told[protocol] = set(problems)


def _differs(shelf: Shelf, module: KeyModule) -> bool:
    listing = shelf.listings.get(module.id)
    return listing is None or listing.module != module


def _odd_sum(shelf: Shelf, module: KeyModule) -> str | None:
    """A module and its operators, listed at one block, must agree on how many keys got a deposit."""
    listing = shelf.listings.get(module.id)
    if listing is None or listing.module != module:
        return None
    total = sum(o.deposited for o in listing.operators.values())
    if total == module.deposited:
        return None
    return f"module {module.id} ({module.name}): its operators have {total} deposited keys, it says {module.deposited} itself"


def _sorted_out(
    source: KeySource, snapshot: Snapshot, module: KeyModule, runs: Sequence[KeyRun]
) -> tuple[list[tuple[KeyRun, bytes]], Unanswered | None]:
    """Runs with their keys, and the first failure. Behind a failed run of an operator none of its later ones counts: keys have no holes."""
    good: list[tuple[KeyRun, bytes]] = []
    bad: Unanswered | None = None
    broken: set[int] = set()
    for run in runs:
        if run.operator in broken:
            continue
        try:
            good.append((run, source.keys(snapshot, module, run)))
        except Unanswered as missing:
            broken.add(run.operator)
            bad = bad or missing
    return good, bad


def _round(runs: Sequence[KeyRun]) -> list[KeyRun]:
    """The first of these runs, as many as one round takes."""
    taken: list[KeyRun] = []
    for run in runs[:READS_A_ROUND]:
        if taken and sum(r.count for r in taken) + run.count > KEYS_A_ROUND:
            break
        taken.append(run)
    return taken


def _pieces(ids: range, size: int) -> Iterator[range]:
    return (ids[i : i + size] for i in range(0, len(ids), size))
