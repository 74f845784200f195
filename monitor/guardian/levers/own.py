"""The targets of our own guardian contract: its people pause them at once, for the admin's duration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from monitor.guardian import contract as guardian
from monitor.guardian.levers.breaker import ending
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
    timed = target.lever == "pauseFor"
    registered, people, paused, resumes, able, undo = await asyncio.gather(
        reader.ask(settings.where, guardian.TARGET, target.where),
        reader.ask(settings.where, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE),
        reader.ask(target.where, IS_PAUSED if timed else PAUSED),
        reader.ask(target.where, RESUME_SINCE),
        holders(reader, target.where, target.role_getter, ()),
        holders(reader, target.where, "RESUME_ROLE", ()),
    )
    pausers: Parties = people if isinstance(people, Unknown) else await parties(reader, people, names)
    others: Parties = able if isinstance(able, Unknown) else await parties(reader, [a for a in able if a != settings.where], names)
    resumers: Parties = undo if isinstance(undo, Unknown) else await parties(reader, undo, names)
    seconds = registered if isinstance(registered, Unknown) else guardian.people_seconds(registered) if timed else None
    return Found(
        target.protocol or "own", target.name, target.where, "guardian", paused, ending(paused, resumes) if timed else None, seconds,
        pausers, others, resumers, target.stops or _UNTOLD, target.goes_on or _UNTOLD, target.cost or _UNTOLD,
        Prepared(settings.where, f"pauseTarget({target.where})", "0x" + guardian.pause_calldata(target.where, sentinel=False).hex()),
        tuple(_problems(settings, registered, people, able)), ("it lapses by itself" if timed else "it does not lapse: somebody must lift it",),
    )  # fmt: skip


def _problems(settings: GuardianSettings, registered: object, people: object, able: object) -> list[str]:
    found = []
    if isinstance(registered, tuple) and not guardian.is_registered(registered):
        found.append("the guardian has not registered it")
    if people == ():
        found.append("nobody holds GUARDIAN_ROLE")
    if isinstance(able, tuple) and settings.where not in able:
        found.append("the guardian does not hold the right to pause it")
    return found
