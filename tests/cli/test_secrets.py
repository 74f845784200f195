"""A secret planted in every setting that can carry one is in no log, page, metric, error, command's output or database, whatever the far ends answer.

The far ends are the worst there are: each tells the whole request, with its key and its headers, in every error that it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.cookiejar import CookieJar
from pathlib import Path

import httpx
import psycopg
import pytest
from aiohttp import web
from psycopg import sql
from sqlalchemy import select

from monitor.alerts import Judged, Outbox
from monitor.alerts.desk import DELIVERIES
from monitor.cli.logs import configure
from monitor.cli.run import read
from monitor.model import Delivery, secrecy
from monitor.model.secrecy import veiled
from monitor.receivers.heartbeat import Heartbeat
from monitor.service.build import build
from monitor.service.settings import Settings, load
from tests.alerts.making import block, fires
from tests.cli.conftest import ROOT, Run
from tests.cli.far_ends import FarEnds
from tests.cli.planting import CANARY, CARRIERS, WAYS, Plant, Way
from tests.fixtures.postgres import fresh_database

PAGES = (
    "", "api/status", "metrics", "readyz", "healthz", "nowhere", "series", "sign-in", "silences", "incidents/nowhere",
    "prom/api/v1/status/buildinfo", "prom/api/v1/rules", "prom/api/v1/query?query=stakewarden_ready", "prom/api/v1/labels",
)  # fmt: skip


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
def telling_database() -> Iterator[str]:
    """A PostgreSQL that asks for the password as text and tells it in its refusal, as a proxy with debug logs might."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                client.recv(4096)  # the start-up message, since the settings turn off what may come before it
                client.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
                told = f"password {client.recv(4096)[5:].rstrip(bytes(1)).decode()} is wrong".encode()
                fields = b"SFATAL\x00C28P01\x00M" + told + b"\x00\x00"
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    thread = threading.Thread(target=serve, name="telling-database")
    thread.start()
    yield f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable&gssencmode=disable"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)


# ---------------------------------------------------------------- what is planted

Planter = Callable[[Way], Plant]
SERVED: tuple[Way, ...] = ("files", "variables")
"""In what ways the service is run; between them each secret is in its setting, in its file, and in the environment. Commands are run in the others."""


@pytest.fixture
def planter(tmp_path: Path, echo: str, request: pytest.FixtureRequest) -> Planter:
    """The settings of one way, in a folder of their own, with a database of their own."""

    def made(way: Way) -> Plant:
        folder = tmp_path / way
        folder.mkdir()
        served = way in SERVED
        database = fresh_database(request.getfixturevalue("postgres_server")) if served else f"sqlite:///{folder / 'x.sqlite3'}"
        return Plant(folder, echo, database, way)

    return made


