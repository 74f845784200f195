// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";

/// @notice What the breaker asks of a contract that it pauses.
interface IBreakable {
    function isPaused() external view returns (bool);
    function pauseFor(uint256 duration) external;
}

/// @title Stand-in for Lido's CircuitBreaker: committees pause, each contract once, for a time that the DAO chose
/// @notice One pauser a contract. A pause uses the assignment up: nobody can pause that contract again until the admin
/// assigns a pauser anew. A pauser must prove now and then that it lives; once its time is over, only the admin can
/// revive it, by a new assignment.
/// @dev Written from the public description of the contract at 0x6019CB557978296BA3C08a7B73225C0975DFB2F7; names, errors,
/// events and their order are its own. Like the real one it does not ask whether it may pause what is registered: an
/// assignment without the role looks ready and is not.
contract CircuitBreaker {
    using EnumerableSet for EnumerableSet.AddressSet;

    address public immutable ADMIN;
    uint256 public immutable MIN_PAUSE_DURATION;
    uint256 public immutable MAX_PAUSE_DURATION;
    uint256 public immutable MIN_HEARTBEAT_INTERVAL;
    uint256 public immutable MAX_HEARTBEAT_INTERVAL;

    /// @notice Seconds of every pause, whatever is paused.
    uint256 public pauseDuration;
    /// @notice Seconds that a heartbeat is good for. A change counts from the next heartbeat of each pauser.
    uint256 public heartbeatInterval;
    /// @notice First second at which a pauser can neither pause nor prove that it lives; 0: it has no assignment.
    mapping(address pauser => uint256 timestamp) public heartbeatExpiry;
    /// @notice How many contracts a pauser has.
    mapping(address pauser => uint256 count) public getPausableCount;
    /// @notice Who may pause a contract; zero: nobody.
    mapping(address pausable => address pauser) public getPauser;
    EnumerableSet.AddressSet private _pausables;
    bool private transient _busy;

    event CircuitBreakerInitialized(
        address indexed admin,
        uint256 minPauseDuration,
        uint256 maxPauseDuration,
        uint256 minHeartbeatInterval,
        uint256 maxHeartbeatInterval
    );
    event PauseDurationUpdated(uint256 previousPauseDuration, uint256 newPauseDuration);
    event HeartbeatIntervalUpdated(uint256 previousHeartbeatInterval, uint256 newHeartbeatInterval);
    event HeartbeatUpdated(address indexed pauser, uint256 newHeartbeatExpiry);
    event PauserSet(address indexed pausable, address indexed previousPauser, address indexed newPauser);
    event PauseTriggered(address indexed pausable, address indexed pauser, uint256 pauseDuration);

    error AdminZero();
    error PausableZero();
    error SenderNotAdmin();
    error SenderNotPauser();
    error HeartbeatExpired();
    error PauseFailed();
    error ReentrantCall();
    error MinPauseDurationZero();
    error MinPauseDurationExceedsMax();
    error PauseDurationBelowMin();
    error PauseDurationAboveMax();
    error MinHeartbeatIntervalZero();
    error MinHeartbeatIntervalExceedsMax();
    error HeartbeatIntervalBelowMin();
    error HeartbeatIntervalAboveMax();

    constructor(
        address admin,
        uint256 minPauseDuration,
        uint256 maxPauseDuration,
        uint256 minHeartbeatInterval,
        uint256 maxHeartbeatInterval,
        uint256 firstPauseDuration,
        uint256 firstHeartbeatInterval
    ) {
        if (admin == address(0)) revert AdminZero();
        if (minPauseDuration == 0) revert MinPauseDurationZero();
        if (minPauseDuration > maxPauseDuration) revert MinPauseDurationExceedsMax();
        if (minHeartbeatInterval == 0) revert MinHeartbeatIntervalZero();
        if (minHeartbeatInterval > maxHeartbeatInterval) revert MinHeartbeatIntervalExceedsMax();
        ADMIN = admin;
        MIN_PAUSE_DURATION = minPauseDuration;
        MAX_PAUSE_DURATION = maxPauseDuration;
        MIN_HEARTBEAT_INTERVAL = minHeartbeatInterval;
        MAX_HEARTBEAT_INTERVAL = maxHeartbeatInterval;
        emit CircuitBreakerInitialized(
            admin, minPauseDuration, maxPauseDuration, minHeartbeatInterval, maxHeartbeatInterval
        );
        _changePauseDuration(firstPauseDuration);
        _changeHeartbeatInterval(firstHeartbeatInterval);
    }

    /// @notice All contracts that have a pauser.
    function getPausables() external view returns (address[] memory) {
        return _pausables.values();
    }

    /// @notice False also for who never was a pauser.
    function isPauserLive(address pauser) public view returns (bool) {
        return block.timestamp < heartbeatExpiry[pauser];
    }

    function setPauseDuration(uint256 newPauseDuration) external {
        _onlyAdmin();
        _changePauseDuration(newPauseDuration);
    }

    function setHeartbeatInterval(uint256 newHeartbeatInterval) external {
        _onlyAdmin();
        _changeHeartbeatInterval(newHeartbeatInterval);
    }

    /// @notice Makes an account the only pauser of a contract; zero takes its pauser away. The new pauser's time begins
    /// anew, even if it was over. Whether the contract can be paused at all is not looked at.
    function registerPauser(address pausable, address newPauser) external {
        _onlyAdmin();
        address before = getPauser[pausable];
        _assign(pausable, newPauser);
        if (before != address(0) && getPausableCount[before] == 0) _expireAt(before, 0);
        if (newPauser != address(0)) _expireAt(newPauser, block.timestamp + heartbeatInterval);
    }

    /// @notice The sender lives. Who is late stays late.
    function heartbeat() external {
        if (getPausableCount[msg.sender] == 0) revert SenderNotPauser();
        if (!isPauserLive(msg.sender)) revert HeartbeatExpired();
        _expireAt(msg.sender, block.timestamp + heartbeatInterval);
    }

    /// @notice Pauses a contract and uses the assignment up. If the contract refuses (it is paused already, or the role is
    /// missing), its error comes through and the assignment stays.
    function pause(address pausable) external {
        if (_busy) revert ReentrantCall();
        _busy = true;
        if (getPauser[pausable] != msg.sender) revert SenderNotPauser();
        if (!isPauserLive(msg.sender)) revert HeartbeatExpired();
        uint256 duration = pauseDuration;
        _assign(pausable, address(0));
        IBreakable(pausable).pauseFor(duration);
        if (!IBreakable(pausable).isPaused()) revert PauseFailed();
        emit PauseTriggered(pausable, msg.sender, duration);
        bool more = getPausableCount[msg.sender] != 0;
        _expireAt(msg.sender, more ? block.timestamp + heartbeatInterval : 0);
        _busy = false;
    }

    function _onlyAdmin() private view {
        if (msg.sender != ADMIN) revert SenderNotAdmin();
    }

    /// @dev Taking away what nobody has is allowed: else a pauser who pauses first could make the admin's call fail.
    function _assign(address pausable, address newPauser) private {
        if (pausable == address(0)) revert PausableZero();
        address before = getPauser[pausable];
        if (before != address(0)) getPausableCount[before] -= 1;
        getPauser[pausable] = newPauser;
        if (newPauser == address(0)) {
            _pausables.remove(pausable);
        } else {
            getPausableCount[newPauser] += 1;
            _pausables.add(pausable);
        }
        emit PauserSet(pausable, before, newPauser);
    }

    function _expireAt(address pauser, uint256 timestamp) private {
        heartbeatExpiry[pauser] = timestamp;
        emit HeartbeatUpdated(pauser, timestamp);
    }

    function _changePauseDuration(uint256 duration) private {
        if (duration < MIN_PAUSE_DURATION) revert PauseDurationBelowMin();
        if (duration > MAX_PAUSE_DURATION) revert PauseDurationAboveMax();
        emit PauseDurationUpdated(pauseDuration, duration);
        pauseDuration = duration;
    }

    function _changeHeartbeatInterval(uint256 interval) private {
        if (interval < MIN_HEARTBEAT_INTERVAL) revert HeartbeatIntervalBelowMin();
        if (interval > MAX_HEARTBEAT_INTERVAL) revert HeartbeatIntervalAboveMax();
        emit HeartbeatIntervalUpdated(heartbeatInterval, interval);
        heartbeatInterval = interval;
    }
}
