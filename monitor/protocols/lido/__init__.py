"""Lido on one network: what of it can be watched with the contracts that a deployment names."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.protocols.access import Guarded
from monitor.protocols.lido.accounting import LidoAccounting
from monitor.protocols.lido.deployment import Deployed, Deployment
from monitor.protocols.lido.governance import LidoChanges
from monitor.protocols.lido.keys import LidoKeys
from monitor.protocols.lido.locator import pointers
from monitor.protocols.lido.oracle import LidoOracle
from monitor.protocols.lido.peg import peg, unlisted
from monitor.protocols.lido.queue import LidoQueue
from monitor.protocols.signals import ProtocolSources

NAME = "lido"
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "queue": ("withdrawal_queue",),
    "oracle accounting_oracle": ("accounting_oracle", "hash_consensus_ao"),
    "accounting": ("lido",),
    "validators": ("staking_router",),
}
_WISHES: Mapping[str, str] = {
    "lido": "queue: the buffer's part of the available ether",
    "withdrawal_vault": "queue: the withdrawal vault's part of the available ether",
    "el_rewards_vault": "queue: the execution-layer rewards vault's part of the available ether",
    "wsteth": "accounting: the wrapped token's rate",
    "accounting_oracle": "accounting: the reported balance against the beacon chain",
    "oracle_report_sanity_checker": "accounting: the limit of a rebase",
    "lido_locator": "roles: the address book's pointers",
}
_URGENT_GROUPS = ("core", "oracle")


def protocol(deployment: Deployment) -> ProtocolSources:
    """The sources of each signal. A missing contract removes what needs it, and ``uncovered`` says so."""
    guarded = tuple(_guarded(d) for d in deployment.contracts.values() if d.roles or d.proxy or d.pause)
    return ProtocolSources(
        NAME,
        deployment.network,
        guarded,
        frozenset(g.name for g in guarded if deployment.contracts[g.name].group in _URGENT_GROUPS),
        LidoChanges(guarded, deployment),
        _queue(deployment),
        _oracles(deployment),
        _accounting(deployment),
        pointers(deployment),
        deployment.names,
        {name: frozenset(d.roles.values()) for name, d in deployment.contracts.items()},
        tuple(_uncovered(deployment)),
        peg=peg(deployment),
        keys=_keys(deployment),
    )


def _guarded(deployed: Deployed) -> Guarded:
    enumerable = deployed.access == "access_control_enumerable"
    roles = deployed.roles if deployed.access in ("access_control_enumerable", "access_control_not_enumerable") else {}
    return Guarded(deployed.contract, roles, enumerable, deployed.proxy, deployed.pause)


def _queue(deployment: Deployment) -> LidoQueue | None:
    if not deployment.has(*_NEEDS["queue"]):
        return None
    vaults = tuple(deployment[name] for name in ("withdrawal_vault", "el_rewards_vault") if deployment.has(name))
    return LidoQueue(deployment["withdrawal_queue"], deployment["lido"] if deployment.has("lido") else None, vaults)


def _oracles(deployment: Deployment) -> tuple[LidoOracle, ...]:
    oracle, committee = _NEEDS["oracle accounting_oracle"]
    return (LidoOracle(deployment[oracle], deployment[committee]),) if deployment.has(oracle, committee) else ()


def _accounting(deployment: Deployment) -> LidoAccounting | None:
    if not deployment.has(*_NEEDS["accounting"]):
        return None
    others = (deployment[n] if deployment.has(n) else None for n in ("wsteth", "accounting_oracle", "oracle_report_sanity_checker"))
    return LidoAccounting(deployment["lido"], *others)


def _keys(deployment: Deployment) -> LidoKeys | None:
    if not deployment.has(*_NEEDS["validators"]):
        return None
    return LidoKeys(deployment["staking_router"], deployment["withdrawal_vault"] if deployment.has("withdrawal_vault") else None, NAME)


def _uncovered(deployment: Deployment) -> list[str]:
    """What is not watched, each with its reason."""
    found = [
        f"{signal}: the deployment has no {', '.join(n for n in needs if not deployment.has(n))}"
        for signal, needs in _NEEDS.items()
        if not deployment.has(*needs)
    ]
    found += [f"{what}: the deployment has no {name}" for name, what in _WISHES.items() if not deployment.has(name)]
    found += [f"peg: venue {venue}: the deployment has no {base}" for venue, base in unlisted(deployment).items()]
    if deployment.market is None:
        found.append("peg: the deployment names no venues")
    for deployed in deployment.contracts.values():
        if deployed.roles and deployed.access != "access_control_enumerable":
            found.append(f"roles of {deployed.contract.name}: holders cannot be listed on chain ({deployed.access}); only changes are seen")
    return found
