"""Prometheus' query API over our frames, so that Grafana's own data source reads us, and promtool does.

What is unknown is left out of results and said in ``warnings``; it is never shown as a value. Everything here only reads.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from monitor import __version__
from monitor.promql import (
    RANKING,
    Aggregate,
    Call,
    Expr,
    ParseError,
    Scalar,
    String,
    bare,
    evaluate,
    evaluate_steps,
    matrix,
    parse_matchers,
    type_of,
    written,
)
from monitor.web.prom import judged, shapes
from monitor.web.prom.asking import MAX_SECONDS, Asker, Guard, parse_error
from monitor.web.prom.feed import Feed, Judging
from monitor.web.prom.found import Directory, Matchers
from monitor.web.prom.params import ApiError, Params, bad

__all__ = ["Feed", "Judging", "mount"]

MAX_STEPS = 11_000
"""Steps of a graph: Prometheus' own limit."""
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Answer = tuple[Any, list[str]]
"""The data, and warnings."""


def mount(feed: Feed, path: str = "/prom") -> Mount:
    """The API under a path, to be put among an application's routes. Every endpoint takes GET and POST."""
    api = _Api(feed)
    endpoints: dict[str, Callable[[Params], Awaitable[Answer]]] = {
        "query": api.query,
        "query_range": api.query_range,
        "query_exemplars": api.exemplars,
        "format_query": api.format_query,
        "series": api.series,
        "labels": api.labels,
        "metadata": api.metadata,
        "rules": api.rules,
        "alerts": api.alerts,
        "status/buildinfo": api.buildinfo,
    }
    routes = [Route(f"/api/v1/{name}", _endpoint(work), methods=["GET", "POST"]) for name, work in endpoints.items()]
    routes.append(Route("/api/v1/label/{name}/values", _endpoint(api.values), methods=["GET", "POST"]))
    return Mount(path, app=Starlette(routes=routes, exception_handlers={ApiError: _refused, HTTPException: _plain}))


