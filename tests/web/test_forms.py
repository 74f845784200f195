"""What people do on the page: only who knew the token, only from our own page, and whatever is sent, no 500 and no half deed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts import CommandRefused
from monitor.web import app as web
from monitor.web.app import Face, app
from monitor.web.exposition import Sample
from monitor.web.forms import COOKIE, MAX_BODY, MAX_WAITING
from monitor.web.session import LASTS, Gate
from monitor.web.view import StatusView
from tests.web.views import NIGHT

TOKEN = "correct horse battery staple"
HERE = {"origin": "http://page"}
OPEN = str(NIGHT.incidents[0]["id"])


class Done:
    """The commands that arrived; ``broken`` makes each fail as the book would."""

    def __init__(self, broken: str = "") -> None:
        self.all: list[tuple[Any, ...]] = []
        self.broken = broken

    async def acknowledge(self, incident: str, who: str, why: str) -> None:
        self._note("acknowledge", incident, who, why)

    async def silence(self, matchers: Sequence[str], who: str, seconds: float, why: str) -> str:
        self._note("silence", tuple(matchers), who, seconds, why)
        return "5111"

    async def end_silence(self, silence: str, who: str) -> None:
        self._note("end", silence, who)

    def _note(self, *command: Any) -> None:
        if self.broken:
            raise CommandRefused(self.broken)
        self.all.append(command)


def visit(done: Done, work: Callable[[httpx.AsyncClient], Awaitable[Any]], token: str | None = TOKEN, wait: float = 0.0) -> Any:
    """Run ``work`` with a browser of its own on the page."""

    async def status() -> StatusView:
        return NIGHT

    async def metrics() -> Iterable[Sample]:
        return ()

    async def ask() -> Any:
        made = app(Face(status, metrics, lambda: None, done, token), wait)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://page") as client:
            return await work(client)

    return asyncio.run(ask())


async def sign_in(client: httpx.AsyncClient, who: str = "ann", token: str = TOKEN, **more: str) -> httpx.Response:
    return await client.post("/sign-in", data={"who": who, "token": token, **more}, headers=HERE)


async def csrf_of(client: httpx.AsyncClient) -> str:
    found = re.search("name=csrf value='([0-9a-f]+)'", (await client.get("/")).text)
    assert found is not None
    return found[1]


def test_who_signed_in_takes_an_incident_with_one_form() -> None:
    done = Done()

    async def work(client: httpx.AsyncClient) -> None:
        signed = await sign_in(client, next="/silences")
        assert (signed.status_code, signed.headers["location"]) == (303, "/silences")
        flags = signed.headers["set-cookie"].lower()
        assert "httponly" in flags and "samesite=strict" in flags and TOKEN not in flags
        csrf = await csrf_of(client)
        taken = await client.post("/acknowledge", data={"incident": OPEN, "why": "calling", "csrf": csrf}, headers=HERE)
        assert (taken.status_code, taken.headers["location"]) == (303, "/")
        fields = {"matchers": 'alertname="X"\r\n protocol="lido" \n', "seconds": "7200", "why": "works", "csrf": csrf}
        assert (await client.post("/silences", data=fields, headers=HERE)).headers["location"] == "/silences"
        assert (await client.post("/silences/end", data={"silence": "5111", "csrf": csrf}, headers=HERE)).status_code == 303
        assert (await client.post("/sign-out", data={"csrf": csrf}, headers=HERE)).status_code == 303
        assert "ann: sign out" not in (await client.get("/")).text

    visit(done, work)
    assert done.all == [
        ("acknowledge", OPEN, "ann", "calling"),
        ("silence", ('alertname="X"', 'protocol="lido"'), "ann", 7200.0, "works"),
        ("end", "5111", "ann"),
    ]


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://page.evil.example"}, {"origin": "http://[bad"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}])  # fmt: skip
def test_a_form_from_elsewhere_is_refused_even_with_cookie_and_token(headers: dict[str, str]) -> None:
    done = Done()

    async def work(client: httpx.AsyncClient) -> None:
        await sign_in(client)
        body = {"incident": OPEN, "csrf": await csrf_of(client)}
        refused = await client.post("/acknowledge", data=body, headers=headers)
        assert refused.status_code == 403 and "another page" in refused.text
        assert (await client.post("/sign-in", data={"who": "x", "token": TOKEN}, headers=headers)).status_code == 403

    visit(done, work)
    assert done.all == []


def test_without_session_or_form_token_nothing_is_done() -> None:
    done = Done()

    async def work(client: httpx.AsyncClient) -> None:
        assert (await client.post("/acknowledge", data={"incident": OPEN}, headers=HERE)).status_code == 401
        await sign_in(client)
        csrf = await csrf_of(client)
        for wrong in ("", csrf[:-1], csrf[::-1], "\u00e9"):
            assert (await client.post("/acknowledge", data={"incident": OPEN, "csrf": wrong}, headers=HERE)).status_code == 403
        await client.get("/acknowledge")
        client.cookies.set(COOKIE, client.cookies[COOKIE][:-2] + "00")
        assert (await client.post("/acknowledge", data={"incident": OPEN, "csrf": csrf}, headers=HERE)).status_code == 401

    visit(done, work)
    assert done.all == []


def test_another_sessions_form_token_does_not_do() -> None:
    async def work(client: httpx.AsyncClient) -> tuple[str, str]:
        await sign_in(client, "ann")
        first = await csrf_of(client)
        await sign_in(client, "bob")
        refused = await client.post("/acknowledge", data={"incident": OPEN, "csrf": first}, headers=HERE)
        assert refused.status_code == 403
        return first, await csrf_of(client)

    first, second = visit(Done(), work)
    assert first != second


def test_a_wrong_token_costs_time_one_guess_after_the_other() -> None:
    async def work(client: httpx.AsyncClient) -> None:
        begun = time.monotonic()
        answers = await asyncio.gather(*(sign_in(client, token=f"guess {i}") for i in range(4)))
        assert time.monotonic() - begun >= 0.2 and {a.status_code for a in answers} == {403}
        assert all("set-cookie" not in a.headers and "The token is wrong" in a.text for a in answers)
        crowd = await asyncio.gather(*(sign_in(client, token="guess") for _ in range(MAX_WAITING + 5)))
        assert sum(a.status_code == 429 for a in crowd) == 5

    visit(Done(), work, wait=0.05)


def test_what_the_book_refuses_is_said_with_what_was_written() -> None:
    async def work(client: httpx.AsyncClient) -> None:
        await sign_in(client)
        csrf = await csrf_of(client)
        fields = {"matchers": "protocol lido", "seconds": "7200", "why": "works <b>", "csrf": csrf}
        refused = await client.post("/silences", data=fields, headers=HERE)
        assert refused.status_code == 422 and "is not of the form" in refused.text
        assert ">protocol lido</textarea>" in refused.text and "value='works &lt;b&gt;'" in refused.text
        gone = await client.post("/acknowledge", data={"incident": "no", "csrf": csrf}, headers=HERE)
        assert gone.status_code == 422 and "is not of the form" in gone.text
        for seconds in ("", "nan", "inf", "-1", "59", "1e9", "x"):
            wrong = await client.post("/silences", data=fields | {"seconds": seconds}, headers=HERE)
            assert wrong.status_code == 422 and "from a minute to 30 days" in wrong.text

    visit(Done("matcher is not of the form"), work)


@pytest.mark.parametrize(
    "following", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "x", "/" + "a" * 600]
)
def test_signing_in_leads_nowhere_else(following: str) -> None:
    async def work(client: httpx.AsyncClient) -> str:
        page = (await client.get("/sign-in?next=" + quote(following))).text
        assert "value=''" in page
        return str((await sign_in(client, next=following)).headers["location"])

    assert visit(Done(), work) == "/"


def test_too_long_and_not_a_form_are_refused() -> None:
    async def work(client: httpx.AsyncClient) -> None:
        form = HERE | {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post("/acknowledge", content=b"a" * (MAX_BODY + 1), headers=form)).status_code == 413
        assert (await client.post("/acknowledge", content=b"{}", headers=HERE | {"content-type": "application/json"})).status_code == 415
        assert (await client.post("/acknowledge", content=b"\xff=\xfe", headers=form)).status_code == 400
        assert (await client.post("/acknowledge", content=b"a=1&" * 100, headers=form)).status_code == 400

    visit(Done(), work)


FIELD = st.sampled_from(["incident", "why", "csrf", "who", "token", "matchers", "seconds", "silence", "next"])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["/acknowledge", "/silences", "/silences/end", "/sign-in", "/sign-out"]),
    st.dictionaries(FIELD, st.text(max_size=30), max_size=5),
    st.binary(max_size=10),
    st.booleans(),
)
def test_no_form_makes_a_500(path: str, fields: dict[str, str], junk: bytes, signed: bool) -> None:
    async def work(client: httpx.AsyncClient) -> int:
        body = urlencode({k: v.encode("utf-8", "replace") for k, v in fields.items()}).encode() + junk
        if signed:
            await sign_in(client)
            body = urlencode({"csrf": await csrf_of(client)}).encode() + b"&" + body
        answer = await client.post(path, content=body, headers=HERE | {"content-type": "application/x-www-form-urlencoded"})
        return answer.status_code

    assert visit(Done(), work) in (303, 400, 401, 403, 413, 415, 422)


def test_a_session_ends_by_time_by_another_token_and_with_any_change_of_its_cookie() -> None:
    gate, now = Gate(TOKEN), 1_700_000_000.0
    cookie = gate.admit(TOKEN, "ann", now)
    assert cookie is not None
    found = gate.session(cookie, now + LASTS - 1)
    assert found is not None and found.who == "ann" and gate.is_form_of(found, found.csrf)
    assert gate.session(cookie, now + LASTS) is None
    assert Gate(TOKEN + "x").session(cookie, now) is None and Gate(None).session(cookie, now) is None
    restarted = Gate(TOKEN).session(cookie, now)
    assert restarted == found
    assert Gate(None).admit("", "ann", now) is None and not Gate(None).open


@given(st.text(max_size=200), st.integers(0, 60), st.characters(codec="ascii"))
def test_no_cookie_that_we_did_not_sign_is_a_session(text: str, place: int, letter: str) -> None:
    gate, now = Gate(TOKEN), 1_700_000_000.0
    cookie = gate.admit(TOKEN, "ann", now) or ""
    changed = cookie[:place] + letter + cookie[place + 1 :]
    assert gate.session(text, now) is None
    assert changed == cookie or gate.session(changed, now) is None


def test_the_policy_names_this_very_script_and_style() -> None:
    assert web.HEADERS["Content-Security-Policy"].count("sha256-") == 2
