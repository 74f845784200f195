"""Steering the gateway over HTTP, for drills in another process: ``POST {"do": "jam", "base_fee": 30000000000}``; ``GET`` tells what is on."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from monitor.devnet.gateway.maker import GWEI, Jam
from monitor.devnet.gateway.network import Gateway
from monitor.devnet.upstream import Fails

Hash = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Jam(_Order):
    do: Literal["jam"]
    tip: int = Field(2 * GWEI, ge=1)
    fill: float = Field(1.0, gt=0, le=1)
    base_fee: int | None = Field(None, ge=7)


class _Calm(_Order):
    do: Literal["calm"]


class _Orphan(_Order):
    do: Literal["orphan"]
    transaction: Hash
    blocks: int | None = Field(0, ge=0)


class _Hold(_Order):
    do: Literal["hold"]
    transaction: Hash
    blocks: int | None = Field(None, ge=0)


class _Release(_Order):
    do: Literal["release"]
    transaction: Hash


class _Withhold(_Order):
    do: Literal["withhold"]
    endpoints: list[str]


class _Split(_Order):
    do: Literal["split"]
    endpoints: list[str] = Field(min_length=1)
    back: int = Field(0, ge=0)


class _Join(_Order):
    do: Literal["join"]


_Orders = _Jam | _Calm | _Orphan | _Hold | _Release | _Withhold | _Split | _Join
_ORDER: TypeAdapter[_Orders] = TypeAdapter(Annotated[_Orders, Field(discriminator="do")])


class Control:
    """The gateway's control address, on 127.0.0.1 and a free port."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._tell)
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _tell(self, request: web.Request) -> web.Response:
        return web.json_response(self._gateway.state())

    async def _take(self, request: web.Request) -> web.Response:
        try:
            await self._do(_ORDER.validate_json(await request.read()))
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=422)
        except Fails as failed:
            return web.json_response({"error": failed.error["message"]}, status=422)
        return web.json_response(self._gateway.state())

    def _do(self, order: _Orders) -> Awaitable[Any]:
        gateway = self._gateway
        match order:
            case _Jam():
                return gateway.jam(Jam(order.tip, order.fill), order.base_fee)
            case _Calm():
                return gateway.calm()
            case _Orphan():
                return gateway.orphan(order.transaction, order.blocks)
            case _Hold():
                return gateway.hold(order.transaction, order.blocks)
            case _Release():
                return gateway.release(order.transaction)
            case _Withhold():
                return gateway.withhold(order.endpoints)
            case _Split():
                return gateway.split(order.endpoints, order.back)
            case _Join():
                return gateway.join()
