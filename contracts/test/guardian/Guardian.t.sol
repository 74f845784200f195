// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guardian} from "../../src/Guardian.sol";
import {Vault} from "../../src/devnet/Vault.sol";
import {Checks} from "./Checks.sol";
import {Hostile, PlainPausable, Token} from "./Hostile.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @dev Who is who, and targets of each kind. The test contract itself is nobody.
abstract contract GuardianSetUp is Checks {
    address internal constant ADMIN = address(0xA);
    address internal constant PERSON = address(0xB);
    address internal constant SENTINEL = address(0xC);
    address internal constant OTHER = address(0xD);
    uint32 internal constant DURATION = 1 days;
    uint32 internal constant GAS = 300_000;
    uint256 internal constant CEILING = 3 days;

    Guardian internal guardian;
    Vault internal vault;
    PlainPausable internal plain;
    Hostile internal hostile;
    bytes32 internal guardianRole;
    bytes32 internal sentinelRole;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        guardian = new Guardian(1 days, ADMIN, CEILING);
        guardianRole = guardian.GUARDIAN_ROLE();
        sentinelRole = guardian.SENTINEL_ROLE();
        vault = new Vault(IERC20(address(new Token(OTHER, 100 ether))), ADMIN);
        plain = new PlainPausable();
        hostile = new Hostile(guardian);
        bytes32 pauseRole = vault.PAUSE_ROLE();
        bytes32 resumeRole = vault.RESUME_ROLE();
        vm.prank(ADMIN);
        vault.grantRole(pauseRole, address(guardian));
        vm.prank(ADMIN);
        vault.grantRole(resumeRole, ADMIN);
        grant(guardianRole, PERSON);
        grant(sentinelRole, SENTINEL);
    }

    function grant(bytes32 role, address account) internal {
        vm.prank(ADMIN);
        guardian.grantRole(role, account);
    }

    function register(address target) internal {
        vm.prank(ADMIN);
        guardian.register(target, Guardian.Lever.PauseFor, DURATION, GAS);
    }

    function arm(address target, uint256 budget) internal {
        vm.prank(ADMIN);
        guardian.arm(target);
        vm.prank(ADMIN);
        guardian.setSentinelBudget(budget);
    }

    function missingRole(address account, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, account, role);
    }

    function refused(address target, Guardian.Refusal reason) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(Guardian.SentinelRefused.selector, target, reason);
    }

    /// @dev The view and the write must agree, always.
    function expectRefusal(address target, address sentinel, Guardian.Refusal reason) internal {
        (bool ok, Guardian.Refusal said) = guardian.sentinelCheck(target, sentinel);
        no(ok, "sentinelCheck says ok");
        same(uint256(said), uint256(reason), "reason");
        vm.prank(sentinel);
        vm.expectRevert(refused(target, reason));
        guardian.sentinelPause(target);
    }
}

