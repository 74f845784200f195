// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Levers} from "./Levers.sol";
import {Orders} from "./Orders.sol";
import {Powers} from "./Powers.sol";
import {Targets} from "./Targets.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Guardian: pulls the brake of the contracts that entrusted it with one
/// @notice Holds the right to pause its targets and no right to resume them.
///
/// Trust assumptions
/// - The default admin (governance, behind the delay of AccessControlDefaultAdminRules) is trusted to register real
///   targets and to choose limits. At worst it makes its own accounts guardians and sentinels and has registered targets
///   paused, each time for no longer than the ceilings where the lever lapses. It can take protection away. It cannot make
///   this contract resume a target, move value, or call anything but a lever.
/// - Guardians (people, normally Safes) may pause any registered target, whatever the sentinels' side is in. At worst they
///   pause what needs no pause, each target for no longer than its quota until the admin renews it, and they switch the
///   sentinels off; whoever may resume a target undoes a pause there. A pause by the lever Pause has no end of its own.
/// - Sentinels (keys of monitoring services) sign and do nothing else. Fewer than the threshold can do nothing. Thieves of
///   as many as the threshold pause each armed target `budget` times, for the time that the admin chose, with a cooldown
///   between, and no more often than the contract-wide budget over all targets; then the admin has to act.
/// - Submitters are trusted with nothing: an order says all there is to say. At worst they submit no order, or one late
///   within its age: any other submitter may do it as well.
/// - Targets and breakers are not trusted while they are called: they may eat gas, re-enter, return anything, or lie. A
///   target that says that it is paused while it is not cannot be caught on chain; all other lies revert the call.
/// - Lido's CircuitBreaker has one pauser per contract: making this contract the pauser takes the committee's right to
///   pause that contract away, and after one pause the breaker's admin has to assign again. Its length is the breaker's.
/// - Nobody can upgrade this contract. It holds no funds and accepts none.
///
/// When a target is paused already: sentinels are refused. Guardians may make the pause end later, never earlier, if the
/// target lets them. Lido's PausableUntil does not: it refuses while it is paused, and only who may resume it can make room.
/// Then people sign the next pause ahead, and anyone submits it from the second at which the target resumes (TargetPaused
/// names it): the signatures of a Safe do not age. A right to resume, which alone would close that gap, stays elsewhere.
contract Guardian is Orders, Targets, ReentrancyGuardTransient {
    /// @notice Targets or orders in one batch: with the largest gas limits they fit into one transaction.
    uint256 public constant MAX_BATCH = 8;
    /// @notice Gas for one read of a target's state.
    uint256 public constant READ_GAS = Levers.READ_GAS;

    /// @dev Gas kept for what follows the call of the target: two reads, one storage write, events.
    uint256 private constant AFTER_GAS = 150_000;
    /// @dev Gas for what comes before it: up to five reads, MAX_SENTINELS signatures, storage.
    uint256 private constant BEFORE_GAS = 420_000;
    /// @dev Gas for the calldata of one order with MAX_SENTINELS signatures, by the floor price of EIP-7623; what execution
    /// does not pay of that is more than enough for adding up what a batch needs.
    uint256 private constant CALLDATA_GAS = 60_000;
    uint256 private constant TRANSACTION_GAS = 21_000;

    /// @param adminDelay seconds between the proposal and the acceptance of a new default admin
    /// @param admin the first default admin
    /// @param threshold_ how many sentinels have to sign
    /// @param ceilings_ what no admin can ever go beyond: a stolen admin key cannot raise it
    constructor(uint48 adminDelay, address admin, uint8 threshold_, Ceilings memory ceilings_)
        Powers(adminDelay, admin, threshold_, ceilings_)
    {}

    /// @dev For the batches, which call themselves so that what fails is undone alone. The contract calls itself nowhere
    /// else: neither a target nor a breaker can be this contract.
    modifier onlySelf() {
        if (msg.sender != address(this)) revert OnlySelf();
        _;
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @notice The first reason for which `execute` would refuse this order in this block; None if there is none.
    function checkOrder(Order calldata order, bytes calldata signatures) external view returns (Refusal refusal) {
        (refusal,,) = _check(order, signatures);
    }

    /// @notice Whether a well signed, fresh order would be taken for this target now.
    function checkTarget(address target_) external view returns (Refusal refusal) {
        Entry storage e = _entries[target_];
        refusal = _storedRefusal(e);
        if (refusal == Refusal.None) refusal = _outsideRefusal(target_, e);
    }

    /// @notice Gas for a transaction that pauses these targets, so that gas is no reason to fail.
    function gasNeeded(address[] calldata targets_) external view returns (uint256 gas_) {
        gas_ = TRANSACTION_GAS;
        for (uint256 i = 0; i < targets_.length; ++i) {
            gas_ += CALLDATA_GAS + _gasForOne(targets_[i]);
        }
    }

    // --------------------------------------------------------------------------------------- writes: people

    /// @notice Pauses a registered target for the admin's `guardianSeconds`, or for what is left of the quota.
    function pauseTarget(address target_) external nonReentrant onlyRole(GUARDIAN_ROLE) {
        _pauseByGuardian(target_, msg.sender);
    }

    /// @notice The same for up to MAX_BATCH targets. What fails is told by TargetNotPaused and does not stop the others.
    function pauseTargets(address[] calldata targets_)
        external
        nonReentrant
        onlyRole(GUARDIAN_ROLE)
        returns (uint256 paused_)
    {
        _within(Bound.BatchLength, targets_.length, 1, MAX_BATCH);
        uint256 needed = 0;
        for (uint256 i = 0; i < targets_.length; ++i) {
            needed += _gasForOne(targets_[i]);
        }
        _requireGas(needed);
        for (uint256 i = 0; i < targets_.length; ++i) {
            try this.pauseAlone(targets_[i], msg.sender) {
                ++paused_;
            } catch (bytes memory reason) {
                emit TargetNotPaused(targets_[i], msg.sender, reason);
            }
        }
    }

    /// @notice Keeps this contract alive as a pauser at the breaker of this target.
    /// @dev People only: the breaker asks for a sign of life to learn that somebody is there who would pause. If anyone
    /// could send it, a committee whose keys are lost would look alive for ever.
    function heartbeat(address target_) external nonReentrant onlyPeople {
        Entry storage e = _known(target_);
        if (e.lever != Lever.CircuitBreaker) revert NotCircuitBreaker(target_);
        address via = e.via;
        _requireGas(_gasForCall(e.gasLimit));
        (bool ok, bytes4 selector) = Levers.callCapped(via, e.gasLimit, abi.encodeWithSignature("heartbeat()"));
        if (!ok) revert HeartbeatFailed(via, selector);
        (bool readable, uint256 expiry) =
            Levers.readWord(via, abi.encodeWithSignature("heartbeatExpiry(address)", address(this)));
        if (!readable || expiry <= block.timestamp) revert HeartbeatFailed(via, 0);
        emit HeartbeatSent(via, msg.sender, expiry);
    }

    // ---------------------------------------------------------------------------------------- writes: anyone

    /// @notice Pauses what the order names, if enough sentinels signed it and nothing speaks against it.
    function execute(Order calldata order, bytes calldata signatures) external nonReentrant {
        _execute(order, signatures, msg.sender);
    }

    /// @notice The same for up to MAX_BATCH orders. What fails is told by OrderFailed and does not stop the others.
    function executeBatch(Order[] calldata orders, bytes[] calldata signatures)
        external
        nonReentrant
        returns (uint256 executed)
    {
        _within(Bound.BatchLength, orders.length, 1, MAX_BATCH);
        _within(Bound.BatchLength, signatures.length, orders.length, orders.length);
        uint256 needed = 0;
        for (uint256 i = 0; i < orders.length; ++i) {
            needed += _gasForOne(orders[i].target);
        }
        _requireGas(needed);
        for (uint256 i = 0; i < orders.length; ++i) {
            try this.executeAlone(orders[i], signatures[i], msg.sender) {
                ++executed;
            } catch (bytes memory reason) {
                emit OrderFailed(orders[i].target, orders[i].decision, msg.sender, reason);
            }
        }
    }

    /// @notice One of pauseTargets; only this contract itself may call it.
    function pauseAlone(address target_, address by) external onlySelf {
        _pauseByGuardian(target_, by);
    }

    /// @notice One of executeBatch; only this contract itself may call it.
    function executeAlone(Order calldata order, bytes calldata signatures, address submitter) external onlySelf {
        _execute(order, signatures, submitter);
    }

    // ------------------------------------------------------------------------------------------------ pauses

    /// @dev Nothing of the sentinels' side is looked at here: not their stop, budgets, arming, cooldown or expiry.
    function _pauseByGuardian(address target_, address by) private {
        Entry storage e = _known(target_);
        (uint256 longest, uint256 current) = _guardianSeconds(target_, e);
        uint64 epoch = _raiseEpoch(e);
        (uint256 resumesAt, uint256 endsAt) = _pull(target_, e, longest, current);
        // What the target granted, not what was asked for. A timed pause that is resumed early stays charged: who resumes
        // it may not be who counts it.
        e.guardianUsed += uint32(endsAt - current);
        e.pausedAt = uint48(block.timestamp);
        e.endsAt = uint48(endsAt);
        emit TargetPaused(target_, by, false, resumesAt, epoch);
    }

    /// @dev `longest`: seconds from now of a guardian's pause: the admin's, or what the quota still holds, since half a pause
    /// is better than none. `current`: where the added time begins: now, or the end of the pause that is on.
    function _guardianSeconds(address target_, Entry storage e)
        private
        view
        returns (uint256 longest, uint256 current)
    {
        (bool readable, bool paused_) = Levers.isPaused(target_, e.lever);
        current = block.timestamp;
        if (readable && paused_) (readable, current) = Levers.resumesAt(target_, e.lever);
        if (!readable) revert StateUnreadable(target_);
        longest = e.guardianSeconds;
        // A shorter pause over a longer one would be a resumption, which nobody here may do: an endless pause of governance
        // must not become one that lapses tomorrow.
        if (current >= block.timestamp + longest) revert AlreadyPaused(target_, current);
        // A lying target: paused, and over already.
        if (current < block.timestamp) current = block.timestamp;
        uint256 left = e.guardianQuota > e.guardianUsed ? e.guardianQuota - e.guardianUsed : 0;
        if (left == 0) revert GuardianTimeSpent(target_);
        uint256 most = left + current - block.timestamp;
        if (most < longest) longest = most;
    }

    function _execute(Order calldata order, bytes calldata signatures, address submitter) private {
        (Refusal refusal, bytes32 digest, address[] memory signers) = _check(order, signatures);
        if (refusal != Refusal.None) revert OrderRefused(order.target, refusal);
        Entry storage e = _entries[order.target];
        if (e.arming == Arming.Shadow) {
            // Told once: without this, anyone could repeat the event until the order is too old.
            _close(digest);
            emit OrderShadowed(order.target, order.decision, submitter, order.observedBlock, signers);
            return;
        }
        // Spent before the call: a target that finds a way back in finds nothing left. A failed call takes it all back.
        e.used += 1;
        sentinelBudget -= 1;
        uint64 epoch = _raiseEpoch(e);
        (uint256 resumesAt, uint256 endsAt) = _pull(order.target, e, e.sentinelSeconds, block.timestamp);
        e.pausedAt = uint48(block.timestamp);
        e.endsAt = uint48(endsAt);
        e.sentinelEndsAt = uint48(endsAt);
        emit OrderExecuted(order.target, order.decision, submitter, order.observedBlock, signers);
        emit TargetPaused(order.target, submitter, true, resumesAt, epoch);
    }

    /// @dev Calls the lever and believes nothing but what the target says afterwards. A later end than asked for is refused,
    /// for people too: `pauseFor(1 day)` that pauses for ever is not the lever that was registered. An earlier end is taken
    /// (the target may have a ceiling of its own). An end that adds nothing contradicts the pause.
    function _pull(address target_, Entry storage e, uint256 longest, uint256 current)
        private
        returns (uint256 resumesAt, uint256 endsAt)
    {
        Lever lever = e.lever;
        // A call gets at most 63/64 of the gas that is left, silently: with too little, the target would fail for the
        // sender's reason and look broken.
        _requireGas(_gasForCall(e.gasLimit));
        address via = lever == Lever.CircuitBreaker ? e.via : address(0);
        (bool ok, bytes4 selector) = Levers.pull(target_, via, lever, longest, e.gasLimit);
        if (!ok) revert PauseFailed(target_, selector);
        (bool readable, bool paused_) = Levers.isPaused(target_, lever);
        if (!readable) revert StateUnreadable(target_);
        if (!paused_) revert NotPausedAfterwards(target_);
        (readable, resumesAt) = Levers.resumesAt(target_, lever);
        if (!readable) revert StateUnreadable(target_);
        uint256 latest = block.timestamp + longest;
        if (lever == Lever.Pause) return (resumesAt, latest);
        if (resumesAt <= current || resumesAt > latest) {
            revert WrongResumeTime(target_, resumesAt, current + 1, latest);
        }
        endsAt = resumesAt;
    }

    // ------------------------------------------------------------------------------------------------ checks

    /// @dev One function for the view and the write, so that they cannot disagree. Targets are asked only for an order that
    /// enough sentinels signed; the block hash comes last (see Refusal).
    function _check(Order calldata order, bytes calldata signatures)
        private
        view
        returns (Refusal refusal, bytes32 digest, address[] memory signers)
    {
        Entry storage e = _entries[order.target];
        refusal = _storedRefusal(e);
        if (refusal != Refusal.None) return (refusal, digest, signers);
        digest = orderDigest(order);
        refusal = _orderRefusal(order, digest, _epoch(e.epoch));
        if (refusal != Refusal.None) return (refusal, digest, signers);
        (refusal, signers) = _signers(digest, signatures);
        if (refusal != Refusal.None) return (refusal, digest, signers);
        refusal = _outsideRefusal(order.target, e);
        if (refusal == Refusal.None && !_sameChain(order)) refusal = Refusal.WrongBlockHash;
    }

    /// @dev What this contract knows by itself about sentinel pauses of a target.
    function _storedRefusal(Entry storage e) private view returns (Refusal) {
        if (paused()) return Refusal.SentinelsStopped;
        if (e.lever == Lever.None) return Refusal.NotRegistered;
        // Only a lapsing lever can be armed; held here as well, since this is the promise of the contract.
        if (e.lever == Lever.Pause) return Refusal.LeverDoesNotLapse;
        if (e.arming == Arming.Disarmed) return Refusal.NotArmed;
        if (e.used >= e.budget) return Refusal.TargetBudgetSpent;
        if (sentinelBudget == 0) return Refusal.ContractBudgetSpent;
        // Users get some time to leave between two pauses of machines, whatever the machines say.
        if (block.timestamp < uint256(e.sentinelEndsAt) + e.cooldown) return Refusal.CoolingDown;
        return Refusal.None;
    }

    /// @dev What the target and its breaker say.
    function _outsideRefusal(address target_, Entry storage e) private view returns (Refusal) {
        (bool readable, bool paused_) = Levers.isPaused(target_, e.lever);
        if (!readable) return Refusal.StateUnreadable;
        // Not even to make it longer: sentinels' time is one pause, and its end a moment for people.
        if (paused_) return Refusal.AlreadyPaused;
        if (e.lever == Lever.CircuitBreaker && !Levers.breakerReady(e.via, target_, address(this), e.sentinelSeconds)) {
            return Refusal.BreakerNotReady;
        }
        return Refusal.None;
    }

    // --------------------------------------------------------------------------------------------------- gas

    function _requireGas(uint256 needed) private view {
        uint256 left = gasleft();
        if (left < needed) revert NotEnoughGas(left, needed);
    }

    /// @dev What has to be left right before a capped call: 63/64 of it cover the cap, and the checks after it still run.
    function _gasForCall(uint256 cap) private pure returns (uint256) {
        return cap + cap / 63 + AFTER_GAS;
    }

    /// @dev What one of a batch can use, in a frame of its own. A batch begins only if there is enough for all: with less, an
    /// eater of gas would make the others fail, and an estimate of gas would find the least at which nothing reverts,
    /// because nothing is paused.
    function _gasForOne(address target_) private view returns (uint256) {
        uint256 inside = _gasForCall(_entries[target_].gasLimit) + BEFORE_GAS;
        return inside + inside / 63;
    }
}
