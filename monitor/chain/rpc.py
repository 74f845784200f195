"""One JSON-RPC endpoint over HTTP: batches bounded in time and size, answers checked strictly, errors classified.

The chain id is asked in the first batch, again after any broken connection, and every minute: an endpoint that
serves another chain is refused until it serves ours.
"""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import structlog

from monitor.chain.errors import BackingOff, EndpointError, ErrorKind, Fault, Malformed, WrongChain, fault_kind
from monitor.chain.settings import EndpointSettings, NetworkSettings
from monitor.chain.tls import authorities
from monitor.chain.wire import quantity
from monitor.model.secrecy import veiled

log = structlog.get_logger()

RECHECK_SECONDS = 60.0
LONGEST_BACKOFF = 120.0
_BATCH_REFUSED = "refused the size of the batch"


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of a batch."""

    method: str
    params: tuple[object, ...] = ()


Result = object | Fault
"""What one call gave: its ``result``, as parsed JSON, or its error object."""


@dataclass(slots=True)
class Counters:
    """Totals since the start. ``messages``: HTTP requests (and WebSocket messages sent); ``calls``: JSON-RPC calls in them."""

    messages: int = 0
    calls: int = 0
    bytes: int = 0
    errors: Counter[ErrorKind] = field(default_factory=Counter)


class Rpc:
    """The client of one endpoint. ``refused`` says why it has no vote at all, if so."""

    def __init__(self, settings: EndpointSettings, network: NetworkSettings, counters: Counters) -> None:
        self.name = settings.name
        self.refused: str | None = None
        self._network, self._counters = network, counters
        self._url = settings.http
        headers = {"content-type": "application/json", **{k: v.get_secret_value() for k, v in settings.headers.items()}}
        self._client = httpx.AsyncClient(
            headers=headers,
            trust_env=False,
            verify=authorities(),
            timeout=network.request_seconds,
            limits=httpx.Limits(max_keepalive_connections=4),
        )
        self._ids = itertools.count(1)
        self._batch_items = network.batch_items
        self._verified_at = -math.inf
        self._silent_until = -math.inf
        self._strikes = 0

    async def close(self) -> None:
        await self._client.aclose()

    async def batch(self, asks: Sequence[Ask], seconds: float | None = None) -> list[Result]:
        """The results in the order of ``asks``. Raises EndpointError when the endpoint did not answer properly.

        ``seconds``: how long each message may take (default: the settings' ``request_seconds``).
        """
        results: list[Result] = []
        while len(results) < len(asks):
            part = asks[len(results) : len(results) + self._batch_items]
            try:
                results += await self._message(part, seconds or self._network.request_seconds)
            except EndpointError as error:
                if error.reason != _BATCH_REFUSED or len(part) == 1:
                    raise
                self._batch_items = max(1, len(part) // 2)
                log.info("endpoint.batch_halved", endpoint=self.name, items=self._batch_items)
        return results

    async def one(self, ask: Ask, seconds: float | None = None) -> Result:
        """The result of a single call."""
        return (await self.batch((ask,), seconds))[0]

    def error(self, kind: ErrorKind, reason: str) -> EndpointError:
        """A counted error of this endpoint, to be raised."""
        self._counters.errors[kind] += 1
        return EndpointError(self.name, kind, reason)

    # ---- one message

    async def _message(self, asks: Sequence[Ask], seconds: float) -> list[Result]:
        if (wait := self._silent_until - time.monotonic()) > 0:
            raise BackingOff(self.name, "rate_limited", f"backing off for {wait:.1f} s more, as it asked")
        check = time.monotonic() - self._verified_at > RECHECK_SECONDS
        sent = (Ask("eth_chainId"), *asks) if check else tuple(asks)
        first = next(self._ids)
        for _ in sent[1:]:
            next(self._ids)
        body = await self._post(_request(sent, first), len(sent), seconds)
        try:
            results = self._results(body, len(sent), first)
        except Malformed as error:
            raise self.error("malformed", str(error)) from None
        self._heed_limits(results)
        if check:
            self._verify(results.pop(0))
        return results

    async def _post(self, content: bytes, calls: int, seconds: float) -> bytes:
        self._counters.messages += 1
        self._counters.calls += calls
        try:
            async with asyncio.timeout(seconds), self._client.stream("POST", self._url, content=content) as response:
                if response.status_code != 200:
                    raise self._refusal(response)
                return await self._body(response)
        except (TimeoutError, httpx.TimeoutException):
            self._verified_at = -math.inf
            raise self.error("timeout", f"no answer within {seconds:g} s") from None
        except (httpx.DecodingError, httpx.TooManyRedirects):
            raise self.error("malformed", "the body could not be decoded") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            self._verified_at = -math.inf
            raise self.error("connection", f"connection failed ({type(error).__name__})") from None

    async def _body(self, response: httpx.Response) -> bytes:
        most = self._network.max_body_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            self._counters.bytes += len(chunk)
            if size > most:
                raise self.error("malformed", f"the body is larger than {most} bytes (max_body_bytes)")
            chunks.append(chunk)
        return b"".join(chunks)

    def _refusal(self, response: httpx.Response) -> EndpointError:
        status = response.status_code
        after = retry_after(response.headers.get("retry-after"))
        if status == 429:
            return self._limited("HTTP 429", after)
        if status == 503 and after is not None:
            self._silent_until = time.monotonic() + after
        remedy = ": check its key" if status in (401, 403) else ""
        return self.error("http", f"HTTP {status}{remedy}")

    def _limited(self, reason: str, after: float | None = None) -> EndpointError:
        self._strikes += 1
        after = min(2.0 ** (self._strikes - 1), 30.0) if after is None else after
        self._silent_until = time.monotonic() + after
        return self.error("rate_limited", f"{reason}: backing off for {after:g} s")

    # ---- what came back

    def _results(self, body: bytes, count: int, first: int) -> list[Result]:
        try:
            parsed: Any = orjson.loads(body)
        except ValueError:
            raise Malformed("the body is not JSON") from None
        if isinstance(parsed, dict) and (count > 1 or parsed.get("id") is None):
            raise self._whole(parsed)
        items = parsed if isinstance(parsed, list) else [parsed]
        found: dict[int, Result] = {}
        for item in items:
            number, result = _item(item)
            if not first <= number < first + count:
                raise Malformed("an answer has an id that was not asked")
            if number in found:
                raise Malformed("an id was answered twice")
            found[number] = result
        if len(found) != count:
            raise Malformed(f"{count - len(found)} of {count} calls were not answered")
        return [found[first + i] for i in range(count)]

    def _whole(self, parsed: dict[str, Any]) -> EndpointError:
        """The error for a single error object in place of the answers."""
        fault = _fault(parsed.get("error"))
        kind = fault_kind(fault)
        if kind == "rate_limited":
            return self._limited(f"JSON-RPC error {fault.code}")
        if kind == "batch":
            return self.error("rpc", _BATCH_REFUSED)
        return self.error("rpc", f"answered the whole batch by error {fault.code}: {brief(fault.message)}")

    def _heed_limits(self, results: Sequence[Result]) -> None:
        faults = [r for r in results if isinstance(r, Fault)]
        limited = next((f for f in faults if fault_kind(f) == "rate_limited"), None)
        if limited is None:
            self._strikes = 0
        else:
            raise self._limited(f"JSON-RPC error {limited.code}")

    def _verify(self, result: Result) -> None:
        if isinstance(result, Fault):
            raise self.error("rpc", f"eth_chainId failed by error {result.code}: {brief(result.message)}")
        try:
            chain = quantity(result, "eth_chainId")
        except Malformed as error:
            raise self.error("malformed", str(error)) from None
        if chain != self._network.chain_id:
            self.refused = f"serves chain {chain}, but network.chain_id is {self._network.chain_id}: correct the URL of {self.name}"
            self._counters.errors["rpc"] += 1
            raise WrongChain(self.name, "rpc", self.refused)
        if self.refused is not None:
            log.info("endpoint.accepted_again", endpoint=self.name)
        self.refused = None
        self._verified_at = time.monotonic()


def brief(text: str, size: int = 160) -> str:
    """A stranger's text, safe for one line of a log: printable, without URLs and our secrets, cut."""
    words = ("<url>" if "://" in word else word for word in veiled(text).split())
    line = "".join(c if c.isprintable() else "?" for c in " ".join(words))
    return line if len(line) <= size else line[: size - 3] + "..."


def _request(asks: Sequence[Ask], first: int) -> bytes:
    items = [{"jsonrpc": "2.0", "id": first + i, "method": a.method, "params": a.params} for i, a in enumerate(asks)]
    return orjson.dumps(items if len(items) > 1 else items[0])


def _item(item: object) -> tuple[int, Result]:
    if not isinstance(item, dict) or item.get("jsonrpc") != "2.0":
        raise Malformed("an answer is not a JSON-RPC 2.0 object")
    number = item.get("id")
    if type(number) is not int:
        raise Malformed("an answer has no numeric id")
    if item.get("error") is not None:
        return number, _fault(item["error"])
    if "result" not in item:
        raise Malformed("an answer has neither result nor error")
    return number, item["result"]


def _fault(error: object) -> Fault:
    if not isinstance(error, dict) or type(error.get("code")) is not int or not isinstance(error.get("message"), str):
        raise Malformed("an answer has an error that is no JSON-RPC error object")
    return Fault(error["code"], error["message"], error.get("data"))


def retry_after(value: str | None) -> float | None:
    """Seconds, from a number of seconds or an HTTP date (RFC 9110, 10.2.3), at most LONGEST_BACKOFF."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_BACKOFF) if math.isfinite(seconds) else None
