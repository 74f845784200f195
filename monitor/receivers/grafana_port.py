"""The door to Grafana's HTTP API: the calls of grafana-api, bounded in time and size, off the event loop.

The library is synchronous and its requests know no total time, so each call has a thread and a session of its own: a server that
trickles holds up one daemon thread and nothing else, and after a few of those nothing more is sent. Redirects are not followed (they
would turn a POST into a GET), proxies from the environment are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from grafana_api.grafana_api import GrafanaClientError, GrafanaException
from grafana_api.grafana_face import GrafanaFace
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from monitor.model import Refused, Unavailable, Unsure
from monitor.model.secrecy import veiled

MAX_BODY = 8 * 1024 * 1024
MAX_WAITING = 4
"""Calls whose server never ended its answer, after which no more are made until one of them has ended."""
Failure = Unavailable | Unsure | Refused


class NotFound(Exception):
    """Grafana has no such thing (404)."""


class Conflict(Refused):
    """There is one already, or somebody else has changed it since it was read (409, 412)."""


class HalfDone(Unsure):
    """Grafana itself says that it failed: what was asked may be done all the same, but nothing is under way any more.

    A gateway's 502 or 504 says no such thing.
    """


class GrafanaPort:
    """One Grafana, by its address and a token. ``call`` raises NotFound, Refused, Unavailable, and Unsure for what may have been done."""

    def __init__(
        self, url: str, token: str, *, org_id: int | None = None, ca_file: Path | None = None, timeout_seconds: float = 10.0
    ) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self._where: dict[str, Any] = {
            "protocol": parts.scheme,
            "host": f"[{host}]" if ":" in host else host,
            "port": parts.port,
            "url_path_prefix": f"{parts.path.strip('/')}/" if parts.path.strip("/") else "",
            "verify": True if ca_file is None else str(ca_file),
            "timeout": timeout_seconds,
        }
        self._token, self._org_id, self._timeout = token, org_id, timeout_seconds
        self._waiting = 0

    def __repr__(self) -> str:
        return f"GrafanaPort(host={self._where['host']!r})"

    async def call(self, method: str, path: str, body: Any = None, query: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON of a successful answer. ``path`` begins after ``/api``. A call that reads never raises Unsure."""
        if self._waiting >= MAX_WAITING:
            raise Unavailable(f"Grafana has not ended its answers to {self._waiting} earlier requests")
        doing, reads = f"{method} {path}", method == "GET"
        try:
            return await self._in_thread(method, f"{path}?{urlencode(query)}" if query else path, body)
        except (Unavailable, NotFound):
            raise
        except Exception as error:  # whatever the library makes of an odd answer, it is one of four meanings to us
            found = meaning(error, doing)
            if reads and isinstance(found, Unsure):
                found = Unavailable(str(found))
            raise found from None

    async def _in_thread(self, method: str, path: str, body: Any) -> Any:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._waiting -= 1
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        def work() -> None:
            result, failed = None, None
            try:
                result = self._request(method, path, body)
            except BaseException as error:  # carried over to the caller
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(settle, result, failed)

        self._waiting += 1
        threading.Thread(target=work, name="grafana", daemon=True).start()
        async with asyncio.timeout(self._timeout):
            return await answer

    def _request(self, method: str, path: str, body: Any) -> Any:
        face = GrafanaFace(auth=self._token, **self._where)
        session, bounded = face.api.s, _Bounded(self._timeout)
        with session:
            session.trust_env = False
            session.max_redirects = 0
            session.mount("http://", bounded)
            session.mount("https://", bounded)
            if self._org_id is not None:
                session.headers["X-Grafana-Org-Id"] = str(self._org_id)
            try:
                return getattr(face.api, method)(path, json=body)
            except GrafanaException as error:
                error.retry_after = bounded.retry_after
                raise


class _Bounded(HTTPAdapter):
    """Reads an answer whole, up to a size and a time, and keeps what it says about trying again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(max_retries=0)
        self._seconds = seconds
        self.retry_after: str | None = None

    def send(self, request: Any, *args: Any, **more: Any) -> Any:
        deadline = time.monotonic() + self._seconds
        response = super().send(request, *args, **{**more, "stream": True})
        read = bytearray()
        for chunk in response.iter_content(1024):
            read += chunk
            if len(read) > MAX_BODY or time.monotonic() > deadline:
                response.close()
                raise requests.exceptions.ReadTimeout("the answer is too long")
        response._content = bytes(read)
        self.retry_after = response.headers.get("Retry-After")
        return response


# ---------------------------------------------------------------- what a failure means


def meaning(error: BaseException, doing: str) -> Failure | NotFound:
    """The same failure in the words of the outbox. Holds neither address nor token."""
    if isinstance(error, GrafanaException):
        return _answered(error, doing)
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return Refused(f"{doing}: Grafana redirects", "give the address to which it redirects as url", fatal=True)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error).upper():
        return Refused(f"{doing}: Grafana's certificate is not trusted", "name the file with its CA as ca_file", fatal=True)
    if isinstance(error, OSError) and not isinstance(error, requests.exceptions.RequestException | TimeoutError | ConnectionError):
        return Refused(f"{doing}: {type(error).__name__}", "the file that ca_file names must be there and be readable", fatal=True)
    if isinstance(error, requests.exceptions.ConnectTimeout) or _never_connected(error):
        return Unavailable(f"{doing}: no connection ({type(error).__name__})")
    return Unsure(f"{doing}: {type(error).__name__}")


def _never_connected(error: BaseException) -> bool:
    reason = getattr(error.args[0], "reason", None) if isinstance(error, requests.exceptions.ConnectionError) and error.args else None
    return isinstance(reason, NewConnectionError)


def _answered(error: GrafanaException, doing: str) -> Failure | NotFound:
    status, said = int(error.status_code), _said(error)
    what = f"{doing}: HTTP {status}{f' ({said})' if said else ''}"
    if status == 401:
        return Refused(what, "make a new token for a service account and put it into the settings", fatal=True)
    if status == 403:
        return Refused(what, "give the token's service account the role Editor", fatal=True)
    if status == 404:
        return NotFound(what)
    if status in (409, 412):
        return Conflict(what, "read what is there now, and decide", fatal=False)
    if status == 429:
        return Unavailable(what, _seconds(getattr(error, "retry_after", None)))
    if isinstance(error, GrafanaClientError) and status != 408:
        return Refused(what, "this is a bug of Stakewarden's request: please report it", fatal=False)
    return HalfDone(what) if status == 500 and isinstance(error.response, dict) else Unsure(what)


def _said(error: GrafanaException) -> str:
    found = error.response.get("message") if isinstance(error.response, dict) else None
    return "".join(c for c in veiled(str(found or ""))[:200] if c.isprintable())


def _seconds(text: str | None) -> float:
    try:
        return min(3600.0, max(0.0, float(text or "1")))
    except ValueError:
        return 1.0
