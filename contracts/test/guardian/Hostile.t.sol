// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {SetUp} from "./SetUp.sol";
import {Moody, PlainPausable} from "./Targets.sol";

/// @dev Targets that do not behave, alone.
contract HostileTest is SetUp {
    function setUp() public override {
        super.setUp();
        register(address(moody));
        arm(address(moody));
    }

    /// @dev Both ways of pausing fail with the same error, and nothing is consumed.
    function expectFailure(Moody.Mood mood, bytes memory error_) private {
        moody.become(mood);
        IGuardian.Target memory before = guardian.target(address(moody));
        vm.expectRevert(error_);
        pauseByPerson(address(moody));
        IGuardian.Order memory order = orderFor(address(moody));
        bytes memory signatures = signed(order, 3);
        moody.arrange(order, signatures);
        vm.expectRevert(error_);
        execute(order, signatures);
        IGuardian.Target memory t = guardian.target(address(moody));
        same(uint256(keccak256(abi.encode(t))), uint256(keccak256(abi.encode(before))), "nothing consumed");
        same(guardian.sentinelBudget(), 9, "budget");
        moody.become(Moody.Mood.Honest);
        same(uint256(guardian.checkOrder(order, signatures)), 0, "the order is still good");
    }

    function failed(bytes4 selector) private view returns (bytes memory) {
        return abi.encodeWithSelector(IGuardian.PauseFailed.selector, address(moody), selector);
    }

    function wrongEnd(uint256 end, uint256 seconds_) private view returns (bytes memory) {
        uint256 now_ = block.timestamp;
        return
            abi.encodeWithSelector(IGuardian.WrongResumeTime.selector, address(moody), end, now_ + 1, now_ + seconds_);
    }

    function test_GasEatersFail() public {
        expectFailure(Moody.Mood.EatsGas, failed(0));
        expectFailure(Moody.Mood.EatsGasByWriting, failed(0));
    }

    function test_ReentrantsFail() public {
        bytes4 reentered = bytes4(keccak256("ReentrancyGuardReentrantCall()"));
        expectFailure(Moody.Mood.ReentersPause, failed(reentered));
        expectFailure(Moody.Mood.ReentersExecute, failed(reentered));
    }

    /// @dev Even a target that people made a guardian cannot pause from inside a pause.
    function test_AReentrantGuardianFails() public {
        vm.prank(ADMIN);
        guardian.grantRole(guardianRole, address(moody));
        expectFailure(Moody.Mood.ReentersPause, failed(bytes4(keccak256("ReentrancyGuardReentrantCall()"))));
    }

    function test_MegabytesOfErrorFailWithoutTheirBytes() public {
        expectFailure(Moody.Mood.RevertsWithMegabytes, failed(0));
        expectFailure(Moody.Mood.Refuses, failed(Moody.Unwilling.selector));
    }

    function test_MegabytesOfAnswerAreNotCopied() public {
        moody.become(Moody.Mood.ReturnsMegabytes);
        pauseByPerson(address(moody));
        moody.become(Moody.Mood.ReturnsMegabytes);
        pauseByOrder(address(moody));
        same(guardian.target(address(moody)).used, 1, "paused");
    }

    function test_LiarsFail() public {
        bytes memory notPaused = abi.encodeWithSelector(IGuardian.NotPausedAfterwards.selector, address(moody));
        expectFailure(Moody.Mood.DoesNothing, notPaused);
        expectFailure(Moody.Mood.Vanishes, notPaused);
        // Kilobytes of zeros: of which one word is read.
        expectFailure(Moody.Mood.ReadReturnsMegabytes, notPaused);
        bytes memory unreadable = abi.encodeWithSelector(IGuardian.StateUnreadable.selector, address(moody));
        expectFailure(Moody.Mood.ReadBreaksAfterwards, unreadable);
        expectFailure(Moody.Mood.ResumeTimeReverts, unreadable);
    }

    function expectWrongEnd(Moody.Mood mood, uint256 endOfPerson, uint256 endOfSentinels) private {
        moody.become(mood);
        vm.expectRevert(wrongEnd(endOfPerson, GUARDIAN_SECONDS));
        pauseByPerson(address(moody));
        IGuardian.Order memory order = orderFor(address(moody));
        bytes memory signatures = signed(order, 3);
        vm.expectRevert(wrongEnd(endOfSentinels, SENTINEL_SECONDS));
        execute(order, signatures);
    }

    function test_AnotherEndThanAskedForFails() public {
        uint256 now_ = block.timestamp;
        expectWrongEnd(Moody.Mood.NeverEnds, type(uint256).max, type(uint256).max);
        expectWrongEnd(Moody.Mood.EndsTooLate, now_ + GUARDIAN_SECONDS + 1, now_ + SENTINEL_SECONDS + 1);
        expectWrongEnd(Moody.Mood.EndsAtOnce, now_, now_);
        same(guardian.sentinelBudget(), 9, "nothing consumed");
    }

    function test_AnEarlierEndIsTakenAndTold() public {
        moody.become(Moody.Mood.EndsEarly);
        pauseByOrder(address(moody));
        same(guardian.target(address(moody)).endsAt, block.timestamp + 1, "as the target says it");
        vm.warp(block.timestamp + 1);
        moody.become(Moody.Mood.EndsEarly);
        pauseByPerson(address(moody));
        same(guardian.target(address(moody)).guardianUsed, 1, "as the target says it");
    }

    function test_WhoCannotBeReadIsNotPaused() public {
        Moody.Mood[4] memory moods =
            [Moody.Mood.ReadEatsGas, Moody.Mood.ReadIsShort, Moody.Mood.ReadIsTwo, Moody.Mood.ReadReverts];
        for (uint256 i = 0; i < moods.length; ++i) {
            moody.become(moods[i]);
            vm.expectRevert(abi.encodeWithSelector(IGuardian.StateUnreadable.selector, address(moody)));
            pauseByPerson(address(moody));
            expectTargetRefusal(address(moody), IGuardian.Refusal.StateUnreadable);
        }
        moody.become(Moody.Mood.ResumeTimeReverts);
        moody.pauseUntil(block.timestamp + 5);
        vm.expectRevert(abi.encodeWithSelector(IGuardian.StateUnreadable.selector, address(moody)));
        pauseByPerson(address(moody));
    }

    /// @dev Paused, and over already: a contradiction, and no reason to take time off the quota.
    function test_ATargetWhosePauseIsOverAndOnIsNotBelieved() public {
        moody.become(Moody.Mood.EndedLongAgo);
        moody.pauseFor(1);
        vm.expectRevert(wrongEnd(1, GUARDIAN_SECONDS));
        pauseByPerson(address(moody));
        expectTargetRefusal(address(moody), IGuardian.Refusal.AlreadyPaused);
    }

    function test_ATargetWithoutCodeIsNotPaused() public {
        vm.etch(address(moody), "");
        vm.expectRevert(abi.encodeWithSelector(IGuardian.StateUnreadable.selector, address(moody)));
        pauseByPerson(address(moody));
        expectTargetRefusal(address(moody), IGuardian.Refusal.StateUnreadable);
    }

    // -------------------------------------------------------------------------------------------------- gas

    /// @dev With any gas: paused and recorded, or nothing at all.
    function testFuzz_PausedOrNothingConsumed(uint256 gas_, bool byOrder, bool eater) public {
        if (eater) moody.become(Moody.Mood.EatsGasByWriting);
        IGuardian.Order memory order = orderFor(address(moody));
        bytes memory signatures = signed(order, 3);
        bytes memory call = byOrder
            ? abi.encodeCall(guardian.execute, (order, signatures))
            : abi.encodeCall(guardian.pauseTarget, (address(moody)));
        vm.prank(PERSON);
        (bool ok,) = address(guardian).call{gas: gas_ % 700_000}(call);
        IGuardian.Target memory t = guardian.target(address(moody));
        same(moody.isPaused() ? 1 : 0, ok ? 1 : 0, "paused if it says so");
        no(eater && ok, "an eater is never paused");
        same(t.epoch, ok ? 3 : 2, "epoch");
        same(t.used, ok && byOrder ? 1 : 0, "used");
        same(t.guardianUsed, ok && !byOrder ? GUARDIAN_SECONDS : 0, "guardians' time");
        same(t.pausedAt, ok ? block.timestamp : 0, "record");
        same(guardian.sentinelBudget(), ok && byOrder ? 8 : 9, "budget");
    }

    function test_TooLittleGasIsSaid() public {
        vm.prank(PERSON);
        (bool ok, bytes memory error_) =
            address(guardian).call{gas: 400_000}(abi.encodeCall(guardian.pauseTarget, (address(moody))));
        no(ok, "tried");
        same(uint32(bytes4(error_)), uint32(IGuardian.NotEnoughGas.selector), "said");
    }
}

