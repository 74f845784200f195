"""A signed webhook: each message is one POST of JSON that the far end can prove to be ours, and knows again when it comes twice.

A webhook cannot be asked what it has. So a message of unknown outcome is sent again with the same delivery id, and the far end drops what
it has seen: at least once here, once there. ``docs/alerts.md`` tells the contract and has a verifier to copy.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, model_validator

from monitor.model import Delivery, Receipt, Refused
from monitor.model.secret_settings import one_of, secret, secret_lines
from monitor.receivers.post import Door, WebSettings, refusing, web_address

VERSION = 1
DELIVERY, TIMESTAMP, SIGNATURE = "X-Stakewarden-Delivery", "X-Stakewarden-Timestamp", "X-Stakewarden-Signature"
SHORTEST_SECRET = 16


class WebhookSettings(WebSettings):
    """Where to post, and the key of the signature. Give ``url`` or ``url_file`` (it may hold a secret), and ``secret`` or ``secret_file``.

    A secret file may hold several keys, one a line: each signs, so that a key is changed without a gap.
    """

    kind: Literal["webhook"]
    name: str = "webhook"
    url: SecretStr | None = None
    url_file: Path | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> WebhookSettings:
        one_of("url", self.url, self.url_file)
        one_of("secret", self.secret, self.secret_file)
        if self.url is not None:
            web_address(self.url.get_secret_value())
        return self

    @refusing()
    def address(self) -> str:
        """The address with its secrets: for the request only. Raises Refused with the remedy."""
        found = secret("url", self.url, self.url_file) or ""
        try:
            return web_address(found)
        except ValueError as wrong:
            raise Refused(f"the webhook's address {wrong}", "see url_file", fatal=True) from None

    def ready(self) -> None:
        """Read all that is named here. Raises Refused with the remedy."""
        self.address()
        self.keys()
        Door(self).ready()

    @refusing()
    def keys(self) -> tuple[bytes, ...]:
        """The keys of the signature, the first one the newest. Raises Refused with the remedy."""
        found = tuple(line.encode() for line in secret_lines("secret", self.secret, self.secret_file))
        if any(len(key) < SHORTEST_SECRET for key in found):
            raise Refused(f"the webhook's secret is shorter than {SHORTEST_SECRET} bytes", "make one: openssl rand -hex 32", fatal=True)
        return found


class WebhookReceiver:
    """A ``model.Receiver``."""

    def __init__(self, settings: WebhookSettings, now: Callable[[], float] = time.time) -> None:
        self.name = settings.name
        self._settings, self._now = settings, now
        self._door = Door(settings)

    def __repr__(self) -> str:
        return f"WebhookReceiver(name={self.name!r})"

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Post it. Raises Unavailable, Unsure or Refused."""
        body = message(delivery)
        at = str(int(self._now()))
        headers = {
            "content-type": "application/json",
            DELIVERY: delivery.id,
            TIMESTAMP: at,
            SIGNATURE: sign(self._settings.keys(), at, body),
        }
        await self._door.send("POST", self._settings.address(), body, headers, "posting")
        return Receipt(delivery.incident, self._now())

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Nobody can say; sending again is harmless, since the far end knows the delivery's id."""
        return None

    async def check(self) -> dict[str, Any]:
        """Whether address, secret and token can be read; the far end is not asked. Raises Refused with the remedy."""
        self._settings.ready()
        unsafe = self._settings.address().startswith("http://")
        return {"warnings": ["the address is not https: anybody on the way can read the messages"] if unsafe else []}


def message(delivery: Delivery) -> bytes:
    """What is posted. The account of the incident is the same as for every receiver; keys may be added, never change their meaning."""
    body = dict(delivery.body)
    envelope = {
        "version": VERSION,
        "delivery": delivery.id,
        "kind": delivery.kind,
        "incident": delivery.incident,
        "revision": delivery.revision,
        "note": body.pop("note", None),
        "account": {k: v for k, v in body.items() if k not in ("incident", "revision")},
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def sign(keys: Sequence[bytes], timestamp: str, body: bytes) -> str:
    """``v1=`` and the hex HMAC-SHA256 of ``timestamp.body``, one for each key, parted by commas."""
    signed = timestamp.encode() + b"." + body
    return ",".join("v1=" + hmac.new(key, signed, hashlib.sha256).hexdigest() for key in keys)
