// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {SetUp} from "./SetUp.sol";
import {LyingBreaker} from "./Targets.sol";

contract RegisterTest is SetUp {
    event TargetRegistered(
        address indexed target, address indexed via, IGuardian.Lever lever, IGuardian.Limits limits, uint64 epoch
    );
    event TargetUnregistered(address indexed target, uint64 epoch);
    event LimitsSet(address indexed target, IGuardian.Limits limits, uint64 epoch);

    function tryRegister(address target, address via, IGuardian.Lever lever, IGuardian.Limits memory l, bytes memory e)
        private
    {
        vm.expectRevert(e);
        register(target, via, lever, l);
    }

    function selector(bytes4 error_, address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(error_, account);
    }

    function test_RegisterKeepsWhatWasSaid() public {
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetRegistered(address(vault), address(0), IGuardian.Lever.PauseFor, limits(), 1);
        register(address(vault));
        IGuardian.Target memory t = guardian.target(address(vault));
        same(uint256(t.lever), uint256(IGuardian.Lever.PauseFor), "lever");
        same(uint256(t.arming), uint256(IGuardian.Arming.Disarmed), "disarmed");
        same(t.epoch, 1, "epoch");
        same(t.limits.sentinelSeconds, SENTINEL_SECONDS, "sentinels");
        same(t.limits.guardianSeconds, GUARDIAN_SECONDS, "guardians");
        same(t.limits.guardianQuota, QUOTA, "quota");
        same(t.limits.cooldown, COOLDOWN, "cooldown");
        same(t.limits.gasLimit, GAS, "gas");
        same(t.limits.budget, 1, "budget");
        same(t.via, address(0), "via");
        same(t.registeredAt, block.timestamp, "registered");
        same(t.pausedAt + t.endsAt + t.sentinelEndsAt + t.used + t.guardianUsed, 0, "never paused");
        same(guardian.targets().length, 1, "listed");
        same(guardian.targets()[0], address(vault), "listed as itself");
    }

    function test_RegisterRefusesNonsense() public {
        address v = address(vault);
        IGuardian.Lever f = IGuardian.Lever.PauseFor;
        tryRegister(
            v, address(0), IGuardian.Lever.None, limits(), abi.encodeWithSelector(IGuardian.UnknownLever.selector)
        );
        bytes memory self = abi.encodeWithSelector(IGuardian.SelfTarget.selector);
        tryRegister(address(guardian), address(0), f, limits(), self);
        tryRegister(v, address(guardian), IGuardian.Lever.CircuitBreaker, limits(), self);
        tryRegister(OTHER, address(0), f, limits(), selector(IGuardian.NotAContract.selector, OTHER));
        register(v);
        tryRegister(v, address(0), f, limits(), selector(IGuardian.AlreadyRegistered.selector, v));
    }

    function test_ViaIsTheBreakerAndNothingElse() public {
        address v = address(vault);
        address breaker = address(new LyingBreaker(address(guardian)));
        bytes4 wrong = IGuardian.WrongVia.selector;
        tryRegister(v, breaker, IGuardian.Lever.PauseFor, limits(), selector(wrong, breaker));
        tryRegister(v, breaker, IGuardian.Lever.Pause, plainLimits(), selector(wrong, breaker));
        tryRegister(v, address(0), IGuardian.Lever.CircuitBreaker, limits(), selector(wrong, address(0)));
        tryRegister(v, v, IGuardian.Lever.CircuitBreaker, limits(), selector(wrong, v));
        tryRegister(
            v, OTHER, IGuardian.Lever.CircuitBreaker, limits(), selector(IGuardian.NotAContract.selector, OTHER)
        );
        register(v, breaker, IGuardian.Lever.CircuitBreaker, limits());
        same(guardian.target(v).via, breaker, "via");
    }

    /// @dev Both register and setLimits, for every bound and both sides of it.
    function tryLimits(IGuardian.Limits memory l, IGuardian.Lever lever, bytes memory error_) private {
        tryRegister(address(vault), address(0), lever, l, error_);
        register(address(moody), address(0), lever, lever == IGuardian.Lever.Pause ? plainLimits() : limits());
        vm.expectRevert(error_);
        setLimits(address(moody), l);
        vm.prank(ADMIN);
        guardian.unregister(address(moody));
    }

    function test_LimitsStayUnderTheCeilings() public {
        IGuardian.Lever f = IGuardian.Lever.PauseFor;
        IGuardian.Limits memory l = limits();
        l.sentinelSeconds = 0;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.SentinelSeconds, 0, 1, 1 days));
        l.sentinelSeconds = 1 days + 1;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.SentinelSeconds, 1 days + 1, 1, 1 days));
        l = limits();
        l.guardianSeconds = 0;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.GuardianSeconds, 0, 1, 3 days));
        l.guardianSeconds = 3 days + 1;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.GuardianSeconds, 3 days + 1, 1, 3 days));
        l = limits();
        l.guardianQuota = GUARDIAN_SECONDS - 1;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.GuardianQuota, GUARDIAN_SECONDS - 1, GUARDIAN_SECONDS, 9 days));
        l.guardianQuota = 9 days + 1;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.GuardianQuota, 9 days + 1, GUARDIAN_SECONDS, 9 days));
        l = limits();
        l.cooldown = 2 days + 1;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.Cooldown, 2 days + 1, 0, 2 days));
        l = limits();
        l.gasLimit = 29_999;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.GasLimit, 29_999, 30_000, 1_000_000));
        l.gasLimit = 1_000_001;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.GasLimit, 1_000_001, 30_000, 1_000_000));
        l = limits();
        l.budget = 0;
        tryLimits(l, f, outOfBounds(IGuardian.Bound.Budget, 0, 1, 255));
    }

    function test_ALeverThatDoesNotLapseHasNothingForSentinels() public {
        IGuardian.Limits memory l = plainLimits();
        l.sentinelSeconds = 1;
        tryLimits(l, IGuardian.Lever.Pause, outOfBounds(IGuardian.Bound.SentinelSeconds, 1, 0, 0));
        l = plainLimits();
        l.budget = 1;
        tryLimits(l, IGuardian.Lever.Pause, outOfBounds(IGuardian.Bound.Budget, 1, 0, 0));
    }

    function testFuzz_WhatIsStoredIsUnderTheCeilings(IGuardian.Limits memory l) public {
        vm.prank(ADMIN);
        try guardian.register(address(vault), address(0), IGuardian.Lever.PauseFor, l) {
            IGuardian.Limits memory kept = guardian.target(address(vault)).limits;
            same(uint256(keccak256(abi.encode(kept))), uint256(keccak256(abi.encode(l))), "kept");
            yes(kept.sentinelSeconds > 0 && kept.sentinelSeconds <= 1 days, "sentinels");
            yes(kept.guardianSeconds > 0 && kept.guardianSeconds <= 3 days, "guardians");
            yes(kept.guardianQuota >= kept.guardianSeconds && kept.guardianQuota <= 9 days, "quota");
            yes(kept.cooldown <= 2 days && kept.budget > 0, "cooldown, budget");
        } catch (bytes memory error_) {
            same(uint32(bytes4(error_)), uint32(IGuardian.OutOfBounds.selector), "for a reason");
        }
    }

    function test_SetLimitsChangesAndVoids() public {
        register(address(vault));
        arm(address(vault));
        IGuardian.Order memory order = orderFor(address(vault));
        IGuardian.Limits memory l = limits();
        l.sentinelSeconds = 1 hours;
        vm.expectEmit(true, true, true, true, address(guardian));
        emit LimitsSet(address(vault), l, 3);
        setLimits(address(vault), l);
        same(guardian.target(address(vault)).limits.sentinelSeconds, 1 hours, "changed");
        same(uint256(guardian.target(address(vault)).arming), uint256(IGuardian.Arming.Armed), "still armed");
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongEpoch);
        pauseByOrder(address(vault));
        same(vault.getResumeSinceTimestamp(), block.timestamp + 1 hours, "the new length");
        vm.expectRevert(selector(IGuardian.NotRegistered.selector, address(plain)));
        setLimits(address(plain), l);
    }

    function test_UnregisterForgetsAllButTheEpoch() public {
        register(address(vault));
        arm(address(vault));
        IGuardian.Order memory order = orderFor(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetUnregistered(address(vault), 3);
        vm.prank(ADMIN);
        guardian.unregister(address(vault));
        same(guardian.targets().length, 0, "not listed");
        same(uint256(guardian.target(address(vault)).lever), 0, "forgotten");
        same(guardian.target(address(vault)).registeredAt, 0, "forgotten whole");
        bytes memory unknown = selector(IGuardian.NotRegistered.selector, address(vault));
        vm.prank(ADMIN);
        vm.expectRevert(unknown);
        guardian.unregister(address(vault));
        vm.expectRevert(unknown);
        pauseByPerson(address(vault));
        vm.prank(ADMIN);
        vm.expectRevert(unknown);
        guardian.renewGuardianTime(address(vault));
        register(address(vault));
        arm(address(vault));
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongEpoch);
    }
}

