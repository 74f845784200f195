"""The bytes of a BeaconState: SSZ of Electra's and Fulu's containers (consensus-specs, ``BeaconState``), field after field.

Written for itself, so that reading by another's layout constants proves both.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from monitor.devnet.beacon.roots import Rings
from monitor.devnet.beacon.state import FAR, I64, ZERO, Payload, Point, State

FORK_VERSIONS = {"deneb": b"\x04\0\0\0", "electra": b"\x05\0\0\0", "fulu": b"\x06\0\0\0"}
PREVIOUS = {"electra": "deneb", "fulu": "electra"}
VALIDATOR = np.dtype([
    ("pubkey", "V48"), ("withdrawal_credentials", "V32"), ("effective_balance", "<u8"), ("slashed", "u1"),
    ("activation_eligibility_epoch", "<u8"), ("activation_epoch", "<u8"), ("exit_epoch", "<u8"), ("withdrawable_epoch", "<u8"),
])  # fmt: skip
EXTRA_DATA = b"devnet"


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def epochs(column: I64) -> NDArray[np.uint64]:
    """Epochs as they are on the wire: FAR_FUTURE_EPOCH is 2**64 - 1."""
    return np.where(column == FAR, np.uint64(2**64 - 1), column.astype(np.uint64))


class _Container:
    """Fixed-size fields in place, an offset for each of variable size; the variable parts follow in order."""

    def __init__(self) -> None:
        self._fixed: list[bytes | None] = []
        self._variable: list[bytes] = []

    def put(self, *fields: bytes) -> None:
        self._fixed += fields

    def put_variable(self, *parts: bytes) -> None:
        for part in parts:
            self._fixed.append(None)
            self._variable.append(part)

    def bytes(self) -> bytes:
        offset = sum(4 if field is None else len(field) for field in self._fixed)
        lengths = iter(self._variable)
        head: list[bytes] = []
        for field in self._fixed:
            head.append(offset.to_bytes(4, "little") if field is None else field)
            if field is None:
                offset += len(next(lengths))
        return b"".join([*head, *self._variable])


def checkpoint(point: Point) -> bytes:
    return u64(point.epoch) + point.root


def execution_header(payload: Payload) -> bytes:
    """ExecutionPayloadHeader (Deneb to Fulu)."""
    container = _Container()
    container.put(payload.parent, payload.fee_recipient, payload.state_root, payload.receipts_root, bytes(256), payload.prev_randao)
    container.put(*(u64(number) for number in (payload.number, payload.gas_limit, payload.gas_used, payload.timestamp)))
    container.put_variable(EXTRA_DATA)
    container.put(payload.base_fee.to_bytes(32, "little"), payload.hash, payload.transactions_root, ZERO, u64(0), u64(0))
    return container.bytes()


@lru_cache(maxsize=64)
def aggregate_key(keys: bytes) -> bytes:
    """48 bytes in the place of a sync committee's aggregate public key."""
    return bytes([0xA0]) + hashlib.sha512(keys).digest()[:47]


def _committee(state: State, members: I64) -> bytes:
    keys = state.pubkeys[members].tobytes()
    return keys + aggregate_key(keys)


def validators(state: State) -> NDArray[np.void]:
    """The registry as SSZ records."""
    made = np.empty(len(state), VALIDATOR)
    made["pubkey"], made["withdrawal_credentials"] = state.pubkeys, state.credentials
    made["effective_balance"], made["slashed"] = state.effective, state.slashed
    made["activation_eligibility_epoch"], made["activation_epoch"] = epochs(state.eligibility), epochs(state.activation)
    made["exit_epoch"], made["withdrawable_epoch"] = epochs(state.exit), epochs(state.withdrawable)
    return made


def block_header(state: State) -> bytes:
    """The newest block's header: its state root is filled in when the next slot is processed."""
    header = state.header
    root = ZERO if header.slot == state.slot else header.state_root
    return u64(header.slot) + u64(header.proposer) + header.parent + root + header.body_root


def encode(state: State, genesis_time: int, validators_root: bytes, rings: Rings) -> bytes:
    """The state's SSZ bytes. ``rings`` must be those of the chain that the state is on."""
    fork = state.fork
    mixes = bytearray(rings.mixes.vector(state.epoch))
    at = 32 * (state.epoch % rings.mixes.length)
    mixes[at : at + 32] = state.mix
    made = _Container()
    made.put(u64(genesis_time), validators_root, u64(state.slot))
    made.put(FORK_VERSIONS[PREVIOUS[fork]], FORK_VERSIONS[fork], u64(0), block_header(state))
    made.put(rings.blocks.vector(state.slot), rings.states.vector(state.slot))
    made.put_variable(b"")
    made.put(ZERO + u64(len(state)) + ZERO)
    made.put_variable(b"")
    made.put(u64(state.eth1_deposit_index))
    made.put_variable(validators(state).tobytes(), state.balances.astype("<u8").tobytes())
    made.put(bytes(mixes), state.slashings.astype("<u8").tobytes())
    made.put_variable(state.previous_flags.tobytes(), state.current_flags.tobytes())
    made.put(bytes([state.justification]))
    made.put(checkpoint(state.previous_justified), checkpoint(state.current_justified), checkpoint(state.finalized))
    made.put_variable(state.scores.astype("<u8").tobytes())
    made.put(_committee(state, state.current_sync), _committee(state, state.next_sync))
    made.put_variable(execution_header(state.payload))
    made.put(u64(state.next_withdrawal_index), u64(state.next_withdrawal_validator))
    made.put_variable(b"".join(state.summaries))
    made.put(u64(state.deposit_requests_start), u64(state.deposit_to_consume), u64(state.exit_to_consume), u64(state.earliest_exit))
    made.put(u64(state.consolidation_to_consume), u64(state.earliest_consolidation))
    made.put_variable(state.deposits.tobytes(), state.partials.tobytes(), state.consolidations.tobytes())
    if fork == "fulu":
        made.put(state.lookahead.astype("<u8").tobytes())
    return made.bytes()
