"""The drills. Each acts on the chain or on an endpoint, and says exactly what must come of it."""

from __future__ import annotations

import functools

from monitor.devnet import actions
from monitor.devnet.accounts import address_of
from monitor.devnet.drills.consensus import CONSENSUS
from monitor.devnet.drills.ground import Ground
from monitor.devnet.drills.pauses import ATTACKER, PAUSES, UNBACKED_SHARES, told
from monitor.devnet.drills.play import Drill
from monitor.devnet.drills.quorum import QUORUM

EVENT_SECONDS = 6 * 3600 + 120
"""Longer than any event is visible, so that alerts about what happened once have ended."""


def _grant(ground: Ground) -> int:
    return actions.grant_role(ground.world, "withdrawal_queue", "FINALIZE_ROLE", address_of(ATTACKER)).block


def _ungrant(ground: Ground) -> None:
    actions.revoke_role(ground.world, "withdrawal_queue", "FINALIZE_ROLE", address_of(ATTACKER))
    ground.caught_up()
    ground.pass_time(EVENT_SECONDS)


def _stall(ground: Ground) -> int:
    """The frame's report is due 45 minutes after its reference time at the latest; the rule waits five more."""
    actions.warp_to_next_frame(ground.world, 2700 + 60)
    block = ground.head()
    ground.evaluated()
    ground.warp(360)
    return block


def _report(ground: Ground) -> None:
    actions.heartbeat(ground.world)


def _flood(ground: Ground) -> int:
    pooled = ground.world["lido"].read("getTotalPooledEther")
    actions.flood(ground.world, address_of("staker_0"), pooled * 2 // 5)
    return ground.head()


def _drain(ground: Ground) -> None:
    """Others stake what is lacking. Then two frames: requests of the last two hours before a reference slot wait for the next report."""
    owed = ground.world["withdrawal_queue"].read("unfinalizedStETH")
    lacking = owed - ground.world["lido"].read("getWithdrawalsReserve")
    actions.stake(ground.world, address_of("staker_1"), lacking + owed // 100)
    ground.caught_up()
    ground.pass_time(2 * 86_400)


def _outage(ground: Ground) -> int:
    ground.fault("bravo", "refuse")
    block = ground.head()
    ground.world.wait_blocks(2)
    ground.caught_up()
    ground.world.warp(150)
    return block


def _lie(ground: Ground, endpoint: str) -> None:
    """The endpoint says that shares were minted: the very lie that would lead to a pause if it were believed."""
    total = ground.world["lido"].artifact.data("getTotalShares")
    lie = {"target": ground.world["lido"].address, "selector": total[:10], "word": 0, "add": UNBACKED_SHARES}
    ground.fault(endpoint, "lies", [lie])


def _one_lies(ground: Ground) -> int:
    _lie(ground, "charlie")
    return ground.head()


def _liar_alone(ground: Ground) -> int:
    _lie(ground, "charlie")
    ground.fault("alpha", "refuse")
    ground.fault("bravo", "refuse")
    return ground.head()


def _heal(ground: Ground) -> None:
    for endpoint in ground.devnet.controls:
        ground.fault(endpoint, "refuse", False)
        ground.fault(endpoint, "lies", [])
    ground.wait("healthy endpoints", lambda: all(e["up"] and not e["note"] for e in ground.status()["endpoints"]) or None, 60)
    # Who is behind when time jumps was behind for minutes: that would be told.
    ground.wait("a judge that keeps up", lambda: (ground.status()["block"] or 0) >= ground.head() - 1 or None, 60)
    # Rules forget a fault some minutes of block time after the last block that showed it.
    ground.world.wait_blocks(3)
    ground.caught_up()
    ground.warp(420)


def _orphan(ground: Ground) -> int:
    """A grant is mined, told, and then taken back by a reorganisation."""
    block = _grant(ground)
    ground.caught_up()
    for name in ("LidoRoleGrantedUnapproved", "LidoRoleHolderUnapproved"):
        ground.wait(name, functools.partial(told, ground, name), 30)
    actions.reorg(ground.world, ground.head() - block + 2)
    return block


def _nothing(ground: Ground) -> None:
    ground.world.wait_blocks(1)


_ALL = (
    Drill(
        "role-grant",
        "somebody nobody approved gets FINALIZE_ROLE on the withdrawal queue",
        _grant,
        _ungrant,
        {"LidoRoleGrantedUnapproved": "expired", "LidoRoleHolderUnapproved": "resolved"},
    ),
    Drill("oracle-stall", "the daily report does not come", _stall, _report, {"LidoOracleReportLate": "resolved"}),
    Drill(
        "queue-flood",
        "two fifths of all stETH ask to leave at once, more than the buffer holds",
        _flood,
        _drain,
        {"LidoQueueFlood": "resolved"},
        patience=45,
    ),
    Drill("rpc-outage", "one of three endpoints is down", _outage, _heal, {"EndpointDown": "resolved"}, patience=60),
    Drill(
        "rpc-lies",
        "one of three endpoints lies about the number of shares",
        _one_lies,
        _heal,
        {"EndpointDissent": "resolved"},
        patience=60,
    ),
    Drill(
        "liar-plus-outage",
        "two endpoints are down and the third lies: nothing can be known, one page, no pause",
        _liar_alone,
        _heal,
        {"NoAgreedHead": "resolved"},
        patience=120,
    ),
    Drill(
        "reorg",
        "an unapproved grant is mined, told, and reorganised away",
        _orphan,
        _nothing,
        {"LidoRoleGrantedUnapproved": "retracted", "LidoRoleHolderUnapproved": "retracted"},
        patience=60,
    ),
)

DRILLS = {drill.name: drill for drill in (*_ALL, *PAUSES, *QUORUM, *CONSENSUS)}
"""By name."""
