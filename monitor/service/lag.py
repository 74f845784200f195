"""How long the event loop keeps others waiting: what should run now runs so much later."""

from __future__ import annotations

import asyncio
import time
from collections import deque

EVERY_SECONDS = 0.02


class LoopLag:
    """Seconds that a task which sleeps 20 ms at a time woke up too late, over the last minute or so.

    Only as much as this process computed meanwhile: what other programs on the machine make late is not ours.
    """

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=4096)

    async def work(self) -> None:
        """Look until cancelled; takes about half a percent of a core."""
        while True:
            due, used = time.perf_counter() + EVERY_SECONDS, time.process_time()
            await asyncio.sleep(EVERY_SECONDS)
            self._late.append(max(0.0, min(time.perf_counter() - due, time.process_time() - used)))

    def quantile(self, of: float) -> float | None:
        """The quantile (1: the worst); None before the first look."""
        late = sorted(self._late)
        return late[min(len(late) - 1, int(of * len(late)))] if late else None
