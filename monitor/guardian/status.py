"""What ``stakewarden guardian status`` prints: the brake as the chain shows it now, read without service or database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monitor.chain.settings import EndpointSettings
from monitor.guardian import contract as guardian
from monitor.guardian.checks import Check, Readiness, or_none
from monitor.guardian.contract import Registered
from monitor.guardian.execution.waits import nonces
from monitor.guardian.levers import Lever, NoGood
from monitor.guardian.node import Nodes, number, unhex
from monitor.guardian.orders_ready import balance
from monitor.guardian.readiness import Brake, people_of
from monitor.guardian.safe.decode import in_words
from monitor.guardian.safe.document import BadFile
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.settings import GuardianSettings
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Address, BlockStamp, Snapshot, Unanswered


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """What can be said about one target now. ``unknown``: why its readiness cannot be told."""

    name: str
    address: Address
    lever: str
    arming: str
    """``not registered`` when the guardian does not have it, ``unknown`` when that cannot be told."""
    registered: Registered | None
    paused: bool | None
    resumes_timestamp: int | None
    readiness: tuple[Readiness, ...]
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class SentinelStatus:
    """A sentinel and from when on its signature counts no more (block time)."""

    account: Address
    expires_timestamp: int
    is_live: bool


@dataclass(frozen=True, slots=True)
class SenderStatus:
    """An account that pays for submitting orders. ``balance``: wei. ``waiting``: its transactions that are sent and not mined; above 0 for
    long, its nonce is stuck."""

    account: Address
    balance: int | None
    waiting: int | None


@dataclass(frozen=True, slots=True)
class PresignedStatus:
    """A pause that a Safe's owners signed in advance. ``unknown``: why it cannot be told whether it could be sent."""

    file: str
    words: str
    checks: tuple[Check, ...]
    unknown: str | None = None

    @property
    def ready(self) -> bool:
        return self.unknown is None and all(c.ok for c in self.checks)


