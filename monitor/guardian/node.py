"""Endpoints as the guardian uses them: every question goes to all, and an answer stands when a majority of all gives it.

The guardian speaks for itself instead of through ``chain``: it sends transactions, and it must see them mined without
waiting for a block to be judged. No message here holds an endpoint's URL.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from monitor.chain.settings import EndpointSettings
from monitor.chain.tls import authorities
from monitor.model import Address, BlockStamp, Hash, Slot
from monitor.model.secrecy import veiled

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")
MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """The endpoint answered with a JSON-RPC error. ``data`` is revert data, if it is one."""

    code: int
    message: str
    data: bytes | None = None

    @property
    def reverted(self) -> bool:
        """Whether this is the contract's answer and not the endpoint's: a revert is data."""
        return self.data is not None or self.code == 3 or "revert" in self.message.lower()


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer could be had: the kind of failure."""

    reason: str


class NoMajority(Exception):
    """The configured endpoints gave no answer that a majority of all of them shares."""

    def __init__(self, what: str, said: str) -> None:
        super().__init__(f"{what}: no majority of the configured endpoints ({said})")


class HttpProvider(AsyncJSONBaseProvider):
    """web3's JSON-RPC over httpx.

    web3's own AsyncHTTPProvider takes one lock for all sessions of the process in a thread; a request that is cancelled meanwhile
    leaves it taken, and no later one is ever sent. Here requests are cancelled all the time: a majority has answered.
    """

    def __init__(self, url: str, headers: dict[str, str], seconds: float) -> None:
        super().__init__()
        self._url = url
        self._client = httpx.AsyncClient(headers=headers, trust_env=False, timeout=seconds, verify=authorities())

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The answer as parsed. Raises httpx.HTTPError, and ValueError for a body that is no JSON or too large."""
        async with self._client.stream("POST", self._url, content=self.encode_rpc_request(method, params)) as response:
            response.raise_for_status()
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ValueError("the body is too large")
        return self.decode_rpc_response(bytes(body))

    async def disconnect(self) -> None:
        await self._client.aclose()


class Node:
    """One endpoint. Every method gives a value, Refused or Silent; nothing raises."""

    def __init__(self, settings: EndpointSettings, seconds: float) -> None:
        self.name = settings.name
        headers = {"Content-Type": "application/json", **{k: v.get_secret_value() for k, v in settings.headers.items()}}
        self._seconds = seconds
        self._provider = HttpProvider(settings.http, headers, seconds)

    async def ask(self, method: str, *params: Any) -> Any:
        """The result of one call, or Refused, or Silent."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._provider.make_request(cast(RPCEndpoint, method), list(params))
        except httpx.HTTPStatusError as error:
            return Silent(f"HTTP {error.response.status_code}")
        except (TimeoutError, OSError, httpx.HTTPError) as error:
            return Silent(type(error).__name__)
        except Exception as error:  # a body that is no JSON, or JSON of another shape: each library has its own error for it
            return Silent(f"malformed answer ({type(error).__name__})")
        return _result(answer)

    async def close(self) -> None:
        await self._provider.disconnect()


def _result(answer: Any) -> Any:
    if not isinstance(answer, dict):
        return Silent("malformed answer")
    error = answer.get("error")
    if error is None:
        return answer["result"] if "result" in answer else Silent("malformed answer")
    if not isinstance(error, dict):
        return Refused(0, str(error)[:200])
    return Refused(_code(error.get("code")), veiled(str(error.get("message", "")))[:300], _revert_data(error.get("data")))


