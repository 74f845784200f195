"""Who may act on the page: somebody who knew the token signs in with a name; what follows is a signed cookie, and a second token in each form.

Nothing is stored: the keys follow from the token, so sessions outlive a restart, hold on every process that has the token, and
end when the token is changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import secrets
from dataclasses import dataclass

LASTS = 12 * 3600
"""Seconds for which somebody stays signed in: a night."""
MAX_NAME = 80
MAX_COOKIE = 1024


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in. ``csrf`` must come back with each form."""

    who: str
    csrf: str


class Gate:
    """Checks tokens, makes sessions and reads them. Without a token it is shut for everybody."""

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()
        self._key = hashlib.sha256(b"stakewarden session\x00" + (self._token or secrets.token_bytes(32))).digest()

    @property
    def open(self) -> bool:
        """Whether anybody can sign in at all."""
        return self._token is not None

    def admit(self, token: str, who: str, now: float) -> str | None:
        """The cookie of a new session; None for a wrong token. Takes equally long for every wrong one."""
        if self._token is None or not hmac.compare_digest(self._digest(token.encode("utf-8", "replace")), self._digest(self._token)):
            return None
        body = json.dumps([who[:MAX_NAME], now + LASTS, secrets.token_hex(8)]).encode()
        text = base64.urlsafe_b64encode(body).decode()
        return f"{text}.{self._sign('cookie', text)}"

    def session(self, cookie: str | None, now: float) -> Session | None:
        """The session of a cookie; None for none, a forged or an old one."""
        if self._token is None or not cookie or len(cookie) > MAX_COOKIE or not cookie.isascii():
            return None
        text, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature, self._sign("cookie", text)):
            return None
        try:
            who, until, _ = json.loads(base64.urlsafe_b64decode(text))
        except (ValueError, binascii.Error):
            return None
        if not isinstance(until, float) or not math.isfinite(until) or until <= now or not isinstance(who, str) or not who:
            return None
        return Session(who, self._sign("form", cookie))

    def is_form_of(self, session: Session, csrf: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(session.csrf.encode(), csrf.encode("utf-8", "replace"))

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}\x00{text}".encode(), hashlib.sha256).hexdigest()

    def _digest(self, text: bytes) -> bytes:
        return hmac.new(self._key, text, hashlib.sha256).digest()
