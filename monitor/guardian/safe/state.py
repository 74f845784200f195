"""What the chain says of a Safe at one block, and what has become of a transaction since it was prepared."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from monitor.guardian.contract import PauseImpossible
from monitor.guardian.node import Nodes, NoMajority, Refused, unhex
from monitor.guardian.safe.signatures import Signature, approved
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import Address, BlockStamp, address
from monitor.protocols.abi import Function

OWNERS = Function.parse("function getOwners() view returns (address[])")
THRESHOLD = Function.parse("function getThreshold() view returns (uint256)")
NONCE = Function.parse("function nonce() view returns (uint256)")
VERSION = Function.parse("function VERSION() view returns (string)")
MODULES = Function.parse("function getModulesPaginated(address,uint256) view returns (address[] array, address next)")
APPROVED = Function.parse("function approvedHashes(address,bytes32) view returns (uint256)")

GUARD_SLOT = "0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8"
"""keccak256("guard_manager.guard.address"): where a Safe keeps its guard (``GuardManager.sol``)."""
FIRST_MODULE = Address("0x0000000000000000000000000000000000000001")
_MODULES_READ = 10


@dataclass(frozen=True, slots=True)
class SafeState:
    """A Safe at a block. ``modules`` and ``guard``: None when the contract does not tell."""

    safe: Address
    at: BlockStamp
    owners: tuple[Address, ...]
    threshold: int
    nonce: int
    version: str
    modules: tuple[Address, ...] | None
    guard: Address | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody who relies on this Safe should know."""
        found = []
        if self.modules:
            found.append(f"modules act for this Safe without any owner's signature: {', '.join(self.modules)}")
        if self.modules is None:
            found.append("whether modules act for this Safe could not be read")
        if self.guard is not None:
            found.append(f"a guard may forbid its transactions: {self.guard}")
        if self.threshold == 1:
            found.append("one owner is enough")
        return tuple(found)


async def read_safe(nodes: Nodes, safe: Address, at: BlockStamp) -> SafeState:
    """The Safe at that block. Raises NoMajority, and PauseImpossible when there is no Safe."""
    owners, threshold, nonce, version, modules, guard = await asyncio.gather(
        _must(nodes, safe, OWNERS, at), _must(nodes, safe, THRESHOLD, at), _must(nodes, safe, NONCE, at), _may(nodes, safe, VERSION, at),
        _may(nodes, safe, MODULES, at, FIRST_MODULE, _MODULES_READ), _guard(nodes, safe, at),
    )  # fmt: skip
    return SafeState(
        safe,
        at,
        owners,
        threshold,
        nonce,
        version if version and version.isprintable() else "",
        None if modules is None else modules[0],
        guard,
    )


async def read_approvals(nodes: Nodes, transaction: SafeTransaction, state: SafeState) -> list[Signature]:
    """The owners who approved the hash on chain (``approveHash``). Raises NoMajority."""
    answers = await asyncio.gather(*(_may(nodes, state.safe, APPROVED, state.at, owner, transaction.hash) for owner in state.owners))
    return [approved(owner) for owner, answer in zip(state.owners, answers, strict=True) if answer]


async def hash_by_the_safe(nodes: Nodes, transaction: SafeTransaction, at: BlockStamp) -> bytes | None:
    """The hash that the Safe itself computes; None when it does not tell. Raises NoMajority."""
    answer = await nodes.call("hash by the Safe", transaction.safe, transaction.hash_call(), block={"blockHash": at.hash})
    return None if isinstance(answer, Refused) or len(answer) != 32 else answer


async def _must(nodes: Nodes, safe: Address, function: Function, at: BlockStamp, *arguments: Any) -> Any:
    found = await _may(nodes, safe, function, at, *arguments)
    if found is None:
        raise PauseImpossible(f"{safe} is no Safe: it does not answer {function.signature}; correct the Safe's address")
    return found


async def _may(nodes: Nodes, safe: Address, function: Function, at: BlockStamp, *arguments: Any) -> Any:
    """The decoded answer, or None when the contract does not give one."""
    answer = await nodes.call(function.name, safe, function.call(*arguments).data, block={"blockHash": at.hash})
    if isinstance(answer, Refused):
        return None
    try:
        return function.decode(answer)
    except ValueError:
        return None


async def _guard(nodes: Nodes, safe: Address, at: BlockStamp) -> Address | None:
    try:
        word = await nodes.agreed("guard", unhex, "eth_getStorageAt", safe, GUARD_SLOT, {"blockHash": at.hash})
    except NoMajority:  # a provider that refuses storage reads: a warning is lost, not the pause
        return None
    return address("0x" + word[-20:].hex()) if any(word) else None
