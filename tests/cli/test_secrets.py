"""A secret planted in every secret setting is in no log, page, metric, error, command's output or database, whatever the far ends answer.

The far ends are the worst there are: each tells the whole request, with its key and its headers, in every error that it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from pydantic import BaseModel

from monitor.cli.run import read
from monitor.model import Delivery
from monitor.service.build import build
from monitor.service.settings import RECEIVER_KINDS, Settings, load
from monitor.store import Store
from tests.alerts.making import Desk, block, engine_at, fires
from tests.cli.conftest import ROOT, Run, plain
from tests.cli.far_ends import FarEnds
from tests.docs.settings_keys import Key, keys

CANARY = "canary5ecret"
PAGES = ("", "api/status", "metrics", "readyz", "healthz", "prom/api/v1/status/buildinfo", "prom/api/v1/rules", "nowhere", "silences")
NEEDED = {"slack": {"channel": "C0123456789"}}
"""What a kind of receiver requires besides its secrets and its address."""


# ---------------------------------------------------------------- what is secret


def is_secret(key: Key) -> bool:
    """A secret itself, or the name of a file that holds one."""
    return "SecretStr" in str(key.field.annotation) or (key.path.endswith("_file") and not key.path.endswith("ca_file"))


SECRETS = sorted(k.path for k in keys() if is_secret(k))
ORDERS = (
    "guardian.key.remote.",
    "guardian.sentinel.",
    "guardian.senders[].",
    "guardian.peers[].",
    "guardian.submission[].",
    "guardian.orders_token",
)


class Plant:
    """Settings with a canary of its own in each secret. ``planted``: by the setting's path."""

    def __init__(self, folder: Path, echo: str) -> None:
        self.folder, self.echo = folder, echo
        self.planted: dict[str, str] = {}
        body = plain(folder)
        body["network"]["execution"] = self._nodes("network.execution[]", ws=True)
        body["network"]["beacon"] = self._nodes("network.beacon[]")
        body["network"] |= {"request_seconds": 1, "beacon_request_seconds": 1}
        body["receivers"] = [r for kind, model in RECEIVER_KINDS.items() for r in self._receivers(kind, model)]
        body["rules"]["routes"] = str(self._file("routes.yaml", yaml.safe_dump(self._routes(body["receivers"]))))
        body["heartbeat"] = {"url": self._url("heartbeat.url"), "every_seconds": 0.5}
        body["web"] = {"port": 0, "token": self._text("web.token")}
        body["guardian"] = {"contract": "0x" + "11" * 20, "targets": [{"name": "vault", "address": "0x" + "22" * 20}]}
        key = self._file("sentinel.key", "0x" + self._hex("guardian.key.key_file"))
        body["guardian"]["key"] = {"key_file": str(key)}
        self.body = body
        self.path = self._file("settings.yaml", yaml.safe_dump(body, sort_keys=False))

    def _nodes(self, where: str, ws: bool = False) -> list[dict[str, Any]]:
        """Three: secrets in place, in files, and nobody there."""
        bearer = {"Authorization": f"Bearer {self._text(f'{where}.headers')}"}
        first = {"name": "one", "url": self._url(f"{where}.url"), "headers": bearer}
        second = {"name": "two", "url_file": str(self._file(f"{where}.url_file", self._url(f"{where}.url_file")))}
        if ws:
            first["ws_url"] = self._url(f"{where}.ws_url", "ws")
            second["ws_url_file"] = str(self._file(f"{where}.ws_url_file", self._url(f"{where}.ws_url_file", "ws")))
        return [first, second, {"name": "three", "url": f"http://{CANARY}-user:{CANARY}-pass@127.0.0.1:1/{CANARY}"}]

    def _receivers(self, kind: str, model: type[BaseModel]) -> Iterator[dict[str, Any]]:
        """One with the secrets in place, one with those that can be in files."""
        fields = model.model_fields
        address = {"base_url": f"{self.echo}/"} if "base_url" in fields else {}
        if "url" in fields and not self._secret(kind, "url"):
            address = {"url": self.echo}
        for way in ("place", "files"):
            made: dict[str, Any] = {"kind": kind, "name": f"{kind}-{way}", **NEEDED.get(kind, {}), **address}
            for name in (n for n in fields if self._secret(kind, n) and not n.endswith("_file")):
                where, filed = f"receivers[{kind}].{name}", f"{name}_file" in fields
                if filed and way == "files":
                    value = self._value(kind, name, f"{where}_file")
                    lines = "\n".join(value) if isinstance(value, list) else value
                    made[f"{name}_file"] = str(self._file(f"{where}_file", lines))
                elif filed or way == "files" or name != "proxy":
                    made[name] = self._value(kind, name, where)
            yield made

    @staticmethod
    def _secret(kind: str, name: str) -> bool:
        return f"receivers[{kind}].{name}" in SECRETS

    def _value(self, kind: str, name: str, where: str) -> Any:
        if name in ("url", "proxy"):
            return self._url(where)
        if name == "urls":
            text = self._text(where)  # base addresses: what is secret is in name and password, or in the path before /api
            return [f"http://user:{text}@{self.echo.removeprefix('http://')}/{text}"]
        if name in ("token", "secret"):
            return ("xoxb-" if kind == "slack" else "glsa_" if kind == "grafana" else "") + self._text(where)
        raise AssertionError(f"{where} is a secret that this test does not plant: teach it how")

    def _text(self, where: str) -> str:
        return self.planted.setdefault(where, f"{CANARY}-{re.sub(r'[^a-z]+', '-', where)}-{len(self.planted)}")

    def _hex(self, where: str) -> str:
        return self.planted.setdefault(where, b"c0ffee5ecret".hex().rjust(64, "7"))

    def _url(self, where: str, scheme: str = "http") -> str:
        text = self._text(where)
        return f"{scheme}://user:{text}@{self.echo.removeprefix('http://')}/{text}/v3?key={text}"

    def _file(self, name: str, content: str) -> Path:
        path = self.folder / re.sub(r"[^\w.]+", "_", name)
        path.write_text(content + "\n")
        return path

    @staticmethod
    def _routes(receivers: list[dict[str, Any]]) -> dict[str, Any]:
        return {"route": {"receiver": [r["name"] for r in receivers], "group_by": ["alertname"], "group_wait": "0s"}}

    def leaks(self, text: str) -> list[str]:
        """Where a secret shows: the surroundings of each."""
        sent = [b64encode(f"user:{v}".encode()).decode()[:24] for v in self.planted.values()]  # as a name and password go over the wire
        words = [CANARY, *self.planted.values(), *sent]
        return [text[max(0, m.start() - 120) : m.end() + 20] for w in words for m in re.finditer(re.escape(w), text)]


