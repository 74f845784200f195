// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Powers} from "./Powers.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";

/// @title What can be paused, within which limits, and whether sentinels may
abstract contract Targets is Powers {
    using EnumerableSet for EnumerableSet.AddressSet;

    /// @dev A target as it is stored. The first slot is full; the second is never zero for a registered target, so the
    /// first pause costs no more than the later ones; the third is read for breakers only.
    struct Entry {
        Lever lever;
        Arming arming;
        uint8 budget;
        uint8 used;
        uint24 gasLimit;
        uint32 sentinelSeconds;
        uint32 guardianSeconds;
        uint32 guardianQuota;
        uint32 guardianUsed;
        uint32 cooldown;
        uint40 epoch;
        uint48 registeredAt;
        uint48 pausedAt;
        uint48 endsAt;
        uint48 sentinelEndsAt;
        address via;
    }

    /// @notice Bounds of a target's gas limit: enough for a storage write behind a proxy, and so little that a full batch of
    /// gas eaters still fits into one transaction (EIP-7825: 2^24 gas).
    uint24 public constant MIN_GAS_LIMIT = 30_000;
    uint24 public constant MAX_GAS_LIMIT = 1_000_000;

    EnumerableSet.AddressSet private _registered;
    mapping(address target => Entry) internal _entries;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice All registered targets.
    function targets() external view returns (address[] memory) {
        return _registered.values();
    }

    /// @notice All about one target.
    function target(address target_) external view returns (Target memory t) {
        Entry memory e = _entries[target_];
        t.lever = e.lever;
        t.arming = e.arming;
        t.epoch = _epoch(e.epoch);
        t.used = e.used;
        t.guardianUsed = e.guardianUsed;
        t.limits = Limits(e.sentinelSeconds, e.guardianSeconds, e.guardianQuota, e.cooldown, e.gasLimit, e.budget);
        t.via = e.via;
        t.registeredAt = e.registeredAt;
        t.pausedAt = e.pausedAt;
        t.endsAt = e.endsAt;
        t.sentinelEndsAt = e.sentinelEndsAt;
    }

    // --------------------------------------------------------------------------------------- writes: people

    /// @notice Takes a target from the sentinels at once. Guardians' pauses are not touched.
    function disarm(address target_) external onlyPeople {
        _setArming(target_, Arming.Disarmed);
    }

    // ---------------------------------------------------------------------------------------- writes: admin

    /// @notice Registers a target, disarmed.
    /// @param via the breaker; 0 for the other levers
    function register(address target_, address via, Lever lever, Limits calldata limits)
        external
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        if (lever == Lever.None) revert UnknownLever();
        // Itself: a pause of this contract would stop sentinels under the name of a target.
        if (target_ == address(this) || via == address(this)) revert SelfTarget();
        if (target_.code.length == 0) revert NotAContract(target_);
        if ((lever == Lever.CircuitBreaker) != (via != address(0)) || via == target_) revert WrongVia(via);
        if (via != address(0) && via.code.length == 0) revert NotAContract(via);
        if (!_registered.add(target_)) revert AlreadyRegistered(target_);
        Entry storage e = _entries[target_];
        e.lever = lever;
        e.registeredAt = uint48(block.timestamp);
        e.via = via;
        _storeLimits(e, limits);
        emit TargetRegistered(target_, via, lever, limits, _raiseEpoch(e));
    }

    /// @notice Forgets a target: nobody can pause it through this contract any more.
    /// @dev All but the epoch: an order of before must not count when the target is registered again.
    function unregister(address target_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (!_registered.remove(target_)) revert NotRegistered(target_);
        Entry storage e = _entries[target_];
        uint40 epoch = e.epoch;
        delete _entries[target_];
        e.epoch = epoch;
        emit TargetUnregistered(target_, _raiseEpoch(e));
    }

    /// @notice Changes the limits; voids all orders for the target.
    function setLimits(address target_, Limits calldata limits) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Entry storage e = _known(target_);
        _storeLimits(e, limits);
        emit LimitsSet(target_, limits, _raiseEpoch(e));
    }

    /// @notice Lets sentinels pause the target `budget` times.
    function arm(address target_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _lapsing(target_).used = 0;
        _setArming(target_, Arming.Armed);
    }

    /// @notice Lets sentinels' orders for the target be checked and told, and do nothing.
    function shadow(address target_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _lapsing(target_).used = 0;
        _setArming(target_, Arming.Shadow);
    }

    /// @notice Gives guardians their whole quota of this target again: a new admin epoch.
    function renewGuardianTime(address target_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Entry storage e = _known(target_);
        e.guardianUsed = 0;
        emit GuardianTimeRenewed(target_, e.guardianQuota);
    }

    // --------------------------------------------------------------------------------------------- internal

    function _known(address target_) internal view returns (Entry storage e) {
        e = _entries[target_];
        if (e.lever == Lever.None) revert NotRegistered(target_);
    }

    /// @dev What an order has to name: both parts only rise, so their sum never comes back.
    function _epoch(uint40 ofTarget) internal view returns (uint64) {
        return uint64(ofTarget) + _contractEpoch;
    }

    function _raiseEpoch(Entry storage e) internal returns (uint64) {
        e.epoch += 1;
        return _epoch(e.epoch);
    }

    /// @dev A machine's pause that does not end by itself would need people to undo a false alarm.
    function _lapsing(address target_) private view returns (Entry storage e) {
        e = _known(target_);
        if (e.lever == Lever.Pause) revert LeverDoesNotLapse(target_);
    }

    function _setArming(address target_, Arming arming) private {
        Entry storage e = _known(target_);
        e.arming = arming;
        emit ArmingSet(target_, arming, msg.sender, _raiseEpoch(e));
    }

    /// @dev The ceilings hold here, once and for all: what is stored is within them.
    function _storeLimits(Entry storage e, Limits calldata l) private {
        Ceilings memory c = ceilings();
        bool lapses = e.lever != Lever.Pause;
        _within(Bound.SentinelSeconds, l.sentinelSeconds, lapses ? 1 : 0, lapses ? c.sentinelSeconds : 0);
        _within(Bound.GuardianSeconds, l.guardianSeconds, 1, c.guardianSeconds);
        _within(Bound.GuardianQuota, l.guardianQuota, l.guardianSeconds, c.guardianQuota);
        _within(Bound.Cooldown, l.cooldown, 0, c.cooldown);
        _within(Bound.GasLimit, l.gasLimit, MIN_GAS_LIMIT, MAX_GAS_LIMIT);
        _within(Bound.Budget, l.budget, lapses ? 1 : 0, lapses ? type(uint8).max : 0);
        e.sentinelSeconds = l.sentinelSeconds;
        e.guardianSeconds = l.guardianSeconds;
        e.guardianQuota = l.guardianQuota;
        e.cooldown = l.cooldown;
        e.gasLimit = l.gasLimit;
        e.budget = l.budget;
    }
}
