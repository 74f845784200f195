"""The HTTP face on one loopback port: page, JSON of the same, health, readiness and own metrics. All of it read-only."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.web.exposition import Sample, exposition, number_text
from monitor.web.page import render
from monitor.web.prom import Feed, mount
from monitor.web.view import StatusView

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Face:
    """What the web room needs of the service: the page's content, the own metrics, and whether the loop is alive."""

    status: Callable[[], Awaitable[StatusView]]
    metrics: Callable[[], Awaitable[Iterable[Sample]]]
    alive: Callable[[], str | None]
    """None while the event loop and the pipeline task live, else what died."""
    prom: Feed | None = None
    """What Prometheus' query API under ``/prom`` reads; None: it is not served."""


def app(face: Face) -> Starlette:
    """The application; ``/readyz`` is 200 only when nothing is wrong, ``/healthz`` when the process should not be restarted."""

    async def page(_: Request) -> Response:
        return HTMLResponse(render(await face.status()), headers=HEADERS)

    async def status(_: Request) -> Response:
        return Response(
            _json(_finite(asdict(await face.status()))),
            media_type="application/json",
            headers=HEADERS,
        )

    async def ready(_: Request) -> Response:
        problems = (await face.status()).problems
        return PlainTextResponse("".join(f"{p}\n" for p in problems) or "ready\n", status_code=503 if problems else 200, headers=HEADERS)

    async def health(_: Request) -> Response:
        dead = face.alive()
        return PlainTextResponse(f"{dead}\n" if dead else "alive\n", status_code=503 if dead else 200, headers=HEADERS)

    async def metrics(_: Request) -> Response:
        return Response(exposition(await face.metrics()), media_type="text/plain; version=0.0.4; charset=utf-8", headers=HEADERS)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/status", status),
            Route("/readyz", ready),
            Route("/healthz", health),
            Route("/metrics", metrics),
            *([] if face.prom is None else [mount(face.prom)]),
        ]
    )


def _finite(status: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity and no NaN: as null they would read as unknown, so they are text, as Prometheus writes them."""
    for shown in (*status["series"], *status["alerts"]):
        value = shown["value"]
        if value is not None and not math.isfinite(value):
            shown["value"] = number_text(value)
    return status


def _json(body: dict[str, Any]) -> bytes:
    """orjson takes 64 bits at most, and one endpoint's word is enough for a head of 256: then the slower writer does it."""
    try:
        return orjson.dumps(body, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(body, default=_plain).encode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} does not go into JSON")
