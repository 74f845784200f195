"""Drills of the guardian: pauses that must come whatever stands in their way, and those that must be left to people."""

from __future__ import annotations

import functools
from typing import Any

from monitor.devnet import actions
from monitor.devnet.accounts import address_of
from monitor.devnet.drills.ground import Ground
from monitor.devnet.drills.play import Drill

ATTACKER = "attacker"
UNBACKED_SHARES = 5_000 * 10**18
GWEI = 10**9
CROWD_TIP = int(3.6 * GWEI)
"""What others tip in the jam: more than the pause's first offer (3 gwei), less than the one after two raises by an eighth."""
FULL = 0.9
"""How full the blocks of the jam are: the rest is for the devnet's own people, whom nobody outbids."""
JAM_BASE_FEE = 30 * GWEI
PROPOSAL_SECONDS = 6 * 3600 + 120
"""Longer than a proposal to pause is told."""
RESUMED_SECONDS = 3600 + 60
"""Longer than a resumption is shown."""


def _pause(ground: Ground) -> int:
    return actions.pause_vault(ground.world).block


def _resume(ground: Ground) -> None:
    """Governance resumes the vault when the cause of its pause is gone: who resumed it is told for an hour all the same."""
    ground.caught_up()
    actions.rearm(ground.world)
    _forget_resumption(ground)


def _forget_resumption(ground: Ground) -> None:
    ground.wait("GuardianResumedEarly", functools.partial(told, ground, "GuardianResumedEarly"), 30)
    ground.pass_time(RESUMED_SECONDS)


def mint(ground: Ground) -> int:
    """Shares without ether; the block that has it."""
    return actions.mint_unbacked(ground.world, address_of(ATTACKER), UNBACKED_SHARES).block


def burn(ground: Ground) -> None:
    """Take back what :func:`mint` did, nothing else."""
    actions.burn_unbacked(ground.world, address_of(ATTACKER), UNBACKED_SHARES)


def burn_and_rearm(ground: Ground) -> None:
    """Take back what :func:`mint` did and the pause that came of it."""
    burn(ground)
    _resume(ground)


def _upgrade(ground: Ground) -> int:
    return actions.upgrade(ground.world, "lido").block


def _downgrade(ground: Ground) -> None:
    """The vault is resumed while the foreign code still stands; then the old one is put back."""
    ground.caught_up()
    actions.rearm(ground.world)
    ground.wait("GuardianResumedDuringIncident", functools.partial(told, ground, "GuardianResumedDuringIncident"), 30)
    actions.restore(ground.world, "lido")
    _forget_resumption(ground)


def told(ground: Ground, name: str) -> bool | None:
    """True while the alert fires and its message was accepted."""
    incidents = [i for i in ground.status()["incidents"] if i["closed_at"] is None and any(m["sent_at"] for m in i["messages"])]
    return any(a["labels"]["alertname"] == name and a["state"] == "firing" for i in incidents for a in i["alerts"]) or None


def forget_proposal(ground: Ground) -> None:
    """A proposal is told for six hours."""
    ground.caught_up()
    ground.pass_time(PROPOSAL_SECONDS)


# ---------------------------------------------------------------- what stands in a pause's way


def _jam(ground: Ground) -> int:
    ground.network("jam", base_fee=JAM_BASE_FEE, tip=CROWD_TIP, fill=FULL)
    ground.world.wait_blocks(2)
    return mint(ground)


def _calm(ground: Ground) -> None:
    ground.network("calm")
    burn_and_rearm(ground)


def _outbid(ground: Ground, since: int) -> list[str]:
    """The pause that was mined paid more than the crowd and than at first, at a higher base fee, with the one nonce that was used."""
    _, tx = _mined(ground, since)
    used = [int(ground.world.rpc.call("eth_getTransactionCount", tx["from"], at), 16) for at in (hex(since - 1), "latest")]
    fees = [int(ground.world.rpc.call("eth_getBlockByNumber", at, False)["baseFeePerGas"], 16) for at in (hex(since), tx["blockNumber"])]
    problems = []
    if (tip := int(tx["maxPriorityFeePerGas"], 16)) < CROWD_TIP:
        problems.append(f"the pause was mined with a tip of {tip} wei, and the crowd tips {CROWD_TIP}: it was not jammed")
    if fees[1] <= fees[0]:
        problems.append(f"the base fee was {fees[0]} wei at first and {fees[1]} when the pause was mined: it did not climb")
    if used[1] - used[0] != 1:
        problems.append(f"{used[1] - used[0]} transactions of the sender were mined, not one")
    return problems