@pytest.fixture
def plant(tmp_path: Path, echo: str, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Those of the first way, with a SQLite file; this process has their environment."""
    found = Plant(tmp_path, echo, f"sqlite:///{tmp_path / 'x.sqlite3'}")
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test made this process hold would veil a leak of this one."""
    monkeypatch.setattr(secrecy, "_held", set())


# ---------------------------------------------------------------- the tests


def test_every_setting_that_can_carry_a_secret_has_one_and_it_is_held(planter: Planter, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: set[str] = set()
    for way in WAYS:
        planted = planter(way)
        filled |= planted.filled
        with monkeypatch.context() as patch:
            for name, value in planted.variables.items():
                patch.setenv(name, value)
            patch.setattr(secrecy, "_held", set())
            build(read(planted.path)).store.close()
            for where, secret in planted.planted.items():
                assert planted.leaks(veiled(f"denied: {secret}!")) == [], (way, where)
    assert sorted(filled) == CARRIERS


def test_nothing_else_reads_the_environment() -> None:
    """So a setting that names a variable is read by ``secret_settings``, and named ``env`` or ``..._env``."""
    ours = {str(p.relative_to(ROOT)) for p in (ROOT / "monitor").rglob("*.py") if re.search(r"os\.environ|getenv", p.read_text())}
    assert ours == {"monitor/model/secret_settings.py", "monitor/cli/logs.py", "monitor/devnet/build.py"}, (
        "NO_COLOR; what anvil's build inherits"
    )


def test_the_running_service_tells_no_secret(planter: Planter) -> None:
    with ExitStack() as stack:
        running = [stack.enter_context(Running(planter(way))) for way in SERVED]
        for one in running:
            one.until("endpoint.poll_failed", "heartbeat.withheld", "receiver.not_reached")
        said = [one.ask() for one in running]
    for one, pages in zip(running, said, strict=True):
        plant, logged = one.plant, one.logged
        assert one.service.returncode == 0 and "Unclosed" not in logged, logged
        assert plant.leaks(logged) == [], plant.way
        assert '"silences"' in pages["api/status"] and "stakewarden_" in pages["metrics"] and "Ann" in pages["signed in"]
        for name, text in pages.items():
            assert plant.leaks(text) == [], (plant.way, name)
        assert plant.leaks(_stored(plant)) == [], plant.way


class Running:
    """The service as a process of its own, with its log."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.logged = ""

    def __enter__(self) -> Running:
        command = [sys.executable, "-m", "monitor.cli", "run", "--verbose", "--settings", str(self.plant.path)]
        reading, writing = os.openpty() if self.plant.way == "variables" else os.pipe()  # on a terminal the log looks otherwise
        environment = {**os.environ, "NO_COLOR": "1", **self.plant.variables}
        self.service = subprocess.Popen(command, stdout=writing, stderr=writing, cwd=ROOT, env=environment)
        os.close(writing)
        self._reader = threading.Thread(target=self._read, args=(reading,), name=f"log-{self.plant.way}")
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.send_signal(signal.SIGTERM)
        self.service.wait(30)
        self._reader.join(10)

    def _read(self, source: int) -> None:
        with open(source, "rb", buffering=0) as log:
            while True:
                try:
                    piece = log.read(65536)
                except OSError:  # how a terminal says that the other side is gone
                    return
                if not piece:
                    return
                self.logged += piece.decode("utf-8", "replace")

    def until(self, *events: str) -> str:
        """Wait for log lines with all of these words; the address of the page."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(r'"?page"?[=:] ?"?(http://[\d.:]+/)', self.logged)
            if found and all(event in self.logged for event in events):
                return found[1]
            assert self.service.poll() is None, self.logged
            time.sleep(0.05)
        raise AssertionError(self.logged)

    def ask(self) -> dict[str, str]:
        """Every page, as a stranger and signed in, and what a wrong token gets."""
        page = self.until()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar()))

        def get(name: str, **fields: str) -> str:
            form = urllib.parse.urlencode(fields).encode() if fields else None
            try:
                with opener.open(urllib.request.Request(page + name, form, {"Origin": page.rstrip("/")}), timeout=10) as answer:
                    return f"{answer.headers}{answer.read().decode()}"
            except urllib.error.HTTPError as error:
                return f"{error.code} {error.headers}{error.read().decode()}"

        said = {name: get(name) for name in PAGES}
        said["a wrong token"] = get("sign-in", who="Ann", token=f"{CANARY}-typed-wrongly")
        assert said["a wrong token"].startswith("403"), said["a wrong token"]
        said["signed in"] = get("sign-in", who="Ann", token=self.plant.token)
        said["acknowledged"] = get("acknowledge", incident="nowhere", csrf="wrong")
        return said | {f"{name}, signed in": get(name) for name in PAGES}


def _stored(plant: Plant) -> str:
    """All that the database holds, as text."""
    if plant.database.startswith("sqlite"):
        return "".join(p.read_bytes().decode("latin-1") for p in plant.folder.glob("x.sqlite3*"))
    found: list[str] = []
    with psycopg.connect(plant.database) as conn:
        names = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert len(names) > 10
        for (name,) in names:
            found += [str(row) for row in conn.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))]
    return "\n".join(found)


