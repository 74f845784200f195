"""The signed webhook against a far end that misbehaves: what is sent, what each failure means, and that it is told once to who checks ids."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.alerts.outbox import Clock, Outbox, Patience
from monitor.model import Delivery, Receipt, Refused, Unavailable, Unsure
from monitor.receivers.post import seconds
from monitor.receivers.webhook import WebhookReceiver, WebhookSettings, message, sign
from tests.alerts.making import Desk, Unit, block, ends, engine_at, fires
from tests.receivers.far_end import FarEnd

KEY = "0123456789abcdef0123456789abcdef"
PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")


@pytest.fixture
async def far() -> AsyncIterator[FarEnd]:
    async with FarEnd() as far:
        yield far


def webhook(far: FarEnd, **more: Any) -> WebhookReceiver:
    own: dict[str, Any] = {"kind": "webhook", "url": f"{far.url}/in?key=SECRETPATH", "secret": KEY, "timeout_seconds": 10}
    return WebhookReceiver(WebhookSettings(**(own | more)))


@pytest.fixture
def owed(tmp_path: Path) -> dict[str, Delivery]:
    """An incident's three messages: open, note, close."""
    desk = Desk(engine_at(tmp_path / "book.db"))
    desk.admit(block(1), fires("A", block(1)))
    desk.admit(block(2), ends("A", block(2)))
    return {
        d["kind"]: Delivery(d["id"], d["incident"], "webhook", d["kind"], d["revision"], d["body"], "sending", 1.0, 1) for d in desk.owed()
    }


def verifier() -> Any:
    """The function ``verified`` of the documentation."""
    space: dict[str, Any] = {}
    (code,) = re.findall(r"```python\n(.*?def verified.*?)```", PAGE, re.DOTALL)
    exec(code, space)
    return space["verified"]


# ---------------------------------------------------------------- what is sent


async def test_each_message_is_one_signed_post_of_the_account(far: FarEnd, owed: dict[str, Delivery]) -> None:
    for kind in ("open", "note", "close"):
        assert isinstance(await webhook(far).deliver(owed[kind]), Receipt)
    bodies = [json.loads(r.body) for r in far.requests]
    assert [(b["kind"], b["revision"], b["version"]) for b in bodies] == [("open", 1, 1), ("note", 2, 1), ("close", 2, 1)]
    assert len({b["delivery"] for b in bodies}) == 3
    assert len({b["incident"] for b in bodies}) == 1
    first = far.requests[0]
    assert (first.method, first.path, first.headers["content-type"]) == ("POST", "/in?key=SECRETPATH", "application/json")
    assert first.headers["x-stakewarden-delivery"] == bodies[0]["delivery"]
    assert bodies[0]["account"]["title"] == "A is broken"
    assert bodies[0]["account"]["alerts"][0]["since"]["block"] == 1
    assert bodies[1]["note"]["lines"][0].startswith("Resolved at block 2")
    assert bodies[2]["account"]["state"] == "resolved"


async def test_the_verifier_of_the_documentation_takes_what_is_ours_and_nothing_else(far: FarEnd, owed: dict[str, Delivery]) -> None:
    verified = verifier()
    await webhook(far).deliver(owed["open"])
    sent = far.requests[0]
    headers, now = sent.headers, time.time()
    assert verified(KEY.encode(), headers, sent.body, now)
    assert not verified(b"another key of some length", headers, sent.body, now)
    assert not verified(KEY.encode(), headers, sent.body.replace(b"lido", b"evil"), now)
    assert not verified(KEY.encode(), headers, sent.body, now + 301), "replayed later"
    assert not verified(KEY.encode(), {**headers, "x-stakewarden-timestamp": str(int(now) + 1)}, sent.body, now), "the time is signed too"
    assert not verified(KEY.encode(), {}, sent.body, now)
    assert not verified(KEY.encode(), {**headers, "x-stakewarden-timestamp": "soon"}, sent.body, now)


