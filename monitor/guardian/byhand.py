"""A person's pause from a laptop with an RPC URL and a key, and the same as calldata for a Safe.

Nothing here needs the service, its database or its configuration beyond the guardian's settings: it must work when
everything else is down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.chain.settings import EndpointSettings
from monitor.guardian import contract as guardian
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.keys import Signer
from monitor.guardian.levers import RESUME_SINCE, Lever
from monitor.guardian.node import Nodes, Refused, number
from monitor.guardian.person import WAIT_SECONDS, Fees, Person
from monitor.guardian.settings import GuardianSettings, TargetSettings
from monitor.model import Address, Hash

__all__ = ["Calldata", "PauseImpossible", "PauseResult", "calldata", "pause"]


@dataclass(frozen=True, slots=True)
class Calldata:
    """A transaction for whoever signs elsewhere (a Safe): exactly what to send, and what it says in words."""

    chain_id: int
    to: Address
    value: int
    data: str
    function: str
    target: Address
    words: str


@dataclass(frozen=True, slots=True)
class PauseResult:
    """A person's pause that was mined and read back. Times are wall time; ``resumes_timestamp`` is None for an open end."""

    target: str
    tx: Hash
    block: int
    sender: Address
    gas_used: int
    resumes_timestamp: int | None
    started_at: float
    sent_at: float
    mined_at: float
    verified_at: float


# ---------------------------------------------------------------- calldata


def calldata(settings: GuardianSettings, target: str, chain_id: int) -> Calldata:
    """The transaction that a Safe with GUARDIAN_ROLE sends. Needs no endpoint. Raises PauseImpossible for an unknown target."""
    found = _find(settings, target)
    data = guardian.pause_calldata(found.where)
    ends = "until somebody with the right to resume lifts it" if found.lever == "pause" else "for the admin's duration; it lapses by itself"
    return Calldata(
        chain_id,
        settings.where,
        0,
        "0x" + data.hex(),
        f"pauseTarget(address target = {found.where})",
        found.where,
        f"On chain {chain_id}, guardian {settings.where} pauses {target} ({found.where}) {ends}. "
        "The sender must hold GUARDIAN_ROLE. No ether is sent. Compare all three addresses before signing.",
    )


def _find(settings: GuardianSettings, target: str) -> TargetSettings:
    try:
        return settings.target(target)
    except KeyError:
        raise PauseImpossible(f'no target is named "{target}"; there are: {", ".join(t.name for t in settings.targets)}') from None


# ---------------------------------------------------------------- pause


async def pause(
    settings: GuardianSettings,
    endpoints: Sequence[EndpointSettings],
    signer: Signer,
    target: str,
    *,
    chain_id: int | None = None,
    dry_run: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> PauseResult | None:
    """Simulate, send, wait, read back. None after a dry run whose simulation went through.

    ``chain_id``: refuse to sign for any other chain. Raises PauseImpossible with the reason, NoMajority when the
    endpoints do not answer.
    """
    lever = Lever(_find(settings, target))
    nodes = Nodes(endpoints, settings.request_seconds)
    try:
        return await _Hand(settings, nodes, signer, lever, chain_id, wait_seconds).pull(dry_run)
    finally:
        await nodes.close()


@dataclass(frozen=True)
class _Hand:
    settings: GuardianSettings
    nodes: Nodes
    signer: Signer
    lever: Lever
    chain_id: int | None
    wait_seconds: float

    async def pull(self, dry_run: bool) -> PauseResult | None:
        started = time.time()
        chain_id = await self.nodes.agreed("chain id", number, "eth_chainId")
        if self.chain_id not in (None, chain_id):
            raise PauseImpossible(f"the endpoints are of chain {chain_id}, not {self.chain_id}: nothing was signed")
        gas = await self._gas()
        await self._simulate(gas)
        if dry_run:
            return None
        person = Person(self.nodes, self.signer, chain_id, Fees.of(self.settings), self.wait_seconds)
        done = await person.call(self.settings.where, self._data(), gas, lambda: self._simulate(30_000_000))
        resumes = await self._read_back(done.block_hash)
        return PauseResult(
            self.lever.name,
            done.tx,
            done.block,
            self.signer.address,
            done.gas_used,
            resumes,
            started,
            done.sent_at,
            done.mined_at,
            time.time(),
        )

    async def _gas(self) -> int:
        """What the contract says: an estimate may be short of it, and a pause that runs out of gas pauses nothing."""
        answer = await self.nodes.call("gas", self.settings.where, guardian.GAS_NEEDED.call((self.lever.settings.where,)).data)
        if isinstance(answer, Refused) or len(answer) != 32:
            raise PauseImpossible(f"the contract at {self.settings.where} is not a guardian: correct guardian.contract")
        return int.from_bytes(answer, "big")

    async def _simulate(self, gas: int) -> None:
        answer = await self.nodes.call("simulation", self.settings.where, self._data(), sender=self.signer.address, gas=gas)
        if isinstance(answer, Refused):
            raise PauseImpossible(f"the pause of {self.lever.name} would fail, nothing was sent: {guardian.explain(answer.data or b'')}")

    async def _read_back(self, block: Hash) -> int | None:
        at = {"blockHash": block}
        where = self.lever.settings.where
        paused = await self.nodes.call("paused state", where, self.lever.is_paused.call().data, block=at)
        if isinstance(paused, Refused) or int.from_bytes(paused, "big") != 1:
            raise PauseImpossible(f"the transaction was mined, but {self.lever.name} does not say that it is paused")
        if not self.lever.lapses:
            return None
        resumes = await self.nodes.call("resume time", where, RESUME_SINCE.call().data, block=at)
        return None if isinstance(resumes, Refused) else int.from_bytes(resumes, "big")

    def _data(self) -> bytes:
        return guardian.pause_calldata(self.lever.settings.where)
