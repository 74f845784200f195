// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "./IGuardian.sol";

/// @title Calls and reads of contracts that nobody vouches for
/// @notice A target may eat all gas it gets, return megabytes, return less than a word, or nothing. Each call here has a cap
/// on its gas and copies at most one word of the answer, so the caller's gas and memory stay the caller's.
library Levers {
    /// @notice Gas for one read of a target's state: enough for a few cold slots behind a proxy.
    uint256 internal constant READ_GAS = 50_000;

    /// @notice Whether the target says that it is paused. Anything but a clean 0 or 1 is not an answer.
    function isPaused(address target, IGuardian.Lever lever) internal view returns (bool readable, bool paused) {
        uint256 word;
        (readable, word) =
            readWord(target, abi.encodeWithSignature(lever == IGuardian.Lever.Pause ? "paused()" : "isPaused()"));
        if (word > 1) return (false, false);
        paused = word == 1;
    }

    /// @notice First second at which the target is not paused any more, as it says itself; no end for `pause()`.
    function resumesAt(address target, IGuardian.Lever lever) internal view returns (bool readable, uint256 time) {
        if (lever == IGuardian.Lever.Pause) return (true, type(uint256).max);
        return readWord(target, abi.encodeWithSignature("getResumeSinceTimestamp()"));
    }

    /// @notice Pulls the lever. Whether that paused anything only the target can say.
    /// @param duration for PauseFor; the other levers do not take one
    function pull(address target, address via, IGuardian.Lever lever, uint256 duration, uint256 gasLimit)
        internal
        returns (bool ok, bytes4 selector)
    {
        if (lever == IGuardian.Lever.CircuitBreaker) {
            return callCapped(via, gasLimit, abi.encodeWithSignature("pause(address)", target));
        }
        bytes memory data = lever == IGuardian.Lever.PauseFor
            ? abi.encodeWithSignature("pauseFor(uint256)", duration)
            : abi.encodeWithSignature("pause()");
        return callCapped(target, gasLimit, data);
    }

    /// @notice Whether `pauser` could pause the target through the breaker now, for no longer than `longest`.
    /// @dev Without this an order would be spent on simulations that end in the breaker's own error, and a breaker whose
    /// pause became longer than the admin's limit would be found out at 3 a.m. instead of by a monitor.
    function breakerReady(address via, address target, address pauser, uint256 longest) internal view returns (bool) {
        (bool readable, uint256 word) = readWord(via, abi.encodeWithSignature("getPauser(address)", target));
        if (!readable || word != uint256(uint160(pauser))) return false;
        (readable, word) = readWord(via, abi.encodeWithSignature("isPauserLive(address)", pauser));
        if (!readable || word != 1) return false;
        (readable, word) = readWord(via, abi.encodeWithSignature("pauseDuration()"));
        return readable && word <= longest;
    }

    /// @notice One word of a view. Not readable: reverted, out of READ_GAS, or less than a word.
    /// @dev Copying whatever comes back would let a target burn its caller's gas instead of its own.
    function readWord(address target, bytes memory data) internal view returns (bool readable, uint256 word) {
        uint256 cap = READ_GAS;
        assembly ("memory-safe") {
            mstore(0, 0)
            readable := staticcall(cap, target, add(data, 0x20), mload(data), 0, 0x20)
            readable := and(readable, gt(returndatasize(), 0x1f))
            if readable { word := mload(0) }
        }
    }

    /// @notice No value, capped gas, and of the answer only the error's selector.
    function callCapped(address target, uint256 cap, bytes memory data) internal returns (bool ok, bytes4 selector) {
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := call(cap, target, 0, add(data, 0x20), mload(data), 0, 4)
            if iszero(ok) { selector := mload(0) }
        }
    }
}
