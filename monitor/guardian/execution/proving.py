"""What is mined is proven, told, and watched until its block has settled: mined → verified → reported, or orphaned."""

from __future__ import annotations

import time

import structlog

from monitor.guardian.execution import ledger
from monitor.guardian.execution.chain import Head
from monitor.guardian.execution.evidence import Report, execution
from monitor.guardian.execution.ledger import Pause
from monitor.guardian.execution.room import Room
from monitor.model import Hash
from monitor.store import Unit

log = structlog.get_logger()
STATE_KEPT_BLOCKS = 64
"""How old a mined block may be for its state to be read back; for older ones the contract's own event must do."""


async def verify(room: Room, pause: Pause, head: Head) -> None:
    """Read the target back at the block in which the pause was mined."""
    row = pause.row
    if await lost(room, pause, head):
        return
    block, number = Hash(row.mined_hash or ""), row.mined_number or 0
    resumes = await room.chain.resumes(room.target(pause), block, Hash(row.mined_tx or ""))
    if resumes is None:
        why = "mined, but the guardian's event is missing: is it the right contract?"
        if head.number - number < room.settings.stuck_blocks:  # some endpoints know a block before its logs
            await room.say(pause, why)
        else:
            await room.move(pause, "failed", note=why)
        return
    note = None
    if head.number - number > STATE_KEPT_BLOCKS:
        note = f"{head.number - number} blocks after it was mined: verified by the guardian's event, the target's state then is not kept"
    elif not await room.chain.is_paused(room.target(pause), {"blockHash": block}):
        await room.move(pause, "failed", note="mined, but the target does not say that it is paused: pause it by hand now")
        return
    await room.move(pause, "verified", verified_at=time.time(), resumes_timestamp=min(resumes, 2**63 - 1), note=note)


async def report(room: Room, pause: Pause) -> None:
    """Write what was done, and tell it: both in the transaction that makes it reported, so it is told once."""

    def work(unit: Unit) -> float:
        now = time.time()
        fresh = ledger.pause(unit, pause.id)
        fresh.row.reported_at = now
        chosen = fresh.chosen
        signed = {} if chosen is None else ledger.signatures(unit, [chosen.digest or ""]).get(chosen.digest or "", {})
        if chosen is not None and room.sentinel is not None:
            signed[room.sentinel.address] = chosen.signature
        document = execution(fresh, room.chain_id, room.where, signed)
        ledger.move(unit, pause.id, "reported", reported_at=now, execution=document, note=fresh.row.note)
        row = fresh.row
        told = Report(
            pause.id, row.target, Hash(row.mined_tx or ""), row.mined_number or 0, Hash(row.mined_hash or ""), row.resumes_timestamp or 0,
            ledger.latencies(row), document,
        )  # fmt: skip
        room.tell(unit, told)
        return now - row.decided_at

    seconds = await room.write(work)
    log.info("guardian.paused", decision=pause.id, target=pause.row.target, block=pause.row.mined_number, seconds=round(seconds, 3))


async def settle(room: Room, pause: Pause, head: Head) -> None:
    """Watch a reported or needless pause until no reorganisation is expected to reach its block any more."""
    if await lost(room, pause, head) or head.number - (pause.row.mined_number or 0) < room.settings.settled_blocks:
        return
    await room.write(lambda unit: ledger.note(unit, pause.id, pause.row.note or "", settled_at=time.time()))


async def lost(room: Room, pause: Pause, head: Head) -> bool:
    """Whether the block that paused, or that showed the pause of others, cannot be seen at the head: orphaned when another has its place, else not known now."""
    number = pause.row.mined_number or 0
    found = await room.chain.hash_at(number) if number <= head.number else None
    if found == pause.row.mined_hash:
        return False
    if found is not None:
        what = "at which the target was paused already" if pause.state == "refused" else "in which the pause was mined"
        why = f"block {number}, {what}, was reorganised away"
        await room.write(lambda unit: ledger.orphan(unit, pause.id, head.number, why))
        log.error("guardian.moved", decision=pause.id, target=pause.row.target, state="orphaned", reason=why)
    return True
