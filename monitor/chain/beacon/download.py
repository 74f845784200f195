"""The bytes of a state as several nodes send them at once: compared while they come, held once however many send the same.

Every node's bytes are cut into blocks of 1 MiB. The first node to send a block lays it down on a sheet; another that sends the same only
compares; one that differs goes on with a sheet of its own, which refers to the first for what was equal before. So memory is one state as long
as the nodes agree, and more only from the place where an answer differs. A sheet is an anonymous map as long as a state may be, whose memory
is taken when it is written: nothing is copied to put a state together. Each node's bytes are hashed as well: equal size and SHA-256 make a vote.
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass

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


class Sheet:
    """Bytes of one state, up to ``end``; before ``since`` they are those of ``base``."""

    def __init__(self, most: int, base: Sheet | None = None, since: int = 0) -> None:
        self.whole = mmap.mmap(-1, most)
        self.base, self.since, self.end = base, since, since

    def lay(self, block: bytes) -> None:
        """The next block."""
        self.whole[self.end : self.end + len(block)] = block
        self.end += len(block)

    def has(self, at: int, block: bytes) -> bool:
        """Whether these bytes are there, at a block's begin."""
        if at < self.since and self.base is not None:
            return self.base.has(at, block)
        return at + len(block) <= self.end and self.whole[at : at + len(block)] == block


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
        self._at += len(block)


class Sheets:
    """All different states that are being sent, none longer than ``most`` bytes: whoever gives bytes to a strand sees to that."""

    def __init__(self, most: int, block: int = BLOCK) -> None:
        self.most, self.block = most, block
        self.first = Sheet(most)
        self._all = [self.first]

    def lay(self, sheet: Sheet, at: int, block: bytes) -> Sheet:
        """The sheet on which a node goes on that has sent ``sheet`` up to ``at``, and now ``block``."""
        if at == sheet.end:
            sheet.lay(block)
            return sheet
        if sheet.has(at, block):
            return sheet
        other = next((s for s in self._all if s.base is sheet and s.since == at and s.has(at, block)), None)
        if other is None:
            other = Sheet(self.most, sheet, at)
            other.lay(block)
            self._all.append(other)
        return other

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return sum(sheet.end - sheet.since for sheet in self._all)


def joined(sheet: Sheet, size: int) -> memoryview:
    """The first ``size`` bytes in one piece, read-only. Runs in a worker thread.

    Only a sheet that began as another's has something to copy: in steps that never keep the event loop waiting.
    """
    base, end = sheet.base, sheet.since
    while base is not None:
        for at in range(base.since, end, BLOCK):
            until = min(at + BLOCK, end)
            sheet.whole[at:until] = base.whole[at:until]
        end, base = min(end, base.since), base.base
    return memoryview(sheet.whole)[:size].toreadonly()