@pytest.mark.parametrize("status", [200, 403])
async def test_no_receiver_tells_its_secret_in_an_error(
    plant: Plant, answers: list[int], status: int, capsys: pytest.CaptureFixture[str], stakewarden: Run
) -> None:
    """By the outbox, which keeps what went wrong in the database; and by hand, for what it does not ask."""
    answers[0] = status
    configure()
    parts = await asyncio.to_thread(build, read(plant.path))
    parts.store.migrate()
    now = time.time()
    outbox, at = Outbox(parts.receivers, parts.store.run), block(1)
    await parts.store.run(lambda unit: parts.book.admit(unit, [fires("A", at)], Judged(at, now, now)))
    await asyncio.wait_for(outbox.drain(), 30)
    told = [repr(outbox.health), *map(repr, parts.receivers)]
    owed = await parts.store.run(lambda unit: [dict(row) for row in unit.conn.execute(select(DELIVERIES)).mappings()])
    assert len(owed) == len(parts.receivers) >= 8
    for receiver, row in zip(
        parts.receivers, sorted(owed, key=lambda r: [p.name for p in parts.receivers].index(r["receiver"])), strict=True
    ):
        delivery = Delivery(
            row["id"], row["incident"], receiver.name, row["kind"], row["revision"], json.loads(row["body"]), "sending", now, 1
        )
        for attempt in (receiver.check, lambda r=receiver, d=delivery: r.find(d)):
            try:
                told.append(repr(await asyncio.wait_for(attempt(), 8)))
            except Exception as error:
                told.append(f"{error} {error!r} {traceback.format_exc()}")
    assert parts.settings.heartbeat is not None
    beat = Heartbeat(parts.settings.heartbeat, time.time)
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        await beat.beat(client)
    assert (beat.health.sent, beat.health.failed) == ((1, 0) if status == 200 else (0, 1))
    parts.store.close()
    said = capsys.readouterr()
    listed = await asyncio.to_thread(stakewarden, "deliveries", "list", "-s", plant.path)
    assert listed.code == 0 and "slack-place" in listed.out
    assert plant.leaks("\n".join([*told, said.out, said.err, listed.out, listed.err, _stored(plant)])) == []
    assert ("heartbeat.failed" in said.err) == (status == 403)


def test_no_command_tells_a_secret(stakewarden: Run, plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "keyfile").mkdir()
    other = Plant(tmp_path / "keyfile", plant.echo, plant.database, "keyfile")
    for words in (
        ("config", "check", plant.path),
        ("db", "migrate", "-s", plant.path),
        ("db", "check", "-s", plant.path),
        ("doctor", "--json", "-s", plant.path),
        ("roles", "diff", "-s", plant.path),
        ("guardian", "status", "-s", plant.path),
        ("guardian", "pause", "vault", *_own_key(plant), "--reason", "x", "-s", plant.path),
        ("guardian", "calldata", "vault", "-s", plant.path),
        ("dashboards", "push", "--receiver", "grafana-files", "-s", plant.path),
        ("alerts", "list", "-s", plant.path),
        ("silences", "list", "-s", plant.path),
        ("deliveries", "list", "-s", plant.path),
        ("replay", "-s", plant.path),
        ("guardian", "status", "-s", other.path),
        ("guardian", "pause", "vault", "--key-file", other.body["guardian"]["sentinel"]["key_file"], "--reason", "x", "-s", other.path),
    ):
        done = stakewarden(*words)
        assert done.out + done.err and plant.leaks(done.out + done.err) == [], words
        assert "Traceback" not in done.err and "cannot be used" not in done.err and "No such" not in done.err, (words, done.err)


def _own_key(plant: Plant) -> tuple[str, ...]:
    """The sentinel's, as a person would give theirs; the password of the keystore is the same in a file."""
    password = plant.file("password", plant.planted["guardian.sentinel.password_env"])
    return ("--keystore", plant.body["guardian"]["sentinel"]["keystore_file"], "--password-file", str(password))


def test_the_representation_of_the_settings_tells_no_secret(plant: Plant) -> None:
    settings = load(plant.path)
    assert isinstance(settings, Settings)
    assert plant.leaks(repr(settings) + str(settings) + settings.model_dump_json()) == []


def test_a_database_that_refuses_tells_no_password(stakewarden: Run, plant: Plant, telling_database: str) -> None:
    dead = "postgresql://user@127.0.0.1:1/x"
    both = (("run",), ("db", "check"))
    for url, commands in ((telling_database, (*both, ("db", "migrate"), ("doctor",), ("alerts", "list"))), (dead, both)):
        plant.body["store"] = {"url_file": str(plant.file("store", url.replace("@", f":{CANARY}-of-the-database@", 1)))}
        path = plant.write(plant.body)
        for words in commands:
            done = stakewarden(*words, "-s", path)
            said = done.out + done.err
            assert done.code in (1, 2) and plant.leaks(said) == [] and "Traceback" not in said, (words, said)
            assert url is dead or "password <secret> is wrong" in said, (words, said)


