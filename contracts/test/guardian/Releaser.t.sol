// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Releaser} from "../../src/Releaser.sol";
import {SetUp} from "./SetUp.sol";
import {Moody} from "./Targets.sol";

contract ReleaserTest is SetUp {
    event Released(address indexed target, address indexed by, uint48 pausedAt);
    event Disowned(address indexed target, address indexed by, uint48 pausedAt);
    event SeenRunning(address indexed target, address indexed by, uint48 pausedAt);

    uint48 private constant WINDOW = 2 days;
    Releaser private releaser;

    function setUp() public override {
        super.setUp();
        releaser = new Releaser(guardian, WINDOW);
        register(address(plain), address(0), IGuardian.Lever.Pause, plainLimits());
    }

    function expectAnswer(address target, Releaser.Answer answer) private {
        same(uint256(releaser.check(target)), uint256(answer), "check");
        vm.prank(OTHER);
        vm.expectRevert(abi.encodeWithSelector(Releaser.NotReleasable.selector, target, answer));
        releaser.release(target);
    }

    function release(address target) private {
        vm.prank(OTHER);
        releaser.release(target);
    }

    function test_ItIsBoundToAGuardianContractAndAWindow() public {
        vm.expectRevert(abi.encodeWithSelector(Releaser.NotAContract.selector, OTHER));
        new Releaser(IGuardian(OTHER), WINDOW);
        vm.expectRevert(abi.encodeWithSelector(Releaser.WindowOutOfBounds.selector, 0));
        new Releaser(guardian, 0);
        vm.expectRevert(abi.encodeWithSelector(Releaser.WindowOutOfBounds.selector, 30 days + 1));
        new Releaser(guardian, 30 days + 1);
        same(address(releaser.GUARDIAN()), address(guardian), "guardian");
        same(releaser.WINDOW(), WINDOW, "window");
        yes(bytes(releaser.givesAway()).length > 300, "says what it gives away");
    }

    function test_AnyoneEndsAPauseWhoseTimeIsOver() public {
        uint48 began = uint48(block.timestamp);
        pauseByPerson(address(plain));
        vm.warp(began + GUARDIAN_SECONDS - 1);
        expectAnswer(address(plain), Releaser.Answer.TooEarly);
        vm.warp(began + GUARDIAN_SECONDS);
        same(uint256(releaser.check(address(plain))), 0, "over");
        vm.expectEmit(true, true, true, true, address(releaser));
        emit Released(address(plain), OTHER, began);
        release(address(plain));
        no(plain.paused(), "released");
        expectAnswer(address(plain), Releaser.Answer.Closed);
    }

    /// @dev The Releaser counts what guardians were given, also when it was less than usual.
    function test_TheTimeIsTheOneOfTheRecord() public {
        IGuardian.Limits memory l = plainLimits();
        l.guardianQuota = GUARDIAN_SECONDS + 50;
        setLimits(address(plain), l);
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        release(address(plain));
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + 49);
        expectAnswer(address(plain), Releaser.Answer.TooEarly);
        vm.warp(block.timestamp + 1);
        release(address(plain));
        no(plain.paused(), "released");
    }

    function test_APauseBySomebodyElseIsNotReleased() public {
        plain.pause();
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        expectAnswer(address(plain), Releaser.Answer.NoPause);
    }

    function test_APauseBySomebodyElseAfterOneThatWasReleasedStays() public {
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        release(address(plain));
        plain.pause();
        expectAnswer(address(plain), Releaser.Answer.Closed);
    }

    function test_APauseBySomebodyElseAfterTheTargetWasSeenRunningStays() public {
        uint48 began = uint48(block.timestamp);
        pauseByPerson(address(plain));
        bytes memory notRunning = abi.encodeWithSelector(Releaser.NotRunning.selector, address(plain));
        vm.expectRevert(notRunning);
        releaser.settle(address(plain));
        plain.unpause();
        vm.expectEmit(true, true, true, true, address(releaser));
        emit SeenRunning(address(plain), OTHER, began);
        vm.prank(OTHER);
        releaser.settle(address(plain));
        plain.pause();
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        expectAnswer(address(plain), Releaser.Answer.Closed);
    }

    function test_ARecordCountsForABoundedTime() public {
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS + WINDOW - 1);
        same(uint256(releaser.check(address(plain))), 0, "last second");
        vm.warp(block.timestamp + 1);
        expectAnswer(address(plain), Releaser.Answer.TooLate);
    }

    function test_GuardiansDisownAPause() public {
        uint48 began = uint48(block.timestamp);
        pauseByPerson(address(plain));
        address[3] memory others = [ADMIN, OTHER, vm.addr(keys[0])];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Releaser.NotAGuardian.selector, others[i]));
            releaser.disown(address(plain));
        }
        vm.expectEmit(true, true, true, true, address(releaser));
        emit Disowned(address(plain), PERSON, began);
        vm.prank(PERSON);
        releaser.disown(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        expectAnswer(address(plain), Releaser.Answer.Closed);
        plain.unpause();
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        release(address(plain));
        no(plain.paused(), "the next pause is not disowned");
    }

    function test_OnlyPausesOfThisLeverAreEnded() public {
        expectAnswer(address(vault), Releaser.Answer.NotPauseLever);
        register(address(moody));
        pauseByPerson(address(moody));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        expectAnswer(address(moody), Releaser.Answer.NotPauseLever);
        bytes memory none =
            abi.encodeWithSelector(Releaser.NotReleasable.selector, address(plain), Releaser.Answer.NoPause);
        vm.expectRevert(none);
        releaser.settle(address(plain));
        vm.prank(PERSON);
        vm.expectRevert(none);
        releaser.disown(address(plain));
        expectAnswer(address(plain), Releaser.Answer.NoPause);
    }

    function test_WhatRunsIsNotReleased() public {
        pauseByPerson(address(plain));
        plain.unpause();
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        expectAnswer(address(plain), Releaser.Answer.NotPaused);
    }

    function test_AnUnregisteredTargetIsNotReleased() public {
        pauseByPerson(address(plain));
        vm.prank(ADMIN);
        guardian.unregister(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        expectAnswer(address(plain), Releaser.Answer.NotPauseLever);
    }

    function test_HostileTargetsAreNotBelieved() public {
        register(address(moody), address(0), IGuardian.Lever.Pause, plainLimits());
        pauseByPerson(address(moody));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        become(Moody.Mood.Refuses);
        vm.expectRevert(
            abi.encodeWithSelector(Releaser.ReleaseFailed.selector, address(moody), Moody.Unwilling.selector)
        );
        release(address(moody));
        bytes memory still = abi.encodeWithSelector(Releaser.StillPaused.selector, address(moody));
        become(Moody.Mood.DoesNothing);
        vm.expectRevert(still);
        release(address(moody));
        become(Moody.Mood.ReadBreaksAfterwards);
        vm.expectRevert(still);
        release(address(moody));
        become(Moody.Mood.ReadReverts);
        expectAnswer(address(moody), Releaser.Answer.NotPaused);
        vm.expectRevert(abi.encodeWithSelector(Releaser.NotRunning.selector, address(moody)));
        releaser.settle(address(moody));
        become(Moody.Mood.Honest);
        release(address(moody));
        same(moody.calledBy(), address(releaser), "released");
    }

    function become(Moody.Mood mood) private {
        moody.become(mood);
        moody.pauseUntil(block.timestamp + 1 days);
    }

    function testFuzz_ReleasedOrNothing(uint256 gas_) public {
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        vm.prank(OTHER);
        (bool ok,) = address(releaser).call{gas: gas_ % 600_000}(abi.encodeCall(releaser.release, (address(plain))));
        same(plain.paused() ? 0 : 1, ok ? 1 : 0, "released if it says so");
        same(releaser.closedPause(address(plain)) != 0 ? 1 : 0, ok ? 1 : 0, "closed if it says so");
    }

    function test_TooLittleGasIsSaid() public {
        pauseByPerson(address(plain));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        vm.expectPartialRevert(Releaser.NotEnoughGas.selector);
        vm.prank(OTHER);
        releaser.release{gas: 380_000}(address(plain));
    }
}
