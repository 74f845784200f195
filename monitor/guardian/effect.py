"""What a pause does, for how long, and who can undo it: what a responder must know before and after. Pure.

The facts are read from the chain at each block by the guardian's collector, and kept in its memory as plain JSON (``seen``). Times are
absolute, so that the words change when something happens and not because time goes by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.alerts.body import moment, span
from monitor.collectors.emit import mapping
from monitor.guardian import resumers
from monitor.guardian.checks import or_none
from monitor.guardian.contract import Registered
from monitor.guardian.levers import Lever, NoGood
from monitor.guardian.levers import breaker as circuit
from monitor.guardian.readiness import Brake
from monitor.guardian.resumers import Holders
from monitor.guardian.settings import TargetSettings
from monitor.model import Address, Read, Snapshot, Unanswered
from monitor.protocols.abi import Contract

Fact = tuple[str, str]
"""A name and what is so: ``stops``, ``goes on``, ``costs``, ``lasts``, ``undo`` (who can)."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A target's pause. ``paused``: None before it was read; ``unsure``: it cannot be read now, and this is how it was. ``ends``: first second
    without it (block time); None for an open end.

    ``by_people``, ``by_sentinels``: seconds that a pause would last now; None where it lasts until somebody lifts it, 0 where it cannot be
    made. ``by``: since when it is on and who pulled the brake, where that was seen. ``unknown``: why nothing of the chain can be told, else empty.
    """

    target: str
    stops: str
    goes_on: str
    cost: str
    paused: bool | None
    ends: int | None
    by_people: int | None
    by_sentinels: int | None
    arming: str
    by: str
    pausers: Holders
    resumers: Holders
    unknown: str = ""
    unsure: bool = False

    @property
    def lapses(self) -> bool:
        """Whether a pause of it ends by itself."""
        return self.by_people is not None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What to know now, in the order in which a reader asks; of a pause that is on, ``end`` says when it is over."""
        lasts = () if self.paused else (("lasts", self.duration),)
        unsure = (("now", "whether it is paused cannot be read"),) if self.paused is None or self.unsure else ()
        return (*unsure, *self._meaning, *lasts, ("undo", self.undo))

    @property
    def _meaning(self) -> tuple[Fact, ...]:
        told = (("stops", self.stops), ("goes on", self.goes_on), ("costs", self.cost))
        lacking = [name for name, text in told if not text]
        missing = (("not told", f"what it {' and '.join(lacking)}: see guardian.targets in the settings"),) if lacking else ()
        return (*(fact for fact in told if fact[1]), *missing)

    @property
    def duration(self) -> str:
        """For how long it would be paused, by whom."""
        if self.unknown:
            return f"unknown: {self.unknown}"
        if self.arming == "unregistered":
            return "nobody can pause it: the guardian contract does not have it"
        if self.by_people is None:
            return "by people until somebody lifts it; never by sentinels, since it does not lapse"
        people = f"by people for {span(self.by_people)}" if self.by_people else "by people not at all (their quota is spent)"
        armed = "" if self.arming == "Armed" else f" (not now: {_ARMING.get(self.arming, 'unknown')})"
        return f"{people}, by sentinels for {span(self.by_sentinels or 0)}{armed}; it lapses by itself"

    @property
    def end(self) -> str:
        """When a pause that is on ends."""
        return "when somebody lifts it, not by itself" if self.ends is None else f"by itself at {moment(self.ends)}"

    @property
    def undo(self) -> str:
        """Who can end it before."""
        found = self.resumers
        if found.unknown:
            return f"unknown: {found.unknown}"
        if not found.parties and not found.more:
            return f"nobody: {found.power} nobody, and would have to be given to somebody first"
        more = [f"{found.more} more"] if found.more else []
        return f"{found.power} {'; '.join([*map(str, found.parties), *more])}"

    @property
    def has_safe(self) -> bool:
        """Whether a Safe may pause it by hand."""
        return any(p.kind == "Safe" for p in self.pausers.parties)

    @property
    def has_key(self) -> bool:
        """Whether somebody may pause it by hand with a key alone, as far as that is known."""
        return bool(self.pausers.unknown) or any(p.kind in ("account", "unknown") for p in self.pausers.parties)


