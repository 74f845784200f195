"""One HTTP request to an address that somebody else runs: bounded in time and in what is read, and its outcome in the outbox's words.

No redirects are followed and no proxy is taken from the environment: what is signed or carries a token goes to the configured address alone.
Neither addresses nor answers' texts are shown in errors, since both may hold secrets; the caller says which address it was.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from monitor.model import Refused, Unavailable, Unsure
from monitor.model.secret_settings import NoSecret, one_of, secret

# httpx writes the whole address of each request to its own log, and addresses may hold secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)

MAX_ANSWER = 4096
"""Bytes of an answer that are read."""
MAX_WAIT = 3600.0
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may pass later; any other 5xx too."""
MESSAGE_AT_FAULT = frozenset({413, 422})
"""Answers that refuse this message and not the sender."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class WebSettings(BaseModel):
    """A receiver that is posted to, and how to reach it: a bearer token, a proxy, an own certificate authority, a limit of time."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str
    name: str
    token: SecretStr | None = None
    token_file: Path | None = None
    proxy: SecretStr | None = None
    ca_file: Path | None = None
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _one_token(self) -> WebSettings:
        one_of("token", self.token, self.token_file, required=False)
        return self


def web_address(text: str) -> str:
    """The address if it is one. Raises ValueError without showing it."""
    try:
        found = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        found = httpx.URL()
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError("must be a web address, such as https://alerts.example/path")
    return text


@contextmanager
def refusing() -> Iterator[None]:
    """A secret that cannot be had ends in Refused: only a person can help."""
    try:
        yield
    except NoSecret as wrong:
        raise Refused(wrong.reason, wrong.remedy, fatal=True) from None


class Door:
    """Requests by one set of settings. Each is a connection of its own: they are rare, and one kept idle would be found closed."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings

    def ready(self) -> None:
        """Read the files that the settings name. Raises Refused with the remedy."""
        self._headers()
        self._tls  # noqa: B018 (made once, here or at the first request)

    async def send(
        self, method: str, address: str, content: bytes = b"", headers: Mapping[str, str] | None = None, doing: str = "sending"
    ) -> bytes:
        """The answer's first bytes when it is a success. Raises Unavailable, Unsure or Refused, as ``model.Receiver`` says."""
        s = self._settings
        own = {**self._headers(), "user-agent": "Stakewarden", "accept-encoding": "identity", **(headers or {})}
        proxy = s.proxy.get_secret_value() if s.proxy else None
        try:
            async with (
                asyncio.timeout(s.timeout_seconds),
                httpx.AsyncClient(trust_env=False, timeout=s.timeout_seconds, verify=self._tls, proxy=proxy) as client,
                client.stream(method, address, content=content, headers=own) as answer,
            ):
                said = b"" if answer.is_success and method == "POST" else await _beginning(answer)
        except _NEVER_SENT as error:
            raise Unavailable(f"{doing}: {_connection(error)}") from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise Unsure(f"{doing}: {type(error).__name__}") from None
        if not answer.is_success:
            raise Answered(answer.status_code, said, doing).meaning(answer.headers.get("retry-after"))
        return said

    @refusing()
    def _headers(self) -> dict[str, str]:
        token = secret("token", self._settings.token, self._settings.token_file)
        if token is None:
            return {}
        if not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
            raise Refused("the token has characters that no header can carry", "give the token alone, on one line", fatal=True)
        return {"authorization": f"Bearer {token}"}

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        path = self._settings.ca_file
        try:
            return ssl.create_default_context(cafile=None if path is None else str(path))
        except (OSError, ssl.SSLError) as error:
            raise Refused(
                f"ca_file {path} cannot be used ({type(error).__name__})", "give a file of PEM certificates", fatal=True
            ) from None


class Answered(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, said: bytes, doing: str) -> None:
        super().__init__(f"{doing}: HTTP {status}")
        self.status, self.said, self.doing = status, said, doing

    def meaning(self, retry_after: str | None) -> Unavailable | Refused:
        """A refusal of the sender is tried again rarely; one of this very message is final."""
        if self.status in AGAIN or self.status >= 500:
            found: Unavailable | Refused = Unavailable(str(self), seconds(retry_after, time.time()))
        elif 300 <= self.status < 400:
            found = Refused(str(self), "redirects are not followed: give the address that it leads to", fatal=True)
        elif self.status in MESSAGE_AT_FAULT:
            found = Refused(str(self), "the far end cannot use this message: see its log", fatal=False)
        elif self.status in (401, 403):
            found = Refused(str(self), "check the token and the secret on both sides", fatal=True)
        else:
            found = Refused(str(self), "check the address, and the far end's log", fatal=True)
        found.__cause__ = self
        return found


def seconds(retry_after: str | None, now: float) -> float | None:
    """``Retry-After`` as seconds, given as such or as a date; None when it is not there or says nothing."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(retry_after).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(MAX_WAIT, max(0.0, wait)) if wait == wait else None


async def _beginning(answer: httpx.Response) -> bytes:
    said = b""
    async for piece in answer.aiter_raw():
        said += piece
        if len(said) >= MAX_ANSWER:
            break
    return said[:MAX_ANSWER]


def _connection(error: BaseException) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted (ca_file names an authority of your own)"
    return f"no connection ({type(error).__name__})"