contract GuardianRolesTest is GuardianSetUp {
    function test_ConstructorBoundsTheCeiling() public {
        uint256 max = type(uint32).max;
        vm.expectRevert(abi.encodeWithSelector(Guardian.DurationOutOfBounds.selector, 0, max));
        new Guardian(0, ADMIN, 0);
        vm.expectRevert(abi.encodeWithSelector(Guardian.DurationOutOfBounds.selector, max + 1, max));
        new Guardian(0, ADMIN, max + 1);
        same(new Guardian(0, ADMIN, max).MAX_DURATION(), max, "ceiling");
    }

    function test_SentinelCannotBecomeGuardian() public {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(Guardian.SentinelHoldsNoOtherRole.selector, SENTINEL));
        guardian.grantRole(guardianRole, SENTINEL);
    }

    function test_GuardianCannotBecomeSentinel() public {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(Guardian.SentinelHoldsNoOtherRole.selector, PERSON));
        guardian.grantRole(sentinelRole, PERSON);
    }

    function test_AdminCannotBecomeSentinel() public {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(Guardian.SentinelHoldsNoOtherRole.selector, ADMIN));
        guardian.grantRole(sentinelRole, ADMIN);
    }

    function test_SentinelCannotBecomeAdmin() public {
        vm.prank(ADMIN);
        guardian.beginDefaultAdminTransfer(SENTINEL);
        vm.warp(block.timestamp + 2 days);
        vm.prank(SENTINEL);
        vm.expectRevert(abi.encodeWithSelector(Guardian.SentinelHoldsNoOtherRole.selector, SENTINEL));
        guardian.acceptDefaultAdminTransfer();
    }

    function test_AdminMayBeGuardianAndHandOver() public {
        grant(guardianRole, ADMIN);
        vm.prank(ADMIN);
        guardian.beginDefaultAdminTransfer(OTHER);
        vm.warp(block.timestamp + 2 days);
        vm.prank(OTHER);
        guardian.acceptDefaultAdminTransfer();
        same(guardian.getRoleMember(0x00, 0), OTHER, "admin listed");
        same(guardian.getRoleMemberCount(0x00), 1, "one admin");
    }

    function test_HoldersAreListed() public {
        grant(guardianRole, OTHER);
        grant(guardianRole, OTHER);
        same(guardian.getRoleMemberCount(guardianRole), 2, "granted twice, listed once");
        vm.prank(ADMIN);
        guardian.revokeRole(guardianRole, PERSON);
        vm.prank(ADMIN);
        guardian.revokeRole(guardianRole, PERSON);
        address[] memory holders = guardian.getRoleMembers(guardianRole);
        same(holders.length, 1, "one left");
        same(holders[0], OTHER, "the right one");
        same(guardian.getRoleMember(guardianRole, 0), OTHER, "by index");
    }

    function test_RevokedGuardianMayBecomeSentinel() public {
        vm.prank(ADMIN);
        guardian.revokeRole(guardianRole, PERSON);
        grant(sentinelRole, PERSON);
        yes(guardian.hasRole(sentinelRole, PERSON), "granted");
    }

    function test_OnlyTheAdminConfigures() public {
        address[3] memory others = [PERSON, SENTINEL, OTHER];
        register(address(vault));
        for (uint256 i = 0; i < others.length; ++i) {
            bytes memory no_ = missingRole(others[i], 0x00);
            vm.prank(others[i]);
            vm.expectRevert(no_);
            guardian.register(address(plain), Guardian.Lever.Pause, 0, GAS);
            vm.prank(others[i]);
            vm.expectRevert(no_);
            guardian.unregister(address(vault));
            vm.prank(others[i]);
            vm.expectRevert(no_);
            guardian.arm(address(vault));
            vm.prank(others[i]);
            vm.expectRevert(no_);
            guardian.setSentinelBudget(9);
            vm.prank(others[i]);
            vm.expectRevert(no_);
            guardian.allowSentinels();
        }
    }
}

