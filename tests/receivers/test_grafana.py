"""The Grafana receiver against the strict fake: what it puts there, what it makes of each failure, and how it finds things again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from monitor.alerts import Book, Links, Outbox, Patience
from monitor.devnet.grafana import TOKEN, FakeGrafana
from monitor.model import Acknowledge, Delivery, Refused, Unavailable, Unsure, labels
from monitor.receivers import grafana_port
from monitor.receivers.grafana import GrafanaReceiver, GrafanaSettings
from tests.alerts.making import START, Desk, Unit, block, ends, engine_at, fires, routes


@pytest.fixture
async def fake() -> AsyncIterator[FakeGrafana]:
    async with FakeGrafana(role="Editor") as fake:
        yield fake


def settings(url: str, **more: Any) -> GrafanaSettings:
    own = {"kind": "grafana", "token": TOKEN, "url": url, "timeout_seconds": 5, "settle_seconds": 0}
    return GrafanaSettings(**(own | more))


@pytest.fixture
def grafana(fake: FakeGrafana) -> GrafanaReceiver:
    return GrafanaReceiver(settings(fake.url))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(engine_at(tmp_path / "book.db"))


def deliveries(desk: Desk) -> list[Delivery]:
    return [
        Delivery(d["id"], d["incident"], "grafana", d["kind"], d["revision"], d["body"], "sending", time.time(), 1) for d in desk.owed()
    ]


@pytest.fixture
def owed(desk: Desk) -> dict[str, Delivery]:
    """An incident's three messages: open, note, close."""
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2)))
    return {d.kind: d for d in deliveries(desk)}


# ---------------------------------------------------------------- what is put there


async def test_an_incident_is_one_annotation_that_becomes_a_region(
    fake: FakeGrafana, grafana: GrafanaReceiver, owed: dict[str, Delivery]
) -> None:
    incident = owed["open"].incident
    remote = (await grafana.deliver(owed["open"])).remote
    (before,) = fake.incidents()
    assert (before["time"], before["timeEnd"]) == ((START + 12) * 1000, (START + 12) * 1000)
    assert before["text"].splitlines()[:2] == ["🚨 A is broken", "Firing · page · lido"]
    assert before["tags"] == [
        "stakewarden", "incident", f"incident:{incident}", "state:firing", "severity:page", "protocol:lido", "alert:A",
    ]  # fmt: skip
    assert (await grafana.deliver(replace(owed["note"], remote=remote))).remote == remote, "its end is the end of the region"
    assert (await grafana.deliver(replace(owed["close"], remote=remote))).remote == remote
    (after,) = fake.incidents()
    assert (after["id"], after["time"], after["timeEnd"]) == (int(remote), before["time"], (START + 24) * 1000)
    assert after["text"].splitlines()[:2] == ["✅ A is broken", "Resolved · page · lido"]
    assert "state:resolved" in after["tags"]
    assert after["data"]["delivery"] == owed["close"].id
    assert len(fake.state.annotations) == 1
    assert fake.rejected == []


async def test_its_text_says_where_the_runbook_and_the_incident_are(fake: FakeGrafana, grafana: GrafanaReceiver, desk: Desk) -> None:
    desk.book = Book(routes(), links=Links("https://stakewarden.example"))
    first = fires("A", block(1))
    desk.admit(block(1), replace(first, annotations=labels(dict(first.annotations), runbook_url="docs/runbooks/lido.md#a")))
    (delivery,) = deliveries(desk)
    await grafana.deliver(delivery)
    (found,) = fake.incidents()
    assert found["text"].splitlines()[-2:] == [
        "runbook https://stakewarden.example/runbooks/lido.md#a",
        f"incident {delivery.incident[:8]} · https://stakewarden.example/incidents/{delivery.incident}",
    ]


