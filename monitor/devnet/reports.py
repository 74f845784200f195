"""What the oracle does: its members build a report of the current frame, vote for its hash, and deliver it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from monitor.devnet.build import types_of
from monitor.devnet.transactions import Receipt, Transaction
from monitor.devnet.world import World

GWEI = 10**9
E27 = 10**27
YEAR = 365.25 * 86400
CL_APR = 0.03
"""Growth of validators' balances a year."""
REQUEST_MARGIN = 7680
"""Requests younger than this at the reference slot wait for the next report, in seconds."""
DEPOSIT = 32 * 10**18
CONTRACT_VERSION = 5
FINALIZATION_DELAY = 768
"""A healthy oracle reports when the reference epoch is finalized: two epochs after the reference slot, in seconds."""
LIST_FORMAT = 1
EXITED_VALIDATORS = 2


@dataclass(frozen=True)
class Exited:
    """An extra data item: how many validators of an operator have exited in all."""

    module: int
    operator: int
    total: int


@dataclass(frozen=True)
class Report:
    """A report ready to be voted for. Amounts are wei unless their names say gwei."""

    consensus_version: int
    ref_slot: int
    validators_gwei: int
    pending_gwei: int
    withdrawal_vault: int
    el_rewards_vault: int
    batches: tuple[int, ...]
    share_rate: int
    bunker: bool
    chunks: tuple[bytes, ...]
    items: int

    def values(self) -> tuple[Any, ...]:
        """The struct as ``submitReportData`` takes it."""
        return (
            self.consensus_version, self.ref_slot, self.validators_gwei, self.pending_gwei, [], [], [1], [self.validators_gwei],
            self.withdrawal_vault, self.el_rewards_vault, 0, list(self.batches), self.share_rate, self.bunker, bytes(32), "",
            LIST_FORMAT if self.chunks else 0, keccak(self.chunks[0]) if self.chunks else bytes(32), self.items,
        )  # fmt: skip

    def hash(self, world: World) -> bytes:
        """What members vote for: the hash of the encoded struct."""
        inputs = world["accounting_oracle"].artifact.functions["submitReportData"]["inputs"]
        return keccak(encode(types_of(inputs[:1]), [self.values()]))


