// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILocator} from "./Interfaces.sol";
import {Versioned} from "./Roles.sol";

/// @notice Devnet stand-in of a curated module (staking modules 1 and 2 run the same code): operators and their keys.
/// @dev Keys are derived from operator and index, so that thousands of them cost no storage. They are no points of any
/// curve: nobody checks signatures on the devnet. On mainnet the rights live in the Aragon ACL; here the Agent has them.
contract NodeOperatorsRegistry is Versioned {
    struct Operator {
        bool active;
        string name;
        address rewardAddress;
        uint64 vetted;
        uint64 exited;
        uint64 added;
        uint64 deposited;
    }

    event NodeOperatorAdded(uint256 nodeOperatorId, string name, address rewardAddress, uint64 stakingLimit);
    event NodeOperatorActiveSet(uint256 indexed nodeOperatorId, bool active);
    event NodeOperatorNameSet(uint256 indexed nodeOperatorId, string name);
    event NodeOperatorRewardAddressSet(uint256 indexed nodeOperatorId, address rewardAddress);
    event TotalSigningKeysCountChanged(uint256 indexed nodeOperatorId, uint256 totalKeysCount);
    event VettedSigningKeysCountChanged(uint256 indexed nodeOperatorId, uint256 vettedKeysCount);
    event DepositedSigningKeysCountChanged(uint256 indexed nodeOperatorId, uint256 depositedKeysCount);
    event ExitedSigningKeysCountChanged(uint256 indexed nodeOperatorId, uint256 exitedKeysCount);
    event NonceChanged(uint256 nonce);
    event KeysOpIndexSet(uint256 keysOpIndex);
    event StakingModuleTypeSet(bytes32 moduleType);
    event LocatorContractSet(address locatorAddress);

    error AuthFailed();
    error OutOfRange();

    uint256 private constant KEY_BYTES = 48;
    uint256 private constant SIGNATURE_BYTES = 96;
    bytes32 private constant MODULE_TYPE = "curated-onchain-v1";

    ILocator private immutable _locator;
    Operator[] private _operators;
    uint256 private _nonce;
    uint256 private _active;

    modifier onlyAgent() {
        if (msg.sender != _locator.treasury()) revert AuthFailed();
        _;
    }

    modifier onlyRouter() {
        if (msg.sender != _locator.stakingRouter()) revert AuthFailed();
        _;
    }

    modifier exists(uint256 operator) {
        if (operator >= _operators.length) revert OutOfRange();
        _;
    }

    constructor(address locator) {
        _locator = ILocator(locator);
        _initializeVersion(4);
        emit LocatorContractSet(locator);
        emit StakingModuleTypeSet(MODULE_TYPE);
    }

    // ------------------------------------------------------------ the Agent's rights

    function addNodeOperator(string calldata _name, address _rewardAddress) external onlyAgent returns (uint256 id) {
        id = _operators.length;
        Operator storage operator = _operators.push();
        operator.active = true;
        operator.name = _name;
        operator.rewardAddress = _rewardAddress;
        ++_active;
        emit NodeOperatorAdded(id, _name, _rewardAddress, 0);
    }

    /// @dev A name is no part of the key set: as on mainnet, the nonce stays.
    function setNodeOperatorName(uint256 _nodeOperatorId, string calldata _name)
        external
        onlyAgent
        exists(_nodeOperatorId)
    {
        _operators[_nodeOperatorId].name = _name;
        emit NodeOperatorNameSet(_nodeOperatorId, _name);
    }

    function deactivateNodeOperator(uint256 _nodeOperatorId) external onlyAgent exists(_nodeOperatorId) {
        Operator storage operator = _operators[_nodeOperatorId];
        if (!operator.active) revert OutOfRange();
        operator.active = false;
        operator.vetted = operator.deposited;
        --_active;
        emit NodeOperatorActiveSet(_nodeOperatorId, false);
        _changeNonce();
    }

    /// @notice Adds so many keys and vets them: what takes an operator and a vote on mainnet.
    function devAddKeys(uint256 _nodeOperatorId, uint64 _count) external onlyAgent exists(_nodeOperatorId) {
        Operator storage operator = _operators[_nodeOperatorId];
        operator.added += _count;
        operator.vetted = operator.added;
        emit TotalSigningKeysCountChanged(_nodeOperatorId, operator.added);
        emit VettedSigningKeysCountChanged(_nodeOperatorId, operator.vetted);
        _changeNonce();
    }

    // ------------------------------------------------------------ the router's rights

    /// @notice The next so many keys of an operator are deposited. On mainnet the module chooses the operators itself.
    function devDeposited(uint256 _nodeOperatorId, uint64 _count) external onlyRouter exists(_nodeOperatorId) {
        Operator storage operator = _operators[_nodeOperatorId];
        operator.deposited += _count;
        if (operator.deposited > operator.vetted) revert OutOfRange();
        emit DepositedSigningKeysCountChanged(_nodeOperatorId, operator.deposited);
        _changeNonce();
    }

    // ------------------------------------------------------------ operators

    function getNodeOperator(uint256 _nodeOperatorId, bool _fullInfo)
        external
        view
        exists(_nodeOperatorId)
        returns (
            bool active,
            string memory name,
            address rewardAddress,
            uint64 totalVettedValidators,
            uint64 totalExitedValidators,
            uint64 totalAddedValidators,
            uint64 totalDepositedValidators
        )
    {
        Operator storage operator = _operators[_nodeOperatorId];
        return (
            operator.active,
            _fullInfo ? operator.name : "",
            operator.rewardAddress,
            operator.vetted,
            operator.exited,
            operator.added,
            operator.deposited
        );
    }

    function getNodeOperatorsCount() public view returns (uint256) {
        return _operators.length;
    }

    function getActiveNodeOperatorsCount() external view returns (uint256) {
        return _active;
    }

    function getNodeOperatorIsActive(uint256 nodeOperatorId) external view returns (bool) {
        return nodeOperatorId < _operators.length && _operators[nodeOperatorId].active;
    }

    function getNodeOperatorIds(uint256 offset, uint256 limit)
        external
        view
        returns (uint256[] memory nodeOperatorIds)
    {
        uint256 count = _operators.length;
        uint256 rest = offset < count ? count - offset : 0;
        nodeOperatorIds = new uint256[](rest < limit ? rest : limit);
        for (uint256 i = 0; i < nodeOperatorIds.length; ++i) {
            nodeOperatorIds[i] = offset + i;
        }
    }

    function getNodeOperatorSummary(uint256 nodeOperatorId)
        external
        view
        exists(nodeOperatorId)
        returns (
            uint256 targetLimitMode,
            uint256 targetValidatorsCount,
            uint256 stuckValidatorsCount,
            uint256 refundedValidatorsCount,
            uint256 stuckPenaltyEndTimestamp,
            uint256 totalExitedValidators,
            uint256 totalDepositedValidators,
            uint256 depositableValidatorsCount
        )
    {
        Operator storage operator = _operators[nodeOperatorId];
        return (0, 0, 0, 0, 0, operator.exited, operator.deposited, operator.vetted - operator.deposited);
    }

    function getStakingModuleSummary()
        external
        view
        returns (uint256 totalExitedValidators, uint256 totalDepositedValidators, uint256 depositableValidatorsCount)
    {
        for (uint256 i = 0; i < _operators.length; ++i) {
            totalExitedValidators += _operators[i].exited;
            totalDepositedValidators += _operators[i].deposited;
            depositableValidatorsCount += _operators[i].vetted - _operators[i].deposited;
        }
    }

    // ------------------------------------------------------------ keys

    function getTotalSigningKeyCount(uint256 _nodeOperatorId) external view exists(_nodeOperatorId) returns (uint256) {
        return _operators[_nodeOperatorId].added;
    }

    function getUnusedSigningKeyCount(uint256 _nodeOperatorId) external view exists(_nodeOperatorId) returns (uint256) {
        return _operators[_nodeOperatorId].added - _operators[_nodeOperatorId].deposited;
    }

    function getSigningKey(uint256 _nodeOperatorId, uint256 _index)
        external
        view
        returns (bytes memory key, bytes memory depositSignature, bool used)
    {
        bool[] memory flags;
        (key, depositSignature, flags) = getSigningKeys(_nodeOperatorId, _index, 1);
        used = flags[0];
    }

    function getSigningKeys(uint256 _nodeOperatorId, uint256 _offset, uint256 _limit)
        public
        view
        exists(_nodeOperatorId)
        returns (bytes memory pubkeys, bytes memory signatures, bool[] memory used)
    {
        Operator storage operator = _operators[_nodeOperatorId];
        if (_offset + _limit < _offset || _offset + _limit > operator.added) revert OutOfRange();
        pubkeys = new bytes(KEY_BYTES * _limit);
        signatures = new bytes(SIGNATURE_BYTES * _limit);
        used = new bool[](_limit);
        uint256 deposited = operator.deposited;
        for (uint256 i = 0; i < _limit; ++i) {
            _derive(_nodeOperatorId, _offset + i, pubkeys, signatures, i);
            used[i] = _offset + i < deposited;
        }
    }

    function getNonce() external view returns (uint256) {
        return _nonce;
    }

    function getKeysOpIndex() external view returns (uint256) {
        return _nonce;
    }

    // ------------------------------------------------------------ the rest of what is read

    function getType() external pure returns (bytes32) {
        return MODULE_TYPE;
    }

    function getLocator() external view returns (address) {
        return address(_locator);
    }

    function hasInitialized() external pure returns (bool) {
        return true;
    }

    function isOperatorPenalized(uint256) external pure returns (bool) {
        return false;
    }

    /// @dev Four days, as the vote of 2025 set it.
    function exitDeadlineThreshold(uint256) external pure returns (uint256) {
        return 345_600;
    }

    // ------------------------------------------------------------ inside

    function _changeNonce() private {
        ++_nonce;
        emit KeysOpIndexSet(_nonce);
        emit NonceChanged(_nonce);
    }

    /// @dev Key: 48 bytes out of two hashes; signature: 96 bytes out of three. Written in place: thousands are asked at once.
    function _derive(uint256 operator, uint256 index, bytes memory keys, bytes memory signatures, uint256 at)
        private
        view
    {
        bytes32 seed = keccak256(abi.encode(address(this), operator, index));
        bytes32 more = keccak256(abi.encode(seed));
        bytes32 last = keccak256(abi.encode(more));
        assembly {
            let key := add(add(keys, 32), mul(at, KEY_BYTES))
            // The second word is written first and 16 bytes early, so that it stays inside the last key's bytes.
            mstore(add(key, 16), more)
            mstore(key, seed)
            let signature := add(add(signatures, 32), mul(at, SIGNATURE_BYTES))
            mstore(signature, seed)
            mstore(add(signature, 32), more)
            mstore(add(signature, 64), last)
        }
    }
}
