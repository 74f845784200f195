"""A pause signed in advance is a way to pause for as long as nothing that it was signed for has changed. Each change is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.devnet.accounts import address_of
from monitor.guardian.node import Nodes
from monitor.guardian.person import Fees
from monitor.guardian.safe.flow import send
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Failed, Snapshot, Unanswered
from tests.guardian.safe.ground import OWNERS, Ground
from tests.guardian.safe.test_flow import SENDER, a_pause, looked_at, nodes, signed

__all__ = ["nodes"]


async def a_presigned(ground: Ground, nodes: Nodes, count: int = 3) -> Presigned:
    document = await a_pause(ground, nodes, lives=90 * 86_400)
    files = await signed(document, OWNERS[:count])
    return Presigned("vault", document.signed({f.claimed: f.raw for f in files if f.claimed}))


async def judged(nodes: Nodes, presigned: Presigned) -> list[str]:
    snapshot = await take_snapshot(nodes, await nodes.newest(), presigned.reads())
    return [c.name for c in presigned.judge(snapshot) if not c.ok]


async def test_a_fresh_one_is_ready(ground: Ground, nodes: Nodes) -> None:
    assert await judged(nodes, await a_presigned(ground, nodes)) == []


def by_owner(ground: Ground) -> None:
    ground.by_safe("safe", "addOwnerWithThreshold", address_of("staker_1"), 3)


def by_threshold(ground: Ground) -> None:
    ground.by_safe("safe", "changeThreshold", 4)


def by_time(ground: Ground) -> None:
    ground.anvil.increase_time(91 * 86_400)
    ground.anvil.mine()


def by_breaker(ground: Ground) -> None:
    ground.send("governance", "breaker", "registerPauser", ground.at["vault"], "0x" + "00" * 20)


def by_heartbeat(ground: Ground) -> None:
    ground.anvil.increase_time(366 * 86_400)
    ground.anvil.mine()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (by_owner, ["owners_unchanged"]),
        (by_threshold, ["threshold_unchanged", "signed"]),
        (by_time, ["not_expired"]),
        (by_breaker, ["simulated"]),
        (by_heartbeat, ["not_expired", "simulated"]),
    ],
)
async def test_each_change_makes_it_stale(ground: Ground, nodes: Nodes, broken: Callable[[Ground], None], said: list[str]) -> None:
    presigned = await a_presigned(ground, nodes)
    broken(ground)
    assert await judged(nodes, presigned) == said


async def test_a_used_nonce_makes_it_stale(ground: Ground, nodes: Nodes) -> None:
    presigned = await a_presigned(ground, nodes)
    rival = await a_pause(ground, nodes, "other")
    found = await looked_at(ground, nodes, rival, await signed(rival, OWNERS[:3]))
    assert await send(nodes, SENDER, found, Fees()) is not None
    assert await judged(nodes, presigned) == ["nonce"]


async def test_one_signature_short_is_not_ready(ground: Ground, nodes: Nodes) -> None:
    assert await judged(nodes, await a_presigned(ground, nodes, count=2)) == ["signed"]


async def test_what_nobody_answers_is_unknown_and_not_stale(ground: Ground, nodes: Nodes) -> None:
    presigned = await a_presigned(ground, nodes)
    whole = await take_snapshot(nodes, await nodes.newest(), presigned.reads())
    for read in presigned.reads():
        with pytest.raises(Unanswered):
            presigned.judge(Snapshot(whole.stamp, {**whole.answers, read: Failed("timeout")}, ()))
