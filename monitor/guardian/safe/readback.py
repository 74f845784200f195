"""Whether what a Safe's transaction was to stop has stopped, read back at the block that mined it."""

from __future__ import annotations

from typing import Any

from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers import IS_PAUSED, PAUSED, RESUME_SINCE, breaker, flags, roles
from monitor.guardian.node import Nodes, Refused
from monitor.guardian.safe.decode import decode_call
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import Address, Hash
from monitor.protocols.abi import Function


async def paused_afterwards(nodes: Nodes, t: SafeTransaction, block: Hash) -> str:
    """What the contracts say now, in words. Raises PauseImpossible when something that should be paused is not."""
    decoded = decode_call(t.data)
    asked = _Asked(nodes, block)
    match decoded.signature if decoded else "":
        case "pause(address)" | "pauseTarget(address)":
            return await asked.paused(t, decoded.arguments[0].value if decoded else t.to)
        case "pauseTargets(address[])":
            return "; ".join([await asked.paused(t, target) for target in (decoded.arguments[0].value if decoded else ())])
        case "pauseFor(uint256)" | "pauseUntil(uint256)" | "pause()":
            return await asked.paused(t, t.to)
        case "pause(uint256)" | "pauseAll()":
            wanted = int.from_bytes(t.data[4:], "big") if len(t.data) > 4 else flags.ALL
            status = await asked.one(t.to, flags.PAUSED)
            if status is None or status & wanted != wanted:
                raise PauseImpossible(f"the transaction was mined, but the flags of {t.to} are {status}")
            return f"the flags of {t.to} are {status}"
        case "pauseDeposits(uint256,(bytes32,bytes32))":
            if await asked.one(t.to, roles.DEPOSITS_PAUSED) is not True:
                raise PauseImpossible(f"the transaction was mined, but {t.to} does not say that deposits are paused")
            return "deposits are paused"
        case "heartbeat()":
            return f"the heartbeat of {t.safe} is good until {await asked.one(t.to, breaker.EXPIRY, t.safe)}"
    return "done; nothing of it can be read back here"


class _Asked:
    def __init__(self, nodes: Nodes, block: Hash) -> None:
        self._nodes, self._at = nodes, {"blockHash": block}

    async def one(self, where: Address, function: Function, *arguments: Any) -> Any:
        """The decoded answer, or None when the contract does not give one."""
        answer = await self._nodes.call(function.name, where, function.call(*arguments).data, block=self._at)
        if isinstance(answer, Refused):
            return None
        try:
            return function.decode(answer)
        except ValueError:
            return None

    async def paused(self, t: SafeTransaction, where: Address) -> str:
        said = [await self.one(where, IS_PAUSED), await self.one(where, PAUSED)]
        if True not in said:
            raise PauseImpossible(f"the transaction was mined, but {where} does not say that it is paused")
        resumes = await self.one(where, RESUME_SINCE)
        return f"{where} is paused" + (f" until {resumes}" if resumes is not None and resumes != breaker.OPEN_END else "")
