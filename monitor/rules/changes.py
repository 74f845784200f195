"""What happens to instances when the past or the rules change: reorganisations and reloads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitor.model import AlertInstance, Cause, Hash, Moment, State, Tick, Transition
from monitor.rules.files import RuleSet
from monitor.rules.instances import Instances, Live


def reconcile_reorg(before: Instances, after: Instances, at: Moment, held: Sequence[Transition] = ()) -> tuple[Instances, list[Transition]]:
    """Compares what was announced on the orphaned branch with what is true on the new one.

    ``before``: instances at the orphaned tip. ``after``: those of the new branch when it has reached the orphaned timestamp, ``held``:
    the transitions that judging the new branch gave since the ancestor, not announced yet. An episode that fires on both
    branches goes on under its first name, and nothing is said. One that fires on the old branch alone is retracted (cause
    ``reorg``), unless it began before the fork and ended by itself on the new branch. What fires on the new branch alone is announced.
    Gives ``after`` with the names of episodes kept, and the transitions to announce instead of ``held``.
    """
    was = {i.fingerprint: i for i in before.firing}
    now = {i.fingerprint: i for i in after.firing}
    both = was.keys() & now.keys()
    kept = replace(after, live=tuple(_renamed(live, was) if live.instance.fingerprint in both else live for live in after.live))
    announce = [t for t in held if t.fingerprint not in both and not _began_unseen(t, held, was)]
    said = {(t.fingerprint, t.new) for t in announce}
    announce += [_change(was[k], "firing", "inactive", at, "reorg") for k in sorted(was.keys() - now.keys()) if (k, "inactive") not in said]
    announce += [_change(now[k], "inactive", "firing", at, "reorg") for k in sorted(now.keys() - was.keys()) if (k, "firing") not in said]
    return kept, announce


def reload(old: RuleSet, new: RuleSet, live: Instances, at: Moment) -> tuple[Instances, list[Transition]]:
    """Carries instances over to another rule set.

    A rule with the same id, expression, labels and treatment of missing data keeps its instances (``for``,
    ``keep_firing_for`` and annotations may change). Instances of others end, the firing ones with cause ``reload``.
    """
    same = {r.id: r.identity for r in old.alerts}.items() & {r.id: r.identity for r in new.alerts}.items()
    keep = {rule for rule, _ in same}
    groups = {rule.group for rule in new.alerts}
    kept = tuple(x for x in live.live if x.instance.rule in keep)
    ended = [x.instance for x in live.live if x.instance.rule not in keep and x.instance.state == "firing"]
    judged = tuple((group, t) for group, t in live.judged if group in groups)
    return replace(live, live=kept, judged=judged), [_change(i, "firing", "inactive", at, "reload") for i in ended]


def _renamed(live: Live, was: dict[int, AlertInstance]) -> Live:
    first = was[live.instance.fingerprint]
    return replace(live, instance=replace(live.instance, episode=first.episode))


def _began_unseen(t: Transition, held: Iterable[Transition], was: dict[int, AlertInstance]) -> bool:
    """Whether this belongs to an alert that was announced on the orphaned branch under another name, and ended on the new one."""
    announced = was.get(t.fingerprint)
    return announced is not None and t.episode != announced.episode


def _change(of: AlertInstance, old: State, new: State, at: Moment, cause: Cause) -> Transition:
    assert of.episode is not None
    stamp = at.last if isinstance(at, Tick) else at
    proof = hashlib.sha256(f"{cause} {of.episode} {stamp.hash} {at.timestamp}".encode()).hexdigest()
    return Transition(of.episode, of.fingerprint, of.rule, of.labels, of.annotations, old, new, at, cause, of.value, Hash("0x" + proof))
