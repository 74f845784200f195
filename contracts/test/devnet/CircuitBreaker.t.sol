// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vault} from "../../src/devnet/Vault.sol";
import {CircuitBreaker} from "../../src/devnet/lido/CircuitBreaker.sol";
import {Safe} from "../../src/devnet/safe/Safe.sol";
import {Signing} from "./Signing.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @dev Says that it paused and is not, or calls back.
contract OddPausable {
    CircuitBreaker private immutable breaker;
    address private immutable other;

    constructor(CircuitBreaker breaker_, address other_) {
        (breaker, other) = (breaker_, other_);
    }

    function pauseFor(uint256) external {
        if (other != address(0)) breaker.pause(other);
    }

    function isPaused() external pure returns (bool) {
        return false;
    }
}

contract CircuitBreakerTest is Signing {
    event PauserSet(address indexed pausable, address indexed previousPauser, address indexed newPauser);
    event PauseTriggered(address indexed pausable, address indexed pauser, uint256 pauseDuration);
    event HeartbeatUpdated(address indexed pauser, uint256 newHeartbeatExpiry);
    event PauseDurationUpdated(uint256 previousPauseDuration, uint256 newPauseDuration);
    event HeartbeatIntervalUpdated(uint256 previousHeartbeatInterval, uint256 newHeartbeatInterval);

    address private constant ADMIN = address(0xA);
    address private constant COMMITTEE = address(0xC0);
    address private constant OTHER = address(0xC1);
    uint256 private constant NOW = 1_800_000_000;
    CircuitBreaker private breaker;
    Vault private one;
    Vault private two;

    function setUp() public {
        vm.warp(NOW);
        breaker = new CircuitBreaker(ADMIN, 5 days, 60 days, 30 days, 1095 days, 21 days, 365 days);
        one = pausable();
        two = pausable();
        register(address(one), COMMITTEE);
        register(address(two), COMMITTEE);
    }

    function pausable() private returns (Vault made) {
        made = new Vault(IERC20(address(0)), address(this));
        made.grantRole(made.PAUSE_ROLE(), address(breaker));
        made.grantRole(made.RESUME_ROLE(), address(this));
    }

    function register(address target, address pauser) private {
        vm.prank(ADMIN);
        breaker.registerPauser(target, pauser);
    }

    function refuse(address sender, bytes4 error, bytes memory call) private {
        vm.prank(sender);
        (bool ok, bytes memory said) = address(breaker).call(call);
        no(ok, "went through");
        same(uint32(bytes4(said)), uint32(error), "error");
    }

    function refusePause(address sender, address target, bytes4 error) private {
        refuse(sender, error, abi.encodeCall(breaker.pause, (target)));
    }

    function test_PauseUsesTheAssignmentUp() public {
        vm.expectEmit(true, true, true, true, address(breaker));
        emit PauserSet(address(one), COMMITTEE, address(0));
        vm.expectEmit(true, true, true, true, address(breaker));
        emit PauseTriggered(address(one), COMMITTEE, 21 days);
        vm.expectEmit(true, true, true, true, address(breaker));
        emit HeartbeatUpdated(COMMITTEE, NOW + 365 days);
        vm.prank(COMMITTEE);
        breaker.pause(address(one));
        same(one.getResumeSinceTimestamp(), NOW + 21 days, "end of the pause");
        same(breaker.getPauser(address(one)), address(0), "pauser");
        same(breaker.getPausableCount(COMMITTEE), 1, "left");
        address[] memory left = breaker.getPausables();
        same(left.length, 1, "listed");
        same(left[0], address(two), "the other one");
        one.resume();
        refusePause(COMMITTEE, address(one), CircuitBreaker.SenderNotPauser.selector);
    }

    function test_HeartbeatIsClearedWithTheLastAssignment() public {
        vm.prank(COMMITTEE);
        breaker.pause(address(one));
        vm.expectEmit(true, true, true, true, address(breaker));
        emit HeartbeatUpdated(COMMITTEE, 0);
        vm.prank(COMMITTEE);
        breaker.pause(address(two));
        no(breaker.isPauserLive(COMMITTEE), "live");
        refuse(COMMITTEE, CircuitBreaker.SenderNotPauser.selector, abi.encodeCall(breaker.heartbeat, ()));
    }

    function test_PausedAlreadyRefusesAndTheAssignmentSurvives() public {
        one.grantRole(one.PAUSE_ROLE(), address(this));
        one.pauseFor(1 days);
        refusePause(COMMITTEE, address(one), Vault.ResumedExpected.selector);
        same(breaker.getPauser(address(one)), COMMITTEE, "assignment");
        vm.warp(NOW + 1 days);
        vm.prank(COMMITTEE);
        breaker.pause(address(one));
    }

    function test_RegisteringDoesNotAskForTheRole() public {
        Vault bare = new Vault(IERC20(address(0)), address(this));
        register(address(bare), COMMITTEE);
        register(address(0xDEAD), COMMITTEE);
        yes(breaker.isPauserLive(COMMITTEE), "looks ready");
        refusePause(COMMITTEE, address(bare), IAccessControl.AccessControlUnauthorizedAccount.selector);
    }

    function test_OnlyThePauserOfThatContractPauses() public {
        register(address(two), OTHER);
        refusePause(OTHER, address(one), CircuitBreaker.SenderNotPauser.selector);
        refusePause(COMMITTEE, address(two), CircuitBreaker.SenderNotPauser.selector);
        refusePause(ADMIN, address(one), CircuitBreaker.SenderNotPauser.selector);
    }

    function test_AtItsExpiryAPauserIsDeadAndCannotReviveItself() public {
        vm.warp(NOW + 365 days - 1);
        yes(breaker.isPauserLive(COMMITTEE), "last second");
        vm.warp(NOW + 365 days);
        no(breaker.isPauserLive(COMMITTEE), "expired");
        refusePause(COMMITTEE, address(one), CircuitBreaker.HeartbeatExpired.selector);
        refuse(COMMITTEE, CircuitBreaker.HeartbeatExpired.selector, abi.encodeCall(breaker.heartbeat, ()));
        // Any new assignment revives it for all of its contracts.
        register(address(one), COMMITTEE);
        vm.prank(COMMITTEE);
        breaker.pause(address(two));
    }

    function test_HeartbeatProlongsAllAssignments() public {
        vm.warp(NOW + 100 days);
        vm.prank(COMMITTEE);
        breaker.heartbeat();
        same(breaker.heartbeatExpiry(COMMITTEE), NOW + 465 days, "expiry");
    }

    function test_IntervalIsNotRetroactive() public {
        vm.expectEmit(true, true, true, true, address(breaker));
        emit HeartbeatIntervalUpdated(365 days, 30 days);
        vm.prank(ADMIN);
        breaker.setHeartbeatInterval(30 days);
        same(breaker.heartbeatExpiry(COMMITTEE), NOW + 365 days, "kept");
        vm.prank(COMMITTEE);
        breaker.heartbeat();
        same(breaker.heartbeatExpiry(COMMITTEE), NOW + 30 days, "from the next heartbeat on");
    }

    function test_ReplacedPauserLosesItsTimeWithItsLastContract() public {
        register(address(one), OTHER);
        same(breaker.heartbeatExpiry(COMMITTEE), NOW + 365 days, "one is left");
        vm.expectEmit(true, true, true, true, address(breaker));
        emit PauserSet(address(two), COMMITTEE, OTHER);
        vm.expectEmit(true, true, true, true, address(breaker));
        emit HeartbeatUpdated(COMMITTEE, 0);
        register(address(two), OTHER);
        same(breaker.getPausableCount(OTHER), 2, "taken over");
        same(breaker.getPausables().length, 2, "listed once");
    }

    function test_UnregisteringTwiceIsAllowed() public {
        register(address(one), address(0));
        register(address(one), address(0));
        same(breaker.getPausables().length, 1, "listed");
        same(breaker.getPausableCount(COMMITTEE), 1, "count");
    }

    function test_WhoOnlySaysThatItPausedIsNotBelieved() public {
        address odd = address(new OddPausable(breaker, address(0)));
        register(odd, COMMITTEE);
        refusePause(COMMITTEE, odd, CircuitBreaker.PauseFailed.selector);
        same(breaker.getPauser(odd), COMMITTEE, "assignment");
    }

    function test_ReentryIsRefused() public {
        address odd = address(new OddPausable(breaker, address(one)));
        register(odd, COMMITTEE);
        register(address(one), odd);
        refusePause(COMMITTEE, odd, CircuitBreaker.ReentrantCall.selector);
        no(one.isPaused(), "paused from within");
    }

    function test_OnlyTheAdminSetsWithinBounds() public {
        bytes4 notAdmin = CircuitBreaker.SenderNotAdmin.selector;
        refuse(COMMITTEE, notAdmin, abi.encodeCall(breaker.registerPauser, (address(one), COMMITTEE)));
        refuse(COMMITTEE, notAdmin, abi.encodeCall(breaker.setPauseDuration, (6 days)));
        refuse(COMMITTEE, notAdmin, abi.encodeCall(breaker.setHeartbeatInterval, (40 days)));
        bytes memory zero = abi.encodeCall(breaker.registerPauser, (address(0), COMMITTEE));
        refuse(ADMIN, CircuitBreaker.PausableZero.selector, zero);
        limit(CircuitBreaker.PauseDurationBelowMin.selector, breaker.setPauseDuration.selector, 5 days - 1);
        limit(CircuitBreaker.PauseDurationAboveMax.selector, breaker.setPauseDuration.selector, 60 days + 1);
        limit(CircuitBreaker.HeartbeatIntervalBelowMin.selector, breaker.setHeartbeatInterval.selector, 30 days - 1);
        limit(CircuitBreaker.HeartbeatIntervalAboveMax.selector, breaker.setHeartbeatInterval.selector, 1095 days + 1);
        vm.expectEmit(true, true, true, true, address(breaker));
        emit PauseDurationUpdated(21 days, 60 days);
        vm.prank(ADMIN);
        breaker.setPauseDuration(60 days);
        vm.prank(COMMITTEE);
        breaker.pause(address(one));
        same(one.getResumeSinceTimestamp(), NOW + 60 days, "the new duration");
    }

    function limit(bytes4 error, bytes4 function_, uint256 value) private {
        refuse(ADMIN, error, abi.encodeWithSelector(function_, value));
    }

    function test_ConstructorRefusesNonsense() public {
        vm.expectRevert(abi.encodePacked(CircuitBreaker.AdminZero.selector));
        new CircuitBreaker(address(0), 5 days, 60 days, 30 days, 1095 days, 21 days, 365 days);
        vm.expectRevert(abi.encodePacked(CircuitBreaker.MinPauseDurationZero.selector));
        new CircuitBreaker(ADMIN, 0, 60 days, 30 days, 1095 days, 21 days, 365 days);
        vm.expectRevert(abi.encodePacked(CircuitBreaker.MinPauseDurationExceedsMax.selector));
        new CircuitBreaker(ADMIN, 61 days, 60 days, 30 days, 1095 days, 21 days, 365 days);
        vm.expectRevert(abi.encodePacked(CircuitBreaker.MinHeartbeatIntervalZero.selector));
        new CircuitBreaker(ADMIN, 5 days, 60 days, 0, 1095 days, 21 days, 365 days);
        vm.expectRevert(abi.encodePacked(CircuitBreaker.MinHeartbeatIntervalExceedsMax.selector));
        new CircuitBreaker(ADMIN, 5 days, 60 days, 1096 days, 1095 days, 21 days, 365 days);
        vm.expectRevert(abi.encodePacked(CircuitBreaker.PauseDurationAboveMax.selector));
        new CircuitBreaker(ADMIN, 5 days, 60 days, 30 days, 1095 days, 61 days, 365 days);
    }

    function test_ACommitteesSafePausesThreeOfSix() public {
        uint256[] memory owners = sortedKeys(6);
        Safe safe = newSafe(owners, 3);
        register(address(one), address(safe));
        bytes memory call = abi.encodeCall(breaker.pause, (address(one)));
        yes(execute(safe, address(breaker), call, signedBy(owners, 1, 3, hashOf(safe, address(breaker), call))), "done");
        yes(one.isPaused(), "paused");
        // The second time the call fails inside, and nothing is used up.
        bytes memory again = signedBy(owners, 0, 2, hashOf(safe, address(breaker), call));
        vm.expectRevert(text("GS013"));
        execute(safe, address(breaker), call, again);
        same(safe.nonce(), 1, "nonce");
    }
}
