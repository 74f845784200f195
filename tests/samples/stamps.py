"""Blocks for tests: one every 12 seconds."""

from __future__ import annotations

from monitor.model import BlockStamp, Hash, Slot


def stamp(number: int, branch: int = 0) -> BlockStamp:
    """Block ``number``; blocks of another ``branch`` have other hashes."""

    def name(n: int) -> Hash:
        return Hash(f"0x{branch:02x}{n:062x}")

    return BlockStamp(number, name(number), name(number - 1), 1_700_000_000 + 12 * number, Slot(number))
