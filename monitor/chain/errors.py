"""What can go wrong with an endpoint, by kind, and how JSON-RPC errors of the various clients are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ErrorKind = Literal["timeout", "connection", "http", "rpc", "rate_limited", "malformed", "pruned"]
"""The kinds of the family ``stakewarden_endpoint_errors_total``."""
KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)


class EndpointError(Exception):
    """An endpoint did not answer properly. The text names the endpoint, never its URL."""

    def __init__(self, endpoint: str, kind: ErrorKind, reason: str) -> None:
        super().__init__(f"{endpoint}: {reason}")
        self.endpoint, self.kind, self.reason = endpoint, kind, reason


class BackingOff(EndpointError):
    """Nothing was sent: the endpoint asked to be left alone for a while."""


class WrongChain(EndpointError):
    """The endpoint serves another chain; it has no vote until it serves ours."""


class UnknownBlock(EndpointError):
    """The endpoint does not know the block yet: no vote, and no error of its."""


class Malformed(ValueError):
    """An answer has not the shape that the execution API's specification gives it."""


class NoAgreement(Exception):
    """No majority of the configured endpoints gave the same answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A JSON-RPC error object: one call of a batch failed."""

    code: int
    message: str
    data: object = None


FaultKind = Literal["reverted", "unknown_block", "pruned", "rate_limited", "range", "batch", "rpc"]

# In the order in which they are looked for: the first that matches wins.
_TEXTS: tuple[tuple[FaultKind, tuple[str, ...]], ...] = (
    ("pruned", ("missing trie node", "state is not available", "state not available", "historical state", "pruned", "pruning",
                "is older than", "no state available", "state already discarded", "distance to target block exceeds")),
    ("range", ("query returned more than", "too many results", "too many logs", "block range", "range is too", "range too",
               "range limit", "blocks range", "response size", "exceeds max results", "max results", "query exceeds", "range should be",
               "log response", "is limited to a", "ranges over", "server limit", "logs matched", "limit the query", "query timeout", "please limit")),
    ("batch", ("batch too large", "batch size", "batch limit", "batch of more", "too many requests in batch", "batch requests")),
    ("rate_limited", ("rate limit", "ratelimit", "too many requests", "request limit", "capacity", "compute units", "throttl", "quota", "exceeded its")),
    ("unknown_block", ("header not found", "unknown block", "block not found", "header for hash not found", "resource not found",
                       "cannot find block", "could not find block", "block does not exist", "block hash not found",
                       "not currently canonical")),
    ("reverted", ("revert", "invalid opcode", "evm error", "vm execution error", "stack underflow", "invalid jump", "bad instruction")),
)  # fmt: skip
_OUT_OF_GAS = ("out of gas", "outofgas", "gas required exceeds", "gas limit")


def fault_kind(fault: Fault) -> FaultKind:
    """What a JSON-RPC error means. Codes are used where clients agree on them, else the text is.

    Code 3 is a revert (geth, reth, anvil, erigon); -32005 is a limit: of results if the text says so, else of rate.
    """
    if fault.code == 3:
        return "reverted"
    if fault.code == 429:
        return "rate_limited"
    text = fault.message.lower()
    for kind, parts in _TEXTS:
        if any(part in text for part in parts):
            return "rpc" if kind == "reverted" and any(part in text for part in _OUT_OF_GAS) else kind
    if fault.code == -32005:
        return "rate_limited"
    return "unknown_block" if fault.code == -32001 else "rpc"
