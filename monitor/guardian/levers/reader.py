"""Questions to the chain at one block, asked as they come up and answered many at a time.

What cannot be known is a value with its reason, so that one contract that does not answer hides nothing of the others.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.model import Address, Answer, BlockStamp, Call, Code, Disputed, Failed, Read, Reverted, Snapshot, Value
from monitor.protocols.abi import Function

_GATHER_SECONDS = 0.002
"""How long questions are gathered before they are asked together."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be read, and why."""

    why: str

    def __str__(self) -> str:
        return f"unknown ({self.why})"


class Source(Protocol):
    """Who answers: ``chain.Execution``, whose answers are those of a majority of the endpoints."""

    async def read_aside(self, stamp: BlockStamp, reads: list[Read]) -> Snapshot: ...


class Reader:
    """Reads of one block. Equal questions are asked once."""

    def __init__(self, source: Source, stamp: BlockStamp) -> None:
        self.stamp = stamp
        self._source = source
        self._answers: dict[Read, asyncio.Future[Answer]] = {}
        self._wanted: list[Read] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, where: Address, function: Function, *arguments: Any) -> Any:
        """The decoded answer, or Unknown."""
        found = await self._answer(Read(where, function.call(*arguments)))
        if not isinstance(found, Value):
            return Unknown(f"{function.name} of {where} {_said(found)}")
        try:
            return function.decode(found.data)
        except ValueError as wrong:
            return Unknown(f"{function.name} of {where} answered {len(found.data)} bytes where {wrong} was expected")

    async def code(self, where: Address) -> bytes | Unknown:
        """The contract's code; empty for an account without."""
        found = await self._answer(Read(where, Code()))
        return found.data if isinstance(found, Value) else Unknown(f"the code of {where} {_said(found)}")

    async def simulate(self, where: Address, data: bytes, sender: Address) -> bytes | Unknown | None:
        """A call from that sender: None when it goes through, else the revert data."""
        found = await self._answer(Read(where, Call(data), caller=sender))
        if isinstance(found, Reverted):
            return found.data
        return None if isinstance(found, Value) else Unknown(f"the simulation on {where} {_said(found)}")

    async def _answer(self, read: Read) -> Answer:
        if read not in self._answers:
            self._answers[read] = asyncio.get_running_loop().create_future()
            self._wanted.append(read)
            if len(self._wanted) == 1:
                task = asyncio.create_task(self._ask())
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
        return await asyncio.shield(self._answers[read])

    async def _ask(self) -> None:
        await asyncio.sleep(_GATHER_SECONDS)
        wanted, self._wanted = self._wanted, []
        try:
            answers = (await self._source.read_aside(self.stamp, wanted)).answers
        except Exception as error:
            # Whoever waits must hear of it: what is not answered would be waited for without an end.
            for read in wanted:
                self._answers[read].set_exception(error)
            return
        for read in wanted:
            self._answers[read].set_result(answers.get(read, Failed("was not answered")))


def _said(answer: Answer) -> str:
    match answer:
        case Reverted():
            return "reverted"
        case Failed(reason):
            return f"could not be read: {reason}"
        case Disputed():
            return "is disputed: the endpoints do not agree"
    return "gave no value"