SECRET = f"{CANARY}-0123456789abcdef"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *(("store.url", url) for url in (
            SECRET, f"{SECRET}://u@h", f"postgresql://u:{SECRET}@h:port/x", f"postgresql://u:a@{SECRET}@h/x", f"postgresql://u:{SECRET}@h",
            f"mysql://u:{SECRET}@h/x", f"sqlite:///x?key={SECRET}", f"sqlite://u:{SECRET}@h/x",
        )),
        *(("network.execution.0.url", url) for url in (SECRET, f"ftp://{SECRET}", f"http://[{SECRET}", f"http://h:{SECRET}/", f"{SECRET}\n{SECRET}")),
        ("network.execution.0.headers", {"X": [SECRET]}), ("network.execution.0.headers", SECRET), ("network.beacon.0.url", f"http://h:{SECRET}/"),
        ("heartbeat.url", SECRET), ("heartbeat.url", f"ftp://{SECRET}/"), ("heartbeat.url", f"http://h:{SECRET}/"), ("heartbeat", SECRET),
        ("web.token", CANARY), ("web.token", [SECRET]), ("receivers.0.token", SECRET), ("receivers.0.token", {SECRET[:4]: SECRET}),
        ("receivers.2.token", f"{SECRET} {SECRET}"), ("receivers.2.url", f"http://u:{SECRET}@h/"),
        ("receivers.4.urls", [f"h/{SECRET}"]), ("receivers.4.urls", f"http://h/{SECRET}"), ("receivers.4.token", f"{SECRET}\u00e9"),
        ("receivers.6.secret", CANARY), ("receivers.6.url", SECRET), ("receivers", SECRET), ("guardian.sentinel", {"env": "0x" + b"c0ffee5ecret".hex()}),
        ("guardian.sentinel", {"env": SECRET}), ("guardian.sentinel", SECRET), ("guardian.sentinel", {"key": SECRET}),
    ],
)  # fmt: skip
def test_a_secret_in_the_wrong_place_or_shape_is_not_repeated(stakewarden: Run, plant: Plant, where: str, value: object) -> None:
    *way, last = where.split(".")
    place = plant.body
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    refused(stakewarden, plant, plant.write(plant.body))


def test_a_file_that_holds_something_else_is_named_and_not_repeated(stakewarden: Run, planter: Planter) -> None:
    """Whatever the setting. What a file may hold besides is each setting's own affair."""
    filed, keyed = planter("files"), planter("keyfile")
    for field in (
        c for c in CARRIERS if c.endswith("_file") and not c.endswith(("ca_file", "levers_file")) and c in filed.filled | keyed.filled
    ):
        plant = filed if field in filed.filled else keyed
        path = plant.folder / re.sub(r"[^\w.]+", "_", field)
        kept = path.read_bytes()
        for never in (SECRET.encode() + b"\xff", SECRET.encode() * 6000, b" \n"):
            path.write_bytes(never)
            assert f"_file {path} " in refused(stakewarden, plant, plant.path), (field, never[:9])
        for perhaps in (f"{SECRET}\n{SECRET}é {SECRET}", f"{{{SECRET}"):
            path.write_text(perhaps)
            done = stakewarden("config", "check", plant.path)
            assert plant.leaks(done.out + done.err) == [] and "Traceback" not in done.err, (field, perhaps)
        path.write_bytes(kept)
    assert stakewarden("config", "check", filed.path).code == stakewarden("config", "check", keyed.path).code == 0


def test_certificates_that_are_something_else_are_refused_and_not_repeated(stakewarden: Run, planter: Planter) -> None:
    plant = planter("remote")
    for path in sorted(plant.folder.glob("guardian.sentinel.remote.*.pem")):
        kept = path.read_bytes()
        path.write_text(f"{SECRET}\n{kept.decode()[:40]}")
        assert "guardian.sentinel: remote: its certificates cannot be used" in refused(stakewarden, plant, plant.path), path.name
        path.write_bytes(kept)
    assert stakewarden("config", "check", plant.path).code == 0


@pytest.mark.parametrize(
    "written", [f"*{SECRET}", f"!{SECRET} x", f"!{SECRET}!x y", f"!!int {SECRET}", f"!!float {SECRET}", f"!!timestamp {SECRET}", f"!!binary {SECRET}é",
                f"%{SECRET}", f"[{SECRET}", f"'{SECRET}", f"x: {SECRET}", f'"\\x{SECRET}"', f"!!python/object:{SECRET} x", f"{{<<: {SECRET}}}"]
)  # fmt: skip
def test_a_secret_that_is_no_yaml_without_quotes_is_not_repeated(stakewarden: Run, plant: Plant, written: str) -> None:
    refused(stakewarden, plant, plant.write(plant.path.read_text().replace("  port: 0", f"  port: 0\n  token_file: {written}")))


def refused(stakewarden: Run, plant: Plant, path: Path) -> str:
    """The settings are refused in words, which are given back, and nothing planted is among them."""
    done = stakewarden("config", "check", path)
    assert done.code == 2 and done.err and "Traceback" not in done.err, done.err
    assert plant.leaks(done.out + done.err) == [], done.err
    return done.err
