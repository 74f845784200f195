"""Steering the simulator from another process: a small HTTP server in it, and the client that drills use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
import orjson
from aiohttp import web

from monitor.chain.tls import authorities
from monitor.devnet.beacon.orders import BadOrder, Kind
from monitor.devnet.beacon.registry import Key

if TYPE_CHECKING:
    from monitor.devnet.beacon.sim import BeaconSim


class BeaconRefused(RuntimeError):
    """The simulator did not do what was asked; the message is its own."""


class ControlServer:
    """``POST /control {"do": "offline", "operator": "operator-03"}`` does it; ``GET /control`` tells the status."""

    def __init__(self, sim: BeaconSim) -> None:
        self._sim = sim
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.add_routes([web.get("/control", self._status), web.post("/control", self._do)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/control"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _status(self, _: web.Request) -> web.Response:
        async with self._sim.shared.lock:
            status = self._sim.orders.status()
        return _json(
            {**status, "nodes": {name: face.node.faults.model_dump(exclude_defaults=True) for name, face in self._sim.faces.items()}}
        )

    async def _do(self, request: web.Request) -> web.Response:
        try:
            given = orjson.loads(await request.read())
            if not isinstance(given, dict) or not isinstance(given.get("do"), str):
                raise BadOrder('give {"do": NAME, ...}')
            name = given.pop("do")
            async with self._sim.shared.lock:
                return _json({"done": self._act(name, given)})
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 422)

    def _act(self, name: str, given: dict[str, Any]) -> Any:
        orders = self._sim.orders
        plain: dict[str, Callable[..., Any]] = {
            "offline": orders.offline, "late": orders.late, "silent": orders.silent, "online": orders.online, "stall": orders.stall,
            "unstall": orders.unstall, "miss_rate": orders.miss_rate, "miss_slots": orders.miss_slots, "consolidate": orders.consolidate,
            "withdraw": orders.withdraw, "forfeit": orders.forfeit, "balances_at": orders.balances_at,
        }  # fmt: skip
        if name in plain:
            return plain[name](**given)
        if name in ("slash", "exit"):
            chosen, events = (orders.slash if name == "slash" else orders.exit)(**given)
            self._sim.gossip(events)
            return chosen
        if name == "deposit":
            if (keys := given.pop("keys", None)) is not None:
                given["keys"] = [Key(bytes.fromhex(key), bytes.fromhex(credentials), operator) for key, credentials, operator in keys]
            return ["0x" + key.hex() for key in orders.deposit(**given)]
        if name == "fault":
            return self._fault(**given)
        raise BadOrder(f"there is no order {name!r}; there are: {', '.join([*plain, 'slash', 'exit', 'deposit', 'fault'])}")

    def _fault(self, node: str, mode: str, value: Any = True) -> None:
        if node not in self._sim.faces:
            raise BadOrder(f"there is no node {node!r}; there are: {', '.join(self._sim.faces)}")
        face = self._sim.faces[node]
        if mode == "healthy":
            face.healthy()
        else:
            face.set(**{mode: value})


def _json(told: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(told), content_type="application/json")


class BeaconControl:
    """The simulator's validators and nodes, from any process. Methods raise BeaconRefused, and httpx.HTTPError when nobody answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(trust_env=False, verify=authorities(), timeout=30.0)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _do(self, name: str, **given: Any) -> Any:
        answer = self._http.post(self._url, content=orjson.dumps({"do": name, **given}))
        told = answer.json()
        if answer.status_code != 200:
            raise BeaconRefused(f"{name}: {told.get('error', answer.status_code)}")
        return told["done"]

    def status(self) -> dict[str, Any]:
        """The chain in a few figures, its operators with their sizes, and the nodes' faults."""
        answer = self._http.get(self._url)
        answer.raise_for_status()
        return dict(answer.json())

    def offline(self, operator: str, share: float = 1.0, *, proposals: bool = True) -> int:
        """A share of an operator's active validators stop voting (and proposing); their number."""
        return int(self._do("offline", operator=operator, share=share, proposals=proposals))

    def late(self, operator: str, share: float = 1.0) -> int:
        """They miss the head alone."""
        return int(self._do("late", operator=operator, share=share))

    def silent(self, operator: str, share: float = 1.0) -> int:
        """They propose nothing."""
        return int(self._do("silent", operator=operator, share=share))

    def online(self, operator: str | None = None) -> int:
        """An operator, or everybody, behaves well again."""
        return int(self._do("online", operator=operator))

    def stall(self, share: float = 0.4, *, proposals: bool = True) -> float:
        """This share of the active stake stops voting, others' first; above a third nothing is justified any more. The real share."""
        return float(self._do("stall", share=share, proposals=proposals))

    def unstall(self) -> None:
        self._do("unstall")

    def miss_rate(self, share: float) -> None:
        """So many votes go wrong at random."""
        self._do("miss_rate", share=share)

    def miss_slots(self, count: int) -> list[int]:
        """The next slots have no block; their numbers."""
        return list(self._do("miss_slots", count=count))

    def slash(
        self, indices: Sequence[int] | None = None, *, operator: str | None = None, count: int = 1, kind: Kind = "attestation",
        gossip: bool = True,
    ) -> list[int]:  # fmt: skip
        """Slash these validators, or ``count`` of an operator's, in the next block; who they are."""
        return list(
            self._do("slash", indices=None if indices is None else list(indices), operator=operator, count=count, kind=kind, gossip=gossip)
        )

    def exit(self, indices: Sequence[int] | None = None, *, operator: str | None = None, count: int = 1) -> list[int]:
        """Voluntary exits; who leaves."""
        return list(self._do("exit", indices=None if indices is None else list(indices), operator=operator, count=count))

    def consolidate(self, pairs: Sequence[tuple[int, int]] | None = None, *, count: int = 1) -> list[tuple[int, int]]:
        """Consolidation requests (source, target)."""
        given = None if pairs is None else [list(pair) for pair in pairs]
        return [(source, target) for source, target in self._do("consolidate", pairs=given, count=count)]

    def withdraw(self, index: int, gwei: int) -> None:
        """A withdrawal request of the execution side; 0 gwei: a full exit."""
        self._do("withdraw", index=index, gwei=gwei)

    def forfeit(self, gwei: int) -> None:
        """The watched validators lose so much in all, by nothing that the specification has."""
        self._do("forfeit", gwei=gwei)

    def deposit(self, count: int = 1, gwei: int = 32 * 10**9, *, operator: str = "new", keys: Sequence[Key] | None = None) -> list[str]:
        """New validators into the deposit queue: these, or ``count`` invented ones; their public keys."""
        given = None if keys is None else [(key.pubkey.hex(), key.credentials.hex(), key.operator) for key in keys]
        return list(self._do("deposit", count=count, gwei=gwei, operator=operator, keys=given))

    def balances_at(self, slot: int, operators: Sequence[str] | None = None) -> dict[str, Any]:
        """Exact gwei at a slot of all watched validators (or of operators named): ``gwei``, ``withdrawn`` up to then, by ``operators``."""
        return dict(self._do("balances_at", slot=slot, operators=None if operators is None else list(operators)))

    def cl_balance(self, slot: int) -> int | None:
        """Gwei of all watched validators at the end of a slot; None when the simulator does not know it any more (``World.cl_balance``)."""
        try:
            return int(self.balances_at(slot)["gwei"])
        except BeaconRefused:
            return None

    def fault(self, node: str, mode: str, value: Any = True) -> None:
        """Turn a fault of one node on or off; mode ``healthy`` ends all."""
        self._do("fault", node=node, mode=mode, value=value)