async def test_who_took_it_is_a_point_and_a_reminder_is_none(fake: FakeGrafana, grafana: GrafanaReceiver, desk: Desk) -> None:
    desk.admit(block(1), fires("A", block(1)))
    desk.tick(block(1).timestamp + 3700)
    taken = Acknowledge(deliveries(desk)[0].incident, "ann <b>", START + 4000.25, "on it")
    with desk.engine.begin() as conn:
        desk.book.acknowledge(Unit(conn), taken)
    remote = None
    for delivery in deliveries(desk):
        receipt = await grafana.deliver(replace(delivery, remote=remote))
        remote = remote or receipt.remote
    incident, point = (a for _, a in sorted(fake.state.annotations.items()))
    assert "Acknowledged by ann ‹b›" in incident["text"]
    assert point["text"].splitlines() == ["Acknowledged by ann ‹b›: on it.", "about: A is broken"]
    assert point["time"] == point["timeEnd"] == (START + 4000) * 1000 + 250
    assert (
        point["tags"][:2] == ["stakewarden", "note"]
        and "acknowledgement" in point["tags"]
        and f"of:{incident['tags'][2][9:]}" in point["tags"]
    )
    again = next(d for d in deliveries(desk) if d.kind == "note" and d.body["note"]["about"] == "acknowledgement")
    assert (await grafana.deliver(replace(again, remote=remote))).remote == str(point["id"]), "delivered again it is the same point"
    assert len(fake.state.annotations) == 2


async def test_one_that_a_person_deleted_is_put_there_anew_once(
    fake: FakeGrafana, grafana: GrafanaReceiver, owed: dict[str, Delivery]
) -> None:
    remote = (await grafana.deliver(owed["open"])).remote
    fake.state.delete_annotation(int(remote))
    again = (await grafana.deliver(replace(owed["close"], remote=remote))).remote
    assert again != remote
    assert (await grafana.deliver(replace(owed["close"], remote=remote))).remote == again
    (found,) = fake.incidents()
    assert found["timeEnd"] == (START + 24) * 1000


async def test_own_tags_and_the_organisation_and_a_sub_path(owed: dict[str, Delivery]) -> None:
    async with FakeGrafana(prefix="/tools/grafana") as fake:
        seen: list[str | None] = []
        kept = fake._authorise
        fake._authorise = lambda name, request: (seen.append(request.headers.get("X-Grafana-Org-Id")), kept(name, request))[1]  # type: ignore[func-returns-value, method-assign]
        await GrafanaReceiver(settings(fake.url + "/", tags=("mainnet",), org_id=7)).deliver(owed["open"])
        assert fake.incidents()[0]["tags"][3] == "mainnet"
        assert set(seen) == {"7"}


# ---------------------------------------------------------------- what failures mean


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ({"kind": "rate_limited", "seconds": 7}, Unavailable, "429"),
        ({"kind": "server_error"}, Unavailable, "500"),
        ({"kind": "html"}, Unsure, "503"),
        ({"kind": "html", "accepted": True}, Unsure, "503"),
        ({"kind": "garbage"}, Unsure, "JSONDecodeError"),
        ({"kind": "garbage", "accepted": True}, Unsure, "JSONDecodeError"),
        ({"kind": "drop"}, Unsure, "ConnectionError"),
        ({"kind": "drop", "accepted": True}, Unsure, "ConnectionError"),
        ({"kind": "hang", "seconds": 2}, Unsure, "POST /annotations"),
        ({"kind": "hang", "seconds": 2, "accepted": True}, Unsure, "POST /annotations"),
        ({"kind": "error", "error": "401"}, Refused, "make a new token"),
        ({"kind": "error", "error": "403"}, Refused, "the role Editor"),
        ({"kind": "error", "error": "404"}, Refused, "Grafana's own address"),
        ({"kind": "error", "error": "400"}, Refused, "report it"),
        ({"kind": "error", "error": "413"}, Refused, "report it"),
        ({"kind": "error", "error": "408"}, Unsure, "408"),
        ({"kind": "error", "error": "504"}, Unsure, "504"),
    ],
)
async def test_each_failure_has_its_meaning(
    fake: FakeGrafana, grafana: GrafanaReceiver, owed: dict[str, Delivery], fault: dict[str, Any], error: type[Exception], says: str
) -> None:
    if fault["kind"] == "hang":
        grafana = GrafanaReceiver(settings(fake.url, timeout_seconds=0.8))
    fake.fail(operation="postAnnotation", **fault)
    with pytest.raises(error, match=says) as caught:
        await grafana.deliver(owed["open"])
    assert type(caught.value) is error or error is Unsure
    if isinstance(caught.value, Unavailable) and fault["kind"] == "rate_limited":
        assert caught.value.retry_after == 7
    if isinstance(caught.value, Refused):
        assert caught.value.fatal == ("report it" not in says)
    there = fault.get("accepted", False)
    assert len(fake.incidents()) == there
    found = await grafana.find(owed["open"])
    assert (found is not None) == there
    await grafana.deliver(owed["open"])
    assert len(fake.incidents()) == 1


