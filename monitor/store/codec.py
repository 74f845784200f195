"""Rows of float64 as few bytes: XOR with a base row, bytes of equal weight put together, zstd level 1.

Values that did not change since the base become zeros, values that drift differ in their low bytes only; both compress
well. The bits are kept, whatever they mean (NaN payloads, signed zeros, infinities). A row is read from its own blob and
its base's alone, so any frame can be read without those before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.store.columns import pack, unpack

Bits = NDArray[np.uint64]


def bits(values: NDArray[np.float64]) -> Bits:
    """The values' bits, in a copy of our own that nobody else changes."""
    return np.array(values, dtype="<f8", copy=True).view("<u8")


def floats(row: Bits) -> NDArray[np.float64]:
    """The values of these bits."""
    return row.view("<f8")


def encode(row: Bits, base: Bits | None = None) -> bytes:
    """``row`` as a blob; with a base, as its difference from it."""
    difference = row if base is None else row ^ base
    return pack(np.ascontiguousarray(difference.view(np.uint8).reshape(-1, 8).T).tobytes())


def decode(blob: bytes, base: Bits | None = None) -> Bits:
    """The row that :func:`encode` was given, with the same base. Raises zstandard.ZstdError or ValueError for damaged data."""
    planes = np.frombuffer(unpack(blob), dtype=np.uint8).reshape(8, -1)
    row: Bits = np.ascontiguousarray(planes.T).reshape(-1).view("<u8")
    return row if base is None else row ^ base
