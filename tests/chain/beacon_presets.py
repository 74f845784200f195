"""The samples' contents with other vector lengths: states of presets that no sample has, written by an encoder of the tests' own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from monitor.chain.beacon.layout import LAYOUTS
from monitor.chain.beacon.spec import Fork, Spec
from monitor.chain.beacon.ssz import Bitvector, Bytes, Container, Kind, List, Uint, Vector
from monitor.chain.beacon.state import decode
from tests.chain.beacon_states import sample


@cache
def state_of(fork: Fork, spec: Spec) -> bytes:
    """The mainnet sample of a fork with its vectors repeated or cut to another chain's lengths."""
    view = decode(sample(fork).data, sample(fork).spec)
    return encode(LAYOUTS[fork], view, spec)


def encode(container: Container, values: Mapping[str, Any], spec: Spec) -> bytes:
    """SSZ bytes of a container's values, as a view gives them."""
    bodies = [(_body(kind, values[name], spec), _varies(kind)) for name, kind in container.fields]
    at = sum(4 if varies else len(body) for body, varies in bodies)
    head, tail = b"", b""
    for body, varies in bodies:
        head += (at + len(tail)).to_bytes(4, "little") if varies else body
        tail += body if varies else b""
    return head + tail


def _body(kind: Kind, value: Any, spec: Spec) -> bytes:
    match kind:
        case Uint(size):
            return int(value).to_bytes(size, "little")
        case Bytes():
            return bytes(value)
        case Vector(_, lengths):
            for axis, name in enumerate(lengths):
                value = np.take(value, range(getattr(spec, name)), axis, mode="wrap")
            return bytes(value.tobytes())
        case Bitvector(length):
            count = length if isinstance(length, int) else getattr(spec, length)
            return bytes(np.packbits(np.resize(value, count), bitorder="little").tobytes())
        case List():
            return bytes(value.tobytes())
        case Container():
            return encode(kind, value, spec)


def _varies(kind: Kind) -> bool:
    return isinstance(kind, List) or (isinstance(kind, Container) and any(_varies(inner) for _, inner in kind.fields))
