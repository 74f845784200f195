// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {SetUp} from "./SetUp.sol";
import {Overwriting} from "./Targets.sol";

/// @dev Pauses by people.
contract GuardiansTest is SetUp {
    event TargetPaused(address indexed target, address indexed by, bool bySentinels, uint256 resumesAt, uint64 epoch);
    event GuardianTimeRenewed(address indexed target, uint32 quota);

    function alreadyPaused(address target, uint256 until) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGuardian.AlreadyPaused.selector, target, until);
    }

    function timeSpent(address target) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGuardian.GuardianTimeSpent.selector, target);
    }

    function test_APersonPausesATargetThatLapses() public {
        register(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(vault), PERSON, false, block.timestamp + GUARDIAN_SECONDS, 2);
        pauseByPerson(address(vault));
        yes(vault.isPaused(), "paused");
        IGuardian.Target memory t = guardian.target(address(vault));
        same(t.pausedAt, block.timestamp, "begin");
        same(t.endsAt, block.timestamp + GUARDIAN_SECONDS, "end");
        same(t.sentinelEndsAt, 0, "not the sentinels'");
        same(t.guardianUsed, GUARDIAN_SECONDS, "time used");
        same(t.used, 0, "no sentinel pause used");
        same(guardian.sentinelBudget(), 9, "no budget used");
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        no(vault.isPaused(), "lapsed");
    }

    function test_APersonPausesATargetThatDoesNotLapse() public {
        register(address(plain), address(0), IGuardian.Lever.Pause, plainLimits());
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(plain), PERSON, false, type(uint256).max, 2);
        pauseByPerson(address(plain));
        yes(plain.paused(), "paused");
        same(guardian.target(address(plain)).endsAt, block.timestamp + GUARDIAN_SECONDS, "when a Releaser may end it");
        vm.expectRevert(alreadyPaused(address(plain), type(uint256).max));
        pauseByPerson(address(plain));
    }

    /// @dev All that can be wrong on the sentinels' side is wrong.
    function test_APersonPausesWhateverIsWithSentinels() public {
        register(address(vault));
        arm(address(vault));
        pauseByOrder(address(vault));
        vm.warp(block.timestamp + SENTINEL_SECONDS);
        vm.prank(ADMIN);
        guardian.setSentinelBudget(0);
        vm.prank(PERSON);
        guardian.stopSentinels();
        vm.prank(PERSON);
        guardian.disarm(address(vault));
        for (uint256 i = 0; i < 4; ++i) {
            address sentinel = vm.addr(keys[i]);
            vm.prank(PERSON);
            guardian.revokeSentinel(sentinel);
        }
        yes(guardian.paused(), "stopped");
        pauseByPerson(address(vault));
        yes(vault.isPaused(), "paused");
        vm.warp(EXPIRY);
        pauseByPerson(address(vault));
        yes(vault.isPaused(), "paused, with the last sentinel expired");
    }

    // ------------------------------------------------------------------------------------------------ quota

    function test_GuardiansTimeIsBoundedUntilTheAdminRenewsIt() public {
        register(address(vault));
        pauseByPerson(address(vault));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        pauseByPerson(address(vault));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        vm.expectRevert(timeSpent(address(vault)));
        pauseByPerson(address(vault));
        vm.warp(block.timestamp + 20 days);
        vm.expectRevert(timeSpent(address(vault)));
        pauseByPerson(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit GuardianTimeRenewed(address(vault), QUOTA);
        vm.prank(ADMIN);
        guardian.renewGuardianTime(address(vault));
        pauseByPerson(address(vault));
    }

    function test_ThePauseIsAsLongAsTheQuotaStillAllows() public {
        IGuardian.Limits memory l = limits();
        l.guardianQuota = GUARDIAN_SECONDS + 100;
        register(address(vault), address(0), IGuardian.Lever.PauseFor, l);
        pauseByPerson(address(vault));
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        pauseByPerson(address(vault));
        same(vault.getResumeSinceTimestamp(), block.timestamp + 100, "the rest");
        same(guardian.target(address(vault)).guardianUsed, GUARDIAN_SECONDS + 100, "all used");
    }

    function test_ASmallerQuotaThanUsedIsSpent() public {
        IGuardian.Limits memory l = limits();
        register(address(vault));
        pauseByPerson(address(vault));
        l.guardianSeconds = 1;
        l.guardianQuota = 1;
        setLimits(address(vault), l);
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        vm.expectRevert(timeSpent(address(vault)));
        pauseByPerson(address(vault));
    }

    function test_TheQuotaBoundsAlsoWhatDoesNotLapse() public {
        register(address(plain), address(0), IGuardian.Lever.Pause, plainLimits());
        for (uint256 i = 0; i < 2; ++i) {
            pauseByPerson(address(plain));
            plain.unpause();
        }
        vm.expectRevert(timeSpent(address(plain)));
        pauseByPerson(address(plain));
    }

    // ------------------------------------------------------------------------------------- already paused

    /// @dev Lido's kind refuses while it is paused. The error says so, and nothing is consumed.
    function test_ASentinelPauseOfALidoTargetCannotBeMadeLonger() public {
        register(address(vault));
        arm(address(vault));
        pauseByOrder(address(vault));
        vm.warp(block.timestamp + SENTINEL_SECONDS - 60);
        bytes4 resumedExpected = bytes4(keccak256("ResumedExpected()"));
        vm.expectRevert(abi.encodeWithSelector(IGuardian.PauseFailed.selector, address(vault), resumedExpected));
        pauseByPerson(address(vault));
        same(guardian.target(address(vault)).guardianUsed, 0, "nothing used");
        vm.warp(block.timestamp + 60);
        pauseByPerson(address(vault));
        same(vault.getResumeSinceTimestamp(), block.timestamp + GUARDIAN_SECONDS, "in the second of its end");
    }

    /// @dev Another kind takes it: people may make a pause end later, and only the added time counts.
    function test_APauseIsMadeLongerWhereTheTargetAllowsIt() public {
        Overwriting target = new Overwriting();
        register(address(target));
        arm(address(target));
        pauseByOrder(address(target));
        vm.warp(block.timestamp + SENTINEL_SECONDS - 60);
        pauseByPerson(address(target));
        same(target.getResumeSinceTimestamp(), block.timestamp + GUARDIAN_SECONDS, "later");
        same(guardian.target(address(target)).guardianUsed, GUARDIAN_SECONDS - 60, "the added time");
        vm.expectRevert(alreadyPaused(address(target), block.timestamp + GUARDIAN_SECONDS));
        pauseByPerson(address(target));
    }

    function test_APauseIsMadeLongerByTheRestOfTheQuota() public {
        Overwriting target = new Overwriting();
        IGuardian.Limits memory l = limits();
        l.guardianQuota = GUARDIAN_SECONDS + 10;
        register(address(target), address(0), IGuardian.Lever.PauseFor, l);
        pauseByPerson(address(target));
        vm.warp(block.timestamp + 500);
        uint256 end = target.getResumeSinceTimestamp();
        pauseByPerson(address(target));
        same(target.getResumeSinceTimestamp(), end + 10, "by what is left");
        vm.warp(block.timestamp + 500);
        vm.expectRevert(timeSpent(address(target)));
        pauseByPerson(address(target));
    }

    /// @dev A shorter pause over a longer one would be a resumption.
    function testFuzz_NoPauseIsMadeShorter(uint256 until, uint32 later) public {
        Overwriting target = new Overwriting();
        register(address(target));
        target.pauseFor(until % 2 == 0 ? type(uint256).max : until % 10 days);
        vm.warp(block.timestamp + later % 10 days);
        uint256 before = target.isPaused() ? target.getResumeSinceTimestamp() : block.timestamp;
        vm.prank(PERSON);
        try guardian.pauseTarget(address(target)) {
            yes(target.getResumeSinceTimestamp() > before, "later");
            same(guardian.target(address(target)).guardianUsed, target.getResumeSinceTimestamp() - before, "added");
        } catch (bytes memory error_) {
            same(uint256(keccak256(error_)), uint256(keccak256(alreadyPaused(address(target), before))), "refused");
            yes(before >= block.timestamp + GUARDIAN_SECONDS, "longer than what we would do");
        }
    }

    // ---------------------------------------------------------------------------------------------- powers

    function test_NothingHereResumes() public {
        register(address(vault));
        pauseByPerson(address(vault));
        bytes32 resumeRole = vault.RESUME_ROLE();
        vm.prank(address(guardian));
        vm.expectRevert(missingRole(address(guardian), resumeRole));
        vault.resume();
    }

    function test_OnlyRegisteredTargetsArePaused() public {
        vm.expectRevert(abi.encodeWithSelector(IGuardian.NotRegistered.selector, address(vault)));
        pauseByPerson(address(vault));
    }
}
