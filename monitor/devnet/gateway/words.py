"""What geth says where anvil says something else: errors' codes and words, and what it suggests as a fee."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor.devnet.gateway.branch import Block

BY_STATE = {"eth_call": 1, "eth_estimateGas": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getTransactionCount": 1, "eth_getStorageAt": 2}
"""Methods that read state, and where their block parameter is."""
LOG_QUERY = {"fromBlock", "toBlock", "address", "topics", "blockHash"}
"""What a filter of logs may say."""
BY_BLOCK = ("eth_getBlockByHash", "eth_getBlockReceipts")
"""Methods that name a block and read no state."""
UNKNOWN_HASH = {"code": -32000, "message": "header for hash not found"}
UNKNOWN_LOGS = {"code": -32000, "message": "unknown block"}
UNKNOWN_NUMBER = {"code": -32000, "message": "header not found"}
NOT_CANONICAL = {"code": -32000, "message": "hash is not currently canonical"}
RPC_GAS = 50_000_000
"""Gas of a call that names none (``--rpc.gascap``)."""

_NO_SUCH_BLOCK = re.compile(r"^(Resource not found|BlockOutOfRangeError)")
_POOR = re.compile(r"^Insufficient funds for gas \* price \+ value", re.IGNORECASE)

SAMPLES, BLOCKS, PERCENTILE, IGNORED, SUGGESTED, MOST = 3, 20, 60, 2, 10**6, 500 * 10**9
"""Of the tip that geth suggests: a block's cheapest so many, of so many blocks, the percentile, what is too little to count, what it says
before it has seen any, and the most it says; in wei."""


def pruned(state_root: str) -> dict[str, Any]:
    """The state of a known block is gone."""
    root = state_root.removeprefix("0x")
    return {"code": -32000, "message": f"missing trie node {root} (path ) state 0x{root} is not available, not found"}


def reworded(method: str, params: Sequence[Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """Anvil's error in geth's words; others as they are."""
    message = str(error.get("message", ""))
    if error.get("code") == -32601:
        return no_method(method)
    if _NO_SUCH_BLOCK.match(message):
        return UNKNOWN_HASH if block_hash(method, params) is not None else UNKNOWN_NUMBER
    if _POOR.match(message) and method in ("eth_call", "eth_estimateGas"):
        sender = params[0].get("from", "0x" + "00" * 20)
        return {"code": -32000, "message": _called(method, f"insufficient funds for gas * price + value: address {sender}", params[0])}
    return dict(error)


def no_method(method: str) -> dict[str, Any]:
    """Geth has no such method."""
    return {"code": -32601, "message": f"the method {method} does not exist/is not available"}


def too_cheap(method: str, call: Mapping[str, Any], base_fee: int) -> dict[str, Any] | None:
    """The error of a call that offers less than the block's base fee; None if it offers enough, or nothing."""
    offered = offer(call)
    if offered is None or offered >= base_fee:
        return None
    sender = call.get("from", "0x" + "00" * 20)
    words = f"max fee per gas less than block base fee: address {sender}, maxFeePerGas: {offered}, baseFee: {base_fee}"
    return {"code": -32000, "message": _called(method, words, call)}


def offer(call: Any) -> int | None:
    """Wei per gas that a call offers at most; None when it names no fee."""
    named = (call.get("maxFeePerGas") or call.get("gasPrice")) if isinstance(call, dict) else None
    return None if named is None or int(named, 16) == 0 else int(named, 16)


def _called(method: str, words: str, call: Mapping[str, Any]) -> str:
    gas = int(call["gas"], 16) if call.get("gas") else RPC_GAS
    return f"err: {words} (supplied gas {gas})" if method == "eth_call" else words


def block_hash(method: str, params: Sequence[Any]) -> str | None:
    """The hash of the block that a call asks about, if it asks by hash."""
    if method == "eth_getLogs":
        return params[0].get("blockHash") if params else None
    at = BY_STATE.get(method, 0 if method in BY_BLOCK else None)
    if at is None or len(params) <= at:
        return None
    block = params[at]
    if isinstance(block, dict):
        found = block.get("blockHash")
        return None if found is None else str(found)
    return block if isinstance(block, str) and len(block) == 66 else None


def canonical_only(block: Any) -> bool:
    """Whether a block parameter asks that the block be on the chain (EIP-1898)."""
    return isinstance(block, dict) and bool(block.get("requireCanonical"))


def suggested_tip(blocks: Iterable[Block]) -> int:
    """Wei per gas, from the newest blocks, newest first: the cheapest that got in, at the sixtieth percentile (eth/gasprice)."""
    found: list[int] = []
    for i, block in enumerate(blocks):
        if i >= 2 * BLOCKS:
            break
        cheapest = cheap(block)
        if i < BLOCKS or cheapest:
            found += cheapest or [SUGGESTED]
    found.sort()
    return min(found[(len(found) - 1) * PERCENTILE // 100], MOST) if found else SUGGESTED


def cheap(block: Block) -> list[int]:
    """The lowest effective tips of a block that count, in wei."""
    own = str(block.body["miner"])
    tips = sorted(int(tx["gasPrice"], 16) - block.base_fee for tx in block.body["transactions"] if tx["from"] != own)
    return [tip for tip in tips if tip >= IGNORED][:SAMPLES]


def matching(query: Mapping[str, Any], logs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The logs that a filter lets through (addresses, and topics by position)."""
    wanted = query.get("address") or []
    addresses = {one.lower() for one in ([wanted] if isinstance(wanted, str) else wanted)}
    return [entry for entry in logs if (not addresses or entry["address"].lower() in addresses) and _topics(query, entry)]


def _topics(query: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    wanted = query.get("topics") or []
    if len(wanted) > len(entry["topics"]):
        return False
    return all(
        not one or entry["topics"][i].lower() in {each.lower() for each in ([one] if isinstance(one, str) else one)}
        for i, one in enumerate(wanted)
    )
