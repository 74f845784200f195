"""How many blocks one eth_getLogs may cover, learnt from what the endpoint refuses. Pure."""

from __future__ import annotations

_GROW_AFTER = 16
"""Ranges that must succeed below a size that failed before that size is tried again."""


class Span:
    """How many blocks one eth_getLogs of an endpoint may cover; remembered from gap to gap."""

    def __init__(self, most: int) -> None:
        self._most, self.blocks = most, most
        self._failed: int | None = None
        self._fine = 0

    def shrink(self, used: int) -> bool:
        """A range of ``used`` blocks was too much. False if it can't be smaller."""
        self._failed, self._fine = used, 0
        self.blocks = max(1, used // 2)
        return used > 1

    def grow(self) -> None:
        """A range was fine."""
        self._fine += 1
        if self._fine >= _GROW_AFTER:
            self._failed, self._fine = None, 0
        below = self._most if self._failed is None else self._failed - 1
        self.blocks = max(1, min(self.blocks * 2, below, self._most))