async def test_grafanas_own_failure_after_it_has_accepted_is_settled_by_one_look(
    fake: FakeGrafana, grafana: GrafanaReceiver, owed: dict[str, Delivery]
) -> None:
    fake.fail("server_error", "postAnnotation", accepted=True)
    remote = (await grafana.deliver(owed["open"])).remote
    assert [a["id"] for a in fake.incidents()] == [int(remote)]
    fake.fail("server_error", "patchAnnotation", accepted=True)
    await grafana.deliver(replace(owed["close"], remote=remote))
    fake.fail("server_error", "patchAnnotation")
    with pytest.raises(Unavailable, match="500"):
        await grafana.deliver(replace(owed["open"], remote=remote))
    fake.fail("server_error", "patchAnnotation")
    fake.fail("drop", "getAnnotations")
    with pytest.raises(Unsure, match="500"):
        await grafana.deliver(replace(owed["open"], remote=remote))


async def test_a_look_that_fails_before_anything_is_put_there_leaves_it_certainly_unsent(
    fake: FakeGrafana, owed: dict[str, Delivery]
) -> None:
    grafana = GrafanaReceiver(settings(fake.url, timeout_seconds=0.5))
    for kind in ("drop", "hang", "garbage", "html", "server_error"):
        fake.fail(kind, "getAnnotations", seconds=1)  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await grafana.deliver(owed["open"])
        fake.fail(kind, "getAnnotations", seconds=1)  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await grafana.find(owed["open"])
    assert fake.requests["postAnnotation"] == 0


async def test_nobody_there_is_certainly_not_sent(owed: dict[str, Delivery]) -> None:
    async with FakeGrafana() as gone:
        grafana = GrafanaReceiver(settings(gone.url))
    for attempt in (grafana.deliver(owed["open"]), grafana.find(owed["open"]), grafana.check()):
        with pytest.raises(Unavailable, match="no connection"):
            await attempt


async def test_what_may_still_arrive_is_not_made_again(fake: FakeGrafana, owed: dict[str, Delivery]) -> None:
    grafana = GrafanaReceiver(settings(fake.url, settle_seconds=30))
    with pytest.raises(Unsure, match="may still arrive"):
        await grafana.find(owed["open"])
    assert await grafana.find(replace(owed["open"], attempted_at=time.time() - 31)) is None
    assert await grafana.find(replace(owed["open"], attempted_at=None)) is None
    remote = (await grafana.deliver(owed["open"])).remote
    assert await grafana.find(owed["open"]) is not None
    with pytest.raises(Unsure, match="may still arrive"):
        await grafana.find(replace(owed["close"], remote=remote))
    await grafana.deliver(replace(owed["close"], remote=remote))
    assert await grafana.find(replace(owed["close"], remote=remote)) is not None