async def test_two_keys_sign_while_one_is_exchanged(far: FarEnd, owed: dict[str, Delivery], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("the-new-key-0123456789\nthe-old-key-0123456789\n")
    receiver = webhook(far, secret=None, secret_file=tmp_path / "keys")
    await receiver.deliver(owed["open"])
    sent, verified = far.requests[0], verifier()
    for key in (b"the-new-key-0123456789", b"the-old-key-0123456789"):
        assert verified(key, sent.headers, sent.body, time.time())
    (tmp_path / "keys").write_text("the-new-key-0123456789\n")
    await receiver.deliver(owed["open"])
    assert not verified(b"the-old-key-0123456789", far.requests[1].headers, far.requests[1].body, time.time())


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_signature_is_good_for_one_body_and_one_time(body: bytes, other: bytes, at: int, later: int) -> None:
    one, two = sign([KEY.encode()], str(at), body), sign([KEY.encode()], str(later), other)
    assert (one == two) == ((at, body) == (later, other))


async def test_a_token_goes_along_and_proxies_of_the_environment_do_not_matter(
    far: FarEnd, owed: dict[str, Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await webhook(far, token="bearer-secret").deliver(owed["open"])
    assert far.requests[0].headers["authorization"] == "Bearer bearer-secret"


# ---------------------------------------------------------------- what each failure means


@pytest.mark.parametrize(
    ("how", "error", "says", "reached"),
    [
        (500, Unavailable, "HTTP 500", 1),
        (503, Unavailable, "HTTP 503", 1),
        (599, Unavailable, "HTTP 599", 1),
        (408, Unavailable, "HTTP 408", 1),
        ((429, "Retry-After: 7"), Unavailable, "HTTP 429", 1),
        ("drop", Unsure, "RemoteProtocolError", 1),
        ("reset", Unsure, "posting: ", 0),
        ("hang", Unsure, "posting: ", 1),
        ("garbage", Unsure, "RemoteProtocolError", 1),
        ("trickle", Unsure, "posting: ", 1),
        ("flood", Refused, "HTTP 400", 1),
        (401, Refused, "check the token and the secret", 1),
        (404, Refused, "check the address", 1),
        (422, Refused, "cannot use this message", 1),
        ((307, "Location: http://elsewhere.example/"), Refused, "redirects are not followed", 1),
    ],
)
async def test_each_failure_has_its_meaning(
    far: FarEnd, owed: dict[str, Delivery], how: object, error: type[Exception], says: str, reached: int
) -> None:
    far.script.append(how)
    with pytest.raises(error, match=says) as caught:
        await webhook(far, timeout_seconds=1 if how in ("hang", "trickle") else 10).deliver(owed["open"])
    assert len(far.requests) == reached
    assert "SECRETPATH" not in f"{caught.value}{caught.value!r}"
    if isinstance(caught.value, Refused):
        assert caught.value.fatal == (how != 422)
    if isinstance(caught.value, Unavailable):
        assert caught.value.retry_after == (7.0 if how == (429, "Retry-After: 7") else None)


async def test_nobody_there_is_certainly_not_sent(owed: dict[str, Delivery]) -> None:
    async with FarEnd() as gone:
        receiver = webhook(gone)
    with pytest.raises(Unavailable, match="no connection"):
        await receiver.deliver(owed["open"])


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=here -addext subjectAltName=IP:127.0.0.1 -days 2"
    subprocess.run(["openssl", *made.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


async def test_an_untrusted_certificate_is_named_and_an_own_authority_is_trusted(
    owed: dict[str, Delivery], certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with FarEnd(tls=context) as far:
        with pytest.raises(Unavailable, match="certificate is not trusted"):
            await webhook(far, timeout_seconds=5).deliver(owed["open"])
        await webhook(far, timeout_seconds=5, ca_file=certificate[0]).deliver(owed["open"])
        assert len(far.requests) == 1


@given(st.one_of(st.text(max_size=30), st.floats().map(str), st.just("Wed, 21 Oct 2026 07:28:00 GMT")))
def test_any_retry_after_is_a_bounded_wait_or_none(said: str) -> None:
    wait = seconds(said, 1_790_000_000.0)
    assert wait is None or 0 <= wait <= 3600


# ---------------------------------------------------------------- through the outbox


class _Now(Clock):
    at = 0.0

    def now(self) -> float:
        return self.at


async def test_a_message_of_unknown_outcome_comes_again_with_the_same_id(far: FarEnd, tmp_path: Path) -> None:
    """Taken and dropped, refused for a while, hung: the far end that keeps ids has each message once, in order."""
    desk = Desk(engine_at(tmp_path / "book.db"))
    clock = _Now()

    async def run(work: Any) -> Any:
        with desk.engine.begin() as conn:
            return work(Unit(conn))

    outbox = Outbox([webhook(far, name="slack", timeout_seconds=1)], run, clock, Patience(attempt=5))
    for at, moved in ((block(1), fires("A", block(1))), (block(2), ends("A", block(2)))):
        far.script.extend(["drop", "drop", 503, "hang"])
        desk.admit(at, moved)
        clock.at = max(clock.at, at.timestamp + 1.0)
        while not all(d["state"] == "sent" for d in desk.owed()):
            await outbox.drain()
            clock.at += 61
    seen = [json.loads(r.body) for r in far.requests]
    firsts = [b for i, b in enumerate(seen) if b["delivery"] not in [s["delivery"] for s in seen[:i]]]
    assert [b["kind"] for b in firsts] == ["open", "close", "note"]
    assert len(seen) >= 11


async def test_it_is_never_sure_of_what_nobody_can_say(far: FarEnd, owed: dict[str, Delivery]) -> None:
    assert await webhook(far).find(replace(owed["open"], attempted_at=time.time())) is None


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": None}, "url_file"),
        ({"url_file": "x"}, "url_file"),
        ({"secret": None}, "secret_file"),
        ({"secret_file": "x"}, "secret_file"),
        ({"url": "ftp://SECRETPATH"}, "must be a web address"),
        ({"url": "http://"}, "must be a web address"),
        ({"token": "a", "token_file": "b"}, "token_file"),
        ({"adress": "x"}, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_settings_is_named_and_no_secret_shown(far: FarEnd, wrong: dict[str, Any], says: str) -> None:
    own: dict[str, Any] = {"kind": "webhook", "url": "https://x.example/SECRETPATH", "secret": KEY}
    with pytest.raises(ValidationError, match=says) as caught:
        WebhookSettings(**(own | wrong))
    assert "SECRETPATH" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"secret": "short"}, "openssl rand"),
        ({"secret": None, "secret_file": "/nowhere/key"}, "check its path"),
        ({"token": "two words"}, "no header can carry"),
        ({"ca_file": "/nowhere/ca.pem"}, "PEM certificates"),
        ({"url": None, "url_file": "/nowhere/url"}, "check its path"),
    ],
)
async def test_what_cannot_work_is_said_at_the_start(far: FarEnd, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        await webhook(far, **wrong).check()


async def test_a_plain_address_is_warned_of(far: FarEnd) -> None:
    assert "not https" in (await webhook(far).check())["warnings"][0]
    assert (await webhook(far, url="https://hooks.example/x").check())["warnings"] == []
    assert repr(webhook(far)) == "WebhookReceiver(name='webhook')"


def test_the_message_is_plain_json_of_ours(owed: dict[str, Delivery]) -> None:
    body = json.loads(message(owed["open"]))
    assert list(body) == ["version", "delivery", "kind", "incident", "revision", "note", "account"]
