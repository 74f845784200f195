// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guardian} from "../../src/Guardian.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @dev Stands for wstETH: the vault needs the ERC-20 interface only.
contract Token is ERC20("test", "T") {
    constructor(address owner, uint256 supply) {
        _mint(owner, supply);
    }
}

/// @dev A target of the kind that only people may pause.
contract PlainPausable is Pausable {
    function pause() external {
        _pause();
    }
}

/// @dev Ten targets in one, each bad in a way of its own.
contract Hostile {
    enum Mood {
        Honest,
        EatsGas,
        Reenters,
        ReturnsMegabytes,
        RevertsWithMegabytes,
        Refuses,
        DoesNothing,
        NeverEnds,
        EndsAtOnce,
        EndsEarly,
        ReadEatsGas,
        ReadReturnsMegabytes,
        ReadIsShort,
        ReadIsTwo,
        ReadReverts,
        ReadBreaksAfterwards,
        ResumeTimeReverts
    }

    error Unwilling(uint256 code);

    Guardian public guardian;
    Mood public mood;
    uint256 private until;
    bool private called;

    constructor(Guardian guardian_) {
        guardian = guardian_;
    }

    function become(Mood mood_) external {
        mood = mood_;
        until = 0;
        called = false;
    }

    function pauseFor(uint256 duration) external returns (bytes memory) {
        called = true;
        until = block.timestamp + duration;
        if (mood == Mood.EatsGas) eat();
        if (mood == Mood.Reenters) guardian.pauseTarget(address(this));
        if (mood == Mood.ReturnsMegabytes) giveBack(300_000, false);
        if (mood == Mood.RevertsWithMegabytes) giveBack(300_000, true);
        if (mood == Mood.Refuses) revert Unwilling(7);
        if (mood == Mood.DoesNothing) until = 0;
        if (mood == Mood.NeverEnds) until = type(uint256).max;
        if (mood == Mood.EndsEarly) until = block.timestamp + 1;
        return "";
    }

    function isPaused() external view returns (bool) {
        if (mood == Mood.ReadEatsGas) eat();
        if (mood == Mood.ReadReturnsMegabytes) giveBack(30_000, false);
        if (mood == Mood.ReadReverts) revert Unwilling(8);
        if (mood == Mood.ReadBreaksAfterwards && called) revert Unwilling(9);
        if (mood == Mood.ReadIsShort) {
            assembly {
                mstore(0, not(0))
                return(0, 31)
            }
        }
        if (mood == Mood.ReadIsTwo) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
        return block.timestamp < until;
    }

    function getResumeSinceTimestamp() external view returns (uint256) {
        if (mood == Mood.ResumeTimeReverts) revert Unwilling(10);
        return mood == Mood.EndsAtOnce ? block.timestamp : until;
    }

    function eat() private pure {
        assembly {
            invalid()
        }
    }

    function giveBack(uint256 size, bool asError) private pure {
        assembly {
            if asError { revert(0, size) }
            return(0, size)
        }
    }
}
