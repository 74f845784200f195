// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {ILido, ILocator} from "./Interfaces.sol";
import {PausableUntil} from "./PausableUntil.sol";
import {QueueBase} from "./QueueBase.sol";
import {Roles, Versioned} from "./Roles.sol";

interface IWstETH {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function unwrap(uint256 amount) external returns (uint256);
}

/// @notice Devnet stand-in of the withdrawal queue: strictly first in, first out; each request is an NFT.
/// A pause stops new requests and finalization; claims and transfers go on.
contract WithdrawalQueueERC721 is QueueBase, PausableUntil, Roles, Versioned {
    using EnumerableSet for EnumerableSet.UintSet;

    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);
    event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);
    event BunkerModeEnabled(uint256 _sinceTimestamp);
    event BunkerModeDisabled();

    error RequestAmountTooSmall(uint256 amount);
    error RequestAmountTooLarge(uint256 amount);
    error InvalidReportTimestamp();
    error NotOwnerOrApproved(address sender);
    error TransferFromIncorrectOwner(address from, address owner);

    bytes32 public constant PAUSE_ROLE = keccak256("PAUSE_ROLE");
    bytes32 public constant RESUME_ROLE = keccak256("RESUME_ROLE");
    bytes32 public constant FINALIZE_ROLE = keccak256("FINALIZE_ROLE");
    bytes32 public constant ORACLE_ROLE = keccak256("ORACLE_ROLE");
    bytes32 public constant MANAGE_TOKEN_URI_ROLE = keccak256("MANAGE_TOKEN_URI_ROLE");

    uint256 public constant BUNKER_MODE_DISABLED_TIMESTAMP = type(uint256).max;
    uint256 public constant MIN_STETH_WITHDRAWAL_AMOUNT = 100;
    uint256 public constant MAX_STETH_WITHDRAWAL_AMOUNT = 1000 ether;

    ILocator private immutable _locator;

    uint256 private _bunkerSince;
    mapping(uint256 => address) private _approved;
    mapping(address => mapping(address => bool)) private _operators;

    constructor(address locator) {
        _locator = ILocator(locator);
    }

    /// @dev Id 0 is a sentinel that counts as finalized and claimed.
    function initialize(address admin) external {
        if (admin == address(0)) revert AdminCannotBeZero();
        _initializeVersion(1);
        _queue[0].claimed = true;
        _queue[0].timestamp = uint40(block.timestamp);
        _checkpoints[_lastCheckpoint].fromRequestId = 0;
        _bunkerSince = BUNKER_MODE_DISABLED_TIMESTAMP;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        emit BunkerModeDisabled();
    }

    // ------------------------------------------------------------ requests

    function requestWithdrawals(uint256[] calldata _amounts, address _owner)
        external
        whenResumed
        returns (uint256[] memory requestIds)
    {
        requestIds = new uint256[](_amounts.length);
        for (uint256 i = 0; i < _amounts.length; ++i) {
            require(ILido(_locator.lido()).transferFrom(msg.sender, address(this), _amounts[i]));
            requestIds[i] = _request(_amounts[i], _owner);
        }
    }

    function requestWithdrawalsWstETH(uint256[] calldata _amounts, address _owner)
        external
        whenResumed
        returns (uint256[] memory requestIds)
    {
        IWstETH wsteth = IWstETH(_locator.wstETH());
        requestIds = new uint256[](_amounts.length);
        for (uint256 i = 0; i < _amounts.length; ++i) {
            require(wsteth.transferFrom(msg.sender, address(this), _amounts[i]));
            requestIds[i] = _request(wsteth.unwrap(_amounts[i]), _owner);
        }
    }

    function _request(uint256 amount, address owner) private returns (uint256 id) {
        if (amount < MIN_STETH_WITHDRAWAL_AMOUNT) revert RequestAmountTooSmall(amount);
        if (amount > MAX_STETH_WITHDRAWAL_AMOUNT) revert RequestAmountTooLarge(amount);
        address holder = owner == address(0) ? msg.sender : owner;
        id = _enqueue(amount, ILido(_locator.lido()).getSharesByPooledEth(amount), holder);
        emit Transfer(address(0), holder, id);
    }

    // ------------------------------------------------------------ claims

    function claimWithdrawals(uint256[] calldata _requestIds, uint256[] calldata _hints) external {
        for (uint256 i = 0; i < _requestIds.length; ++i) {
            _claimTo(_requestIds[i], _hints[i], msg.sender);
        }
    }

    function claimWithdrawal(uint256 _requestId) external {
        _claimTo(_requestId, _findHint(_requestId, 1, _lastCheckpoint), msg.sender);
    }

    function _claimTo(uint256 id, uint256 hint, address receiver) private {
        _claim(id, hint, receiver);
        emit Transfer(msg.sender, address(0), id);
    }

    // ------------------------------------------------------------ the report

    /// @dev Lido calls it with the ether, in the report's transaction only.
    function finalize(uint256 _lastRequestIdToBeFinalized, uint256 _maxShareRate)
        external
        payable
        whenResumed
        onlyRole(FINALIZE_ROLE)
    {
        emit BatchMetadataUpdate(_lastFinalizedId + 1, _lastRequestIdToBeFinalized);
        _finalize(_lastRequestIdToBeFinalized, msg.value, _maxShareRate);
    }

    /// @param _bunkerStartTimestamp of the previous report's reference slot.
    function onOracleReport(bool _isBunkerModeNow, uint256 _bunkerStartTimestamp, uint256 _currentReportTimestamp)
        external
        onlyRole(ORACLE_ROLE)
    {
        if (_bunkerStartTimestamp >= block.timestamp) revert InvalidReportTimestamp();
        if (_currentReportTimestamp >= block.timestamp) revert InvalidReportTimestamp();
        _lastReportTimestamp = _currentReportTimestamp;
        if (_isBunkerModeNow == isBunkerModeActive()) return;
        if (_isBunkerModeNow) {
            _bunkerSince = _bunkerStartTimestamp;
            emit BunkerModeEnabled(_bunkerStartTimestamp);
        } else {
            _bunkerSince = BUNKER_MODE_DISABLED_TIMESTAMP;
            emit BunkerModeDisabled();
        }
    }

    function isBunkerModeActive() public view returns (bool) {
        return _bunkerSince < BUNKER_MODE_DISABLED_TIMESTAMP;
    }

    function bunkerModeSinceTimestamp() external view returns (uint256) {
        return _bunkerSince;
    }

    // ------------------------------------------------------------ pause

    function pauseFor(uint256 duration) external onlyRole(PAUSE_ROLE) {
        _pauseFor(duration);
    }

    function pauseUntil(uint256 _pauseUntilInclusive) external onlyRole(PAUSE_ROLE) {
        _pauseUntil(_pauseUntilInclusive);
    }

    function resume() external onlyRole(RESUME_ROLE) {
        _resume();
    }

    // ------------------------------------------------------------ ownership

    function ownerOf(uint256 _requestId) public view returns (address) {
        _requireExists(_requestId);
        if (_queue[_requestId].claimed) revert RequestAlreadyClaimed(_requestId);
        return _queue[_requestId].owner;
    }

    function balanceOf(address owner) external view returns (uint256) {
        return _requestsOf[owner].length();
    }

    function approve(address to, uint256 requestId) external {
        address owner = ownerOf(requestId);
        if (msg.sender != owner && !_operators[owner][msg.sender]) revert NotOwnerOrApproved(msg.sender);
        _approved[requestId] = to;
        emit Approval(owner, to, requestId);
    }

    function setApprovalForAll(address operator, bool approved) external {
        _operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function transferFrom(address from, address to, uint256 requestId) external {
        address owner = ownerOf(requestId);
        if (from != owner) revert TransferFromIncorrectOwner(from, owner);
        bool allowed = msg.sender == owner || _operators[owner][msg.sender] || _approved[requestId] == msg.sender;
        if (!allowed || to == address(0)) revert NotOwnerOrApproved(msg.sender);
        delete _approved[requestId];
        _queue[requestId].owner = to;
        _requestsOf[from].remove(requestId);
        _requestsOf[to].add(requestId);
        emit Transfer(from, to, requestId);
    }

    function name() external pure returns (string memory) {
        return "Lido: stETH Withdrawal NFT";
    }

    function symbol() external pure returns (string memory) {
        return "unstETH";
    }
}
