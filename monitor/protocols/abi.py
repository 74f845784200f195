"""Functions and events declared once, from human-readable fragments, with their selectors and topics.

An answer of the wrong shape is :class:`BadAnswer`, a kind of ``Unanswered``: it makes a scope unknown, never a crash and
never a zero. Answers are checked strictly: every bit of a word counts, and the length must be exactly what the type needs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import structlog
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from monitor.model import Address, Call, Failed, Log, Read, Reverted, Snapshot, Unanswered, address
from monitor.protocols.fragments import Types, named

logger = structlog.get_logger()
_WORD = 32


class BadAnswer(Unanswered):
    """A contract answered bytes that its interface does not allow: names the contract, the function and what came."""

    def __init__(self, contract: str, member: str, data: bytes, why: str) -> None:
        shown = data[:64].hex() + ("…" if len(data) > 64 else "")
        reason = f"answered {len(data)} bytes (0x{shown}) where {why} was expected; is it the right contract?"
        super().__init__(f"{contract}.{member}", Failed(reason))
        self.contract, self.member, self.data = contract, member, data


@dataclass(frozen=True, eq=False)
class Function:
    """A read-only function, itself its identity. ``inputs`` and ``outputs`` are canonical ABI types, tuples written ``(a,b)``."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def parse(cls, fragment: str) -> Function:
        """From ``function name(type a, ...) view returns (type b, ...)``. Raises BadFragment."""
        head, _, tail = fragment.partition(" returns ")
        name, arguments = named(head, "function")
        outputs = Types(tail).parameters() if tail else []
        return cls(name, tuple(t for t, _, _ in arguments), tuple(t for t, _, _ in outputs))

    @cached_property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.inputs)})"

    @cached_property
    def selector(self) -> bytes:
        return keccak(self.signature.encode())[:4]

    def call(self, *arguments: Any) -> Call:
        """The call data for these arguments."""
        return Call(self.selector + (abi_encode(self.inputs, arguments) if self.inputs else b""))

    def decode(self, data: bytes) -> Any:
        """The one returned value, or a tuple of several. Raises ValueError with what was expected."""
        values = decode(self.outputs, data)
        return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    indexed: bool


@dataclass(frozen=True)
class EventType:
    """An event. Recognised by address, first topic and number of topics together: a topic alone is ambiguous."""

    name: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def parse(cls, fragment: str) -> EventType:
        """From ``event Name(type indexed a, type b)``. Raises BadFragment."""
        name, arguments = named(fragment, "event")
        return cls(name, tuple(Parameter(n, t, i) for t, n, i in arguments))

    @cached_property
    def signature(self) -> str:
        return f"{self.name}({','.join(p.type for p in self.parameters)})"

    @cached_property
    def topic(self) -> bytes:
        return keccak(self.signature.encode())

    @cached_property
    def indexed(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.indexed)

    @cached_property
    def plain(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if not p.indexed)

    @cached_property
    def key(self) -> tuple[bytes, int]:
        """First topic and number of topics."""
        return self.topic, 1 + len(self.indexed)

    def decode(self, log: Log) -> dict[str, Any]:
        """Arguments by name; an indexed string, bytes, array or tuple is its hash. Raises ValueError with what was expected."""
        values = {
            p.name: decode(("bytes32" if _by_hash(p.type) else p.type,), t)[0] for p, t in zip(self.indexed, log.topics[1:], strict=True)
        }
        values.update(zip((p.name for p in self.plain), decode(tuple(p.type for p in self.plain), log.data), strict=True))
        return values


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of a deployment: its name there, and its address."""

    name: str
    address: Address

    def read(self, function: Function, *arguments: Hashable) -> Read:
        """The read of a call; lists are given as tuples, since equal reads are made once and kept."""
        return _read(self.address, function, arguments)

    def ask(self, snapshot: Snapshot, function: Function, *arguments: Hashable) -> Any:
        """The agreed answer, decoded. Raises Unanswered when there is none and BadAnswer when it has the wrong shape."""
        try:
            data = snapshot.value(self.read(function, *arguments))
        except Unanswered as missing:
            raise Unanswered(f"{self.name}.{function.name}", missing.answer) from None
        try:
            return function.decode(data)
        except ValueError as error:
            raise BadAnswer(self.name, function.name, data, str(error)) from None

    def reverted(self, snapshot: Snapshot, function: Function, *arguments: Hashable) -> bytes | None:
        """The revert data if the call reverted by majority: a custom error is data, not an outage."""
        answer = snapshot.answers.get(self.read(function, *arguments))
        return answer.data if isinstance(answer, Reverted) else None


@lru_cache(maxsize=8192)
def _read(target: Address, function: Function, arguments: tuple[Hashable, ...]) -> Read:
    return Read(target, function.call(*arguments))


class Events:
    """Finds what a log is, by address, first topic and number of topics."""

    def __init__(self, *pairs: tuple[Contract, EventType]) -> None:
        self._known = {(c.address, *e.key): (c, e) for c, e in pairs}

    @property
    def addresses(self) -> frozenset[Address]:
        return frozenset(key[0] for key in self._known)

    def find(self, log: Log) -> tuple[Contract, EventType, dict[str, Any]] | None:
        """Contract, event and arguments; None for a log that is none of ours. Raises BadAnswer for data of the wrong shape."""
        found = self._known.get((log.address, log.topics[0], len(log.topics))) if log.topics else None
        if found is None:
            return None
        contract, event = found
        try:
            return contract, event, event.decode(log)
        except ValueError as error:
            raise BadAnswer(contract.name, event.name, log.data, str(error)) from None

    def scan(self, logs: Iterable[Log]) -> list[Seen]:
        """All logs that are ours, in order. An unreadable one is reported and left out: it must not hide the others."""
        found = []
        for entry in logs:
            try:
                match = self.find(entry)
            except BadAnswer as bad:
                logger.warning(
                    "protocols.log_unreadable", contract=bad.contract, event_name=bad.member, tx=entry.tx, seq=entry.seq, reason=str(bad)
                )
                continue
            if match is not None:
                found.append(Seen(entry, *match))
        return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A log that is one of ours."""

    log: Log
    contract: Contract
    event: EventType
    values: dict[str, Any]


