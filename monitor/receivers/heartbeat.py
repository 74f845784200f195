"""The dead man's switch: while blocks are judged, an address outside is pinged; when the pings stop, it raises the alarm.

It never waits for anything but itself, and a failed ping stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from monitor.chain.tls import authorities
from monitor.model.secret_settings import NoSecret, one_of, secret

log = structlog.get_logger()

# httpx writes the whole address of each request to its own log, and ours is a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


class HeartbeatSettings(BaseModel):
    """Give ``url`` or ``url_file``: it usually holds a secret in its path, so it is never shown. ``alive_seconds``: how old the last judged block may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: SecretStr | None = None
    url_file: Path | None = None
    every_seconds: float = Field(default=60.0, gt=0)
    alive_seconds: float = Field(default=120.0, gt=0)
    timeout_seconds: float = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _web_address(self) -> HeartbeatSettings:
        one_of("url", self.url, self.url_file)
        try:
            found = httpx.URL(self.address())
        except httpx.InvalidURL:
            found = httpx.URL()
        if found.scheme not in ("http", "https") or not found.host:
            raise ValueError("the heartbeat's url must be a web address, such as https://hc.example/ping/ID")
        return self

    def address(self) -> str:
        """The address with its secret: for the request only. Raises NoSecret when the file cannot be read."""
        return secret("url", self.url, self.url_file) or ""


@dataclass(slots=True)
class HeartbeatHealth:
    """Counters since the start of the process."""

    sent: int = 0
    failed: int = 0
    withheld: int = 0
    """Rounds without a ping, since no block was judged lately."""
    last_sent_at: float | None = None


class Heartbeat:
    """Pings the address while ``last_judged_at()`` (wall time, None before the first block) is recent. ``work`` runs until cancelled."""

    def __init__(
        self, settings: HeartbeatSettings, last_judged_at: Callable[[], float | None], now: Callable[[], float] = time.time
    ) -> None:
        self._settings, self._last_judged_at, self._now = settings, last_judged_at, now
        self.health = HeartbeatHealth()

    async def work(self) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=authorities(), timeout=self._settings.timeout_seconds) as client:
            while True:
                await self.beat(client)
                await asyncio.sleep(self._settings.every_seconds)

    async def beat(self, client: httpx.AsyncClient) -> None:
        """One round: a ping if we are alive. Never raises for a failed ping."""
        judged = self._last_judged_at()
        if judged is None or self._now() - judged > self._settings.alive_seconds:
            self.health.withheld += 1
            log.warning("heartbeat.withheld", reason="no block was judged lately")
            return
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                answer = await client.get(self._settings.address())
            failed = None if answer.is_success else f"HTTP {answer.status_code}"
        except NoSecret as wrong:
            failed = f"heartbeat.{wrong}"
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            failed = type(error).__name__  # the text of the error would hold the address
        if failed is None:
            self.health.sent += 1
            self.health.last_sent_at = self._now()
        else:
            self.health.failed += 1
            log.warning("heartbeat.failed", reason=failed)
