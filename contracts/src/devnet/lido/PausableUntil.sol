// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A pause with an end: paused while `block.timestamp` is before the moment of resumption. A timed pause
/// lapses without an event; `Resumed` is emitted by an explicit call only.
abstract contract PausableUntil {
    event Paused(uint256 duration);
    event Resumed();

    error ZeroPauseDuration();
    error PausedExpected();
    error ResumedExpected();
    error PauseUntilMustBeInFuture();

    uint256 public constant PAUSE_INFINITELY = type(uint256).max;

    uint256 private _resumeSince;

    modifier whenResumed() {
        if (isPaused()) revert ResumedExpected();
        _;
    }

    function isPaused() public view returns (bool) {
        return block.timestamp < _resumeSince;
    }

    function getResumeSinceTimestamp() external view returns (uint256) {
        return _resumeSince;
    }

    function _pauseFor(uint256 duration) internal whenResumed {
        if (duration == 0) revert ZeroPauseDuration();
        _resumeSince = duration == PAUSE_INFINITELY ? PAUSE_INFINITELY : block.timestamp + duration;
        emit Paused(duration);
    }

    function _pauseUntil(uint256 lastSecond) internal whenResumed {
        if (lastSecond < block.timestamp) revert PauseUntilMustBeInFuture();
        bool forEver = lastSecond == PAUSE_INFINITELY;
        _resumeSince = forEver ? PAUSE_INFINITELY : lastSecond + 1;
        emit Paused(forEver ? PAUSE_INFINITELY : _resumeSince - block.timestamp);
    }

    function _resume() internal {
        if (!isPaused()) revert PausedExpected();
        _resumeSince = block.timestamp;
        emit Resumed();
    }
}
