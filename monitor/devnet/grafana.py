"""Plays Grafana for the embedded chain: its HTTP API as far as Stakewarden calls it, strictly, and misbehaving on demand.

Bodies are held to the schemas of Grafana's own client (``grafana_schemas.json``), and a property that Grafana would silently ignore is
refused here: it can only be a slip. ``/`` shows the annotations as text for people, ``/state`` all as JSON for drills, ``/control/faults``
sets faults. It runs inside the devnet or alone: ``python -m monitor.devnet.grafana --port 0`` prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Literal, get_args

import aiohttp
from aiohttp import web

from monitor.devnet.grafana_state import GrafanaError, GrafanaState
from monitor.devnet.inbox import Fault, FaultKind
from monitor.devnet.json_schema import faults

_FILE = json.loads(resources.files("monitor.devnet").joinpath("grafana_schemas.json").read_text("utf-8"))
ROUTES: Mapping[str, Any] = _FILE["routes"]
DEFINITIONS: Mapping[str, Any] = _FILE["$defs"]
TOKEN = "glsa_devnet_not_a_secret"  # noqa: S105 (the embedded chain's own; opens nothing)
VERSION = "13.2.0-devnet"
MOST = 4 * 1024 * 1024
Role = Literal["Viewer", "Editor", "Admin"]
_BODIES = {
    "postAnnotation": "PostAnnotationsCmd", "patchAnnotation": "PatchAnnotationsCmd", "updateAnnotation": "UpdateAnnotationsCmd",
    "createFolder": "CreateFolderCommand", "updateFolder": "UpdateFolderCommand", "postDashboard": "SaveDashboardCommand",
    "addDataSource": "AddDataSourceCommand", "updateDataSourceByUID": "UpdateDataSourceCommand",
}  # fmt: skip


class FakeGrafana:
    """The server. ``async with FakeGrafana() as grafana:`` listens on a free port of 127.0.0.1.

    ``prefix``: the sub-path under which it is served, such as ``/grafana``. Faults are the inbox's, by operation (``postAnnotation``); the kind
    ``error`` answers with its ``error`` as HTTP status, ``server_error`` with Grafana's own 500, ``html`` with a gateway's 503.
    """

    def __init__(self, token: str = TOKEN, role: Role = "Admin", port: int = 0, prefix: str = "") -> None:
        self.state = GrafanaState()
        self.token, self.role = token, role
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        self.rejected: list[dict[str, str]] = []
        self._port, self._prefix = port, prefix
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen. ``url`` is set afterwards."""
        app = web.Application(client_max_size=MOST)
        # What is plain before what has a part that varies: /api/annotations/tags is no id.
        for name, route in sorted(ROUTES.items(), key=lambda item: "{" in item[1]["path"]):
            app.router.add_route(route["method"], self._prefix + route["path"], self._handler(name))
        app.router.add_route("*", self._prefix + "/api/{rest:.*}", self._no_route)
        app.add_routes([web.get("/", self._page), web.get("/state", self._json), web.post("/control/faults", self._add_fault)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{self._prefix}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> FakeGrafana:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def fail(self, kind: FaultKind, operation: str = "*", **more: Any) -> Fault:
        """Add a fault from inside the process; the same as POST /control/faults."""
        fault = Fault(kind, operation, **more)
        self.faults.append(fault)
        return fault

    def incidents(self) -> list[dict[str, Any]]:
        """The annotations of incidents, in the order in which they were put there."""
        return [a for _, a in sorted(self.state.annotations.items()) if "incident" in a["tags"]]

    def snapshot(self) -> dict[str, Any]:
        """All that GET /state shows."""
        annotations = [a for _, a in sorted(self.state.annotations.items())]
        boards = {uid: d["dashboard"]["title"] for uid, d in self.state.dashboards.items()}
        return {"annotations": annotations, "dashboards": boards, "requests": dict(self.requests), "rejected": self.rejected}

    # ------------------------------------------------------------ the API

    def _handler(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests[name] += 1
            fault = next((f for f in self.faults if f.hits(name)), None)
            if fault is None:
                return await self._answer(name, request)
            if fault.kind == "slow":
                await request.read()
                await asyncio.sleep(fault.seconds)
                return await self._answer(name, request)
            done = await self._answer(name, request) if fault.accepted and fault.kind != "rate_limited" else None
            return await self._misbehave(fault, request, done)

        return handle

    async def _answer(self, name: str, request: web.Request) -> web.Response:
        try:
            if name != "getHealth":
                self._authorise(name, request)
            return _json(await self._call(name, request, await self._body(name, request)))
        except GrafanaError as error:
            self.rejected.append({"operation": name, "status": str(error.status), "message": str(error)})
            return _json(error.body, error.status)

    def _authorise(self, name: str, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise GrafanaError(401, "Invalid API key", messageId="api-key.invalid", statusCode=401, traceID="")
        needed = "Viewer" if name.startswith(("get", "check")) else "Admin" if "DataSource" in name else "Editor"
        if get_args(Role).index(self.role) < get_args(Role).index(needed):
            raise GrafanaError(403, "You'll need additional permissions to perform this action.", accessErrorId="ACE0000000000")

    async def _body(self, name: str, request: web.Request) -> Any:
        if name not in _BODIES:
            return None
        try:
            given = json.loads(await request.read())
        except ValueError:
            raise GrafanaError(400, "bad request data") from None
        found = list(faults(given, DEFINITIONS[_BODIES[name]], DEFINITIONS))
        if found:
            raise GrafanaError(400, f"bad request data: {'; '.join(found[:5])}")
        return given

    async def _call(self, name: str, request: web.Request, body: Any) -> Any:
        state, of = self.state, request.match_info
        match name:
            case "postAnnotation":
                return state.add_annotation(body)
            case "getAnnotations":
                return self._found(request)
            case "getAnnotationTags":
                return state.tags()
            case "getAnnotationByID":
                return state.annotation(_number(of["annotation_id"]))
            case "patchAnnotation":
                return state.patch_annotation(_number(of["annotation_id"]), body)
            case "updateAnnotation":
                return state.put_annotation(_number(of["annotation_id"]), body)
            case "deleteAnnotationByID":
                return state.delete_annotation(_number(of["annotation_id"]))
            case "getHealth":
                return {"database": "ok", "version": VERSION, "commit": "devnet"}
            case "checkDatasourceHealthWithUID":
                return await self._health(state.datasource(of["uid"]))
        return self._stored(name, of, body)

    def _stored(self, name: str, of: Mapping[str, str], body: Any) -> Any:
        state = self.state
        match name:
            case "createFolder":
                return state.add_folder(body)
            case "getFolderByUID":
                return state.folder(of["folder_uid"])
            case "updateFolder":
                return state.change_folder(of["folder_uid"], body)
            case "deleteFolder":
                return state.delete_folder(of["folder_uid"])
            case "postDashboard":
                return state.save_dashboard(body)
            case "getDashboardByUID":
                return state.dashboard(of["uid"])
            case "deleteDashboardByUID":
                return state.delete_dashboard(of["uid"])
            case "addDataSource":
                return state.add_datasource(body)
            case "updateDataSourceByUID":
                return state.change_datasource(of["uid"], body)
            case "getDataSourceByUID":
                return state.datasource(of["uid"])
            case "getDataSourceByName":
                return state.datasource_named(of["name"])
            case "getDataSources":
                return list(state.datasources.values())
            case "deleteDataSourceByUID":
                return state.delete_datasource(of["uid"])
        raise AssertionError(f"the route {name} has no answer")

    def _found(self, request: web.Request) -> list[dict[str, Any]]:
        query = request.query
        unknown = set(query) - {
            "from",
            "to",
            "limit",
            "tags",
            "type",
            "matchAny",
            "dashboardUID",
            "panelId",
            "userId",
            "alertId",
            "alertUID",
        }
        if unknown or query.get("type", "annotation") not in ("annotation", "alert"):
            raise GrafanaError(400, f"bad request data: query {', '.join(sorted(unknown)) or 'type'}")
        if query.get("type") == "alert":
            return []
        begin, end = (None if query.get(key) is None else _number(query[key]) for key in ("from", "to"))
        any_of = query.get("matchAny", "false") == "true"
        limit = _number(query.get("limit", "100")) or 100
        return self.state.find_annotations(query.getall("tags", []), any_of, limit, begin, end, query.get("dashboardUID", ""))

    async def _health(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """As Save & test does it for Prometheus: the sum of two numbers, asked of the data source itself."""
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            form = {"query": "1+1", "time": "4"}
            async with aiohttp.ClientSession(timeout=timeout) as client, client.post(f"{source['url']}/api/v1/query", data=form) as answer:
                said = await answer.json(content_type=None)
                fine = answer.status == 200 and said["status"] == "success"
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            fine = False
        if not fine:
            raise GrafanaError(400, "There was an error returned querying the Prometheus API.", status="ERROR")
        return {"message": "Successfully queried the Prometheus API.", "status": "OK"}

    async def _no_route(self, request: web.Request) -> web.Response:
        self.requests["unknown"] += 1
        self.rejected.append({"operation": f"{request.method} {request.path}", "status": "404", "message": "Not found"})
        return _json({"message": "Not found"}, 404)

    async def _misbehave(self, fault: Fault, request: web.Request, done: web.StreamResponse | None) -> web.StreamResponse:
        match fault.kind:
            case "rate_limited":
                return _json({"message": "Too many requests"}, 429, {"Retry-After": f"{fault.seconds:g}"})
            case "error":
                return _json({"message": "made up"}, int(fault.error))
            case "server_error":
                return _json({"message": "Internal server error", "messageId": "internal", "statusCode": 500, "traceID": ""}, 500)
            case "html":
                return web.Response(status=503, text="<html><body>Bad gateway</body></html>", content_type="text/html")
            case "garbage":
                return web.Response(status=200, text='{"mess', content_type="application/json")
            case "hang":
                await asyncio.sleep(fault.seconds)
        if request.transport is not None:
            request.transport.abort()
        return done or web.Response(status=500)

    # ------------------------------------------------------------ for people and drills

    async def _page(self, _: web.Request) -> web.Response:
        found = sorted(self.state.annotations.values(), key=lambda a: (a["time"], a["id"]), reverse=True)
        text = "\n\n".join(as_text(a) for a in found) or "no annotation yet"
        return web.Response(text=f"Grafana of the embedded chain\n\n{text}\n", headers={"Refresh": "2", "Cache-Control": "no-store"})

    async def _json(self, _: web.Request) -> web.Response:
        return _json(self.snapshot())

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault(**await request.json())
            if fault.kind not in get_args(FaultKind) or fault.method not in ("*", *ROUTES):
                raise ValueError(f"kind is one of {', '.join(get_args(FaultKind))}, method one of {', '.join(ROUTES)}")
        except (TypeError, ValueError) as error:
            return _json({"message": str(error)}, 400)
        self.faults.append(fault)
        return _json({"message": "Fault added"})


def as_text(annotation: Mapping[str, Any]) -> str:
    """One annotation as lines: its time, its text, its tags."""
    begun, ended = (datetime.fromtimestamp(annotation[k] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") for k in ("time", "timeEnd"))
    when = f"{begun} to {ended[11:] if ended[:10] == begun[:10] else ended}" if annotation["timeEnd"] > annotation["time"] else begun
    return "\n".join([f"#{annotation['id']} {when} UTC", annotation["text"], "  ".join(annotation["tags"])])


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise GrafanaError(400, "bad request data: a number is expected") from None


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers=dict(headers or {}))


async def _alone(port: int) -> None:
    async with FakeGrafana(port=port) as grafana:
        print(json.dumps({"url": grafana.url, "token": TOKEN}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Plays Grafana.")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_alone(parser.parse_args().port))
