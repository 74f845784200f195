"""Blocks, headers and operations as the Beacon API's JSON: integers are decimal text, bytes are 0x hex."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from monitor.devnet.beacon.chain import Block, Chain
from monitor.devnet.beacon.operations import (
    AttesterSlashing,
    Consolidation,
    DepositRequest,
    Operation,
    ProposerSlashing,
    VoluntaryExit,
    WithdrawalRequest,
)
from monitor.devnet.beacon.ssz import EXTRA_DATA
from monitor.devnet.beacon.state import ZERO, Header, Payload, Point
from monitor.devnet.beacon.withdrawals import Withdrawals

Json = dict[str, Any]
MAX_ATTESTATIONS_ELECTRA = 8
VALIDATORS_PER_COMMITTEE = 128


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def signature(*of: object) -> str:
    """96 bytes in the place of a BLS signature; always the same for the same message."""
    digest = hashlib.sha512(repr(of).encode()).digest()
    return hexed(bytes([0x80 | digest[0] & 0x1F]) + digest[1:] + digest[:32])


def checkpoint(point: Point) -> Json:
    return {"epoch": str(point.epoch), "root": hexed(point.root)}


def signed_header(header: Header) -> Json:
    """SignedBeaconBlockHeader."""
    message = {
        "slot": str(header.slot), "proposer_index": str(header.proposer), "parent_root": hexed(header.parent),
        "state_root": hexed(header.state_root), "body_root": hexed(header.body_root),
    }  # fmt: skip
    return {"message": message, "signature": signature(header)}


def proposer_slashing(operation: ProposerSlashing) -> Json:
    """Two headers for one slot that differ in their bodies."""
    found = (hashlib.sha256(repr((operation, i)).encode()).digest() for i in range(2))
    return {
        f"signed_header_{i}": signed_header(Header(operation.slot, operation.validator, ZERO, ZERO, body))
        for i, body in enumerate(found, 1)
    }


def attester_slashing(operation: AttesterSlashing, slots_per_epoch: int) -> Json:
    """A double vote: two heads for one target epoch."""
    slot = operation.epoch * slots_per_epoch
    told: Json = {}
    for i, extra in enumerate((operation.first_only, operation.second_only), 1):
        data = {
            "slot": str(slot), "index": "0", "beacon_block_root": hexed(hashlib.sha256(repr((operation.epoch, i)).encode()).digest()),
            "source": checkpoint(Point(max(0, operation.epoch - 1), ZERO)), "target": checkpoint(Point(operation.epoch, bytes([i]) * 32)),
        }  # fmt: skip
        indices = [str(index) for index in sorted({*operation.validators, *extra})]
        told[f"attestation_{i}"] = {"attesting_indices": indices, "data": data, "signature": signature(operation.epoch, i)}
    return told


def voluntary_exit(operation: VoluntaryExit) -> Json:
    message = {"epoch": str(operation.epoch), "validator_index": str(operation.validator)}
    return {"message": message, "signature": signature(operation)}


class Bodies:
    """The bodies of one chain's blocks."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def block(self, block: Block, *, blinded: bool = False) -> Json:
        """SignedBeaconBlock, or SignedBlindedBeaconBlock."""
        header = block.header
        message = {
            "slot": str(header.slot), "proposer_index": str(header.proposer), "parent_root": hexed(header.parent),
            "state_root": hexed(header.state_root), "body": self._body(block, blinded),
        }  # fmt: skip
        return {"message": message, "signature": signature(header)}

    def _body(self, block: Block, blinded: bool) -> Json:
        of: dict[type[Operation], list[Any]] = {}
        for operation in block.operations:
            of.setdefault(type(operation), []).append(operation)
        reveal = self._chain.reveal(block.slot)
        payload = _execution(block.payload)
        if blinded:
            payload |= {"transactions_root": hexed(block.payload.transactions_root), "withdrawals_root": hexed(_root(block.withdrawals))}
        else:
            payload |= {"transactions": [], "withdrawals": _withdrawals(block.withdrawals)}
        return {
            "randao_reveal": hexed(reveal * 3),
            "eth1_data": {"deposit_root": hexed(ZERO), "deposit_count": str(len(self._chain.registry)), "block_hash": hexed(ZERO)},
            "graffiti": hexed(b"devnet".ljust(32, b"\0")),
            "proposer_slashings": [proposer_slashing(one) for one in of.get(ProposerSlashing, [])],
            "attester_slashings": [attester_slashing(one, self._chain.spec.slots_per_epoch) for one in of.get(AttesterSlashing, [])],
            "attestations": self._attestations(block),
            "deposits": [],
            "voluntary_exits": [voluntary_exit(one) for one in of.get(VoluntaryExit, [])],
            "sync_aggregate": self._sync(block),
            "bls_to_execution_changes": [],
            "blob_kzg_commitments": [],
            "execution_payload_header" if blinded else "execution_payload": payload,
            "execution_requests": self._requests(of),
        }

    def _attestations(self, block: Block) -> list[Json]:
        """One aggregate for each slot since the parent, the newest eight of them."""
        parent = self._chain.by_root.get(block.header.parent)
        first = block.slot - 1 if parent is None else parent.slot
        slots = range(max(first, block.slot - MAX_ATTESTATIONS_ELECTRA), block.slot)
        return [found for slot in slots if (found := self._attestation(slot)) is not None]

    def _attestation(self, slot: int) -> Json | None:
        chain, per_epoch = self._chain, self._chain.spec.slots_per_epoch
        epoch = slot // per_epoch
        if (start := chain.starts.get(epoch)) is None:
            return None
        who = start.committee(slot)
        voted = chain.votes(slot, epoch).flags[who] > 0
        count = max(1, min(64, len(start.order) // per_epoch // VALIDATORS_PER_COMMITTEE))
        bits = np.packbits(np.append(voted, True), bitorder="little").tobytes()
        state = start.state
        data = {
            "slot": str(slot), "index": "0", "beacon_block_root": hexed(chain.rings.blocks[slot]), "source": checkpoint(state.current_justified),
            "target": checkpoint(Point(epoch, chain.rings.blocks[epoch * per_epoch])),
        }  # fmt: skip
        committees = hexed(((1 << count) - 1).to_bytes(8, "little"))
        return {"aggregation_bits": hexed(bits), "data": data, "signature": signature(slot), "committee_bits": committees}

    def _sync(self, block: Block) -> Json:
        chain = self._chain
        epoch, size = block.slot // chain.spec.slots_per_epoch, chain.spec.sync_committee_size
        known = epoch in chain.starts
        bits = chain.votes(block.slot - 1, epoch).sync_bits if known else np.ones(size, bool)
        return {
            "sync_committee_bits": hexed(np.packbits(bits, bitorder="little").tobytes()),
            "sync_committee_signature": signature("sync", block.slot),
        }

    def _requests(self, of: dict[type[Operation], list[Any]]) -> Json:
        state = self._chain.state
        deposits: list[DepositRequest] = of.get(DepositRequest, [])
        withdrawals: list[WithdrawalRequest] = of.get(WithdrawalRequest, [])
        consolidations: list[Consolidation] = of.get(Consolidation, [])

        def key(index: int) -> str:
            return hexed(bytes(state.pubkeys[index]))

        def address(index: int) -> str:
            return hexed(bytes(state.credentials[index])[12:])

        return {
            "deposits": [
                {"pubkey": hexed(d.pubkey), "withdrawal_credentials": hexed(d.credentials), "amount": str(d.amount), "signature": signature(d), "index": str(i)}
                for i, d in enumerate(deposits)
            ],
            "withdrawals": [
                {"source_address": address(w.validator), "validator_pubkey": key(w.validator), "amount": str(w.amount)} for w in withdrawals
            ],
            "consolidations": [
                {"source_address": address(c.source), "source_pubkey": key(c.source), "target_pubkey": key(c.target)} for c in consolidations
            ],
        }  # fmt: skip


def _execution(payload: Payload) -> Json:
    """What a payload and its header have in common."""
    return {
        "parent_hash": hexed(payload.parent), "fee_recipient": hexed(payload.fee_recipient), "state_root": hexed(payload.state_root),
        "receipts_root": hexed(payload.receipts_root), "logs_bloom": hexed(bytes(256)), "prev_randao": hexed(payload.prev_randao),
        "block_number": str(payload.number), "gas_limit": str(payload.gas_limit), "gas_used": str(payload.gas_used),
        "timestamp": str(payload.timestamp), "extra_data": hexed(EXTRA_DATA), "base_fee_per_gas": str(payload.base_fee),
        "block_hash": hexed(payload.hash), "blob_gas_used": "0", "excess_blob_gas": "0",
    }  # fmt: skip


def _withdrawals(found: Withdrawals) -> list[Json]:
    return [
        {"index": str(index), "validator_index": str(validator), "address": hexed(address), "amount": str(amount)}
        for index, validator, address, amount in found.rows()
    ]


def _root(found: Withdrawals) -> bytes:
    return hashlib.sha256(found.digest()).digest()
