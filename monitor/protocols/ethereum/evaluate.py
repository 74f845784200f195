"""From one state to the facts of an epoch: the formulas of this room, by owner.

The state is of the last slot of epoch E; N = E - 1 is the evaluated epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitor.chain.beacon.columns import StateColumns
from monitor.model import Hash, Slot
from monitor.model.beacon import (
    DUTIES,
    STATUSES,
    STREAKS,
    Duty,
    Epoch,
    EpochFacts,
    GroupFacts,
    Gwei,
    Loss,
    Owners,
    Registry,
)
from monitor.protocols.ethereum.finality import finality_after
from monitor.protocols.ethereum.groups import Groups, Key
from monitor.protocols.ethereum.participation import FLAGS, Roll, check_evaluable
from monitor.protocols.ethereum.proposals import missed_slots, proposers
from monitor.protocols.ethereum.queues import queues
from monitor.protocols.ethereum.rewards import attestation_deltas
from monitor.protocols.ethereum.slashing import losses
from monitor.protocols.ethereum.statuses import statuses
from monitor.protocols.ethereum.streaks import Streaks, advance


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What one state gives: facts and registry for the view, and the streaks that the next epoch goes on from."""

    facts: EpochFacts
    registry: Registry
    streaks: Streaks


def evaluate(columns: StateColumns, root: Hash, owners: Owners, before: Streaks | None, complete: frozenset[str]) -> Evaluated:
    """The facts of epoch N of a state of the last slot of N + 1. Pure; about half a second for two million validators.

    ``root``: the agreed root of the newest block in the state. ``before``: the streaks up to N - 1, if known. ``complete``: protocols
    whose keys were all read. Raises NotEvaluable for a state of another slot.
    """
    check_evaluable(columns)
    roll = Roll.of(columns)
    finality = finality_after(columns, roll)
    streaks = advance(before, columns, roll)
    groups = Groups(owners, len(columns))
    by_group = _group_facts(columns, groups, roll, streaks, finality.leaking)
    facts = EpochFacts(
        epoch=Epoch(columns.epoch - 1),
        slot=Slot(columns.slot),
        root=root,
        read_at=columns.block,
        fork=columns.fork,
        groups=by_group,
        queues=queues(columns, roll.total_active, finality.finalized),
        total_active=Gwei(roll.total_active),
        slashings=Gwei(sum(columns.slashings.tolist())),
        slots=columns.spec.slots_per_epoch,
        missed_slots=int(missed_slots(columns).sum()),
        justified=Epoch(columns.current_justified.epoch),
        finalized=Epoch(columns.finalized.epoch),
        leaking=finality.leaking,
        balances_at={protocol: by_group[protocol, ""].balance for protocol in groups.protocols},
    )
    return Evaluated(facts, _registry(columns, owners, complete), streaks)


def _registry(columns: StateColumns, owners: Owners, complete: frozenset[str]) -> Registry:
    return Registry(
        Slot(columns.slot),
        owners,
        columns.effective_balance,
        columns.slashed,
        columns.activation_epoch,
        columns.withdrawable_epoch,
        complete,
    )


def _group_facts(columns: StateColumns, groups: Groups, roll: Roll, streaks: Streaks, leaking: bool) -> Mapping[Key, GroupFacts]:
    by_status = groups.count(statuses(columns), len(STATUSES))
    balances = groups.sum(columns.balances)
    votes = _votes(columns, groups, roll)
    offline, longest = _offline(columns, groups, streaks)
    rewards = _rewards(columns, groups, roll, leaking)
    proposals = _proposals(columns, groups)
    slashed = _slashed(columns, groups)
    lost = _lost(columns, groups, roll.total_active)
    facts = {}
    for key in groups.keys:
        (active, active_effective), *timely = votes[key]
        earned, ideal = rewards[key]
        proposed, missed = proposals[key]
        facts[key] = GroupFacts(
            statuses=dict(zip(STATUSES, by_status[key], strict=True)),
            balance=Gwei(balances[key][0]),
            active=active,
            active_effective=Gwei(active_effective),
            timely=_by_duty(timely),
            offline=offline[key],
            longest_streak=longest[key],
            proposed=proposed,
            missed=missed,
            earned=Gwei(earned),
            ideal=Gwei(ideal),
            slashed=slashed[key],
            loss=lost[key],
        )
    return facts


