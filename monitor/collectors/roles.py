"""Roles: what the logs say at once, and what full reads of all holders say for certain.

``RoleEvents`` has no reads, so a failed read loses no event. ``RoleHolders`` has one scope a contract, so a contract that
answers nonsense blinds only itself. A missed log cannot hide a grant: the holders are read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.catalogue.shipped import ROLE_READS, ROLES
from monitor.collectors.baseline import NOTHING, Approved, ContractBaseline, Holding, Holdings
from monitor.collectors.emit import Samples, blind, event_of, mapping
from monitor.model import (
    EVERY_BLOCK,
    Address,
    BlockStamp,
    Cadence,
    Disputed,
    Event,
    Failed,
    Family,
    Frame,
    Known,
    Labels,
    Read,
    Snapshot,
    Unanswered,
    blind_frame,
    labels,
    ok_frame,
)  # fmt: skip
from monitor.protocols.abi import BadAnswer
from monitor.protocols.access import Change, Guarded, PauseChange, ProxyChange, RoleChange, RoleReading
from monitor.protocols.signals import ProtocolSources

_EVENT_FAMILIES = ("role_change", "contract_upgrade", "contract_pause_change")
_HOLDER_FAMILIES = ("role_holder", "role_holders_unapproved", "role_holders_missing")
_STATE_FAMILIES = ("contract_implementation_approved", "contract_admin_approved", "contract_paused", "contract_resume_timestamp_seconds")
SLOW_STATES = Cadence(seconds=30)


def _families(names: Sequence[str]) -> tuple[Family, ...]:
    return tuple(f for f in ROLES if f.name in names)


class RoleEvents:
    """Grants, revocations, changes of a role's admin, upgrades, pauses: one event a log."""

    name = "roles_events"
    families = _families(_EVENT_FAMILIES)
    cadence = EVERY_BLOCK

    def __init__(self, protocol: ProtocolSources, approved: Approved) -> None:
        self._source, self._approved = protocol.changes, approved
        self._scope = labels(protocol=protocol.name)
        self.scopes: tuple[Labels, ...] = (self._scope,)
        self.watches = protocol.changes.watches

    def plan(self, known: Known) -> Sequence[Read]:
        return ()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered when the logs are not agreed; they come again then."""
        changes = _last_of_pauses(self._source.changes(snapshot))
        events = [self._event(change) for change in changes]
        return [ok_frame(self.name, self._scope, snapshot.stamp, events=events)], known

    def _event(self, change: Change) -> Event:
        pairs = {**dict(self._scope), "contract": change.contract, "change": change.change}
        mine = self._approved.get(change.contract, NOTHING)
        if isinstance(change, PauseChange):
            return event_of("contract_pause_change", pairs, change.log, change.details)
        pairs |= {"account": change.account or "", "approved": "yes" if _is_approved(change, mine) else "no"}
        if isinstance(change, ProxyChange):
            return event_of("contract_upgrade", pairs, change.log, {})
        return event_of("role_change", {**pairs, "role": change.role}, change.log, change.details)


def _is_approved(change: RoleChange | ProxyChange, mine: ContractBaseline) -> bool:
    """A change is approved when it leads to what the baseline lists; a new role admin and an ossified proxy never are."""
    if change.change == "granted":
        return change.account in mine.holders(change.role)
    if change.change == "revoked":
        return change.account not in mine.holders(change.role)
    if change.change == "implementation":
        return change.account is not None and change.account == mine.implementation
    return change.change == "admin" and change.account is not None and change.account == mine.admin


def _last_of_pauses(changes: Sequence[Change]) -> list[Change]:
    """Resumed and paused again in one transaction is how a pause is prolonged: only the last counts."""
    last = {(c.contract, c.log.tx): c for c in changes if isinstance(c, PauseChange)}
    return [c for c in changes if not isinstance(c, PauseChange) or last[c.contract, c.log.tx] is c]


class RoleHolders:
    """All holders of all roles against the baseline, a scope a contract; due each minute and when a log wakes it.

    ``known["counts"]``: holders by contract and role where their number differs from the baseline's.
    """

    name = "roles_holders"
    families = _families(_HOLDER_FAMILIES)
    cadence = ROLE_READS

    def __init__(self, protocol: ProtocolSources, approved: Approved) -> None:
        self._guarded = tuple(g for g in protocol.guarded if g.enumerable and g.roles)
        self._approved, self._protocol = approved, protocol.name
        self.scopes: tuple[Labels, ...] = tuple(self._scope(g) for g in self._guarded)
        self.watches: frozenset[Address] = frozenset(g.contract.address for g in self._guarded)

    def plan(self, known: Known) -> Sequence[Read]:
        return [read for g in self._guarded for read in g.role_reads(self._expected(g, known))]

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        frames: list[Frame] = []
        counts: dict[str, Any] = {}
        again = False
        for guarded in self._guarded:
            expected = self._expected(guarded, known)
            try:
                readings = guarded.holders(snapshot, expected)
            except Unanswered as missing:
                frames.append(blind(self.name, self._scope(guarded), snapshot.stamp, missing))
                again |= isinstance(missing.answer, (Failed, Disputed)) and not isinstance(missing, BadAnswer)
                readings = None
            if readings is not None:
                frames.append(self._frame(guarded, readings, snapshot.stamp))
                again |= any(r.holders is None for r in readings.values())
                expected = {role: reading.count for role, reading in readings.items()}
            unusual = {role: n for role, n in expected.items() if n != len(self._mine(guarded).holders(role))}
            counts |= {guarded.name: unusual} if unusual else {}
        return frames, {"counts": counts, "again": again}

    def holdings(self, snapshot: Snapshot, known: Known) -> Holdings:
        """What was read, for ``stakewarden roles``; contracts without a full answer are left out."""
        found: dict[str, Holding] = {}
        for guarded in self._guarded:
            try:
                readings = guarded.holders(snapshot, self._expected(guarded, known))
            except Unanswered:
                continue
            complete = {role: r.holders for role, r in readings.items() if r.holders is not None}
            if len(complete) == len(readings):
                found[guarded.name] = Holding(complete)
        return found

    def _frame(self, guarded: Guarded, readings: Mapping[str, RoleReading], at: BlockStamp) -> Frame:
        scope = self._scope(guarded)
        samples = Samples(scope)
        for role, reading in readings.items():
            if reading.holders is None:
                return blind_frame(
                    self.name, scope, at, Failed(f"{guarded.name}: {reading.count} hold {role}; they are read with the next block")
                )
            listed = self._mine(guarded).holders(role)
            for account in reading.holders:
                samples.put("role_holder", 1, role=role, account=account, approved="yes" if account in listed else "no")
            samples.put("role_holders_unapproved", len(reading.holders - listed.keys()), role=role)
            samples.put("role_holders_missing", len(listed.keys() - reading.holders), role=role)
        return ok_frame(self.name, scope, at, samples.found)

    def _expected(self, guarded: Guarded, known: Known) -> Mapping[str, int]:
        usual = {role: len(self._mine(guarded).holders(role)) for role in guarded.roles.values()}
        return {**usual, **mapping(mapping(known, "counts"), guarded.name)}

    def _mine(self, guarded: Guarded) -> ContractBaseline:
        return self._approved.get(guarded.name, NOTHING)

    def _scope(self, guarded: Guarded) -> Labels:
        return labels(protocol=self._protocol, contract=guarded.name)


class ContractStates:
    """What stands behind each proxy, and whether each contract is paused; a scope a contract."""

    families = _families(_STATE_FAMILIES)

    def __init__(self, name: str, protocol: ProtocolSources, approved: Approved, *, urgent: bool) -> None:
        """``urgent``: the contracts that are read at every block, else the others, each half minute and when a log wakes it."""
        self.name = name
        self.cadence = EVERY_BLOCK if urgent else SLOW_STATES
        self._guarded = tuple(g for g in protocol.guarded if (g.proxy or g.pause) and (g.name in protocol.urgent) == urgent)
        self._approved, self._protocol = approved, protocol.name
        self.scopes: tuple[Labels, ...] = tuple(labels(protocol=protocol.name, contract=g.name) for g in self._guarded)
        self.watches: frozenset[Address] = frozenset(g.contract.address for g in self._guarded)

    def plan(self, known: Known) -> Sequence[Read]:
        return [read for guarded in self._guarded for read in guarded.state_reads()]

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        return [self._frame(g, s, snapshot) for g, s in zip(self._guarded, self.scopes, strict=True)], known

    def _frame(self, guarded: Guarded, scope: Labels, snapshot: Snapshot) -> Frame:
        try:
            state = guarded.state(snapshot)
        except Unanswered as missing:
            return blind(self.name, scope, snapshot.stamp, missing)
        samples, mine = Samples(scope), self._approved.get(guarded.name, NOTHING)
        if state.implementation is not None:
            right = state.implementation == mine.implementation
            samples.put("contract_implementation_approved", right, implementation=state.implementation)
        if state.admin is not None:
            samples.put("contract_admin_approved", state.admin == mine.admin, admin=state.admin)
        if state.paused is not None:
            samples.put("contract_paused", state.paused)
        if state.resumes_at is not None:
            samples.put("contract_resume_timestamp_seconds", state.resumes_at)
        return ok_frame(self.name, scope, snapshot.stamp, samples.found)


def holdings(
    protocol: ProtocolSources, approved: Approved, ask: Callable[[Sequence[Read]], Snapshot], rounds: int = 3
) -> tuple[Holdings, list[str]]:
    """All holders and proxy pointers now, for ``stakewarden roles diff|approve``, and the contracts that could not be read.

    ``ask`` reads at one block, the same each time. Follow-up reads are asked for at once, at most ``rounds`` times.
    """
    collector, known = RoleHolders(protocol, approved), dict[str, Any]()
    states = [g for g in protocol.guarded if g.proxy]
    found: dict[str, Holding] = {}
    for _ in range(rounds):
        snapshot = ask([*collector.plan(known), *(read for g in states for read in g.state_reads())])
        found = dict(collector.holdings(snapshot, known))
        _, after = collector.judge(snapshot, known)
        known = dict(after)
        if not known["again"]:
            break
    failed = [dict(scope)["contract"] for scope in collector.scopes if dict(scope)["contract"] not in found]
    for guarded in states:
        try:
            state = guarded.state(snapshot)
        except Unanswered:
            failed.append(guarded.name)
            continue
        roles = found[guarded.name].roles if guarded.name in found else {}
        found[guarded.name] = Holding(roles, state.implementation, state.admin)
    return found, sorted(set(failed))
