// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guardian} from "../../src/Guardian.sol";
import {IGuardian} from "../../src/IGuardian.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @dev Stands for wstETH: the vault needs the ERC-20 interface only.
contract Token is ERC20("test", "T") {
    constructor(address owner, uint256 supply) {
        _mint(owner, supply);
    }
}

/// @dev A target that only people may pause, and that a Releaser may resume. Anyone may: rights are not its subject.
contract PlainPausable is Pausable {
    function pause() external {
        _pause();
    }

    function unpause() external {
        _unpause();
    }
}

/// @dev A lapsing target that can be paused while it is paused: the last call counts, also if it is shorter.
contract Overwriting {
    uint256 public getResumeSinceTimestamp;

    function isPaused() public view returns (bool) {
        return block.timestamp < getResumeSinceTimestamp;
    }

    function pauseFor(uint256 duration) external {
        getResumeSinceTimestamp = duration == type(uint256).max ? duration : block.timestamp + duration;
    }
}

/// @dev Many targets in one, each bad in a way of its own; with all three levers.
contract Moody {
    enum Mood {
        Honest,
        EatsGas,
        EatsGasByWriting,
        ReentersPause,
        ReentersExecute,
        ReturnsMegabytes,
        RevertsWithMegabytes,
        Refuses,
        DoesNothing,
        NeverEnds,
        EndsTooLate,
        EndsAtOnce,
        EndedLongAgo,
        EndsEarly,
        ReadEatsGas,
        ReadReturnsMegabytes,
        ReadIsShort,
        ReadIsTwo,
        ReadReverts,
        ReadBreaksAfterwards,
        ResumeTimeReverts,
        Vanishes
    }

    error Unwilling(uint256 code);

    Guardian public guardian;
    Mood public mood;
    uint256 private until;
    bool private called;
    mapping(uint256 => uint256) private junk;
    IGuardian.Order private order;
    bytes private signatures;
    address public calledBy;
    uint256 public calledWith;

    constructor(Guardian guardian_) {
        guardian = guardian_;
    }

    function become(Mood mood_) public {
        mood = mood_;
        until = 0;
        called = false;
    }

    /// @dev What to re-enter with: even its own valid order must not do anything.
    function arrange(IGuardian.Order calldata order_, bytes calldata signatures_) external {
        order = order_;
        signatures = signatures_;
    }

    function pauseUntil(uint256 until_) external {
        until = until_;
    }

    function paused() external view returns (bool) {
        return isPaused();
    }

    function pause() external {
        pauseFor(1 days);
    }

    function unpause() external {
        calledBy = msg.sender;
        if (mood == Mood.Refuses) revert Unwilling(11);
        if (mood == Mood.ReadBreaksAfterwards) called = true;
        if (mood != Mood.DoesNothing) until = 0;
    }

    function pauseFor(uint256 duration) public {
        called = true;
        calledBy = msg.sender;
        calledWith = duration;
        until = block.timestamp + duration;
        if (mood == Mood.EatsGas) eat();
        if (mood == Mood.EatsGasByWriting) {
            for (uint256 i = 0;; ++i) {
                junk[i] = 1;
            }
        }
        if (mood == Mood.ReentersPause) guardian.pauseTarget(address(this));
        if (mood == Mood.ReentersExecute) guardian.execute(order, signatures);
        if (mood == Mood.ReturnsMegabytes) giveBack(300_000, false);
        if (mood == Mood.RevertsWithMegabytes) giveBack(300_000, true);
        if (mood == Mood.Refuses) revert Unwilling(7);
        if (mood == Mood.DoesNothing) until = 0;
        if (mood == Mood.NeverEnds) until = type(uint256).max;
        if (mood == Mood.EndsTooLate) until += 1;
        if (mood == Mood.EndsEarly) until = block.timestamp + 1;
        if (mood == Mood.Vanishes) until = 0;
    }

    function isPaused() public view returns (bool) {
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
        if (mood == Mood.EndsAtOnce || mood == Mood.EndedLongAgo) return called;
        return block.timestamp < until;
    }

    function getResumeSinceTimestamp() external view returns (uint256) {
        if (mood == Mood.ResumeTimeReverts) revert Unwilling(10);
        if (mood == Mood.EndedLongAgo) return 1;
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

/// @dev A breaker that lies: whatever it is asked it answers with the word that is wanted, and it pauses nothing.
contract LyingBreaker {
    uint256 private immutable PAUSER;
    bool public heartbeatFails;
    uint256 public heartbeatExpiry_;

    constructor(address pauser) {
        PAUSER = uint256(uint160(pauser));
    }

    function answerHeartbeat(bool fails, uint256 expiry) external {
        heartbeatFails = fails;
        heartbeatExpiry_ = expiry;
    }

    function getPauser(address) external view returns (uint256) {
        return PAUSER;
    }

    function isPauserLive(address) external pure returns (bool) {
        return true;
    }

    function pauseDuration() external pure returns (uint256) {
        return 1;
    }

    function pause(address) external {}

    function heartbeat() external view {
        if (heartbeatFails) revert Moody.Unwilling(12);
    }

    function heartbeatExpiry(address) external view returns (uint256) {
        return heartbeatExpiry_;
    }
}
