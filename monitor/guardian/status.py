"""What ``stakewarden guardian status`` prints: the brake as the chain shows it now, read without service or database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.chain.settings import EndpointSettings
from monitor.guardian import contract as guardian
from monitor.guardian.collector import brake_of
from monitor.guardian.levers import Lever, NoGood
from monitor.guardian.node import Nodes, NoMajority, Refused, number, unhex
from monitor.guardian.readiness import Brake, Check, Readiness, people_of
from monitor.guardian.safe.decode import in_words
from monitor.guardian.safe.document import BadFile
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, Answer, Balance, BlockStamp, Call, Code, Failed, Read, Reverted, Snapshot, Unanswered, Value


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """What can be said about one target now. ``unknown``: why its readiness cannot be told."""

    name: str
    address: Address
    lever: str
    arming: str
    duration_seconds: int
    paused: bool | None
    resumes_timestamp: int | None
    readiness: tuple[Readiness, ...]
    unknown: str | None = None


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
    """What ``guardian status`` prints. Ether amounts are wei."""

    chain_id: int
    block: int
    block_timestamp: int
    contract: Address
    sentinels_stopped: bool | None
    sentinel_budget: int | None
    guardians: tuple[Address, ...]
    sentinels: tuple[Address, ...]
    sentinel: Address | None
    sentinel_balance: int | None
    sentinel_waiting: int | None
    """Transactions of the sentinel's key that are sent and not mined: above 0 for long, its nonce is stuck."""
    targets: tuple[TargetStatus, ...]
    presigned: tuple[PresignedStatus, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether every target can be paused by everyone who should be able to, now, and every pause signed in advance could be sent."""
        return all(t.unknown is None and all(r.ready for r in t.readiness) for t in self.targets) and all(p.ready for p in self.presigned)


async def status(settings: GuardianSettings, endpoints: Sequence[EndpointSettings], sentinel: Address | None = None) -> Status:
    """Read everything at the newest block. Raises NoMajority when the endpoints do not answer, PauseImpossible for a wrong contract."""
    nodes = Nodes(endpoints, settings.request_seconds)
    try:
        return await _status(settings, nodes, sentinel)
    finally:
        await nodes.close()


async def _status(settings: GuardianSettings, nodes: Nodes, sentinel: Address | None) -> Status:
    chain_id = await nodes.agreed("chain id", number, "eth_chainId")
    stamp = await nodes.newest()
    brake = brake_of(settings, sentinel)
    if not await nodes.agreed("code of the guardian", unhex, "eth_getCode", brake.at, hex(stamp.number)):
        raise guardian.PauseImpossible(f"there is no contract at {brake.at} on chain {chain_id}: correct guardian.contract")
    # What depends on answers (roles' hashes, people) is read in a second round at the same block.
    known = brake.learn(await take_snapshot(nodes, stamp, brake.reads({})), {})
    snapshot = await take_snapshot(nodes, stamp, brake.reads(known))
    waiting = None if sentinel is None else await _waiting(nodes, sentinel)
    return Status(
        chain_id,
        stamp.number,
        stamp.timestamp,
        brake.at,
        _maybe(brake, snapshot, guardian.STOPPED),
        _maybe(brake, snapshot, guardian.SENTINEL_BUDGET),
        tuple(people_of(known)),
        tuple(_maybe(brake, snapshot, guardian.ROLE_MEMBERS, guardian.SENTINEL_ROLE) or ()),
        sentinel,
        None if sentinel is None else brake.balance(snapshot),
        waiting,
        tuple(_target(brake, lever, snapshot, known) for lever in brake.levers),
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


def _target(brake: Brake, lever: Lever, snapshot: Snapshot, known: dict[str, Any]) -> TargetStatus:
    try:
        readiness, unknown = tuple(brake.judge(lever, snapshot, known)), None
    except Unanswered as missing:
        readiness, unknown = (), str(missing)
    registered = _maybe(brake, snapshot, guardian.TARGET, lever.settings.where) or (0, 0, 0, 0)
    paused, resumes = _tell(lever, snapshot)
    return TargetStatus(
        lever.name, lever.settings.where, lever.settings.lever, guardian.ARMING[registered[1]] if registered[0] else "not registered",
        registered[2], paused, resumes if paused else None, readiness, unknown,
    )  # fmt: skip


def _tell(lever: Lever, snapshot: Snapshot) -> tuple[bool | None, int | None]:
    try:
        paused, resumes = lever.paused(snapshot), lever.resumes_at(snapshot)
    except Unanswered:
        return None, None
    return None if isinstance(paused, NoGood) else paused, None if isinstance(resumes, NoGood) else resumes


def _maybe(brake: Brake, snapshot: Snapshot, function: Any, *arguments: Any) -> Any:
    try:
        return brake.contract.ask(snapshot, function, *arguments)
    except Unanswered:
        return None


async def _waiting(nodes: Nodes, sentinel: Address) -> int:
    mined = await nodes.middle("nonce", number, "eth_getTransactionCount", sentinel, "latest")
    sent = await nodes.middle("pending nonce", number, "eth_getTransactionCount", sentinel, "pending")
    return max(0, sent - mined)


async def take_snapshot(nodes: Nodes, stamp: BlockStamp, reads: Sequence[Read]) -> Snapshot:
    """Answers by majority at one block, without logs: what the pipeline's snapshot is, taken by hand."""
    unique = list(dict.fromkeys(reads))
    answers = await asyncio.gather(*(_answer(nodes, read, stamp) for read in unique))
    return Snapshot(stamp, dict(zip(unique, answers, strict=True)), (), tuple(n.name for n in nodes.all))


async def _answer(nodes: Nodes, read: Read, stamp: BlockStamp) -> Answer:
    at = {"blockHash": stamp.hash}
    names = tuple(n.name for n in nodes.all)
    try:
        match read.what:
            case Call(data):
                found = await nodes.call("call", read.target, data, sender=read.caller, block=at)
                return Reverted(found.data or b"", names) if isinstance(found, Refused) else Value(found, names)
            case Code():
                return Value(await nodes.agreed("code", unhex, "eth_getCode", read.target, at), names)
            case Balance():
                wei = await nodes.agreed("balance", number, "eth_getBalance", read.target, at)
                return Value(wei.to_bytes(32, "big"), names)
            case _:
                return Failed("is not read by hand")
    except NoMajority as missing:
        return Failed(str(missing))