# ---------------------------------------------------------------- the far end


async def _tell(request: web.Request) -> web.StreamResponse:
    """Everything that was asked, told back as an error in the way of each protocol."""
    text = await request.text()
    told = f"denied: {request.path_qs} with {dict(request.headers)} and {text[:200]}"
    try:
        asked = json.loads(text)
    except ValueError:
        asked = None
    if isinstance(asked, list) or (isinstance(asked, dict) and "jsonrpc" in asked):
        error = {"code": -32001, "message": told}
        answers = [{"jsonrpc": "2.0", "id": a["id"], "error": error} for a in (asked if isinstance(asked, list) else [asked])]
        return web.json_response(answers if isinstance(asked, list) else answers[0])
    return web.json_response({"code": 403, "message": told, "error": told, "ok": False}, status=request.app[STATUS][0], reason=told[:60])


STATUS = web.AppKey("status", list[int])


@pytest.fixture
def answers() -> list[int]:
    """The status of what is no JSON-RPC: a failure that may pass, so that a service starts."""
    return [500]


@pytest.fixture
def echo(answers: list[int]) -> Iterator[str]:
    ends = FarEnds()
    app = web.Application()
    app[STATUS] = answers
    app.router.add_route("*", "/{path:.*}", _tell)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield ends.run(start())
    ends.run(runner.cleanup())
    ends.close()


@pytest.fixture
def plant(tmp_path: Path, echo: str) -> Plant:
    (tmp_path / "responses.yaml").write_text("responses: []\n")
    return Plant(tmp_path, echo)


# ---------------------------------------------------------------- the tests