def selector(signature: str) -> bytes:
    """The first four bytes of the hash, as for ``InitialEpochIsYetToArrive()``."""
    return keccak(signature.encode())[:4]


def decode(types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    """Strict decoding: addresses in EIP-55, no stray bits, no missing or extra bytes. Raises ValueError with what was expected."""
    words = _words(types)
    if words is not None:
        if len(data) != len(words) * _WORD:
            raise ValueError(f"({','.join(types)})")
        return tuple(_word(t, data[i * _WORD : (i + 1) * _WORD]) for i, t in enumerate(words))
    # Most of what is nested (members, holders) is the same from block to block, and takes long to decode.
    return _decode_nested(types, data)


@lru_cache(maxsize=1024)
def _decode_nested(types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    try:
        values = abi_decode(types, data)
        canonical = abi_encode(types, values)
    except Exception as error:  # eth_abi has no one base class for what junk can make it raise
        raise ValueError(f"({','.join(types)})") from error
    if canonical != data:
        raise ValueError(f"({','.join(types)}) in its canonical form")
    return tuple(_checksummed(t, v) for t, v in zip(types, values, strict=True))


@lru_cache(maxsize=1024)
def _words(types: tuple[str, ...]) -> tuple[str, ...] | None:
    """The types, if each takes one word: the quick way, which is nearly all of what is read each block."""
    return types if all("(" not in t and "[" not in t and t not in ("string", "bytes") for t in types) else None


def _word(type_: str, word: bytes) -> Any:
    if type_.startswith("uint"):
        return _unsigned(type_, int(type_[4:]), word)
    if type_ == "address":
        return _account(word[12:]) if not any(word[:12]) else _refuse(type_)
    if type_ == "bool":
        return bool(_unsigned(type_, 1, word))
    if type_.startswith("int"):
        bits, value = int(type_[3:]), int.from_bytes(word, "big", signed=True)
        return value if -(1 << (bits - 1)) <= value < 1 << (bits - 1) else _refuse(type_)
    size = int(type_[5:])
    return word[:size] if not any(word[size:]) else _refuse(type_)


def _unsigned(type_: str, bits: int, word: bytes) -> int:
    value = int.from_bytes(word, "big")
    return value if value >> bits == 0 else _refuse(type_)


def _refuse(type_: str) -> Any:
    raise ValueError(f"a clean {type_}")


@lru_cache(maxsize=8192)
def _account(raw: bytes) -> Address:
    return address("0x" + raw.hex())


def _checksummed(type_: str, value: Any) -> Any:
    if type_.endswith("]"):
        return tuple(_checksummed(type_[: type_.rindex("[")], v) for v in value)
    if type_.startswith("("):
        return tuple(_checksummed(t, v) for t, v in zip(_inner(type_), value, strict=True))
    return _account(bytes.fromhex(value[2:])) if type_ == "address" else value


@lru_cache(maxsize=256)
def _inner(type_: str) -> tuple[str, ...]:
    return tuple(t for t, _, _ in Types(type_).parameters())


def _by_hash(type_: str) -> bool:
    return type_ in ("string", "bytes") or type_.endswith("]") or type_.startswith("(")
