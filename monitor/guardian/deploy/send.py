"""Deploying: the creations of a plan, one after the other, each waited for and found where it was predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor.guardian import compiled
from monitor.guardian.contract import PauseImpossible, explain
from monitor.guardian.deploy.before import look
from monitor.guardian.deploy.items import Place
from monitor.guardian.deploy.plan import DeployPlan
from monitor.guardian.deploy.steps import Creation, created_at, creations
from monitor.guardian.keys import Signer
from monitor.guardian.levers.reader import Reader
from monitor.guardian.node import Nodes, Refused, number, unhex
from monitor.guardian.person import Fees, Mined, Person
from monitor.guardian.safe.source import NodesSource
from monitor.model import Address, address

_EARLIER = 4
"""So many of the deployer's last transactions are looked at: a run that was interrupted may have deployed already."""


async def next_nonce(nodes: Nodes, who: Address) -> int:
    """The nonce of the account's next transaction. Raises NoMajority."""
    return await nodes.middle("nonce", number, "eth_getTransactionCount", who, "latest")


async def earlier(nodes: Nodes, plan: DeployPlan, nonce: int) -> Address | None:
    """A guardian that this deployer created lately, if there is one. Raises NoMajority."""
    ours = compiled.load(compiled.GUARDIAN)
    for used in range(nonce - 1, max(-1, nonce - 1 - _EARLIER), -1):
        at = created_at(plan.by, used)
        if ours.difference(await nodes.agreed("code", unhex, "eth_getCode", at, "latest")) is None:
            return at
    return None


async def send(
    nodes: Nodes, plan: DeployPlan, signer: Signer, chain_id: int, fees: Fees, *, again: bool = False, guardian: Address | None = None,
    said: Callable[[str], None],
) -> Place:  # fmt: skip
    """Deploy what the plan names. Looks at everything once more before; ``said`` is told of each step.

    ``guardian``: this one is there already; deploy its Releaser alone. Raises PauseImpossible with the reason and the remedy, and NoMajority.
    """
    if signer.address != plan.by:
        raise PauseImpossible(f"the key is that of {signer.address}, the plan's deployer is {plan.by}: use its key, or correct the plan")
    nonce = await next_nonce(nodes, plan.by)
    await (_not_twice(nodes, plan, nonce, again) if guardian is None else _ours(nodes, plan, guardian))
    made = creations(plan, nonce, guardian)
    at = guardian or made[0].at
    releaser = made[-1].at if plan.releaser is not None else None
    looked = await look(Reader(NodesSource(nodes), await nodes.newest()), plan, chain_id, at, releaser)
    if looked.refused:
        raise PauseImpossible("the plan is refused: " + "; ".join(f"{f.key}: {f.text}" for f in looked.refused))
    person = Person(nodes, signer, chain_id, fees)
    hashes = [(await _create(person, c, said)).tx for c in made]
    return Place(at, releaser, hashes[0] if guardian is None else None, hashes[-1] if releaser is not None else None)


async def _not_twice(nodes: Nodes, plan: DeployPlan, nonce: int, again: bool) -> None:
    before = None if again else await earlier(nodes, plan, nonce)
    if before is not None:
        alone = "" if plan.releaser is None else f"; if its Releaser is missing, --releaser-for {before}"
        raise PauseImpossible(
            f"{plan.by} has deployed a guardian at {before} already: look at it with --check {before}{alone}; or give --again for another"
        )


async def _ours(nodes: Nodes, plan: DeployPlan, guardian: Address) -> None:
    if plan.releaser is None:
        raise PauseImpossible("the plan has no releaser: there is nothing to deploy for a guardian that is there")
    difference = compiled.load(compiled.GUARDIAN).difference(await nodes.agreed("code", unhex, "eth_getCode", guardian, "latest"))
    if difference is not None:
        raise PauseImpossible(f"{guardian} is no guardian of this version ({difference}): name the right one")


async def _create(person: Person, what: Creation, said: Callable[[str], None]) -> Mined:
    gas = await _gas(person.nodes, person.signer.address, what)
    said(f"deploying {what.code.name} with {gas} gas, to {what.at}")
    mined = await person.call(None, what.data, gas, lambda: _refused(person.nodes, person.signer.address, what))

    def created(receipt: Any) -> Address:
        return address(receipt["contractAddress"])

    at = await person.nodes.agreed("receipt", created, "eth_getTransactionReceipt", mined.tx)
    if at != what.at:
        raise PauseImpossible(
            f"{what.code.name} came to {at} and not to {what.at}: the deployer sent something else meanwhile. Nobody gave it a right yet: run the plan again"
        )
    said(f"{what.code.name} is in block {mined.block}, transaction {mined.tx}, {mined.gas_used} gas")
    return mined


def _call(sender: Address, what: Creation) -> dict[str, str]:
    return {"from": sender, "data": "0x" + what.data.hex()}


async def _gas(nodes: Nodes, sender: Address, what: Creation) -> int:
    """An estimate with a quarter to spare: a creation that fails for want of gas gives nobody anything."""
    await _refused(nodes, sender, what)
    return await nodes.middle("gas", number, "eth_estimateGas", _call(sender, what)) * 5 // 4


async def _refused(nodes: Nodes, sender: Address, what: Creation) -> None:
    """Raises PauseImpossible if the constructor reverts."""

    def read(answer: Any) -> bytes | None:
        if isinstance(answer, Refused):
            if not answer.reverted:
                raise ValueError(answer.message)
            return answer.data or b""
        return None if unhex(answer) else b""

    data = await nodes.agreed("creation", read, "eth_call", _call(sender, what), "latest")
    if data is not None:
        raise PauseImpossible(f"{what.code.name} would not be created: {explain(data)}")
