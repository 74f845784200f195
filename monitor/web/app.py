"""The HTTP face on one port: the pages, JSON of the same, health, readiness and own metrics. Only forms of people who signed in change anything."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.rules.runbooks import PAGES
from monitor.web import page as pages
from monitor.web import runbooks
from monitor.web.document import bar, document
from monitor.web.exposition import Sample, exposition, number_text
from monitor.web.forms import WAIT_AFTER_WRONG, Commands, Forms
from monitor.web.prom import Feed, mount
from monitor.web.session import Gate
from monitor.web.style import POLICY
from monitor.web.view import StatusView

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # a form's origin must be told to ourselves, and nothing to others
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Face:
    """What the web room needs of the service: the page's content, the own metrics, and whether the loop is alive."""

    status: Callable[[], Awaitable[StatusView]]
    metrics: Callable[[], Awaitable[Iterable[Sample]]]
    alive: Callable[[], str | None]
    """None while the event loop and the pipeline task live, else what died."""
    commands: Commands | None = None
    """What people may do; None: the pages are for reading only."""
    token: str | None = None
    """What somebody must know to sign in; None: nobody can."""
    orders: Route | None = None
    """Where other sentinels read what this service's sentinel signed; None: it is not served."""
    prom: Feed | None = None
    """What Prometheus' query API under ``/prom`` reads; None: it is not served."""
    runbooks: Callable[[], Mapping[str, Path]] = dict
    """The files that may be read below ``/runbooks/``, by their name there."""
    summary: Callable[[str], Awaitable[str | None]] | None = None
    """The account of the pause that an incident is about, as Markdown; it gives None where there is none."""


def app(face: Face, wait_after_wrong: float = WAIT_AFTER_WRONG) -> Starlette:
    """The application; ``/readyz`` is 200 only when nothing is wrong, ``/healthz`` when the process should not be restarted."""

    forms = Forms(face.status, face.commands, Gate(face.token), HEADERS, wait_after_wrong)

    async def page(request: Request) -> Response:
        # A page is text made of values that never change: making it is not the event loop's work.
        return HTMLResponse(await asyncio.to_thread(pages.render, await face.status(), forms.viewer(request)), headers=HEADERS)

    async def incident(request: Request) -> Response:
        view, viewer = await face.status(), forms.viewer(request)
        found = await asyncio.to_thread(pages.incident, view, request.path_params["incident"], viewer)
        missing = "<h2>Incident</h2><p>There is no such incident here, or it is no longer kept. <a href=/>Overview</a></p>"
        return HTMLResponse(found or document("Incident", bar(view, viewer), missing), status_code=200 if found else 404, headers=HEADERS)

    async def summary(request: Request) -> Response:
        found = None if face.summary is None else await face.summary(request.path_params["incident"])
        told = "There is no such incident here, it is no longer kept, or it is about no pause.\n" if found is None else found
        media = "text/plain" if found is None else "text/markdown"
        return Response(told, status_code=404 if found is None else 200, media_type=f"{media}; charset=utf-8", headers=HEADERS)

    async def series(request: Request) -> Response:
        return HTMLResponse(await asyncio.to_thread(pages.series, await face.status(), forms.viewer(request)), headers=HEADERS)

    async def runbook(request: Request) -> Response:
        view, name = await face.status(), request.path_params["name"]
        code, text = await asyncio.to_thread(runbooks.page, view, name, face.runbooks(), forms.viewer(request))
        return HTMLResponse(text, status_code=code, headers=HEADERS)

    async def status(_: Request) -> Response:
        return Response(await asyncio.to_thread(_json, await face.status()), media_type="application/json", headers=HEADERS)

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
            Route("/incidents/{incident}", incident),
            Route("/incidents/{incident}/summary.md", summary),
            Route("/series", series),
            Route(PAGES + "{name:path}", runbook),
            Route("/api/status", status),
            Route("/readyz", ready),
            Route("/healthz", health),
            Route("/metrics", metrics),
            *forms.routes(),
            *([] if face.orders is None else [face.orders]),
            *([] if face.prom is None else [mount(face.prom)]),
        ]
    )


def _json(view: StatusView) -> bytes:
    """orjson takes 64 bits at most, and one endpoint's word is enough for a head of 256: then the slower writer does it."""
    body = {field.name: getattr(view, field.name) for field in fields(view)}
    for name in ("series", "alerts", "charts"):
        body[name] = [_finite(shown) for shown in body[name]]
    try:
        return orjson.dumps(body, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(_spelled(asdict(view))).encode("ascii")


def _spelled(value: Any) -> Any:
    """The same with every number in it one that JSON has."""
    if isinstance(value, dict):
        return {k: _spelled(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_spelled(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return number_text(value) if isinstance(value, float) and not math.isfinite(value) else value


def _finite(shown: Any) -> Any:
    """JSON has no infinity and no NaN: as null they would read as unknown, so they are text, as Prometheus writes them."""
    value = shown.value
    return shown if value is None or math.isfinite(value) else asdict(shown) | {"value": number_text(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} does not go into JSON")
