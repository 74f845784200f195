"""Grafana: one annotation an incident, opened when it fires and made a region when it is over; points for what people and we do.

An annotation is found again by a tag that holds the incident's id (a point: the delivery's), so an attempt of unknown outcome is looked
up before it is made again; and nothing is put there before that look says that it is not there yet. These are annotations of the
organisation, so every dashboard can show them. This is Grafana's "legacy" annotations API, which all versions serve; its successor is
off by default (October 2026).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.model import Delivery, Receipt, Refused, Unavailable, Unsure
from monitor.model.secret_settings import one_of, secret
from monitor.receivers.grafana_port import GrafanaPort, HalfDone, NotFound
from monitor.receivers.grafana_text import OURS, Note, happening_note, incident_note, point_note
from monitor.receivers.post import refusing

log = structlog.get_logger()
WRONG_ADDRESS = "give Grafana's own address as url, with its sub-path if it has one"


class GrafanaSettings(BaseModel):
    """Where to put annotations. The token is that of a service account with the role Editor.

    ``settle_seconds``: how long a request whose answer never came may still arrive. ``tags``: put on every annotation, such as the network's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["grafana"]
    name: str = "grafana"
    url: str
    token: SecretStr | None = None
    token_file: Path | None = None
    org_id: int | None = Field(default=None, ge=1)
    ca_file: Path | None = None
    tags: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    settle_seconds: float = Field(default=30.0, ge=0, le=600)

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            fine = False
        if not fine or parts.query or parts.fragment:
            raise ValueError("url must be a web address, such as https://grafana.example or https://tools.example/grafana")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must not hold a name and password: make a token for a service account, and give it as token_file")
        return url

    @field_validator("tags")
    @classmethod
    def _short_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        if any(not t or len(t) > 40 or "," in t or not t.isprintable() for t in tags) or len(tags) > 4:
            raise ValueError("at most 4 tags, each of 1 to 40 characters without a comma")
        return tags

    @model_validator(mode="after")
    def _one_token(self) -> GrafanaSettings:
        one_of("token", self.token, self.token_file)
        return self

    @refusing()
    def secret(self) -> str:
        """The token. Raises Refused with the remedy when the file cannot be read or holds something else."""
        found = secret("token", self.token, self.token_file) or ""
        if not found.isascii() or any(c.isspace() for c in found):
            raise Refused("that is no token of Grafana", "it is one word, such as glsa_...: see Service accounts in Grafana", True)
        return found

    def port(self) -> GrafanaPort:
        """The door to that Grafana. Raises Refused when there is no token to be had."""
        return GrafanaPort(self.url, self.secret(), org_id=self.org_id, ca_file=self.ca_file, timeout_seconds=self.timeout_seconds)


