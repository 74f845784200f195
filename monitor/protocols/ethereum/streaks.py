"""For how many epochs in a row each validator has had to vote and has no flag at all: carried from epoch to epoch."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.columns import StateColumns
from monitor.model.beacon import Epoch
from monitor.protocols.ethereum.participation import Roll

LONGEST = 2**16 - 1
"""Streaks and ``seen`` stop counting here: 291 days of mainnet's epochs."""

_HEAD = struct.Struct("<4sQHII")
_MAGIC = b"STK1"


class DamagedStreaks(Exception):
    """Stored bytes that are no streaks: forget them, and count anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Streaks:
    """The streaks up to epoch ``epoch`` (N), by validator index.

    ``seen``: how many epochs in a row were evaluated, N the last: no streak is longer, and a streak of k says something of k epochs only
    where ``seen >= k``. A validator that is pending, exited or slashed has no streak; one that is exiting and still active has.
    """

    epoch: Epoch
    seen: int
    counts: NDArray[np.uint16]

    def to_bytes(self) -> bytes:
        """A compact form for the store; only validators with a streak take room."""
        who = np.flatnonzero(self.counts).astype("<u4")
        steps = np.diff(who, prepend=np.uint32(0))
        # Bytes of equal weight side by side: most are zero, which packs well.
        planes = steps.view(np.uint8).reshape(-1, 4).T.tobytes() + self.counts[who].astype("<u2").view(np.uint8).reshape(-1, 2).T.tobytes()
        return zlib.compress(_HEAD.pack(_MAGIC, self.epoch, self.seen, len(self.counts), len(who)) + planes, 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Streaks:
        """The inverse of ``to_bytes``. Raises DamagedStreaks."""
        unpacker = zlib.decompressobj()
        try:
            head = unpacker.decompress(data, _HEAD.size)
            magic, epoch, seen, size, listed = _HEAD.unpack(head)
            planes = np.frombuffer(unpacker.decompress(unpacker.unconsumed_tail, 6 * listed + 1), np.uint8)
        except (struct.error, zlib.error) as error:
            raise DamagedStreaks(f"the stored streaks cannot be unpacked: {error}") from error
        # The end of the stream carries a checksum of all of it: before that nothing is believed.
        if magic != _MAGIC or len(planes) != 6 * listed or not unpacker.eof:
            raise DamagedStreaks("the stored streaks have another form than this version writes")
        steps = np.ascontiguousarray(planes[: 4 * listed].reshape(4, listed).T).view("<u4")[:, 0]
        who = np.cumsum(steps, dtype=np.uint64)
        if listed and who[-1] >= size:
            raise DamagedStreaks(f"the stored streaks name validator {who[-1]} of {size}")
        counts = np.zeros(size, np.uint16)
        counts[who] = np.ascontiguousarray(planes[4 * listed :].reshape(2, listed).T).view("<u2")[:, 0]
        return cls(Epoch(epoch), seen, counts)


def advance(before: Streaks | None, columns: StateColumns, roll: Roll | None = None) -> Streaks:
    """The streaks up to epoch N of a state of the last slot of E = N + 1.

    They go on from ``before`` only where that is of N - 1: after a gap, or of another epoch, counting begins anew. ``roll`` spares its
    computation to a caller who has it.
    """
    epoch = Epoch(columns.epoch - 1)
    silent = (roll or Roll.of(columns)).silent
    if before is None or before.epoch != epoch - 1:
        return Streaks(epoch, 1, silent.astype(np.uint16))
    counts = np.zeros(len(columns), np.uint16)
    known = min(len(counts), len(before.counts))  # later validators are new; a shorter registry comes of a reorganisation
    counts[:known] = before.counts[:known]
    return Streaks(epoch, min(before.seen + 1, LONGEST), np.where(silent, np.minimum(counts, LONGEST - 1) + np.uint16(1), np.uint16(0)))
