"""How long the event loop keeps others waiting: what should run now runs so much later."""

from __future__ import annotations

import asyncio
import time
from collections import deque

EVERY_SECONDS = 0.02


class LoopLag:
    """Seconds that a task which sleeps 20 ms at a time woke up too late, over the last minute or so."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=4096)

    async def work(self) -> None:
        """Look until cancelled; takes about half a percent of a core."""
        while True:
            due = time.perf_counter() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self._late.append(max(0.0, time.perf_counter() - due))

    def quantile(self, of: float) -> float | None:
        """The quantile (1: the worst); None before the first look."""
        late = sorted(self._late)
        return late[min(len(late) - 1, int(of * len(late)))] if late else None
