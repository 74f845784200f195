"""The collector "guardian": readiness of each target, who paused, the service's own keys, and pauses signed in advance, at every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.catalogue.shipped import GUARDIAN
from monitor.collectors.emit import Samples, blind, ether, event_of
from monitor.guardian import contract as guardian
from monitor.guardian import effect
from monitor.guardian.checks import Readiness, reasons
from monitor.guardian.ends import Block, Ends
from monitor.guardian.levers import Lever, NoGood
from monitor.guardian.orders_ready import Keys, balance, live
from monitor.guardian.probe import AFTER
from monitor.guardian.readiness import Brake, scope_of
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.settings import GuardianSettings
from monitor.model import EVERY_BLOCK, Address, Event, Family, Frame, Known, Labels, Read, Snapshot, Unanswered, ok_frame
from monitor.protocols.abi import Events


def brake_of(settings: GuardianSettings, sentinel: Address | None, senders: tuple[Address, ...] = ()) -> Brake:
    """The brake of the settings. ``sentinel``, ``senders``: the addresses of the service's keys, if it has any."""
    keys = Keys(sentinel, senders, int(settings.min_balance_ether * 10**18), bool(settings.peers))
    return Brake(settings.where, tuple(Lever(t) for t in settings.targets), keys)


class GuardianCollector:
    """One scope a target, so that a target that cannot be read blinds only itself; one for what a pause would make of its probe, which not every
    endpoint can simulate; one a pause signed in advance; and one for the service's keys.

    ``known["reasons"]`` holds, for each target, why its checks fail: for pages and messages; ``effect.learn`` adds what a pause of it is.
    """

    name = "guardian"
    families: tuple[Family, ...] = GUARDIAN
    cadence = EVERY_BLOCK

    def __init__(self, brake: Brake, presigned: Sequence[Presigned] = ()) -> None:
        self.brake, self.presigned = brake, tuple(presigned)
        self._events = Events((brake.contract, guardian.TARGET_PAUSED))
        self._names = {lever.settings.where: lever.name for lever in brake.levers}
        files: tuple[Labels, ...] = tuple(_scope_of(p) for p in self.presigned)
        own: tuple[Labels, ...] = ((),) if self._has_keys else ()
        self._probed = tuple(lever for lever in brake.levers if lever.probe is not None)
        self.scopes: tuple[Labels, ...] = (*map(scope_of, brake.levers), *map(_after, self._probed), *files, *own)
        self._ends = Ends(brake)
        self.watches = self._ends.watches

    def plan(self, known: Known) -> Sequence[Read]:
        signed = [read for each in self.presigned for read in each.reads()]
        return tuple(dict.fromkeys([*self.brake.reads(known), *effect.reads(self.brake, known), *signed]))

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        paused = self._paused(snapshot)
        why: dict[str, Any] = {}
        ends = self._ends.at(snapshot, known)
        frames = [self._target(lever, snapshot, known, ends, paused.get(lever.name, []), why) for lever in self.brake.levers]
        frames += [self._effect(lever, snapshot, known, why) for lever in self._probed]
        frames += [self._signed(each, snapshot, why) for each in self.presigned]
        if self._has_keys:
            frames.append(self._own(snapshot))
        return frames, {**self.brake.learn(snapshot, known), **ends.memory(), **effect.learn(self.brake, snapshot, known), "reasons": why}

    def _target(self, lever: Lever, snapshot: Snapshot, known: Known, ends: Block, events: list[Event], why: dict[str, Any]) -> Frame:
        scope = scope_of(lever)
        try:
            found = self.brake.judge(lever, snapshot, known)
            paused = lever.paused(snapshot)
            target, samples = self.brake.registered(lever, snapshot), Samples(scope)
            moved = ends.follow(lever, target, samples)
        except Unanswered as missing:
            why[lever.name] = {"unknown": {"unknown": str(missing)}}
            return blind(self.name, scope, snapshot.stamp, missing)
        if not isinstance(paused, NoGood):
            samples.put("guardian_target_paused", paused)
        if target is not None and lever.lapses:
            samples.put("guardian_target_shadow", target.arming == "Shadow")
        if (expires := self.brake.breaker_expiry(lever, snapshot)) is not None:
            samples.put("guardian_heartbeat_seconds", max(0, expires - snapshot.stamp.timestamp))
        for readiness in found:
            _put(samples, readiness)
        why[lever.name] = reasons(found)
        return ok_frame(self.name, scope, snapshot.stamp, samples.found, [*events, *moved])

    def _effect(self, lever: Lever, snapshot: Snapshot, known: Known, why: dict[str, Any]) -> Frame:
        scope = _after(lever)
        try:
            check = self.brake.probe_after(lever, snapshot, known)
        except Unanswered as missing:
            return blind(self.name, scope, snapshot.stamp, missing)
        samples = Samples(scope)
        if check is not None:
            samples.put("guardian_check", check.ok, by="guardian")
            if not check.ok:
                why[lever.name] = {**why[lever.name], "effect": {AFTER: check.reason}}
        return ok_frame(self.name, scope, snapshot.stamp, samples.found)

    @property
    def _has_keys(self) -> bool:
        return self.brake.sentinel is not None or bool(self.brake.keys.senders)

    def _own(self, snapshot: Snapshot) -> Frame:
        samples, keys = Samples(()), self.brake.keys
        try:
            for sender in keys.senders:
                samples.put("guardian_sender_balance_ether", ether(balance(sender, snapshot)), account=sender)
            sentinels = live(self.brake.contract, snapshot)
        except Unanswered as missing:
            return blind(self.name, (), snapshot.stamp, missing)
        if keys.sentinel is not None and not isinstance(sentinels, NoGood) and (expiry := sentinels.get(keys.sentinel)) is not None:
            samples.put("guardian_sentinel_expiry_seconds", max(0, expiry - snapshot.stamp.timestamp))
        return ok_frame(self.name, (), snapshot.stamp, samples.found)

    def _signed(self, signed: Presigned, snapshot: Snapshot, why: dict[str, Any]) -> Frame:
        scope = _scope_of(signed)
        try:
            checks = signed.judge(snapshot)
        except Unanswered as missing:
            return blind(self.name, scope, snapshot.stamp, missing)
        samples = Samples(scope)
        failing = {c.name: c.reason for c in checks if not c.ok}
        samples.put("guardian_presigned_ready", not failing)
        why[f"signed in advance: {signed.name}"] = {"presigned": failing}
        return ok_frame(self.name, scope, snapshot.stamp, samples.found)

    def _paused(self, snapshot: Snapshot) -> dict[str, list[Event]]:
        """Pauses by target's name; those of targets that the settings do not have are left out."""
        found: dict[str, list[Event]] = {}
        for seen in self._events.scan(snapshot.logs_of(self.brake.at)):
            name = self._names.get(seen.values["target"])
            if name is None:
                continue
            by = "sentinel" if seen.values["bySentinels"] else "guardian"
            details = {"account": seen.values["by"], "resumes_at": str(seen.values["resumesAt"])}
            found.setdefault(name, []).append(event_of("guardian_pause", {"target": name, "by": by}, seen.log, details))
        return found


def _scope_of(signed: Presigned) -> Labels:
    return (("file", signed.name),)


def _after(lever: Lever) -> Labels:
    return (("check", AFTER), *scope_of(lever))


def _put(samples: Samples, readiness: Readiness) -> None:
    samples.put("guardian_ready", readiness.ready, by=readiness.by)
    for check in readiness.checks:
        samples.put("guardian_check", check.ok, by=readiness.by, check=check.name)