contract GuardianTargetsTest is GuardianSetUp {
    event TargetRegistered(address indexed target, Guardian.Lever lever, uint256 duration, uint256 gasLimit);
    event TargetUnregistered(address indexed target);
    event TargetArmed(address indexed target);
    event TargetDisarmed(address indexed target, address indexed by);
    event SentinelBudgetSet(uint256 budget);

    function tryRegister(address target, Guardian.Lever lever, uint32 duration, uint32 gas_, bytes memory error_)
        private
    {
        vm.prank(ADMIN);
        vm.expectRevert(error_);
        guardian.register(target, lever, duration, gas_);
    }

    function outOfBounds(uint256 duration, uint256 max) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Guardian.DurationOutOfBounds.selector, duration, max);
    }

    function test_RegisterKeepsWhatWasSaid() public {
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetRegistered(address(vault), Guardian.Lever.PauseFor, DURATION, GAS);
        register(address(vault));
        Guardian.Target memory t = guardian.target(address(vault));
        same(uint256(t.lever), uint256(Guardian.Lever.PauseFor), "lever");
        same(uint256(t.arming), uint256(Guardian.Arming.Disarmed), "disarmed");
        same(t.duration, DURATION, "duration");
        same(t.gasLimit, GAS, "gas");
        same(guardian.targets().length, 1, "listed");
        same(guardian.targets()[0], address(vault), "listed as itself");
    }

    function test_RegisterRefusesNonsense() public {
        address v = address(vault);
        Guardian.Lever f = Guardian.Lever.PauseFor;
        tryRegister(v, Guardian.Lever.None, DURATION, GAS, abi.encodeWithSelector(Guardian.UnknownLever.selector));
        tryRegister(address(guardian), f, DURATION, GAS, abi.encodeWithSelector(Guardian.SelfTarget.selector));
        tryRegister(OTHER, f, DURATION, GAS, abi.encodeWithSelector(Guardian.NotAContract.selector, OTHER));
        tryRegister(v, f, 0, GAS, outOfBounds(0, CEILING));
        tryRegister(v, f, uint32(CEILING) + 1, GAS, outOfBounds(CEILING + 1, CEILING));
        tryRegister(address(plain), Guardian.Lever.Pause, 1, GAS, outOfBounds(1, 0));
        bytes4 gasError = Guardian.GasLimitOutOfBounds.selector;
        tryRegister(v, f, DURATION, 29_999, abi.encodeWithSelector(gasError, 29_999));
        tryRegister(v, f, DURATION, 5_000_001, abi.encodeWithSelector(gasError, 5_000_001));
        register(v);
        tryRegister(v, f, DURATION, GAS, abi.encodeWithSelector(Guardian.AlreadyRegistered.selector, v));
    }

    function test_UnregisterForgets() public {
        register(address(vault));
        arm(address(vault), 1);
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetUnregistered(address(vault));
        vm.prank(ADMIN);
        guardian.unregister(address(vault));
        same(guardian.targets().length, 0, "not listed");
        bytes memory unknown = abi.encodeWithSelector(Guardian.NotRegistered.selector, address(vault));
        vm.prank(ADMIN);
        vm.expectRevert(unknown);
        guardian.unregister(address(vault));
        vm.prank(PERSON);
        vm.expectRevert(unknown);
        guardian.pauseTarget(address(vault));
        register(address(vault));
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.NotArmed);
    }

    function test_ArmAndDisarm() public {
        bytes memory unknown = abi.encodeWithSelector(Guardian.NotRegistered.selector, address(vault));
        vm.prank(ADMIN);
        vm.expectRevert(unknown);
        guardian.arm(address(vault));
        vm.prank(PERSON);
        vm.expectRevert(unknown);
        guardian.disarm(address(vault));
        register(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetArmed(address(vault));
        vm.prank(ADMIN);
        guardian.arm(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetDisarmed(address(vault), PERSON);
        vm.prank(PERSON);
        guardian.disarm(address(vault));
        same(uint256(guardian.target(address(vault)).arming), uint256(Guardian.Arming.Disarmed), "disarmed");
        vm.prank(ADMIN);
        guardian.disarm(address(vault));
        vm.prank(SENTINEL);
        vm.expectRevert(missingRole(SENTINEL, guardianRole));
        guardian.disarm(address(vault));
    }

    function test_ALeverThatDoesNotLapseCannotBeArmed() public {
        vm.prank(ADMIN);
        guardian.register(address(plain), Guardian.Lever.Pause, 0, GAS);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(Guardian.LeverDoesNotLapse.selector, address(plain)));
        guardian.arm(address(plain));
        vm.prank(ADMIN);
        vm.expectEmit(true, true, true, true, address(guardian));
        emit SentinelBudgetSet(5);
        guardian.setSentinelBudget(5);
        expectRefusal(address(plain), SENTINEL, Guardian.Refusal.LeverDoesNotLapse);
    }
}

