"""The sample states of tests/data/beacon, and big states made from them.

Shares no code with the decoder under test: positions are the numbers of the specification's layout, written out.

    sample("fulu").data                      # the bytes, with .expected, .spec, .fork, .slot
    big_state(1_000_000)                     # a valid Fulu state of a million validators (bytearray), in about a second
    big_state(1000, "electra", slot=96)      # the fixed part of another sample, and another slot
    assemble("fulu", {"balances": array})    # exactly these variable parts instead of the sample's, the rest as it was
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.spec import PRESETS, Fork, Spec

DATA = Path(__file__).parents[1] / "data" / "beacon"
SampleName = Literal["electra", "fulu", "gloas", "fulu-minimal"]
SAMPLES: tuple[SampleName, ...] = ("electra", "fulu", "gloas", "fulu-minimal")
FAR = 2**64 - 1
ETHER = 10**9

Part = bytes | bytearray | NDArray[Any]
REGISTRY = ("validators", "balances", "previous_epoch_participation", "current_epoch_participation", "inactivity_scores")

_COMMON = {
    "historical_roots": 524464, "eth1_data_votes": 524540, "validators": 524552, "balances": 524556, "previous_epoch_participation": 2687248,
    "current_epoch_participation": 2687252, "inactivity_scores": 2687377,
}  # fmt: skip
_ELECTRA = {
    **_COMMON, "latest_execution_payload_header": 2736629, "historical_summaries": 2736649, "pending_deposits": 2736701,
    "pending_partial_withdrawals": 2736705, "pending_consolidations": 2736709,
}  # fmt: skip
OFFSETS: Mapping[SampleName, Mapping[str, int]] = {
    "electra": _ELECTRA,
    "fulu": _ELECTRA,
    "gloas": {
        **_COMMON, "historical_summaries": 2736677, "pending_deposits": 2736729, "pending_partial_withdrawals": 2736733,
        "pending_consolidations": 2736737, "builders": 2737253, "builder_pending_withdrawals": 2741617,
        "latest_execution_payload_bid": 2741621, "payload_expected_withdrawals": 2741625,
    },
    "fulu-minimal": {
        "historical_roots": 4272, "eth1_data_votes": 4348, "validators": 4360, "balances": 4364, "previous_epoch_participation": 6928,
        "current_epoch_participation": 6932, "inactivity_scores": 7057, "latest_execution_payload_header": 10229, "historical_summaries": 10249,
        "pending_deposits": 10301, "pending_partial_withdrawals": 10305, "pending_consolidations": 10309,
    },
}  # fmt: skip
"""Where the 4-byte offset of each variable part is, in the order of the parts."""

VALIDATOR = np.dtype([
    ("pubkey", "V48"), ("withdrawal_credentials", "V32"), ("effective_balance", "<u8"), ("slashed", "u1"),
    ("activation_eligibility_epoch", "<u8"), ("activation_epoch", "<u8"), ("exit_epoch", "<u8"), ("withdrawable_epoch", "<u8"),
])  # fmt: skip
PENDING_DEPOSIT = np.dtype([("pubkey", "V48"), ("withdrawal_credentials", "V32"), ("amount", "<u8"), ("signature", "V96"), ("slot", "<u8")])


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample state: its bytes, and what the executable specification says of it (keys: tests/data/beacon/README.md)."""

    data: bytes
    expected: Mapping[str, Any]

    @property
    def fork(self) -> Fork:
        fork: Fork = self.expected["fork"]
        return fork

    @property
    def spec(self) -> Spec:
        return PRESETS[self.expected["preset"]]

    @property
    def slot(self) -> int:
        return int(self.expected["slot"])


@cache
def sample(name: SampleName) -> Sample:
    """One of the four sample states."""
    path = DATA / f"beacon-state-{name}-sample"
    return Sample(lzma.decompress(path.with_suffix(".ssz.xz").read_bytes()), json.loads(path.with_suffix(".json").read_text()))


def offsets(data: bytes | bytearray, name: SampleName) -> dict[str, int]:
    """Where each variable part of a state with the sample's layout begins."""
    return {part: int.from_bytes(data[at : at + 4], "little") for part, at in OFFSETS[name].items()}


