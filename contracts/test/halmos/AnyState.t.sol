// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {ProvedGuardian, WilfulBreaker, WilfulTarget, svm, vm} from "./World.sol";

/// @dev One transaction of anybody from any state: the guardian's whole storage is unknown (roles, limits, budgets, epochs,
/// hashes of blocks), and so are time, sender, function and arguments. What a single transaction keeps, all do.
abstract contract AnyState {
    uint256 internal constant SENTINEL_SECONDS = 7 days;
    uint256 internal constant GUARDIAN_SECONDS = 14 days;
    uint256 internal constant GUARDIAN_QUOTA = 30 days;
    uint256 internal constant COOLDOWN = 60 days;
    uint256 internal constant ORDER_AGE = 32;

    ProvedGuardian internal guardian;
    WilfulTarget internal target;
    WilfulBreaker internal breaker;
    address internal sender;

    function setUp() public {
        guardian = new ProvedGuardian(
            1 days,
            address(0xAD),
            2,
            IGuardian.Ceilings({
                sentinelSeconds: 7 days,
                guardianSeconds: 14 days,
                guardianQuota: 30 days,
                cooldown: 60 days,
                sentinelLifetime: 365 days,
                orderAge: 32
            })
        );
        svm.enableSymbolicStorage(address(guardian));
        guardian.suppose(
            uint8(svm.createUint(8, "threshold")),
            uint32(svm.createUint(32, "sentinelBudget")),
            uint40(svm.createUint(40, "contractEpoch"))
        );
        uint256 time = svm.createUint(40, "time");
        vm.assume(time > 0);
        vm.warp(time);
        vm.roll(svm.createUint(40, "number"));
        target = new WilfulTarget(svm.createUint256("until"), svm.createBool("paused"), svm.createUint256("next"));
        breaker = new WilfulBreaker(
            svm.createAddress("pauser"), svm.createUint(40, "pauseDuration"), svm.createUint(40, "heartbeatExpiry")
        );
        sender = svm.createAddress("sender");
        // The contract calls itself in batches only: those are proved by themselves.
        vm.assume(sender != address(guardian));
        vm.assume(sender != address(this));
    }

    /// @dev The target is registered with this lever (None: not at all). What `register` keeps: a breaker is another contract.
    function registered(IGuardian.Lever lever) internal view returns (IGuardian.Target memory t) {
        t = guardian.target(address(target));
        vm.assume(t.lever == lever);
        vm.assume(t.via == (lever == IGuardian.Lever.CircuitBreaker ? address(breaker) : address(0)));
    }

    /// @dev Any function with any arguments, but those that pause by the guardian's own rules: each of them has proofs of its
    /// own. The batches' inner functions are among the rest.
    function callAnythingElse() internal {
        bytes memory data = svm.createCalldata("Guardian");
        bytes4 selector = bytes4(data);
        vm.assume(selector != Guardian.pauseTarget.selector && selector != Guardian.pauseTargets.selector);
        vm.assume(selector != Guardian.execute.selector && selector != Guardian.executeBatch.selector);
        vm.prank(sender);
        (bool ok,) = address(guardian).call(data);
        vm.assume(ok);
    }

    /// @dev Any order for the target.
    function anyOrder() internal view returns (IGuardian.Order memory) {
        return IGuardian.Order(
            address(target),
            uint64(svm.createUint(64, "epoch")),
            svm.createBytes32("decision"),
            uint64(svm.createUint(64, "observedBlock")),
            svm.createBytes32("observedBlockHash")
        );
    }

    /// @dev With so many signatures of anybody.
    function execute(uint256 signatures) internal returns (IGuardian.Order memory order) {
        order = anyOrder();
        bytes memory all = svm.createBytes(signatures * 65, "signatures");
        vm.prank(sender);
        guardian.execute(order, all);
    }
}

