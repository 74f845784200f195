"""The inbox: plays Slack and the heartbeat's URL for the embedded chain, strictly, and misbehaves on demand.

``/api/<method>`` is Slack's Web API; ``/heartbeat`` counts pings; ``/`` shows the messages as text for people, ``/inbox`` as JSON
for drills; ``/control/...`` sets faults and the state of channels. It runs inside the devnet or alone:
``python -m monitor.devnet.inbox --port 0`` prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from aiohttp import web

from monitor.devnet.slack_page import as_json, as_text
from monitor.devnet.slack_rules import METHODS, SlackError, bad_arguments
from monitor.devnet.slack_workspace import ALL_SCOPES, Workspace

TOKEN = "xoxb-devnet-not-a-secret"  # noqa: S105 (the embedded chain's own; opens nothing)
CHANNEL = "C0DEVNET01"
FaultKind = Literal["rate_limited", "error", "server_error", "html", "garbage", "hang", "slow", "drop"]


@dataclass
class Fault:
    """One way to misbehave, for the next ``count`` requests of ``method`` (``*``: any; ``heartbeat`` for the pings).

    ``accepted``: do what was asked before failing (never for ``rate_limited``, which tells the sender that nothing was done). ``seconds``: of Retry-After, hang and slow. ``error``: Slack's code, for ``error``.
    ``skip``: so many matching requests pass unharmed first.
    """

    kind: FaultKind
    method: str = "*"
    count: int = 1
    accepted: bool = False
    seconds: float = 1.0
    error: str = "fatal_error"
    skip: int = 0

    def hits(self, method: str) -> bool:
        if self.count <= 0 or self.method not in ("*", method):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.count -= 1
        return True


@dataclass
class Traffic:
    """What the inbox was asked."""

    requests: Counter[str] = field(default_factory=Counter)
    rejected: list[dict[str, str]] = field(default_factory=list)
    heartbeats: int = 0
    heartbeat_at: float | None = None


class Inbox:
    """The server. ``async with Inbox() as inbox:`` listens on a free port of 127.0.0.1."""

    def __init__(
        self,
        token: str = TOKEN,
        channels: Mapping[str, str] | None = None,
        scopes: tuple[str, ...] = ALL_SCOPES,
        posts_a_second: float | None = None,
        port: int = 0,
    ) -> None:
        self.workspace = Workspace(token, channels or {CHANNEL: "alerts"}, scopes, posts_a_second)
        self.faults: list[Fault] = []
        self.traffic = Traffic()
        self._port = port
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def base_url(self) -> str:
        """What the Slack client takes as its base."""
        return f"{self.url}/api/"

    async def start(self) -> None:
        """Listen. ``url`` is set afterwards."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes(
            [
                web.route("*", "/api/{method}", self._api),
                web.route("*", "/heartbeat", self._heartbeat),
                web.get("/", self._page),
                web.get("/inbox", self._json),
                web.post("/control/faults", self._add_fault),
                web.delete("/control/faults", self._clear_faults),
                web.post("/control/channel", self._set_channel),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Inbox:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def fail(self, kind: FaultKind, method: str = "*", **more: Any) -> Fault:
        """Add a fault from inside the process; the same as POST /control/faults."""
        fault = Fault(kind, method, **more)
        self.faults.append(fault)
        return fault

    def messages(self, channel: str = CHANNEL) -> list[dict[str, Any]]:
        """The channel's messages in order, each with its thread: as in GET /inbox."""
        found: list[dict[str, Any]] = next(c["messages"] for c in self.snapshot()["channels"] if c["id"] == channel)
        return found

    def snapshot(self) -> dict[str, Any]:
        """All that GET /inbox shows."""
        return as_json(self.workspace, self.traffic)

    # ------------------------------------------------------------ Slack

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.traffic.requests[method] += 1
        fault = next((f for f in self.faults if f.hits(method)), None)
        if fault is None:
            return await self._answer(method, request)
        if fault.kind == "slow":
            body = await request.read()
            await asyncio.sleep(fault.seconds)
            return await self._answer(method, request, body)
        done = await self._answer(method, request) if fault.accepted and fault.kind != "rate_limited" else None
        return await self._misbehave(fault, request, done)

    async def _misbehave(self, fault: Fault, request: web.Request, done: web.StreamResponse | None) -> web.StreamResponse:
        match fault.kind:
            case "rate_limited":
                return _json({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": f"{fault.seconds:g}"})
            case "error":
                return _json({"ok": False, "error": fault.error})
            case "server_error":
                return _json({"ok": False, "error": "internal_error"}, 500)
            case "html":
                return web.Response(status=503, text="<html><body>Server Error</body></html>", content_type="text/html")
            case "garbage":
                return web.Response(status=200, text='{"ok": tr', content_type="application/json")
            case "hang":
                await asyncio.sleep(fault.seconds)
        if request.transport is not None:
            request.transport.abort()
        return done or web.Response(status=500)

    async def _answer(self, method: str, request: web.Request, body: bytes | None = None) -> web.Response:
        headers = {"X-OAuth-Scopes": ",".join(self.workspace.scopes)} if method == "auth.test" else {}
        try:
            self._authorise(request)
            given = _arguments(method, request, body if body is not None else await request.read())
            return _json({"ok": True, **self.workspace.call(method, given)}, headers=headers)
        except SlackError as error:
            self.traffic.rejected.append({"method": method, "error": error.code, "more": json.dumps(error.more, default=str)[:500]})
            status, more = error.more.pop("_status", 200), error.more.pop("_headers", {})
            return _json({"ok": False, "error": error.code, **error.more}, status, {**headers, **more})

    def _authorise(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not given:
            raise SlackError("not_authed")
        if given != f"Bearer {self.workspace.token}":
            raise SlackError("invalid_auth")

    # ------------------------------------------------------------ the rest

    async def _heartbeat(self, request: web.Request) -> web.StreamResponse:
        fault = next((f for f in self.faults if f.hits("heartbeat")), None)
        if fault is not None:
            return await self._misbehave(fault, request, None)
        self.traffic.heartbeats += 1
        self.traffic.heartbeat_at = time.time()
        return web.Response(text="ok\n")

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=as_text(self.workspace, self.traffic), headers={"Refresh": "2", "Cache-Control": "no-store"})

    async def _json(self, _: web.Request) -> web.Response:
        return _json(self.snapshot())

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault(**await request.json())
            if fault.kind not in get_args(FaultKind):
                raise ValueError(f"kind must be one of {', '.join(get_args(FaultKind))}")
        except (TypeError, ValueError) as error:
            return _json({"ok": False, "error": str(error)}, 400)
        self.faults.append(fault)
        return _json({"ok": True})

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return _json({"ok": True})

    async def _set_channel(self, request: web.Request) -> web.Response:
        """``{"id": ..., "member": false}``, ``archived`` likewise."""
        given = await request.json()
        channel = self.workspace.channels.get(given.get("id", CHANNEL))
        if channel is None:
            return _json({"ok": False, "error": "no such channel"}, 404)
        channel.member = bool(given.get("member", channel.member))
        channel.archived = bool(given.get("archived", channel.archived))
        return _json({"ok": True})


def _arguments(method: str, request: web.Request, body: bytes) -> dict[str, Any]:
    """From the query and from a JSON body, where the method takes one."""
    found: dict[str, Any] = dict(request.query)
    if method not in METHODS:
        return found
    kind = request.content_type
    if request.method not in ("GET", "POST"):
        raise SlackError("invalid_post_type")
    if not body:
        return found
    if kind != "application/json" or not METHODS[method]["json"]:
        raise SlackError("invalid_post_type" if kind != "application/json" else "invalid_form_data")
    try:
        given = json.loads(body)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(given, dict):
        raise bad_arguments("the body must be an object")
    return {**found, **given}


def _json(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers=dict(headers or {}))


async def _alone(port: int) -> None:
    async with Inbox(port=port) as inbox:
        print(json.dumps({"url": inbox.url, "base_url": inbox.base_url, "token": TOKEN, "channel": CHANNEL}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Plays Slack and the heartbeat's URL.")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_alone(parser.parse_args().port))
