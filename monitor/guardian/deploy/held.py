"""The read-back of targets: how each is registered, which right the guardian holds there, and that neither it nor the Releaser holds another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from monitor.guardian import compiled
from monitor.guardian.contract import ARMING, LEVER_NAMES, LEVERS, TARGET
from monitor.guardian.deploy.born import contract
from monitor.guardian.deploy.items import Item, Place, item
from monitor.guardian.deploy.plan import DeployPlan, TargetPlan
from monitor.guardian.levers.breaker import DURATION as BREAKER_DURATION
from monitor.guardian.levers.breaker import LIVE, PAUSER
from monitor.guardian.levers.people import HAS_ROLE, OWNER
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.node import Nodes
from monitor.model import Address
from monitor.protocols.abi import Function

ADMIN_ROLE = bytes(32)
TARGETS = Function.parse("function targets() view returns (address[])")
RELEASER_GUARDIAN = Function.parse("function GUARDIAN() view returns (address)")
RELEASER_WINDOW = Function.parse("function WINDOW() view returns (uint48)")
_NOBODY = "0x" + "00" * 20


# ---------------------------------------------------------------- targets


async def registered(reader: Reader, plan: DeployPlan, at: Address) -> list[Item]:
    listed = await reader.ask(at, TARGETS)
    if isinstance(listed, Unknown):
        return [Item("targets", "unknown", str(listed), "ask again with other endpoints")]
    details = await asyncio.gather(*(reader.ask(at, TARGET, t.where) for t in plan.targets))
    found = [i for t, d in zip(plan.targets, details, strict=True) for i in _one(t, t.where in listed, d)]
    strangers = [a for a in listed if a not in {t.where for t in plan.targets}]
    text = f"{', '.join(strangers)}: registered, and not planned" if strangers else "no other is registered"
    remedy = "the admin: unregister(it), or correct the plan" if strangers else ""
    return [*found, Item("targets beside the plan", "wrong" if strangers else "ok", text, remedy)]


def _one(t: TargetPlan, listed: bool, found: Any) -> Iterator[Item]:
    key, remedy = f"target {t.name}", "the admin: setLimits; lever and via change by unregister and register alone"
    if isinstance(found, Unknown):
        yield Item(key, "unknown", str(found), "ask again with other endpoints")
        return
    lever, arming, _, used, _, limits, via, *_ = found
    wanted = (LEVERS.index(LEVER_NAMES[t.lever]), t.breaker, t.limits.struct)
    if not listed:
        yield Item(key, "missing", f"{t.where} is not registered", "the admin makes the call below")
    elif (lever, via, limits) != wanted:
        yield Item(key, "wrong", f"is {(lever, via, limits)}, planned: {wanted} (lever, via, limits)", remedy)
    else:
        yield Item(key, "ok", f"registered with {LEVER_NAMES[t.lever]} and the planned limits")
    wanted_arming = next(a for a in ARMING if a.lower() == t.arming)
    is_arming = ARMING[arming] if arming < len(ARMING) else str(arming)
    yield item(
        f"arming of {t.name}",
        is_arming,
        wanted_arming,
        wanted_arming,
        "the admin makes the call below, or a guardian: disarm",
        unset="Disarmed",
    )
    if used and t.arming != "disarmed":
        spent = "the admin arms it again" if used >= t.limits.budget else "one fewer is left"
        yield Item(f"arming of {t.name}", "wrong", f"sentinels paused it {used} of {t.limits.budget} times", spent)


async def rights(reader: Reader, plan: DeployPlan, place: Place) -> list[Item]:
    found = await asyncio.gather(*(_right(reader, t, place) for t in plan.targets))
    return [i for each in found for i in each]


async def _right(reader: Reader, t: TargetPlan, place: Place) -> list[Item]:
    no_resume = await _cannot_resume(reader, t, place.guardian)
    if t.lever == "circuitBreaker":
        return [*await _breaker(reader, t, place.guardian), no_resume]
    key = f"right to pause {t.name}"
    held = await _held(reader, t, t.role_getter, place.guardian)
    return [
        item(
            key, held, True, f"the guardian holds {t.role_getter} there", "its owner makes the call below", unset=False, shown="not granted"
        ),
        no_resume,
    ]


async def _held(reader: Reader, t: TargetPlan, getter: str, who: Address) -> bool | Unknown:
    role = await reader.ask(t.where, Function.parse(f"function {getter}() view returns (bytes32)"))
    found: bool | Unknown = role if isinstance(role, Unknown) else await reader.ask(t.where, HAS_ROLE, role, who)
    return found


async def _cannot_resume(reader: Reader, t: TargetPlan, guardian: Address) -> Item:
    """Neither by a role, nor by the role that grants roles, nor as the owner."""
    key, text = f"no right to resume {t.name}", "the guardian holds none"
    if t.resume_getter is None:
        owner = await reader.ask(t.where, OWNER)
        held: bool | Unknown = owner if isinstance(owner, Unknown) else owner == guardian
    else:
        resume, admin = await asyncio.gather(
            _held(reader, t, t.resume_getter, guardian), reader.ask(t.where, HAS_ROLE, ADMIN_ROLE, guardian)
        )
        held = resume if isinstance(resume, Unknown) else resume or (admin is True)
    return item(key, held, False, text, "its owner revokes that at once", shown="HELD")


async def _breaker(reader: Reader, t: TargetPlan, guardian: Address) -> list[Item]:
    pauser, live, seconds = await asyncio.gather(
        reader.ask(t.breaker, PAUSER, t.where), reader.ask(t.breaker, LIVE, guardian), reader.ask(t.breaker, BREAKER_DURATION)
    )
    found = [
        item(f"pauser of {t.name}", pauser, guardian, "the guardian", "the CircuitBreaker's admin makes the call below", unset=_NOBODY)
    ]
    found.append(
        item(
            f"heartbeat for {t.name}",
            live,
            True,
            "the guardian counts as alive",
            "a guardian: heartbeat(target), before it ends",
            unset=False,
        )
    )
    if isinstance(seconds, Unknown):
        return [*found, Item(f"duration of {t.name}", "unknown", str(seconds), "ask again with other endpoints")]
    fits = seconds <= min(t.limits.sentinel_seconds, t.limits.guardian_seconds)
    remedy = "" if fits else "it is longer than the limits: every pause would revert. The admin: setLimits"
    return [*found, Item(f"duration of {t.name}", "ok" if fits else "wrong", f"the CircuitBreaker pauses for {seconds} s", remedy)]


# ---------------------------------------------------------------- the Releaser


async def releaser(nodes: Nodes, reader: Reader, plan: DeployPlan, place: Place, head: int) -> list[Item]:
    if plan.releaser is None:
        return []
    at = place.releaser
    if at is None:
        return [Item("releaser", "missing", "its address is not known", "name it with --releaser; or deploy it, if it was not")]
    code, guardian, window = await asyncio.gather(
        contract("releaser", compiled.RELEASER, nodes, reader, at, place.releaser_creation, head),
        reader.ask(at, RELEASER_GUARDIAN), reader.ask(at, RELEASER_WINDOW),
    )  # fmt: skip
    found = [
        *code,
        item("releaser guardian", guardian, place.guardian, str(place.guardian), "it cannot be changed: deploy it anew"),
        item("releaser window", window, plan.releaser.window_seconds, f"{plan.releaser.window_seconds} s", "it cannot be changed: deploy it anew"),
    ]  # fmt: skip
    for t in (t for t in plan.targets if t.release and t.resume_getter is not None):
        held, pauses = await asyncio.gather(_held(reader, t, t.resume_getter or "", at), _held(reader, t, t.role_getter, at))
        text = f"the Releaser holds {t.resume_getter} there"
        found.append(
            item(f"right to release {t.name}", held, True, text, "its owner makes the call below", unset=False, shown="not granted")
        )
        found.append(
            item(f"releaser cannot pause {t.name}", pauses, False, "it holds no such right", "its owner revokes that", shown="HELD")
        )
    return found
