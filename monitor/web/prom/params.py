"""What a request asks for: parameters of the address and of a form, times, durations, and the errors of Prometheus' API."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.requests import Request

MAX_BODY = 1 << 20
MAX_PARAMETERS = 1_000
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_SECONDS = (31_536_000, 604_800, 86_400, 3_600, 60, 1, 0.001)
_FAR = 1e11
"""Seconds: times beyond are a slip, such as milliseconds."""


class ApiError(Exception):
    """An answer that says what is wrong. ``kind`` is Prometheus' errorType."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


def bad(name: str, why: str) -> ApiError:
    """A parameter that cannot be used."""
    return ApiError(400, "bad_data", f'invalid parameter "{name}": {why}')


class Params:
    """All parameters of a request, by name, in order; those of the address come first."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self.path = ""
        """What the address itself names, such as a label."""

    @classmethod
    async def of(cls, request: Request) -> Params:
        """Raises ApiError for a body that is no form, or too large."""
        query = request.url.query
        body = b""
        if request.method == "POST":
            kind = request.headers.get("content-type", "application/x-www-form-urlencoded").split(";")[0].strip().lower()
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise ApiError(413, "bad_data", f"the body has more than {MAX_BODY} bytes")
            if body and kind != "application/x-www-form-urlencoded":
                raise ApiError(400, "bad_data", f'the body is "{kind[:60]}"; send application/x-www-form-urlencoded')
        try:
            pairs = [
                pair
                for text in (query, body.decode("utf-8"))
                for pair in parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
            ]
        except ValueError as error:
            raise ApiError(400, "bad_data", f"the parameters cannot be read: {error}") from None
        return cls(pairs)

    def text(self, name: str) -> str:
        """The first value; empty when there is none."""
        return next((v for k, v in self._pairs if k == name), "")

    def all(self, name: str) -> list[str]:
        return [v for k, v in self._pairs if k == name]

    def time(self, name: str, default: float | None = None) -> float:
        """Unix seconds, from a number or RFC 3339, to the millisecond. Raises ApiError."""
        text = self.text(name)
        if not text and default is not None:
            return default
        found = _time(text)
        if found is None:
            raise bad(name, f'cannot parse "{text[:60]}" to a valid timestamp')
        if abs(found) > _FAR:
            raise bad(name, f'"{text[:60]}" is no time in seconds')
        return round(found, 3)

    def duration(self, name: str) -> float:
        """Seconds, from a number or a duration such as ``1m30s``. Raises ApiError."""
        text = self.text(name)
        found = seconds_of(text)
        if found is None or found > _FAR:
            raise bad(name, f'cannot parse "{text[:60]}" to a valid duration')
        return found

    def limit(self, name: str = "limit") -> int | None:
        """How many results are wanted; None: all. Raises ApiError."""
        text = self.text(name)
        if not text:
            return None
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or int(text) < 0:
            raise bad(name, f'"{text[:60]}" is not a number of results, 0 for all')
        return int(text) or None


def seconds_of(text: str) -> float | None:
    """The seconds of a number or a duration; None for what is neither."""
    try:
        found = float(text)
        return found if found == found and abs(found) != float("inf") else None
    except ValueError:
        matched = _DURATION.fullmatch(text) if text and len(text) < 60 else None
    if matched is None:
        return None
    return sum(int(part) * size for part, size in zip(matched.groups(), _SECONDS, strict=True) if part)


def _time(text: str) -> float | None:
    try:
        found = float(text)
        return found if found == found else None
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
