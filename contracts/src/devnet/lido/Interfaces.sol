// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// What an oracle report says, in the form in which AccountingOracle hands it to Accounting.
struct ReportValues {
    uint256 timestamp;
    uint256 timeElapsed;
    uint256 clValidatorsBalance;
    uint256 clPendingBalance;
    uint256 withdrawalVaultBalance;
    uint256 elRewardsVaultBalance;
    uint256 sharesRequestedToBurn;
    uint256[] withdrawalFinalizationBatches;
    uint256 simulatedShareRate;
}

interface ILocator {
    function lido() external view returns (address);
    function accounting() external view returns (address);
    function accountingOracle() external view returns (address);
    function withdrawalQueue() external view returns (address);
    function withdrawalVault() external view returns (address);
    function elRewardsVault() external view returns (address);
    function stakingRouter() external view returns (address);
    function burner() external view returns (address);
    function treasury() external view returns (address);
    function vaultHub() external view returns (address);
    function wstETH() external view returns (address);
    function oracleReportSanityChecker() external view returns (address);
}

interface ISanityChecker {
    function getMaxPositiveTokenRebase() external view returns (uint256);
}

interface ILido {
    function submit(address referral) external payable returns (uint256);
    function sharesOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function transferShares(address to, uint256 shares) external returns (uint256);
    function transferSharesFrom(address from, address to, uint256 shares) external returns (uint256);
    function getSharesByPooledEth(uint256 amount) external view returns (uint256);
    function getPooledEthByShares(uint256 shares) external view returns (uint256);
    function getTotalShares() external view returns (uint256);
    function getExternalShares() external view returns (uint256);
    function getTotalPooledEther() external view returns (uint256);
    function getBufferedEther() external view returns (uint256);
    function getWithdrawalsReserve() external view returns (uint256);
    function getBalanceStats() external view returns (uint256, uint256, uint256, uint256);
    function isStopped() external view returns (bool);
    function receiveWithdrawals() external payable;
    function receiveELRewards() external payable;
    function processClStateUpdate(uint256 timestamp, uint256 refSlot, uint256 validators, uint256 pending) external;
    function collectAndFinalize(Collection calldata collection) external;
    function mintShares(address to, uint256 shares) external;
    function burnShares(uint256 shares) external;
    function emitTokenRebase(Rebase calldata rebase) external;
}

/// The ether that a report moves, and what it finalizes with it.
struct Collection {
    uint256 timestamp;
    uint256 principal;
    uint256 postClBalance;
    uint256 withdrawals;
    uint256 elRewards;
    uint256 lastRequestId;
    uint256 shareRate;
    uint256 etherToLock;
}

/// The totals before and after a report.
struct Rebase {
    uint256 timestamp;
    uint256 timeElapsed;
    uint256 preTotalShares;
    uint256 preTotalEther;
    uint256 sharesMintedAsFees;
}

interface IWithdrawalQueue {
    function isPaused() external view returns (bool);
    function isBunkerModeActive() external view returns (bool);
    function unfinalizedStETH() external view returns (uint256);
    function getLastFinalizedRequestId() external view returns (uint256);
    function requestTimestamp(uint256 requestId) external view returns (uint256);
    function prefinalize(uint256[] calldata batches, uint256 maxShareRate) external view returns (uint256, uint256);
    function finalize(uint256 lastRequestId, uint256 maxShareRate) external payable;
    function onOracleReport(bool isBunkerMode, uint256 bunkerStart, uint256 reportTimestamp) external;
}

interface IBurner {
    function requestBurnShares(address from, uint256 shares) external;
    function commitSharesToBurn(uint256 shares) external;
    function getSharesRequestedToBurn() external view returns (uint256 coverShares, uint256 nonCoverShares);
}

interface IVault {
    function withdrawWithdrawals(uint256 amount) external;
    function withdrawRewards(uint256 maxAmount) external returns (uint256);
}

interface IAccounting {
    function handleOracleReport(ReportValues calldata report) external;
}

interface IAccountingOracle {
    function getCurrentFrame() external view returns (uint256 refSlot, uint256 refSlotTimestamp);
}

interface IHashConsensus {
    function getIsMember(address account) external view returns (bool);
    function getChainConfig() external view returns (uint256, uint256, uint256);
    function getCurrentFrame() external view returns (uint256 refSlot, uint256 deadlineSlot);
    function getInitialRefSlot() external view returns (uint256);
}

interface IReportProcessor {
    function submitConsensusReport(bytes32 report, uint256 refSlot, uint256 deadline) external;
    function discardConsensusReport(uint256 refSlot) external;
    function getLastProcessingRefSlot() external view returns (uint256);
    function getConsensusVersion() external view returns (uint256);
}
