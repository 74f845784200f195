"""Reading a guardian back against its plan: what whoever deployed it looks at, and what an auditor runs years later.

Order matters for trust: code and creation first, since every other answer is the code's own word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.guardian import compiled
from monitor.guardian.contract import CEILINGS, GUARDIAN_ROLE, ORDER_DIGEST, SENTINELS, THRESHOLD
from monitor.guardian.deploy.before import read_roles
from monitor.guardian.deploy.born import contract
from monitor.guardian.deploy.held import registered, releaser, rights
from monitor.guardian.deploy.items import Item, Place, item, listed
from monitor.guardian.deploy.plan import DeployPlan
from monitor.guardian.deploy.steps import Step, day, steps
from monitor.guardian.levers.people import HAS_ROLE
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.node import Nodes
from monitor.guardian.order import Order, digest
from monitor.guardian.safe.source import NodesSource
from monitor.model import Address, Hash
from monitor.protocols.abi import Function

ADMIN_ROLE = bytes(32)
ADMIN = Function.parse("function defaultAdmin() view returns (address)")
PENDING_ADMIN = Function.parse("function pendingDefaultAdmin() view returns (address, uint48)")
DELAY = Function.parse("function defaultAdminDelay() view returns (uint48)")
PENDING_DELAY = Function.parse("function pendingDefaultAdminDelay() view returns (uint48, uint48)")
MEMBERS = Function.parse("function getRoleMembers(bytes32) view returns (address[])")
BUDGET = Function.parse("function sentinelBudget() view returns (uint32)")
STOPPED = Function.parse("function paused() view returns (bool)")
_NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class ReadBack:
    """All of it, at one block. ``left``: the calls of the plan that are still to be made."""

    block: int
    timestamp: int
    items: tuple[Item, ...]
    left: tuple[Step, ...]

    @property
    def as_planned(self) -> bool:
        return all(i.state == "ok" for i in self.items)


async def read_back(nodes: Nodes, plan: DeployPlan, place: Place) -> ReadBack:
    """Compare the chain with the plan. Raises NoMajority when not even the head can be told."""
    stamp = await nodes.newest()
    reader = Reader(NodesSource(nodes), stamp)
    found = await asyncio.gather(
        contract("guardian", compiled.GUARDIAN, nodes, reader, place.guardian, place.creation, stamp.number),
        _fixed(reader, plan, place.guardian), _people(reader, plan, place.guardian), _sentinels(reader, plan, place.guardian),
        registered(reader, plan, place.guardian), rights(reader, plan, place), releaser(nodes, reader, plan, place, stamp.number),
    )  # fmt: skip
    items = tuple(i for each in found for i in each)
    # What is registered otherwise than planned cannot be registered again.
    undone = {i.key for i in items if i.state == "missing" or (i.state == "wrong" and not i.key.startswith("target "))}
    roles = await read_roles(reader, plan)
    left = tuple(s for s in steps(plan, place.guardian, place.releaser, roles) if s.key in undone)
    return ReadBack(stamp.number, stamp.timestamp, items, left)


# ---------------------------------------------------------------- what cannot change


async def _fixed(reader: Reader, plan: DeployPlan, at: Address) -> list[Item]:
    sample = Order(Address("0x" + "11" * 20), 1, b"\x22" * 32, 3, Hash("0x" + "33" * 32))
    ceilings, signed = await asyncio.gather(reader.ask(at, CEILINGS), reader.ask(at, ORDER_DIGEST, sample.struct))
    domain = f"chain {plan.chain_id} and {at}"
    return [
        item("ceilings", ceilings, plan.ceilings.struct, f"{plan.ceilings.struct}, for ever", "they cannot be changed: deploy anew"),
        item(
            "domain", signed, digest(sample, plan.chain_id, at), f"orders are of {domain} alone", "deploy anew", shown="another digest"
        ),
    ]  # fmt: skip


# ---------------------------------------------------------------- who holds what


async def _people(reader: Reader, plan: DeployPlan, at: Address) -> list[Item]:
    admin, pending, delay, changing, admins, guardians = await asyncio.gather(
        reader.ask(at, ADMIN), reader.ask(at, PENDING_ADMIN), reader.ask(at, DELAY), reader.ask(at, PENDING_DELAY),
        reader.ask(at, MEMBERS, ADMIN_ROLE), reader.ask(at, MEMBERS, GUARDIAN_ROLE),
    )  # fmt: skip
    cancel = "the admin stops it with {}"
    only = admins if isinstance(admins, Unknown) or len(admins) != 1 else admins[0]
    found = [
        item("admin", admin, plan.admin.where, str(plan.admin.where), "if governance meant that, correct the plan; else take every right away"),
        item("admin alone", only, plan.admin.where, f"{plan.admin.where} and nobody else", "the contract allows one only: it lies, trust nothing"),
        item("admin handover", pending, (_NOBODY, 0), "none is under way", cancel.format("cancelDefaultAdminTransfer()")),
        item("admin delay", delay, plan.admin.delay_seconds, f"{plan.admin.delay_seconds} s", "the admin: changeDefaultAdminDelay"),
        item("admin delay change", changing, (0, 0), "none is under way", cancel.format("rollbackDefaultAdminDelay()")),
    ]  # fmt: skip
    found += listed("guardian", guardians, plan.guardians, "revokeRole(GUARDIAN_ROLE, it)")
    return found


async def _sentinels(reader: Reader, plan: DeployPlan, at: Address) -> list[Item]:
    keys, threshold, budget, stopped, *held = await asyncio.gather(
        reader.ask(at, SENTINELS), reader.ask(at, THRESHOLD), reader.ask(at, BUDGET), reader.ask(at, STOPPED),
        reader.ask(at, HAS_ROLE, ADMIN_ROLE, plan.by), reader.ask(at, HAS_ROLE, GUARDIAN_ROLE, plan.by),
    )  # fmt: skip
    expiries = keys if isinstance(keys, Unknown) else dict(zip(*keys, strict=True))
    found = list(_keys(plan, expiries, reader.stamp.timestamp))
    found.append(item("threshold", threshold, plan.threshold, f"{plan.threshold} must sign", "the admin makes the call below"))
    if not isinstance(expiries, Unknown):
        live = sum(1 for e in expiries.values() if e > reader.stamp.timestamp)
        enough = isinstance(threshold, Unknown) or live >= threshold or not plan.sentinels
        text = f"{live} live sentinels"
        found.append(
            Item("live sentinels", "ok" if enough else "missing", text, "" if enough else "too few to sign: the admin sets or renews them")
        )
    left = "sentinels' pauses left over all targets"
    found.append(item("budget", budget, plan.budget, f"{plan.budget} {left}", "pauses use it up: the admin makes the call below", unset=0))
    found.append(
        item(
            "sentinels allowed", stopped, False, "nobody stopped them", "people stopped them: the admin: allowSentinels()", shown="stopped"
        )
    )
    held.append(expiries if isinstance(expiries, Unknown) else plan.by in expiries)
    unknown = next((h for h in held if isinstance(h, Unknown)), None)
    text = "holds neither role and is no sentinel"
    found.append(
        item("deployer holds nothing", unknown or any(held), False, text, "take its rights away", shown=f"{plan.by} holds a right")
    )
    return found


def _keys(plan: DeployPlan, expiries: dict[Address, int] | Unknown, now: int) -> Iterator[Item]:
    yield from listed("sentinel", expiries if isinstance(expiries, Unknown) else list(expiries), plan.sentinels, "revokeSentinel(it)")
    if isinstance(expiries, Unknown):
        return
    for sentinel in plan.sentinels:
        expiry = expiries.get(sentinel.where)
        if expiry is None:
            continue
        key = f"sentinel {sentinel.name}"
        if expiry != sentinel.expires:
            yield Item(
                key,
                "wrong",
                f"expires {day(expiry)}, planned: {day(sentinel.expires)}",
                "the admin makes the call below, or correct the plan",
            )
        elif expiry <= now:
            yield Item(key, "wrong", f"expired {day(expiry)}", "name a later time in the plan, and let the admin make the call below")
