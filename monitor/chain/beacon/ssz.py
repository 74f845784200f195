"""Reading SSZ bytes in place: kinds of types as data, the walk that gives their positions, and every check before a byte is believed.

A container's fields lie in order; a field of variable size has a 4-byte little-endian offset there, counted from the container's first byte,
and the bodies follow in the same order without gaps (consensus-specs, ssz/simple-serialize.md). Integers are little-endian, nothing
is aligned. Nothing is copied, and nothing is as large as a number in the bytes says unless so many bytes are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from monitor.chain.beacon.spec import Spec

OFFSET = 4
"""Bytes of an offset."""


class BadState(Exception):
    """The bytes are no state as asked for: ``field``, what was ``found`` there, and what was ``expected``. Take it from another node."""

    def __init__(self, field: str, found: str, expected: str) -> None:
        super().__init__(f"{field}: found {found}, expected {expected}")
        self.field, self.found, self.expected = field, found, expected


@dataclass(frozen=True, slots=True)
class Uint:
    """A number of so many bytes: an int."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Bytes:
    """So many bytes, as they are."""

    length: int


@dataclass(frozen=True, slots=True)
class Vector:
    """Items of a fixed number: a read-only array. ``lengths`` are names of ``Spec``, one a dimension."""

    item: np.dtype[Any]
    lengths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bitvector:
    """Bits of a fixed number: an array of bool. The length is a number or a name of ``Spec``."""

    length: int | str


@dataclass(frozen=True, slots=True)
class List:
    """Items of any number: a read-only array."""

    item: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Container:
    """Named fields: a mapping. With a list among them it is of variable size itself."""

    fields: tuple[tuple[str, Kind], ...]


Kind = Uint | Bytes | Vector | Bitvector | List | Container


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field is in its container's fixed part; of a variable field, where its offset is (``size`` 4)."""

    kind: Kind
    position: int
    size: int
    variable: bool


@dataclass(frozen=True, slots=True)
class Part:
    """The checked bytes of one value: ``start`` to ``end`` of the buffer."""

    name: str
    kind: Kind
    start: int
    end: int


def fixed_size(kind: Kind, spec: Spec) -> int | None:
    """Bytes of a value of this kind, None when they vary."""
    match kind:
        case Uint(size) | Bytes(size):
            return size
        case Vector(item, lengths):
            return item.itemsize * prod(length_of(name, spec) for name in lengths)
        case Bitvector(length):
            return (length_of(length, spec) + 7) // 8
        case List():
            return None
        case Container(fields):
            sizes = [fixed_size(inner, spec) for _, inner in fields]
            return None if None in sizes else sum(size for size in sizes if size is not None)


def length_of(length: int | str, spec: Spec) -> int:
    """A length by number or by the name of ``Spec``."""
    return length if isinstance(length, int) else int(getattr(spec, length))


def places(container: Container, spec: Spec) -> dict[str, Place]:
    """The places of a container's fields, walked in order."""
    found: dict[str, Place] = {}
    position = 0
    for name, kind in container.fields:
        size = fixed_size(kind, spec)
        found[name] = Place(kind, position, OFFSET if size is None else size, size is None)
        position += found[name].size
    return found


def head_size(container: Container, spec: Spec) -> int:
    """Bytes of a container's fixed part: what its first offset must say."""
    return sum(place.size for place in places(container, spec).values())


def parts(buffer: memoryview, whole: Part, spec: Spec) -> dict[str, Part]:
    """Where each field of a container lies, in the container's order. Raises BadState unless all of them are where they may be."""
    assert isinstance(whole.kind, Container)
    where = places(whole.kind, spec)
    head = sum(place.size for place in where.values())
    if whole.end - whole.start < head:
        raise BadState(whole.name, f"{whole.end - whole.start} bytes", f"at least the {head} of its fixed part")
    bounds = _bounds(buffer, whole, where, head)
    found: dict[str, Part] = {}
    for name, place in where.items():
        start = whole.start + place.position
        start, end = bounds[name] if place.variable else (start, start + place.size)
        found[name] = Part(_path(whole, name), place.kind, start, end)
        _check(buffer, found[name], spec)
    return found


def value(buffer: memoryview, part: Part, spec: Spec) -> Any:
    """The value of a checked part: int, bytes, a read-only array over the buffer, an array of bool, or a mapping of these."""
    match part.kind:
        case Uint():
            return int.from_bytes(buffer[part.start : part.end], "little")
        case Bytes():
            return bytes(buffer[part.start : part.end])
        case Vector(item, lengths):
            return _array(buffer, part, item).reshape([length_of(name, spec) for name in lengths])
        case Bitvector(length):
            bits = np.frombuffer(buffer[part.start : part.end], np.uint8)
            return np.unpackbits(bits, count=length_of(length, spec), bitorder="little").astype(np.bool_)
        case List(item):
            return _array(buffer, part, item)
        case Container():
            return {name: value(buffer, inner, spec) for name, inner in parts(buffer, part, spec).items()}


def _array(buffer: memoryview, part: Part, item: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    return np.frombuffer(buffer, item, count=(part.end - part.start) // item.itemsize, offset=part.start)


def _bounds(buffer: memoryview, whole: Part, where: Mapping[str, Place], head: int) -> dict[str, tuple[int, int]]:
    """Start and end of each variable field. Offsets must rise from the end of the fixed part to the end of the container."""
    starts: dict[str, int] = {}
    least = head
    size = whole.end - whole.start
    for name, place in where.items():
        if not place.variable:
            continue
        at = whole.start + place.position
        offset = int.from_bytes(buffer[at : at + OFFSET], "little")
        if not starts and offset != head:
            raise BadState(_path(whole, name), f"offset {offset}", f"{head}, the end of the fixed part")
        if not least <= offset <= size:
            raise BadState(_path(whole, name), f"offset {offset}", f"one from {least} to {size}")
        least = starts[name] = offset
    ends = [*starts.values(), size][1:]
    return {name: (whole.start + start, whole.start + end) for (name, start), end in zip(starts.items(), ends, strict=True)}


def _check(buffer: memoryview, part: Part, spec: Spec) -> None:
    """What a value's own bytes must fulfil; a container inside is checked to its leaves."""
    match part.kind:
        case List(item):
            if (part.end - part.start) % item.itemsize:
                raise BadState(part.name, f"{part.end - part.start} bytes", f"a multiple of the {item.itemsize} bytes of an item")
        case Bitvector(length):
            used = length_of(length, spec) % 8
            last = buffer[part.end - 1]
            if used and last >> used:
                raise BadState(part.name, f"a last byte of {last:#04x}", f"no bits beyond its {length_of(length, spec)}")
        case Container():
            parts(buffer, part, spec)
        case Uint() | Bytes() | Vector():
            pass


def _path(whole: Part, name: str) -> str:
    return f"{whole.name}.{name}" if whole.name != STATE else name


STATE = "state"
"""The name of the outermost container, which its fields' names leave out."""
