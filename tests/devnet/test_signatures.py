"""The stand-ins answer to exactly what Lido's contracts answer to, as far as they have it; and what we read, they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from eth_utils.crypto import keccak

from monitor.devnet.build import Artifacts, signature, types_of
from monitor.protocols.abi import EventType, Function

DATA = yaml.safe_load((Path(__file__).parents[1] / "data" / "lido-signatures.yaml").read_text())
STAND_INS = {
    "lido": ("Lido", "LidoProxy"),
    "wsteth": ("WstETH",),
    "withdrawal_queue": ("WithdrawalQueueERC721", "OssifiableProxy"),
    "accounting": ("Accounting", "OssifiableProxy"),
    "burner": ("Burner", "OssifiableProxy"),
    "accounting_oracle": ("AccountingOracle", "OssifiableProxy"),
    "hash_consensus_ao": ("HashConsensus",),
    "withdrawal_vault": ("WithdrawalVault", "WithdrawalsManagerProxy"),
    "el_rewards_vault": ("ELRewardsVault",),
    "lido_locator": ("LidoLocator", "OssifiableProxy"),
    "oracle_report_sanity_checker": ("OracleReportSanityChecker",),
    "agent": ("Agent",),
    "kernel": ("Kernel",),
    "staking_router": ("StakingRouter", "OssifiableProxy"),
    "node_operators_registry": ("NodeOperatorsRegistry",),
    "simple_dvt": ("NodeOperatorsRegistry",),
    "circuit_breaker": ("CircuitBreaker",),
}
PROXY_INTERFACES = {
    "OssifiableProxy": "ossifiable_proxy_core",
    "LidoProxy": "ossifiable_proxy_core",
    "WithdrawalsManagerProxy": "withdrawals_manager_proxy",
}
_REGISTRY = {
    # No rewards to operators, no proofs of late exits, no exits triggered, no limits on operators, keys are never removed.
    "getRewardsDistribution", "getRewardDistributionState", "RewardsDistributed", "RewardDistributionStateChanged",
    "exitPenaltyCutoffTimestamp", "isValidatorExitingKeyReported", "isValidatorExitDelayPenaltyApplicable", "ValidatorExitStatusUpdated",
    "ValidatorExitTriggered", "ExitDeadlineThresholdChanged", "TargetValidatorsCountChanged", "NodeOperatorTotalKeysTrimmed",
    # No Aragon behind it.
    "canPerform", "RecoverToVault", "ScriptResult",
}  # fmt: skip
NOT_ON_THE_DEVNET = {
    "node_operators_registry": _REGISTRY,
    "simple_dvt": _REGISTRY,
    # No report reaches the router, nothing is allocated by itself, and limits and fees are what they are.
    "staking_router": {
        "getStakingModuleStateAccounting", "getModuleValidatorsBalance", "getTotalModulesValidatorsBalance", "getAllNodeOperatorDigests",
        "getNodeOperatorDigests", "getAllStakingModuleDigests", "getStakingRewardsDistribution", "getStakingFeeAggregateDistribution",
        "getTotalFeeE4Precision", "getDepositAllocations", "getMaxTopUpPerBlockGwei", "StakingModuleShareLimitSet", "StakingModuleFeesSet",
        "StakingModuleMaxDepositsPerBlockSet", "StakingModuleMinDepositBlockDistanceSet", "MaxTopUpPerBlockGweiSet",
        "WithdrawalsCredentialsChangeFailed", "StakingModuleExitedValidatorsIncompleteReporting",
        "ExitedAndStuckValidatorsCountsUpdateFailed", "RewardsMintedReportFailed", "StakingModuleExitNotificationFailed",
    },
    # No stake limits, no stVaults' bad debt, no rebalancing of stVaults.
    "lido": {"StakingLimitSet", "StakingLimitRemoved", "ExternalBadDebtInternalized", "ExternalEtherTransferredToBuffer"},
    # No triggered exits, no consolidations, no stray tokens to recover.
    "withdrawal_vault": {
        "getWithdrawalRequestFee", "getConsolidationRequestFee", "addWithdrawalRequests", "addConsolidationRequests", "ERC721Recovered",
        "TRIGGERABLE_WITHDRAWALS_GATEWAY", "CONSOLIDATION_GATEWAY", "WithdrawalRequestAdded", "ConsolidationRequestAdded", "ERC20Recovered",
    },
    "el_rewards_vault": {"ERC20Recovered", "ERC721Recovered"},
    "burner": {"ERC20Recovered", "ERC721Recovered", "ExcessStETHRecovered"},
    # Contracts that are not there.
    "lido_locator": {
        "validatorsExitBusOracle", "oracleDaemonConfig", "depositSecurityModule", "triggerableWithdrawalsGateway", "vaultFactory",
        "validatorExitDelayVerifier", "consolidationGateway", "topUpGateway", "lazyOracle", "operatorGrid", "predepositGuarantee",
    },
    # One limit can be changed; the checks of a report are inside Accounting.
    "oracle_report_sanity_checker": {
        "getOracleReportLimits", "secondOpinionOracle", "lastReportTimestamp", "lastVaultBalanceAfterTransfer",
        "getReportDataCount", "reportData", "isPostMigrationFirstReportDone", "NegativeCLRebaseAccepted",
        "NegativeCLRebaseConfirmed", "SecondOpinionOracleChanged", "BaselineSnapshotMigrated", "AnnualBalanceIncreaseBPLimitSet",
        "AppearedEthAmountPerDayLimitSet", "CLBalanceOraclesErrorUpperBPLimitSet", "ConsolidationEthAmountPerDayLimitSet",
        "ExitedEthAmountPerDayLimitSet", "ExitedValidatorEthAmountLimitSet", "ExternalPendingBalanceCapEthSet",
        "MaxBalanceExitRequestedPerReportInEthSet", "MaxCLBalanceDecreaseBPSet", "MaxEffectiveBalanceWeightWCType01Set",
        "MaxEffectiveBalanceWeightWCType02Set", "MaxItemsPerExtraDataTransactionSet", "MaxNodeOperatorsPerExtraDataItemSet",
        "RequestTimestampMarginSet", "SimulatedShareRateDeviationBPLimitSet",
    },
    "agent": {"SafeExecute", "SetDesignatedSigner", "PresignHash", "VaultTransfer", "VaultDeposit"},
}  # fmt: skip


def described(name: str, kind: str) -> list[dict[str, Any]]:
    """What mainnet's contract has: its own, and that of the interfaces that it and its proxy implement."""
    interfaces = [*DATA["contracts"][name]["implements"], *(PROXY_INTERFACES[a] for a in STAND_INS[name] if a in PROXY_INTERFACES)]
    return [*DATA["contracts"][name][kind], *(item for i in interfaces for item in DATA["interfaces"][i][kind])]