def _by_duty(timely: list[tuple[int, int]]) -> Mapping[Duty, tuple[int, Gwei]]:
    return {duty: (count, Gwei(gwei)) for duty, (count, gwei) in zip(DUTIES, timely, strict=True)}


def _votes(columns: StateColumns, groups: Groups, roll: Roll) -> Mapping[Key, list[tuple[int, int]]]:
    """For each key (validators, gwei): of all who had to vote, then of those with each duty's flag."""
    who = np.flatnonzero(roll.voters)
    flags, effective, kinds = roll.flags[who], columns.effective_balance[who], FLAGS + 1
    counts, sums = groups.count(flags, kinds, who), groups.sum(effective, flags, kinds, who)
    # The masks: every combination of flags, then those that have each bit.
    members = [range(kinds), *([flag for flag in range(kinds) if flag >> bit & 1] for bit in range(len(DUTIES)))]
    return {key: [(sum(counts[key][i] for i in of), sum(sums[key][i] for i in of)) for of in members] for key in groups.keys}


def _offline(
    columns: StateColumns, groups: Groups, streaks: Streaks
) -> tuple[Mapping[Key, Mapping[int, tuple[int, Gwei]]], Mapping[Key, int]]:
    """For each key: (validators, gwei) with each streak that was seen long enough, and the longest streak."""
    who = np.flatnonzero(streaks.counts)
    lengths, effective = streaks.counts[who], columns.effective_balance[who]
    told = [length for length in STREAKS if length <= streaks.seen]
    # Each validator is counted once, under the longest told streak that it has; longer ones are shorter ones too.
    rung = np.searchsorted(told, lengths, side="right") - 1
    counts, sums = groups.count(rung, len(told), who), groups.sum(effective, rung, len(told), who)
    offline = {
        key: {length: (sum(counts[key][at:]), Gwei(sum(sums[key][at:]))) for at, length in enumerate(told)} for key in groups.keys
    }  # fmt: skip
    return offline, groups.largest(lengths, who)


def _rewards(columns: StateColumns, groups: Groups, roll: Roll, leaking: bool) -> Mapping[Key, tuple[int, int]]:
    """For each key (earned, ideal) of those who had to vote."""
    who = np.flatnonzero(roll.voters)
    deltas = attestation_deltas(columns, roll, leaking)
    earned, ideal = groups.sum(deltas.earned[who], who=who), groups.sum(deltas.ideal[who], who=who)
    return {key: (earned[key][0], ideal[key][0]) for key in groups.keys}


def _proposals(columns: StateColumns, groups: Groups) -> Mapping[Key, tuple[int | None, int | None]]:
    """For each key (proposed, missed) of the state's own epoch."""
    who = proposers(columns)
    if who is None:
        return dict.fromkeys(groups.keys, (None, None))
    counts = groups.count(missed_slots(columns), 2, who.astype(np.intp))
    return {key: (proposed, missed) for key, (proposed, missed) in counts.items()}


def _slashed(columns: StateColumns, groups: Groups) -> Mapping[Key, int]:
    who = np.flatnonzero(columns.slashed & (np.uint64(columns.epoch) < columns.withdrawable_epoch))
    return {key: count for key, (count,) in groups.count(np.zeros(len(who), np.intp), 1, who).items()}


def _lost(columns: StateColumns, groups: Groups, total_active: int) -> Mapping[Key, Loss]:
    lost = losses(columns, total_active)
    parts = [groups.sum(part, who=lost.who) for part in (lost.initial, lost.attestation, lost.correlation)]
    return {key: Loss(*(Gwei(part[key][0]) for part in parts)) for key in groups.keys}
