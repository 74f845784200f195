// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {ProvedGuardian, WilfulTarget, svm, vm} from "./World.sol";

/// @dev Three sentinels with unknown expiries, an unknown threshold, an armed target, any order, and signatures of anybody: to
/// halmos ecrecover is any function at all. Who signed is worked out here once more, without the guardian's help.
contract ThresholdProof {
    address private constant ADMIN = address(0xAD);
    uint256 private constant OBSERVED = 990;
    uint256 private constant NOW = 1_700_000_000;

    ProvedGuardian private guardian;
    WilfulTarget private target;
    address[3] private sentinels = [address(0x51), address(0x52), address(0x53)];
    uint256[3] private expiries;
    uint256 private threshold;

    function setUp() public {
        vm.warp(NOW);
        vm.roll(1000);
        threshold = svm.createUint(8, "threshold");
        vm.assume(threshold >= 1 && threshold <= 3);
        guardian = new ProvedGuardian(
            1 days, ADMIN, uint8(threshold), IGuardian.Ceilings(7 days, 14 days, 30 days, 60 days, 365 days, 32)
        );
        target = new WilfulTarget(0, false, NOW + 1 days + 1 hours);
        IGuardian.Limits memory limits = IGuardian.Limits(1 days, 1 days, 1 days, 0, 100_000, 1);
        vm.prank(ADMIN);
        guardian.register(address(target), address(0), IGuardian.Lever.PauseFor, limits);
        vm.prank(ADMIN);
        guardian.arm(address(target));
        vm.prank(ADMIN);
        guardian.setSentinelBudget(1);
        for (uint256 i = 0; i < 3; ++i) {
            expiries[i] = svm.createUint(48, "expiry");
            vm.assume(expiries[i] > NOW && expiries[i] <= NOW + 365 days);
            vm.prank(ADMIN);
            guardian.setSentinel(sentinels[i], uint48(expiries[i]));
        }
        guardian.know(OBSERVED, svm.createBytes32("hash"));
        vm.warp(NOW + 1 hours);
    }

    function anyOrder() private view returns (IGuardian.Order memory) {
        return IGuardian.Order(
            address(target),
            uint64(svm.createUint(64, "epoch")),
            svm.createBytes32("decision"),
            uint64(svm.createUint(64, "observedBlock")),
            svm.createBytes32("observedBlockHash")
        );
    }

    function enoughSigned(uint256 count) private {
        IGuardian.Order memory order = anyOrder();
        bytes memory signatures = svm.createBytes(count * 65, "signatures");
        guardian.execute(order, signatures);
        assert(target.calls() == 1);
        bytes32 digest = guardian.orderDigest(order);
        assert(distinctLiveSigners(digest, signatures, count) >= threshold);
    }

    /// @dev How many of the three live sentinels signed, each counted once whatever the number of its signatures.
    function distinctLiveSigners(bytes32 digest, bytes memory signatures, uint256 count)
        private
        view
        returns (uint256 found)
    {
        bool[3] memory signed;
        for (uint256 i = 0; i < count; ++i) {
            address signer = recovered(digest, signatures, i);
            for (uint256 j = 0; j < 3; ++j) {
                signed[j] = either(signed[j], both(signer == sentinels[j], block.timestamp < expiries[j]));
            }
        }
        for (uint256 j = 0; j < 3; ++j) {
            found += number(signed[j]);
        }
    }

    function recovered(bytes32 digest, bytes memory signatures, uint256 index) private pure returns (address) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            let place := add(add(signatures, 0x20), mul(index, 65))
            r := mload(place)
            s := mload(add(place, 0x20))
            v := byte(0, mload(add(place, 0x40)))
        }
        return ecrecover(digest, v, r, s);
    }

    // Without branches: a prover would follow each of them.

    function both(bool a, bool b) private pure returns (bool c) {
        assembly ("memory-safe") {
            c := and(a, b)
        }
    }

    function either(bool a, bool b) private pure returns (bool c) {
        assembly ("memory-safe") {
            c := or(a, b)
        }
    }

    function number(bool a) private pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := a
        }
    }

    function check_WithoutSignaturesNothingIsPaused() external {
        (bool ok,) = address(guardian).call(abi.encodeCall(guardian.execute, (anyOrder(), "")));
        assert(!ok);
        assert(target.calls() == 0);
    }

    /// @dev So many bytes are never taken, whatever is in them.
    function refused(uint256 length) private {
        bytes memory broken = svm.createBytes(length, "broken");
        (bool ok,) = address(guardian).call(abi.encodeCall(guardian.execute, (anyOrder(), broken)));
        assert(!ok);
        assert(target.calls() == 0);
    }

    function check_BrokenSignaturesAreRefused_64() external {
        refused(64);
    }

    function check_BrokenSignaturesAreRefused_66() external {
        refused(66);
    }

    function check_BrokenSignaturesAreRefused_129() external {
        refused(129);
    }

    /// The batch is no way around it, with the same order twice.
    function check_ThresholdHolds_Batch() external {
        IGuardian.Order[] memory orders = new IGuardian.Order[](2);
        bytes[] memory signatures = new bytes[](2);
        orders[0] = anyOrder();
        orders[1] = orders[0];
        signatures[0] = svm.createBytes(65, "first");
        signatures[1] = svm.createBytes(65, "second");
        guardian.executeBatch(orders, signatures);
        if (target.calls() == 0) return;
        bytes32 digest = guardian.orderDigest(orders[0]);
        assert(threshold == 1);
        assert(target.calls() == 1);
        assert(
            either(
                distinctLiveSigners(digest, signatures[0], 1) == 1, distinctLiveSigners(digest, signatures[1], 1) == 1
            )
        );
    }

    function check_ThresholdHolds_OneSignature() external {
        enoughSigned(1);
    }

    function check_ThresholdHolds_TwoSignatures() external {
        enoughSigned(2);
    }

    function check_ThresholdHolds_ThreeSignatures() external {
        enoughSigned(3);
    }

    /// Each signature given has to count, so more than there are sentinels never do.
    function check_FourSignaturesOfThreeSentinelsAreRefused() external {
        refused(4 * 65);
    }
}
