"""What the page takes from people: sign-in, acknowledgement, silences. Every form is checked for size, origin, session and form token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.alerts import CommandRefused
from monitor.web import people
from monitor.web.document import Viewer
from monitor.web.session import LASTS, MAX_NAME, Gate, Session
from monitor.web.view import StatusView

log = structlog.get_logger()

COOKIE = "stakewarden_session"
MAX_BODY = 16 << 10
MAX_FIELDS = 20
MAX_SILENCE = 30 * 86_400
WAIT_AFTER_WRONG = 1.0
"""Seconds that a wrong token costs, one after the other: at most one guess a second, from however many addresses."""
MAX_WAITING = 20


class Commands(Protocol):
    """What people may do. Each raises CommandRefused with what is wrong and what to do instead."""

    async def acknowledge(self, incident: str, who: str, why: str) -> None: ...
    async def silence(self, matchers: Sequence[str], who: str, seconds: float, why: str) -> str: ...
    async def end_silence(self, silence: str, who: str) -> None: ...


class NotTaken(Exception):
    """A form that is not acted on: status and reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Forms:
    """The routes that take forms. ``headers`` go with every answer."""

    def __init__(
        self, status: Callable[[], Awaitable[StatusView]], commands: Commands | None, gate: Gate, headers: dict[str, str], wait: float = WAIT_AFTER_WRONG
    ) -> None:  # fmt: skip
        self._status, self._commands, self._gate, self._headers, self._wait = status, commands, gate, headers, wait
        self._guessing = asyncio.Lock()
        self._waiting = 0

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self._sign_in_page, methods=["GET"]),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/silences", self._silences_page, methods=["GET"]),
            Route("/silences", self._silence, methods=["POST"]),
            Route("/silences/end", self._end_silence, methods=["POST"]),
            Route("/acknowledge", self._acknowledge, methods=["POST"]),
        ]

    def viewer(self, request: Request) -> Viewer:
        """Who looks at a page."""
        found = self._session(request)
        return Viewer(may=self._gate.open and self._commands is not None) if found is None else Viewer(found.who, found.csrf, True)

    def _session(self, request: Request) -> Session | None:
        return None if self._commands is None else self._gate.session(request.cookies.get(COOKIE), time.time())

    # ------------------------------------------------------------ signing in

    async def _sign_in_page(self, request: Request) -> Response:
        following = _local(request.query_params.get("next", ""))
        return self._page(people.sign_in(await self._status(), self.viewer(request), following))

    async def _sign_in(self, request: Request) -> Response:
        try:
            fields = await _fields(request)
        except NotTaken as wrong:
            return await self._refused(request, "Not signed in", wrong)
        who = "".join(c for c in fields.get("who", "") if c.isprintable()).strip()[:MAX_NAME]
        following = _local(fields.get("next", ""))
        if not self._gate.open or self._commands is None:
            return await self._refused(request, "Not signed in", NotTaken(403, READ_ONLY))
        if self._waiting >= MAX_WAITING:
            return await self._refused(
                request, "Not signed in", NotTaken(429, "too many wrong tokens are being tried: try again in a minute")
            )
        cookie = await self._admitted(fields.get("token", ""), who) if who else None
        if cookie is None:
            said = (
                "The token is wrong: it is web.token of the settings." if who else "A name is needed: it stands in messages and silences."
            )
            return self._page(people.sign_in(await self._status(), self.viewer(request), following, said, who), 403)
        log.info("web.signed_in", who=who)
        answer = self._back(following or "/")
        answer.set_cookie(COOKIE, cookie, max_age=LASTS, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    async def _admitted(self, token: str, who: str) -> str | None:
        """One at a time: a wrong token makes the next one wait."""
        self._waiting += 1
        try:
            async with self._guessing:
                cookie = self._gate.admit(token, who, time.time())
                if cookie is None:
                    log.warning("web.sign_in_refused", who=who)
                    await asyncio.sleep(self._wait)
                return cookie
        finally:
            self._waiting -= 1

    async def _sign_out(self, request: Request) -> Response:
        try:
            await self._taken(request)
        except NotTaken as wrong:
            return await self._refused(request, "Not signed out", wrong)
        answer = self._back("/")
        answer.delete_cookie(COOKIE)
        return answer

    # ------------------------------------------------------------ commands

    async def _acknowledge(self, request: Request) -> Response:
        try:
            session, commands, fields = await self._taken(request)
            incident = fields.get("incident", "")
            await commands.acknowledge(incident, session.who, fields.get("why", ""))
        except (NotTaken, CommandRefused) as wrong:
            return await self._refused(request, "Not acknowledged", wrong)
        return self._back("/")

    async def _silences_page(self, request: Request) -> Response:
        matchers = request.query_params.getlist("matcher")[:MAX_FIELDS]
        return self._page(people.silences(await self._status(), self.viewer(request), matchers))

    async def _silence(self, request: Request) -> Response:
        fields: dict[str, str] = {}
        try:
            session, commands, fields = await self._taken(request)
            await commands.silence(_matchers(fields), session.who, _seconds(fields), fields.get("why", ""))
        except CommandRefused as wrong:
            view, viewer = await self._status(), self.viewer(request)
            return self._page(people.silences(view, viewer, _matchers(fields), fields.get("why", ""), str(wrong)), 422)
        except NotTaken as wrong:
            return await self._refused(request, "Not silenced", wrong)
        return self._back("/silences")

    async def _end_silence(self, request: Request) -> Response:
        try:
            session, commands, fields = await self._taken(request)
            await commands.end_silence(fields.get("silence", ""), session.who)
        except (NotTaken, CommandRefused) as wrong:
            return await self._refused(request, "Not ended", wrong)
        return self._back("/silences")

    # ------------------------------------------------------------ inner

    async def _taken(self, request: Request) -> tuple[Session, Commands, dict[str, str]]:
        """The session and fields of a form that may be acted on. Raises NotTaken."""
        fields = await _fields(request)
        if self._commands is None or not self._gate.open:
            raise NotTaken(403, READ_ONLY)
        session = self._session(request)
        if session is None:
            raise NotTaken(401, "nobody is signed in, or the session is over: sign in")
        if not self._gate.is_form_of(session, fields.get("csrf", "")):
            raise NotTaken(403, "the form is not of this session: load the page again")
        return session, self._commands, fields

    async def _refused(self, request: Request, title: str, wrong: NotTaken | CommandRefused) -> Response:
        status = wrong.status if isinstance(wrong, NotTaken) else 422
        return self._page(people.refused(await self._status(), self.viewer(request), title, str(wrong)), status)

    def _page(self, text: str, status: int = 200) -> Response:
        return HTMLResponse(text, status_code=status, headers=self._headers)

    def _back(self, where: str) -> Response:
        return RedirectResponse(where, status_code=303, headers=self._headers)


READ_ONLY = "this page is for reading only: the settings have no web.token; the command line can do it"


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form from our own page. Raises NotTaken."""
    _same_origin(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise NotTaken(415, "a form is expected")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise NotTaken(413, f"a form has at most {MAX_BODY} bytes")
    try:
        found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError:
        raise NotTaken(400, "the form cannot be read") from None
    return {name: values[-1] for name, values in found.items()}


def _same_origin(request: Request) -> None:
    """A browser says where a form comes from; another page's is refused, and so is one that does not say."""
    origin, site, host = (request.headers.get(name) for name in ("origin", "sec-fetch-site", "host"))
    try:
        ours = site in (None, "same-origin") if origin is None else urlsplit(origin).netloc == host and bool(host)
    except ValueError:
        ours = False
    if not ours or (origin is None and site is None):
        raise NotTaken(403, "the form was sent from another page: send it from this one")


def _local(path: str) -> str:
    """A path of our own to go on to; anything else becomes empty."""
    fine = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isascii() and path.isprintable()
    return path if fine and len(path) < 500 else ""


def _matchers(fields: dict[str, str]) -> list[str]:
    return [line.strip() for line in fields.get("matchers", "").splitlines() if line.strip()]


def _seconds(fields: dict[str, str]) -> float:
    try:
        found = float(fields.get("seconds", ""))
    except ValueError:
        found = float("nan")
    if not 60 <= found <= MAX_SILENCE:
        raise CommandRefused(f"a silence lasts from a minute to {MAX_SILENCE // 86_400} days")
    return found
