"""Strict reading of what the execution API answers: quantities, byte strings, headers and logs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.chain.errors import Malformed
from monitor.chain.settings import NetworkSettings
from monitor.model import Address, BlockStamp, Hash, Slot, address

_BIG = 2**63


def quantity(value: object, what: str, below: int = _BIG) -> int:
    """A ``0x`` hex quantity. Raises Malformed."""
    if not isinstance(value, str) or not value.startswith("0x") or not 3 <= len(value) <= 66:
        raise Malformed(f"{what} is not a hex quantity")
    try:
        number = int(value[2:], 16) if value[2] not in "+-_ " and "_" not in value else -1
    except ValueError:
        number = -1
    if not 0 <= number < below:
        raise Malformed(f"{what} is not a hex quantity below {below:#x}")
    return number


def data(value: object, what: str, size: int | None = None) -> bytes:
    """``0x`` hex bytes, of ``size`` bytes if given. Raises Malformed."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise Malformed(f"{what} is not hex data")
    try:
        found = bytes.fromhex(value[2:])
    except ValueError:
        raise Malformed(f"{what} is not hex data") from None
    if len(found) * 2 != len(value) - 2:  # bytes.fromhex skips blanks
        raise Malformed(f"{what} is not hex data")
    if size is not None and len(found) != size:
        raise Malformed(f"{what} has {len(found)} bytes, not {size}")
    return found


def hash32(value: object, what: str) -> Hash:
    """A 32-byte hash in lower case. Raises Malformed."""
    return Hash("0x" + data(value, what, 32).hex())


def mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not an object")
    return value


def header(value: object, network: NetworkSettings) -> BlockStamp:
    """The stamp of a header, as ``eth_getBlockBy*`` and ``newHeads`` give it. Raises Malformed."""
    fields = mapping(value, "header")
    timestamp = quantity(fields.get("timestamp"), "header.timestamp")
    root = fields.get("parentBeaconBlockRoot")
    return BlockStamp(
        number=quantity(fields.get("number"), "header.number"),
        hash=hash32(fields.get("hash"), "header.hash"),
        parent=hash32(fields.get("parentHash"), "header.parentHash"),
        timestamp=timestamp,
        slot=Slot((timestamp - network.genesis_time) // network.slot_seconds),
        beacon_root=None if root is None else hash32(root, "header.parentBeaconBlockRoot"),
    )


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as an endpoint gave it, in chain order by (number, index)."""

    number: int
    index: int
    block: Hash
    tx: Hash
    address: Address
    topics: tuple[bytes, ...]
    data: bytes

    def canonical(self) -> bytes:
        """Bytes that are equal exactly for equal logs."""
        head = f"{self.number}:{self.index}:{self.block}:{self.tx}:{self.address}:{len(self.topics)}:{len(self.data)};".encode()
        return head + b"".join(self.topics) + self.data


def logs(value: object, watch: Mapping[str, Address]) -> tuple[RawLog, ...]:
    """The answer of ``eth_getLogs``, checked and in chain order. ``watch``: lower-case address → Address, as asked for.

    Raises Malformed, also for a removed log, a log twice, or a log of an address that was not asked for.
    """
    if not isinstance(value, list):
        raise Malformed("logs are not a list")
    found = sorted((_log(item, watch) for item in value), key=lambda log: (log.number, log.index))
    for before, after in itertools.pairwise(found):
        if (before.number, before.index) == (after.number, after.index):
            raise Malformed(f"log {after.index} of block {after.number} came twice")
    return tuple(found)


def _log(value: object, watch: Mapping[str, Address]) -> RawLog:
    fields = mapping(value, "log")
    if fields.get("removed") not in (None, False):
        raise Malformed("a removed log came as an answer")
    where = fields.get("address")
    account = watch.get(where.lower()) if isinstance(where, str) else None
    if account is None:
        raise Malformed("a log of an address that was not asked for")
    topics = fields.get("topics")
    if not isinstance(topics, list) or len(topics) > 4:
        raise Malformed("log.topics is not a list of at most four")
    return RawLog(
        number=quantity(fields.get("blockNumber"), "log.blockNumber"),
        index=quantity(fields.get("logIndex"), "log.logIndex"),
        block=hash32(fields.get("blockHash"), "log.blockHash"),
        tx=hash32(fields.get("transactionHash"), "log.transactionHash"),
        address=account,
        topics=tuple(data(topic, "log.topic", 32) for topic in topics),
        data=data(fields.get("data"), "log.data"),
    )


def lowered(watch: frozenset[Address]) -> dict[str, Address]:
    """Lower-case address → Address, in a fixed order."""
    return {a.lower(): address(a) for a in sorted(watch)}