contract GuardianPauseTest is GuardianSetUp {
    event TargetPaused(address indexed target, address indexed by, bool bySentinel, uint256 resumesAt);

    function test_PersonPausesATargetThatLapses() public {
        register(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(vault), PERSON, false, block.timestamp + DURATION);
        vm.prank(PERSON);
        guardian.pauseTarget(address(vault));
        yes(vault.isPaused(), "paused");
        vm.warp(block.timestamp + DURATION);
        no(vault.isPaused(), "lapsed");
    }

    function test_PersonPausesATargetThatDoesNotLapse() public {
        vm.prank(ADMIN);
        guardian.register(address(plain), Guardian.Lever.Pause, 0, GAS);
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(plain), PERSON, false, type(uint256).max);
        vm.prank(PERSON);
        guardian.pauseTarget(address(plain));
        yes(plain.paused(), "paused");
    }

    function test_PersonPausesWhateverElseIsStopped() public {
        register(address(vault));
        vm.prank(PERSON);
        guardian.stopSentinels();
        yes(guardian.paused(), "sentinels stopped");
        same(guardian.sentinelBudget(), 0, "no budget");
        vm.prank(PERSON);
        guardian.pauseTarget(address(vault));
        yes(vault.isPaused(), "paused");
    }

    function test_OnlyGuardiansPauseByHandAndStop() public {
        register(address(vault));
        address[3] memory others = [ADMIN, SENTINEL, OTHER];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(missingRole(others[i], guardianRole));
            guardian.pauseTarget(address(vault));
            vm.prank(others[i]);
            vm.expectRevert(missingRole(others[i], guardianRole));
            guardian.stopSentinels();
        }
    }

    function test_WhatIsPausedIsNotPausedAgain() public {
        register(address(vault));
        arm(address(vault), 1);
        vm.prank(PERSON);
        guardian.pauseTarget(address(vault));
        vm.prank(PERSON);
        vm.expectRevert(abi.encodeWithSelector(Guardian.AlreadyPaused.selector, address(vault)));
        guardian.pauseTarget(address(vault));
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.AlreadyPaused);
        same(guardian.sentinelBudget(), 1, "budget kept");
    }

    function test_SentinelPausesOnceUntilArmedAgain() public {
        register(address(vault));
        arm(address(vault), 5);
        (bool ok, Guardian.Refusal reason) = guardian.sentinelCheck(address(vault), SENTINEL);
        yes(ok && reason == Guardian.Refusal.None, "may pause");
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(vault), SENTINEL, true, block.timestamp + DURATION);
        vm.prank(SENTINEL);
        guardian.sentinelPause(address(vault));
        yes(vault.isPaused(), "paused");
        same(guardian.sentinelBudget(), 4, "budget");
        vm.warp(block.timestamp + DURATION);
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.AlreadySpent);
        vm.prank(ADMIN);
        guardian.arm(address(vault));
        vm.prank(SENTINEL);
        guardian.sentinelPause(address(vault));
        same(guardian.sentinelBudget(), 3, "budget again");
    }

    function test_SentinelIsRefusedWithTheReason() public {
        Guardian.Refusal none = Guardian.Refusal.NotSentinel;
        expectRefusal(address(vault), OTHER, none);
        expectRefusal(address(vault), PERSON, none);
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.NotRegistered);
        register(address(vault));
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.NotArmed);
        arm(address(vault), 0);
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.BudgetSpent);
        arm(address(vault), 1);
        vm.prank(PERSON);
        guardian.stopSentinels();
        expectRefusal(address(vault), SENTINEL, Guardian.Refusal.SentinelsStopped);
        vm.prank(ADMIN);
        guardian.allowSentinels();
        vm.prank(SENTINEL);
        guardian.sentinelPause(address(vault));
    }

    function test_TheGuardianCannotResume() public {
        register(address(vault));
        vm.prank(PERSON);
        guardian.pauseTarget(address(vault));
        bytes32 resumeRole = vault.RESUME_ROLE();
        vm.prank(address(guardian));
        vm.expectRevert(missingRole(address(guardian), resumeRole));
        vault.resume();
    }

    function test_ItTakesNoEther() public {
        (bool ok,) = address(guardian).call{value: 1}("");
        no(ok, "took ether");
    }
}

