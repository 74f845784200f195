"""What people do on the page: each command is a short transaction of its own, as those of the command line are."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from sqlalchemy.exc import DBAPIError

from monitor.alerts import Book, CommandRefused
from monitor.model import Acknowledge, Silence
from monitor.store import Store, StoreError, Unit

log = structlog.get_logger()


class People:
    """Commands by name of who gave them; each is logged. Raises CommandRefused with what is wrong. ``told`` is called after each."""

    def __init__(self, store: Store, book: Book, told: Callable[[], None] = lambda: None) -> None:
        self._store, self._book, self._told = store, book, told

    async def acknowledge(self, incident: str, who: str, why: str) -> None:
        """Note that somebody has taken the incident."""
        command = Acknowledge(incident, who, time.time(), why)
        await self._run(partial(self._book.acknowledge, command=command))
        log.info("people.acknowledged", incident=incident, who=who)
        self._told()

    async def silence(self, matchers: Sequence[str], who: str, seconds: float, why: str) -> str:
        """Mute alerts for so long; the silence's id."""
        now = time.time()
        command = Silence(str(uuid.uuid4()), tuple(matchers), who, now, now + seconds, why)
        await self._run(partial(self._book.silence, command=command))
        log.info("people.silenced", silence=command.id, matchers=list(matchers), seconds=seconds, who=who)
        self._told()
        return command.id

    async def end_silence(self, silence: str, who: str) -> None:
        """End a silence now."""
        await self._run(partial(self._book.end_silence, silence=silence, who=who, at=time.time()))
        log.info("people.silence_ended", silence=silence, who=who)
        self._told()

    async def _run(self, work: Callable[[Unit], int]) -> None:
        try:
            await self._store.run(work)
        except (DBAPIError, StoreError) as error:
            log.error("people.store_failed", error=type(error).__name__, exc_info=error)
            raise CommandRefused("the database did not take it: nothing was changed; try again, or use the command line") from None