def assemble(name: SampleName, parts: Mapping[str, Part], *, fixed: Mapping[int, bytes] | None = None) -> bytearray:
    """The sample with other variable parts, and ``fixed`` bytes written at their positions. Does not care whether it makes sense."""
    old = sample(name).data
    starts = offsets(old, name)
    ends = [*list(starts.values())[1:], len(old)]
    bodies = {part: parts.get(part, old[start:end]) for (part, start), end in zip(starts.items(), ends, strict=True)}
    head = bytearray(old[: starts["historical_roots"]])
    at = len(head)
    for part, body in bodies.items():
        head[OFFSETS[name][part] : OFFSETS[name][part] + 4] = at.to_bytes(4, "little")
        at += body.nbytes if isinstance(body, np.ndarray) else len(body)
    for position, value in (fixed or {}).items():
        head[position : position + len(value)] = value
    for body in bodies.values():
        head += body.tobytes() if isinstance(body, np.ndarray) else body
    return head


def big_state(
    validators: int, name: SampleName = "fulu", *, slot: int | None = None, pending_deposits: int = 0, seed: int = 1, **parts: Part
) -> bytearray:
    """A valid state of so many validators with mainnet's mixture of them: about nine in twenty have exited, few vote badly, few are slashed.

    ``slot`` replaces the state's slot (and the newest block's). Keyword parts (arrays or bytes) replace variable parts by name.
    """
    epoch = (sample(name).slot if slot is None else slot) // sample(name).spec.slots_per_epoch
    made: dict[str, Part] = {**_registry(validators, epoch, seed), "pending_deposits": _deposits(pending_deposits, seed), **parts}
    moved = {} if slot is None else {40: slot.to_bytes(8, "little"), 64: slot.to_bytes(8, "little")}
    return assemble(name, made, fixed=moved)


def _registry(count: int, epoch: int, seed: int) -> dict[str, Part]:
    random = np.random.default_rng(seed)
    validators = np.zeros(count, VALIDATOR)
    validators["pubkey"] = _keys(count, seed)
    credentials = np.zeros((count, 32), np.uint8)
    kind = random.choice(np.array([0, 1, 2], np.uint8), count, p=[0.05, 0.85, 0.1])
    credentials[:, 0] = kind
    credentials[:, 12:] = random.integers(0, 256, (count, 20), np.uint8)
    validators["withdrawal_credentials"] = credentials.view("V32")[:, 0]
    exited = random.random(count) < 0.45
    large = (kind == 2) & (random.random(count) < 0.3)
    effective = np.where(exited, 0, np.where(large, 2048, 32)).astype(np.uint64) * np.uint64(ETHER)
    slashed = random.random(count) < 0.0005
    began = random.integers(0, max(1, epoch - 300), count, np.uint64)
    ended = np.minimum(began + np.uint64(256), np.uint64(max(0, epoch - 1)))
    validators["effective_balance"] = effective
    validators["slashed"] = slashed
    validators["activation_eligibility_epoch"] = began
    validators["activation_epoch"] = np.minimum(began + np.uint64(5), np.uint64(epoch))
    validators["exit_epoch"] = np.where(exited, ended, np.where(slashed, np.uint64(epoch + 2), np.uint64(FAR)))
    validators["withdrawable_epoch"] = np.where(exited, ended + np.uint64(256), np.where(slashed, np.uint64(epoch + 4000), np.uint64(FAR)))
    flags = np.array([7, 3, 2, 1, 0], np.uint8)
    voted = [np.where(exited, 0, random.choice(flags, count, p=[0.98, 0.008, 0.004, 0.003, 0.005])).astype(np.uint8) for _ in range(2)]
    return {
        "validators": validators,
        "balances": np.where(exited, 0, effective + random.integers(0, ETHER, count, np.uint64)).astype("<u8"),
        "previous_epoch_participation": voted[0],
        "current_epoch_participation": voted[1],
        "inactivity_scores": np.where(voted[0] == 0, random.integers(0, 50, count), 0).astype("<u8"),
    }


def _deposits(count: int, seed: int) -> NDArray[Any]:
    deposits = np.zeros(count, PENDING_DEPOSIT)
    deposits["pubkey"] = _keys(count, seed + 1)
    deposits["amount"] = 32 * ETHER
    deposits["slot"] = np.arange(count)
    return deposits


def _keys(count: int, seed: int) -> NDArray[Any]:
    """Distinct 48-byte keys: random bytes, the first eight of them count."""
    keys = np.random.default_rng(seed).integers(0, 256, (count, 48), np.uint8)
    keys[:, :8] = np.arange(count, dtype=">u8")[:, None].view(np.uint8)
    found: NDArray[Any] = keys.view("V48")[:, 0]
    return found
