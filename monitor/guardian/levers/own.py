"""The targets of our own guardian contract: its people pause them at once, for the admin's duration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from monitor.guardian import contract as guardian
from monitor.guardian.contract import Registered
from monitor.guardian.levers.breaker import DURATION, ending
from monitor.guardian.levers.found import Found, Prepared
from monitor.guardian.levers.people import Parties, holders, parties
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.levers.target import IS_PAUSED, PAUSED, RESUME_SINCE
from monitor.guardian.settings import GuardianSettings, TargetSettings
from monitor.model import Address

_UNTOLD = "not told: see guardian.targets in the settings"


def own_names(settings: GuardianSettings) -> dict[Address, str]:
    """The guardian and its targets, by address."""
    return {settings.where: "guardian", **{t.where: f"{t.protocol or 'own'}/{t.name}" for t in settings.targets}}


async def own_lever(reader: Reader, settings: GuardianSettings, target: TargetSettings, names: Mapping[Address, str]) -> Found:
    """One target of the guardian."""
    timed = target.lever != "pause"
    answer, people, paused, resumes, able, undo = await asyncio.gather(
        reader.ask(settings.where, guardian.TARGET, target.where),
        reader.ask(settings.where, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE),
        reader.ask(target.where, IS_PAUSED if timed else PAUSED),
        reader.ask(target.where, RESUME_SINCE),
        holders(reader, target.where, target.role_getter, ()),
        holders(reader, target.where, target.resume_getter, ()),
    )
    registered = _registered(answer)
    who, holder = "the guardian", settings.where
    seconds: int | Unknown | None = registered if isinstance(registered, Unknown) else registered.guardian_seconds if timed else None
    if isinstance(registered, Registered) and registered.lever == "CircuitBreaker":
        # The breaker pauses, for as long as it says.
        who, holder, seconds = f"the breaker {registered.via}", registered.via, await reader.ask(registered.via, DURATION)
    pausers: Parties = people if isinstance(people, Unknown) else await parties(reader, people, names)
    others: Parties = able if isinstance(able, Unknown) else await parties(reader, [a for a in able if a != holder], names)
    resumers: Parties = undo if isinstance(undo, Unknown) else await parties(reader, undo, names)
    return Found(
        target.protocol or "own", target.name, target.where, "guardian", paused, ending(paused, resumes) if timed else None, seconds,
        pausers, others, resumers, target.stops or _UNTOLD, target.goes_on or _UNTOLD, target.cost or _UNTOLD,
        Prepared(settings.where, f"pauseTarget({target.where})", "0x" + guardian.pause_calldata(target.where).hex()),
        tuple(_problems(who, holder, registered, people, able)), ("it lapses by itself" if timed else "it does not lapse: somebody must lift it",),
    )  # fmt: skip


def _registered(answer: Any) -> Registered | Unknown:
    if isinstance(answer, Unknown):
        return answer
    try:
        return guardian.registered(answer)
    except ValueError as newer:
        return Unknown(str(newer))


def _problems(who: str, holder: Address, registered: object, people: object, able: object) -> list[str]:
    found = []
    if isinstance(registered, Registered) and registered.lever == "None":
        found.append("the guardian has not registered it")
    elif isinstance(registered, Registered) and registered.quota_left == 0:
        found.append("guardians paused it for their whole quota: the admin renews it")
    if people == ():
        found.append("nobody holds GUARDIAN_ROLE")
    if isinstance(able, tuple) and holder not in able:
        found.append(f"{who} does not hold the right to pause it")
    return found
