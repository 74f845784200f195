"""One execution client of the devnet as its users see it: geth's pool, geth's errors, geth's memory, on anvil's chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from monitor.devnet.gateway import words
from monitor.devnet.gateway.branch import Block, Branch, Change
from monitor.devnet.gateway.pool import Pool
from monitor.devnet.gateway.signed import Signed
from monitor.devnet.upstream import Call, Fails, failure

if TYPE_CHECKING:
    from monitor.devnet.gateway.network import Gateway, Side

FOREIGN = ("anvil_", "hardhat_", "evm_", "tenderly_", "ots_", "erigon_")
"""Methods of a development node that no client has."""

_GONE = {"code": -32001, "message": "Resource not found"}
"""As anvil says it."""

Answer = Callable[[Sequence[Any]], Awaitable[Any]]


class Feed:
    """One subscription: an iterator of what it brings."""

    def __init__(self, wants: Callable[[Change], list[Any]], ended: Callable[[Feed], None]) -> None:
        self.wants = wants
        self._ended = ended
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, told: Sequence[Any]) -> None:
        for one in told:
            self._queue.put_nowait(one)

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Any:
        return await self._queue.get()

    async def aclose(self) -> None:
        self._ended(self)


class Peer:
    """An upstream for an endpoint. Made by the gateway; ``side`` is the branch that it follows."""

    def __init__(self, gateway: Gateway, name: str, side: Side) -> None:
        self.name = name
        self.pool = Pool()
        self.withholds = False
        """Takes transactions and tells nobody of them."""
        self.side = side
        self._gateway = gateway
        self._left: dict[str, Block] = {}
        """What it saw of branches that it followed before."""
        self._feeds: list[Feed] = []
        self._hashes: list[Feed] = []
        self._own: dict[str, Answer] = {
            "eth_sendRawTransaction": self._send,
            "eth_sendTransaction": self._refuse_account,
            "eth_accounts": self._accounts,
            "eth_getTransactionByHash": self._transaction,
            "eth_getRawTransactionByHash": self._raw,
            "eth_getTransactionCount": self._count,
            "eth_getLogs": self._logs,
            "eth_maxPriorityFeePerGas": self._tip,
            "eth_gasPrice": self._price,
            "txpool_status": self._status,
            "txpool_content": self._content,
            "txpool_contentFrom": self._content_from,
        }

    async def start(self) -> None:
        """Nothing to begin: the gateway runs."""

    async def close(self) -> None:
        self._feeds.clear()
        self._hashes.clear()

    # ---- requests

    async def post(self, body: bytes) -> bytes:
        given = orjson.loads(body)
        calls: list[Call] = given if isinstance(given, list) else [given]
        own = [call for call in calls if self._is_own(call)]
        if not own:
            return await self._passed_on(body, calls)
        answers = [await self._answer(call) for call in own]
        if others := [call for call in calls if call not in own]:
            answers += orjson.loads(await self._passed_on(orjson.dumps(others), others))
        by_id = {answer["id"]: answer for answer in answers}
        return orjson.dumps([by_id[call["id"]] for call in calls] if isinstance(given, list) else answers[0])

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = orjson.loads(await self.post(orjson.dumps(call)))
        if "error" in answer:
            raise Fails(answer["error"])
        return answer["result"]

    def _is_own(self, call: Call) -> bool:
        method, params = call["method"], call.get("params") or []
        if method == "eth_getTransactionCount":
            return len(params) > 1 and params[1] == "pending"
        if method == "eth_getLogs":
            return bool(params) and not params[0].keys() <= words.LOG_QUERY
        offers = method in ("eth_call", "eth_estimateGas") and bool(params) and words.offer(params[0]) is not None
        return offers or method in self._own or method.startswith(FOREIGN)

    async def _answer(self, call: Call) -> Call:
        method, params = call["method"], call.get("params") or []
        try:
            if method.startswith(FOREIGN):
                raise Fails(words.no_method(method))
            result = await (self._own[method](params) if method in self._own else self._called(method, params))
        except Fails as failed:
            return {"jsonrpc": "2.0", "id": call["id"], "error": failed.error}
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    async def _passed_on(self, body: bytes, calls: Sequence[Call]) -> bytes:
        """Anvil's answers; those in which geth would say something else are corrected."""
        text = await self.side.node.post(body)
        if b'"error"' not in text and b'"result":null' not in text and self.side.forked_at is None:
            return text
        told = orjson.loads(text)
        answers = told if isinstance(told, list) else [told]
        if len(answers) != len(calls):
            return text
        by_id = {answer["id"]: answer for answer in answers}
        right = [self._right(call, by_id[call["id"]]) for call in calls]
        return orjson.dumps(right if isinstance(told, list) else right[0])

    def _right(self, call: Call, answer: Call) -> Call:
        method, params = call["method"], call.get("params") or []
        hash = words.block_hash(method, params)
        if "error" not in answer and hash is not None and self._foreign(hash):
            answer = {"result": None} if method in words.BY_BLOCK else {"error": words.UNKNOWN_LOGS if method == "eth_getLogs" else _GONE}
        try:
            if "error" in answer:
                result = self._without_state(method, params, hash, answer["error"])
            elif answer["result"] is None and hash is not None:
                result = self._recorded(method, params, hash)
            else:
                result = answer["result"]
        except Fails as failed:
            return {"jsonrpc": "2.0", "id": call["id"], "error": failed.error}
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def seen(self, hash: str) -> Block | None:
        """A block that it was ever told of, on its branch or not."""
        return self.side.branch.seen.get(hash.lower()) or self._left.get(hash.lower())

    def _foreign(self, hash: str) -> bool:
        """Whether the block is of the main chain after this side left it: anvil, forked, would answer for the other."""
        block = self._gateway.main.branch.seen.get(hash.lower())
        forked = self.side.forked_at
        return block is not None and forked is not None and block.number > forked and hash.lower() not in self.side.branch.seen

    def _recorded(self, method: str, params: Sequence[Any], hash: str) -> Any:
        """What it has of a block that anvil does not know; null of what nobody knows, or is not asked for as canonical."""
        block = self.seen(hash)
        if block is None or words.canonical_only(params[0]):
            return None
        if method == "eth_getBlockByHash":
            return block.told(len(params) > 1 and params[1])
        return list(block.receipts)

    def _without_state(self, method: str, params: Sequence[Any], hash: str | None, error: dict[str, Any]) -> Any:
        """Of a block that was on the chain it has all but the state. Raises ``Fails``."""
        block = None if hash is None else self.seen(hash)
        if block is None or error.get("code") not in (-32001, -32000):
            raise Fails(words.reworded(method, params, error))
        if method == "eth_getLogs":
            return words.matching(params[0], block.logs())
        if words.canonical_only(params[words.BY_STATE[method]]):
            raise Fails(words.NOT_CANONICAL)
        raise Fails(words.pruned(str(block.body["stateRoot"])))

    async def _called(self, method: str, params: Sequence[Any]) -> Any:
        """A call that names its fee must offer the base fee of the block it runs on."""
        at = params[1] if len(params) > 1 else "latest"
        by_hash = words.block_hash(method, params)
        if by_hash is not None:
            block = await self.ask("eth_getBlockByHash", [by_hash, False])
        else:
            block = await self.ask("eth_getBlockByNumber", [at["blockNumber"] if isinstance(at, dict) else at, False])
        if block is not None and (error := words.too_cheap(method, params[0], int(block["baseFeePerGas"], 16))):
            raise Fails(error)
        return await self._pass_on(method, params)

    async def _logs(self, params: Sequence[Any]) -> Any:
        """geth takes no notice of what it does not know in a filter; anvil refuses it."""
        return await self._pass_on("eth_getLogs", [{key: value for key, value in params[0].items() if key in words.LOG_QUERY}])

    async def _pass_on(self, method: str, params: Sequence[Any]) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = orjson.loads(await self._passed_on(orjson.dumps(call), [call]))
        if "error" in answer:
            raise Fails(answer["error"])
        return answer["result"]

    # ---- transactions

    async def _send(self, params: Sequence[Any]) -> str:
        if not params:
            raise failure(-32602, "missing value for required argument 0")
        return await self._gateway.submit(self, params[0])

    async def _refuse_account(self, params: Sequence[Any]) -> Any:
        raise failure(-32000, "unknown account")

    async def _accounts(self, params: Sequence[Any]) -> list[str]:
        return []

    async def _transaction(self, params: Sequence[Any]) -> Any:
        found = await self.side.node.ask("eth_getTransactionByHash", params)
        if found is not None and found.get("blockHash"):
            return found
        own = self.pool.get(str(params[0]).lower())
        if own is not None:
            return own.told()
        # Anvil still holds, for its next block, what the pool has just replaced.
        return None if self._gateway.knows(str(params[0]).lower()) else found

    async def _raw(self, params: Sequence[Any]) -> Any:
        own = self.pool.get(str(params[0]).lower())
        return "0x" + own.raw.hex() if own is not None else await self.side.node.ask("eth_getRawTransactionByHash", params)

    async def _count(self, params: Sequence[Any]) -> str:
        """With what is pending: ours, and what the people of the devnet sent to anvil itself."""
        count = int(await self.side.node.ask("eth_getTransactionCount", params), 16)
        ready = self.pool.pending(str(params[0]).lower())
        return hex(max([count, *(tx.nonce + 1 for tx in ready)]))

    async def _tip(self, params: Sequence[Any]) -> str:
        return hex(words.suggested_tip(self.side.branch.newest()))

    async def _price(self, params: Sequence[Any]) -> str:
        head = self.side.branch.head
        return hex(words.suggested_tip(self.side.branch.newest()) + (head.base_fee if head is not None else 0))

    async def _status(self, params: Sequence[Any]) -> dict[str, str]:
        pending = sum(len(self.pool.pending(sender)) for sender in self.pool.senders())
        return {"pending": hex(pending), "queued": hex(len(self.pool) - pending)}

    async def _content(self, params: Sequence[Any]) -> dict[str, dict[str, dict[str, Any]]]:
        each = {sender: await self._content_from([sender]) for sender in self.pool.senders()}
        return {part: {sender: own[part] for sender, own in each.items() if own[part]} for part in ("pending", "queued")}

    async def _content_from(self, params: Sequence[Any]) -> dict[str, dict[str, Any]]:
        sender = str(params[0]).lower()
        pending, queued = self.pool.pending(sender), self.pool.queued(sender)
        return {"pending": {str(tx.nonce): tx.told() for tx in pending}, "queued": {str(tx.nonce): tx.told() for tx in queued}}

    # ---- subscriptions

    async def subscribe(self, params: Sequence[Any]) -> AsyncIterator[Any]:
        """``newHeads``, ``logs`` (with ``removed`` ones after a reorganisation) or ``newPendingTransactions``."""
        kind = params[0] if params else None
        if kind == "newHeads":
            feed = Feed(lambda change: [block.header() for block in change.added], self._unsubscribe)
        elif kind == "logs":
            query = params[1] if len(params) > 1 else {}
            feed = Feed(lambda change: words.matching(query, _moved_logs(change)), self._unsubscribe)
        elif kind == "newPendingTransactions":
            feed = Feed(lambda change: [], self._unsubscribe)
            self._hashes.append(feed)
            return feed
        else:
            raise failure(-32601, f'no "{kind}" subscription in eth namespace')
        self._feeds.append(feed)
        return feed

    def _unsubscribe(self, feed: Feed) -> None:
        self._feeds = [each for each in self._feeds if each is not feed]
        self._hashes = [each for each in self._hashes if each is not feed]

    def tell(self, change: Change) -> None:
        """Its branch moved."""
        for feed in self._feeds:
            feed.put(feed.wants(change))

    def announce(self, tx: Signed) -> None:
        """Its pool took a transaction."""
        for feed in self._hashes:
            feed.put([tx.hash])

    def move(self, side: Side) -> None:
        """Follow another branch: for its users that is a reorganisation."""
        change = between(self.side.branch, side.branch)
        self._left |= self.side.branch.seen
        self.side = side
        self.tell(change)


def between(old: Branch, new: Branch) -> Change:
    """The reorganisation from one branch's head to another's."""
    common = max((number for number, hash in old.chain.items() if new.chain.get(number) == hash), default=-1)
    removed = tuple(block for number in sorted(old.chain, reverse=True) if number > common and (block := old.at(number)))
    return Change(removed, tuple(block for number in sorted(new.chain) if number > common and (block := new.at(number))))


def _moved_logs(change: Change) -> list[dict[str, Any]]:
    """Removed ones first, both in the order of the chain."""
    removed = [{**entry, "removed": True} for block in reversed(change.removed) for entry in block.logs()]
    return removed + [entry for block in change.added for entry in block.logs()]
