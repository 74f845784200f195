"""Lido's registries in memory, answering as the contracts do: for what no chain of ours would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi import encode
from eth_hash.auto import keccak

from monitor.model import Address, Answer, BlockStamp, Call, Failed, Hash, Read, Reverted, Slot, Snapshot, Value, address
from monitor.protocols.abi import Contract, Function
from monitor.protocols.lido import keys as lido

STAMP = BlockStamp(100, Hash("0x" + "1" * 64), Hash("0x" + "0" * 64), 1_700_000_000, Slot(7))
ROUTER = Contract("staking_router", address("0x" + "a1" * 20))
VAULT = Contract("withdrawal_vault", address("0x" + "b2" * 20))
META = address("0x" + "c3" * 20)
OURS = b"\x01" + bytes(11) + b"\xb2" * 20
ZERO = "0x" + "00" * 20


def key(module: int, operator: int, index: int) -> bytes:
    """48 bytes of their own."""
    return (keccak(f"{module}/{operator}/{index}".encode()) * 2)[:48]


def at(module: int) -> Address:
    return address(f"0x{module:040x}")


@dataclass
class Module:
    """``operators``: (name as bytes, added keys, deposited keys)."""

    id: int
    kind: bytes
    operators: list[tuple[bytes, int, int]]
    name: str = "curated-onchain-v1"
    nonce: int = 1
    meta: bool = False
    said_deposited: int | None = None
    place: int | None = None

    @property
    def address(self) -> Address:
        return at(self.place or self.id)


@dataclass
class Registry:
    """Answers any read of :class:`LidoKeys`; ``spoil`` puts other answers in place, ``asked`` counts reads of keys."""

    modules: list[Module]
    credentials: bytes = OURS
    spoil: dict[Read, Answer] = field(default_factory=dict)
    asked: list[tuple[int, int, int, int]] = field(default_factory=list)

    def snapshot(self, reads: Sequence[Read], stamp: BlockStamp = STAMP) -> Snapshot:
        return Snapshot(stamp, {r: self.spoil.get(r) or self._answer(r) for r in reads})

    async def read(self, stamp: BlockStamp, reads: Sequence[Read]) -> Snapshot:
        return self.snapshot(reads, stamp)

    def _answer(self, read: Read) -> Answer:
        assert isinstance(read.what, Call)
        selector, data = read.what.data[:4], read.what.data[4:]
        arguments = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]
        if read.target == ROUTER.address:
            return self._router(selector)
        if read.target == META:
            return _value(lido.METADATA, ("Meta " + str(arguments[0]), "", False))
        module = next((m for m in self.modules if m.address == read.target), None)
        return Failed("nobody there") if module is None else self._module(module, selector, arguments)

    def _router(self, selector: bytes) -> Answer:
        if selector == lido.CREDENTIALS.selector:
            return _value(lido.CREDENTIALS, self.credentials)
        listed = [(m.id, m.address, 0, 0, 0, 0, m.name, 0, 0, 0, 0, 0, 0, 1, 0) for m in self.modules]
        return _value(lido.MODULES, listed)

    def _module(self, module: Module, selector: bytes, arguments: list[int]) -> Answer:
        total = sum(deposited for _, _, deposited in module.operators)
        simple: Mapping[bytes, tuple[Function, Any]] = {
            lido.TYPE.selector: (lido.TYPE, module.kind.ljust(32, b"\0")),
            lido.NONCE.selector: (lido.NONCE, module.nonce),
            lido.OPERATORS.selector: (lido.OPERATORS, len(module.operators)),
        }
        if selector in simple:
            return _value(*simple[selector])
        if selector == lido.SUMMARY.selector:
            return _value(lido.SUMMARY, 0, total if module.said_deposited is None else module.said_deposited, 0)
        if selector == lido.META_REGISTRY.selector:
            return _value(lido.META_REGISTRY, META) if module.meta else Reverted(b"")
        if selector in (lido.REGISTRY_OPERATOR.selector, lido.COMMUNITY_OPERATOR.selector):
            return _operator(module, selector, arguments[0])
        return self._keys(module, selector, arguments)

    def _keys(self, module: Module, selector: bytes, arguments: list[int]) -> Answer:
        operator, first, count = arguments
        self.asked.append((module.id, operator, first, count))
        _, added, deposited = module.operators[operator]
        if first + count > added:
            return Reverted(b"")
        keys = b"".join(key(module.id, operator, i) for i in range(first, first + count))
        if module.kind != b"curated-onchain-v1":  # one signature, two answers
            return _value(lido.COMMUNITY_KEYS, keys)
        used = [i < deposited for i in range(first, first + count)]
        return _value(lido.REGISTRY_KEYS, keys, bytes(96 * count), used)


def _operator(module: Module, selector: bytes, operator: int) -> Answer:
    name, added, deposited = module.operators[operator]
    if selector == lido.REGISTRY_OPERATOR.selector:
        types = tuple(t.replace("string", "bytes") for t in lido.REGISTRY_OPERATOR.outputs)
        return Value(encode(types, (True, name, ZERO, 0, 0, added, deposited)), ("one",))
    return _value(lido.COMMUNITY_OPERATOR, (added, 0, deposited, 0, 0, 0, 0, 0, 0, 0, ZERO, ZERO, ZERO, ZERO, False, False))


def _value(function: Function, *values: Any) -> Value:
    return Value(encode(function.outputs, values), ("one",))