/// @dev All functions but pauseTarget, pauseTargets, execute and executeBatch.
contract AnyCallProof is AnyState {
    /// Nothing else pauses, resumes, or calls a target at all, whoever calls it: not even the admin.
    function check_NothingElseTouchesATarget() external {
        guardian.target(address(target));
        uint256 until = target.until();
        bool paused = target.paused();
        callAnythingElse();
        assert(target.calls() == 0 && !target.strange());
        assert(target.until() == until && target.paused() == paused);
        assert(address(guardian).balance == 0);
    }

    /// Only the admin gives sentinels or guardians more: pauses, time, targets, or a lower threshold.
    function check_OnlyTheAdminGivesMore() external {
        IGuardian.Target memory t = guardian.target(address(target));
        vm.assume(!guardian.hasRole(bytes32(0), sender));
        uint256 budget = guardian.sentinelBudget();
        uint256 threshold = guardian.threshold();
        guardian.supposeStopped();
        callAnythingElse();
        IGuardian.Target memory u = guardian.target(address(target));
        assert(guardian.sentinelBudget() == budget);
        assert(guardian.threshold() == threshold);
        assert(guardian.paused());
        assert(u.used == t.used);
        assert(u.guardianUsed == t.guardianUsed);
        assert(u.lever == t.lever);
        assert(u.arming == t.arming || u.arming == IGuardian.Arming.Disarmed);
        assert(u.sentinelEndsAt == t.sentinelEndsAt);
        assert(keccak256(abi.encode(u.limits)) == keccak256(abi.encode(t.limits)));
    }

    /// Limits are within the ceilings, whoever sets whatever, if they were before; the threshold is never zero; and an
    /// epoch never comes back, so that an order is good for one period only (to overflow it would take 2^40 transactions).
    function check_WhatIsStoredStaysWithinTheCeilings() external {
        IGuardian.Target memory t = guardian.target(address(target));
        assumeWithin(t.limits);
        vm.assume(guardian.threshold() > 0);
        vm.assume(t.epoch < 1 << 40);
        callAnythingElse();
        IGuardian.Target memory u = guardian.target(address(target));
        assert(u.limits.sentinelSeconds <= SENTINEL_SECONDS);
        assert(u.limits.guardianSeconds <= GUARDIAN_SECONDS);
        assert(u.limits.guardianQuota <= GUARDIAN_QUOTA);
        assert(u.limits.cooldown <= COOLDOWN);
        assert(guardian.threshold() > 0);
        assert(u.epoch >= t.epoch);
        assert(u.arming == t.arming || u.epoch > t.epoch);
    }

    function assumeWithin(IGuardian.Limits memory l) private pure {
        vm.assume(l.sentinelSeconds <= SENTINEL_SECONDS);
        vm.assume(l.guardianSeconds <= GUARDIAN_SECONDS);
        vm.assume(l.guardianQuota <= GUARDIAN_QUOTA);
        vm.assume(l.cooldown <= COOLDOWN);
    }
}

/// @dev What a guardian does, from any state.
contract AnyGuardianProof is AnyState {
    function pauseTarget() private {
        vm.prank(sender);
        guardian.pauseTarget(address(target));
    }

    /// Who has no GUARDIAN_ROLE does not pause: not the admin, not a sentinel, not the target itself.
    function check_OnlyGuardiansPauseAtOnce() external {
        bool may = guardian.hasRole(guardian.GUARDIAN_ROLE(), sender);
        registered(IGuardian.Lever.PauseFor);
        pauseTarget();
        assert(may);
    }

    /// What is not registered is not called.
    function check_AnUnregisteredTargetIsNotCalled() external {
        registered(IGuardian.Lever.None);
        vm.prank(sender);
        (bool ok,) = address(guardian).call(abi.encodeCall(guardian.pauseTarget, (address(target))));
        assert(!ok);
        assert(target.calls() == 0);
    }

    /// A pause ends no later than the limit says, and no earlier than the one that was on: not even if the target would
    /// let itself be resumed so. The time added is charged to the quota and stays within it. Sentinels keep what they have.
    function bounded(IGuardian.Lever lever) private {
        IGuardian.Target memory t = registered(lever);
        vm.assume(t.guardianUsed <= t.limits.guardianQuota);
        uint256 budget = guardian.sentinelBudget();
        uint256 until = target.until();
        // Beyond that there is no pause: see the two checks of endless ones.
        vm.assume(until < 1 << 64);
        vm.assume(target.next() < 1 << 64);
        pauseTarget();
        IGuardian.Target memory u = guardian.target(address(target));
        assert(target.calls() == 1);
        assert(target.until() > until);
        assert(target.until() <= block.timestamp + t.limits.guardianSeconds);
        assert(u.guardianUsed <= t.limits.guardianQuota);
        if (until > block.timestamp) assert(u.guardianUsed == t.guardianUsed + (target.until() - until));
        else assert(u.guardianUsed == t.guardianUsed + (target.until() - block.timestamp));
        assert(u.epoch > t.epoch);
        assert(u.used == t.used);
        assert(guardian.sentinelBudget() == budget);
        assert(!target.strange() && !breaker.strange());
    }

    function check_AGuardiansPauseIsBounded_PauseFor() external {
        bounded(IGuardian.Lever.PauseFor);
    }

    function check_AGuardiansPauseIsBounded_CircuitBreaker() external {
        bounded(IGuardian.Lever.CircuitBreaker);
    }

    /// A pause without an end, or with one beyond all limits, is left as it is.
    function check_AnEndlessPauseIsNotReplaced() external {
        registered(IGuardian.Lever.PauseFor);
        vm.assume(target.until() >= 1 << 64);
        vm.prank(sender);
        (bool ok,) = address(guardian).call(abi.encodeCall(guardian.pauseTarget, (address(target))));
        assert(!ok);
        assert(target.calls() == 0);
    }

    /// Nor is a target believed that makes one of it.
    function check_AnEndlessPauseIsNotMade() external {
        registered(IGuardian.Lever.PauseFor);
        vm.assume(target.next() >= 1 << 64);
        vm.prank(sender);
        (bool ok,) = address(guardian).call(abi.encodeCall(guardian.pauseTarget, (address(target))));
        assert(!ok);
        assert(target.calls() == 0);
    }

    /// Through the batch a guardian can do no more.
    function check_ABatchOfPausesIsAGuardians() external {
        bool may = guardian.hasRole(guardian.GUARDIAN_ROLE(), sender);
        IGuardian.Target memory t = registered(IGuardian.Lever.PauseFor);
        vm.assume(t.guardianUsed <= t.limits.guardianQuota);
        vm.assume(target.until() < 1 << 64);
        vm.assume(target.next() < 1 << 64);
        address[] memory list = new address[](1);
        list[0] = address(target);
        vm.prank(sender);
        guardian.pauseTargets(list);
        assert(may);
        if (target.calls() == 0) return;
        assert(target.until() <= block.timestamp + t.limits.guardianSeconds);
        assert(guardian.target(address(target)).guardianUsed <= t.limits.guardianQuota);
    }
}

