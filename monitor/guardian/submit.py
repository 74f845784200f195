"""The way of one pause: owed → simulated → signed → sent → mined → verified; or failed, refused, orphaned.

Each step is committed before the next is made, and the signed bytes before they are sent. After a crash at any
instruction the same bytes are sent again and receipts are looked up; a second nonce is signed only when the first can
certainly not be mined any more. The contract's own one-shot arming stands behind all that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from monitor.chain.settings import EndpointSettings
from monitor.guardian import contract as guardian
from monitor.guardian import ledger
from monitor.guardian.keys import Signer
from monitor.guardian.ledger import Pause, Signed
from monitor.guardian.levers import Lever
from monitor.guardian.node import Nodes, NoMajority, Refused, number, unhex
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, Hash, address
from monitor.store import Lease, LeaseLost, Store, Unit

log = structlog.get_logger()
T = TypeVar("T")
GWEI = 10**9
RESEND_SECONDS = 6.0
STATE_KEPT_BLOCKS = 64
"""How old a mined block may be for its state to be read back; for older ones the contract's own event must do."""
KNOWN_ALREADY = ("already known", "known transaction", "already imported", "already in mempool", "nonce too low", "already exists")
Mined = tuple[str, int, bool, int | None]
"""Block hash, block number, success, and the resume time that the guardian's event tells (None without the event)."""


class KeyRefused(Exception):
    """The key must not be used by the service: why, and what to do."""


class WrongChain(Exception):
    """The endpoints are of another chain, or the guardian is not there."""


