// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Guardian: pulls the brake of the contracts that entrusted it with one
/// @notice Holds the right to pause its targets and no right to resume them.
///
/// Trust assumptions
/// - The default admin (governance, behind the delay of AccessControlDefaultAdminRules) is trusted to register real
///   targets. At worst it can let its own accounts pause registered targets, each for at most MAX_DURATION where the
///   lever lapses. It cannot make this contract resume a target, move value, or call anything but a lever.
/// - Guardians (people, normally Safes) may pause any registered target, always. At worst they pause targets that need
///   no pause; whoever may resume a target undoes that there.
/// - Sentinels (keys of monitoring services) are expected to be stolen one day. At worst a thief pauses each armed
///   target once, for the duration that the admin chose, and no more targets than the contract-wide budget; then a
///   person has to arm again. A sentinel never holds another role.
/// - Targets are not trusted while they are called: they may eat gas, re-enter, return anything, or lie. A target that
///   says that it is paused while it is not cannot be caught on chain; all other lies revert the call.
/// - Nobody can upgrade this contract. It holds no funds and accepts none.
contract Guardian is AccessControlDefaultAdminRules, Pausable, ReentrancyGuardTransient {
    using EnumerableSet for EnumerableSet.AddressSet;

    /// @dev How a target is paused. The order is part of the ABI: append only.
    /// None: not registered. PauseFor: `pauseFor(uint256)`, `isPaused()`, `getResumeSinceTimestamp()`; the pause lapses
    /// by itself. Pause: `pause()`, `paused()`; the pause does not lapse, so it is for people only.
    enum Lever {
        None,
        PauseFor,
        Pause
    }

    /// @dev Whether sentinels may pause a target. Spent: a sentinel did, and nobody armed the target again.
    enum Arming {
        Disarmed,
        Armed,
        Spent
    }

    /// @dev Why a sentinel may not pause a target now. The order is part of the ABI: append only.
    enum Refusal {
        None,
        NotSentinel,
        SentinelsStopped,
        NotRegistered,
        LeverDoesNotLapse,
        NotArmed,
        AlreadySpent,
        BudgetSpent,
        AlreadyPaused,
        StateUnreadable
    }

    /// @dev One storage slot. `duration`: seconds of a pause by this contract, 0 for a lever that does not lapse.
    /// `gasLimit`: gas that the target gets for its pause function.
    struct Target {
        Lever lever;
        Arming arming;
        uint32 duration;
        uint32 gasLimit;
    }

    // ------------------------------------------------------------------------------------------------ state

    /// @notice People: may pause any registered target, disarm targets and stop all sentinels.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice Monitoring services: may pause armed targets within the budget.
    bytes32 public constant SENTINEL_ROLE = keccak256("SENTINEL_ROLE");

    /// @notice Bounds of a target's gas limit: enough for a storage write behind a proxy, and far below a block's gas.
    uint256 public constant MIN_GAS_LIMIT = 30_000;
    uint256 public constant MAX_GAS_LIMIT = 5_000_000;
    /// @notice Gas for one read of a target's state.
    uint256 public constant READ_GAS = 50_000;
    /// @notice No target can be paused for longer than so many seconds by a lever that lapses.
    uint256 public immutable MAX_DURATION;

    /// @dev Gas kept for what follows the call of the target: two reads and the event.
    uint256 private constant RESERVE_GAS = 2 * READ_GAS + 30_000;

    /// @notice Pauses that sentinels may still make, over all targets together.
    uint256 public sentinelBudget;

    EnumerableSet.AddressSet private _registered;
    mapping(address target => Target) private _targets;
    mapping(bytes32 role => EnumerableSet.AddressSet) private _holders;

    // ----------------------------------------------------------------------------------------------- events

    event TargetRegistered(address indexed target, Lever lever, uint256 duration, uint256 gasLimit);
    event TargetUnregistered(address indexed target);
    event TargetArmed(address indexed target);
    event TargetDisarmed(address indexed target, address indexed by);
    event SentinelBudgetSet(uint256 budget);

    /// @notice A target was paused. `resumesAt`: first second at which it is not paused any more, as the target itself
    /// says it; 2^256-1 if the pause does not lapse.
    event TargetPaused(address indexed target, address indexed by, bool bySentinel, uint256 resumesAt);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A pause could last for ever or not at all.
    error DurationOutOfBounds(uint256 duration, uint256 max);
    /// @notice The gas limit is outside MIN_GAS_LIMIT and MAX_GAS_LIMIT.
    error GasLimitOutOfBounds(uint256 gasLimit);
    /// @notice The account has no code: calls to it would succeed and pause nothing.
    error NotAContract(address target);
    /// @notice The guardian cannot be its own target.
    error SelfTarget();
    error UnknownLever();
    error AlreadyRegistered(address target);
    error NotRegistered(address target);
    /// @notice Only a lever that lapses by itself may be given to sentinels.
    error LeverDoesNotLapse(address target);
    /// @notice A sentinel's key must not hold any other power.
    error SentinelHoldsNoOtherRole(address account);
    /// @notice Less gas is left than the target's limit and the checks after it need.
    error NotEnoughGas(uint256 left, uint256 needed);
    error SentinelRefused(address target, Refusal reason);
    error AlreadyPaused(address target);
    /// @notice The target did not say in READ_GAS whether, or until when, it is paused.
    error StateUnreadable(address target);
    /// @notice The target's pause function reverted; `selector` is the first four bytes of its error, 0 if there are none.
    error PauseFailed(address target, bytes4 selector);
    /// @notice The target's pause function returned, and the target says that it is not paused.
    error NotPausedAfterwards(address target);
    /// @notice The target says that it is paused until a time that was not asked for.
    error WrongResumeTime(address target, uint256 resumesAt, uint256 latest);

    // ---------------------------------------------------------------------------------------- construction

    /// @param adminDelay seconds between the proposal and the acceptance of a new default admin
    /// @param admin the first default admin
    /// @param maxDuration ceiling of every pause that lapses, for ever: a stolen admin key cannot raise it
    constructor(uint48 adminDelay, address admin, uint256 maxDuration)
        AccessControlDefaultAdminRules(adminDelay, admin)
    {
        if (maxDuration == 0 || maxDuration > type(uint32).max) {
            revert DurationOutOfBounds(maxDuration, type(uint32).max);
        }
        MAX_DURATION = maxDuration;
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @notice All registered targets.
    function targets() external view returns (address[] memory) {
        return _registered.values();
    }

    /// @notice What is registered for a target; lever None if nothing is.
    function target(address target_) external view returns (Target memory) {
        return _targets[target_];
    }

    /// @notice Whether this sentinel may pause this target now, as far as this contract knows; else the first reason.
    /// @dev The target itself may still refuse: simulate the call as well.
    function sentinelCheck(address target_, address sentinel) public view returns (bool ok, Refusal reason) {
        reason = _sentinelRefusal(target_, sentinel);
        ok = reason == Refusal.None;
    }

    /// @notice All holders of a role, with the names of IAccessControlEnumerable, so that "who else could pull this" can
    /// be read in full instead of being put together from events.
    function getRoleMembers(bytes32 role) external view returns (address[] memory) {
        return _holders[role].values();
    }

    function getRoleMember(bytes32 role, uint256 index) external view returns (address) {
        return _holders[role].at(index);
    }

    function getRoleMemberCount(bytes32 role) external view returns (uint256) {
        return _holders[role].length();
    }

    // --------------------------------------------------------------------------------------- writes: people

    /// @notice Pauses a registered target. Works also when sentinels are stopped, budgets are spent, the target is disarmed.
    function pauseTarget(address target_) external nonReentrant onlyRole(GUARDIAN_ROLE) {
        Target memory t = _targets[target_];
        if (t.lever == Lever.None) revert NotRegistered(target_);
        (bool readable, bool pausedNow) = _isPaused(target_, t.lever);
        if (!readable) revert StateUnreadable(target_);
        // What is paused already is not paused by us: the caller must not believe that its duration begins now.
        if (pausedNow) revert AlreadyPaused(target_);
        _pull(target_, t, false);
    }

    /// @notice Takes a target from the sentinels at once. People's pauses are not touched.
    function disarm(address target_) external {
        // Nobody else: taking a target out of the automatic protection is an attack of its own.
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE);
        Target storage t = _targets[target_];
        if (t.lever == Lever.None) revert NotRegistered(target_);
        t.arming = Arming.Disarmed;
        emit TargetDisarmed(target_, msg.sender);
    }

    /// @notice Stops all sentinels at once, for the case that one runs wild. People's pauses are not touched.
    function stopSentinels() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    // ------------------------------------------------------------------------------------- writes: sentinels

    /// @notice Pauses an armed target, once until it is armed again and within the contract-wide budget.
    function sentinelPause(address target_) external nonReentrant {
        Refusal reason = _sentinelRefusal(target_, msg.sender);
        if (reason != Refusal.None) revert SentinelRefused(target_, reason);
        Target storage t = _targets[target_];
        // Spent before the call: a target that finds a way back in finds nothing left. A failed call takes all of it back.
        t.arming = Arming.Spent;
        sentinelBudget -= 1;
        _pull(target_, t, true);
    }

    // ----------------------------------------------------------------------------------------- writes: admin

    /// @notice Registers a target, disarmed. To change a target, unregister it first, which disarms it.
    /// @param lever how the target is paused
    /// @param duration seconds of each pause; must be 0 for a lever that does not lapse
    /// @param gasLimit gas that the target gets for its pause function
    function register(address target_, Lever lever, uint32 duration, uint32 gasLimit)
        external
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        if (lever == Lever.None) revert UnknownLever();
        // Itself: pauseTarget would stop sentinels under the name of a target.
        if (target_ == address(this)) revert SelfTarget();
        if (target_.code.length == 0) revert NotAContract(target_);
        uint256 max = lever == Lever.PauseFor ? MAX_DURATION : 0;
        if (duration > max || (lever == Lever.PauseFor && duration == 0)) revert DurationOutOfBounds(duration, max);
        if (gasLimit < MIN_GAS_LIMIT || gasLimit > MAX_GAS_LIMIT) revert GasLimitOutOfBounds(gasLimit);
        if (!_registered.add(target_)) revert AlreadyRegistered(target_);
        _targets[target_] = Target(lever, Arming.Disarmed, duration, gasLimit);
        emit TargetRegistered(target_, lever, duration, gasLimit);
    }

    /// @notice Forgets a target: nobody can pause it through this contract any more.
    function unregister(address target_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (!_registered.remove(target_)) revert NotRegistered(target_);
        delete _targets[target_];
        emit TargetUnregistered(target_);
    }

    /// @notice Lets sentinels pause the target once.
    function arm(address target_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Target storage t = _targets[target_];
        if (t.lever == Lever.None) revert NotRegistered(target_);
        // A machine's pause that does not end by itself would need people to undo a false alarm.
        if (t.lever != Lever.PauseFor) revert LeverDoesNotLapse(target_);
        t.arming = Arming.Armed;
        emit TargetArmed(target_);
    }

    /// @notice Sets how many pauses sentinels may still make, over all targets together.
    function setSentinelBudget(uint256 budget) external onlyRole(DEFAULT_ADMIN_ROLE) {
        sentinelBudget = budget;
        emit SentinelBudgetSet(budget);
    }

    /// @notice Lets sentinels act again after stopSentinels.
    function allowSentinels() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev One key for two powers would let who steals a service's key act as a person, without budget or arming.
    function _grantRole(bytes32 role, address account) internal override returns (bool granted) {
        bool clash = role == SENTINEL_ROLE
            ? hasRole(GUARDIAN_ROLE, account) || hasRole(DEFAULT_ADMIN_ROLE, account)
            : hasRole(SENTINEL_ROLE, account);
        if (clash) revert SentinelHoldsNoOtherRole(account);
        granted = super._grantRole(role, account);
        if (granted) _holders[role].add(account);
    }

    function _revokeRole(bytes32 role, address account) internal override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (revoked) _holders[role].remove(account);
    }

    function _sentinelRefusal(address target_, address sentinel) private view returns (Refusal) {
        if (!hasRole(SENTINEL_ROLE, sentinel)) return Refusal.NotSentinel;
        if (paused()) return Refusal.SentinelsStopped;
        Target memory t = _targets[target_];
        if (t.lever == Lever.None) return Refusal.NotRegistered;
        // Only a lapsing lever can be armed; held here as well, since this is the promise of the contract.
        if (t.lever != Lever.PauseFor) return Refusal.LeverDoesNotLapse;
        if (t.arming == Arming.Disarmed) return Refusal.NotArmed;
        if (t.arming == Arming.Spent) return Refusal.AlreadySpent;
        if (sentinelBudget == 0) return Refusal.BudgetSpent;
        (bool readable, bool pausedNow) = _isPaused(target_, t.lever);
        if (!readable) return Refusal.StateUnreadable;
        return pausedNow ? Refusal.AlreadyPaused : Refusal.None;
    }

    /// @dev Calls the lever and believes nothing but what the target says afterwards.
    function _pull(address target_, Target memory t, bool bySentinel) private {
        // A call gets at most 63/64 of the gas that is left, silently: with too little, the target would fail for the
        // sender's reason and look broken.
        uint256 needed = (uint256(t.gasLimit) * 64) / 63 + RESERVE_GAS;
        if (gasleft() < needed) revert NotEnoughGas(gasleft(), needed);
        bytes memory data = t.lever == Lever.PauseFor
            ? abi.encodeWithSignature("pauseFor(uint256)", uint256(t.duration))
            : abi.encodeWithSignature("pause()");
        (bool ok, bytes4 selector) = _callWithLimit(target_, t.gasLimit, data);
        if (!ok) revert PauseFailed(target_, selector);
        (bool readable, bool pausedNow) = _isPaused(target_, t.lever);
        if (!readable) revert StateUnreadable(target_);
        if (!pausedNow) revert NotPausedAfterwards(target_);
        uint256 resumesAt = t.lever == Lever.PauseFor ? _resumesAt(target_, t.duration) : type(uint256).max;
        emit TargetPaused(target_, msg.sender, bySentinel, resumesAt);
    }

    /// @dev A target that turns `pauseFor(1 day)` into a pause for ever breaks the promise that a sentinel's pause lapses,
    /// so a later end than asked for is refused, for people too: it is not the lever that was registered. An earlier end
    /// is taken (the target has a ceiling of its own, and half a pause is better than none): the event tells it. An end
    /// that is over already contradicts the pause.
    function _resumesAt(address target_, uint256 duration) private view returns (uint256 resumesAt) {
        bool readable;
        (readable, resumesAt) = _readWord(target_, abi.encodeWithSignature("getResumeSinceTimestamp()"));
        if (!readable) revert StateUnreadable(target_);
        uint256 latest = block.timestamp + duration;
        if (resumesAt <= block.timestamp || resumesAt > latest) revert WrongResumeTime(target_, resumesAt, latest);
    }

    /// @dev Anything but a clean 0 or 1 is not an answer.
    function _isPaused(address target_, Lever lever) private view returns (bool readable, bool pausedNow) {
        uint256 word;
        (readable, word) =
            _readWord(target_, abi.encodeWithSignature(lever == Lever.PauseFor ? "isPaused()" : "paused()"));
        if (word > 1) return (false, false);
        pausedNow = word == 1;
    }

    /// @dev Copies no more than one word, whatever the target returns: copying megabytes would burn the caller's gas, not
    /// the target's. The gas is capped for the same reason.
    function _readWord(address target_, bytes memory data) private view returns (bool readable, uint256 word) {
        uint256 cap = READ_GAS;
        assembly ("memory-safe") {
            mstore(0, 0)
            readable := staticcall(cap, target_, add(data, 0x20), mload(data), 0, 0x20)
            readable := and(readable, gt(returndatasize(), 0x1f))
            if readable { word := mload(0) }
        }
    }

    /// @dev No value, capped gas, and of the returned data only the error's selector.
    function _callWithLimit(address target_, uint256 cap, bytes memory data)
        private
        returns (bool ok, bytes4 selector)
    {
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := call(cap, target_, 0, add(data, 0x20), mload(data), 0, 4)
            if iszero(ok) { selector := mload(0) }
        }
    }
}