@dataclass(frozen=True, slots=True)
class Status:
    """What ``guardian status`` prints. ``sentinel``: the service's own."""

    chain_id: int
    block: int
    block_timestamp: int
    contract: Address
    sentinels_stopped: bool | None
    sentinel_budget: int | None
    threshold: int | None
    guardians: tuple[Address, ...]
    sentinels: tuple[SentinelStatus, ...]
    sentinel: Address | None
    senders: tuple[SenderStatus, ...]
    targets: tuple[TargetStatus, ...]
    presigned: tuple[PresignedStatus, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether every target can be paused by everyone who should be able to, now, and every pause signed in advance could be sent."""
        return all(t.unknown is None and all(r.ready for r in t.readiness) for t in self.targets) and all(p.ready for p in self.presigned)


async def status(
    settings: GuardianSettings, endpoints: Sequence[EndpointSettings], sentinel: Address | None = None, senders: tuple[Address, ...] = ()
) -> Status:
    """Read everything at the newest block. Raises NoMajority when the endpoints do not answer, PauseImpossible for a wrong contract.

    ``sentinel``, ``senders``: the service's keys, if there are any.
    """
    nodes = Nodes(endpoints, settings.request_seconds)
    try:
        return await look(nodes, settings, sentinel, senders)
    finally:
        await nodes.close()


async def look(nodes: Nodes, settings: GuardianSettings, sentinel: Address | None = None, senders: tuple[Address, ...] = ()) -> Status:
    """The same with endpoints that are open."""
    from monitor.guardian.collector import brake_of  # all collectors are behind it: who only wants a snapshot does without

    return await _status(settings, nodes, brake_of(settings, sentinel, senders))


async def _status(settings: GuardianSettings, nodes: Nodes, brake: Brake) -> Status:
    chain_id = await nodes.agreed("chain id", number, "eth_chainId")
    stamp = await nodes.newest()
    if not await nodes.agreed("code of the guardian", unhex, "eth_getCode", brake.at, hex(stamp.number)):
        raise guardian.PauseImpossible(f"there is no contract at {brake.at} on chain {chain_id}: correct guardian.contract")
    # What depends on answers (roles' hashes, people) is read in a second round at the same block.
    known = brake.learn(await take_snapshot(nodes, stamp, brake.reads({})), {})
    snapshot = await take_snapshot(nodes, stamp, brake.reads(known))
    senders = tuple([await _sender(nodes, snapshot, account) for account in brake.keys.senders])
    return Status(
        chain_id,
        stamp.number,
        stamp.timestamp,
        brake.at,
        or_none(snapshot, brake.contract, guardian.STOPPED),
        or_none(snapshot, brake.contract, guardian.SENTINEL_BUDGET),
        or_none(snapshot, brake.contract, guardian.THRESHOLD),
        tuple(people_of(known)),
        _sentinels(brake, snapshot),
        brake.sentinel,
        senders,
        tuple(_target(brake, lever, snapshot, known, senders) for lever in brake.levers),
        tuple([await _presigned(nodes, path, stamp) for path in settings.presigned]),
    )


async def _presigned(nodes: Nodes, path: Path, stamp: BlockStamp) -> PresignedStatus:
    try:
        found = Presigned.of(path)
    except BadFile as wrong:
        return PresignedStatus(str(path), "", (Check("file", False, str(wrong)),))
    words = in_words(found.document.transaction.data)
    try:
        return PresignedStatus(str(path), words, found.judge(await take_snapshot(nodes, stamp, found.reads())))
    except Unanswered as missing:
        return PresignedStatus(str(path), words, (), str(missing))


def _target(brake: Brake, lever: Lever, snapshot: Snapshot, known: dict[str, Any], senders: Sequence[SenderStatus]) -> TargetStatus:
    readiness: tuple[Readiness, ...] = ()
    try:
        readiness, unknown = tuple(_with_nonces(r, senders) for r in brake.judge(lever, snapshot, known)), None
        effect = brake.probe_after(lever, snapshot, known)
        if effect is not None:
            readiness = tuple(replace(r, checks=(*r.checks, effect)) if r.by == "guardian" else r for r in readiness)
    except Unanswered as missing:
        unknown = str(missing)
    found = brake.registered(lever, snapshot)
    arming = "unknown" if found is None else "not registered" if found.lever == "None" else found.arming.lower()
    paused, resumes = _tell(lever, snapshot)
    return TargetStatus(
        lever.name, lever.settings.where, lever.settings.lever, arming, found, paused, resumes if paused else None, readiness, unknown,
    )  # fmt: skip


def _with_nonces(readiness: Readiness, senders: Sequence[SenderStatus]) -> Readiness:
    """A transaction that waits stands before every later one of its account. What nodes hold back is no state of a block: only asked here."""
    if readiness.by != "sentinel" or not senders:
        return readiness
    told = [s for s in senders if s.waiting is not None]
    stuck = [f"{s.waiting} transactions of {s.account} are not mined" for s in told if s.waiting]
    unheard = [f"those of {s.account} could not be counted" for s in senders if s.waiting is None]
    words = "; ".join([*stuck, *unheard]) or "no sender has a transaction that waits"
    return replace(readiness, checks=(*readiness.checks, Check("nonce_free", not stuck and not unheard, words)))


def _sentinels(brake: Brake, snapshot: Snapshot) -> tuple[SentinelStatus, ...]:
    accounts, expiries = or_none(snapshot, brake.contract, guardian.SENTINELS) or ((), ())
    return tuple(SentinelStatus(a, e, e > snapshot.stamp.timestamp) for a, e in zip(accounts, expiries, strict=True))


def _tell(lever: Lever, snapshot: Snapshot) -> tuple[bool | None, int | None]:
    try:
        paused, resumes = lever.paused(snapshot), lever.resumes_at(snapshot)
    except Unanswered:
        return None, None
    return None if isinstance(paused, NoGood) else paused, None if isinstance(resumes, NoGood) else resumes


async def _sender(nodes: Nodes, snapshot: Snapshot, account: Address) -> SenderStatus:
    try:
        wei: int | None = balance(account, snapshot)
    except Unanswered:
        wei = None
    counted = await nonces(nodes, account)
    return SenderStatus(account, wei, None if counted is None else counted[1] - counted[0])
