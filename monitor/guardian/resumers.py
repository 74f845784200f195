"""Who may lift a pause, learned block by block from the target's own list of a role's holders, or its owner; pure.

Who holds a role changes rarely. What a block's answers do not settle (how many hold it, who, what kind of account that is) is asked at
the next block, so after a few blocks of the first start all is known, and from then on it costs a handful of calls a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.collectors.emit import mapping
from monitor.guardian.checks import or_none
from monitor.guardian.levers import Lever, NoGood, ask
from monitor.guardian.levers.people import MEMBER, MEMBER_COUNT, NOBODY, OWNER, Kind, Party
from monitor.guardian.safe.state import OWNERS, THRESHOLD
from monitor.model import Address, Code, Read, Snapshot, Unanswered, Value
from monitor.protocols.abi import Contract, Function

MOST = 8
"""Holders that are looked at; more are counted."""
NOT_YET = "not read yet: it is known some blocks after the first start"
_DELEGATED = b"\xef\x01\x00"
"""An account with a key that runs another contract's code (EIP-7702) begins so."""


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds a power. ``power``: in words that their names follow. ``more``: holders beside those. ``unknown``: why it cannot be told, else empty."""

    power: str
    parties: tuple[Party, ...] = ()
    more: int = 0
    unknown: str = ""


def reads(lever: Lever, known: Mapping[str, Any]) -> list[Read]:
    """What to ask of the target at a block, so far as earlier answers tell."""
    contract, own = lever.contract, mapping(mapping(known, "resumers"), lever.name)
    getter = _getter(lever)
    if getter is None:
        return [contract.read(OWNER)]
    found = [contract.read(getter)]
    if own.get("role") is not None:
        role = bytes.fromhex(own["role"])
        found += [contract.read(MEMBER_COUNT, role), *(contract.read(MEMBER, role, i) for i in range(min(own.get("count") or 0, MOST)))]
    return found


def learn(lever: Lever, snapshot: Snapshot, known: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of them after a block, as plain JSON: ``role``, ``count``, ``holders``, ``why`` nothing can be told. Unanswered changes nothing."""
    before = mapping(mapping(known, "resumers"), lever.name)
    try:
        return _owner(lever, snapshot) if (getter := _getter(lever)) is None else _members(lever, getter, snapshot, before)
    except Unanswered:
        return before


def _owner(lever: Lever, snapshot: Snapshot) -> dict[str, Any]:
    owner = ask(snapshot, lever.contract, OWNER)
    if isinstance(owner, NoGood):
        return {"why": owner.reason}
    holders = [] if owner == NOBODY else [owner]
    return {"count": len(holders), "holders": holders}


def _members(lever: Lever, getter: Function, snapshot: Snapshot, before: Mapping[str, Any]) -> dict[str, Any]:
    role = ask(snapshot, lever.contract, getter)
    if isinstance(role, NoGood):
        return {"why": f"{role.reason}; if the target names that role otherwise, set resume_getter"}
    if role.hex() != before.get("role"):
        return {"role": role.hex()}
    count = ask(snapshot, lever.contract, MEMBER_COUNT, role)
    if isinstance(count, NoGood):
        return {"role": role.hex(), "why": f"the target does not list who holds {getter.name}"}
    asked = min(before.get("count") or 0, count, MOST)
    members = [ask(snapshot, lever.contract, MEMBER, role, i) for i in range(asked)]
    return {"role": role.hex(), "count": count, "holders": [m for m in members if not isinstance(m, NoGood)]}


def _getter(lever: Lever) -> Function | None:
    name = lever.settings.resume_getter
    return None if name is None else Function.parse(f"function {name}() view returns (bytes32)")


# ---------------------------------------------------------------- who that is


def accounts(known: Mapping[str, Any]) -> list[Address]:
    """All accounts that messages name: who may resume a target, and who may pause by hand."""
    own = mapping(known, "resumers")
    listed = (a for target in own for a in mapping(own, target).get("holders") or ())
    return list(dict.fromkeys(Address(a) for a in [*listed, *known.get("people", ())[:MOST]]))


def kind_reads(known: Mapping[str, Any]) -> list[Read]:
    """Whether each account is a key or a contract is asked once; of a contract, whether it is a Safe and whose, at each block."""
    found: list[Read] = []
    for account in accounts(known):
        kind = mapping(known, "parties").get(account)
        if kind is None:
            found.append(Read(account, Code()))
        elif kind[0] != "account":
            contract = Contract("holder", account)
            found += [contract.read(OWNERS), contract.read(THRESHOLD)]
    return found


def learn_kinds(snapshot: Snapshot, known: Mapping[str, Any]) -> dict[str, list[Any]]:
    """By account: ``account``, ``contract``, or ``Safe`` with its owners and threshold. Those that nobody names any more are forgotten."""
    before = mapping(known, "parties")
    found = ((account, _kind(account, snapshot, before.get(account))) for account in accounts(known))
    return {account: kind for account, kind in found if kind is not None}


def _kind(account: Address, snapshot: Snapshot, before: list[Any] | None) -> list[Any] | None:
    if before is None:
        code = snapshot.answers.get(Read(account, Code()))
        if not isinstance(code, Value):
            return None
        return ["contract"] if code.data and not code.data.startswith(_DELEGATED) else ["account"]
    contract = Contract("holder", account)
    owners, threshold = or_none(snapshot, contract, OWNERS), or_none(snapshot, contract, THRESHOLD)
    return before if owners is None or threshold is None else ["Safe", list(owners), threshold]


def holders(power: str, found: Mapping[str, Any], parties: Mapping[str, Any], names: Mapping[Address, str]) -> Holders:
    """What was learned as values. ``found``: of one target or of the people; ``parties``: the kinds of all accounts."""
    if found.get("why"):
        return Holders(power, unknown=found["why"])
    if found.get("count") is None:
        return Holders(power, unknown=NOT_YET)
    listed = [Address(a) for a in found.get("holders") or ()][:MOST]
    return Holders(power, tuple(_parties(listed, parties, names)), found["count"] - len(listed))


def _parties(listed: Iterable[Address], kinds: Mapping[str, Any], names: Mapping[Address, str]) -> Iterable[Party]:
    for account in listed:
        kind: Kind
        kind, *of = kinds.get(account) or ["unknown"]
        yield Party(account, names.get(account, ""), kind, tuple(of[0]) if of else (), of[1] if of else None)
