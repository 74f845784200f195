"""The collector "guardian": readiness of each target, who paused, and the sentinel's gas money, at every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.catalogue.shipped import GUARDIAN
from monitor.collectors.emit import Samples, blind, ether, event_of
from monitor.guardian import contract as guardian
from monitor.guardian.levers import Lever, NoGood
from monitor.guardian.readiness import Brake, Readiness, reasons, scope_of
from monitor.guardian.settings import GuardianSettings
from monitor.model import EVERY_BLOCK, Address, Event, Family, Frame, Known, Labels, Read, Snapshot, Unanswered, ok_frame
from monitor.protocols.abi import Events


def brake_of(settings: GuardianSettings, sentinel: Address | None) -> Brake:
    """The brake of the settings. ``sentinel``: the address of the service's key, if it has one."""
    return Brake(settings.where, tuple(Lever(t) for t in settings.targets), sentinel, int(settings.min_balance_ether * 10**18))


class GuardianCollector:
    """One scope a target, so that a target that cannot be read blinds only itself; and one for the sentinel's account.

    ``known["reasons"]`` holds, for each target, why its checks fail: for pages and messages.
    """

    name = "guardian"
    families: tuple[Family, ...] = GUARDIAN
    cadence = EVERY_BLOCK

    def __init__(self, brake: Brake) -> None:
        self.brake = brake
        self._events = Events((brake.contract, guardian.TARGET_PAUSED))
        self._names = {lever.settings.where: lever.name for lever in brake.levers}
        own: tuple[Labels, ...] = ((),) if brake.sentinel is not None else ()
        self.scopes: tuple[Labels, ...] = (*(scope_of(lever) for lever in brake.levers), *own)
        self.watches = frozenset({brake.at})

    def plan(self, known: Known) -> Sequence[Read]:
        return tuple(dict.fromkeys(self.brake.reads(known)))

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        paused = self._paused(snapshot)
        why: dict[str, Any] = {}
        frames = [self._target(lever, snapshot, known, paused.get(lever.name, []), why) for lever in self.brake.levers]
        if self.brake.sentinel is not None:
            frames.append(self._balance(snapshot))
        return frames, {**self.brake.learn(snapshot, known), "reasons": why}

    def _target(self, lever: Lever, snapshot: Snapshot, known: Known, events: list[Event], why: dict[str, Any]) -> Frame:
        scope = scope_of(lever)
        try:
            found = self.brake.judge(lever, snapshot, known)
            paused = lever.paused(snapshot)
        except Unanswered as missing:
            why[lever.name] = {"unknown": {"unknown": str(missing)}}
            return blind(self.name, scope, snapshot.stamp, missing)
        samples = Samples(scope)
        if not isinstance(paused, NoGood):
            samples.put("guardian_target_paused", paused)
        for readiness in found:
            _put(samples, readiness)
        why[lever.name] = reasons(found)
        return ok_frame(self.name, scope, snapshot.stamp, samples.found, events)

    def _balance(self, snapshot: Snapshot) -> Frame:
        samples = Samples(())
        try:
            samples.put("guardian_sentinel_balance_ether", ether(self.brake.balance(snapshot)))
        except Unanswered as missing:
            return blind(self.name, (), snapshot.stamp, missing)
        return ok_frame(self.name, (), snapshot.stamp, samples.found)

    def _paused(self, snapshot: Snapshot) -> dict[str, list[Event]]:
        """Pauses by target's name; those of targets that the settings do not have are left out."""
        found: dict[str, list[Event]] = {}
        for seen in self._events.scan(snapshot.logs_of(self.brake.at)):
            name = self._names.get(seen.values["target"])
            if name is None:
                continue
            by = "sentinel" if seen.values["bySentinel"] else "guardian"
            details = {"account": seen.values["by"], "resumes_at": str(seen.values["resumesAt"])}
            found.setdefault(name, []).append(event_of("guardian_pause", {"target": name, "by": by}, seen.log, details))
        return found


def _put(samples: Samples, readiness: Readiness) -> None:
    samples.put("guardian_ready", readiness.ready, by=readiness.by)
    for check in readiness.checks:
        samples.put("guardian_check", check.ok, by=readiness.by, check=check.name)
