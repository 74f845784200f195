// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "./IGuardian.sol";
import {Levers} from "./Levers.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

/// @title Releaser: lets the pauses end that have no end of their own
/// @notice Optional, for owners whose contracts know only `pause()` and `unpause()`. It holds the right to unpause and no
/// other, belongs to nobody, and cannot be changed. Anyone may call it when the time of a guardian's pause is over.
///
/// Trust assumptions
/// - It believes the guardian contract's record: who paused is there, when, and until when.
/// - Guardians may disown a pause: it stays until the owner ends it. That is all that they can do here.
/// - A contract that knows only `pause()` does not tell since when it is paused, nor by whom. If somebody resumed the
///   target after a guardian's pause, and somebody else paused it again, the target looks like the guardian's pause.
///   Three things keep the two apart: `settle`, by which anyone takes note that the target runs (monitors call it when they
///   see it resumed); `disown`, by which guardians give a pause to somebody else; and WINDOW, after which a record counts
///   no more. Only who can resume and pause in one transaction can avoid the first: give the right to unpause to an
///   owner that does not hold the right to pause as well.
contract Releaser {
    /// @notice Whether a pause can be ended here now; if not, the first reason. Append only.
    enum Answer {
        Releasable,
        /// Not registered with the lever Pause at the guardian contract.
        NotPauseLever,
        /// The guardian contract did not pause it since it was registered.
        NoPause,
        /// Released, disowned, or seen running since.
        Closed,
        TooEarly,
        /// WINDOW is over: too much may have happened since.
        TooLate,
        /// The target does not say that it is paused.
        NotPaused
    }

    /// @notice Upper bound of WINDOW in seconds.
    uint48 public constant MAX_WINDOW = 30 days;

    /// @notice The contract whose pauses end here.
    IGuardian public immutable GUARDIAN;
    /// @notice Seconds after the end of a pause in which it can be released.
    uint48 public immutable WINDOW;

    /// @notice Begin of the target's last pause that is not, or not any more, to be released here.
    mapping(address target => uint48) public closedPause;

    event Released(address indexed target, address indexed by, uint48 pausedAt);
    event Disowned(address indexed target, address indexed by, uint48 pausedAt);
    event SeenRunning(address indexed target, address indexed by, uint48 pausedAt);

    error WindowOutOfBounds(uint48 window);
    error NotAContract(address account);
    error NotReleasable(address target, Answer answer);
    error NotAGuardian(address account);
    /// @notice The target does not say that it runs.
    error NotRunning(address target);
    /// @notice `unpause()` reverted; `selector` is the first four bytes of its error, 0 if there are none.
    error ReleaseFailed(address target, bytes4 selector);
    error StillPaused(address target);
    /// @notice Less gas is left than the target's limit and the check after it need.
    error NotEnoughGas(uint256 left, uint256 needed);

    constructor(IGuardian guardian, uint48 window) {
        if (address(guardian).code.length == 0) revert NotAContract(address(guardian));
        if (window == 0 || window > MAX_WINDOW) revert WindowOutOfBounds(window);
        GUARDIAN = guardian;
        WINDOW = window;
    }

    /// @notice What an owner gives away who grants this contract the right to unpause.
    function givesAway() external pure returns (string memory) {
        return "Anyone may end a guardian's pause of this contract once its time is over, at the latest WINDOW seconds later."
            " Nobody can end it earlier here, end one that guardians disowned, or pause anything."
            " A pause by somebody else is not known here: it is taken for the guardian's if the contract ran in between,"
            " nobody called settle or disown, and the time of the guardian's pause is over for less than WINDOW.";
    }

    /// @notice Whether release would be tried now.
    function check(address target) external view returns (Answer answer) {
        (answer,) = _check(target);
    }

    /// @notice Ends a guardian's pause whose time is over.
    function release(address target) external {
        (Answer answer, IGuardian.Target memory t) = _check(target);
        if (answer != Answer.Releasable) revert NotReleasable(target, answer);
        // Before the call: one pause is released once, whatever the target calls from inside.
        closedPause[target] = t.pausedAt;
        uint256 cap = t.limits.gasLimit;
        uint256 needed = cap + cap / 63 + Levers.READ_GAS + 30_000;
        uint256 left = gasleft();
        if (left < needed) revert NotEnoughGas(left, needed);
        (bool ok, bytes4 selector) = Levers.callCapped(target, cap, abi.encodeWithSignature("unpause()"));
        if (!ok) revert ReleaseFailed(target, selector);
        (bool readable, bool paused) = Levers.isPaused(target, IGuardian.Lever.Pause);
        if (!readable || paused) revert StillPaused(target);
        emit Released(target, msg.sender, t.pausedAt);
    }

    /// @notice Takes note that the target runs: a later pause is not the guardian's last one.
    /// @dev Anyone: the target itself says it, and at worst a pause stays until its owner ends it.
    function settle(address target) external {
        uint48 pausedAt = _lastPause(target);
        (bool readable, bool paused) = Levers.isPaused(target, IGuardian.Lever.Pause);
        if (!readable || paused) revert NotRunning(target);
        closedPause[target] = pausedAt;
        emit SeenRunning(target, msg.sender, pausedAt);
    }

    /// @notice Leaves the guardians' last pause of a target to its owner: nobody can end it here.
    function disown(address target) external {
        if (!IAccessControl(address(GUARDIAN)).hasRole(GUARDIAN.GUARDIAN_ROLE(), msg.sender)) {
            revert NotAGuardian(msg.sender);
        }
        uint48 pausedAt = _lastPause(target);
        closedPause[target] = pausedAt;
        emit Disowned(target, msg.sender, pausedAt);
    }

    function _lastPause(address target) private view returns (uint48 pausedAt) {
        pausedAt = GUARDIAN.target(target).pausedAt;
        if (pausedAt == 0) revert NotReleasable(target, Answer.NoPause);
    }

    function _check(address target) private view returns (Answer, IGuardian.Target memory t) {
        t = GUARDIAN.target(target);
        if (t.lever != IGuardian.Lever.Pause) return (Answer.NotPauseLever, t);
        if (t.pausedAt == 0) return (Answer.NoPause, t);
        if (t.pausedAt == closedPause[target]) return (Answer.Closed, t);
        if (block.timestamp < t.endsAt) return (Answer.TooEarly, t);
        if (block.timestamp >= uint256(t.endsAt) + WINDOW) return (Answer.TooLate, t);
        (bool readable, bool paused) = Levers.isPaused(target, t.lever);
        return (readable && paused ? Answer.Releasable : Answer.NotPaused, t);
    }
}