def _endpoint(work: Callable[[Params], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        params = await Params.of(request)
        params.path = request.path_params.get("name", "")
        data, warnings = await work(params)
        body = {"status": "success", "data": data} | ({"warnings": warnings} if warnings else {})
        return Response(orjson.dumps(body), media_type="application/json", headers=HEADERS)

    return endpoint


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    body = {"status": "error", "errorType": error.kind, "error": str(error)}
    text = orjson.dumps({k: v.encode("utf-8", "replace").decode() for k, v in body.items()})
    return Response(text, error.status, media_type="application/json", headers=HEADERS)


async def _plain(_: Request, error: Exception) -> Response:
    """As Prometheus answers for what it has not."""
    assert isinstance(error, HTTPException)
    text = {404: "404 page not found\n", 405: "Method Not Allowed\n"}.get(error.status_code, f"{error.detail}\n")
    return PlainTextResponse(text, error.status_code, headers={**HEADERS, **(error.headers or {})})


class _Api:
    """The endpoints; each takes the parameters and gives data with warnings, or raises ApiError."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.asker = Asker(feed)
        self.directory = Directory()

    # ------------------------------------------------------------ queries

    async def query(self, params: Params) -> Answer:
        text = params.text("query")
        at = params.time("time", self._now())
        seconds = _timeout(params)
        expr = self.asker.parse(text)
        kind, moment = type_of(expr), int(at // 1)
        if kind == "string":
            of = bare(expr)
            assert isinstance(of, String)
            return {"resultType": "string", "result": [shapes.seconds(at), of.value]}, []

        def work(window: Guard) -> Answer:
            if kind == "matrix":
                return shapes.samples(matrix(expr, window, moment))
            found = evaluate(_in_order(expr), window, moment)
            return shapes.scalar(found, at) if isinstance(found, Scalar) else shapes.vector(found, at)

        (data, told), warnings = await self.asker.ask(expr, [moment], (moment, moment), work, seconds)
        return data, [*warnings, *told]

    async def query_range(self, params: Params) -> Answer:
        times = _steps(params)
        seconds = _timeout(params)
        expr = self.asker.parse(params.text("query"))
        if type_of(expr) not in ("scalar", "vector"):
            what = {"matrix": "range vector", "string": "string"}[type_of(expr)]
            raise bad("query", f'invalid expression type "{what}" for range query, must be Scalar or instant Vector')
        moments, now = [int(t // 1) for t in times], self._now()
        whole = int(params.time("start") // 1), int(params.time("end") // 1)

        def work(window: Guard) -> Answer:
            return shapes.grid(evaluate_steps(expr, window, moments, whole), times, now)

        (data, told), warnings = await self.asker.ask(expr, moments, whole, work, seconds)
        return data, [*warnings, *told]

    async def exemplars(self, params: Params) -> Answer:
        """There are none; the query is looked at, so that a slip is told."""
        self.asker.parse(params.text("query"))
        return [], []

    async def format_query(self, params: Params) -> Answer:
        return written(self.asker.parse(params.text("query"))), []

    # ------------------------------------------------------------ what there is

    async def series(self, params: Params) -> Answer:
        if not params.all("match[]"):
            raise ApiError(400, "bad_data", "no match[] parameter provided")
        rows, warnings = await self._found(params)
        return _limited([dict(row) for row in rows], params, warnings)

    async def labels(self, params: Params) -> Answer:
        rows, warnings = await self._found(params)
        return _limited(sorted({name for row in rows for name, _ in row}), params, warnings)

    async def values(self, params: Params) -> Answer:
        name = unescaped(params.path)
        if not _LABEL.fullmatch(name):
            raise ApiError(400, "bad_data", f'invalid label name: "{name}"')
        rows, warnings = await self._found(params)
        return _limited(sorted({value for row in rows for label, value in row if label == name}), params, warnings)

    async def metadata(self, params: Params) -> Answer:
        catalogue, _ = self.feed.data()
        wanted, limit = params.text("metric"), params.limit()
        found = {
            f.name: [{"type": "counter" if f.kind == "counter" else "gauge", "help": f.help, "unit": ""}]
            for f in sorted(catalogue, key=lambda f: f.name)
            if wanted in ("", f.name)
        }
        return dict(list(found.items())[:limit]), []

    async def _found(self, params: Params) -> tuple[list[tuple[tuple[str, str], ...]], list[str]]:
        start, end = params.time("start", 0.0), params.time("end", self._now())
        if end < start:
            raise bad("end", "end timestamp must not be before start timestamp")
        matchers = _matchers(params)

        def work() -> tuple[list[tuple[tuple[str, str], ...]], bool]:
            with self.feed.store.read() as unit:
                return self.directory.series(unit, int(start), int(end), matchers)

        rows, more = await self.asker.aside(work)
        return rows, [f"only the first {len(rows)} series are told; narrow it by match[] or a shorter time"] if more else []

    # ------------------------------------------------------------ rules and ourselves

    async def rules(self, params: Params) -> Answer:
        kind = params.text("type")
        if kind not in ("", "alert", "record"):
            raise bad("type", f'not supported value "{kind[:60]}"')
        judging = self.feed.judging()
        return {"groups": [] if judging is None else judged.groups(judging, kind)}, []

    async def alerts(self, _: Params) -> Answer:
        judging = self.feed.judging()
        return {"alerts": [] if judging is None else judged.alerts(judging)}, []

    async def buildinfo(self, _: Params) -> Answer:
        """Grafana reads a Prometheus' version from here, and asks only what that version can; ours stands beside it."""
        return {
            "version": "2.50.1",
            "revision": f"stakewarden-{__version__}",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }, []

    def _now(self) -> float:
        """Wall time, or the newest block's if that is later: the embedded chain's clock runs ahead during drills."""
        return max(round(self.feed.now(), 3), float(self.feed.newest() or 0))


def _in_order(expr: Expr) -> Expr:
    """A ranking is shown by rank, as Prometheus does."""
    top = bare(expr)
    if not isinstance(top, Aggregate) or top.op not in RANKING:
        return expr
    return Call("sort_desc" if top.op == "topk" else "sort", (expr,))


# ---------------------------------------------------------------- parameters


def _steps(params: Params) -> list[float]:
    """The times of a graph. Raises ApiError as Prometheus does."""
    start, end = params.time("start"), params.time("end")
    if end < start:
        raise bad("end", "end timestamp must not be before start time")
    step = params.duration("step")
    if step <= 0:
        raise bad("step", "zero or negative query resolution step widths are not accepted. Try a positive integer")
    if (end - start) / step > MAX_STEPS:
        raise ApiError(
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        )
    return [round(start + i * step, 3) for i in range(int((end - start) / step + 1e-9) + 1)]


def _timeout(params: Params) -> float:
    if not params.text("timeout"):
        return MAX_SECONDS
    return max(params.duration("timeout"), 0.0)


def _matchers(params: Params) -> Matchers:
    found = []
    for text in params.all("match[]"):
        try:
            conditions = parse_matchers(text)
        except ParseError as error:
            raise bad("match[]", parse_error(error, text)) from None
        if all(m.matches("") for m in conditions):
            raise bad("match[]", "match[] must contain at least one non-empty matcher")
        found.append(conditions)
    return found


def _limited(found: Sequence[Any], params: Params, warnings: list[str]) -> Answer:
    limit = params.limit()
    if limit is None or len(found) <= limit:
        return found, warnings
    return found[:limit], [*warnings, "results truncated due to limit"]


def unescaped(name: str) -> str:
    """A label's name as Grafana writes it for names beyond ASCII: ``U__`` and each other character as ``_hex_``."""
    if not name.startswith("U__"):
        return name
    return re.sub(r"_(?:(_)|([0-9a-fA-F]{1,6})_)", lambda m: "_" if m[1] else _character(m[2]), name[3:])


def _character(code: str) -> str:
    number = int(code, 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "�"
