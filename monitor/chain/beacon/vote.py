"""One question to several nodes at once, and what a majority of all configured nodes answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from monitor.chain.beacon.errors import NodeError

T = TypeVar("T", bound=Hashable)


@dataclass(slots=True)
class Poll(Generic[T]):
    """``answers`` came, ``reasons`` are those of the nodes that failed; both grow until the poll is closed. ``winner``: the majority's."""

    answers: dict[str, T] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    winner: T | None = None
    rest: dict[str, asyncio.Task[T]] = field(default_factory=dict)

    def dissents(self) -> dict[str, bool]:
        """Whether a node that answered said something else than the majority; nobody does while there is none."""
        return {} if self.winner is None else {name: answer != self.winner for name, answer in self.answers.items()}

    async def all(self) -> None:
        """Wait for the nodes that were slower than the majority."""
        for name, task in self.rest.items():
            try:
                self.answers[name] = await task
            except NodeError as error:
                self.reasons[name] = error.reason
        self.rest = {}


async def poll(questions: Mapping[str, Coroutine[Any, Any, T]], needed: int) -> Poll[T]:
    """Returns as soon as ``needed`` answers are equal, so that who hangs delays nothing, or when all have answered or failed."""
    found: Poll[T] = Poll()
    tasks = {asyncio.create_task(question): name for name, question in questions.items()}
    pending = set(tasks)
    try:
        while pending and found.winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    found.answers[tasks[task]] = task.result()
                except NodeError as error:
                    found.reasons[tasks[task]] = error.reason
            found.winner = next((answer for answer, count in Counter(found.answers.values()).items() if count >= needed), None)
    except BaseException:
        for task in pending:
            task.cancel()
        raise
    found.rest = {tasks[task]: task for task in pending}
    return found
