"""Lido's address book. Its getters are constants of its implementation, so an upgrade can swap contracts without another event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.model import Address, Read, Snapshot
from monitor.protocols.abi import Contract, Function
from monitor.protocols.lido.deployment import Deployment
from monitor.protocols.signals import Pointer

_GETTERS = {
    "lido": "lido",
    "accounting": "accounting",
    "accountingOracle": "accounting_oracle",
    "validatorsExitBusOracle": "validators_exit_bus_oracle",
    "oracleReportSanityChecker": "oracle_report_sanity_checker",
    "oracleDaemonConfig": "oracle_daemon_config",
    "withdrawalQueue": "withdrawal_queue",
    "withdrawalVault": "withdrawal_vault",
    "elRewardsVault": "el_rewards_vault",
    "stakingRouter": "staking_router",
    "depositSecurityModule": "deposit_security_module",
    "burner": "burner",
    "treasury": "agent",
    "postTokenRebaseReceiver": "token_rate_notifier",
    "wstETH": "wsteth",
    "triggerableWithdrawalsGateway": "triggerable_withdrawals_gateway",
    "validatorExitDelayVerifier": "validator_exit_delay_verifier",
    "consolidationGateway": "consolidation_gateway",
    "topUpGateway": "top_up_gateway",
    "vaultHub": "vault_hub",
    "lazyOracle": "lazy_oracle",
    "operatorGrid": "operator_grid",
    "predepositGuarantee": "predeposit_guarantee",
}
"""The locator's getters, and our names for what they give."""
GETTERS = {name: Function.parse(f"function {getter}() view returns (address)") for getter, name in _GETTERS.items()}
CONSENSUS_CONTRACT = Function.parse("function getConsensusContract() view returns (address)")


@dataclass(frozen=True)
class LidoPointers:
    """``pointers``: the contract that is asked, its getter, and the contract that it should name."""

    pointers: tuple[tuple[Contract, Function, Contract], ...]

    @property
    def watches(self) -> frozenset[Address]:
        return frozenset(holder.address for holder, _, _ in self.pointers)

    def reads(self) -> Sequence[Read]:
        return [holder.read(getter) for holder, getter, _ in self.pointers]

    def reading(self, snapshot: Snapshot) -> Sequence[Pointer]:
        """Raises Unanswered."""
        return [Pointer(target.name, holder.ask(snapshot, getter), target.address) for holder, getter, target in self.pointers]


def pointers(deployment: Deployment) -> LidoPointers | None:
    """What can be compared: the locator's getters for the deployment's contracts, and the oracle's committee."""
    found: list[tuple[Contract, Function, Contract]] = []
    if deployment.has("lido_locator"):
        locator = deployment["lido_locator"]
        found += [(locator, getter, deployment[name]) for name, getter in GETTERS.items() if deployment.has(name)]
    if deployment.has("accounting_oracle", "hash_consensus_ao"):
        found.append((deployment["accounting_oracle"], CONSENSUS_CONTRACT, deployment["hash_consensus_ao"]))
    return LidoPointers(tuple(found)) if found else None
