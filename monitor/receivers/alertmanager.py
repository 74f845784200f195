"""Alertmanager v2: each alert of an incident is pushed under its own labels, again and again while it fires, since Alertmanager forgets.

A pushed alert ends by itself when its ``endsAt`` passes, so one that fires is pushed every ``resend_seconds`` with an end four times as far
away; its end is pushed at once, and for a quarter of an hour after, for a member that missed it. What stands is read from the store, never
remembered here, so a restart changes nothing. Pushing twice is the same as once: an alert is its label set.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import httpx
import structlog
from pydantic import Field, SecretStr, model_validator

from monitor.alerts.body import summary
from monitor.alerts.consequences import Consequences, lines, none
from monitor.alerts.desk import Unit
from monitor.alerts.links import Links
from monitor.alerts.standing import Standing, standing
from monitor.model import Delivery, Receipt, Refused, Unavailable, Unsure, labels
from monitor.model.secret_settings import one_of, secret_lines
from monitor.receivers.post import Answered, Door, WebSettings, refusing, web_address

log = structlog.get_logger()
T = TypeVar("T")
Alert = dict[str, Any]

LIFETIMES = 4
"""How many resends an alert outlives: three may be lost."""
ENDED_SECONDS = 900.0
"""How long the end of an alert is pushed again."""
BATCH = 200
PUSH, STATUS = "/api/v2/alerts", "/api/v2/status"
HEARTBEAT, CANARY = "StakewardenHeartbeat", "StakewardenCanary"


class AlertmanagerSettings(WebSettings):
    """Every member of the cluster, never a load balancer before them: alerts are not passed on between members.

    ``urls`` are base addresses, with the route prefix if there is one; basic authentication goes into the address.
    """

    kind: Literal["alertmanager"]
    name: str = "alertmanager"
    urls: tuple[SecretStr, ...] = ()
    urls_file: Path | None = None
    resend_seconds: float = Field(default=60.0, gt=0, le=600)
    heartbeat: bool = False

    @model_validator(mode="after")
    def _complete(self) -> AlertmanagerSettings:
        one_of("urls", self.urls or None, self.urls_file)
        for url in self.urls:
            _base(url.get_secret_value())
        return self

    @refusing()
    def members(self) -> tuple[str, ...]:
        """The base addresses with their secrets: for requests only. Raises Refused with the remedy."""
        given = [url.get_secret_value() for url in self.urls] or secret_lines("urls", None, self.urls_file)
        try:
            return tuple(_base(url) for url in given)
        except ValueError as wrong:
            raise Refused(f"an Alertmanager's address {wrong}", "see urls_file", fatal=True) from None

    def ready(self) -> None:
        """Read all that is named here. Raises Refused with the remedy."""
        self.members()
        Door(self).ready()


class Look(Protocol):
    """Reads the store at one moment: ``Store.look``."""

    def __call__(self, work: Callable[[Unit], T], /) -> Awaitable[T]: ...


@dataclass(slots=True)
class Member:
    """One Alertmanager, as the last push found it. ``up`` is None before the first."""

    name: str
    up: bool | None = None
    error: str | None = None


class AlertmanagerReceiver:
    """A ``model.Receiver`` whose ``work`` must run beside the outbox. ``judged_at``: wall time of the newest judged block, for the heartbeat."""

    def __init__(
        self,
        settings: AlertmanagerSettings,
        chain_id: int,
        look: Look,
        judged_at: Callable[[], float | None] = lambda: None,
        now: Callable[[], float] = time.time,
        links: Links = Links(),  # noqa: B008 (never changes)
        consequences: Consequences = none,
    ) -> None:
        self.name = settings.name
        self.members: dict[str, Member] = {}
        self._settings, self._look, self._judged_at, self._now, self._links = settings, look, judged_at, now, links
        self._consequences = consequences
        self._own = {"source": "stakewarden", "chain": str(chain_id)}
        self._door = Door(settings)

    def __repr__(self) -> str:
        return f"AlertmanagerReceiver(name={self.name!r})"

    # ------------------------------------------------------------ model.Receiver

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Push the incident's alerts. One member's acceptance is a receipt, all members' for a canary; a note has no place there."""
        if delivery.kind == "canary":
            await self._push([self._plain(CANARY, "A test of this channel: nothing is wrong.")], everyone=True)
        elif delivery.kind != "note":
            there = await self._look(
                lambda unit: standing(unit, self.name, self._now() - ENDED_SECONDS, delivery.incident, self._consequences)
            )
            told = {a["episode"] for a in delivery.body["alerts"] if a["state"] == "firing"} if delivery.kind != "close" else set()
            await self._push(self._alerts(there, told))
        return Receipt(delivery.incident, self._now())

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Never there: pushing again does no harm."""
        return None

    async def check(self) -> dict[str, Any]:
        """Ask every member for its version: ``members``, ``warnings``. Raises Refused for a wrong address, Unavailable when none answers."""
        versions: dict[str, str] = {}
        failed: dict[str, Exception] = {}
        for name, base in self._addresses():
            try:
                found = json.loads(await self._door.send("GET", base + STATUS, doing=f"asking {name}"))
                versions[name] = str(found["versionInfo"]["version"])
            except (Unavailable, Unsure) as error:
                failed[name] = error
            except (ValueError, TypeError, KeyError):
                raise Refused(f"{name} is no Alertmanager with the v2 API", "give its base address, with the route prefix", True) from None
        if not versions:
            raise Unavailable(f"no Alertmanager answers: {'; '.join(str(e) for e in failed.values())}")
        return {"members": versions, "warnings": [str(e) for e in failed.values()]}

    # ------------------------------------------------------------ what keeps it told

    async def work(self) -> None:
        """Push what stands, for ever. A failure is logged, seen in ``members``, and tried again sooner."""
        while True:
            sooner = 1.0
            try:
                await self.resend()
            except (Unavailable, Unsure, Refused) as error:
                log.warning("alertmanager.not_resent", receiver=self.name, error=str(error))
            except Exception as error:  # the database is away, or a bug: nothing here may stop the judging
                log.error("alertmanager.not_resent", receiver=self.name, error=type(error).__name__)
            if any(member.up is False for member in self.members.values()):
                sooner = 1 / LIFETIMES
            await asyncio.sleep(self._settings.resend_seconds * sooner)

    async def resend(self) -> int:
        """One round; returns the number of alerts pushed. Raises as ``deliver``."""
        there = await self._look(lambda unit: standing(unit, self.name, self._now() - ENDED_SECONDS, consequences=self._consequences))
        alerts = self._alerts(there)
        judged = self._judged_at()
        if self._settings.heartbeat and judged is not None and self._now() - judged < LIFETIMES * self._settings.resend_seconds:
            alerts.append(self._plain(HEARTBEAT, "Always fires while Stakewarden judges blocks."))
        if alerts:
            await self._push(alerts)
        return len(alerts)

    # ------------------------------------------------------------ pushing

    async def _push(self, alerts: Sequence[Alert], everyone: bool = False) -> None:
        members = self._addresses()
        outcomes = await asyncio.gather(*(self._push_one(name, base, alerts) for name, base in members))
        failed = [error for error in outcomes if error is not None]
        if failed and (everyone or len(failed) == len(members)):
            later = [error for error in failed if isinstance(error, Unavailable)]
            raise later[0] if later else failed[0]

    async def _push_one(self, name: str, base: str, alerts: Sequence[Alert]) -> Unavailable | Refused | None:
        """Push to one member. An unknown outcome counts as none, since the push can be repeated."""
        member = self.members.setdefault(name, Member(name))
        try:
            for start in range(0, len(alerts), BATCH):
                content = json.dumps(list(alerts[start : start + BATCH])).encode()
                await self._door.send("POST", base + PUSH, content, {"content-type": "application/json"}, f"pushing to {name}")
        except (Unavailable, Unsure, Refused) as error:
            found = Unavailable(str(error)) if isinstance(error, Unsure) else _words(error)
            if member.up is not False or member.error != str(found):
                log.warning("alertmanager.push_failed", receiver=self.name, member=name, error=str(found))
            member.up, member.error = False, str(found)
            return found
        member.up, member.error = True, None
        return None

    def _addresses(self) -> list[tuple[str, str]]:
        """Each member's name, which is its host and port, and its address."""
        return [(httpx.URL(base).netloc.decode("ascii", "replace"), base) for base in self._settings.members()]

    # ------------------------------------------------------------ alerts

    def _alerts(self, there: Iterable[Standing], told: Iterable[str] = ()) -> list[Alert]:
        """One alert a label set: one that fires hides an earlier life that ended. ``told``: episodes that the message says are firing."""
        now, told = self._now(), set(told)
        chosen: dict[tuple[tuple[str, str], ...], tuple[tuple[bool, int], Standing, bool]] = {}
        for one in there:
            key = labels({**self._own, **dict(one.episode.labels)})
            firing = one.episode.firing or one.episode.episode in told
            rank = (one.episode.firing, one.episode.since_timestamp)
            if key not in chosen or rank > chosen[key][0]:
                chosen[key] = (rank, one, firing)
        return [self._alert(key, one, firing, now) for key, (_, one, firing) in sorted(chosen.items())]

    def _alert(self, own: Iterable[tuple[str, str]], one: Standing, firing: bool, now: float) -> Alert:
        """Times of the chain are never in the future here: its clock may run ahead (drills), and an end must not lie before the beginning."""
        episode = one.episode
        starts = min(float(episode.since_timestamp), now)
        ends = now + self._lifetime if firing else max(starts, min(float(episode.ended_timestamp or now), now))
        return self._dress(dict(own), notes_of(one, self._links), starts, ends, self._links.incident(one.incident))

    def _plain(self, name: str, text: str) -> Alert:
        now = self._now()
        return self._dress(
            {**self._own, "alertname": name, "severity": "info"}, {"summary": text}, now, now + self._lifetime, self._links.page
        )

    def _dress(self, own: Mapping[str, str], notes: Mapping[str, str], starts: float, ends: float, page: str | None) -> Alert:
        found: Alert = {"labels": dict(own), "annotations": dict(notes), "startsAt": _time(starts), "endsAt": _time(ends)}
        return found if page is None else {**found, "generatorURL": page}

    @property
    def _lifetime(self) -> float:
        return LIFETIMES * self._settings.resend_seconds