/// @dev Many at once: what fails is told and stops nobody.
contract BatchTest is SetUp {
    event TargetNotPaused(address indexed target, address indexed by, bytes reason);
    event OrderFailed(address indexed target, bytes32 indexed decision, address indexed submitter, bytes reason);

    /// @dev The eight places of a batch: six that are hostile each in its way, two that are not.
    Moody.Mood[8] private moods = [
        Moody.Mood.EatsGas,
        Moody.Mood.Honest,
        Moody.Mood.EatsGasByWriting,
        Moody.Mood.RevertsWithMegabytes,
        Moody.Mood.NeverEnds,
        Moody.Mood.ReentersPause,
        Moody.Mood.ReadEatsGas,
        Moody.Mood.Honest
    ];
    address[] private list;

    function setUp() public override {
        super.setUp();
        IGuardian.Limits memory l = limits();
        l.gasLimit = 1_000_000;
        for (uint256 i = 0; i < 8; ++i) {
            Moody target = new Moody(guardian);
            target.become(moods[i]);
            list.push(address(target));
            register(address(target), address(0), IGuardian.Lever.PauseFor, l);
            arm(address(target));
        }
    }

    function ordersForAll() private view returns (IGuardian.Order[] memory orders, bytes[] memory signatures) {
        orders = new IGuardian.Order[](8);
        signatures = new bytes[](8);
        for (uint256 i = 0; i < 8; ++i) {
            orders[i] = orderFor(list[i]);
            signatures[i] = signed(orders[i], 3);
        }
    }

    function onlyTheHonestArePaused() private view {
        for (uint256 i = 0; i < 8; ++i) {
            IGuardian.Target memory t = guardian.target(list[i]);
            bool honest = moods[i] == Moody.Mood.Honest;
            same(t.pausedAt != 0 ? 1 : 0, honest ? 1 : 0, "record");
            same(t.epoch, honest ? 3 : 2, "epoch");
            if (honest) yes(Moody(list[i]).isPaused(), "paused");
        }
    }

    function test_AGuardiansBatchPausesWhatCanBePaused() public {
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetNotPaused(
            list[3], PERSON, abi.encodeWithSelector(IGuardian.PauseFailed.selector, list[3], bytes4(0))
        );
        vm.prank(PERSON);
        same(guardian.pauseTargets(list), 2, "paused");
        onlyTheHonestArePaused();
    }

    function test_ABatchOfOrdersPausesWhatCanBePaused() public {
        (IGuardian.Order[] memory orders, bytes[] memory signatures) = ordersForAll();
        vm.expectEmit(true, true, true, true, address(guardian));
        emit OrderFailed(list[6], "decision", OTHER, refused(list[6], IGuardian.Refusal.StateUnreadable));
        vm.prank(OTHER);
        same(guardian.executeBatch(orders, signatures), 2, "executed");
        onlyTheHonestArePaused();
        same(guardian.sentinelBudget(), 7, "budget");
    }

    /// @dev The gas that gasNeeded names is enough for all, whoever eats; one transaction (2^24 gas) can carry it.
    function test_TheGasThatIsAskedForIsEnough() public {
        uint256 needed = guardian.gasNeeded(list);
        yes(needed < 1 << 24, "one transaction");
        // What is left of it when the call begins: no byte of calldata is 0, in the worst case.
        (IGuardian.Order[] memory orders, bytes[] memory signatures) = ordersForAll();
        uint256 length = abi.encodeCall(guardian.executeBatch, (orders, signatures)).length + 8 * 13 * 65;
        vm.cool(address(guardian));
        vm.prank(OTHER);
        same(guardian.executeBatch{gas: needed - 21_000 - 16 * length}(orders, signatures), 2, "orders");
        onlyTheHonestArePaused();
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        length = abi.encodeCall(guardian.pauseTargets, (list)).length;
        vm.prank(PERSON);
        same(guardian.pauseTargets{gas: needed - 21_000 - 16 * length}(list), 2, "people");
    }

    /// @dev With less, nothing is begun: an estimate of gas finds what is enough for all.
    function testFuzz_ABatchWithLessGasIsNotBegun(uint256 gas_) public {
        uint256 inside = guardian.gasNeeded(list) - 21_000 - 8 * 60_000;
        vm.prank(PERSON);
        try guardian.pauseTargets{gas: gas_ % inside}(list) returns (uint256 paused) {
            same(paused, 2, "all that can be");
        } catch {
            for (uint256 i = 0; i < 8; ++i) {
                same(guardian.target(list[i]).pausedAt, 0, "none");
            }
        }
    }

    function test_BatchesWithTooLittleGasSayIt() public {
        (IGuardian.Order[] memory orders, bytes[] memory signatures) = ordersForAll();
        vm.expectPartialRevert(IGuardian.NotEnoughGas.selector);
        vm.prank(OTHER);
        guardian.executeBatch{gas: 2_000_000}(orders, signatures);
        vm.expectPartialRevert(IGuardian.NotEnoughGas.selector);
        vm.prank(PERSON);
        guardian.pauseTargets{gas: 2_000_000}(list);
    }

    function test_BatchesAreBoundedInLength() public {
        bytes memory none = outOfBounds(IGuardian.Bound.BatchLength, 0, 1, 8);
        bytes memory nine = outOfBounds(IGuardian.Bound.BatchLength, 9, 1, 8);
        vm.prank(PERSON);
        vm.expectRevert(none);
        guardian.pauseTargets(new address[](0));
        vm.prank(PERSON);
        vm.expectRevert(nine);
        guardian.pauseTargets(new address[](9));
        vm.expectRevert(none);
        guardian.executeBatch(new IGuardian.Order[](0), new bytes[](0));
        vm.expectRevert(nine);
        guardian.executeBatch(new IGuardian.Order[](9), new bytes[](9));
        vm.expectRevert(outOfBounds(IGuardian.Bound.BatchLength, 2, 1, 1));
        guardian.executeBatch(new IGuardian.Order[](1), new bytes[](2));
    }

    /// @dev The same target twice: one pause, one time used.
    function test_ATargetTwiceInABatchIsPausedOnce() public {
        address[] memory twice = new address[](2);
        twice[0] = twice[1] = list[1];
        vm.expectEmit(true, true, true, true, address(guardian));
        uint256 end = block.timestamp + GUARDIAN_SECONDS;
        emit TargetNotPaused(list[1], PERSON, abi.encodeWithSelector(IGuardian.AlreadyPaused.selector, list[1], end));
        vm.prank(PERSON);
        same(guardian.pauseTargets(twice), 1, "paused");
        same(guardian.target(list[1]).guardianUsed, GUARDIAN_SECONDS, "once");
    }

    function test_AnOrderTwiceInABatchPausesOnce() public {
        IGuardian.Order[] memory orders = new IGuardian.Order[](3);
        bytes[] memory signatures = new bytes[](3);
        orders[0] = orders[1] = orderFor(list[1]);
        orders[2] = orderFor(list[1]);
        orders[2].decision = "another rule on the same target";
        for (uint256 i = 0; i < 3; ++i) {
            signatures[i] = signed(orders[i], 3);
        }
        vm.prank(OTHER);
        same(guardian.executeBatch(orders, signatures), 1, "executed");
        same(guardian.target(list[1]).used, 1, "used");
        same(guardian.sentinelBudget(), 8, "budget");
    }

    function test_AShadowOrderInABatchDoesNothing() public {
        shadow(list[1]);
        (IGuardian.Order[] memory orders, bytes[] memory signatures) = ordersForAll();
        vm.prank(OTHER);
        same(guardian.executeBatch(orders, signatures), 2, "one told, one paused");
        no(Moody(list[1]).isPaused(), "told only");
        yes(guardian.isClosed(guardian.orderDigest(orders[1])), "and closed");
        same(guardian.sentinelBudget(), 8, "budget");
    }
}
