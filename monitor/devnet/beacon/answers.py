"""What a node answers to each call of the Beacon API, as JSON or bytes. The HTTP around it is in ``api``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.spec import Spec
from monitor.devnet.beacon import ssz
from monitor.devnet.beacon.bodies import Bodies, Json, checkpoint, hexed, signed_header
from monitor.devnet.beacon.node import Invalid, Missing, Node
from monitor.devnet.beacon.operations import LIMITS, AttesterSlashing, DepositRequest, ProposerSlashing, VoluntaryExit, WithdrawalRequest
from monitor.devnet.beacon.state import FAR, State
from monitor.devnet.beacon.withdrawals import LIMITS as WITHDRAWALS

STATUSES = (
    "pending_initialized", "pending_queued", "active_ongoing", "active_exiting", "active_slashed",
    "exited_unslashed", "exited_slashed", "withdrawal_possible", "withdrawal_done",
)  # fmt: skip
_GROUPS = ("pending", "active", "exited", "withdrawal")


@dataclass(frozen=True, slots=True)
class Answer:
    """``json``, or ``octets`` where SSZ is offered too; ``version``: the fork, where the answer has one."""

    json: Json
    octets: bytes | None = None
    version: str | None = None


def config(spec: Spec, fork: str, chain_id: int) -> Json:
    """``/eth/v1/config/spec``: flat, all values strings."""
    made: Json = {field.name.upper(): str(getattr(spec, field.name)) for field in fields(spec)}
    made |= {
        "CONFIG_NAME": "devnet", "SECONDS_PER_SLOT": str(spec.slot_duration_ms // 1000), "DEPOSIT_CHAIN_ID": str(chain_id),
        "DEPOSIT_NETWORK_ID": str(chain_id), "GENESIS_FORK_VERSION": hexed(ssz.FORK_VERSIONS["electra"] if fork == "electra" else ssz.FORK_VERSIONS["fulu"]),
        "ELECTRA_FORK_VERSION": hexed(ssz.FORK_VERSIONS["electra"]), "ELECTRA_FORK_EPOCH": "0",
        "FULU_FORK_VERSION": hexed(ssz.FORK_VERSIONS["fulu"]), "FULU_FORK_EPOCH": "0" if fork == "fulu" else str(2**64 - 1),
        "EPOCHS_PER_SYNC_COMMITTEE_PERIOD": "256", "WHISTLEBLOWER_REWARD_QUOTIENT_ELECTRA": "4096", "MAX_WITHDRAWALS_PER_PAYLOAD": str(WITHDRAWALS[spec.preset_base].payload),
        "MAX_VALIDATORS_PER_WITHDRAWALS_SWEEP": str(WITHDRAWALS[spec.preset_base].sweep), "MAX_PROPOSER_SLASHINGS": str(LIMITS[ProposerSlashing]),
        "MAX_ATTESTER_SLASHINGS_ELECTRA": str(LIMITS[AttesterSlashing]), "MAX_VOLUNTARY_EXITS": str(LIMITS[VoluntaryExit]),
        "MAX_DEPOSIT_REQUESTS_PER_PAYLOAD": str(LIMITS[DepositRequest]), "MAX_WITHDRAWAL_REQUESTS_PER_PAYLOAD": str(LIMITS[WithdrawalRequest]),
        "MAX_PENDING_PARTIALS_PER_WITHDRAWALS_SWEEP": str(WITHDRAWALS[spec.preset_base].partials), "BLOB_SCHEDULE": [],
    }  # fmt: skip
    return made


def status_numbers(state: State) -> NDArray[np.int8]:
    """Of each validator: its place in STATUSES."""
    epoch = state.epoch
    waiting, gone, free = state.activation > epoch, state.exit <= epoch, state.withdrawable <= epoch
    leaving, slashed = state.exit < FAR, state.slashed
    conditions = [
        waiting & (state.eligibility == FAR), waiting, ~gone & ~leaving, ~gone & leaving & ~slashed, ~gone & slashed,
        ~free & ~slashed, ~free & slashed, state.effective > 0,
    ]  # fmt: skip
    return np.select(conditions, list(range(8)), 8).astype(np.int8)


class Answers:
    """All answers of one node. Methods raise Missing (404) and Invalid (400)."""

    def __init__(self, node: Node, chain_id: int) -> None:
        self._node, self._chain, self._chain_id = node, node.chain, chain_id
        self._bodies = Bodies(node.chain)

    def _around(self, slot: int, data: Any, *, versioned: bool = False) -> Json:
        told = {"execution_optimistic": self._node.faults.is_optimistic, "finalized": self._node.finalized(slot), "data": data}
        return {"version": self._chain.fork, **told} if versioned else told

    # ------------------------------------------------------------ node and configuration

    def syncing(self) -> Json:
        faults = self._node.faults
        return {"data": {
            "head_slot": str(self._node.head_slot), "sync_distance": str(self._chain.head_slot - self._node.head_slot),
            "is_syncing": faults.is_syncing, "is_optimistic": faults.is_optimistic, "el_offline": faults.el_offline,
        }}  # fmt: skip

    def version(self) -> Json:
        return {"data": {"version": f"StakewardenSim/{self._node.name}"}}

    def peers(self) -> Json:
        return {"data": {"disconnected": "1", "connecting": "0", "connected": "80", "disconnecting": "0"}}

    def genesis(self) -> Json:
        root = self._chain.validators_root if not self._node.faults.wrong_genesis else bytes(31) + b"\1"
        version = config(self._chain.spec, self._chain.fork, self._chain_id)["GENESIS_FORK_VERSION"]
        return {
            "data": {"genesis_time": str(self._chain.genesis_time), "genesis_validators_root": hexed(root), "genesis_fork_version": version}
        }

    def spec(self) -> Json:
        return {"data": config(self._chain.spec, self._chain.fork, self._chain_id)}

    def forks(self) -> Json:
        return {"data": [self._fork()]}

    def _fork(self) -> Json:
        fork = self._chain.fork
        versions = ssz.FORK_VERSIONS[ssz.PREVIOUS[fork]], ssz.FORK_VERSIONS[fork]
        return {"previous_version": hexed(versions[0]), "current_version": hexed(versions[1]), "epoch": "0"}

    # ------------------------------------------------------------ blocks

    def headers(self, slot: str | None, parent: str | None) -> Json:
        """Headers by slot or parent, orphans too; the head's without either."""
        if slot is None and parent is None:
            found = [self._node.head()]
        else:
            every = [*self._chain.blocks.values(), *self._chain.orphans.values()]
            found = [b for b in every if b.slot <= self._node.head_slot]
            if slot is not None:
                found = [b for b in found if str(b.slot) == slot]
            if parent is not None:
                found = [b for b in found if hexed(b.header.parent) == parent]
            if not found:
                raise Missing("no such header")
        data = [{"root": hexed(b.root), "canonical": self._node.canonical(b), "header": signed_header(b.header)} for b in found]
        return self._around(min(b.slot for b in found), data)

    def header(self, wanted: str) -> Json:
        block = self._node.block(wanted)
        data = {"root": hexed(block.root), "canonical": self._node.canonical(block), "header": signed_header(block.header)}
        return self._around(block.slot, data)

    def block_root(self, wanted: str) -> Json:
        block = self._node.block(wanted)
        return self._around(block.slot, {"root": hexed(block.root)})

    def block(self, wanted: str, *, blinded: bool = False) -> Answer:
        block = self._node.block(wanted)
        told = self._bodies.block(self._node.told(block), blinded=blinded)
        return Answer(self._around(block.slot, told, versioned=True), version=self._chain.fork)

    # ------------------------------------------------------------ states

    def state_root(self, wanted: str) -> Json:
        slot = self._node.state(wanted).slot
        return self._around(slot, {"root": hexed(self._node.state_root(slot))})

    def fork(self, wanted: str) -> Json:
        return self._around(self._node.slot_of(wanted), self._fork())

    def finality(self, wanted: str) -> Json:
        state = self._node.state(wanted)
        data = {
            "previous_justified": checkpoint(state.previous_justified), "current_justified": checkpoint(state.current_justified),
            "finalized": checkpoint(state.finalized),
        }  # fmt: skip
        return self._around(state.slot, data)

    def validators(self, wanted: str, ids: Sequence[str], statuses: Sequence[str]) -> Json:
        state = self._node.state(wanted)
        numbers = status_numbers(state)
        rows = [self._validator(state, index, numbers) for index in self._chosen(state, ids)]
        if unknown := set(statuses) - {*STATUSES, *_GROUPS}:
            raise Invalid(f"no such status: {', '.join(sorted(unknown))}")
        if statuses:
            rows = [row for row in rows if row["status"] in statuses or row["status"].split("_")[0] in statuses]
        return self._around(state.slot, rows)

    def validator(self, wanted: str, one: str) -> Json:
        state = self._node.state(wanted)
        if not (found := self._chosen(state, [one])):
            raise Missing("validator not found")
        return self._around(state.slot, self._validator(state, found[0], status_numbers(state)))

    def balances(self, wanted: str, ids: Sequence[str]) -> Json:
        state = self._node.state(wanted)
        return self._around(state.slot, [{"index": str(i), "balance": str(state.balances[i])} for i in self._chosen(state, ids)])

    def _chosen(self, state: State, ids: Sequence[str]) -> list[int]:
        """Indices of the ids given, all without any; unknown ones are left out without a word, as nodes do."""
        if not ids:
            return list(range(len(state)))
        found: list[int] = []
        for one in ids:
            if one.startswith("0x"):
                if len(one) != 98:
                    raise Invalid(f"{one[:100]} is not a public key")
                found += np.flatnonzero(state.pubkeys == np.void(bytes.fromhex(one[2:]))).tolist()
            elif not one.isdigit():
                raise Invalid(f"{one[:100]} is neither an index nor a public key")
            elif int(one) < len(state):
                found.append(int(one))
        return found

    def _validator(self, state: State, index: int, numbers: NDArray[np.int8]) -> Json:
        def epoch(value: Any) -> str:
            return str(2**64 - 1 if value == FAR else value)

        return {
            "index": str(index), "balance": str(state.balances[index]), "status": STATUSES[numbers[index]],
            "validator": {
                "pubkey": hexed(bytes(state.pubkeys[index])), "withdrawal_credentials": hexed(bytes(state.credentials[index])),
                "effective_balance": str(state.effective[index]), "slashed": bool(state.slashed[index]),
                "activation_eligibility_epoch": epoch(state.eligibility[index]), "activation_epoch": epoch(state.activation[index]),
                "exit_epoch": epoch(state.exit[index]), "withdrawable_epoch": epoch(state.withdrawable[index]),
            },
        }  # fmt: skip

    def sync_committee(self, wanted: str) -> Json:
        state = self._node.state(wanted)
        members = [str(index) for index in state.current_sync.tolist()]
        size = max(1, len(members) // 4)
        parts = [members[at : at + size] for at in range(0, len(members), size)]
        return self._around(state.slot, {"validators": members, "validator_aggregates": parts})

    def pending(self, wanted: str, what: str) -> Answer:
        """One of the queues, or the look-ahead: pending_deposits, pending_partial_withdrawals, pending_consolidations, proposer_lookahead."""
        state = self._node.state(wanted)
        readers: dict[str, Callable[[State], tuple[list[Any], bytes]]] = {
            "pending_deposits": lambda s: (_rows(s.deposits), s.deposits.tobytes()),
            "pending_partial_withdrawals": lambda s: (_rows(s.partials), s.partials.tobytes()),
            "pending_consolidations": lambda s: (_rows(s.consolidations), s.consolidations.tobytes()),
            "proposer_lookahead": lambda s: ([str(i) for i in s.lookahead.tolist()], s.lookahead.astype("<u8").tobytes()),
        }
        if what == "proposer_lookahead" and state.fork != "fulu":
            raise Invalid("there is no look-ahead before Fulu")
        data, octets = readers[what](state)
        return Answer(self._around(state.slot, data, versioned=True), octets, self._chain.fork)


def _rows(queue: NDArray[Any]) -> list[Json]:
    return [
        {name: hexed(bytes(row[name])) if queue.dtype[name].kind == "V" else str(row[name]) for name in queue.dtype.names or ()}
        for row in queue
    ]