_ARMING = {
    "Disarmed": "the contract has it disarmed",
    "Shadow": "the contract has it in shadow",
    "spent": "their pauses of it are spent until it is armed again",
}
"""Why sentinels could not pause it now, by what is remembered as ``arming``."""


# ---------------------------------------------------------------- from the chain


def learn(brake: Brake, snapshot: Snapshot, known: Mapping[str, Any]) -> dict[str, Any]:
    """What a block says of all targets, to be remembered, as plain JSON; ``known``: what was remembered before it."""
    return {
        "effects": {
            v.name: _seen(v, brake.registered(v, snapshot), snapshot, mapping(mapping(known, "effects"), v.name)) for v in brake.levers
        },
        "resumers": {v.name: resumers.learn(v, snapshot, known) for v in brake.levers},
        "parties": resumers.learn_kinds(snapshot, known),
    }


def reads(brake: Brake, known: Mapping[str, Any]) -> list[Read]:
    """What to read for it beside what readiness reads."""
    return [*(read for v in brake.levers for read in resumers.reads(v, known)), *resumers.kind_reads(known)]


def _seen(lever: Lever, target: Registered | None, snapshot: Snapshot, before: Mapping[str, Any]) -> dict[str, Any]:
    paused, ends = _paused(lever, snapshot)
    found: dict[str, Any] = {"paused": paused, "ends": ends}
    if paused is None:
        found = {"paused": before.get("paused"), "ends": before.get("ends"), "unsure": True}
    if target is not None and target.lever != "None":
        people, sentinels = target.guardian_seconds, target.sentinel_seconds
        if target.lever == "CircuitBreaker":
            people = sentinels = or_none(snapshot, Contract("breaker", target.via), circuit.DURATION) or 0
        spent = target.arming == "Armed" and target.used >= target.budget
        found |= {"arming": "spent" if spent else target.arming, "people": min(people, target.quota_left), "sentinels": sentinels}
    elif target is not None:
        found |= {"arming": "unregistered", "people": 0, "sentinels": 0}
    else:
        found |= {key: before[key] for key in ("arming", "people", "sentinels") if key in before}
    return found


def _paused(lever: Lever, snapshot: Snapshot) -> tuple[bool | None, int | None]:
    try:
        paused, ends = lever.paused(snapshot), lever.resumes_at(snapshot)
    except Unanswered:
        return None, None
    if isinstance(paused, NoGood):
        return None, None
    return paused, None if not paused or isinstance(ends, NoGood) or ends == circuit.OPEN_END else ends


def effect_of(settings: TargetSettings, known: Mapping[str, Any], names: Mapping[Address, str]) -> Effect:
    """A target's effect from the settings and the collector's memory."""
    lever, found = Lever(settings), known.get("effects", {}).get(settings.name, {})
    parties, people = known.get("parties", {}), known.get("people")
    by_hand = {} if people is None else {"count": len(people), "holders": people}
    power = "it is owned by" if settings.resume_getter is None else f"{settings.resume_getter} is held by"
    return Effect(
        settings.name, _line(settings.stops), _line(settings.goes_on), _line(settings.cost), found.get("paused"), found.get("ends"),
        found.get("people", 0) if lever.lapses else None, found.get("sentinels", 0) if lever.lapses else None, found.get("arming", ""),
        _by(known.get("pauses", {}).get(settings.name, {}).get("pause")), resumers.holders("GUARDIAN_ROLE is held by", by_hand, parties, names),
        resumers.holders(power, known.get("resumers", {}).get(settings.name, {}), parties, names), "" if "arming" in found else resumers.NOT_YET,
        found.get("unsure", False),
    )  # fmt: skip


_WHO = {
    "sentinel": " by order of sentinels",
    "guardian": " by a holder of GUARDIAN_ROLE",
    "other": " by somebody else, not through our guardian",
}


def _by(pause: Mapping[str, Any] | None) -> str:
    """Of the pause that the collector follows (``after.Pause``)."""
    return "" if pause is None else f"since {moment(pause['began'])}{_WHO.get(pause['by'], '')}"


def _line(text: str) -> str:
    return " ".join(text.split())
