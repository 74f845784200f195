"""The submitter in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing.synchronize

from monitor.devnet.accounts import key_of
from monitor.guardian import ledger
from monitor.guardian.keys import load_signer
from monitor.guardian.settings import GuardianSettings, KeySettings
from monitor.guardian.submit import Submitter
from monitor.store import Store
from tests.guardian.bench import endpoint


def work_until_done(settings: str, chain_id: int, url: str, store_url: str, hold: multiprocessing.synchronize.Event) -> None:
    """Wait for the start, then run the worker until no pause is open."""
    hold.wait(20)
    asyncio.run(_work(GuardianSettings.model_validate_json(settings), chain_id, url, store_url))


async def _work(settings: GuardianSettings, chain_id: int, url: str, store_url: str) -> None:
    signer = load_signer(KeySettings(env="KEY"), {"KEY": key_of("sentinel")})
    with Store.open(store_url) as store:
        worker = Submitter(settings, chain_id, [endpoint(url)], store, signer)
        async with asyncio.timeout(15):
            while await store.look(ledger.open_pauses):
                await worker.advance_once()
        await worker.close()
