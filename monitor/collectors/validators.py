"""How validators do: participation, rewards and streaks of an evaluated epoch, for the network, each protocol and each operator."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.catalogue.shipped import VALIDATORS
from monitor.collectors.emit import Samples
from monitor.collectors.epochs import NETWORK, Epochs, ether
from monitor.model.beacon import DUTIES, STATUSES, EpochFacts, GroupFacts


def validators(protocols: Sequence[str]) -> Epochs:
    """The collector of families VALIDATORS."""
    return Epochs("validators", VALIDATORS, (NETWORK, *protocols), _fill)


def _fill(samples: Samples, facts: EpochFacts, owner: str) -> None:
    for (protocol, operator), group in facts.groups.items():
        if protocol == owner:
            _put_counts(samples, group, operator)
            _put_participation(samples, group, operator)
            _put_offline(samples, group, operator)
            _put_rewards(samples, group, operator)
    for (protocol, operator), count in facts.foreign.items():
        if protocol == owner:
            samples.put("validators_foreign_credentials", count, operator=operator)
    if owner == NETWORK:
        samples.put("validators_epoch", facts.epoch)


def _put_counts(samples: Samples, group: GroupFacts, operator: str) -> None:
    for status in STATUSES:
        samples.put("validators", group.statuses.get(status, 0), operator=operator, status=status)
    samples.put("validators_active", group.active, operator=operator)
    samples.put("validators_balance_ether", ether(group.balance), operator=operator)
    samples.put("validators_effective_balance_ether", ether(group.active_effective), operator=operator)


def _put_participation(samples: Samples, group: GroupFacts, operator: str) -> None:
    for duty in DUTIES:
        number, stake = group.timely[duty]
        if group.active:
            samples.put("validators_participation_ratio", number / group.active, operator=operator, duty=duty, by="validators")
        if group.active_effective:
            samples.put("validators_participation_ratio", stake / group.active_effective, operator=operator, duty=duty, by="stake")


def _put_offline(samples: Samples, group: GroupFacts, operator: str) -> None:
    samples.put("validators_longest_offline_epochs", group.longest_streak, operator=operator)
    for epochs, (number, stake) in group.offline.items():
        samples.put("validators_offline", number, operator=operator, epochs=str(epochs))
        if group.active:
            samples.put("validators_offline_ratio", number / group.active, operator=operator, epochs=str(epochs), by="validators")
        if group.active_effective:
            samples.put("validators_offline_ratio", stake / group.active_effective, operator=operator, epochs=str(epochs), by="stake")


def _put_rewards(samples: Samples, group: GroupFacts, operator: str) -> None:
    for outcome, slots in (("proposed", group.proposed), ("missed", group.missed)):
        if slots is not None:
            samples.put("validators_proposals", slots, operator=operator, outcome=outcome)
    samples.put("validators_reward_ether", ether(group.earned), operator=operator)
    samples.put("validators_ideal_reward_ether", ether(group.ideal), operator=operator)
    if group.ideal:
        samples.put("validators_effectiveness_ratio", group.earned / group.ideal, operator=operator)
