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

import aiohttp
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.types import RPCEndpoint

from monitor.chain.settings import EndpointSettings
from monitor.model import Address

T = TypeVar("T", bound=Hashable)
_MIDDLEWARES = ("validation", "gas_price_strategy", "gas_estimate", "ens_name_to_address")


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


class Node:
    """One endpoint. Every method gives a value, Refused or Silent; nothing raises."""

    def __init__(self, settings: EndpointSettings, seconds: float) -> None:
        self.name = settings.name
        headers = {"Content-Type": "application/json", **{k: v.get_secret_value() for k, v in settings.headers.items()}}
        self._seconds = seconds
        self._provider = AsyncHTTPProvider(
            settings.http,
            request_kwargs={"timeout": aiohttp.ClientTimeout(total=seconds), "headers": headers},
            exception_retry_configuration=None,
        )
        self.web3 = AsyncWeb3(self._provider)
        for middleware in _MIDDLEWARES:
            self.web3.middleware_onion.remove(middleware)

    async def ask(self, method: str, *params: Any) -> Any:
        """The result of one call, or Refused, or Silent."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._provider.make_request(cast(RPCEndpoint, method), list(params))
        except aiohttp.ClientResponseError as error:
            return Silent(f"HTTP {error.status}")
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
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
    return Refused(_code(error.get("code")), str(error.get("message", ""))[:300], _revert_data(error.get("data")))


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


class Nodes:
    """All configured endpoints."""

    def __init__(self, endpoints: Sequence[EndpointSettings], seconds: float) -> None:
        self.all = tuple(Node(e, seconds) for e in endpoints)
        self.need = len(self.all) // 2 + 1

    async def ask(self, method: str, *params: Any) -> list[Any]:
        """One answer of each endpoint."""
        return list(await asyncio.gather(*(n.ask(method, *params) for n in self.all)))

    async def agreed(self, what: str, read: Callable[[Any], T], method: str, *params: Any) -> T:
        """The value that a majority of all configured endpoints gives. ``read`` makes answers comparable; it raises for junk.

        Raises NoMajority.
        """
        answers = await self.ask(method, *params)
        votes: Counter[T] = Counter()
        said: Counter[str] = Counter()
        for answer in answers:
            if isinstance(answer, Silent):
                said[answer.reason] += 1
                continue
            try:
                vote = read(answer)
            except (ValueError, TypeError, KeyError, IndexError):
                said[answer.message if isinstance(answer, Refused) else "malformed answer"] += 1
                continue
            votes[vote] += 1
            said["an answer"] += 1
        for vote, count in votes.items():
            if count >= self.need:
                return vote
        raise NoMajority(what, ", ".join(f"{n} x {k}" for k, n in said.items()))

    async def middle(self, what: str, read: Callable[[Any], int], method: str, *params: Any) -> int:
        """The median of a number that honest endpoints may see differently (head, fee), given a majority answers. Raises NoMajority."""
        found = []
        for answer in await self.ask(method, *params):
            try:
                found.append(read(answer))
            except (ValueError, TypeError, KeyError, IndexError):
                continue
        if len(found) < self.need:
            raise NoMajority(what, f"{len(found)} of {len(self.all)} answered")
        return sorted(found)[(len(found) - 1) // 2]

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

    async def close(self) -> None:
        await asyncio.gather(*(n.close() for n in self.all))


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
