"""Drills of the consensus layer and of the market: slashings, operators that fall silent, finality, nodes that fail or lie, the peg."""

from __future__ import annotations

import functools

from monitor.devnet import actions, trades
from monitor.devnet.drills.ground import Ground
from monitor.devnet.drills.pauses import burn, forget_proposal, mint, told
from monitor.devnet.drills.play import Drill

EVENT_SECONDS = 6 * 3600 + 120
"""Longer than a slashing is visible."""
SLOT_SECONDS = 12
STALLED = 0.45
"""Of all stake: above a third nothing is justified."""
MORE_THAN_EARNED = 1.25
"""What is lost, in days of net rewards: a little more than the day earns before fees, so that the mean of the week stays what it is."""
FALLEN = 0.03
"""How far the price falls: the second rung that pages."""


def _operators(ground: Ground) -> list[str]:
    """Lido's curated operators, in the order of their registry."""
    return [name for name in ground.beacon.status()["operators"] if name.startswith("curated")]


def _slash(ground: Ground, count: int, *operators: str) -> int:
    """In the next slot's block; the execution block at which it is there."""
    before = len(ground.beacon.status()["slashed"])
    for operator in operators:
        ground.beacon.slash(operator=operator, count=count, kind="proposal")
    ground.world.warp(SLOT_SECONDS)
    ground.wait("the slashings in a block", lambda: len(ground.beacon.status()["slashed"]) >= before + count * len(operators) or None, 20)
    return ground.head()


def _slash_one(ground: Ground) -> int:
    return _slash(ground, 1, _operators(ground)[0])


def _slash_many(ground: Ground) -> int:
    """Four validators of each of three operators at once."""
    return _slash(ground, 4, *_operators(ground)[1:4])


def _forgotten(ground: Ground) -> None:
    """A slashing is told for six hours."""
    ground.pass_time(EVENT_SECONDS)


def _middling(ground: Ground) -> str:
    """An operator whose silence is felt at Lido, but neither by Lido as a whole nor by the network."""
    sizes = ground.beacon.status()["operators"]
    return next(name for name in _operators(ground) if 120 <= sizes[name] <= 220)


def _silence(ground: Ground) -> int:
    """Three epochs without a vote, and the evaluation of the third."""
    ground.beacon.offline(_middling(ground))
    ground.epochs(5)
    return ground.head()


def _voices(ground: Ground) -> None:
    ground.beacon.online()
    ground.epochs(4)


def _stall(ground: Ground) -> int:
    """From an epoch's first slot on, so that what is known when does not hang on the hour; short of the inactivity leak."""
    length = ground.epoch_seconds
    ground.warp(length - (ground.world.now() - ground.world.deployment.genesis_time) % length)
    ground.beacon.stall(STALLED)
    ground.epochs(3)
    return ground.head()


def _unstall(ground: Ground) -> None:
    ground.beacon.unstall()
    ground.epochs(5)


def _stall_and_mint(ground: Ground) -> int:
    _stall(ground)
    ground.wait("the stall", functools.partial(told, ground, "EthereumFinalityStalled"), 45)
    return mint(ground)


def _burn_and_unstall(ground: Ground) -> None:
    """First the cause goes: once epochs are final again, the pause would be made."""
    burn(ground)
    ground.caught_up()
    _unstall(ground)
    forget_proposal(ground)


def _depeg(ground: Ground) -> int:
    """The pools' shares of the last ten minutes must be known before: how fast they change is a part of it."""
    trades.pass_quietly(ground.world, 600)
    ground.caught_up()
    block = trades.depeg(ground.world, FALLEN)
    ground.caught_up()
    trades.pass_quietly(ground.world, 330)
    return block


def _repeg(ground: Ground) -> None:
    trades.repeg(ground.world)


def _earned_a_day(ground: Ground) -> float | None:
    """Ether by which all stETH grew in the last report; None before the service saw one."""
    said = {s["name"]: s["value"] for s in ground.status()["series"]}
    ratio, pooled = said.get("accounting_rebase_ratio"), said.get("accounting_pooled_ether")
    return None if ratio is None or pooled is None else ratio * pooled


