"""Where other sentinels read what this one signed. Only who knows the token is told: a signed order says that a pause is coming."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PATH = "/guardian/orders"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def orders(posted: Callable[[], Awaitable[bytes]], token: str) -> Route:
    """The route that serves ``posted`` (JSON bytes, made anew for each request) to who sends the token as a bearer."""
    wanted = f"Bearer {token}".encode()

    async def serve(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode("utf-8", "surrogatepass"), wanted):
            return PlainTextResponse("this needs the sentinels' token\n", 401, {**_HEADERS, "WWW-Authenticate": "Bearer"})
        return Response(await posted(), media_type="application/json", headers=_HEADERS)

    return Route(PATH, serve, methods=["GET"])
