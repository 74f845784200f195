"""A sentinel in a process of its own: to be killed, and to meet others."""

from __future__ import annotations

import asyncio
import multiprocessing.synchronize
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

import sqlalchemy
import uvicorn
from starlette.applications import Starlette

from monitor.devnet.anvil import CHAIN_ID
from monitor.guardian.execution import ledger
from monitor.guardian.execution.evidence import Report
from monitor.guardian.execution.machine import Executor
from monitor.guardian.sentinels.board import posted
from monitor.guardian.settings import GuardianSettings
from monitor.store import Store, Unit
from monitor.web.orders import orders
from tests.guardian.execution.bench import endpoint, sender, sentinel

TOKEN = "canary-of-the-sentinels"


def carry_out(settings: str, url: str, store_url: str, hold: multiprocessing.synchronize.Event, die_telling: str = "") -> None:
    """Wait for the start, then work until the pause is reported or ended. ``die_telling``: a file; made, and killed, in the first telling."""
    hold.wait(30)
    asyncio.run(_carry_out(GuardianSettings.model_validate_json(settings), url, store_url, die_telling))


async def _carry_out(settings: GuardianSettings, url: str, store_url: str, die_telling: str) -> None:
    with Store.open(store_url) as store:
        worker = Executor(settings, CHAIN_ID, [endpoint(url)], store, sentinel(0), [sender(0)], tell=partial(tell, die_telling))
        async with asyncio.timeout(30):
            while any(p.state != "reported" for p in await store.look(ledger.open_pauses)):
                await worker.advance_once()
        await worker.close()


def tell(die_telling: str, unit: Unit, report: Report) -> None:
    """Counts in the database how often a pause was told, in the transaction that reports it."""
    unit.conn.execute(sqlalchemy.text("INSERT INTO told VALUES (:id)"), {"id": report.id})
    if die_telling and not Path(die_telling).exists():
        Path(die_telling).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def stand_guard(i: int, settings: str, url: str, store_url: str, listening: socket.socket, stop: multiprocessing.synchronize.Event) -> None:
    """Sentinel ``i``: serves what it signs, pulls what others sign, and submits, until it is told to stop."""
    asyncio.run(_stand_guard(i, GuardianSettings.model_validate_json(settings), url, store_url, listening, stop))


async def _stand_guard(
    i: int, settings: GuardianSettings, url: str, store_url: str, listening: socket.socket, stop: multiprocessing.synchronize.Event
) -> None:
    with Store.open(store_url) as store:
        worker = Executor(settings, CHAIN_ID, [endpoint(url)], store, sentinel(i), [sender(i)])

        async def board() -> bytes:
            return await store.look(lambda unit: posted(unit, CHAIN_ID, settings.where, time.time()))

        server = uvicorn.Server(uvicorn.Config(Starlette(routes=[orders(board, TOKEN)]), log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        working = asyncio.create_task(worker.run())
        await asyncio.to_thread(stop.wait)
        working.cancel()
        server.should_exit = True
        await asyncio.gather(working, serving, return_exceptions=True)
        await worker.close()