def ours(compiled: Artifacts, name: str, kind: str) -> list[dict[str, Any]]:
    return [item for artifact in STAND_INS[name] for item in compiled[artifact].abi if item["type"] == kind]


@pytest.mark.parametrize("name", STAND_INS)
def test_every_function_with_a_namesake_on_mainnet_has_its_selector_and_types(compiled: Artifacts, name: str) -> None:
    expected = {item["selector"]: item for item in described(name, "functions")}
    names = {Function.parse(item["fragment"]).name for item in expected.values()}
    for item in ours(compiled, name, "function"):
        if item["name"] not in names:
            continue
        selector = "0x" + keccak(text=signature(item))[:4].hex()
        assert selector in expected, f"{name}.{signature(item)} is not what mainnet has"
        assert tuple(types_of(item["outputs"])) == Function.parse(expected[selector]["fragment"]).outputs, signature(item)


@pytest.mark.parametrize("name", STAND_INS)
def test_every_event_with_a_namesake_on_mainnet_has_its_topic_and_layout(compiled: Artifacts, name: str) -> None:
    expected: dict[str, set[tuple[bool, ...]]] = {}
    names = set()
    for item in described(name, "events"):
        event = EventType.parse(item["fragment"])
        names.add(event.name)
        expected.setdefault(item["topic0"], set()).add(tuple(p.indexed for p in event.parameters))
    for item in ours(compiled, name, "event"):
        if item["name"] not in names:
            continue
        topic = "0x" + keccak(text=signature(item)).hex()
        assert topic in expected, f"{name}: event {signature(item)} is not what mainnet has"
        assert tuple(i["indexed"] for i in item["inputs"]) in expected[topic], signature(item)