contract GuardianHostileTest is GuardianSetUp {
    function setUp() public override {
        super.setUp();
        register(address(hostile));
        arm(address(hostile), 3);
    }

    /// @dev Both ways of pausing fail with the same error, and nothing is consumed.
    function expectFailure(Hostile.Mood mood, bytes memory error_) private {
        hostile.become(mood);
        vm.prank(PERSON);
        vm.expectRevert(error_);
        guardian.pauseTarget(address(hostile));
        vm.prank(SENTINEL);
        vm.expectRevert(error_);
        guardian.sentinelPause(address(hostile));
        nothingConsumed();
    }

    function nothingConsumed() private view {
        same(guardian.sentinelBudget(), 3, "budget");
        same(uint256(guardian.target(address(hostile)).arming), uint256(Guardian.Arming.Armed), "arming");
    }

    function failed(bytes4 selector) private view returns (bytes memory) {
        return abi.encodeWithSelector(Guardian.PauseFailed.selector, address(hostile), selector);
    }

    function unreadable() private view returns (bytes memory) {
        return abi.encodeWithSelector(Guardian.StateUnreadable.selector, address(hostile));
    }

    function test_GasEater() public {
        uint256 before = gasleft();
        expectFailure(Hostile.Mood.EatsGas, failed(0));
        yes(before - gasleft() < 2 * uint256(GAS) + 300_000, "it ate no more than its limit");
    }

    function test_ReentryIsStopped() public {
        grant(guardianRole, address(hostile));
        expectFailure(Hostile.Mood.Reenters, failed(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
    }

    /// @dev With so much gas the target gets its limit, and there is none left to copy what it returns.
    function test_MegabytesOfReturnDataAreNotCopied() public {
        hostile.become(Hostile.Mood.ReturnsMegabytes);
        vm.prank(PERSON);
        (bool ok,) = address(guardian).call{gas: 480_000}(abi.encodeCall(guardian.pauseTarget, (address(hostile))));
        yes(ok && hostile.isPaused(), "paused");
        expectFailure(Hostile.Mood.RevertsWithMegabytes, failed(0));
    }

    function test_RefusalIsNamed() public {
        expectFailure(Hostile.Mood.Refuses, failed(Hostile.Unwilling.selector));
    }

    function test_LiarThatDoesNotPause() public {
        expectFailure(
            Hostile.Mood.DoesNothing, abi.encodeWithSelector(Guardian.NotPausedAfterwards.selector, address(hostile))
        );
    }

    function test_PauseForEverIsRefused() public {
        expectFailure(
            Hostile.Mood.NeverEnds,
            abi.encodeWithSelector(
                Guardian.WrongResumeTime.selector, address(hostile), type(uint256).max, block.timestamp + DURATION
            )
        );
    }

    function test_PauseThatIsOverIsRefused() public {
        expectFailure(
            Hostile.Mood.EndsAtOnce,
            abi.encodeWithSelector(
                Guardian.WrongResumeTime.selector, address(hostile), block.timestamp, block.timestamp + DURATION
            )
        );
    }

    function test_ShorterPauseIsTaken() public {
        hostile.become(Hostile.Mood.EndsEarly);
        vm.prank(PERSON);
        guardian.pauseTarget(address(hostile));
        yes(hostile.isPaused(), "paused");
    }

    function test_UnreadableBefore() public {
        Hostile.Mood[4] memory moods =
            [Hostile.Mood.ReadEatsGas, Hostile.Mood.ReadIsShort, Hostile.Mood.ReadIsTwo, Hostile.Mood.ReadReverts];
        for (uint256 i = 0; i < moods.length; ++i) {
            hostile.become(moods[i]);
            vm.prank(PERSON);
            vm.expectRevert(unreadable());
            guardian.pauseTarget(address(hostile));
            expectRefusal(address(hostile), SENTINEL, Guardian.Refusal.StateUnreadable);
            nothingConsumed();
        }
    }

    function test_LongAnswerThatBeginsWithFalseIsRead() public {
        hostile.become(Hostile.Mood.ReadReturnsMegabytes);
        vm.prank(PERSON);
        // memory of a solidity contract begins with zeros: "not paused", also afterwards
        vm.expectRevert(abi.encodeWithSelector(Guardian.NotPausedAfterwards.selector, address(hostile)));
        guardian.pauseTarget(address(hostile));
    }

    function test_UnreadableAfterwards() public {
        expectFailure(Hostile.Mood.ReadBreaksAfterwards, unreadable());
        expectFailure(Hostile.Mood.ResumeTimeReverts, unreadable());
    }

    function test_TooLittleGasIsSaidAndConsumesNothing() public {
        hostile.become(Hostile.Mood.Honest);
        vm.prank(SENTINEL);
        (bool ok, bytes memory error_) =
            address(guardian).call{gas: 400_000}(abi.encodeCall(guardian.sentinelPause, (address(hostile))));
        no(ok, "went through");
        same(uint256(uint32(bytes4(error_))), uint256(uint32(Guardian.NotEnoughGas.selector)), "says why");
        nothingConsumed();
    }

    /// @dev The 63/64 rule: with any amount of gas, either the target is paused or nothing is consumed.
    function testFuzz_AnyGasPausesOrConsumesNothing(uint256 gas_) public {
        hostile.become(Hostile.Mood.Honest);
        gas_ = 30_000 + gas_ % 1_000_000;
        vm.prank(SENTINEL);
        (bool ok,) = address(guardian).call{gas: gas_}(abi.encodeCall(guardian.sentinelPause, (address(hostile))));
        if (ok) {
            yes(hostile.isPaused(), "paused");
            same(guardian.sentinelBudget(), 2, "budget");
        } else {
            no(hostile.isPaused(), "not paused");
            nothingConsumed();
        }
    }
}

contract GuardianBudgetTest is GuardianSetUp {
    /// @dev However many targets are armed, sentinels pause exactly as many as the budget allows.
    function testFuzz_BudgetIsOverAllTargets(uint8 count, uint8 budget) public {
        uint256 n = 1 + count % 8;
        uint256 allowed = budget % 10;
        Hostile[] memory hs = new Hostile[](n);
        for (uint256 i = 0; i < n; ++i) {
            hs[i] = new Hostile(guardian);
            register(address(hs[i]));
            arm(address(hs[i]), allowed);
        }
        uint256 done;
        for (uint256 i = 0; i < n; ++i) {
            if (done == allowed) {
                expectRefusal(address(hs[i]), SENTINEL, Guardian.Refusal.BudgetSpent);
                continue;
            }
            vm.prank(SENTINEL);
            guardian.sentinelPause(address(hs[i]));
            done += 1;
        }
        same(done, n < allowed ? n : allowed, "paused");
        same(guardian.sentinelBudget(), allowed - done, "left");
    }

    /// @dev The target's pause is exactly the admin's duration, and never over the ceiling.
    function testFuzz_DurationIsTheAdmins(uint32 duration) public {
        vm.assume(duration != 0 && duration <= CEILING);
        vm.prank(ADMIN);
        guardian.register(address(vault), Guardian.Lever.PauseFor, duration, GAS);
        arm(address(vault), 1);
        vm.prank(SENTINEL);
        guardian.sentinelPause(address(vault));
        same(vault.getResumeSinceTimestamp(), block.timestamp + duration, "ends");
    }

    /// @dev Nobody without a role does anything at all, whatever the function and its arguments.
    function testFuzz_StrangersCannot(address stranger, uint8 which, uint32 a, uint32 b) public {
        vm.assume(stranger != ADMIN && stranger != PERSON && stranger != SENTINEL);
        bytes4[13] memory selectors = [
            Guardian.pauseTarget.selector,
            Guardian.sentinelPause.selector,
            Guardian.disarm.selector,
            Guardian.stopSentinels.selector,
            Guardian.allowSentinels.selector,
            Guardian.register.selector,
            Guardian.unregister.selector,
            Guardian.arm.selector,
            Guardian.setSentinelBudget.selector,
            guardian.grantRole.selector,
            guardian.revokeRole.selector,
            guardian.beginDefaultAdminTransfer.selector,
            guardian.acceptDefaultAdminTransfer.selector
        ];
        register(address(vault));
        arm(address(vault), 1);
        vm.prank(stranger);
        (bool ok,) = address(guardian).call(abi.encodeWithSelector(selectors[which % 13], address(vault), a, b, GAS));
        no(ok, "a stranger got through");
    }
}