def _lose(ground: Ground) -> int:
    """The report says exactly what the beacon chain has, and that is less: so the share rate falls, and nothing is wrong with the report."""
    if (daily := _earned_a_day(ground)) is None:
        ground.pass_time(86_400)
        daily = _earned_a_day(ground) or 0.0
    ground.beacon.forfeit(int(MORE_THAN_EARNED * daily * 10**9))
    actions.warp_to_next_frame(ground.world, 60)
    ground.evaluated()
    ground.caught_up()
    ground.warp(900)
    actions.heartbeat(ground.world)
    return ground.head()


def _earn_again(ground: Ground) -> None:
    ground.pass_time(86_400)


def _two_down(ground: Ground) -> int:
    for node in ("bravo", "charlie"):
        ground.beacon.fault(node, "refuse")
    block = ground.head()
    ground.wait("two beacon nodes down", lambda: sum(not n["up"] for n in ground.status()["beacon"]["nodes"]) == 2 or None, 90)
    ground.world.wait_blocks(2)
    ground.caught_up()
    ground.world.warp(70)
    return block


def _one_lies(ground: Ground) -> int:
    """It invents a slashing of validators of Lido, in a block that the others have too."""
    victims = [3, 4, 5]
    ground.beacon.fault("charlie", "invent_slashings", victims)
    ground.world.warp(SLOT_SECONDS)
    return ground.head()


def _nodes_heal(ground: Ground) -> None:
    for node in ("alpha", "bravo", "charlie"):
        ground.beacon.fault(node, "healthy")
    ground.world.warp(2 * SLOT_SECONDS)
    ground.wait("healthy beacon nodes", lambda: all(n["up"] and not n["note"] for n in ground.status()["beacon"]["nodes"]) or None, 90)
    ground.world.wait_blocks(2)
    ground.caught_up()
    ground.warp(600)


CONSENSUS = (
    Drill("slashing", "one validator of a Lido operator is slashed", _slash_one, _forgotten, {"LidoValidatorSlashed": "expired"}),
    Drill(
        "mass-slashing",
        "four validators of each of three Lido operators are slashed at once",
        _slash_many,
        _forgotten,
        {"LidoMassSlashing": "expired"},
    ),
    Drill(
        "operator-offline",
        "all validators of a Lido operator fall silent",
        _silence,
        _voices,
        {"LidoOperatorOffline": "resolved"},
        patience=45,
    ),
    Drill(
        "finality-stall",
        "45 % of all stake falls silent: nothing is justified any more",
        _stall,
        _unstall,
        {"EthereumFinalityStalled": "resolved"},
        patience=45,
    ),
    Drill(
        "finality-loss",
        "shares are minted without ether while nothing is final: people decide",
        _stall_and_mint,
        _burn_and_unstall,
        {"EthereumFinalityStalled": "resolved", "LidoShareRateDrift": "resolved", "GuardianPauseProposed": "resolved"},
        proposed="finality lags",
        patience=45,
    ),
    Drill(
        "depeg",
        "stETH is sold until it is worth 3 % less than ether",
        _depeg,
        _repeg,
        {"LidoPegPoolDraining": "resolved", "LidoPegDiscountHigh": "resolved"},
        patience=45,
    ),
    Drill(
        "negative-rebase",
        "Lido's validators lose more than they earn, and the report says so",
        _lose,
        _earn_again,
        {"LidoNegativeRebase": "resolved"},
        patience=45,
    ),
    Drill("beacon-outage", "two of three beacon nodes are down", _two_down, _nodes_heal, {"BeaconNodesDown": "resolved"}, patience=60),
    Drill(
        "beacon-lies",
        "one of three beacon nodes invents a slashing: nobody is woken for Lido",
        _one_lies,
        _nodes_heal,
        {"BeaconNodeDissent": "resolved"},
        patience=60,
    ),
)
