"""What speaks against a plan on this chain, at this block: read before anything is sent.

A refusal is what would not work or would give a right that the guardian must not have; a warning is what people have to want.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from monitor.guardian.deploy.plan import DeployPlan, TargetPlan
from monitor.guardian.deploy.rights import span
from monitor.guardian.deploy.steps import Roles, day
from monitor.guardian.levers.breaker import ADMIN, PAUSER
from monitor.guardian.levers.breaker import DURATION as BREAKER_DURATION
from monitor.guardian.levers.people import HAS_ROLE, OWNER, Party, party
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.levers.target import IS_PAUSED, PAUSED, RESUME_SINCE
from monitor.model import Address
from monitor.protocols.abi import Function

ROLE_ADMIN = Function.parse("function getRoleAdmin(bytes32) view returns (bytes32)")
SOON_SECONDS = 30 * 86_400
"""A sentinel that expires within this time is warned of: governance takes long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``key``: where in the plan. ``text``: what is wrong and what to do."""

    level: Literal["refuse", "warn"]
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. ``roles``: of the targets, as they name them."""

    roles: Roles
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.level == "refuse")


def _refuse(key: str, text: str) -> Finding:
    return Finding("refuse", key, text)


def _warn(key: str, text: str) -> Finding:
    return Finding("warn", key, text)


async def look(reader: Reader, plan: DeployPlan, chain_id: int, guardian: Address, releaser: Address | None) -> Looked:
    """Everything about the plan that this chain can tell. ``guardian``, ``releaser``: where they are or would be."""
    if chain_id != plan.chain_id:
        text = f"the plan is of chain {plan.chain_id}, the endpoints are of chain {chain_id}: give endpoints of that chain, or correct chain_id"
        return Looked(Roles({}, {}), (_refuse("chain_id", text),))
    roles = await read_roles(reader, plan)
    found = await asyncio.gather(
        _accounts(reader, plan), *(_target(reader, t, guardian, releaser, roles) for t in plan.targets),
    )  # fmt: skip
    return Looked(roles, (*_times(plan, reader.stamp.timestamp), *_numbers(plan), *(f for each in found for f in each)))


async def read_roles(reader: Reader, plan: DeployPlan) -> Roles:
    """The roles of the targets; one that cannot be read is left out."""
    role_targets = [t for t in plan.targets if t.lever != "circuitBreaker"]
    pause = await asyncio.gather(*(reader.ask(t.where, _getter(t.role_getter)) for t in role_targets))
    resumable = [t for t in plan.targets if t.resume_getter is not None]
    resume = await asyncio.gather(*(reader.ask(t.where, _getter(t.resume_getter or "")) for t in resumable))
    return Roles(
        {t.where: r for t, r in zip(role_targets, pause, strict=True) if not isinstance(r, Unknown)},
        {t.where: r for t, r in zip(resumable, resume, strict=True) if not isinstance(r, Unknown)},
    )


def _getter(name: str) -> Function:
    return Function.parse(f"function {name}() view returns (bytes32)")


# ---------------------------------------------------------------- accounts and numbers


def _times(plan: DeployPlan, now: int) -> Iterator[Finding]:
    latest = now + plan.ceilings.sentinel_lifetime_seconds
    for sentinel in plan.sentinels:
        key = f"sentinels.{sentinel.name}.expires"
        if sentinel.expires <= now:
            yield _refuse(key, f"{day(sentinel.expires)} is over: name a later time")
        elif sentinel.expires > latest:
            ceiling = f"ceilings.sentinel_lifetime_seconds allows {day(latest)} at most now"
            yield _refuse(key, f"{day(sentinel.expires)} is beyond the ceiling: {ceiling}; name an earlier time, or raise the ceiling")
        elif sentinel.expires < now + SOON_SECONDS:
            yield _warn(key, f"{day(sentinel.expires)} is less than {span(SOON_SECONDS)} away: will governance have renewed it by then?")


