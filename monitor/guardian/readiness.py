"""Would the brake work right now? Named checks for each target, for people's pauses and for the sentinels'; pure.

Every check is a positive statement with the reason why it fails. What nobody answered is unknown, never "not ready".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.guardian import contract as guardian
from monitor.guardian import probe as probing
from monitor.guardian.checks import Check, Readiness, code_of, has_code, or_none, outcome
from monitor.guardian.contract import Registered
from monitor.guardian.levers import HAS_ROLE, Lever, NoGood, ask
from monitor.guardian.levers import breaker as circuit
from monitor.guardian.orders_ready import Keys, agreed, keys_checks, own_key_checks, pulled, target_checks
from monitor.model import Address, Balance, Code, Failed, Labels, Read, Snapshot, Unanswered
from monitor.protocols.abi import Contract

MAX_PEOPLE = 16
"""Holders of GUARDIAN_ROLE from which a pause is simulated."""


@dataclass(frozen=True)
class Brake:
    """What readiness is about: the guardian contract, the targets, and the service's keys if there are any."""

    at: Address
    levers: tuple[Lever, ...]
    keys: Keys

    @property
    def contract(self) -> Contract:
        return Contract("guardian", self.at)

    @property
    def sentinel(self) -> Address | None:
        return self.keys.sentinel

    # ------------------------------------------------------------ reads

    def reads(self, known: Mapping[str, Any]) -> list[Read]:
        """Everything to read at a block. What depends on earlier answers (roles' hashes, people, calls) comes from ``known``."""
        found = self.shared_reads()
        for lever in self.levers:
            found += self.target_reads(lever, known)
        return found

    def shared_reads(self) -> list[Read]:
        """The reads that every target needs."""
        functions = (guardian.STOPPED, guardian.SENTINEL_BUDGET, guardian.SENTINELS, guardian.THRESHOLD)
        return [
            Read(self.at, Code()),
            self.contract.read(guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE),
            *(self.contract.read(f) for f in functions),
            *(Read(sender, Balance()) for sender in self.keys.senders),
        ]

    def target_reads(self, lever: Lever, known: Mapping[str, Any]) -> list[Read]:
        where, pull = lever.settings.where, pull_of(known, lever.name)
        holder = self.at if lever.via_breaker is False else None if pull is None else pull[0]
        found = lever.reads(role_of(known, lever.name), holder)
        found += [self.contract.read(guardian.TARGET, where), self.contract.read(guardian.CHECK_TARGET, where)]
        found += [lever.by_person(self.at, person) for person in people_of(known)]
        if pull is not None:
            found.append(pulled(pull, self.at))
            if (staged := probing.staged(lever, pull, self.at)) is not None:
                found.append(staged)
            if lever.via_breaker:
                found += [Contract("breaker", pull[0]).read(f, *arguments) for f, *arguments in self._asked(where)]
        return found

    def _asked(self, where: Address) -> tuple[tuple[Any, ...], ...]:
        return (circuit.PAUSER, where), (circuit.LIVE, self.at), (circuit.EXPIRY, self.at), (circuit.DURATION,)

    def learn(self, snapshot: Snapshot, known: Mapping[str, Any]) -> dict[str, Any]:
        """What the next block's reads depend on, as plain JSON: the people, each target's role hash, and how the guardian would pull it."""
        after = dict(known)
        people = or_none(snapshot, self.contract, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE)
        if people is not None:
            after["people"] = list(people)[:MAX_PEOPLE]
        roles, pulls = dict(known.get("roles", {})), dict(known.get("pulls", {}))
        for lever in self.levers:
            if lever.role is not None and (role := or_none(snapshot, lever.contract, lever.role)) is not None:
                roles[lever.name] = role.hex()
            if (found := self.registered(lever, snapshot)) is not None:
                pull = _pull(lever, found)
                pulls[lever.name] = None if pull is None else [pull[0], pull[1].hex()]
        return {**after, "roles": roles, "pulls": pulls}

    def registered(self, lever: Lever, snapshot: Snapshot) -> Registered | None:
        """What the guardian has for the target; None where that cannot be told."""
        found = or_none(snapshot, self.contract, guardian.TARGET, lever.settings.where)
        try:
            return None if found is None else guardian.registered(found)
        except ValueError:
            return None

    # ------------------------------------------------------------ judging

    def judge(self, lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> list[Readiness]:
        """People's readiness, and the sentinels' where the service has a key and the lever lapses. Raises Unanswered."""
        target = self._registered(lever, snapshot)
        common = tuple(self._common(lever, target, snapshot, known))
        found = [Readiness(lever.name, "guardian", (*common, *self._people(lever, target, snapshot, known)))]
        if self.sentinel is not None and lever.lapses:
            found.append(Readiness(lever.name, "sentinel", (*common, *self._sentinels(lever, target, snapshot, known))))
        return found

    def probe_after(self, lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> Check | None:
        """Whether a pause would stop what the probe does. None where there is nothing to try: see ``probe.after``, and while it is paused. Raises Unanswered.

        Not among the conditions of :meth:`judge`: those say whether a pause would go through, and are known where no endpoint can simulate its effect.
        """
        target = self._registered(lever, snapshot)
        if (
            lever.probe is None
            or isinstance(target, NoGood)
            or (pull := _pull(lever, target)) is None
            or lever.paused(snapshot) is not False
        ):
            return None
        _known_pull(lever, target, known)
        staged = probing.staged(lever, pull, self.at)
        if staged is None:
            return Check(probing.AFTER, False, "the probe's sender is called by the probe or the pause itself: name another sender")
        return probing.after(lever, staged, snapshot)

    def _registered(self, lever: Lever, snapshot: Snapshot) -> Registered | NoGood:
        found = ask(snapshot, self.contract, guardian.TARGET, lever.settings.where)
        if isinstance(found, NoGood):
            return found
        try:
            return guardian.registered(found)
        except ValueError as newer:
            return NoGood(str(newer))

    def _common(self, lever: Lever, target: Registered | NoGood, snapshot: Snapshot, known: Mapping[str, Any]) -> Iterable[Check]:
        yield has_code("guardian_has_code", "the guardian", self.at, code_of(snapshot, self.contract))
        yield has_code("target_has_code", "the target", lever.settings.where, code_of(snapshot, lever.contract))
        found = "nothing" if isinstance(target, NoGood) else target.lever
        why = target.reason if isinstance(target, NoGood) else f"the guardian has the lever {found}"
        yield Check("registered", found not in ("nothing", "None"), why)
        yield Check("lever", found == lever.registered_as, f"the settings say {lever.registered_as}, the guardian has {found}")
        if lever.role is not None:
            yield self._pause_role(lever, target, snapshot, known)
        if lever.via_breaker and isinstance(target, Registered):
            yield from self._breaker(lever, target, snapshot, known)
        paused = lever.paused(snapshot)
        if isinstance(paused, NoGood):
            yield Check("not_paused", False, paused.reason)
        else:
            yield Check("not_paused", not paused, "the target is paused already" if paused else "the target is not paused")
            if (probe := lever.probe) is not None:
                yield probing.now(lever, probe, paused, snapshot)

    def _pause_role(self, lever: Lever, target: Registered | NoGood, snapshot: Snapshot, known: Mapping[str, Any]) -> Check:
        assert lever.role is not None
        role = ask(snapshot, lever.contract, lever.role)
        if isinstance(role, NoGood):
            return Check("pause_role", False, f"{role.reason}; if the target names its role otherwise, set role_getter")
        who, holder = "the guardian", self.at
        if lever.via_breaker:
            if isinstance(target, NoGood) or target.lever != "CircuitBreaker":
                return Check("pause_role", False, "the guardian knows no breaker that could hold it")
            who, holder = f"the breaker {target.via}", target.via
            _known_pull(lever, target, known)
        if role != role_of(known, lever.name):
            raise _later(f"{lever.name}.hasRole", "the role's hash")
        held = ask(snapshot, lever.contract, HAS_ROLE, role, holder)
        if isinstance(held, NoGood):
            return Check("pause_role", False, held.reason)
        getter = lever.settings.role_getter
        return Check("pause_role", held, f"{who} {'holds' if held else 'does not hold'} {getter} (0x{role.hex()}) on the target")

    def _breaker(self, lever: Lever, target: Registered, snapshot: Snapshot, known: Mapping[str, Any]) -> Iterable[Check]:
        if target.lever != "CircuitBreaker":
            return
        _known_pull(lever, target, known)
        pauser, live, expires, seconds = (
            ask(snapshot, Contract("breaker", target.via), f, *arguments) for f, *arguments in self._asked(lever.settings.where)
        )
        yield Check("assigned", pauser == self.at, f"the breaker's pauser of the target is {pauser}")
        yield Check("heartbeat", live is True, f"the guardian is a pauser of the breaker until {expires}")
        most = min(target.sentinel_seconds, target.guardian_seconds)
        fits = not isinstance(seconds, NoGood) and seconds <= most
        yield Check("breaker_seconds", fits, f"the breaker pauses for {seconds} s, the guardian takes {most} s at most")

    def _people(self, lever: Lever, target: Registered | NoGood, snapshot: Snapshot, known: Mapping[str, Any]) -> Iterable[Check]:
        if isinstance(target, Registered) and target.lever != "None":
            left, all_of = target.quota_left, target.guardian_quota
            yield Check("quota", left > 0, f"{left} of {all_of} s are left for which guardians may pause it")
        people = ask(snapshot, self.contract, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE)
        if isinstance(people, NoGood):
            yield Check("has_guardian", False, people.reason)
            return
        yield Check(
            "has_guardian", bool(people), f"{len(people)} accounts hold GUARDIAN_ROLE: {', '.join(people) or 'nobody can pause by hand'}"
        )
        if not people:
            return
        simulated = [p for p in people[:MAX_PEOPLE] if p in people_of(known)]
        if not simulated:
            raise _later(f"{lever.name} by people", "who may pause")
        outcomes = [_by_person(lever.by_person(self.at, p), snapshot) for p in simulated]
        yield next((o for o in outcomes if not o.ok), outcomes[0])

    def _sentinels(self, lever: Lever, target: Registered | NoGood, snapshot: Snapshot, known: Mapping[str, Any]) -> Iterable[Check]:
        yield from keys_checks(self.contract, snapshot)
        yield from own_key_checks(self.contract, self.keys, snapshot)
        if isinstance(target, Registered):
            yield from target_checks(target, snapshot.stamp.timestamp)
        yield agreed(self.contract, lever.settings.where, snapshot)
        if isinstance(target, Registered) and (pull := _pull(lever, target)) is not None:
            _known_pull(lever, target, known)
            reverted = outcome(snapshot, pulled(pull, self.at), f"simulation of {lever.name}'s lever")
            yield Check("simulated", reverted is None, f"the target's pause call from the guardian {_went(reverted)}")

    # ------------------------------------------------------------ values

    def breaker_expiry(self, lever: Lever, snapshot: Snapshot) -> int | None:
        """Until when the breaker takes pauses from the guardian (block time); None for another lever, or where that cannot be told."""
        target = self.registered(lever, snapshot) if lever.via_breaker else None
        if target is None or target.lever != "CircuitBreaker":
            return None
        found: int | None = or_none(snapshot, Contract("breaker", target.via), circuit.EXPIRY, self.at)
        return found


def people_of(known: Mapping[str, Any]) -> list[Address]:
    """The people as remembered."""
    return [Address(p) for p in known.get("people", [])]


def role_of(known: Mapping[str, Any], target: str) -> bytes | None:
    """The hash of a target's pause role as remembered."""
    found = known.get("roles", {}).get(target)
    return None if found is None else bytes.fromhex(found)


def pull_of(known: Mapping[str, Any], target: str) -> tuple[Address, bytes] | None:
    """Whom the guardian would call to pause the target, and with what, as remembered."""
    found = known.get("pulls", {}).get(target)
    return None if found is None else (Address(found[0]), bytes.fromhex(found[1]))


def scope_of(lever: Lever) -> Labels:
    return (("target", lever.name),)


def _pull(lever: Lever, target: Registered) -> tuple[Address, bytes] | None:
    return None if target.lever == "None" else guardian.lever_call(lever.settings.where, target)


def _known_pull(lever: Lever, target: Registered, known: Mapping[str, Any]) -> None:
    """Raises Unanswered while what was asked at this block is not what is registered."""
    if _pull(lever, target) != pull_of(known, lever.name):
        raise _later(f"a pause of {lever.name} by the guardian", "how the target is registered")


def _later(what: str, first: str) -> Unanswered:
    return Unanswered(what, Failed(f"{first} was read for the first time; what hangs on it is read at the next block"))


def _by_person(read: Read, snapshot: Snapshot) -> Check:
    reverted = outcome(snapshot, read, f"simulation of a pause from {read.caller}")
    return Check("simulated", reverted is None, f"a pause from {read.caller} {_went(reverted)}")


def _went(reverted: bytes | None) -> str:
    return "goes through" if reverted is None else f"would fail: {guardian.explain(reverted)}"
