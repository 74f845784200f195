"""The way of a Safe's transaction: prepared, reviewed as often as one likes, sent, read back. Only endpoints are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.guardian.checks import Check
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.keys import Signer
from monitor.guardian.levers import flags
from monitor.guardian.node import Nodes, Refused, number, unhex
from monitor.guardian.person import Fees, Mined, Person, gas_with_room
from monitor.guardian.safe.batch import CANONICAL, Batchers, calls_of, is_batch, same_code
from monitor.guardian.safe.contracts import Confirmed, claims, confirmed, question
from monitor.guardian.safe.decode import Examined, Finding, examine
from monitor.guardian.safe.document import Document, Prepared, SignatureFile
from monitor.guardian.safe.plan import Plan
from monitor.guardian.safe.readback import paused_afterwards
from monitor.guardian.safe.reverts import explain
from monitor.guardian.safe.review import Gathered, checks, gather
from monitor.guardian.safe.signatures import packed
from monitor.guardian.safe.simulation import simulated_check
from monitor.guardian.safe.state import SafeState, hash_by_the_safe, read_approvals, read_safe
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.guardian.safe.used import Use, who_used
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Address, BlockStamp, Code, Read, Unanswered


@dataclass(frozen=True, slots=True)
class Review:
    """A transaction as it stands at one block. ``examined``: what it is; ``checks``: whether it can be sent; ``used``: what took its nonce."""

    document: Document
    state: SafeState
    examined: Examined
    gathered: Gathered
    checks: tuple[Check, ...]
    used: Use | None

    @property
    def failing(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if not c.ok)

    @property
    def ready(self) -> bool:
        """Whether it can be sent now, and should be."""
        return not self.failing and not self.examined.refused


@dataclass(frozen=True, slots=True)
class Sent:
    """A Safe's transaction that was mined and read back."""

    mined: Mined
    seen: str
    signers: tuple[Address, ...]


async def prepare(
    nodes: Nodes, plan: Plan, at: BlockStamp, chain_id: int, *, nonce: int | None, reason: str, lives: int | None
) -> Document:
    """The document of a plan, with the Safe's next nonce unless one is given. ``lives``: seconds until it expires."""
    state = await read_safe(nodes, plan.safe, at)
    transaction = SafeTransaction(
        chain_id, plan.safe, state.nonce if nonce is None else nonce, plan.to, plan.data, operation=plan.operation
    )
    prepared = Prepared(at.number, at.timestamp, state.owners, state.threshold, state.version)
    return Document(transaction, prepared, plan.words, reason, None if lives is None else at.timestamp + lives, {})


async def review(
    nodes: Nodes,
    document: Document,
    files: Sequence[SignatureFile],
    names: Mapping[Address, str],
    at: BlockStamp | None = None,
    batchers: Batchers = CANONICAL,
) -> Review:
    """Everything about a transaction, read at one block. Raises NoMajority, and PauseImpossible for another chain or no Safe.

    ``batchers``: contracts whose code, when it is what it should be, may make several calls as the Safe.
    """
    t = document.transaction
    chain_id, stamp = await asyncio.gather(nodes.agreed("chain id", number, "eth_chainId"), nodes.newest() if at is None else _given(at))
    if chain_id != t.chain_id:
        raise PauseImpossible(f"the endpoints are of chain {chain_id}, the transaction is for chain {t.chain_id}")
    state = await read_safe(nodes, t.safe, stamp)
    approvals, by_safe, simulated, kept, batch = await asyncio.gather(
        read_approvals(nodes, t, state), hash_by_the_safe(nodes, t, stamp), simulated_check(nodes, t, stamp, batchers),
        _flags_kept(nodes, t, stamp, batchers), _batcher(nodes, t, stamp, batchers),
    )  # fmt: skip
    gathered = gather(document, files, approvals, state.owners, await _contracts(nodes, document, files, state))
    found = (*checks(document, state, gathered), simulated)
    used = await who_used(nodes, state, t.nonce) if t.nonce < state.nonce else None
    return Review(document, state, _examined(t, names, by_safe, batchers), gathered, (*found, *batch, *kept), used)


