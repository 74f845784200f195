// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Backdoor} from "./Backdoor.sol";
import {Versioned} from "./Roles.sol";
import {Collection, IAccountingOracle, ILocator, IVault, IWithdrawalQueue, Rebase} from "./Interfaces.sol";

/// @notice Devnet stand-in of Lido v4: the pool. Its state obeys the identities of lido.md 4.1 to the wei:
/// internal ether = buffered + CL validators + CL pending + deposited since the last report.
/// @dev On mainnet the rights to stop and to configure live in the Aragon ACL; here the Agent has them all.
contract Lido is Backdoor, Versioned {
    event Submitted(address indexed sender, uint256 amount, address referral);
    event Unbuffered(uint256 amount);
    event DepositedPostReportUpdated(uint256 depositedPostReport);
    event DepositedValidatorsChanged(uint256 depositedValidators);
    event CLBalancesUpdated(uint256 indexed reportTimestamp, uint256 clValidatorsBalance, uint256 clPendingBalance);
    event ELRewardsReceived(uint256 amount);
    event WithdrawalsReceived(uint256 amount);
    event ETHDistributed(
        uint256 indexed reportTimestamp,
        uint256 preCLBalance,
        uint256 postCLBalance,
        uint256 withdrawalsWithdrawn,
        uint256 executionLayerRewardsWithdrawn,
        uint256 postBufferedEther
    );
    event TokenRebased(
        uint256 indexed reportTimestamp,
        uint256 timeElapsed,
        uint256 preTotalShares,
        uint256 preTotalEther,
        uint256 postTotalShares,
        uint256 postTotalEther,
        uint256 sharesMintedAsFees
    );
    event InternalShareRateUpdated(
        uint256 indexed reportTimestamp,
        uint256 postInternalShares,
        uint256 postInternalEther,
        uint256 sharesMintedAsFees
    );
    event ExternalSharesMinted(address indexed receiver, uint256 amountOfShares);
    event ExternalSharesBurnt(uint256 amountOfShares);
    event MaxExternalRatioBPSet(uint256 maxExternalRatioBP);
    event DepositsReserveSet(uint256 depositsReserve);
    event DepositsReserveTargetSet(uint256 depositsReserveTarget);
    event StakingPaused();
    event StakingResumed();
    event Stopped();
    event Resumed();
    event LidoLocatorSet(address lidoLocator);

    error Unauthorized();
    error ContractIsStopped();
    error StakingIsPaused();
    error ZeroDeposit();
    error NotEnoughEther();
    error ExternalRatioExceeded();

    /// Deposits made while the frame of `refSlot` was current: the first report after that frame's covers them.
    struct Deposits {
        uint64 refSlot;
        uint192 amount;
    }

    address private constant INITIAL_HOLDER = 0x000000000000000000000000000000000000dEaD;
    uint256 private constant TOTAL_BP = 10_000;

    ILocator private immutable _locator;

    uint256 private _buffered;
    uint256 private _clValidators;
    uint256 private _clPending;
    uint256 private _depositedValidators;
    uint256 private _depositsReserve;
    uint256 private _depositsReserveTarget;
    uint256 private _maxExternalRatioBP;
    uint256 private _elRewardsCollected;
    bool private _stopped;
    bool private _stakingPaused;
    Deposits[] private _deposits;

    modifier only(address who) {
        if (msg.sender != who) revert Unauthorized();
        _;
    }

    constructor(address locator) {
        _locator = ILocator(locator);
    }

    /// @dev The first ether belongs to nobody, so that the rate is never zero over zero.
    function initialize(uint256 depositsReserveTarget, uint256 maxExternalRatioBP) external payable {
        _initializeVersion(4);
        if (msg.value == 0) revert ZeroDeposit();
        _buffered = msg.value;
        _mint(INITIAL_HOLDER, msg.value);
        _emitMint(INITIAL_HOLDER, msg.value);
        _depositsReserveTarget = depositsReserveTarget;
        _maxExternalRatioBP = maxExternalRatioBP;
        emit LidoLocatorSet(address(_locator));
        emit DepositsReserveTargetSet(depositsReserveTarget);
        emit MaxExternalRatioBPSet(maxExternalRatioBP);
    }

    // ------------------------------------------------------------ staking

    receive() external payable {
        _submit(address(0));
    }

    function submit(address referral) external payable returns (uint256) {
        return _submit(referral);
    }

    function _submit(address referral) private returns (uint256 shares) {
        _requireNotStopped();
        if (_stakingPaused) revert StakingIsPaused();
        if (msg.value == 0) revert ZeroDeposit();
        shares = getSharesByPooledEth(msg.value);
        _mint(msg.sender, shares);
        _buffered += msg.value;
        emit Submitted(msg.sender, msg.value, referral);
        _emitMint(msg.sender, shares);
    }

    /// @notice The staking router takes ether for deposits; it is accounted as on its way until a report sees it.
    function withdrawDepositableEther(uint256 amount, uint256 seedDeposits) external only(_locator.stakingRouter()) {
        if (!canDeposit()) revert ContractIsStopped();
        if (amount == 0 || amount > getDepositableEther()) revert NotEnoughEther();
        uint256 reserve = getDepositsReserve();
        _setDepositsReserve(reserve > amount ? reserve - amount : 0);
        _buffered -= amount;
        _recordDeposit(amount);
        emit Unbuffered(amount);
        if (seedDeposits > 0) {
            _depositedValidators += seedDeposits;
            emit DepositedValidatorsChanged(_depositedValidators);
        }
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert NotEnoughEther();
    }

    function _recordDeposit(uint256 amount) private {
        uint64 refSlot = uint64(_currentRefSlot());
        uint256 count = _deposits.length;
        if (count > 0 && _deposits[count - 1].refSlot == refSlot) {
            _deposits[count - 1].amount += uint192(amount);
        } else {
            _deposits.push(Deposits(refSlot, uint192(amount)));
        }
    }

    // ------------------------------------------------------------ stVaults

    function mintExternalShares(address recipient, uint256 shares) external only(_locator.vaultHub()) {
        _requireNotStopped();
        if (shares > getMaxMintableExternalShares()) revert ExternalRatioExceeded();
        _externalShares += shares;
        _mint(recipient, shares);
        _emitMint(recipient, shares);
        emit ExternalSharesMinted(recipient, shares);
    }

    function burnExternalShares(uint256 shares) external only(_locator.vaultHub()) {
        _requireNotStopped();
        // External shares go with the burnt ones, so the internal rate is untouched.
        _externalShares -= shares;
        _burn(msg.sender, shares);
        emit ExternalSharesBurnt(shares);
    }

    // ------------------------------------------------------------ the report (Accounting calls these in this order)

    function processClStateUpdate(uint256 timestamp, uint256 refSlot, uint256 validators, uint256 pending)
        external
        only(_locator.accounting())
    {
        _requireNotStopped();
        _clValidators = validators;
        _clPending = pending;
        _forgetDepositsBefore(refSlot);
        emit DepositedPostReportUpdated(_depositedBefore(type(uint256).max));
        emit CLBalancesUpdated(timestamp, validators, pending);
    }

    function burnShares(uint256 shares) external only(_locator.burner()) {
        _burn(msg.sender, shares);
    }

    function collectAndFinalize(Collection calldata c) external only(_locator.accounting()) {
        if (c.elRewards > 0) IVault(_locator.elRewardsVault()).withdrawRewards(c.elRewards);
        if (c.withdrawals > 0) IVault(_locator.withdrawalVault()).withdrawWithdrawals(c.withdrawals);
        if (c.etherToLock > getWithdrawalsReserve() + c.elRewards + c.withdrawals) revert NotEnoughEther();
        if (c.lastRequestId > 0) {
            IWithdrawalQueue(_locator.withdrawalQueue()).finalize{value: c.etherToLock}(c.lastRequestId, c.shareRate);
        }
        _buffered = _buffered + c.elRewards + c.withdrawals - c.etherToLock;
        _setDepositsReserve(_depositsReserveTarget);
        emit ETHDistributed(c.timestamp, c.principal, c.postClBalance, c.withdrawals, c.elRewards, _buffered);
    }

    function receiveELRewards() external payable only(_locator.elRewardsVault()) {
        _elRewardsCollected += msg.value;
        emit ELRewardsReceived(msg.value);
    }

    function receiveWithdrawals() external payable only(_locator.withdrawalVault()) {
        emit WithdrawalsReceived(msg.value);
    }

    function mintShares(address to, uint256 shares) external only(_locator.accounting()) {
        _mint(to, shares);
        _emitMint(to, shares);
    }

    function emitTokenRebase(Rebase calldata r) external only(_locator.accounting()) {
        emit TokenRebased(
            r.timestamp,
            r.timeElapsed,
            r.preTotalShares,
            r.preTotalEther,
            _totalShares,
            getTotalPooledEther(),
            r.sharesMintedAsFees
        );
        emit InternalShareRateUpdated(r.timestamp, _internalShares(), _internalEther(), r.sharesMintedAsFees);
    }

    // ------------------------------------------------------------ the Agent's rights

    function stop() external only(_locator.treasury()) {
        _stopped = true;
        _stakingPaused = true;
        emit Stopped();
        emit StakingPaused();
    }

    function resume() external only(_locator.treasury()) {
        _stopped = false;
        _stakingPaused = false;
        emit Resumed();
        emit StakingResumed();
    }

    function pauseStaking() external only(_locator.treasury()) {
        _stakingPaused = true;
        emit StakingPaused();
    }

    function resumeStaking() external only(_locator.treasury()) {
        _requireNotStopped();
        _stakingPaused = false;
        emit StakingResumed();
    }

    function setMaxExternalRatioBP(uint256 _maxExternalRatioBP_) external only(_locator.treasury()) {
        _maxExternalRatioBP = _maxExternalRatioBP_;
        emit MaxExternalRatioBPSet(_maxExternalRatioBP_);
    }

    function setDepositsReserveTarget(uint256 _newDepositsReserveTarget) external only(_locator.treasury()) {
        _depositsReserveTarget = _newDepositsReserveTarget;
        emit DepositsReserveTargetSet(_newDepositsReserveTarget);
    }

    // ------------------------------------------------------------ views

    function getBufferedEther() external view returns (uint256) {
        return _buffered;
    }

    function getBalanceStats()
        external
        view
        returns (
            uint256 clValidatorsBalanceAtLastReport,
            uint256 clPendingBalanceAtLastReport,
            uint256 depositedSinceLastReport,
            uint256 depositedForCurrentReport
        )
    {
        return (_clValidators, _clPending, _depositedBefore(type(uint256).max), _depositedBefore(_currentRefSlot()));
    }

    function getBeaconStat()
        external
        view
        returns (uint256 depositedValidators, uint256 beaconValidators, uint256 beaconBalance)
    {
        return (_depositedValidators, _depositedValidators, _clValidators + _clPending);
    }

    function getDepositsReserve() public view returns (uint256 depositsReserve) {
        return _depositsReserve < _buffered ? _depositsReserve : _buffered;
    }

    function getDepositsReserveTarget() external view returns (uint256) {
        return _depositsReserveTarget;
    }

    function getWithdrawalsReserve() public view returns (uint256) {
        uint256 rest = _buffered - getDepositsReserve();
        uint256 wanted = IWithdrawalQueue(_locator.withdrawalQueue()).unfinalizedStETH();
        return rest < wanted ? rest : wanted;
    }

    function getDepositableEther() public view returns (uint256) {
        return _buffered - getWithdrawalsReserve();
    }

    function canDeposit() public view returns (bool) {
        return !_stopped && !IWithdrawalQueue(_locator.withdrawalQueue()).isBunkerModeActive();
    }

    function getMaxExternalRatioBP() external view returns (uint256) {
        return _maxExternalRatioBP;
    }

    /// @dev The most x with (external + x) / (total + x) <= ratio.
    function getMaxMintableExternalShares() public view returns (uint256) {
        uint256 cap = _maxExternalRatioBP;
        if (cap >= TOTAL_BP) return type(uint256).max;
        uint256 allowed = _totalShares * cap;
        uint256 used = _externalShares * TOTAL_BP;
        return allowed <= used ? 0 : (allowed - used) / (TOTAL_BP - cap);
    }

    function getTotalELRewardsCollected() external view returns (uint256) {
        return _elRewardsCollected;
    }

    function getWithdrawalCredentials() external view returns (bytes32) {
        return bytes32((uint256(1) << 248) | uint256(uint160(_locator.withdrawalVault())));
    }

    function isStopped() external view returns (bool) {
        return _stopped;
    }

    function isStakingPaused() external view returns (bool) {
        return _stakingPaused;
    }

    function getCurrentStakeLimit() public view returns (uint256) {
        return _stakingPaused ? 0 : type(uint256).max;
    }

    /// @dev No limit is ever set here, so the history of the limit is zero.
    function getStakeLimitFullInfo()
        external
        view
        returns (
            bool isStakingPaused_,
            bool isStakingLimitSet,
            uint256 currentStakeLimit,
            uint256 maxStakeLimit,
            uint256 maxStakeLimitGrowthBlocks,
            uint256 prevStakeLimit,
            uint256 prevStakeBlockNumber
        )
    {
        return (_stakingPaused, false, getCurrentStakeLimit(), 0, 0, 0, 0);
    }

    function getFee() external pure returns (uint16 totalFee) {
        return 1000;
    }

    function getFeeDistribution()
        external
        pure
        returns (uint16 treasuryFeeBasisPoints, uint16 insuranceFeeBasisPoints, uint16 operatorsFeeBasisPoints)
    {
        return (5000, 0, 5000);
    }

    function getTreasury() external view returns (address) {
        return _locator.treasury();
    }

    function getLidoLocator() external view returns (address) {
        return address(_locator);
    }

    // ------------------------------------------------------------ inside

    function _internalEther() internal view override returns (uint256) {
        return _buffered + _clValidators + _clPending + _depositedBefore(type(uint256).max);
    }

    function _requireNotStopped() internal view override {
        if (_stopped) revert ContractIsStopped();
    }

    /// @dev The queue and the burner move stETH for their users without an allowance of their own kind.
    function _spendAllowance(address from, uint256 amount) internal override {
        if (msg.sender == _locator.burner() && from == _locator.withdrawalQueue()) return;
        super._spendAllowance(from, amount);
    }

    function _currentRefSlot() private view returns (uint256 refSlot) {
        (refSlot,) = IAccountingOracle(_locator.accountingOracle()).getCurrentFrame();
    }

    function _depositedBefore(uint256 refSlot) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _deposits.length; ++i) {
            if (_deposits[i].refSlot < refSlot) sum += _deposits[i].amount;
        }
    }

    function _forgetDepositsBefore(uint256 refSlot) private {
        uint256 kept = 0;
        uint256 count = _deposits.length;
        for (uint256 i = 0; i < count; ++i) {
            if (_deposits[i].refSlot >= refSlot) _deposits[kept++] = _deposits[i];
        }
        for (uint256 i = kept; i < count; ++i) {
            _deposits.pop();
        }
    }

    function _setDepositsReserve(uint256 reserve) private {
        if (_depositsReserve == reserve) return;
        _depositsReserve = reserve;
        emit DepositsReserveSet(reserve);
    }
}

/// @notice Another implementation of the same pool: what an upgrade would put behind the proxy.
contract LidoNext is Lido {
    constructor(address locator) Lido(locator) {}

    function devRelease() external pure returns (string memory) {
        return "next";
    }
}