class Submitter:
    """Carries owed pauses to the chain. One for a network; ``lease`` gives the lease that fences every write."""

    def __init__(
        self,
        settings: GuardianSettings,
        chain_id: int,
        endpoints: Sequence[EndpointSettings],
        store: Store,
        signer: Signer,
        lease: Callable[[], Lease | None] = lambda: None,
    ) -> None:
        self.settings, self.chain_id, self.store, self.signer = settings, chain_id, store, signer
        self.nodes = Nodes(endpoints, settings.request_seconds)
        self._lease = lease
        self._cleared = False
        self._sent: dict[Hash, float] = {}
        self._wake = asyncio.Event()

    # ------------------------------------------------------------ life

    async def check_start(self) -> None:
        """See that chain, contract and key are right. Raises WrongChain, KeyRefused, and NoMajority when nobody can tell."""
        found = await self.nodes.agreed("chain id", number, "eth_chainId")
        if found != self.chain_id:
            raise WrongChain(
                f"the endpoints are of chain {found}, the settings say {self.chain_id}: correct network.chain_id or the endpoints"
            )
        where = self.settings.where
        if not await self.nodes.agreed("code of the guardian", unhex, "eth_getCode", where, "latest"):
            raise WrongChain(f"there is no contract at guardian.contract {where} on chain {found}: correct the address")
        holds = await self.nodes.call("roles of the key", where, guardian.HAS_ROLE.call(guardian.GUARDIAN_ROLE, self.signer.address).data)
        if isinstance(holds, Refused) or len(holds) != 32:
            raise WrongChain(f"the contract at guardian.contract {where} is not a guardian (hasRole does not answer): correct the address")
        if int.from_bytes(holds, "big"):
            raise KeyRefused(
                f"the service's key {self.signer.address} holds GUARDIAN_ROLE, which has no budget: whoever steals it pauses everything. "
                "Make a new key for the service, let the admin grant it SENTINEL_ROLE, and keep this one with a person"
            )
        self._cleared = True

    async def run(self) -> None:
        """Work until cancelled. Raises KeyRefused, WrongChain and LeaseLost; what an endpoint does never ends it."""
        while True:
            try:
                await self.advance_once()
            except NoMajority as missing:
                log.warning("guardian.endpoints_silent", reason=str(missing))
            except (KeyRefused, WrongChain, LeaseLost):
                raise
            except Exception:
                log.exception("guardian.step_failed")
            try:
                async with asyncio.timeout(self.settings.poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def wake(self) -> None:
        """Something may be owed: do not wait for the next look."""
        self._wake.set()

    async def close(self) -> None:
        await self.nodes.close()

    async def advance_once(self) -> bool:
        """Take every open pause as far as it goes now; True if any moved. Raises as ``check_start``."""
        open_now = await self.store.look(ledger.open_pauses)
        if not self._cleared:
            await self.check_start()
        moved = False
        for pause in open_now:
            moved |= await self._as_far_as_it_goes(pause)
        return moved

    async def _as_far_as_it_goes(self, pause: Pause) -> bool:
        moved = False
        while True:
            before = pause.state
            try:
                await self._step(pause)
            except NoMajority as missing:
                await self._say(pause, str(missing))
                return moved
            pause = await self._again(pause)
            if pause.state == before or pause.state not in ledger.OPEN:
                return moved or pause.state != before
            moved = True

    async def _step(self, pause: Pause) -> None:
        match pause.state:
            case "owed" | "simulated":
                await self._prepare(pause)
            case "signed":
                await self._send(pause)
            case "sent":
                await self._watch(pause)
            case "mined":
                await self._verify(pause)

    # ------------------------------------------------------------ owed → simulated → signed

    async def _prepare(self, pause: Pause) -> None:
        """Everything is looked at anew, also after a crash between simulating and signing: the state may have changed."""
        try:
            target = self.settings.target(pause.row.target).where
        except KeyError:
            await self._move(pause, "failed", note=f"no target is named {pause.row.target} in the settings any more")
            return
        if await self._is_history(pause) or await self.store.look(lambda u: ledger.busy(u, pause.row.target, pause.id)):
            return
        gas = await self._gas(target)
        answer = await self.nodes.call("simulation", self.settings.where, _calldata(target), sender=self.signer.address, gas=gas)
        if isinstance(answer, Refused):
            # A pause that is in place already is what was wanted; the contract may name another obstacle first.
            done = guardian.already_paused(answer.data or b"") or await self._reads_paused(pause, "latest")
            why = ledger.ALREADY_PAUSED if done else guardian.explain(answer.data or b"")
            await self._move(pause, "refused" if done else "failed", note=why)
            return
        if pause.row.simulated_at is None:
            await self._move(pause, "simulated", simulated_at=time.time())
        await self._sign(pause, target, gas)

    async def _is_history(self, pause: Pause) -> bool:
        """Whether the judged block is no longer part of the chain, or too old to act upon."""
        row = pause.row
        found = await self.nodes.agreed("judged block", _block_hash, "eth_getBlockByNumber", hex(row.observed_number), False)
        if found is None:
            raise NoMajority("judged block", "the endpoints do not have it now")
        if found != row.observed_hash:
            await self._move(pause, "orphaned", note=f"block {row.observed_number} was reorganised away before anything was signed")
            return True
        head = await self.nodes.middle("head", number, "eth_blockNumber")
        if head - row.observed_number <= self.settings.max_age_blocks:
            return False
        why = f"; last obstacle: {row.note}" if row.note else ""
        await self._move(pause, "failed", note=f"not signed within {self.settings.max_age_blocks} blocks of the judged one{why}")
        return True

    async def _gas(self, target: Address) -> int:
        answer = await self.nodes.call("registered target", self.settings.where, guardian.TARGET.call(target).data)
        if isinstance(answer, Refused):
            return guardian.gas_for(0)
        return guardian.gas_for(guardian.TARGET.decode(answer)[3])

    async def _sign(self, pause: Pause, target: Address, gas: int) -> None:
        base = await self.nodes.middle("base fee", _base_fee, "eth_getBlockByNumber", "latest", False)
        cap = int(self.settings.max_fee_gwei * GWEI)
        priority = min(int(self.settings.priority_fee_gwei * GWEI), cap)
        if base + priority > cap:
            await self._say(pause, f"the base fee is {base / GWEI:.1f} gwei, guardian.max_fee_gwei allows {self.settings.max_fee_gwei}")
            return
        fee = min(cap, 2 * base + priority)
        balance = await self.nodes.middle("balance", number, "eth_getBalance", self.signer.address, "latest")
        if balance < gas * fee:
            await self._say(
                pause, f"{self.signer.address} has {balance / 1e18:.4f} ether, the transaction may need {gas * fee / 1e18:.4f}: fund it"
            )
            return
        nonce = await self.nodes.middle("nonce", number, "eth_getTransactionCount", self.signer.address, "latest")

        def work(unit: Unit) -> None:
            own = ledger.next_nonce(unit, self.signer.address, nonce)
            ledger.sign(unit, pause.id, self._signed(target, own, gas, fee, priority), time.time(), first=True)

        await self._write(work)
        log.info("guardian.signed", decision=pause.id, target=pause.row.target)

    def _signed(self, target: Address, nonce: int, gas: int, fee: int, priority: int) -> Signed:
        hash, raw = self.signer.sign(
            {
                "type": 2, "chainId": self.chain_id, "nonce": nonce, "to": self.settings.where, "value": 0, "data": _calldata(target),
                "gas": gas, "maxFeePerGas": fee, "maxPriorityFeePerGas": priority,
            }
        )  # fmt: skip
        return Signed(hash, self.signer.address, nonce, gas, fee, priority, raw)

    # ------------------------------------------------------------ signed → sent → mined

    async def _send(self, pause: Pause) -> None:
        """Send the newest transaction to every endpoint. That one of them knows it already is as good as taking it."""
        newest = pause.transactions[-1]
        await self._write(lambda unit: ledger.attempt(unit, newest.hash, time.time()))
        self._sent[newest.hash] = time.monotonic()
        taken, said = await self.nodes.send(newest.raw, benign=lambda message: any(k in message for k in KNOWN_ALREADY))
        if taken:
            if pause.state == "signed":
                await self._move(pause, "sent", sent_at=time.time())
                log.info("guardian.sent", decision=pause.id, target=pause.row.target, tx=newest.hash)
            return
        await self._say(pause, f"no endpoint took the transaction: {said}")
        if pause.state == "signed":
            # It may have been taken all the same (an answer lost on the way), or need a higher fee.
            await self._watch(pause)

    async def _watch(self, pause: Pause) -> None:
        """Mined, dead, in need of a higher fee, or still on its way.

        The nonce is read before the receipts: mined in between, it would else look used by another transaction.
        """
        newest = pause.transactions[-1]
        nonce = await self.nodes.middle("nonce", number, "eth_getTransactionCount", newest.sender, "latest")
        for transaction in pause.transactions:
            if (mined := await self._receipt(transaction.hash)) is not None:
                await self._mined(pause, transaction.hash, mined)
                return
        if nonce > newest.nonce:
            why = f"nonce {newest.nonce} was used by another transaction of {newest.sender}: does anything else use this key?"
            log.error("guardian.nonce_taken", decision=pause.id, nonce=newest.nonce, sender=newest.sender)
            await self._write(lambda unit: ledger.bury(unit, pause.id, why))
            return
        waited = time.monotonic() - self._sent.get(newest.hash, float("-inf"))
        if waited > self.settings.bump_after_seconds and newest.hash in self._sent and await self._raise_fee(pause):
            return
        if waited > RESEND_SECONDS and pause.state == "sent":
            await self._send(pause)

    async def _raise_fee(self, pause: Pause) -> bool:
        """Sign the same call on the same nonce with fees an eighth higher, as nodes ask of a replacement. False at the cap."""
        newest = pause.transactions[-1]
        cap = int(self.settings.max_fee_gwei * GWEI)
        fee, priority = newest.max_fee * 9 // 8 + 1, newest.priority_fee * 9 // 8 + 1
        if fee > cap:
            return False
        target = self.settings.target(pause.row.target).where
        signed = self._signed(target, newest.nonce, newest.gas, fee, min(priority, fee))
        await self._write(lambda unit: ledger.sign(unit, pause.id, signed, time.time(), first=False))
        log.warning("guardian.fee_raised", decision=pause.id, nonce=signed.nonce, max_fee_gwei=fee / GWEI)
        await self._send(await self._again(pause))
        return True

    async def _receipt(self, hash: Hash) -> Mined | None:
        """The receipt by majority, or None when a majority says that there is none. Raises NoMajority."""
        return await self.nodes.agreed("receipt", self._read_receipt, "eth_getTransactionReceipt", hash)

    def _read_receipt(self, answer: Any) -> Mined | None:
        if answer is None:
            return None
        resumes = next((r for entry in answer["logs"] if (r := self._resumes(entry)) is not None), None)
        return answer["blockHash"], number(answer["blockNumber"]), number(answer["status"]) == 1, resumes

    def _resumes(self, entry: Any) -> int | None:
        if address(entry["address"]) != self.settings.where or unhex(entry["topics"][0]) != guardian.TARGET_PAUSED.topic:
            return None
        return int.from_bytes(unhex(entry["data"])[32:64], "big")

    async def _mined(self, pause: Pause, hash: Hash, mined: Mined) -> None:
        block, height, success, _ = mined
        values = {"mined_at": time.time(), "mined_number": height, "mined_hash": block, "mined_tx": hash}
        if success:
            await self._move(pause, "mined", **values)
            return
        target = self.settings.target(pause.row.target).where
        answer = await self.nodes.call("why it reverted", self.settings.where, _calldata(target), sender=self.signer.address)
        why = guardian.explain(answer.data or b"") if isinstance(answer, Refused) else "it would go through now"
        await self._move(pause, "failed", note=f"mined in block {height} and reverted: {why}", **values)

    # ------------------------------------------------------------ mined → verified

    async def _verify(self, pause: Pause) -> None:
        """Read the target's state back at the block in which the pause was mined; a reorganised receipt sends it back."""
        row = pause.row
        mined = await self._receipt(Hash(row.mined_tx or ""))
        if mined is None or mined[0] != row.mined_hash:
            self._sent.clear()
            await self._move(
                pause, "sent", mined_at=None, mined_number=None, mined_hash=None, mined_tx=None, note="its block was reorganised away"
            )
            return
        _, height, _, resumes = mined
        if resumes is None:
            await self._move(pause, "failed", note="mined, but the guardian's event is missing: is it the right contract?")
            return
        head = await self.nodes.middle("head", number, "eth_blockNumber")
        note = None
        if head - height > STATE_KEPT_BLOCKS:
            note = f"{head - height} blocks after it was mined: verified by the guardian's event, the target's state then is not kept"
        elif not await self._reads_paused(pause, {"blockHash": row.mined_hash}):
            await self._move(pause, "failed", note="mined, but the target does not say that it is paused: pause it by hand now")
            log.error("guardian.not_paused", decision=pause.id, target=row.target)
            return
        now = time.time()
        await self._move(pause, "verified", verified_at=now, resumes_timestamp=min(resumes, 2**63 - 1), note=note)
        log.info("guardian.verified", decision=pause.id, target=row.target, block=height, seconds=round(now - row.decided_at, 3))

    async def _reads_paused(self, pause: Pause, at: Any) -> bool:
        lever = Lever(self.settings.target(pause.row.target))
        answer = await self.nodes.call("paused state", lever.settings.where, lever.is_paused.call().data, block=at)
        return isinstance(answer, bytes) and len(answer) == 32 and int.from_bytes(answer, "big") == 1

    # ------------------------------------------------------------ writing

    async def _again(self, pause: Pause) -> Pause:
        return await self.store.look(lambda unit: ledger.pause(unit, pause.id))

    async def _write(self, work: Callable[[Unit], T]) -> T:
        return await self.store.run(work, self._lease())

    async def _move(self, pause: Pause, state: str, **values: Any) -> None:
        await self._write(lambda unit: ledger.move(unit, pause.id, state, **values))
        if state in ("failed", "refused", "orphaned"):
            log.error("guardian.not_done", decision=pause.id, target=pause.row.target, state=state, reason=values.get("note"))

    async def _say(self, pause: Pause, why: str) -> None:
        if pause.row.note != why:
            log.warning("guardian.waiting", decision=pause.id, target=pause.row.target, state=pause.state, reason=why)
            await self._write(lambda unit: ledger.note(unit, pause.id, why))


def _calldata(target: Address) -> bytes:
    return guardian.pause_calldata(target, sentinel=True)


def _block_hash(answer: Any) -> str | None:
    return None if answer is None else str(answer["hash"])


def _base_fee(answer: Any) -> int:
    return number(answer["baseFeePerGas"])