def build(
    world: World, *, cl_change: int | None = None, exits: int = 0, bunker: bool = False, finalize: bool = True,
    exited: Sequence[Exited] = (), items_a_chunk: int = 8,
) -> Report:  # fmt: skip
    """The report of the current frame on the chain's present state.

    ``cl_change``: wei by which validators' balances changed (rewards at 3 % a year unless given; may be negative). ``exits``:
    wei that left validators for the withdrawal vault since the last report (see ``actions.exit_validators``).
    ``finalize``: pay requests, oldest first, as far as the ether reaches.

    With a consensus layer (``world.cl_balance``) balances are what it has at the reference slot; ``cl_change`` is a lie on top of
    it, and ``exits`` are already in it.
    """
    lido, oracle = world["lido"], world["accounting_oracle"]
    ref_slot, timestamp = oracle.read("getCurrentFrame")
    previous = oracle.read("getLastProcessingRefSlot")
    validators, pending, _, deposited = lido.read("getBalanceStats")
    elapsed = (ref_slot - previous) * world.deployment.seconds_per_slot
    principal = validators + pending + deposited
    counted = None if world.cl_balance is None else world.cl_balance(ref_slot)
    if counted is None:
        change = int(principal * CL_APR * elapsed / YEAR) if cl_change is None else cl_change
        balances, waiting = principal + change - exits, 0
    else:
        balances, waiting = counted * GWEI + (cl_change or 0), _pending(counted * GWEI - validators, pending + deposited)
    chunks = extra_data(exited, items_a_chunk)
    draft = Report(
        consensus_version=oracle.read("getConsensusVersion"),
        ref_slot=ref_slot,
        validators_gwei=balances // GWEI,
        pending_gwei=waiting // GWEI,
        withdrawal_vault=world.balance(world["withdrawal_vault"].address),
        el_rewards_vault=world.balance(world["el_rewards_vault"].address),
        batches=(),
        share_rate=0,
        bunker=bunker,
        chunks=chunks,
        items=len(exited),
    )
    update = _simulate(world, draft, timestamp, elapsed)
    draft = replace(draft, share_rate=update["postInternalEther"] * E27 // update["postInternalShares"])
    if not finalize or world["withdrawal_queue"].read("isPaused"):
        return draft
    budget = lido.read("getWithdrawalsReserve") + update["withdrawalsVaultTransfer"] + update["elRewardsVaultTransfer"]
    return replace(draft, batches=finalizable(world, budget, draft.share_rate, timestamp - REQUEST_MARGIN))


def _pending(grown: int, deposited: int) -> int:
    """Wei of deposits that no validator has yet: growth is rewards (less than half a deposit) and whole deposits of 32 ether."""
    appeared = (grown + DEPOSIT // 2) // DEPOSIT * DEPOSIT
    return deposited - min(max(appeared, 0), deposited)


def finalizable(world: World, budget: int, share_rate: int, newest: int) -> tuple[int, ...]:
    """Batches of requests made up to ``newest`` that a budget of wei pays for; empty if not even the oldest."""
    state: Any = (budget, False, [0] * 36, 0)
    while not state[1] and state[0] > 0:
        state = world["withdrawal_queue"].read("calculateFinalizationBatches", share_rate, newest, 200, state)
    return tuple(state[2][: state[3]])


def _simulate(world: World, report: Report, timestamp: int, elapsed: int) -> dict[str, int]:
    accounting = world["accounting"]
    values: tuple[Any, ...] = (
        timestamp, elapsed, report.validators_gwei * GWEI, report.pending_gwei * GWEI, report.withdrawal_vault,
        report.el_rewards_vault, 0, [], 0,
    )  # fmt: skip
    update = accounting.read("simulateOracleReport", values)
    names = [item["name"] for item in accounting.artifact.functions["simulateOracleReport"]["outputs"][0]["components"]]
    return dict(zip(names, update, strict=True))


def extra_data(exited: Sequence[Exited], items_a_chunk: int) -> tuple[bytes, ...]:
    """Extra data in chunks, each beginning with the hash of the next: so they are made from the last on."""
    items = [
        i.to_bytes(3, "big") + EXITED_VALIDATORS.to_bytes(2, "big") + item.module.to_bytes(3, "big") + (1).to_bytes(8, "big")
        + item.operator.to_bytes(8, "big") + item.total.to_bytes(16, "big")
        for i, item in enumerate(exited)
    ]  # fmt: skip
    chunks: list[bytes] = []
    for start in reversed(range(0, len(items), items_a_chunk)):
        following = keccak(chunks[0]) if chunks else bytes(32)
        chunks.insert(0, following + b"".join(items[start : start + items_a_chunk]))
    return tuple(chunks)


# ---------------------------------------------------------------- the stages


def votes(world: World, report: Report, members: Sequence[str] | None = None, *, vote: bytes | None = None) -> list[Transaction]:
    """Votes of ``members`` (the fast lane of the frame unless given) for the report, or for another hash."""
    consensus = world["hash_consensus_ao"]
    voters = consensus.read("getFastLaneMembers")[0] if members is None else members
    return [
        consensus.tx(member, "submitReport", report.ref_slot, vote or report.hash(world), report.consensus_version) for member in voters
    ]


def main_data(world: World, report: Report) -> list[Transaction]:
    """The delivery of the report's data by a member: the rebase happens in this transaction."""
    return [world["accounting_oracle"].tx(world.deployment.members[0], "submitReportData", report.values(), CONTRACT_VERSION)]


def rest(world: World, report: Report) -> list[Transaction]:
    """The delivery of extra data; the empty format needs its own transaction."""
    oracle, sender = world["accounting_oracle"], world.deployment.members[0]
    if not report.chunks:
        return [oracle.tx(sender, "submitReportExtraDataEmpty")]
    return [oracle.tx(sender, "submitReportExtraDataList", chunk) for chunk in report.chunks]


def report(world: World, **how: Any) -> list[Receipt]:
    """A whole healthy report of the current frame; ``how`` as for :func:`build`. The receipts are in order."""
    prepared = build(world, **how)
    return world.send(*votes(world, prepared), *main_data(world, prepared), *rest(world, prepared))


def reported(world: World) -> bool:
    """Whether the current frame's main data was delivered."""
    oracle = world["accounting_oracle"]
    return bool(oracle.read("getLastProcessingRefSlot") >= oracle.read("getCurrentFrame")[0])