contract ArmingTest is SetUp {
    event ArmingSet(address indexed target, IGuardian.Arming arming, address indexed by, uint64 epoch);

    function expectArming(IGuardian.Arming arming, address by, uint64 epoch) private {
        vm.expectEmit(true, true, true, true, address(guardian));
        emit ArmingSet(address(vault), arming, by, epoch);
    }

    function test_ArmShadowDisarm() public {
        register(address(vault));
        expectArming(IGuardian.Arming.Shadow, ADMIN, 2);
        shadow(address(vault));
        expectArming(IGuardian.Arming.Armed, ADMIN, 3);
        arm(address(vault));
        expectArming(IGuardian.Arming.Disarmed, PERSON, 4);
        vm.prank(PERSON);
        guardian.disarm(address(vault));
        expectArming(IGuardian.Arming.Disarmed, ADMIN, 5);
        vm.prank(ADMIN);
        guardian.disarm(address(vault));
        same(uint256(guardian.target(address(vault)).arming), uint256(IGuardian.Arming.Disarmed), "disarmed");
    }

    function test_OnlyWhatIsRegisteredAndLapsesIsArmed() public {
        bytes memory unknown = abi.encodeWithSelector(IGuardian.NotRegistered.selector, address(vault));
        vm.expectRevert(unknown);
        arm(address(vault));
        vm.expectRevert(unknown);
        shadow(address(vault));
        vm.prank(PERSON);
        vm.expectRevert(unknown);
        guardian.disarm(address(vault));
        register(address(plain), address(0), IGuardian.Lever.Pause, plainLimits());
        bytes memory lasting = abi.encodeWithSelector(IGuardian.LeverDoesNotLapse.selector, address(plain));
        vm.expectRevert(lasting);
        arm(address(plain));
        vm.expectRevert(lasting);
        shadow(address(plain));
        expectTargetRefusal(address(plain), IGuardian.Refusal.LeverDoesNotLapse);
    }

    /// @dev Every change is another period, and none ever comes back.
    function test_TheEpochRisesWithEveryChange() public {
        uint64 last = 0;
        for (uint256 i = 0; i < 9; ++i) {
            if (i == 0) register(address(vault));
            if (i == 1) arm(address(vault));
            if (i == 2) shadow(address(vault));
            if (i == 3) setLimits(address(vault), limits());
            if (i == 4) pauseByPerson(address(vault));
            if (i == 5) {
                vm.prank(PERSON);
                guardian.stopSentinels();
            }
            if (i == 6) {
                vm.prank(ADMIN);
                guardian.allowSentinels();
            }
            if (i == 7) {
                vm.prank(PERSON);
                guardian.disarm(address(vault));
            }
            if (i == 8) {
                vm.prank(ADMIN);
                guardian.unregister(address(vault));
            }
            uint64 epoch = guardian.target(address(vault)).epoch;
            same(epoch, last + 1, "risen by one");
            last = epoch;
        }
    }
}