def _numbers(plan: DeployPlan) -> Iterator[Finding]:
    armed = [t.name for t in plan.targets if t.arming == "armed"]
    if plan.threshold == 1 and plan.sentinels:
        yield _warn("threshold", "one sentinel is enough: one stolen key pauses what is armed. Two of three need two thefts")
    if plan.threshold == len(plan.sentinels) > 1:
        yield _warn("threshold", "all sentinels must sign: one that is down stops automatic pauses. Add a sentinel, or lower it")
    if armed:
        yield _warn("targets", f"{', '.join(armed)} shall be armed at once: a response is normally earned in shadow first")
    if armed and not plan.budget:
        yield _refuse("budget", "is 0 while targets are armed: no order would be taken. Set it to at least 1")
    if not plan.admin.delay_seconds:
        yield _warn("admin.delay_seconds", "is 0: the admin's role can be handed over at once. A day leaves time to notice")


async def _accounts(reader: Reader, plan: DeployPlan) -> list[Finding]:
    people = (("admin.address", plan.admin.where), *((f"guardians.{g.name}", g.where) for g in plan.guardians))
    known = await asyncio.gather(*(party(reader, a, {}) for _, a in people))
    found = [f for (key, _), who in zip(people, known, strict=True) for f in _weak(key, who)]
    codes = await asyncio.gather(*(reader.code(s.where) for s in plan.sentinels))
    for sentinel, code in zip(plan.sentinels, codes, strict=True):
        if isinstance(code, Unknown):
            found.append(_refuse(f"sentinels.{sentinel.name}", f"{code}: try again"))
        elif code and not code.startswith(b"\xef\x01\x00"):
            found.append(
                _refuse(f"sentinels.{sentinel.name}", "is a contract, and contracts cannot sign orders: name the address of a key")
            )
    return found


def _weak(key: str, who: Party) -> Iterator[Finding]:
    if who.kind == "unknown":
        yield _refuse(key, f"cannot be told what it is ({who.note}): try again")
    elif who.kind == "account":
        yield _warn(
            key, f"{who.address} is one key: whoever has it has all of this power. A Safe, or for the admin a timelock, needs several"
        )
    elif who.kind == "nobody":
        yield _refuse(key, "is the zero address: name an account")
    elif who.kind == "Safe" and who.threshold == 1:
        yield _warn(key, f"{who.address} is a Safe of which one owner is enough: raise its threshold")


# ---------------------------------------------------------------- targets


async def _target(reader: Reader, t: TargetPlan, guardian: Address, releaser: Address | None, roles: Roles) -> list[Finding]:
    key = f"targets.{t.name}"
    code = await reader.code(t.where)
    if isinstance(code, Unknown):
        return [_refuse(key, f"{code}: try again")]
    if not code:
        return [_refuse(f"{key}.address", f"{t.address} has no code on this chain: correct it")]
    found = await asyncio.gather(_readable(reader, key, t), _rights(reader, key, t, guardian, releaser, roles))
    return [f for each in found for f in each]


async def _readable(reader: Reader, key: str, t: TargetPlan) -> list[Finding]:
    """The guardian reads the target before and after a pause: without these views nothing could be paused."""
    paused, until = await asyncio.gather(
        reader.ask(t.where, PAUSED if t.lever == "pause" else IS_PAUSED), reader.ask(t.where, RESUME_SINCE)
    )
    found = []
    if isinstance(paused, Unknown):
        found.append(_refuse(f"{key}.lever", f"{paused}: the lever {t.lever} needs it, so this is another contract or another lever"))
    elif paused:
        found.append(_warn(key, "is paused now"))
    if t.lever != "pause" and isinstance(until, Unknown):
        found.append(_refuse(f"{key}.lever", f"{until}: the lever {t.lever} needs it, so this is another contract or another lever"))
    return found


async def _rights(reader: Reader, key: str, t: TargetPlan, guardian: Address, releaser: Address | None, roles: Roles) -> list[Finding]:
    found = list(_names(key, t, roles))
    found += await _resuming(reader, key, t, guardian, roles)
    if t.lever == "circuitBreaker":
        return found + await _breaker(reader, key, t, guardian)
    if t.where in roles.pause:
        found += await _grantor(reader, key, t, roles.pause[t.where], t.role_getter)
    if t.release and t.where in roles.resume:
        found += await _grantor(reader, key, t, roles.resume[t.where], t.resume_getter or "")
        if releaser is not None and t.where in roles.pause and await reader.ask(t.where, HAS_ROLE, roles.pause[t.where], releaser) is True:
            found.append(_refuse(key, f"the Releaser {releaser} would hold the right to pause it: revoke that"))
    return found