async def test_the_outbox_brings_everything_through_a_grafana_that_misbehaves(fake: FakeGrafana, desk: Desk) -> None:
    class Run:
        async def __call__(self, work: Any, /) -> Any:
            with desk.engine.begin() as conn:
                return work(Unit(conn))

    grafana = GrafanaReceiver(settings(fake.url, name="slack", timeout_seconds=0.4))  # by the name that the made-up routes know
    outbox = Outbox([grafana], Run(), patience=Patience(first=0.01, most=0.02, refused=0.02, idle=0.05))
    kinds = ["drop", "server_error", "garbage", "html", "hang"]
    for number, kind in enumerate(kinds, 1):
        desk.admit(block(number), fires(f"A{number}", block(number)), now=time.time())
        for accepted in (True, False):
            fake.fail(kind, "postAnnotation", accepted=accepted, seconds=0.5)  # type: ignore[arg-type]
            fake.fail(kind, "patchAnnotation", accepted=accepted, seconds=0.5)  # type: ignore[arg-type]
    working = asyncio.create_task(outbox.work())
    desk.admit(block(9), *(ends(f"A{number}", block(9)) for number in range(1, 6)), now=time.time())
    outbox.wake()
    async with asyncio.timeout(20):
        while any(d["state"] in ("owed", "sending", "unsure") for d in desk.owed()):  # noqa: ASYNC110 (asks a database)
            await asyncio.sleep(0.02)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert {d["state"] for d in desk.owed()} <= {"sent", "superseded"}
    found = fake.incidents()
    assert sorted(a["tags"][2] for a in found) == sorted({f"incident:{d['incident']}" for d in desk.owed()})
    assert all("state:resolved" in a["tags"] and a["timeEnd"] == (START + 9 * 12) * 1000 for a in found)


# ---------------------------------------------------------------- the door