async def send(nodes: Nodes, signer: Signer, reviewed: Review, fees: Fees, *, dry_run: bool = False) -> Sent | None:
    """Execute a transaction that is ready. Anyone may send it. None after a dry run.

    Raises PauseImpossible with the reason when it is not ready, or would fail, or did.
    """
    if reviewed.examined.refused:
        raise PauseImpossible("; ".join(f.text for f in reviewed.examined.refused))
    if reviewed.failing:
        raise PauseImpossible("; ".join(f"{c.name}: {c.reason}" for c in reviewed.failing))
    t = reviewed.document.transaction
    signatures = reviewed.gathered.signatures
    data = t.execution(packed(signatures, reviewed.state.threshold))

    async def rehearse() -> None:
        answer = await nodes.call("rehearsal", t.safe, data, sender=signer.address)
        if isinstance(answer, Refused):
            raise PauseImpossible(f"the Safe would refuse it: {explain(answer.data or b'')}")

    await rehearse()
    if dry_run:
        return None
    mined = await Person(nodes, signer, t.chain_id, fees).call(
        t.safe, data, await gas_with_room(nodes, signer.address, t.safe, data), rehearse
    )
    seen = "; ".join([await paused_afterwards(nodes, one, mined.block_hash) for one in calls_of(t)])
    return Sent(mined, seen, tuple(s.owner for s in signatures))


async def _contracts(nodes: Nodes, document: Document, files: Sequence[SignatureFile], state: SafeState) -> Confirmed:
    """What owners that are contracts say of signatures that are given for them; of an owner without code nothing."""
    t = document.transaction
    claimed = [(owner, raw) for owner, raw in claims(document, files) if owner in state.owners]
    codes = {Read(owner, Code()) for owner, _ in claimed}
    asked = [read for owner, raw in claimed if (read := question(t, state.version, owner, raw)) is not None]
    snapshot = await take_snapshot(nodes, state.at, [*codes, *asked])
    try:
        able = [(owner, raw) for owner, raw in claimed if snapshot.value(Read(owner, Code()))]
        return confirmed(t, state.version, able, snapshot)
    except Unanswered as missing:
        raise PauseImpossible(f"{missing}: try again, or leave that signature out") from None


async def _batcher(nodes: Nodes, t: SafeTransaction, at: BlockStamp, batchers: Batchers) -> tuple[Check, ...]:
    """For several calls: that the contract which makes them as the Safe is what it should be."""
    if not is_batch(t, batchers):
        return ()
    code = await nodes.agreed("code of the contract that makes the calls", unhex, "eth_getCode", t.to, {"blockHash": at.hash})
    why = same_code(t.to, code, batchers)
    return (Check("makes_calls_only", why is None, why or f"the code at {t.to} is MultiSendCallOnly's, byte for byte"),)


async def _flags_kept(nodes: Nodes, t: SafeTransaction, at: BlockStamp, batchers: Batchers) -> tuple[Check, ...]:
    """For each ``pause(uint256)``: that no flag was set since which the argument would clear."""
    found = [await _flags_kept_by(nodes, one, at) for one in (calls_of(t) if is_batch(t, batchers) else (t,))]
    return next((f for f in found if f and not f[0].ok), next((f for f in found if f), ()))


async def _flags_kept_by(nodes: Nodes, t: SafeTransaction, at: BlockStamp) -> tuple[Check, ...]:
    if t.data[:4] != flags.PAUSE.selector or len(t.data) != 36:
        return ()
    answer = await nodes.call("flags", t.to, flags.PAUSED.call().data, block={"blockHash": at.hash})
    if isinstance(answer, Refused) or len(answer) != 32:
        return (Check("flags_kept", False, f"{t.to} does not tell its flags"),)
    lost = flags.cleared(int.from_bytes(answer, "big"), int.from_bytes(t.data[4:], "big"))
    said = f"flags {', '.join(map(str, lost))} are set now and would be cleared, which the contract refuses: prepare it again"
    return (Check("flags_kept", not lost, said if lost else "every flag that is set stays set"),)


def _examined(t: SafeTransaction, names: Mapping[Address, str], by_safe: bytes | None, batchers: Batchers) -> Examined:
    """What we make of it, and whether the Safe computes the same hash as we do."""
    found = examine(t, names, batchers)
    if by_safe == t.hash:
        return found
    text = (
        "the Safe does not tell its own hash of this transaction: compare it elsewhere"
        if by_safe is None
        else f"the Safe computes another hash (0x{by_safe.hex()}): owners' signatures of ours would not count (a Safe older than 1.3.0?)"
    )
    finding = Finding("warn" if by_safe is None else "refuse", "hash_by_the_safe", text)
    return replace(found, findings=(*found.findings, finding))


async def _given(at: BlockStamp) -> BlockStamp:
    return at
