"""Hashes of the simulated chain, and the ring buffers that every state shares.

Header roots are real SSZ roots (hash_tree_root of BeaconBlockHeader). Body and state roots are digests of all that led to them: as unique
and as binding as the real ones, but not the SSZ roots, which would cost tens of milliseconds a slot.
"""

from __future__ import annotations

import hashlib

from monitor.chain.beacon.spec import Spec
from monitor.devnet.beacon.state import ZERO, Header

_sha256 = hashlib.sha256


def sha(*parts: bytes) -> bytes:
    """SHA-256 of all parts in a row."""
    return _sha256(b"".join(parts)).digest()


_ZEROS = sha(ZERO, ZERO)


def header_root(header: Header) -> bytes:
    """hash_tree_root of a BeaconBlockHeader: five leaves of eight."""
    numbers = _sha256(header.slot.to_bytes(32, "little") + header.proposer.to_bytes(32, "little")).digest()
    left = _sha256(numbers + _sha256(header.parent + header.state_root).digest()).digest()
    return _sha256(left + _sha256(_sha256(header.body_root + ZERO).digest() + _ZEROS).digest()).digest()


class Ring:
    """32-byte values by number, of which the newest ``2 * length`` are kept; vectors of ``length`` are cut out of it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._kept = 2 * length
        self._bytes = bytearray(32 * self._kept)

    def __setitem__(self, number: int, value: bytes) -> None:
        at = 32 * (number % self._kept)
        self._bytes[at : at + 32] = value

    def __getitem__(self, number: int) -> bytes:
        at = 32 * (number % self._kept)
        return bytes(self._bytes[at : at + 32])

    def fill(self, values: bytes) -> None:
        """All values kept, in the order of their places."""
        if len(values) != len(self._bytes):
            raise ValueError(f"a ring of {self._kept} values takes {len(self._bytes)} bytes, not {len(values)}")
        self._bytes[:] = values

    def vector(self, end: int) -> bytes:
        """Item ``n`` at place ``n % length`` for the ``length`` numbers before ``end``, as a state stores it."""
        whole = end - end % self.length
        return self._span(whole, end) + self._span(end - self.length, whole)

    def _span(self, first: int, end: int) -> bytes:
        low, high = 32 * (first % self._kept), 32 * (end - first)
        part = bytes(self._bytes[low : low + high])
        return part + bytes(self._bytes[: high - len(part)])


class Rings:
    """Block and state roots by slot (the root at or before it), mixes by epoch; of the canonical chain alone.

    A ring holds twice a state's vector, so states behind the head still find what their vectors hold.
    """

    def __init__(self, spec: Spec, seed: bytes) -> None:
        self.blocks = Ring(spec.slots_per_historical_root)
        self.states = Ring(spec.slots_per_historical_root)
        self.mixes = Ring(spec.epochs_per_historical_vector)
        self._spec, self._seed = spec, seed

    def fill(self, slot: int) -> None:
        """Invent the past before a slot: every slot had a block."""
        for name, ring, end in (
            (b"blocks", self.blocks, slot), (b"states", self.states, slot), (b"mixes", self.mixes, slot // self._spec.slots_per_epoch)
        ):  # fmt: skip
            ring.fill(hashlib.shake_256(self._seed + name + end.to_bytes(8, "little")).digest(64 * ring.length))
