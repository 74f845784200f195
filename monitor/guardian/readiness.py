"""Would the brake work right now? Named checks for each target, for people's pauses and for the sentinel's; pure.

Every check is a positive statement with the reason why it fails. What nobody answered is unknown, never "not ready".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitor.guardian import contract as guardian
from monitor.guardian.levers import HAS_ROLE, Lever, NoGood, ask
from monitor.model import Address, Balance, Code, Failed, Labels, Read, Reverted, Snapshot, Unanswered, Value
from monitor.protocols.abi import Contract

By = Literal["guardian", "sentinel"]
MAX_PEOPLE = 16
"""Holders of GUARDIAN_ROLE from which a pause is simulated."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. ``reason`` says why it does not hold, or what holds."""

    name: str
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """All conditions of one target for one kind of pauser."""

    target: str
    by: By
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        return all(c.ok for c in self.checks)

    @property
    def failing(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if not c.ok)


@dataclass(frozen=True)
class Brake:
    """What readiness is about: the guardian contract, the targets, and the sentinel's account if there is one."""

    at: Address
    levers: tuple[Lever, ...]
    sentinel: Address | None
    min_balance: int
    """Wei that the sentinel's account should hold."""

    @property
    def contract(self) -> Contract:
        return Contract("guardian", self.at)

    # ------------------------------------------------------------ reads

    def reads(self, known: Mapping[str, Any]) -> list[Read]:
        """Everything to read at a block. What depends on earlier answers (roles' hashes, people) comes from ``known``."""
        found = self.shared_reads()
        for lever in self.levers:
            found += self.target_reads(lever, known)
        return found

    def shared_reads(self) -> list[Read]:
        """The reads that every target needs."""
        found = [
            Read(self.at, Code()),
            self.contract.read(guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE),
            self.contract.read(guardian.ROLE_MEMBERS, guardian.SENTINEL_ROLE),
            self.contract.read(guardian.STOPPED),
            self.contract.read(guardian.SENTINEL_BUDGET),
        ]
        if self.sentinel is not None:
            found.append(Read(self.sentinel, Balance()))
        return found

    def target_reads(self, lever: Lever, known: Mapping[str, Any]) -> list[Read]:
        found = lever.reads(role_of(known, lever.name), self.at)
        found.append(self.contract.read(guardian.TARGET, lever.settings.where))
        found += [lever.simulation(self.at, person, sentinel=False) for person in people_of(known)]
        if self.sentinel is not None and lever.lapses:
            found.append(lever.simulation(self.at, self.sentinel, sentinel=True))
        return found

    def learn(self, snapshot: Snapshot, known: Mapping[str, Any]) -> dict[str, Any]:
        """What the next block's reads depend on, as plain JSON: the people, and each target's role hash."""
        after = dict(known)
        people = _or_none(snapshot, self.contract, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE)
        if people is not None:
            after["people"] = list(people)[:MAX_PEOPLE]
        roles = dict(known.get("roles", {}))
        for lever in self.levers:
            if lever.role is not None and (role := _or_none(snapshot, lever.contract, lever.role)) is not None:
                roles[lever.name] = role.hex()
        after["roles"] = roles
        return after

    # ------------------------------------------------------------ judging

    def judge(self, lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> list[Readiness]:
        """People's readiness, and the sentinel's where there is one and the lever lapses. Raises Unanswered."""
        common = tuple(self._common(lever, snapshot, known))
        found = [Readiness(lever.name, "guardian", (*common, *self._people(lever, snapshot, known)))]
        if self.sentinel is not None and lever.lapses:
            found.append(Readiness(lever.name, "sentinel", (*common, *self._sentinel(lever, self.sentinel, snapshot))))
        return found

    def _common(self, lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> Iterable[Check]:
        where = lever.settings.where
        yield _has_code("guardian_has_code", "the guardian", self.at, snapshot)
        yield _has_code("target_has_code", "the target", where, snapshot)
        target = ask(snapshot, self.contract, guardian.TARGET, where)
        found = None if isinstance(target, NoGood) else guardian.LEVERS[target[0]] if target[0] < len(guardian.LEVERS) else "unknown"
        yield Check(
            "registered",
            found not in (None, "none"),
            target.reason if isinstance(target, NoGood) else f"the guardian has the lever {found}",
        )
        yield Check("lever", found == lever.settings.lever, f"the settings say {lever.settings.lever}, the guardian has {found}")
        if lever.role is not None:
            yield self._pause_role(lever, snapshot, known)
        paused = lever.paused(snapshot)
        if isinstance(paused, NoGood):
            yield Check("not_paused", False, paused.reason)
        else:
            yield Check("not_paused", not paused, "the target is paused already" if paused else "the target is not paused")

    def _pause_role(self, lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> Check:
        assert lever.role is not None
        role = ask(snapshot, lever.contract, lever.role)
        if isinstance(role, NoGood):
            return Check("pause_role", False, f"{role.reason}; if the target names its role otherwise, set role_getter")
        if role != role_of(known, lever.name):
            raise Unanswered(
                f"{lever.name}.hasRole", Failed("the role's hash was read for the first time; who holds it is read at the next block")
            )
        held = ask(snapshot, lever.contract, HAS_ROLE, role, self.at)
        if isinstance(held, NoGood):
            return Check("pause_role", False, held.reason)
        getter = lever.settings.role_getter
        return Check("pause_role", held, f"the guardian {'holds' if held else 'does not hold'} {getter} (0x{role.hex()}) on the target")

    def _people(self, lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> Iterable[Check]:
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
            raise Unanswered(
                f"{lever.name} by people", Failed("who may pause was read for the first time; they are simulated at the next block")
            )
        outcomes = [_simulated(lever.simulation(self.at, p, sentinel=False), snapshot) for p in simulated]
        yield next((o for o in outcomes if not o.ok), outcomes[0])

    def _sentinel(self, lever: Lever, sentinel: Address, snapshot: Snapshot) -> Iterable[Check]:
        sentinels = ask(snapshot, self.contract, guardian.ROLE_MEMBERS, guardian.SENTINEL_ROLE)
        people = ask(snapshot, self.contract, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE)
        target = ask(snapshot, self.contract, guardian.TARGET, lever.settings.where)
        arming = "unknown" if isinstance(target, NoGood) or target[1] >= len(guardian.ARMING) else guardian.ARMING[target[1]]
        yield _listed("has_role", sentinel, sentinels, "SENTINEL_ROLE", wanted=True)
        yield _listed("separate_key", sentinel, people, "GUARDIAN_ROLE", wanted=False)
        stopped = ask(snapshot, self.contract, guardian.STOPPED)
        yield Check("not_stopped", stopped is False, "sentinels may act" if stopped is False else "sentinels are stopped on the contract")
        yield Check("armed", arming == "armed", f"the target is {arming}")
        budget = ask(snapshot, self.contract, guardian.SENTINEL_BUDGET)
        left = 0 if isinstance(budget, NoGood) else budget
        yield Check("budget", left > 0, f"{left} pauses are left in the sentinels' budget")
        balance = self.balance(snapshot)
        yield Check("gas_money", balance >= self.min_balance, f"{_ether(balance)} ether for gas, {_ether(self.min_balance)} are wanted")
        yield _simulated(lever.simulation(self.at, sentinel, sentinel=True), snapshot)

    def balance(self, snapshot: Snapshot) -> int:
        """Wei in the sentinel's account. Raises Unanswered."""
        assert self.sentinel is not None
        return int.from_bytes(snapshot.value(Read(self.sentinel, Balance())), "big")


def people_of(known: Mapping[str, Any]) -> list[Address]:
    """The people as remembered."""
    return [Address(p) for p in known.get("people", [])]


def role_of(known: Mapping[str, Any], target: str) -> bytes | None:
    """The hash of a target's pause role as remembered."""
    found = known.get("roles", {}).get(target)
    return None if found is None else bytes.fromhex(found)


def reasons(found: Sequence[Readiness]) -> dict[str, dict[str, str]]:
    """The failing reasons as plain JSON: by kind of pauser and check. For pages and messages."""
    return {r.by: {c.name: c.reason for c in r.failing} for r in found}


def scope_of(lever: Lever) -> Labels:
    return (("target", lever.name),)


def _has_code(name: str, what: str, where: Address, snapshot: Snapshot) -> Check:
    size = len(snapshot.value(Read(where, Code())))
    return Check(name, size > 0, f"{what} {where} has {size} bytes of code")


def _simulated(read: Read, snapshot: Snapshot) -> Check:
    answer = snapshot.answers.get(read, Failed("was not read at this block"))
    if isinstance(answer, Value):
        return Check("simulated", True, f"a pause from {read.caller} goes through")
    if isinstance(answer, Reverted):
        return Check("simulated", False, f"a pause from {read.caller} would fail: {guardian.explain(answer.data)}")
    raise Unanswered(f"simulation of a pause from {read.caller}", answer)


def _listed(name: str, account: Address, holders: Any, role: str, *, wanted: bool) -> Check:
    if isinstance(holders, NoGood):
        return Check(name, False, holders.reason)
    held = account in holders
    return Check(name, held == wanted, f"{account} {'holds' if held else 'does not hold'} {role}")


def _or_none(snapshot: Snapshot, contract: Contract, function: Any, *arguments: Any) -> Any:
    try:
        found = ask(snapshot, contract, function, *arguments)
    except Unanswered:
        return None
    return None if isinstance(found, NoGood) else found


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.4f}"