class GrafanaReceiver:
    """A ``model.Receiver``. ``remote`` is the annotation's id."""

    keeps_happenings = True
    """What is no alert (pauses, other rules) is told here too."""

    def __init__(self, settings: GrafanaSettings, now: Callable[[], float] = time.time) -> None:
        self.name = settings.name
        self._settings = settings
        self._now = now
        self._made: GrafanaPort | None = None

    def __repr__(self) -> str:
        return f"GrafanaReceiver(name={self.name!r})"

    # ------------------------------------------------------------ model.Receiver

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Put the annotation there, or change it. Raises Unavailable, Unsure or Refused."""
        if _said_elsewhere(delivery):
            return Receipt(delivery.remote or "", self._now())
        note = self._note(delivery)
        try:
            if delivery.remote is not None and delivery.kind != "note":
                try:
                    return await self._change(delivery, delivery.remote, note)
                except NotFound:
                    log.warning("grafana.annotation_is_gone", receiver=self.name, incident=delivery.incident)
            # Looked for also at the first attempt: a database put back from a backup knows less than Grafana.
            there = await self._there(delivery)
            if there is None:
                return await self._put(delivery, note)
            if delivery.kind == "note":
                return self._receipt(there)
            return await self._change(delivery, str(there["id"]), note)
        except HalfDone as error:
            return await self._settled(delivery, error)
        except NotFound as error:
            raise Refused(str(error), WRONG_ADDRESS, fatal=True) from None

    async def find(self, delivery: Delivery) -> Receipt | None:
        """The delivery's annotation, as this delivery left it. None: certainly not. Raises Unsure while it may still come."""
        if delivery.attempted_at is None:
            return None
        try:
            there = await self._there(delivery)
        except NotFound as error:
            raise Refused(str(error), WRONG_ADDRESS, fatal=True) from None
        if there is not None and _left_by(there, delivery):
            return self._receipt(there)
        waited = self._now() - delivery.attempted_at
        if waited < self._settings.settle_seconds:
            raise Unsure(f"not there after {waited:.1f} s, but the request may still arrive")
        return None

    async def check(self) -> dict[str, Any]:
        """Whether the token is taken and may read annotations: ``version``, ``warnings``. Raises Refused with the remedy.

        That it may write them too cannot be asked without writing one.
        """
        try:
            await self._port().call("GET", "/annotations", query=[("limit", "1"), ("tags", OURS), ("type", "annotation")])
            health = await self._port().call("GET", "/health")
        except NotFound as error:
            raise Refused(str(error), WRONG_ADDRESS, fatal=True) from None
        return {"version": str(health.get("version", "")) if isinstance(health, Mapping) else "", "warnings": []}

    # ------------------------------------------------------------ the calls

    async def _put(self, delivery: Delivery, note: Note) -> Receipt:
        body = {"time": note.time, "tags": list(note.tags), "text": note.text, "data": _data(delivery)}
        if note.time_end is not None:
            body["timeEnd"] = note.time_end
        answer = await self._port().call("POST", "/annotations", body)
        if not isinstance(answer, Mapping) or type(answer.get("id")) is not int:
            raise Unsure("POST /annotations: the answer names no annotation")
        return self._receipt(answer)

    async def _change(self, delivery: Delivery, remote: str, note: Note) -> Receipt:
        # Tags are sent whole: Grafana replaces them. A time that is not sent stays as it is.
        body = {"time": note.time, "tags": list(note.tags), "text": note.text, "data": _data(delivery)}
        if note.time_end is not None:
            body["timeEnd"] = note.time_end
        await self._port().call("PATCH", f"/annotations/{remote}", body)
        return Receipt(remote, self._now())

    async def _there(self, delivery: Delivery) -> Mapping[str, Any] | None:
        """The annotation that this delivery is about; the oldest, should a person have copied it."""
        tags = self._note(delivery).tags[:3]  # ours, what it is, and whose
        query = [("type", "annotation"), ("limit", "100"), *(("tags", tag) for tag in tags)]
        found = await self._port().call("GET", "/annotations", query=query)
        known = [a for a in found if isinstance(a, Mapping) and type(a.get("id")) is int] if isinstance(found, list) else []
        return min((a for a in known if set(tags) <= set(a.get("tags") or ())), key=lambda a: int(a["id"]), default=None)

    async def _settled(self, delivery: Delivery, error: HalfDone) -> Receipt:
        """Grafana failed after it had the request: nothing is under way any more, so one look says what became of it."""
        try:
            there = await self._there(delivery)
        except Exception:
            raise error from None
        if there is not None and _left_by(there, delivery):
            return self._receipt(there)
        raise Unavailable(str(error)) from None

    # ------------------------------------------------------------ small things

    def _note(self, delivery: Delivery) -> Note:
        own = self._settings.tags
        if "happening" in delivery.body:
            return happening_note(delivery.body, own)
        return point_note(delivery.body, delivery.id, own) if delivery.kind == "note" else incident_note(delivery.body, own)

    def _receipt(self, annotation: Mapping[str, Any]) -> Receipt:
        return Receipt(str(annotation["id"]), self._now())

    def _port(self) -> GrafanaPort:
        if self._made is None:
            self._made = self._settings.port()
        return self._made


def _data(delivery: Delivery) -> dict[str, Any]:
    return {"delivery": delivery.id, "incident": delivery.incident, "revision": delivery.revision}


def _left_by(annotation: Mapping[str, Any], delivery: Delivery) -> bool:
    """Whether the annotation shows what this delivery says. A point says it once and for all."""
    data = annotation.get("data")
    return delivery.kind == "note" or (isinstance(data, Mapping) and data.get("delivery") == delivery.id)


def _said_elsewhere(delivery: Delivery) -> bool:
    """Reminders are for people who wait, not for charts; that an incident is over is the end of its region."""
    note = delivery.body.get("note")
    return note is not None and (note["about"] == "reminder" or delivery.body["state"] != "firing")
