// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControlEnumerable} from "@openzeppelin/contracts/access/extensions/AccessControlEnumerable.sol";
import {ILocator} from "./Interfaces.sol";

interface IDepositSource {
    function withdrawDepositableEther(uint256 amount, uint256 seedDeposits) external;
}

interface IModule {
    function devDeposited(uint256 operator, uint64 count) external;
    function getNonce() external view returns (uint256);
    function getStakingModuleSummary() external view returns (uint256 exited, uint256 deposited, uint256 depositable);
    function getNodeOperatorSummary(uint256 operator)
        external
        view
        returns (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256);
}

/// @notice Devnet stand-in of the staking router (version 4): the list of modules, and the way of ether to validators.
/// @dev No report reaches it here, so balances and exits that a report would bring are zero.
contract StakingRouter is AccessControlEnumerable {
    struct StakingModule {
        uint24 id;
        address stakingModuleAddress;
        uint16 stakingModuleFee;
        uint16 treasuryFee;
        uint16 stakeShareLimit;
        uint8 status;
        string name;
        uint64 lastDepositAt;
        uint256 lastDepositBlock;
        uint256 exitedValidatorsCount;
        uint16 priorityExitShareThreshold;
        uint64 maxDepositsPerBlock;
        uint64 minDepositBlockDistance;
        uint8 withdrawalCredentialsType;
        uint64 validatorsBalanceGwei;
    }

    struct StateConfig {
        address moduleAddress;
        uint16 moduleFee;
        uint16 treasuryFee;
        uint16 stakeShareLimit;
        uint16 priorityExitShareThreshold;
        uint8 status;
        uint8 withdrawalCredentialsType;
    }

    struct StateDeposits {
        uint64 lastDepositAt;
        uint64 lastDepositBlock;
        uint64 maxDepositsPerBlock;
        uint64 minDepositBlockDistance;
    }

    struct ModuleSummary {
        uint256 totalExitedValidators;
        uint256 totalDepositedValidators;
        uint256 depositableValidatorsCount;
    }

    struct OperatorSummary {
        uint256 targetLimitMode;
        uint256 targetValidatorsCount;
        uint256 stuckValidatorsCount;
        uint256 refundedValidatorsCount;
        uint256 stuckPenaltyEndTimestamp;
        uint256 totalExitedValidators;
        uint256 totalDepositedValidators;
        uint256 depositableValidatorsCount;
    }

    event Initialized(uint64 version);
    event StakingModuleAdded(uint256 indexed stakingModuleId, address stakingModule, string name, address createdBy);
    event StakingModuleStatusSet(uint256 indexed stakingModuleId, uint8 status, address setBy);
    event WithdrawalCredentialsSet(bytes32 withdrawalCredentials, address setBy);
    event StakingRouterETHDeposited(uint256 indexed stakingModuleId, uint256 amount);
    event StakingRouterETHTopUp(uint256 indexed stakingModuleId, uint256 amount);
    event DepositableEthReceived(uint256 amount);

    error AlreadyInitialized();
    error StakingModuleUnregistered();
    error NotLido();
    error DepositFailed();
    error ListsDiffer();

    bytes32 public constant STAKING_MODULE_MANAGE_ROLE = keccak256("STAKING_MODULE_MANAGE_ROLE");
    bytes32 public constant MANAGE_WITHDRAWAL_CREDENTIALS_ROLE = keccak256("MANAGE_WITHDRAWAL_CREDENTIALS_ROLE");
    uint256 private constant SEED = 32 ether;
    /// @dev The deposit contract of mainnet: on the devnet nothing is there but the ether.
    address private constant DEPOSIT_CONTRACT = 0x00000000219ab540356cBB839Cbe05303d7705Fa;

    ILocator private immutable _locator;
    bool private _initialized;
    bytes32 private _credentials;
    StakingModule[] private _modules;

    constructor(address locator) {
        _locator = ILocator(locator);
    }

    /// @dev Only Lido gives ether, and only what a deposit asks for.
    receive() external payable {
        if (msg.sender != _locator.lido()) revert NotLido();
        emit DepositableEthReceived(msg.value);
    }

    function initialize(address admin, bytes32 credentials) external {
        if (_initialized) revert AlreadyInitialized();
        _initialized = true;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(STAKING_MODULE_MANAGE_ROLE, admin);
        _credentials = credentials;
        emit Initialized(4);
        emit WithdrawalCredentialsSet(credentials, msg.sender);
    }

    // ------------------------------------------------------------ what its managers do

    function devAddModule(string calldata _name, address _module, uint8 _credentialsType)
        external
        onlyRole(STAKING_MODULE_MANAGE_ROLE)
    {
        StakingModule storage module = _modules.push();
        module.id = uint24(_modules.length);
        module.stakingModuleAddress = _module;
        module.stakingModuleFee = 500;
        module.treasuryFee = 500;
        module.stakeShareLimit = 10_000;
        module.priorityExitShareThreshold = 10_000;
        module.name = _name;
        module.maxDepositsPerBlock = 150;
        module.minDepositBlockDistance = 25;
        module.withdrawalCredentialsType = _credentialsType;
        emit StakingModuleAdded(module.id, _module, _name, msg.sender);
        emit StakingModuleStatusSet(module.id, 0, msg.sender);
    }

    function setStakingModuleStatus(uint256 _stakingModuleId, uint8 _status)
        external
        onlyRole(STAKING_MODULE_MANAGE_ROLE)
    {
        _module(_stakingModuleId).status = _status;
        emit StakingModuleStatusSet(_stakingModuleId, _status, msg.sender);
    }

    function setWithdrawalCredentials(bytes32 _withdrawalCredentials)
        external
        onlyRole(MANAGE_WITHDRAWAL_CREDENTIALS_ROLE)
    {
        _credentials = _withdrawalCredentials;
        emit WithdrawalCredentialsSet(_withdrawalCredentials, msg.sender);
    }

    /// @notice So many validators of each named operator get 32 ether. Anybody may: guardians' signatures, which the deposit
    /// security module asks for on mainnet, have no stand-in.
    function devDeposit(uint256 _stakingModuleId, uint256[] calldata _operators, uint64[] calldata _counts) external {
        if (_operators.length != _counts.length) revert ListsDiffer();
        StakingModule storage module = _module(_stakingModuleId);
        uint256 total = 0;
        for (uint256 i = 0; i < _operators.length; ++i) {
            total += _counts[i];
            IModule(module.stakingModuleAddress).devDeposited(_operators[i], _counts[i]);
        }
        _send(SEED * total, total);
        module.lastDepositAt = uint64(block.timestamp);
        module.lastDepositBlock = block.number;
        emit StakingRouterETHDeposited(_stakingModuleId, SEED * total);
    }

    /// @notice Ether for validators that have some already.
    function devTopUp(uint256 _stakingModuleId, uint256 _amount) external {
        _module(_stakingModuleId);
        _send(_amount, 0);
        emit StakingRouterETHTopUp(_stakingModuleId, _amount);
    }

    // ------------------------------------------------------------ modules

    function getContractVersion() external pure returns (uint256) {
        return 4;
    }

    function getStakingModules() external view returns (StakingModule[] memory) {
        return _modules;
    }

    function getStakingModule(uint256 _stakingModuleId) external view returns (StakingModule memory) {
        return _module(_stakingModuleId);
    }

    function getStakingModuleIds() external view returns (uint256[] memory ids) {
        ids = new uint256[](_modules.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = _modules[i].id;
        }
    }

    function getStakingModulesCount() external view returns (uint256) {
        return _modules.length;
    }

    function hasStakingModule(uint256 _stakingModuleId) external view returns (bool) {
        return _stakingModuleId != 0 && _stakingModuleId <= _modules.length;
    }

    function getStakingModuleStatus(uint256 _stakingModuleId) external view returns (uint8) {
        return _module(_stakingModuleId).status;
    }

    function getStakingModuleStateConfig(uint256 _stakingModuleId) external view returns (StateConfig memory) {
        StakingModule storage m = _module(_stakingModuleId);
        return StateConfig(
            m.stakingModuleAddress,
            m.stakingModuleFee,
            m.treasuryFee,
            m.stakeShareLimit,
            m.priorityExitShareThreshold,
            m.status,
            m.withdrawalCredentialsType
        );
    }

    function getStakingModuleStateDeposits(uint256 _stakingModuleId) external view returns (StateDeposits memory) {
        StakingModule storage m = _module(_stakingModuleId);
        return
            StateDeposits(m.lastDepositAt, uint64(m.lastDepositBlock), m.maxDepositsPerBlock, m.minDepositBlockDistance);
    }

    function getStakingModuleMaxDepositsPerBlock(uint256 _stakingModuleId) external view returns (uint256) {
        return _module(_stakingModuleId).maxDepositsPerBlock;
    }

    function getStakingModuleMinDepositBlockDistance(uint256 _stakingModuleId) external view returns (uint256) {
        return _module(_stakingModuleId).minDepositBlockDistance;
    }

    // ------------------------------------------------------------ what the modules say

    function getStakingModuleNonce(uint256 _stakingModuleId) external view returns (uint256) {
        return IModule(_module(_stakingModuleId).stakingModuleAddress).getNonce();
    }

    function getStakingModuleSummary(uint256 _stakingModuleId) public view returns (ModuleSummary memory summary) {
        (summary.totalExitedValidators, summary.totalDepositedValidators, summary.depositableValidatorsCount) =
            IModule(_module(_stakingModuleId).stakingModuleAddress).getStakingModuleSummary();
    }

    function getStakingModuleActiveValidatorsCount(uint256 _stakingModuleId)
        external
        view
        returns (uint256 activeValidatorsCount)
    {
        ModuleSummary memory summary = getStakingModuleSummary(_stakingModuleId);
        return summary.totalDepositedValidators - summary.totalExitedValidators;
    }

    function getNodeOperatorSummary(uint256 _stakingModuleId, uint256 _nodeOperatorId)
        external
        view
        returns (OperatorSummary memory summary)
    {
        (
            summary.targetLimitMode,
            summary.targetValidatorsCount,
            summary.stuckValidatorsCount,
            summary.refundedValidatorsCount,
            summary.stuckPenaltyEndTimestamp,
            summary.totalExitedValidators,
            summary.totalDepositedValidators,
            summary.depositableValidatorsCount
        ) = IModule(_module(_stakingModuleId).stakingModuleAddress).getNodeOperatorSummary(_nodeOperatorId);
    }

    // ------------------------------------------------------------ where withdrawals go

    function getWithdrawalCredentials() external view returns (bytes32) {
        return _credentials;
    }

    /// @dev The stored credentials with the first byte of the module's type.
    function getStakingModuleWithdrawalCredentials(uint256 _stakingModuleId) external view returns (bytes32) {
        uint256 rest = uint256(_credentials) & (type(uint256).max >> 8);
        return bytes32(rest | (uint256(_module(_stakingModuleId).withdrawalCredentialsType) << 248));
    }

    function _send(uint256 amount, uint256 validators) private {
        IDepositSource(_locator.lido()).withdrawDepositableEther(amount, validators);
        (bool sent,) = DEPOSIT_CONTRACT.call{value: amount}("");
        if (!sent) revert DepositFailed();
    }

    function _module(uint256 id) private view returns (StakingModule storage) {
        if (id == 0 || id > _modules.length) revert StakingModuleUnregistered();
        return _modules[id - 1];
    }
}