@pytest.mark.parametrize("name", STAND_INS)
def test_nothing_that_mainnet_has_is_missing_but_what_is_named(compiled: Artifacts, name: str) -> None:
    functions = {"0x" + keccak(text=signature(item))[:4].hex() for item in ours(compiled, name, "function")}
    topics = {"0x" + keccak(text=signature(item)).hex() for item in ours(compiled, name, "event")}
    missing = {item["sig"].split("(")[0] for item in described(name, "functions") if item["selector"] not in functions}
    missing |= {item["sig"].split("(")[0] for item in described(name, "events") if item["topic0"] not in topics}
    # An exception that is no longer one must go, too.
    assert missing == NOT_ON_THE_DEVNET.get(name, set())


def test_errors_have_mainnets_selectors(compiled: Artifacts) -> None:
    place = {"oracle_report_sanity_checker": ("RebaseMath", "Accounting", "OracleReportSanityChecker")}
    compared = 0
    for item in DATA["errors"]:
        known = {
            s: e
            for artifact in place.get(item["contract"], STAND_INS.get(item["contract"], ()))
            for s, e in compiled[artifact].errors.items()
        }
        if item["sig"].split("(")[0] in {text.split("(")[0] for text in known.values()}:
            assert known.get(item["selector"]) == item["sig"]
            compared += 1
    assert compared >= 15


def test_multicall_answers_to_the_selectors_that_the_world_calls(compiled: Artifacts) -> None:
    selectors = {
        signature(item): "0x" + keccak(text=signature(item))[:4].hex() for item in compiled["Multicall3"].abi if item["type"] == "function"
    }
    assert selectors["aggregate3((address,bool,bytes)[])"] == "0x82ad56cb"
    assert selectors["tryAggregate(bool,(address,bytes)[])"] == "0xbce38bd7"
    assert selectors["aggregate((address,bytes)[])"] == "0x252dba42"
    assert selectors["blockAndAggregate((address,bytes)[])"] == "0xc3077fa9"


def test_the_safe_answers_to_the_selectors_that_the_world_calls(compiled: Artifacts) -> None:
    items = [item for name in ("Safe", "MultiSendCallOnly") for item in compiled[name].abi]
    selectors = {item["name"]: "0x" + keccak(text=signature(item))[:4].hex() for item in items if item["type"] == "function"}
    topics = {item["name"]: "0x" + keccak(text=signature(item)).hex() for item in items if item["type"] == "event"}
    expected = {
        "execTransaction": "0x6a761202", "getTransactionHash": "0xd8d11f78", "approveHash": "0xd4d9bdcd", "checkSignatures": "0x934f3a11",
        "nonce": "0xaffed0e0", "getOwners": "0xa0e67e2b", "getThreshold": "0xe75235b8", "setup": "0xb63e800d", "multiSend": "0x8d80ff0a",
        "getModulesPaginated": "0xcc2f8452", "VERSION": "0xffa1ad74", "isOwner": "0x2f54bf6e",
    }  # fmt: skip
    assert {name: selectors[name] for name in expected} == expected
    assert topics["ExecutionSuccess"] == "0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e"
    assert topics["ExecutionFailure"] == "0x23428b18acfb3ea64b08dc0c1d296ea9c09702c09083ca5272e64d115b687d23"
