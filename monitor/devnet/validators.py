"""The devnet's validators as its registries have them: what the beacon simulator puts into its states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from monitor.devnet.deploy import MODULES
from monitor.devnet.world import Contract, World
from monitor.protocols.keys.labels import label, plain
from monitor.protocols.lido.keys import short_name

KEY_BYTES = 48


@dataclass(frozen=True, slots=True)
class DevnetValidator:
    """One deposited key. ``operator`` is the label under which the monitor counts it."""

    pubkey: bytes
    withdrawal_credentials: bytes
    operator: str


def lido_validators(world: World, skip: int = 0) -> list[DevnetValidator]:
    """Lido's validators in the order of their deposits, so that later ones come behind all that were there; ``skip`` leaves out the first."""
    credentials = bytes(world["staking_router"].read("getWithdrawalCredentials"))
    found: list[DevnetValidator] = []
    seen = 0
    for module, operator, first, count in _deposits(world):
        begin = first + max(0, skip - seen)
        seen += count
        if begin >= first + count:
            continue
        contract, title = module
        name = label(title, operator, plain(contract.read("getNodeOperator", operator, True)[1].encode()))
        keys = contract.read("getSigningKeys", operator, begin, first + count - begin)[0]
        found += [DevnetValidator(keys[i : i + KEY_BYTES], credentials, name) for i in range(0, len(keys), KEY_BYTES)]
    return found


def _deposits(world: World) -> Iterator[tuple[tuple[Contract, str], int, int, int]]:
    """Module, operator, first key and number of keys of each deposit, in the chain's order."""
    modules = {world[name].address.lower(): (world[name], short_name(title.encode())) for name, title, _ in MODULES}
    topic = next(t for t, item in world["simple_dvt"].artifact.events.items() if item["name"] == "DepositedSigningKeysCountChanged")
    logs: list[dict[str, Any]] = world.rpc.call("eth_getLogs", {"fromBlock": "0x0", "address": list(modules), "topics": [topic]})
    before: dict[tuple[str, int], int] = {}
    for log in sorted(logs, key=lambda each: (int(each["blockNumber"], 16), int(each["logIndex"], 16))):
        at, operator, total = log["address"].lower(), int(log["topics"][1], 16), int(log["data"], 16)
        first = before.get((at, operator), 0)
        before[at, operator] = total
        yield modules[at], operator, first, total - first
