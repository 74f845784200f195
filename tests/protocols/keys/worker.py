"""A process that reads a registry into a store until it is killed, and tells each read of keys before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from multiprocessing.connection import Connection

from monitor.model import BlockStamp, Read, Snapshot
from monitor.protocols.keys.reader import KeyReader
from monitor.protocols.keys.rows import load
from monitor.protocols.lido.keys import LidoKeys
from monitor.store import Store
from tests.protocols.keys.registry import ROUTER, STAMP, VAULT, Module, Registry

OPERATORS, KEYS = 800, 3


def many() -> Registry:
    """So many operators that reading their keys takes sixteen commits."""
    return Registry([Module(1, b"community-onchain-v1", [(b"", KEYS, KEYS)] * OPERATORS)])


def read_all(url: str, told: Connection) -> None:
    """Read everything; ``told`` gets "begun", the operators of each round, and "done"."""
    asyncio.run(_read_all(url, told))
    told.send("done")


async def _read_all(url: str, told: Connection) -> None:
    registry = many()

    async def read(stamp: BlockStamp, reads: Sequence[Read]) -> Snapshot:
        registry.asked.clear()
        found = registry.snapshot(reads, stamp)
        if registry.asked:
            told.send([operator for _, operator, _, _ in registry.asked])
        return found

    with Store.open(url) as store:
        book = await store.look(lambda unit: load(unit, ("lido",)))
        reader = KeyReader(book, [LidoKeys(ROUTER, VAULT)], read, store.run)
        told.send("begun")
        while await reader.advance(STAMP):
            pass
