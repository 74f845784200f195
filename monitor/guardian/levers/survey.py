"""Every lever of a network, read at one block."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

from monitor.guardian.levers.breaker import breaker_lever, calendar, uncovered
from monitor.guardian.levers.declared import BreakerLever, Declarations, Declared, DepositGuardiansLever, FlagsLever, RoleLever
from monitor.guardian.levers.flags import flags_lever
from monitor.guardian.levers.found import Found, Survey
from monitor.guardian.levers.own import own_lever, own_names
from monitor.guardian.levers.powerless import no_lever
from monitor.guardian.levers.reader import Reader
from monitor.guardian.levers.roles import deposit_guardians_lever, role_lever
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address


async def survey(
    reader: Reader, declarations: Declarations, settings: GuardianSettings | None = None, protocol: str | None = None
) -> Survey:
    """The levers of one protocol, or of all; the guardian's own targets first. ``reader`` says at which block."""
    names = {**declarations.names(), **(own_names(settings) if settings else {})}
    chosen = [(p.protocol, lever) for p in declarations.protocols if protocol in (None, p.protocol) for lever in p.levers]
    breakers = [(p, lever) for p, lever in chosen if isinstance(lever, BreakerLever)]
    own = [t for t in settings.targets if protocol in (None, t.protocol or "own")] if settings else []
    found, heartbeats, bare = await asyncio.gather(
        asyncio.gather(
            *(own_lever(reader, settings, t, names) for t in own if settings), *(_one(reader, p, lever, names) for p, lever in chosen)
        ),
        calendar(reader, breakers, names),
        uncovered(reader, breakers, names),
    )
    at = reader.stamp
    return Survey(declarations.network, at.number, at.timestamp, tuple(found), tuple(heartbeats), tuple(bare))


def _one(reader: Reader, protocol: str, lever: Declared, names: Mapping[Address, str]) -> Awaitable[Found]:
    match lever:
        case BreakerLever():
            return breaker_lever(reader, protocol, lever, names)
        case RoleLever():
            return role_lever(reader, protocol, lever, names)
        case DepositGuardiansLever():
            return deposit_guardians_lever(reader, protocol, lever, names)
        case FlagsLever():
            return flags_lever(reader, protocol, lever, names)
        case _:
            return no_lever(reader, protocol, lever, names)
