"""One way to pull one lever by hand: the call, and what it would do, from what the chain says at one block.

Two ways, one shape: through our guardian contract for what is registered there, and directly for a declared contract whose role the sender holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from monitor.guardian import contract as guardian
from monitor.guardian.aim import Aim, another, no_guardian, registered_at
from monitor.guardian.checks import code_of
from monitor.guardian.contract import PauseImpossible, Registered
from monitor.guardian.levers import HAS_ROLE, IS_PAUSED, PAUSED, RESUME_SINCE, NoGood, ask, breaker, roles
from monitor.guardian.levers.declared import BreakerLever, FlagsLever, NoLever, RoleLever
from monitor.guardian.levers.people import holders, parties
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.node import Nodes
from monitor.guardian.safe import reverts
from monitor.guardian.safe.source import NodesSource
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Address, BlockStamp, Code, Read, Snapshot
from monitor.protocols.abi import Contract

_MOST_NAMED = 16


@dataclass(frozen=True, slots=True)
class Pull:
    """A pause that could be made at the block that was looked at. Timestamps are block time, and would be a little later when it is mined later.

    ``gas``: what to send it with; None: to be estimated. ``lapses``: it ends by itself. ``paused``: whether the target says that it is paused,
    None if it says nothing. ``resumes_timestamp``: the end of the pause that is on. ``ends_timestamp``: the end that this one would have.
    ``quota_left``, ``quota_after``: seconds for which guardians may still pause it, now and afterwards; None where nothing counts them.
    """

    name: str
    where: Address
    to: Address
    data: bytes
    function: str
    through: str
    gas: int | None
    lapses: bool
    paused: bool | None
    resumes_timestamp: int | None
    ends_timestamp: int | None
    quota_left: int | None
    quota_after: int | None
    explain: Callable[[bytes], str]
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------- through the guardian


async def by_guardian(nodes: Nodes, at: BlockStamp, where: Address, chain_id: int, aim: Aim, sender: Address) -> Pull | None:
    """The pause through the guardian contract; None when the target is not registered there.

    Raises PauseImpossible with the reason, NoMajority and Unanswered when it cannot be read.
    """
    contract, target = Contract("guardian", where), Contract("target", aim.where)
    reads = [
        Read(where, Code()), contract.read(guardian.TARGET, aim.where), contract.read(guardian.GAS_NEEDED, (aim.where,)),
        contract.read(HAS_ROLE, guardian.GUARDIAN_ROLE, sender), contract.read(guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE),
        *(target.read(f) for f in (IS_PAUSED, PAUSED, RESUME_SINCE)),
    ]  # fmt: skip
    seen = await take_snapshot(nodes, at, reads)
    if not code_of(seen, contract):
        raise no_guardian(where, chain_id)
    registered = registered_at(seen, where, aim.where)
    if registered.lever == "None":
        return None
    gas, held, people = (
        ask(seen, contract, guardian.GAS_NEEDED, (aim.where,)), ask(seen, contract, HAS_ROLE, guardian.GUARDIAN_ROLE, sender),
        ask(seen, contract, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE),
    )  # fmt: skip
    for answer in (gas, held, people):
        if isinstance(answer, NoGood):
            raise another(where, answer.reason)
    if not held:
        raise await _no_right(nodes, at, sender, f"GUARDIAN_ROLE of the guardian {where}", people, f"guardian calldata {aim.name}")
    return await _timed(nodes, seen, where, aim, registered, gas)


async def _timed(nodes: Nodes, seen: Snapshot, where: Address, aim: Aim, registered: Registered, gas: int) -> Pull:
    lapses = registered.lever != "Pause"
    paused, resumes = _state(seen, aim.where, lapses)
    seconds, notes = registered.guardian_seconds, []
    if registered.lever == "CircuitBreaker":
        breakers = Contract("breaker", registered.via)
        told = ask(await take_snapshot(nodes, seen.stamp, [breakers.read(breaker.DURATION)]), breakers, breaker.DURATION)
        if not isinstance(told, NoGood):
            seconds = min(seconds, told)
        notes.append(
            f"one shot: the circuit breaker {registered.via} forgets the guardian as its pauser, until its admin registers it again"
        )
    if lapses and registered.quota_left < registered.guardian_seconds:
        notes.append(f"the quota is nearly used: {registered.quota_left} s are left, a whole pause takes {registered.guardian_seconds} s")
    ends, charged = window(registered, seconds, seen.stamp.timestamp, resumes if paused else None)
    return Pull(
        aim.name, aim.where, where, guardian.pause_calldata(aim.where), f"pauseTarget({aim.where})", f"through the guardian {where}", gas, lapses,
        paused, resumes if paused else None, ends if lapses else None, registered.quota_left, registered.quota_left - charged, guardian.explain,
        tuple(notes),
    )  # fmt: skip


def window(registered: Registered, seconds: int, now: int, resumes: int | None) -> tuple[int, int]:
    """Until when a guardian's pause would last, and how many seconds of the quota it takes (``_guardianSeconds`` and ``_pull`` of the contract).

    ``seconds``: what the lever gives, at most ``guardian_seconds``; ``resumes``: the end of the pause that is on. A lever without an end is
    charged as if it had one.
    """
    begins = max(now, resumes or 0)
    ends = min(now + seconds, begins + registered.quota_left)
    return ends, max(0, ends - begins)


# ---------------------------------------------------------------- directly


async def by_role(nodes: Nodes, at: BlockStamp, aim: Aim, sender: Address, seconds: int | None) -> Pull:
    """The pause of a declared lever that the sender may pull itself. Raises PauseImpossible, for every other lever with the command that does it."""
    if not isinstance(aim.declared, RoleLever):
        raise not_by_hand(aim)
    lever = aim.declared
    data, _ = roles.pause_call(lever, aim.name, seconds)
    reader = Reader(NodesSource(nodes), at)
    held = await holders(reader, lever.where, lever.role_getter, [*map(Address, lever.candidates), sender])
    if not isinstance(held, Unknown) and sender not in held:
        more = "" if seconds is None else f" --seconds {seconds}"
        raise await _no_right(nodes, at, sender, f"the right to pause {aim.name}", held, f"guardian safe prepare {aim.name}{more}")
    target, lapses = Contract("target", lever.where), lever.call != "pause()"
    seen = await take_snapshot(nodes, at, [Read(lever.where, Code()), *(target.read(f) for f in (IS_PAUSED, PAUSED, RESUME_SINCE))])
    if not code_of(seen, target):
        raise PauseImpossible(f"there is no contract at {lever.where} ({aim.name}): is this its chain?")
    paused, resumes = _state(seen, lever.where, lapses)
    notes = [f"cost: {lever.cost}"]
    if isinstance(held, Unknown):
        notes.append(f"who may pause it cannot be told ({held.why})")
    return Pull(
        aim.name, lever.where, lever.where, data, lever.call if seconds is None else f"pauseFor({seconds})", "by its own role", None,
        lapses, paused, resumes if paused else None, at.timestamp + seconds if lapses and seconds is not None else None, None, None,
        reverts.explain, tuple(notes),
    )  # fmt: skip


def not_by_hand(aim: Aim) -> PauseImpossible:
    """Why this lever is not one for a single key, and the command or the people that do it."""
    prepare = f"stakewarden guardian safe prepare {aim.name}"
    match aim.declared:
        case BreakerLever():
            return PauseImpossible(f"{aim.name} is paused by the pauser of its CircuitBreaker, a Safe: {prepare}")
        case FlagsLever(flags=flags):
            known = "; ".join(f"{bit} {stops}" for bit, stops in sorted(flags.items()))
            return PauseImpossible(f"{aim.name} is paused by a Safe, flag by flag: {prepare} --flag N (its flags: {known})")
        case NoLever(who=who, how=how):
            return PauseImpossible(f"{aim.name} has no lever. Who can act: {who}. How: {how}. See `stakewarden guardian levers`")
        case None:
            return PauseImpossible(f"{aim.name} is no declared lever: name the guardian that has it (--guardian ADDRESS)")
    return PauseImpossible(f"any one guardian pauses {aim.name} alone: `stakewarden guardian levers` prints the call")


def why_not_registered(aim: Aim, where: Address, listed: Sequence[str]) -> PauseImpossible:
    """The guardian does not have it, and it has no lever that one key pulls."""
    if aim.declared is not None and not isinstance(aim.declared, RoleLever):
        return PauseImpossible(f"{not_by_hand(aim)} (the guardian {where} does not have it)")
    return PauseImpossible("\n".join([f"{aim.name} is not registered with the guardian {where}", *listed]))


# ---------------------------------------------------------------- both


def _state(seen: Snapshot, where: Address, lapses: bool) -> tuple[bool | None, int | None]:
    """Whether it is paused, and until when: what it says as the kind of lever that it is."""
    target = Contract("target", where)
    paused = ask(seen, target, IS_PAUSED if lapses else PAUSED)
    resumes = ask(seen, target, RESUME_SINCE) if lapses else None
    return None if isinstance(paused, NoGood) else paused, None if isinstance(resumes, NoGood) else resumes


async def read_back(nodes: Nodes, at: BlockStamp, pull: Pull) -> Pull:
    """The same with the state of that block. Raises NoMajority and Unanswered."""
    target = Contract("target", pull.where)
    seen = await take_snapshot(nodes, at, [target.read(f) for f in (IS_PAUSED, PAUSED, RESUME_SINCE)])
    paused, resumes = _state(seen, pull.where, pull.lapses)
    return replace(pull, paused=paused, resumes_timestamp=resumes if paused else None)


async def _no_right(nodes: Nodes, at: BlockStamp, sender: Address, what: str, held: Sequence[Address], command: str) -> PauseImpossible:
    """Who does hold it, so that the right one can be woken."""
    found = await parties(Reader(NodesSource(nodes), at), held[:_MOST_NAMED], {})
    who = "; ".join(str(p) for p in found) or "nobody"
    safe = f". For a Safe: stakewarden {command}" if any(p.kind == "Safe" for p in found) else ""
    return PauseImpossible(f"{sender} does not hold {what}, so nothing was sent. Who does: {who}{safe}")