def _names(key: str, t: TargetPlan, roles: Roles) -> Iterator[Finding]:
    if t.lever != "circuitBreaker" and t.where not in roles.pause:
        yield _refuse(
            f"{key}.role_getter", f"{t.role_getter}() gives no role there: name the function that does; without roles it cannot be a target"
        )
    if t.resume_getter is not None and t.where not in roles.resume:
        text = f"{t.resume_getter}() gives no role there: name the function that does, or null if its owner() resumes"
        yield _refuse(f"{key}.resume_getter", text)
    if t.release and t.resume_getter is None:
        yield _refuse(f"{key}.resume_getter", "release needs the role that the Releaser shall hold: name its function")
    if t.where in roles.pause and roles.pause[t.where] == roles.resume.get(t.where):
        text = "the role that pauses is the one that resumes: the guardian would hold both. Give the contract two roles"
        yield _refuse(f"{key}.role_getter", text)


async def _resuming(reader: Reader, key: str, t: TargetPlan, guardian: Address, roles: Roles) -> list[Finding]:
    """The promise of the whole: the guardian holds no right to resume."""
    if t.resume_getter is None:
        owner = await reader.ask(t.where, OWNER)
        if isinstance(owner, Unknown):
            return [_refuse(f"{key}.resume_getter", f"{owner}: who may resume it cannot be told; name the role's function")]
        return [_refuse(key, "the guardian would own it, and so could resume it: move the ownership")] if owner == guardian else []
    if t.where not in roles.resume:
        return []
    held = await reader.ask(t.where, HAS_ROLE, roles.resume[t.where], guardian)
    if isinstance(held, Unknown):
        return [_refuse(f"{key}.resume_getter", f"{held}: whether the guardian could resume cannot be told")]
    if held:
        return [_refuse(key, f"the guardian {guardian} would hold {t.resume_getter} of it: have it revoked before anything else")]
    return []


async def _grantor(reader: Reader, key: str, t: TargetPlan, role: bytes, name: str) -> list[Finding]:
    admin_role = await reader.ask(t.where, ROLE_ADMIN, role)
    held = (
        Unknown("no role admin") if isinstance(admin_role, Unknown) else await reader.ask(t.where, HAS_ROLE, admin_role, Address(t.owner))
    )
    if isinstance(held, Unknown):
        return [_warn(f"{key}.owner", f"whether {t.owner} may grant {name} cannot be read: make sure of it")]
    if not held:
        return [_refuse(f"{key}.owner", f"{t.owner} may not grant {name} there: name who holds its admin role")]
    return []


async def _breaker(reader: Reader, key: str, t: TargetPlan, guardian: Address) -> list[Finding]:
    admin, pauser, seconds = await asyncio.gather(
        reader.ask(t.breaker, ADMIN), reader.ask(t.breaker, PAUSER, t.where), reader.ask(t.breaker, BREAKER_DURATION)
    )
    found = []
    unknown = next((x for x in (admin, pauser, seconds) if isinstance(x, Unknown)), None)
    if unknown is not None:
        return [_refuse(f"{key}.via", f"{unknown}: it does not speak as a CircuitBreaker")]
    if admin != t.owner:
        found.append(_refuse(f"{key}.owner", f"the CircuitBreaker's admin is {admin}, not {t.owner}: name it"))
    if seconds > min(t.limits.sentinel_seconds, t.limits.guardian_seconds):
        text = (
            f"the CircuitBreaker pauses for {seconds} s, which is more than the limits allow: such a pause would revert. Raise the limits"
        )
        found.append(_refuse(f"{key}.limits", text))
    if pauser not in (guardian, "0x" + "00" * 20):
        found.append(_warn(f"{key}.via", f"{pauser} is the pauser now and loses that right: nobody but the guardian could pause it there"))
    return found