def test_every_secret_setting_is_planted_here_or_tried_elsewhere(plant: Plant) -> None:
    """The database's password and the keys' other sources are tried below and in the commands' own tests: a service with them would not start."""
    elsewhere = {
        "store.url",
        "store.url_file",
        "heartbeat.url_file",
        "web.token_file",
        "guardian.key.keystore_file",
        "guardian.key.password_file",
    }
    # Those of sentinels, senders, peers and submission: tests/guardian/execution/test_secrets.py, with the very parts that read them.
    elsewhere |= {s for s in SECRETS if s.startswith(ORDERS)}
    assert set(SECRETS) - elsewhere == set(plant.planted) & set(SECRETS)
    assert isinstance(load(plant.path), Settings)


def test_the_running_service_tells_no_secret(plant: Plant) -> None:
    command = [sys.executable, "-m", "monitor.cli", "run", "--verbose", "--settings", str(plant.path)]
    with (plant.folder / "log").open("wb") as log:
        service = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"})
        try:
            page = _page(plant.folder / "log", service)
            time.sleep(2.5)  # a few rounds of polls, ticks and heartbeats, each with its errors
            said = {name: _get(page + name) for name in PAGES}
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(20)
    logged = (plant.folder / "log").read_text()
    assert "heartbeat" in logged and "endpoint.poll_failed" in logged and "Unclosed" not in logged
    assert plant.leaks(logged) == []
    assert '"silences"' in said["api/status"] and "stakewarden_" in said["metrics"]
    for name, text in said.items():
        assert plant.leaks(text) == [], name
    assert plant.leaks((plant.folder / "x.sqlite3").read_bytes().decode("latin-1")) == []


@pytest.mark.parametrize("status", [200, 403])
async def test_no_receiver_tells_its_secret_in_an_error(
    plant: Plant, answers: list[int], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    answers[0] = status
    desk = Desk(engine_at(plant.folder / "book.db"))
    desk.admit(block(1), fires("A", block(1)))
    owed = desk.owed()[0]
    parts = await asyncio.to_thread(build, read(plant.path))
    parts.store.close()
    told = []
    for receiver in parts.receivers:
        name = str(getattr(receiver, "name", ""))
        delivery = Delivery(owed["id"], owed["incident"], name, owed["kind"], owed["revision"], owed["body"], "sending", time.time(), 1)
        for attempt in (receiver.check, lambda r=receiver, d=delivery: r.deliver(d), lambda r=receiver, d=delivery: r.find(d)):
            try:
                told.append(repr(await asyncio.wait_for(attempt(), 8)))
            except Exception as error:
                told.append(f"{error} {error!r} {traceback.format_exc()}")
        told.append(repr(receiver))
    said = capsys.readouterr()
    assert len(told) == 4 * len(parts.receivers) >= 8
    assert plant.leaks("\n".join([*told, said.out, said.err])) == []


def test_no_command_tells_a_secret(stakewarden: Run, plant: Plant) -> None:
    for words in (
        ("config", "check", plant.path),
        ("doctor", "-s", plant.path),
        ("doctor", "--json", "-s", plant.path),
        ("roles", "diff", "-s", plant.path),
        ("guardian", "status", "-s", plant.path),
        ("db", "check", "-s", plant.path),
    ):
        done = stakewarden(*words)
        assert plant.leaks(done.out + done.err) == [], words
        assert "Traceback" not in done.err and "cannot be used" not in done.err, words


def test_the_representation_of_the_settings_tells_no_secret(plant: Plant) -> None:
    settings = load(plant.path)
    assert plant.leaks(repr(settings) + str(settings) + settings.model_dump_json()) == []


def test_a_database_that_is_down_tells_no_password(stakewarden: Run, plant: Plant) -> None:
    with pytest.raises(Exception) as failed, Store.open(f"postgresql://user:{CANARY}@127.0.0.1:1/x"):
        pass
    assert plant.leaks(f"{failed.value} {failed.value!r}") == []


def _page(log: Path, service: subprocess.Popen[bytes]) -> str:
    """The address of the page, from the log."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := re.search(r'"page": ?"([^"]+)"', log.read_text()):
            return found[1]
        assert service.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return str(answer.headers) + answer.read().decode()
    except urllib.error.HTTPError as error:
        return str(error.headers) + error.read().decode()
