// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitBreaker} from "../../src/devnet/lido/CircuitBreaker.sol";
import {IGuardian} from "../../src/IGuardian.sol";
import {SetUp} from "./SetUp.sol";
import {LyingBreaker, Moody} from "./Targets.sol";

/// @dev Lido's CircuitBreaker as a lever.
contract BreakerTest is SetUp {
    event TargetPaused(address indexed target, address indexed by, bool bySentinels, uint256 resumesAt, uint64 epoch);
    event HeartbeatSent(address indexed via, address indexed by, uint256 expiry);

    CircuitBreaker private breaker;
    LyingBreaker private liar;

    function setUp() public override {
        super.setUp();
        breaker = new CircuitBreaker(ADMIN, 1 hours, 30 days, 30 days, 1000 days, SENTINEL_SECONDS, 60 days);
        liar = new LyingBreaker(address(guardian));
        bytes32 pauseRole = vault.PAUSE_ROLE();
        vm.prank(ADMIN);
        vault.revokeRole(pauseRole, address(guardian));
        vm.prank(ADMIN);
        vault.grantRole(pauseRole, address(breaker));
        assign(address(guardian));
        register(address(vault), address(breaker), IGuardian.Lever.CircuitBreaker, limits());
        arm(address(vault));
    }

    function assign(address pauser) private {
        vm.prank(ADMIN);
        breaker.registerPauser(address(vault), pauser);
    }

    function registerWithLiar() private {
        register(address(moody), address(liar), IGuardian.Lever.CircuitBreaker, limits());
        arm(address(moody));
    }

    function heartbeat(address target) private {
        vm.prank(PERSON);
        guardian.heartbeat(target);
    }

    function test_SentinelsPauseThroughTheBreakerOnce() public {
        pauseByOrder(address(vault));
        yes(vault.isPaused(), "paused");
        same(guardian.target(address(vault)).endsAt, block.timestamp + SENTINEL_SECONDS, "the breaker's time");
        same(breaker.getPauser(address(vault)), address(0), "the assignment is used up");
        vm.warp(block.timestamp + SENTINEL_SECONDS + COOLDOWN);
        arm(address(vault));
        expectTargetRefusal(address(vault), IGuardian.Refusal.BreakerNotReady);
        assign(address(guardian));
        pauseByOrder(address(vault));
    }

    function test_PeoplePauseThroughTheBreaker() public {
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(vault), PERSON, false, block.timestamp + SENTINEL_SECONDS, 3);
        pauseByPerson(address(vault));
        same(guardian.target(address(vault)).guardianUsed, SENTINEL_SECONDS, "what the breaker took");
        vm.warp(block.timestamp + SENTINEL_SECONDS);
        bytes4 notPauser = CircuitBreaker.SenderNotPauser.selector;
        vm.expectRevert(abi.encodeWithSelector(IGuardian.PauseFailed.selector, address(vault), notPauser));
        pauseByPerson(address(vault));
    }

    /// @dev Each of the breaker's own conditions, broken in turn.
    function test_TheBreakersConditionsAreLookedAt() public {
        assign(OTHER);
        expectTargetRefusal(address(vault), IGuardian.Refusal.BreakerNotReady);
        assign(address(guardian));
        uint256 now_ = block.timestamp;
        vm.warp(now_ + 10 days);
        same(uint256(guardian.checkTarget(address(vault))), 0, "alive");
        vm.prank(ADMIN);
        breaker.setPauseDuration(SENTINEL_SECONDS + 1);
        expectTargetRefusal(address(vault), IGuardian.Refusal.BreakerNotReady);
        vm.prank(ADMIN);
        breaker.setPauseDuration(SENTINEL_SECONDS);
        vm.warp(now_ + 60 days);
        same(uint256(guardian.checkTarget(address(vault))), uint256(IGuardian.Refusal.BreakerNotReady), "lapsed");
        heartbeatFails(CircuitBreaker.HeartbeatExpired.selector);
    }

    function heartbeatFails(bytes4 selector) private {
        vm.expectRevert(abi.encodeWithSelector(IGuardian.HeartbeatFailed.selector, address(breaker), selector));
        heartbeat(address(vault));
    }

    /// @dev A breaker that would pause for longer than the admin's bound is not let through, by nobody.
    function test_ABreakerCannotGoBeyondTheLimits() public {
        vm.prank(ADMIN);
        breaker.setPauseDuration(GUARDIAN_SECONDS + 1);
        uint256 end = block.timestamp + GUARDIAN_SECONDS + 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardian.WrongResumeTime.selector, address(vault), end, block.timestamp + 1, end - 1
            )
        );
        pauseByPerson(address(vault));
        no(vault.isPaused(), "undone");
        same(breaker.getPauser(address(vault)), address(guardian), "the assignment too");
    }

    function test_AHeartbeatKeepsItAlive() public {
        vm.warp(block.timestamp + 59 days);
        vm.expectEmit(true, true, true, true, address(guardian));
        emit HeartbeatSent(address(breaker), PERSON, block.timestamp + 60 days);
        heartbeat(address(vault));
        vm.warp(block.timestamp + 59 days);
        yes(breaker.isPauserLive(address(guardian)), "alive");
        vm.prank(ADMIN);
        guardian.heartbeat(address(vault));
        assign(address(0));
        heartbeatFails(CircuitBreaker.SenderNotPauser.selector);
    }

    function test_HeartbeatsGoToBreakersOnly() public {
        register(address(moody));
        vm.expectRevert(abi.encodeWithSelector(IGuardian.NotCircuitBreaker.selector, address(moody)));
        heartbeat(address(moody));
        vm.expectRevert(abi.encodeWithSelector(IGuardian.NotRegistered.selector, address(plain)));
        heartbeat(address(plain));
    }

    function test_AHeartbeatThatShowsNowhereFails() public {
        registerWithLiar();
        liar.answerHeartbeat(false, block.timestamp);
        bytes memory nowhere = abi.encodeWithSelector(IGuardian.HeartbeatFailed.selector, address(liar), bytes4(0));
        vm.expectRevert(nowhere);
        heartbeat(address(moody));
        liar.answerHeartbeat(true, block.timestamp + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IGuardian.HeartbeatFailed.selector, address(liar), Moody.Unwilling.selector)
        );
        heartbeat(address(moody));
        liar.answerHeartbeat(false, block.timestamp + 1);
        heartbeat(address(moody));
        vm.etch(address(liar), "");
        vm.expectRevert(nowhere);
        heartbeat(address(moody));
    }

    function test_ALyingBreakerPausesNothing() public {
        registerWithLiar();
        bytes memory nothing = abi.encodeWithSelector(IGuardian.NotPausedAfterwards.selector, address(moody));
        vm.expectRevert(nothing);
        pauseByPerson(address(moody));
        IGuardian.Order memory order = orderFor(address(moody));
        bytes memory signatures = signed(order, 3);
        vm.expectRevert(nothing);
        execute(order, signatures);
        same(guardian.target(address(moody)).used, 0, "nothing used");
        vm.etch(address(liar), "");
        expectTargetRefusal(address(moody), IGuardian.Refusal.BreakerNotReady);
        vm.expectRevert(nothing);
        pauseByPerson(address(moody));
    }

    /// @dev Alive, and not the one: another's target is not ours to pause.
    function test_ABreakerThatNamesAnotherPauserIsNotReady() public {
        LyingBreaker others = new LyingBreaker(OTHER);
        register(address(moody), address(others), IGuardian.Lever.CircuitBreaker, limits());
        arm(address(moody));
        yes(others.isPauserLive(address(guardian)), "alive");
        expectTargetRefusal(address(moody), IGuardian.Refusal.BreakerNotReady);
    }

    /// @dev Answers that are there and not there: each read of the breaker may fail by itself.
    function test_ABreakerThatDoesNotAnswerIsNotReady() public {
        Mute mute = new Mute();
        register(address(moody), address(mute), IGuardian.Lever.CircuitBreaker, limits());
        arm(address(moody));
        for (uint256 answers = 0; answers < 3; ++answers) {
            mute.answer(answers, address(guardian));
            expectTargetRefusal(address(moody), IGuardian.Refusal.BreakerNotReady);
        }
        mute.answer(3, address(guardian));
        same(uint256(guardian.checkTarget(address(moody))), 0, "all three answered");
    }
}

/// @dev Answers the first few of the breaker's views and is silent about the rest.
contract Mute {
    uint256 private answers;
    address private pauser;

    function answer(uint256 answers_, address pauser_) external {
        answers = answers_;
        pauser = pauser_;
    }

    fallback() external {
        bytes4 s = msg.sig;
        uint256 word;
        if (s == CircuitBreaker.isPauserLive.selector) word = 1;
        if (s == bytes4(keccak256("pauseDuration()"))) word = 2;
        bool silent = word >= answers;
        if (word == 0) word = uint160(pauser);
        assembly {
            if silent { revert(0, 0) }
            mstore(0, word)
            return(0, 32)
        }
    }
}