def _orphan(ground: Ground) -> int:
    """Mined, told, and then both the pause and what it observed are in other blocks: the mint is there again, the pause is not."""
    transaction = ground.world["lido"].tx(address_of(ATTACKER), "devMintUnbacked", address_of(ATTACKER), UNBACKED_SHARES)
    block = ground.world.send(transaction)[0].block
    ground.wait("the first pause, proven and reported", lambda: _reported(ground, block) or None, 30)
    for name in ("LidoShareRateDrift", "GuardianTargetPaused"):
        ground.wait(name, functools.partial(told, ground, name), 30)
    ground.caught_up()
    actions.reorg(ground.world, ground.head() - block + 1, [(transaction, 0)])
    if ground.world["vault"].read("isPaused"):
        raise TimeoutError("the vault is still paused on the new branch: nothing was orphaned")
    return block


def _stands(ground: Ground, since: int) -> list[str]:
    """The pause that stands is of an order of the new branch, and the service says so."""
    log, _ = _mined(ground, since)
    known = [p["mined_hash"] for p in _reported(ground, since)]
    return (
        []
        if known == [log["blockHash"]]
        else [f"the service reported pauses in blocks {known}, and the chain has one in {log['blockHash']}"]
    )


def _reported(ground: Ground, since: int) -> list[dict[str, Any]]:
    """Pauses that the service made and told, for what it saw at that block or later."""
    return [p for p in ground.status()["pauses"] if p["state"] == "reported" and p["observed_number"] >= since]


def _withhold(ground: Ground) -> int:
    ground.network("withhold", endpoints=["alpha", "bravo"])
    return mint(ground)


def _gossip(ground: Ground) -> None:
    ground.network("withhold", endpoints=[])
    burn_and_rearm(ground)


def _mined(ground: Ground, since: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The newest pause since that block: its log and its transaction."""
    guardian, rpc = ground.world["guardian"], ground.world.rpc
    logs = rpc.call("eth_getLogs", {"address": guardian.address, "fromBlock": hex(since), "toBlock": "latest"})
    found = [log for log in logs if (event := guardian.artifact.log(dict(log))) is not None and event[0] == "TargetPaused"]
    if not found:
        raise TimeoutError(f"nothing was paused since block {since}")
    return found[-1], rpc.call("eth_getTransactionByHash", found[-1]["transactionHash"])


# ---------------------------------------------------------------- what is left to people


def _split(ground: Ground) -> int:
    ground.network("split", endpoints=["charlie"])
    ground.world.wait_blocks(2)
    return mint(ground)


def _join(ground: Ground) -> None:
    """First the cause goes: once all clients are on one branch, the pause would be made."""
    burn(ground)
    ground.caught_up()
    ground.network("join")
    ground.wait("healthy endpoints", lambda: all(e["up"] and not e["note"] for e in ground.status()["endpoints"]) or None, 60)
    forget_proposal(ground)


MINTED = {"LidoShareRateDrift": "resolved", "GuardianTargetPaused": "resolved"}
RESUMED = {"GuardianResumedEarly": "resolved"}
"""What comes when governance resumes what was paused."""

PAUSES = (
    Drill(
        "pause", "a person with GUARDIAN_ROLE pauses the vault", _pause, _resume, {"GuardianTargetPaused": "resolved"}, ("guardian",),
        afterwards=RESUMED,
    ),
    Drill(
        "unbacked-mint", "shares are minted without ether: the share rate drops outside a report", mint, burn_and_rearm, MINTED, ("sentinel",),
        afterwards=RESUMED,
    ),
    Drill(
        "unapproved-upgrade",
        "the proxy of stETH gets an implementation that nobody approved",
        _upgrade,
        _downgrade,
        {"LidoUpgradeUnapproved": "resolved", "GuardianTargetPaused": "resolved"},
        ("sentinel",),
        afterwards={"GuardianResumedDuringIncident": "resolved", **RESUMED},
    ),
    Drill(
        "fee-jam",
        "shares are minted without ether while blocks are full and the base fee climbs: the pause outbids the others",
        _jam,
        _calm,
        MINTED,
        ("sentinel",),
        patience=60,
        proof=_outbid,
        afterwards=RESUMED,
    ),
    Drill(
        "withheld-order",
        "shares are minted without ether, and two of three endpoints take transactions and tell nobody",
        _withhold,
        _gossip,
        MINTED,
        ("sentinel",),
        afterwards=RESUMED,
    ),
    Drill(
        "orphaned-pause",
        "a pause and the block that it observed are reorganised away: judged, signed and paused again",
        _orphan,
        burn_and_rearm,
        {"LidoShareRateDrift": "resolved", "GuardianTargetPaused": ("retracted", "resolved")},
        ("sentinel",),
        patience=60,
        proof=_stands,
        afterwards=RESUMED,
    ),
    Drill(
        "client-split",
        "shares are minted without ether while one client is on another branch: people decide",
        _split,
        _join,
        {"LidoShareRateDrift": "resolved", "GuardianPauseProposed": "resolved"},
        proposed="the execution clients disagree on the head",
        patience=45,
    ),
)  # fmt: skip
