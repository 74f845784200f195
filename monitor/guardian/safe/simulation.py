"""Whether what a Safe's transaction calls would go through now, from the Safe itself. Signatures are rehearsed when it is sent."""

from __future__ import annotations

from monitor.chain.stage import NotStaged, outcomes
from monitor.guardian.checks import Check
from monitor.guardian.node import Nodes
from monitor.guardian.safe.batch import Batchers, calls_of, is_batch
from monitor.guardian.safe.reverts import explain
from monitor.guardian.safe.transaction import CALL, SafeTransaction
from monitor.guardian.snapshot import take_snapshot
from monitor.model import BlockStamp, Call, Failed, Read, Reverted, Snapshot, Staged, Step, Unanswered, Value


def simulation(t: SafeTransaction, batchers: Batchers) -> Read | None:
    """The read that shows it: one call, or those of a batch one after the other. None for what is refused anyway."""
    if t.operation == CALL:
        return Read(t.to, Call(t.data), caller=t.safe)
    calls = calls_of(t) if is_batch(t, batchers) else ()
    if not calls or any(c.operation != CALL or c.to == t.safe for c in calls):
        return None
    return Read(t.to, Staged(tuple(Step(t.safe, c.to, c.data) for c in calls)))


def simulated(read: Read | None, snapshot: Snapshot) -> Check:
    """What the simulation says. Raises Unanswered when nobody answered, as where no endpoint makes several calls one after the other."""
    if read is None:
        return _failing("it is no plain call, so nothing of it was tried")
    answer = snapshot.answers.get(read, Failed("was not read at this block"))
    if isinstance(answer, Reverted):
        return _failing(f"the call would fail: {explain(answer.data)}")
    if not isinstance(answer, Value):
        raise Unanswered("simulation", answer)
    if isinstance(read.what, Staged):
        try:
            made = outcomes(answer.data)
        except NotStaged as wrong:
            raise Unanswered("simulation", Failed(str(wrong))) from None
        for i, one in enumerate(made, 1):
            if not one.success:
                return _failing(f"call {i} of {len(made)} would fail: {explain(one.data)}")
        return Check("simulated", True, f"all {len(made)} calls go through")
    return Check("simulated", True, "the call goes through")


async def simulated_check(nodes: Nodes, t: SafeTransaction, at: BlockStamp, batchers: Batchers) -> Check:
    """The same, asked by hand. Raises NoMajority for one call.

    Several calls that no majority of endpoints can simulate stop nobody: they are rehearsed, with the signatures, when they are sent.
    """
    read = simulation(t, batchers)
    if read is not None and not isinstance(read.what, Staged):
        answer = await nodes.call("simulation", t.to, t.data, sender=t.safe, block={"blockHash": at.hash})
        answered = Value(answer, ()) if isinstance(answer, bytes) else Reverted(answer.data or b"")
        return simulated(read, Snapshot(at, {read: answered}, ()))
    try:
        return simulated(read, await take_snapshot(nodes, at, () if read is None else (read,)))
    except Unanswered as missing:
        return Check("simulated", True, f"not tried yet, only when it is sent: {missing}")


def _failing(why: str) -> Check:
    return Check("simulated", False, why)
