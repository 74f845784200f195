// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {
    Collection,
    IBurner,
    ILido,
    ILocator,
    ISanityChecker,
    IWithdrawalQueue,
    Rebase,
    ReportValues
} from "./Interfaces.sol";
import {RebaseMath} from "./RebaseMath.sol";

/// @notice Applies an oracle report: new balances, vaults collected, requests finalized, shares burnt, fees minted, in
/// one transaction and in mainnet's order of events. Emits nothing of its own.
contract Accounting {
    error NotAuthorized();

    struct FeeDistribution {
        address[] moduleFeeRecipients;
        uint256[] moduleIds;
        uint256[] moduleSharesToMint;
        uint256 treasurySharesToMint;
    }

    struct CalculatedValues {
        uint256 withdrawalsVaultTransfer;
        uint256 elRewardsVaultTransfer;
        uint256 etherToFinalizeWQ;
        uint256 sharesToFinalizeWQ;
        uint256 sharesToBurnForWithdrawals;
        uint256 totalSharesToBurn;
        uint256 sharesToMintAsFees;
        FeeDistribution feeDistribution;
        uint256 principalClBalance;
        uint256 preTotalShares;
        uint256 preTotalPooledEther;
        uint256 postInternalShares;
        uint256 postInternalEther;
        uint256 postTotalShares;
        uint256 postTotalPooledEther;
    }

    struct Before {
        uint256 internalEther;
        uint256 internalShares;
        uint256 externalShares;
        uint256 burnRequested;
        uint256 limit;
    }

    uint256 private constant FEE_BP = 1_000;
    uint256 private constant TOTAL_BP = 10_000;
    uint256 private constant E27 = 1e27;

    ILocator private immutable _locator;
    /// The one staking module's reward address.
    address private immutable _module;
    uint256 private immutable _genesisTime;
    uint256 private immutable _secondsPerSlot;

    constructor(address locator, address module, uint256 genesisTime, uint256 secondsPerSlot) {
        _locator = ILocator(locator);
        _module = module;
        _genesisTime = genesisTime;
        _secondsPerSlot = secondsPerSlot;
    }

    function simulateOracleReport(ReportValues calldata _report)
        external
        view
        returns (CalculatedValues memory update)
    {
        return _calculate(_report);
    }

    function handleOracleReport(ReportValues calldata _report) external {
        if (msg.sender != _locator.accountingOracle()) revert NotAuthorized();
        CalculatedValues memory update = _calculate(_report);
        _check(_report, update);
        _apply(_report, update);
    }

    // ------------------------------------------------------------ what the report will do

    function _calculate(ReportValues calldata report) private view returns (CalculatedValues memory u) {
        Before memory pre = _before(u);
        bool finalizes = report.withdrawalFinalizationBatches.length > 0 && !_queue().isPaused();
        if (finalizes) {
            (u.etherToFinalizeWQ, u.sharesToFinalizeWQ) =
                _queue().prefinalize(report.withdrawalFinalizationBatches, report.simulatedShareRate);
        }
        uint256 postCl = report.clValidatorsBalance + report.clPendingBalance;
        uint256 current = pre.internalEther + postCl - u.principalClBalance;
        u.withdrawalsVaultTransfer =
            RebaseMath.room(pre.limit, pre.internalEther, current, report.withdrawalVaultBalance);
        current += u.withdrawalsVaultTransfer;
        u.elRewardsVaultTransfer = RebaseMath.room(pre.limit, pre.internalEther, current, report.elRewardsVaultBalance);
        current = current + u.elRewardsVaultTransfer - u.etherToFinalizeWQ;
        u.totalSharesToBurn = RebaseMath.burnable(
            pre.limit, pre.internalEther, pre.internalShares, current, pre.burnRequested + u.sharesToFinalizeWQ
        );
        u.sharesToBurnForWithdrawals =
            u.totalSharesToBurn > pre.burnRequested ? u.totalSharesToBurn - pre.burnRequested : 0;
        u.postInternalEther = current;
        u.postInternalShares = pre.internalShares - u.totalSharesToBurn;
        _addFees(u, postCl);
        u.postTotalShares = u.postInternalShares + pre.externalShares;
        u.postTotalPooledEther = u.postInternalEther + pre.externalShares * u.postInternalEther / u.postInternalShares;
    }

    function _before(CalculatedValues memory u) private view returns (Before memory pre) {
        ILido lido = _lido();
        (uint256 validators, uint256 pending, uint256 deposited, uint256 depositedForReport) = lido.getBalanceStats();
        u.principalClBalance = validators + pending + depositedForReport;
        u.preTotalShares = lido.getTotalShares();
        u.preTotalPooledEther = lido.getTotalPooledEther();
        pre.externalShares = lido.getExternalShares();
        pre.internalShares = u.preTotalShares - pre.externalShares;
        pre.internalEther = lido.getBufferedEther() + validators + pending + deposited;
        (uint256 cover, uint256 nonCover) = IBurner(_locator.burner()).getSharesRequestedToBurn();
        pre.burnRequested = cover + nonCover;
        pre.limit = ISanityChecker(_locator.oracleReportSanityChecker()).getMaxPositiveTokenRebase();
    }

    /// @dev No fee when the consensus layer lost, even if the execution layer earned. The fee is taken from the rewards
    /// as shares, so that fee shares at the final rate are worth the fee.
    function _addFees(CalculatedValues memory u, uint256 postCl) private view {
        uint256 withCl = postCl + u.withdrawalsVaultTransfer;
        if (withCl > u.principalClBalance) {
            uint256 fee = (withCl - u.principalClBalance + u.elRewardsVaultTransfer) * FEE_BP / TOTAL_BP;
            u.sharesToMintAsFees = fee * u.postInternalShares / (u.postInternalEther - fee);
            u.postInternalShares += u.sharesToMintAsFees;
        }
        FeeDistribution memory fees = u.feeDistribution;
        fees.moduleFeeRecipients = new address[](1);
        fees.moduleIds = new uint256[](1);
        fees.moduleSharesToMint = new uint256[](1);
        fees.moduleFeeRecipients[0] = _module;
        fees.moduleIds[0] = 1;
        fees.moduleSharesToMint[0] = u.sharesToMintAsFees / 2;
        fees.treasurySharesToMint = u.sharesToMintAsFees - fees.moduleSharesToMint[0];
    }

    // ------------------------------------------------------------ may it

    function _check(ReportValues calldata report, CalculatedValues memory u) private view {
        uint256 inVault = _locator.withdrawalVault().balance;
        if (report.withdrawalVaultBalance > inVault) revert RebaseMath.IncorrectWithdrawalsVaultBalance(inVault);
        uint256 inRewards = _locator.elRewardsVault().balance;
        if (report.elRewardsVaultBalance > inRewards) revert RebaseMath.IncorrectELRewardsVaultBalance(inRewards);
        RebaseMath.checkDecrease(
            u.principalClBalance, report.clValidatorsBalance + report.clPendingBalance, u.withdrawalsVaultTransfer
        );
        if (report.withdrawalFinalizationBatches.length == 0) return;
        uint256 actual =
            (u.postInternalEther + u.etherToFinalizeWQ) * E27 / (u.postInternalShares + u.sharesToBurnForWithdrawals);
        RebaseMath.checkShareRate(report.simulatedShareRate, actual);
        uint256 newest = _queue().requestTimestamp(_lastId(report));
        if (newest + RebaseMath.REQUEST_TIMESTAMP_MARGIN > report.timestamp) {
            revert RebaseMath.IncorrectRequestFinalization(newest);
        }
    }

    // ------------------------------------------------------------ do it

    function _apply(ReportValues calldata report, CalculatedValues memory u) private {
        IBurner burner = IBurner(_locator.burner());
        if (u.sharesToFinalizeWQ > 0) burner.requestBurnShares(address(_queue()), u.sharesToFinalizeWQ);
        _lido()
            .processClStateUpdate(
                report.timestamp, _refSlot(report.timestamp), report.clValidatorsBalance, report.clPendingBalance
            );
        if (u.totalSharesToBurn > 0) burner.commitSharesToBurn(u.totalSharesToBurn);
        _lido()
            .collectAndFinalize(
                Collection({
                timestamp: report.timestamp,
                principal: u.principalClBalance,
                postClBalance: report.clValidatorsBalance + report.clPendingBalance,
                withdrawals: u.withdrawalsVaultTransfer,
                elRewards: u.elRewardsVaultTransfer,
                lastRequestId: u.sharesToFinalizeWQ > 0 ? _lastId(report) : 0,
                shareRate: report.simulatedShareRate,
                etherToLock: u.etherToFinalizeWQ
            })
            );
        if (u.sharesToMintAsFees > 0) {
            _lido().mintShares(_module, u.feeDistribution.moduleSharesToMint[0]);
            _lido().mintShares(_locator.treasury(), u.feeDistribution.treasurySharesToMint);
        }
        _lido()
            .emitTokenRebase(
                Rebase(
                    report.timestamp, report.timeElapsed, u.preTotalShares, u.preTotalPooledEther, u.sharesToMintAsFees
                )
            );
    }

    function _lastId(ReportValues calldata report) private pure returns (uint256) {
        return report.withdrawalFinalizationBatches[report.withdrawalFinalizationBatches.length - 1];
    }

    function _refSlot(uint256 timestamp) private view returns (uint256) {
        return (timestamp - _genesisTime) / _secondsPerSlot;
    }

    function _lido() private view returns (ILido) {
        return ILido(_locator.lido());
    }

    function _queue() private view returns (IWithdrawalQueue) {
        return IWithdrawalQueue(_locator.withdrawalQueue());
    }
}
