"""Strict reading of what the Beacon API answers as JSON. Unknown keys are ignored; everything else raises Malformed.

Shapes are those of ethereum/beacon-APIs: integers are decimal strings, bytes are ``0x`` hex, the payload is in ``data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.chain.beacon.spec import Spec, UnusableSpec
from monitor.chain.errors import Malformed
from monitor.chain.wire import data, hash32, mapping
from monitor.model import Hash, Slot
from monitor.model.beacon import FAR_FUTURE_EPOCH, Checkpoint, Epoch


@dataclass(frozen=True, slots=True)
class Header:
    """A block header with its root. Equal headers are equal in every field."""

    slot: Slot
    root: Hash
    parent: Hash
    proposer: int
    state_root: Hash
    body_root: Hash


@dataclass(frozen=True, slots=True)
class Stated:
    """What a node says of a header. ``canonical``: it is on the node's chain; ``optimistic``: not judged by its execution client yet."""

    header: Header
    canonical: bool
    optimistic: bool


@dataclass(frozen=True, slots=True)
class Syncing:
    """``/eth/v1/node/syncing``."""

    head_slot: int
    distance: int
    is_syncing: bool
    is_optimistic: bool
    el_offline: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """Which chain a node serves. ``forks``: (first epoch, version as 0x hex), rising."""

    genesis_time: int
    validators_root: Hash
    spec: Spec
    forks: tuple[tuple[int, str], ...]


def decimal(value: object, what: str) -> int:
    """A decimal string of 64 bits. Raises Malformed."""
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()) or len(value) > 20 or int(value) >= 2**64:
        raise Malformed(f"{what} is not a decimal string of 64 bits")
    return int(value)


def flag(value: object, what: str, missing: bool = False) -> bool:
    """A JSON boolean; ``missing`` where there is none. Raises Malformed."""
    if value is None:
        return missing
    if not isinstance(value, bool):
        raise Malformed(f"{what} is not true or false")
    return value


def items(value: object, what: str) -> list[object]:
    """A JSON list. Raises Malformed."""
    if not isinstance(value, list):
        raise Malformed(f"{what} is not a list")
    return value


def payload(answer: object) -> Mapping[str, object]:
    """``data`` of an answer, an object."""
    return mapping(mapping(answer, "the answer").get("data"), "data")


def stated(answer: object) -> Stated:
    """``/eth/v1/beacon/headers/{block_id}``."""
    around = mapping(answer, "the answer")
    found = mapping(around.get("data"), "data")
    message = mapping(mapping(found.get("header"), "header").get("message"), "header.message")
    header = Header(
        slot=Slot(decimal(message.get("slot"), "header.slot")),
        root=hash32(found.get("root"), "root"),
        parent=hash32(message.get("parent_root"), "header.parent_root"),
        proposer=decimal(message.get("proposer_index"), "header.proposer_index"),
        state_root=hash32(message.get("state_root"), "header.state_root"),
        body_root=hash32(message.get("body_root"), "header.body_root"),
    )
    optimistic = flag(around.get("execution_optimistic"), "execution_optimistic")
    return Stated(header, flag(found.get("canonical"), "canonical", missing=True), optimistic)


def syncing(answer: object) -> Syncing:
    """``/eth/v1/node/syncing``; older nodes lack the last two."""
    found = payload(answer)
    return Syncing(
        head_slot=decimal(found.get("head_slot"), "head_slot"),
        distance=decimal(found.get("sync_distance"), "sync_distance"),
        is_syncing=flag(found.get("is_syncing"), "is_syncing"),
        is_optimistic=flag(found.get("is_optimistic"), "is_optimistic"),
        el_offline=flag(found.get("el_offline"), "el_offline"),
    )


def checkpoints(answer: object) -> tuple[Checkpoint, Checkpoint]:
    """Justified and finalized, of ``/eth/v1/beacon/states/{state_id}/finality_checkpoints``."""
    found = payload(answer)
    return _checkpoint(found.get("current_justified"), "current_justified"), _checkpoint(found.get("finalized"), "finalized")


def _checkpoint(value: object, what: str) -> Checkpoint:
    found = mapping(value, what)
    return Checkpoint(Epoch(decimal(found.get("epoch"), f"{what}.epoch")), hash32(found.get("root"), f"{what}.root"))


def genesis(answer: object) -> tuple[int, Hash]:
    """Genesis time and validators root of ``/eth/v1/beacon/genesis``."""
    found = payload(answer)
    return decimal(found.get("genesis_time"), "genesis_time"), hash32(found.get("genesis_validators_root"), "genesis_validators_root")


def constants(answer: object) -> Spec:
    """The constants of ``/eth/v1/config/spec``."""
    try:
        return Spec.of(payload(answer))
    except UnusableSpec as error:
        raise Malformed(f"config/spec: {error}") from None


def forks(answer: object) -> tuple[tuple[int, str], ...]:
    """``/eth/v1/config/fork_schedule``: (first epoch, version), rising, without those that have no epoch yet."""
    found = [mapping(item, "fork") for item in items(mapping(answer, "the answer").get("data"), "data")]
    pairs = ((decimal(f.get("epoch"), "fork.epoch"), "0x" + data(f.get("current_version"), "fork.current_version", 4).hex()) for f in found)
    return tuple(sorted({pair for pair in pairs if pair[0] != FAR_FUTURE_EPOCH}))
