"""Whether sentinels could pause: their keys, their number, the accounts that submit, and what the contract has for the target. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.guardian import contract as guardian
from monitor.guardian.checks import Check
from monitor.guardian.contract import Registered
from monitor.guardian.levers import NoGood, ask
from monitor.model import Address, Balance, Call, Read, Snapshot
from monitor.protocols.abi import Contract


@dataclass(frozen=True, slots=True)
class Keys:
    """The service's keys by address. ``min_balance``: wei that each sender should hold. ``peers``: whether others submit too."""

    sentinel: Address | None = None
    senders: tuple[Address, ...] = ()
    min_balance: int = 0
    peers: bool = False


def pulled(pull: tuple[Address, bytes], guardian_at: Address) -> Read:
    """The call that the guardian makes to pause a target, from the guardian itself."""
    return Read(pull[0], Call(pull[1]), caller=guardian_at)


def live(contract: Contract, snapshot: Snapshot) -> dict[Address, int] | NoGood:
    """Sentinels with their expiries (block time), expired ones too. Raises Unanswered."""
    found = ask(snapshot, contract, guardian.SENTINELS)
    return found if isinstance(found, NoGood) else dict(zip(*found, strict=True))


def keys_checks(contract: Contract, snapshot: Snapshot) -> Iterable[Check]:
    """What holds for all targets: sentinels may act, enough of them live, and pauses are left to them. Raises Unanswered."""
    stopped = ask(snapshot, contract, guardian.STOPPED)
    yield Check("not_stopped", stopped is False, "sentinels may act" if stopped is False else "sentinels are stopped on the contract")
    sentinels, need = live(contract, snapshot), ask(snapshot, contract, guardian.THRESHOLD)
    if isinstance(sentinels, NoGood) or isinstance(need, NoGood):
        yield Check("enough_sentinels", False, "the contract does not tell who its sentinels are")
    else:
        count = sum(expiry > snapshot.stamp.timestamp for expiry in sentinels.values())
        yield Check("enough_sentinels", count >= need, f"{count} of {len(sentinels)} sentinels are live, {need} have to sign")
    budget = ask(snapshot, contract, guardian.SENTINEL_BUDGET)
    left = 0 if isinstance(budget, NoGood) else budget
    yield Check("budget", left > 0, f"{left} pauses are left in the sentinels' budget over all targets")


def own_key_checks(contract: Contract, keys: Keys, snapshot: Snapshot) -> Iterable[Check]:
    """What holds for the service's own keys. Raises Unanswered."""
    assert keys.sentinel is not None
    sentinels = live(contract, snapshot)
    yield _is_sentinel(keys.sentinel, sentinels, snapshot.stamp.timestamp)
    people = ask(snapshot, contract, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE)
    yield _separate(keys, () if isinstance(sentinels, NoGood) else tuple(sentinels), () if isinstance(people, NoGood) else people)
    if not keys.senders:
        yield Check("gas_money", keys.peers, "no key of ours submits orders" + ("; peers may" if keys.peers else ": set guardian.senders"))
        return
    balances = {sender: balance(sender, snapshot) for sender in keys.senders}
    short = [f"{sender} has {_ether(wei)} ether" for sender, wei in balances.items() if wei < keys.min_balance]
    yield Check("gas_money", not short, f"{', '.join(short) or 'each sender has enough'}; {_ether(keys.min_balance)} ether are wanted")


def target_checks(target: Registered, now: int) -> Iterable[Check]:
    """What the contract has for the target that concerns sentinels. ``now``: block time."""
    yield Check("armed", target.arming == "Armed", f"the target is {target.arming.lower()}")
    left = target.budget - target.used
    yield Check("target_budget", left > 0, f"{left} of {target.budget} sentinels' pauses are left until it is armed again")
    cool = now >= target.cool_at
    words = "no cooldown is on" if cool else f"the cooldown after the sentinels' last pause ends at {target.cool_at} (block time)"
    yield Check("cooled_down", cool, words)


def agreed(contract: Contract, target: Address, snapshot: Snapshot) -> Check:
    """Whether the contract itself would take a well signed, fresh order for the target now. Raises Unanswered."""
    answer = ask(snapshot, contract, guardian.CHECK_TARGET, target)
    if isinstance(answer, NoGood):
        return Check("contract_agrees", False, answer.reason)
    return Check("contract_agrees", answer == 0, f"the contract says of an order: {guardian.meaning(answer)[1]}")


def balance(account: Address, snapshot: Snapshot) -> int:
    """Wei. Raises Unanswered."""
    return int.from_bytes(snapshot.value(Read(account, Balance())), "big")


def _is_sentinel(account: Address, sentinels: dict[Address, int] | NoGood, now: int) -> Check:
    if isinstance(sentinels, NoGood):
        return Check("is_sentinel", False, sentinels.reason)
    expiry = sentinels.get(account)
    if expiry is None:
        return Check("is_sentinel", False, f"{account} is no sentinel")
    if expiry <= now:
        return Check(
            "is_sentinel", False, f"the time of {account} as a sentinel is over since {expiry} (block time); the admin sets it again"
        )
    return Check("is_sentinel", True, f"{account} is a sentinel until {expiry} (block time)")


def _separate(keys: Keys, sentinels: Sequence[Address], people: Sequence[Any]) -> Check:
    own = (*([keys.sentinel] if keys.sentinel is not None else []), *keys.senders)
    mixed = [f"{account} holds GUARDIAN_ROLE" for account in own if account in people]
    mixed += [f"{sender} sends and is a sentinel" for sender in keys.senders if sender in sentinels]
    return Check("separate_key", not mixed, "; ".join(mixed) or "each key of the service has one task")


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.4f}"