/// @dev What an order does, from any state, with so many signatures of anybody.
contract AnyOrderProof is AnyState {
    /// If it paused, then nothing was stopped, spent or cooling down, the sentinels' time was kept to, the block was ours and
    /// young, and all was charged. If it did not, nothing was.
    function bounded(IGuardian.Lever lever, uint256 signatures) private {
        IGuardian.Target memory t = registered(lever);
        uint256 budget = guardian.sentinelBudget();
        uint256 until = target.until();
        IGuardian.Order memory order = execute(signatures);
        IGuardian.Target memory u = guardian.target(address(target));
        if (target.calls() == 0) {
            assert(u.used == t.used);
            assert(guardian.sentinelBudget() == budget);
            assert(u.epoch == t.epoch);
            return;
        }
        assert(t.arming == IGuardian.Arming.Armed);
        assert(t.used < t.limits.budget);
        assert(u.used == t.used + 1);
        assert(guardian.sentinelBudget() + 1 == budget);
        assert(order.epoch == t.epoch);
        assert(u.epoch > t.epoch);
        if (t.sentinelEndsAt != 0) assert(block.timestamp >= uint256(t.sentinelEndsAt) + t.limits.cooldown);
        assert(until <= block.timestamp);
        assert(target.until() <= block.timestamp + t.limits.sentinelSeconds);
        assert(u.sentinelEndsAt == target.until());
        assert(u.guardianUsed == t.guardianUsed);
        assert(order.observedBlock <= block.number);
        assert(block.number - order.observedBlock <= ORDER_AGE);
        assert(order.observedBlockHash == guardian.hashes(order.observedBlock));
        assert(order.observedBlockHash != 0);
        assert(!target.strange() && !breaker.strange());
    }

    function check_AnOrderIsBounded_PauseFor() external {
        bounded(IGuardian.Lever.PauseFor, 1);
    }

    function check_AnOrderIsBounded_TwoSignatures() external {
        bounded(IGuardian.Lever.PauseFor, 2);
    }

    function check_AnOrderIsBounded_CircuitBreaker() external {
        bounded(IGuardian.Lever.CircuitBreaker, 1);
    }

    /// What people stopped stays stopped.
    function check_StoppedSentinelsPauseNothing() external {
        registered(IGuardian.Lever.PauseFor);
        guardian.supposeStopped();
        (bool ok,) =
            address(guardian).call(abi.encodeCall(guardian.execute, (anyOrder(), svm.createBytes(65, "signatures"))));
        assert(!ok);
        assert(target.calls() == 0);
    }

    /// A lever that does not lapse, or no lever at all, is for no order.
    function check_NoOrderPullsALeverThatDoesNotLapse() external {
        IGuardian.Target memory t = guardian.target(address(target));
        vm.assume(t.lever != IGuardian.Lever.PauseFor);
        vm.assume(t.lever != IGuardian.Lever.CircuitBreaker);
        vm.assume(t.via == address(0));
        (bool ok,) =
            address(guardian).call(abi.encodeCall(guardian.execute, (anyOrder(), svm.createBytes(65, "signatures"))));
        assert(!ok);
        assert(target.calls() == 0);
    }
}
