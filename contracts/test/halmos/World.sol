// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guardian} from "../../src/Guardian.sol";

/// @dev Halmos' cheat codes that the proofs use.
interface Svm {
    function createUint256(string calldata name) external pure returns (uint256);
    function createUint(uint256 bits, string calldata name) external pure returns (uint256);
    function createBytes(uint256 length, string calldata name) external pure returns (bytes memory);
    function createBytes32(string calldata name) external pure returns (bytes32);
    function createAddress(string calldata name) external pure returns (address);
    function createBool(string calldata name) external pure returns (bool);
    function createCalldata(string calldata contractName) external pure returns (bytes memory);
    function enableSymbolicStorage(address account) external;
}

interface VmProof {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
}

Svm constant svm = Svm(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
VmProof constant vm = VmProof(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

/// @dev The guardian as it is, but for the block hash: halmos does not know the opcode, so that any hash may be known.
contract ProvedGuardian is Guardian {
    mapping(uint256 number => bytes32) public hashes;
    address private immutable PROOF = msg.sender;

    /// @dev A proof tries all selectors, these too.
    modifier onlyProof() {
        require(msg.sender == PROOF);
        _;
    }

    constructor(uint48 delay, address admin, uint8 threshold_, Ceilings memory c)
        Guardian(delay, admin, threshold_, c)
    {}

    function know(uint256 number, bytes32 hash) external onlyProof {
        hashes[number] = hash;
    }

    /// @dev What halmos leaves as the constructor wrote it: it makes mappings unknown, and not what has a slot of its own.
    function suppose(uint8 threshold_, uint32 budget, uint40 epoch) external onlyProof {
        threshold = threshold_;
        sentinelBudget = budget;
        _contractEpoch = epoch;
    }

    function supposeStopped() external onlyProof {
        _pause();
    }

    function _blockHash(uint256 number) internal view override returns (bytes32) {
        return hashes[number];
    }
}

/// @dev A target that tells the truth about itself and obeys nobody: a pause lasts until whenever it likes.
contract WilfulTarget {
    uint256 public until;
    uint256 public calls;
    bool public paused;
    /// @dev Something was called that is neither a lever nor a question.
    bool public strange;
    uint256 public immutable next;

    constructor(uint256 until_, bool paused_, uint256 next_) {
        (until, paused, next) = (until_, paused_, next_);
    }

    function pauseFor(uint256) external {
        ++calls;
        until = next;
    }

    function pause() external {
        ++calls;
        paused = true;
        until = next;
    }

    function isPaused() external view returns (bool) {
        return block.timestamp < until;
    }

    function getResumeSinceTimestamp() external view returns (uint256) {
        return until;
    }

    fallback() external payable {
        strange = true;
    }
}

/// @dev A breaker that answers anything, and pauses its target for as long as it said.
contract WilfulBreaker {
    address public pauser;
    uint256 public pauseDuration;
    uint256 public expiry;
    bool public strange;

    constructor(address pauser_, uint256 duration, uint256 expiry_) {
        (pauser, pauseDuration, expiry) = (pauser_, duration, expiry_);
    }

    function getPauser(address) external view returns (address) {
        return pauser;
    }

    function isPauserLive(address) external view returns (bool) {
        return block.timestamp < expiry;
    }

    function heartbeatExpiry(address) external view returns (uint256) {
        return expiry;
    }

    function heartbeat() external {}

    function pause(address target) external {
        WilfulTarget(payable(target)).pauseFor(pauseDuration);
    }

    fallback() external payable {
        strange = true;
    }
}
