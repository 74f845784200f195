"""The Beacon API of one node over HTTP, on a port of 127.0.0.1, with a control path for its faults.

``POST /_control {"mode": "lag", "value": 3}`` turns one fault on beside those that are, ``{"mode": "healthy"}`` ends all,
``GET /_control`` tells what is on and what was asked: the same as the execution endpoints' proxies.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from aiohttp import web

from monitor.devnet.beacon.answers import Answer, Answers
from monitor.devnet.beacon.chain import Block, Chain
from monitor.devnet.beacon.events import TOPICS, Streams
from monitor.devnet.beacon.faults import NodeFaults
from monitor.devnet.beacon.node import Invalid, Missing, Node

log = structlog.get_logger()

KEPT_STATES = 3
"""Encoded states that are kept, since all nodes serve the same bytes."""
BODY_LIMIT = 16 * 1024 * 1024
_HTML = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
_OCTETS = "application/octet-stream"
_QUEUES = ("pending_deposits", "pending_partial_withdrawals", "pending_consolidations", "proposer_lookahead")


class Shared:
    """What all nodes have together: the chain, the right to touch it, and the newest encoded states."""

    def __init__(self, chain: Chain, chain_id: int) -> None:
        self.chain, self.chain_id = chain, chain_id
        self.lock = asyncio.Lock()
        self._states: OrderedDict[tuple[int, bytes], bytes] = OrderedDict()

    def encoded(self, node: Node, wanted: str) -> tuple[int, bytes]:
        """The slot and the bytes of a state. Call with the lock held, in a thread."""
        if node.faults.state_lies:
            state = node.state(wanted)
            return state.slot, node.encode(state)
        slot = min(node.slot_of(wanted) + node.faults.state_offset, self.chain.head_slot)
        key = slot, self.chain.rings.states[slot]
        if key not in self._states or wanted.startswith("0x"):
            self._states[key] = node.encode(node.state(wanted))
        self._states.move_to_end(key)
        while len(self._states) > KEPT_STATES:
            self._states.popitem(last=False)
        return slot, self._states[key]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Face:
    """One beacon node. ``start`` it in a running loop; ``url`` and ``control_url`` are known then."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.name = name
        self.asked: Counter[str] = Counter()
        self._shared = shared
        self._become(Node(name, shared.chain))
        self.streams = Streams(self.node)
        self._changed = asyncio.Event()
        self._transports: set[asyncio.Transport] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def _become(self, node: Node) -> None:
        self.node, self._answers = node, Answers(node, self._shared.chain_id)

    def follow(self, chain: Chain) -> None:
        """Another chain took the place of the old one; the faults stay."""
        faults = self.node.faults
        self._become(Node(self.name, chain))
        self.node.faults = faults
        self.streams.node = self.node

    async def start(self) -> None:
        """Serve on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._middleware])
        app.router.add_route("*", "/_control", self._control)
        app.router.add_get("/eth/v1/events", self._events)
        app.add_routes([web.get(path, handler) for path, handler in self._gets().items()])
        for what in ("validators", "validator_balances"):
            app.router.add_post(f"/eth/v1/beacon/states/{{id}}/{what}", self._posted(what))
        app.router.add_get("/eth/v2/debug/beacon/states/{id}", self._whole_state)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Drop all connections and stop."""
        self.node.faults = NodeFaults()
        self._changed.set()
        self.streams.close()
        self._abort()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def control_url(self) -> str:
        return f"{self.url}/_control"

    # ------------------------------------------------------------ faults

    def set(self, **modes: Any) -> None:
        """Turn modes on, in addition to those that are on. Raises ValueError for an unknown one or a wrong value."""
        faults = self.node.faults
        for mode, value in modes.items():
            faults = faults.with_mode(mode, value)
        self._fail(faults)

    def healthy(self) -> None:
        """Turn every mode off."""
        self._fail(NodeFaults())

    def _fail(self, faults: NodeFaults) -> None:
        before, self.node.faults = self.node.faults, faults
        self._changed.set()
        self._changed = asyncio.Event()
        if faults.refuse or faults.unavailable or faults.no_events:
            self._abort()
        if faults.fake_head or (faults.invent_slashings and faults.invent_slashings != before.invent_slashings):
            self.streams.lie()
        log.info("beacon_sim.mode", node=self.name, faults=faults.model_dump(exclude_defaults=True))

    def _abort(self) -> None:
        for transport in tuple(self._transports):
            transport.abort()

    async def _control(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            try:
                body = await request.json()
                if not isinstance(body, dict) or not isinstance(body.get("mode"), str) or set(body) - {"mode", "value"}:
                    raise ValueError('give {"mode": NAME, "value": VALUE}')
                self._fail(self.node.faults.with_mode(body["mode"], body.get("value", True)))
            except ValueError as error:
                return web.json_response({"error": str(error)}, status=422)
        faults = self.node.faults.model_dump(exclude_defaults=True)
        return web.json_response({"name": self.name, "faults": faults, "asked": self.asked})

    # ------------------------------------------------------------ HTTP

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The faults that any request may meet, and the errors of the specification."""
        if request.path == "/_control":
            return await handler(request)
        self.asked[request.match_info.route.resource.canonical if request.match_info.route.resource else request.path] += 1
        await asyncio.sleep(self.node.faults.slow_ms / 1000)
        while self.node.faults.hang:
            await self._changed.wait()
        faults = self.node.faults
        if faults.refuse:
            return _drop(request)
        if faults.unavailable:
            return web.Response(status=503, text=_HTML, content_type="text/html")
        if faults.rate_limit is not None:
            return _error(429, "slow down", {"Retry-After": f"{faults.rate_limit:g}"})
        if faults.syncing_503 and "/node/" not in request.path:
            return _error(503, "Beacon node is currently syncing and not serving requests")
        if faults.garbage and not request.path.startswith("/eth/v1/events"):
            return web.Response(body=b'{"data": {"', content_type="application/json")
        try:
            response = await handler(request)
        except Missing as error:
            return _error(404, str(error))
        except Invalid as error:
            return _error(400, str(error))
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        if self.node.faults.cut_body and isinstance(response, web.Response) and isinstance(response.body, bytes):
            return await _cut(request, response)
        return response

    def _gets(self) -> dict[str, Handler]:
        """The calls that are read from the chain at once."""

        def light(told: Callable[[web.Request], dict[str, Any] | Answer]) -> Handler:
            async def handle(request: web.Request) -> web.StreamResponse:
                async with self._shared.lock:
                    return _answer(request, told(request))

            return handle

        def one(request: web.Request) -> str:
            return request.match_info["id"]

        state = "/eth/v1/beacon/states/{id}"
        made: dict[str, Callable[[web.Request], dict[str, Any] | Answer]] = {
            "/eth/v1/node/syncing": lambda r: self._answers.syncing(),
            "/eth/v1/node/version": lambda r: self._answers.version(),
            "/eth/v1/node/peer_count": lambda r: self._answers.peers(),
            "/eth/v1/beacon/genesis": lambda r: self._answers.genesis(),
            "/eth/v1/config/spec": lambda r: self._answers.spec(),
            "/eth/v1/config/fork_schedule": lambda r: self._answers.forks(),
            "/eth/v1/beacon/headers": lambda r: self._answers.headers(r.query.get("slot"), r.query.get("parent_root")),
            "/eth/v1/beacon/headers/{id}": lambda r: self._answers.header(one(r)),
            "/eth/v1/beacon/blocks/{id}/root": lambda r: self._answers.block_root(one(r)),
            "/eth/v2/beacon/blocks/{id}": lambda r: self._answers.block(one(r)),
            "/eth/v1/beacon/blinded_blocks/{id}": lambda r: self._answers.block(one(r), blinded=True),
            f"{state}/root": lambda r: self._answers.state_root(one(r)),
            f"{state}/fork": lambda r: self._answers.fork(one(r)),
            f"{state}/finality_checkpoints": lambda r: self._answers.finality(one(r)),
            f"{state}/sync_committees": lambda r: self._answers.sync_committee(one(r)),
            f"{state}/validators": lambda r: self._answers.validators(one(r), _many(r, "id"), _many(r, "status")),
            f"{state}/validators/{{validator}}": lambda r: self._answers.validator(one(r), r.match_info["validator"]),
            f"{state}/validator_balances": lambda r: self._answers.balances(one(r), _many(r, "id")),
        }
        for what in _QUEUES:
            made[f"{state}/{what}"] = lambda r, what=what: self._answers.pending(one(r), what)  # type: ignore[misc]
        return {path: light(told) for path, told in made.items()} | {"/eth/v1/node/health": self._health}

    async def _health(self, request: web.Request) -> web.StreamResponse:
        faults = self.node.faults
        ill = faults.is_syncing or faults.is_optimistic or faults.el_offline
        return web.Response(status=int(request.query.get("syncing_status", "206")) if ill else 200)

    def _posted(self, what: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.content_type != "application/json":
                return _error(415, "Content-Type must be application/json")
            try:
                body = orjson.loads(await request.read())
            except ValueError:
                raise Invalid("the body is not JSON") from None
            wanted = request.match_info["id"]
            async with self._shared.lock:
                if what == "validator_balances":
                    return _answer(request, self._answers.balances(wanted, _texts(body)))
                if not isinstance(body, dict):
                    raise Invalid("the body is not an object")
                ids, statuses = _texts(body.get("ids") or []), _texts(body.get("statuses") or [])
                return _answer(request, self._answers.validators(wanted, ids, statuses))

        return handle

    async def _whole_state(self, request: web.Request) -> web.StreamResponse:
        faults, wanted = self.node.faults, request.match_info["id"]
        if faults.no_debug:
            return _error(404, "the debug namespace is not served")
        if faults.state_error:
            return _error(500, "could not regenerate the state")
        if _OCTETS not in request.headers.get("Accept", "") and "*/*" not in request.headers.get("Accept", "*/*"):
            return _error(406, f"whole states are served as {_OCTETS}")
        async with self._shared.lock:
            _, body = await asyncio.to_thread(self._shared.encoded, self.node, wanted)
        return web.Response(body=body, headers={"Content-Type": _OCTETS, "Eth-Consensus-Version": self._version()})

    def _version(self) -> str:
        fork = self.node.chain.fork
        return fork if not self.node.faults.wrong_version else "electra" if fork == "fulu" else "fulu"

    # ------------------------------------------------------------ events

    async def _events(self, request: web.Request) -> web.StreamResponse:
        topics = {topic for text in request.query.getall("topics", []) for topic in text.split(",")}
        if self.node.faults.no_events:
            return _error(404, "no event stream here")
        if not topics or topics - TOPICS:
            raise Invalid(f"unknown topics: {', '.join(sorted(topics - TOPICS)) or 'none given'}")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        transport = request.transport
        assert transport is not None
        self._transports.add(transport)
        try:
            await self.streams.feed(response, topics)
        except (ConnectionError, asyncio.CancelledError):
            pass  # who listened is gone, or we stop
        finally:
            self._transports.discard(transport)
        return response

    def publish(self, topic: str, data: dict[str, Any]) -> None:
        """Tell all who listen, as this node would."""
        if not self.node.faults.hang:
            self.streams.publish(topic, data)

    def arrived(self, blocks: list[Block], orphaned: list[Block], finalized: bool) -> None:
        """The chain has changed: blocks came, after others were given up."""
        if not self.node.faults.hang:
            self.streams.arrived(blocks, orphaned, finalized)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid("ids are a list of strings")
    return value


def _many(request: web.Request, name: str) -> list[str]:
    found = [part for text in request.query.getall(name, []) for part in text.split(",") if part]
    if name == "id" and len(found) > 64:
        raise web.HTTPRequestURITooLong
    return found


def _answer(request: web.Request, told: dict[str, Any] | Answer) -> web.Response:
    if not isinstance(told, Answer):
        return web.Response(body=orjson.dumps(told), content_type="application/json")
    headers = {"Eth-Consensus-Version": told.version or ""}
    accept = request.headers.get("Accept", "")
    if told.octets is not None and _OCTETS in accept:
        return web.Response(body=told.octets, headers={**headers, "Content-Type": _OCTETS})
    if _OCTETS in accept and "json" not in accept and "*/*" not in accept:
        return _error(406, "only application/json is served here")
    return web.Response(body=orjson.dumps(told.json), headers=headers, content_type="application/json")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps({"code": status, "message": message}), headers=headers, content_type="application/json"
    )


def _drop(request: web.Request) -> web.Response:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _cut(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Promise the whole body, send half of it."""
    body = bytes(whole.body) if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers={**whole.headers, "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
