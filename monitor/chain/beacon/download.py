"""The bytes of a state as several nodes send them at once: compared while they come, held once however many send the same.

Every node's bytes are cut into blocks of 1 MiB. The first node to send a block lays it down; another that sends the same lets its own go; one
that differs goes on with a sheet of its own, which shares the blocks before. So memory is one state as long as the nodes agree, and one more
for each different answer from the place where it differs. Each node's bytes are hashed as well: equal size and SHA-256 make a vote.
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass, field

BLOCK = 1 << 20
FIRST = 176
"""Bytes up to the end of ``latest_block_header``, at the same place in every fork and preset (consensus-specs, BeaconState)."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a node's vote is about: equal ones are equal states."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size} bytes, sha256 {self.sha256[:16]}"


@dataclass(slots=True)
class Sheet:
    """Blocks of one state, laid down by whichever node is ahead."""

    blocks: list[bytes] = field(default_factory=list)

    def fits(self, before: list[bytes], block: bytes) -> bool:
        """Whether the sheet goes on from these very blocks with an equal one."""
        at = len(before)
        return len(self.blocks) > at and all(a is b for a, b in zip(self.blocks, before, strict=False)) and self.blocks[at] == block


class Strand:
    """What one node sends. ``take`` returns True after each whole block, when the event loop should have its turn."""

    def __init__(self, sheets: Sheets) -> None:
        self._sheets: Sheets | None = sheets
        self._block = sheets.block
        self._hash = hashlib.sha256()
        self._pending = bytearray()
        self._at = 0
        self.first = b""
        """The first bytes, up to ``FIRST``."""
        self.size = 0
        self.sheet: Sheet | None = sheets.first

    def take(self, chunk: bytes) -> bool:
        """The next bytes."""
        if len(self.first) < FIRST:
            self.first += chunk[: FIRST - len(self.first)]
        self.size += len(chunk)
        self._pending += chunk
        if len(self._pending) < self._block:
            return False
        while len(self._pending) >= self._block:
            self._lay(bytes(memoryview(self._pending)[: self._block]))
            del self._pending[: self._block]
        return True

    def end(self) -> Digest:
        """No more bytes come."""
        if self._pending:
            self._lay(bytes(self._pending))
            self._pending.clear()
        return Digest(self.size, self._hash.hexdigest())

    def let_go(self) -> None:
        """Go on with the hash alone: the bytes are not needed any more."""
        self.sheet = self._sheets = None

    def _lay(self, block: bytes) -> None:
        self._hash.update(block)
        if self.sheet is not None and self._sheets is not None:
            self.sheet = self._sheets.lay(self.sheet, self._at, block)
        self._at += 1


class Sheets:
    """All different states that are being sent."""

    def __init__(self, block: int = BLOCK) -> None:
        self.block = block
        self.first = Sheet()
        self._all = [self.first]

    def lay(self, sheet: Sheet, at: int, block: bytes) -> Sheet:
        """The sheet on which a node goes on that has sent ``sheet`` until block ``at``, and now ``block``."""
        if at == len(sheet.blocks):
            sheet.blocks.append(block)
            return sheet
        if sheet.blocks[at] == block:
            return sheet
        before = sheet.blocks[:at]
        other = next((s for s in self._all if s.fits(before, block)), None)
        if other is None:
            other = Sheet([*before, block])
            self._all.append(other)
        return other


def joined(sheet: Sheet, size: int) -> memoryview:
    """The first ``size`` bytes in one piece, read-only. Takes the sheet apart, so that no more than one state is held.

    Runs in a worker thread. Copied block by block into an anonymous map: no step is long enough to keep the event loop waiting.
    """
    whole = mmap.mmap(-1, size)
    at = 0
    for i, block in enumerate(sheet.blocks):
        if at >= size:
            break
        part = block[: size - at]
        whole[at : at + len(part)] = part
        at += len(part)
        sheet.blocks[i] = b""
    return memoryview(whole).toreadonly()