async def test_an_answer_that_trickles_or_never_ends_holds_up_nothing(owed: dict[str, Delivery]) -> None:
    over = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
            while not over.is_set():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        finally:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        grafana = GrafanaReceiver(settings(f"http://127.0.0.1:{port}", timeout_seconds=0.3))
        for _ in range(grafana_port.MAX_WAITING):
            with pytest.raises(Unavailable, match="TimeoutError"):
                await grafana.deliver(owed["open"])
        with pytest.raises(Unavailable, match="earlier requests"):
            await grafana.deliver(owed["open"])
        assert all(t.daemon for t in threading.enumerate() if t.name == "grafana")
        over.set()
        async with asyncio.timeout(5):
            while grafana._port()._waiting:  # noqa: ASYNC110 (a plain counter)
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serving(reply: Callable[[web.Request], web.Response], tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that answers everything in its own way."""

    async def handle(request: web.Request) -> web.Response:
        return reply(request)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_an_endless_answer_is_cut_off(owed: dict[str, Delivery], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana_port, "MAX_BODY", 50_000)
    async with serving(lambda _: web.Response(text="[" + " " * 200_000 + "]", content_type="application/json")) as url:
        with pytest.raises(Unavailable, match="ReadTimeout"):
            await GrafanaReceiver(settings(url)).deliver(owed["open"])


async def test_redirects_are_not_followed(owed: dict[str, Delivery]) -> None:
    async with serving(lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/login"})) as url:
        with pytest.raises(Refused, match="give the address to which it redirects"):
            await GrafanaReceiver(settings(url)).deliver(owed["open"])


@pytest.mark.parametrize("answer", ["[]", "7", "null", '{"message": 5}', '["message"]', '{"id": "x"}', '{"id": true}'])
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_odd_answer_is_never_taken_for_an_acceptance(owed: dict[str, Delivery], status: int, answer: str) -> None:
    def reply(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response([])
        return web.Response(status=status, text=answer, content_type="application/json")

    async with serving(reply) as url:
        with pytest.raises((Unsure, Refused, Unavailable)):
            await GrafanaReceiver(settings(url)).deliver(owed["open"])


async def test_what_is_not_ours_is_not_changed(owed: dict[str, Delivery]) -> None:
    """A Grafana that knows no tags would answer with everything there is."""
    strangers = [{"id": 3, "tags": ["deploy"]}, {"id": "x", "tags": ["stakewarden"]}, "?", {"id": 4}]

    def reply(request: web.Request) -> web.Response:
        return web.json_response(strangers if request.method == "GET" else {"id": 9, "message": request.method})

    async with serving(reply) as url:
        assert (await GrafanaReceiver(settings(url)).deliver(owed["open"])).remote == "9"


async def test_the_environments_proxy_is_not_used(fake: FakeGrafana, monkeypatch: pytest.MonkeyPatch, owed: dict[str, Delivery]) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await GrafanaReceiver(settings(fake.url)).deliver(owed["open"])
    assert len(fake.incidents()) == 1


async def test_a_certificate_that_nobody_trusts_says_what_to_do(tmp_path: Path) -> None:
    pair = tmp_path / "pair.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    await asyncio.to_thread(
        subprocess.run, ["openssl", *made.split(), "-keyout", str(pair), "-out", str(tmp_path / "ca.pem")], check=True, capture_output=True
    )
    pair.write_text(pair.read_text() + (tmp_path / "ca.pem").read_text())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    async with serving(lambda _: web.json_response([]), context) as url:
        with pytest.raises(Refused, match="name the file with its CA as ca_file"):
            await GrafanaReceiver(settings(url)).check()
        assert await GrafanaReceiver(settings(url, ca_file=tmp_path / "ca.pem")).check() == {"version": "", "warnings": []}
        with pytest.raises(Refused, match="ca_file"):
            await GrafanaReceiver(settings(url, ca_file=tmp_path / "nowhere.pem")).check()


# ---------------------------------------------------------------- the check, and secrets


async def test_the_check_at_the_start_says_what_is_wrong_and_how_to_mend_it(fake: FakeGrafana, grafana: GrafanaReceiver) -> None:
    assert await grafana.check() == {"version": "13.2.0-devnet", "warnings": []}
    fake.token = "another"
    with pytest.raises(Refused, match="make a new token"):
        await grafana.check()
    with pytest.raises(Refused, match="Grafana's own address"):
        await GrafanaReceiver(settings(fake.url + "/nowhere")).check()


async def test_a_viewers_token_is_refused_when_it_writes(fake: FakeGrafana, grafana: GrafanaReceiver, owed: dict[str, Delivery]) -> None:
    fake.role = "Viewer"
    await grafana.check()
    with pytest.raises(Refused, match="the role Editor"):
        await grafana.deliver(owed["open"])


async def test_the_token_is_in_no_log_and_no_repr(
    fake: FakeGrafana,
    grafana: GrafanaReceiver,
    owed: dict[str, Delivery],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    await grafana.deliver(owed["open"])
    said = ""
    for kind in ("drop", "html", "error", "garbage"):
        fake.fail(kind, error="401")  # type: ignore[arg-type]
        with pytest.raises((Refused, Unavailable, Unsure)) as caught:
            await grafana.check()
        said += f"{caught.value!r}{caught.value.__cause__!r}"
    said += caplog.text + "".join(capsys.readouterr()) + repr(grafana) + repr(grafana._settings) + repr(grafana._port())
    assert TOKEN not in said


def test_the_token_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    from_file = GrafanaSettings(kind="grafana", url="http://grafana", token_file=path)
    with pytest.raises(Refused, match="is not there"):
        from_file.secret()
    path.write_text("glsa_abc\n")
    assert from_file.secret() == "glsa_abc"
    for bad in ("glsa a", "glsä"):
        with pytest.raises(Refused, match="no token of Grafana"):
            GrafanaSettings(kind="grafana", url="http://grafana", token=SecretStr(bad)).secret()
