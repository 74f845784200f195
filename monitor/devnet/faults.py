"""What a faulty endpoint does, as data, and how it bends answers. Pure; ``proxies`` serves it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Literal

from eth_abi.abi import decode, encode
from pydantic import BaseModel, ConfigDict, Field

from monitor.chain import multicall

AGGREGATE3 = multicall.SELECTOR

LOG_LIMITS: dict[str, tuple[int, str]] = {
    "results": (-32005, "query returned more than 10000 results"),
    "size": (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range."),
    "range": (-32614, "eth_getLogs is limited to a 1,000 range"),
    "wide": (-32600, "block range is too wide"),
    "maximum": (-32000, "Exceeded maximum block range: 5000"),
    "server": (-32000, "query block range exceeds server limit"),
}
"""How providers say that a log query was too large: code and message, by a name of ours."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lie(_Strict):
    """One consistent lie: about a call of ``selector`` on ``target``, or about its balance when there is no selector."""

    target: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    selector: str | None = Field(default=None, pattern="^0x[0-9a-fA-F]{8}$")
    word: int = Field(default=0, ge=0)
    """Which 32-byte word of the returned data."""
    add: int = 0
    """Added to it, modulo 2**256."""
    flip: bool = False
    """Zero becomes one, everything else zero: for a bool."""

    def bend(self, data: bytes) -> bytes:
        """The data with the lie in it; unchanged if it has no such word."""
        at = 32 * self.word
        if len(data) < at + 32:
            return data
        true = int.from_bytes(data[at : at + 32], "big")
        told = int(true == 0) if self.flip else (true + self.add) % 2**256
        return data[:at] + told.to_bytes(32, "big") + data[at + 32 :]


class RateLimit(_Strict):
    """HTTP 429 with Retry-After, or error -32005 inside HTTP 200."""

    style: Literal["http", "rpc"] = "http"
    retry_after: float | None = 1.0


class LogLimit(_Strict):
    """eth_getLogs over more blocks, or with more results, fails in the words of a provider (a key of LOG_LIMITS)."""

    blocks: int | None = Field(default=None, ge=1)
    results: int | None = Field(default=None, ge=0)
    words: str = Field("results", pattern=f"^({'|'.join(LOG_LIMITS)})$")


class Faults(_Strict):
    """All that can be wrong with an endpoint at once. The default is a healthy one."""

    hang: bool = False
    """Takes requests and says nothing, on sockets too, not even a pong."""
    refuse: bool = False
    """Drops every connection."""
    lag: int = Field(default=0, ge=0)
    """Knows nothing of the newest so many blocks."""
    prune: int | None = Field(default=None, ge=0)
    """Has no state older than so many blocks; fails as geth does."""
    error: bool = False
    """Every call fails, inside HTTP 200."""
    error_methods: tuple[str, ...] = ()
    """These methods fail, inside HTTP 200."""
    batch_error: bool = False
    """A batch is answered by a single error object."""
    batch_limit: int | None = Field(default=None, ge=1)
    """A larger batch is refused."""
    rate_limit: RateLimit | None = None
    log_limit: LogLimit | None = None
    lies: tuple[Lie, ...] = ()
    fake_heads: bool = False
    """Its newest block has another hash, everywhere."""
    omit_logs: bool = False
    """No contract ever logs."""
    no_multicall: bool = False
    """A call of aggregate3 returns nothing, as if it were not deployed."""
    wrong_chain_id: int | None = None
    slow_ms: int = Field(default=0, ge=0)
    cut_body: bool = False
    garbage: bool = False
    unavailable: bool = False
    """HTTP 503 with a page of HTML."""
    ids: Literal["right", "shuffled", "missing", "twice", "wrong"] = "right"
    """What happens to the answers of a batch."""
    no_socket: bool = False
    """WebSocket connections are dropped; HTTP goes on."""
    mute_socket: bool = False
    """Sockets stay open and answer, but bring no heads."""

    def with_mode(self, mode: str, value: object) -> Faults:
        """These faults with one mode set (or ``healthy``). Raises ValueError naming the modes."""
        if mode == "healthy":
            return Faults()
        if mode not in Faults.model_fields:
            raise ValueError(f"there is no mode {mode!r}; there are: healthy, {', '.join(Faults.model_fields)}")
        return Faults.model_validate({**self.model_dump(), mode: value})


# ---------------------------------------------------------------- bending answers


def fake_hash(true: str) -> str:
    """Another hash, always the same for the same one."""
    return "0x" + hashlib.sha256(b"fake" + bytes.fromhex(true[2:])).hexdigest()


def bend_call(lies: Iterable[Lie], target: str, calldata: bytes, answer: bytes) -> bytes:
    """The answer of an eth_call with the lies in it, also inside an aggregate3."""
    lies = tuple(lie for lie in lies if lie.selector is not None)
    if not lies or not answer:
        return answer
    if calldata[:4] == AGGREGATE3:
        return _bend_aggregate(lies, calldata, answer)
    return _bend_one(lies, target, calldata, answer)


def _bend_one(lies: Iterable[Lie], target: str, calldata: bytes, answer: bytes) -> bytes:
    for lie in lies:
        if lie.target.lower() == target.lower() and lie.selector is not None and calldata[:4].hex() == lie.selector[2:].lower():
            answer = lie.bend(answer)
    return answer


def _bend_aggregate(lies: tuple[Lie, ...], calldata: bytes, answer: bytes) -> bytes:
    (calls,) = decode(["(address,bool,bytes)[]"], calldata[4:])
    (results,) = decode(["(bool,bytes)[]"], answer)
    pairs = zip(calls, results, strict=True)
    bent = [(fine, _bend_one(lies, target, data, said) if fine else said) for (target, _, data), (fine, said) in pairs]
    return encode(["(bool,bytes)[]"], [bent])


def bend_balance(lies: Iterable[Lie], target: str, balance: str) -> str:
    """The hex balance with the lies in it."""
    for lie in lies:
        if lie.selector is None and lie.target.lower() == target.lower():
            balance = hex((int(balance, 16) + lie.add) % 2**256)
    return balance


def muddle(ids: str, answers: list[Any]) -> list[Any]:
    """The answers of a batch with their ids in disorder. Shuffled is allowed by JSON-RPC, the rest is not."""
    ways: dict[str, Callable[[], list[Any]]] = {
        "right": lambda: answers,
        "shuffled": lambda: answers[::-1],
        "missing": lambda: answers[:-1],
        "twice": lambda: [*answers, answers[0]],
        "wrong": lambda: [{**answer, "id": f"x{answer['id']}"} for answer in answers],
    }
    return ways[ids]()
