"""The account of a pause for the page, written anew whenever somebody asks."""

from __future__ import annotations

import time

from monitor.guardian.summary import Meaning, NotFound, find, written
from monitor.service.settings import Settings
from monitor.store import Store, Unit


async def account(store: Store, settings: Settings, incident: str) -> str | None:
    """As Markdown; None where the incident is not kept, or is about no pause."""

    def work(unit: Unit) -> str | None:
        try:
            found = find(unit, incident)
        except NotFound:
            return None
        return written(found, Meaning.of(settings.guardian, found.target), settings.network.chain_id, time.time())

    return await store.look(work)