def notes_of(one: Standing, links: Links) -> dict[str, str]:
    """The rule's annotations, and the evidence under names of our own. What changes stands here and never in a label."""
    episode = one.episode
    given = {name: value for name, value in episode.annotations if not name.startswith("stakewarden_")}
    given |= {name: links.runbook(given[name]) for name in ("runbook_url", "runbook") if name in given}
    ours = {
        "incident": one.incident,
        "rule": episode.rule,
        "value": episode.value,
        "since_block": str(episode.since_number),
        "evidence": episode.evidence,
        "state": episode.state,
        "ended_block": "" if episode.ended_number is None else str(episode.ended_number),
        "unknown_since_block": str(episode.unknown_since) if episode.firing and episode.unknown_since is not None else "",
        "acknowledged_by": one.acknowledged_by or "",
        "pause": "\n".join(line for pause in one.pauses for line in lines(pause.as_json())),
    }
    return {"summary": summary(episode), **given, **{f"stakewarden_{k}": v for k, v in ours.items() if v}}


def _base(text: str) -> str:
    """The base address without a slash at its end. Raises ValueError without showing it."""
    found = web_address(text.strip()).rstrip("/")
    url = httpx.URL(found)
    if "/api/" in f"{url.path}/" or url.query or url.fragment:
        raise ValueError("must be the base address, without /api/v2, such as http://alertmanager.example:9093")
    return found


def _words(error: Unavailable | Refused) -> Unavailable | Refused:
    """A refusal in Alertmanager's own words: it names the label or the time that it does not take, and takes the other alerts of the push."""
    answer = error.__cause__
    if isinstance(error, Refused) and isinstance(answer, Answered) and answer.status == 400:
        said = "".join(c for c in answer.said.decode("utf-8", "replace") if c.isprintable())[:300]
        return Refused(f"{answer}: {said}", "this is a bug of Stakewarden's alert: please report it", fatal=False)
    return error


def _time(at: float) -> str:
    """RFC 3339 with a zone."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