def _code(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _revert_data(data: Any) -> bytes | None:
    """Clients put it at different places: plain hex, or inside an object."""
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return None
    return None


HEADS_APART = 2
"""Blocks by which the heads of honest endpoints may differ for a moment."""
GRACE_SECONDS = 0.3
"""How long slower endpoints are waited for when a majority has answered: a pause must not hang on an endpoint that hangs."""


class Nodes:
    """All configured endpoints."""

    def __init__(self, endpoints: Sequence[EndpointSettings], seconds: float) -> None:
        self.all = tuple(Node(e, seconds) for e in endpoints)
        self.need = len(self.all) // 2 + 1
        self._sending: set[asyncio.Task[Any]] = set()

    async def agreed(self, what: str, read: Callable[[Any], T], method: str, *params: Any) -> T:
        """The value that a majority of all configured endpoints gives. ``read`` makes answers comparable; it raises for junk.

        Returns as soon as there is one. Raises NoMajority.
        """
        votes: Counter[T] = Counter()

        def enough(answer: Any) -> bool:
            try:
                vote = read(answer)
                votes[vote] += 1  # raises for what cannot be compared, such as a list where a hash belongs
            except _JUNK:
                return False
            return votes[vote] >= self.need

        answers = await self._collect(method, params, enough, 0.0)
        for vote, count in votes.items():
            if count >= self.need:
                return vote
        raise NoMajority(what, _said(answers, read))

    async def middle(self, what: str, read: Callable[[Any], int], method: str, *params: Any, apart: int = 0) -> int:
        """The median of a number that honest endpoints may see differently (head, nonce), given a majority answers. Raises NoMajority.

        Slower endpoints are waited for until a majority is at most ``apart`` apart: the median of two, of which one lies, would be the lie.
        """
        found: list[int] = []

        def enough(answer: Any) -> bool:
            try:
                found.append(read(answer))
            except _JUNK:
                return False
            ranked = sorted(found)
            return any(high - low <= apart for low, high in zip(ranked, ranked[self.need - 1 :], strict=False))

        answers = await self._collect(method, params, enough, GRACE_SECONDS)
        if len(found) < self.need:
            raise NoMajority(what, _said(answers, read))
        return sorted(found)[(len(found) - 1) // 2]

    async def anyone(self, read: Callable[[Any], V], method: str, *params: Any) -> V | None:
        """What any one endpoint says, if ``read`` can take it: a hint that decides nothing. ``read`` raises for junk.

        Nobody is waited for once a majority had nothing to say.
        """
        heard: list[V | None] = []

        def enough(answer: Any) -> bool:
            heard.append(_readable(answer, read))
            return heard[-1] is not None or len(heard) >= self.need

        await self._collect(method, params, enough, 0.0)
        return next((found for found in heard if found is not None), None)

    async def send(self, raw: str, *, benign: Callable[[str], bool]) -> tuple[bool, str]:
        """Give a signed transaction to every endpoint: whether one took it (or knows it, as ``benign`` messages say), and what the others said.

        Slow endpoints go on receiving it after this returns.
        """

        def taken(answer: Any) -> bool:
            return isinstance(answer, str) or (isinstance(answer, Refused) and benign(answer.message.lower()))

        answers = await self._collect("eth_sendRawTransaction", (raw,), taken, GRACE_SECONDS, finish=True)
        said = {a.message if isinstance(a, Refused) else a.reason for a in answers if isinstance(a, (Refused, Silent))}
        return any(taken(a) for a in answers), ", ".join(sorted(said))

    async def _collect(
        self, method: str, params: Sequence[Any], enough: Callable[[Any], bool], grace: float, *, finish: bool = False
    ) -> list[Any]:
        """Ask all at once; when ``enough`` says so of an answer, wait ``grace`` seconds for the others and no longer."""
        pending = {asyncio.create_task(n.ask(method, *params)) for n in self.all}
        answers: list[Any] = []
        until: float | None = None
        clock = asyncio.get_running_loop().time
        try:
            while pending and (until is None or clock() < until):
                done, pending = await asyncio.wait(
                    pending, timeout=None if until is None else until - clock(), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    answers.append(task.result())
                    if enough(answers[-1]) and until is None:
                        until = clock() + grace
        finally:
            for task in pending:
                if finish:
                    self._sending.add(task)
                    task.add_done_callback(self._sending.discard)
                else:
                    task.cancel()
        return answers

    async def call(
        self, what: str, to: Address, data: bytes, *, sender: Address | None = None, gas: int | None = None, block: Any = "latest"
    ) -> bytes | Refused:
        """An eth_call by majority: the returned bytes, or Refused with equal revert data. Raises NoMajority."""
        request: dict[str, str] = {"to": to, "data": "0x" + data.hex()}
        if sender is not None:
            request["from"] = sender
        if gas is not None:
            request["gas"] = hex(gas)
        return await self.agreed(what, _called, "eth_call", request, block)

    async def newest(self) -> BlockStamp:
        """The newest block that a majority knows; its slot is not told (0). Raises NoMajority."""
        head = await self.middle("head", number, "eth_blockNumber", apart=HEADS_APART)
        return await self.agreed("newest block", _stamp, "eth_getBlockByNumber", hex(head), False)

    async def close(self) -> None:
        """Let what is being sent arrive (each has its timeout), then close all connections."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        await asyncio.gather(*(n.close() for n in self.all))


_JUNK = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


def _readable(answer: Any, read: Callable[[Any], V]) -> V | None:
    try:
        return read(answer)
    except (*_JUNK, AttributeError):
        return None


def _stamp(block: Any) -> BlockStamp:
    return BlockStamp(number(block["number"]), Hash(block["hash"]), Hash(block["parentHash"]), number(block["timestamp"]), Slot(0))


def _said(answers: Sequence[Any], read: Callable[[Any], Any]) -> str:
    """What the endpoints said, for a message: kinds of failure, or that they gave answers."""
    said: Counter[str] = Counter()
    for answer in answers:
        if isinstance(answer, Silent):
            said[answer.reason] += 1
            continue
        try:
            read(answer)
        except _JUNK:
            said[answer.message if isinstance(answer, Refused) else "malformed answer"] += 1
        else:
            said["an answer of its own"] += 1
    return ", ".join(f"{n} x {k}" for k, n in said.items())


def _called(answer: Any) -> bytes | Refused:
    if isinstance(answer, Refused):
        if not answer.reverted:
            raise ValueError(answer.message)
        return Refused(3, "reverted", answer.data or b"")
    return unhex(answer)


def unhex(value: Any) -> bytes:
    """Bytes of a 0x hex text. Raises ValueError for anything else."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("no hex")
    return bytes.fromhex(value[2:])


def number(value: Any) -> int:
    """An integer of a 0x hex quantity. Raises ValueError for anything else."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("no quantity")
    return int(value, 16)
