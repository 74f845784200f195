"""The drill of the sentinels: two of three have to sign, each on what it read itself, and the third is down."""

from __future__ import annotations

from monitor.devnet.accounts import address_of
from monitor.devnet.drills.ground import Ground
from monitor.devnet.drills.pauses import MINTED, RESUMED, burn_and_rearm, mint
from monitor.devnet.drills.play import Drill

SECOND = "bravo"
"""The other sentinel that is up; charlie is down."""
SIGNERS = ("sentinel", "sentinel_bravo")
BLOCK_SECONDS = 4
"""Between blocks while it lasts: a third of mainnet's twelve. A block a second leaves two services on one laptop no time before the next block."""
PAUSE_SECONDS = 20.0


def _mint_for_two(ground: Ground) -> int:
    anvil = ground.world.anvil
    anvil.mine_every(BLOCK_SECONDS)
    try:
        ground.begin_sentinel(SECOND)
        _ask_for(ground, 2)
        ground.caught_up()
        ground.sentinel_caught_up(SECOND)
        block = mint(ground)
        ground.wait("the pause by two sentinels", lambda: ground.world["vault"].read("isPaused") or None, PAUSE_SECONDS)
    finally:
        anvil.mine_every(ground.world.block_time)
    return block


def _as_before(ground: Ground) -> None:
    ground.end_sentinels()
    _ask_for(ground, 1)
    burn_and_rearm(ground)


def _ask_for(ground: Ground, sentinels: int) -> None:
    world = ground.world
    world.send(world["guardian"].tx(world.account("governance"), "setThreshold", sentinels))


def _both_signed(ground: Ground, since: int) -> list[str]:
    """Exactly the two that are up signed what they saw at the block with the mint, and it was executed in the next one."""
    guardian, rpc = ground.world["guardian"], ground.world.rpc
    logs = rpc.call("eth_getLogs", {"address": guardian.address, "fromBlock": hex(since), "toBlock": "latest"})
    found = [
        (int(log["blockNumber"], 16), event[1])
        for log in logs
        if (event := guardian.artifact.log(dict(log))) and event[0] == "OrderExecuted"
    ]
    if len(found) != 1:
        return [f"{len(found)} orders were executed, not one"]
    (mined, order), wanted = found[0], sorted(address_of(role).lower() for role in SIGNERS)
    problems = []
    if sorted(order["signers"]) != wanted:
        problems.append(f"the order was signed by {', '.join(order['signers'])}, and not by {' and '.join(wanted)}")
    if (order["observedBlock"], mined) != (since, since + 1):
        problems.append(
            f"what was seen at block {order['observedBlock']} was executed in block {mined}: not in the one after block {since}"
        )
    return problems


QUORUM = (
    Drill(
        "two-of-three-sentinels",
        "shares are minted without ether; two of three sentinels have to sign, and one is down",
        _mint_for_two,
        _as_before,
        MINTED,
        ("sentinel",),
        afterwards=RESUMED,
        proof=_both_signed,
    ),
)
