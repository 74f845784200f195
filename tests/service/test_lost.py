"""A chain that is gone: another one behind the same database."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from monitor.devnet.embedded import Embedded
from monitor.service import settings
from monitor.service.build import build
from monitor.service.life import Service
from monitor.service.replay import replay_journal
from monitor.store import Store


@asynccontextmanager
async def served(folder: Path, url: str) -> AsyncIterator[tuple[Embedded, Service]]:
    """A new embedded chain and a service over the database ``url``, both in this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    chain = await Embedded.start(folder, web_port=port, store_url=url)
    service = Service(build(settings.load(chain.folder / "settings.yaml")))
    running = asyncio.create_task(service.run())
    try:
        yield chain, service
    finally:
        service.stopping.set()
        await running
        await chain.stop()


async def until(what: str, found: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"{what} did not come"
        await asyncio.sleep(0.05)


async def test_another_chain_under_the_same_database_pages_and_is_judged_anew(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kept.sqlite3'}"
    async with served(tmp_path / "one", url) as (_, service):
        await until("a few blocks", lambda: service.parts.progress.blocks >= 3)
    async with served(tmp_path / "two", url) as (chain, service):
        await until("blocks of the new chain", lambda: service.parts.progress.blocks >= 5)
        await until("the page", lambda: any("is gone: everything is read anew" in m["text"] for m in chain.inbox.messages()))
        view = await service.status()
        assert [a.name for a in view.alerts if a.state == "firing"] == ["StakewardenChainLost"]
        assert view.problems == ()
    with Store.open(url) as store, store.read() as unit:
        replayed = replay_journal(unit)
    assert replayed.differences == []
    assert replayed.transitions == 1
