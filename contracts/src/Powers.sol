// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "./IGuardian.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @title Who may do what, and what nobody can go beyond
/// @dev Directly after Pausable in the order of inheritance: its flag and the counters below share one storage slot.
abstract contract Powers is IGuardian, AccessControlDefaultAdminRules, Pausable {
    using EnumerableSet for EnumerableSet.AddressSet;

    // ------------------------------------------------------------------------------------------------ state

    /// @inheritdoc IGuardian
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice Sentinels that can be set; also the signatures that one order can carry. Bounds the work of one order.
    uint256 public constant MAX_SENTINELS = 16;
    /// @notice Upper bound of each ceiling in seconds: no deployment can make a pause that is for ever in practice.
    uint32 public constant MAX_SECONDS = 365 days;
    /// @notice Upper bound of the age of an order in blocks: half of what `blockhash` reaches back.
    uint16 public constant MAX_ORDER_AGE = 128;
    /// @notice The age of an order in blocks if the deployer names none: an epoch of the chain.
    uint16 public constant DEFAULT_ORDER_AGE = 32;

    uint32 private immutable _MAX_SENTINEL_SECONDS;
    uint32 private immutable _MAX_GUARDIAN_SECONDS;
    uint32 private immutable _MAX_GUARDIAN_QUOTA;
    uint32 private immutable _MAX_COOLDOWN;
    uint32 private immutable _MAX_SENTINEL_LIFETIME;
    uint16 private immutable _MAX_ORDER_AGE;

    /// @inheritdoc IGuardian
    uint8 public threshold;
    /// @inheritdoc IGuardian
    uint32 public sentinelBudget;
    /// @dev Part of every target's epoch: stopping all sentinels voids the orders for all targets with one write.
    uint40 internal _contractEpoch;

    EnumerableSet.AddressSet private _sentinels;
    mapping(address sentinel => uint48) private _expiries;
    mapping(bytes32 role => EnumerableSet.AddressSet) private _holders;

    // ---------------------------------------------------------------------------------------- construction

    constructor(uint48 adminDelay, address admin, uint8 threshold_, Ceilings memory c)
        AccessControlDefaultAdminRules(adminDelay, admin)
    {
        if (c.orderAge == 0) c.orderAge = DEFAULT_ORDER_AGE;
        _within(Bound.SentinelSeconds, c.sentinelSeconds, 1, MAX_SECONDS);
        _within(Bound.GuardianSeconds, c.guardianSeconds, 1, MAX_SECONDS);
        _within(Bound.GuardianQuota, c.guardianQuota, c.guardianSeconds, MAX_SECONDS);
        _within(Bound.Cooldown, c.cooldown, 0, MAX_SECONDS);
        _within(Bound.SentinelLifetime, c.sentinelLifetime, 1, MAX_SECONDS);
        _within(Bound.OrderAge, c.orderAge, 1, MAX_ORDER_AGE);
        _MAX_SENTINEL_SECONDS = c.sentinelSeconds;
        _MAX_GUARDIAN_SECONDS = c.guardianSeconds;
        _MAX_GUARDIAN_QUOTA = c.guardianQuota;
        _MAX_COOLDOWN = c.cooldown;
        _MAX_SENTINEL_LIFETIME = c.sentinelLifetime;
        _MAX_ORDER_AGE = c.orderAge;
        emit CeilingsFixed(c);
        _setThreshold(threshold_);
    }

    // ----------------------------------------------------------------------------------------------- views

    /// @inheritdoc IGuardian
    function ceilings() public view returns (Ceilings memory) {
        return Ceilings(
            _MAX_SENTINEL_SECONDS,
            _MAX_GUARDIAN_SECONDS,
            _MAX_GUARDIAN_QUOTA,
            _MAX_COOLDOWN,
            _MAX_SENTINEL_LIFETIME,
            _MAX_ORDER_AGE
        );
    }

    /// @inheritdoc IGuardian
    function sentinels() external view returns (address[] memory accounts, uint48[] memory expiries) {
        accounts = _sentinels.values();
        expiries = new uint48[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            expiries[i] = _expiries[accounts[i]];
        }
    }

    /// @notice All holders of a role, with the names of IAccessControlEnumerable, so that "who else could pull this" can
    /// be read in full instead of being put together from events.
    function getRoleMembers(bytes32 role) external view returns (address[] memory) {
        return _holders[role].values();
    }

    function getRoleMember(bytes32 role, uint256 index) external view returns (address) {
        return _holders[role].at(index);
    }

    function getRoleMemberCount(bytes32 role) external view returns (uint256) {
        return _holders[role].length();
    }

    // --------------------------------------------------------------------------------------- writes: people

    /// @dev Guardians, and the admin: taking away automatic protection is an attack of its own, so nobody else.
    modifier onlyPeople() {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE);
        _;
    }

    /// @inheritdoc IGuardian
    function revokeSentinel(address sentinel) external onlyPeople {
        if (!_sentinels.remove(sentinel)) revert NotASentinel(sentinel);
        delete _expiries[sentinel];
        emit SentinelRevoked(sentinel, msg.sender);
    }

    /// @inheritdoc IGuardian
    function stopSentinels() external onlyPeople {
        // An order of before must not come alive when sentinels are allowed again within its age.
        _contractEpoch += 1;
        _pause();
    }

    // ---------------------------------------------------------------------------------------- writes: admin

    /// @inheritdoc IGuardian
    function allowSentinels() external onlyRole(DEFAULT_ADMIN_ROLE) {
        // Nor one that was signed during the stop: people stopped for a reason that the signers did not know.
        _contractEpoch += 1;
        _unpause();
    }

    /// @inheritdoc IGuardian
    function setSentinel(address sentinel, uint48 expiry) external onlyRole(DEFAULT_ADMIN_ROLE) {
        // The zero address is what a broken signature recovers to.
        if (sentinel == address(0)) revert NotASentinel(sentinel);
        // One key for two powers would let who steals a service's key act as a person, without budget or arming.
        if (hasRole(GUARDIAN_ROLE, sentinel) || hasRole(DEFAULT_ADMIN_ROLE, sentinel)) {
            revert SentinelHoldsNoOtherRole(sentinel);
        }
        // A key that nobody renews is a key that nobody looks after.
        _within(Bound.SentinelExpiry, expiry, block.timestamp + 1, block.timestamp + _MAX_SENTINEL_LIFETIME);
        if (_sentinels.add(sentinel)) _within(Bound.SentinelCount, _sentinels.length(), 1, MAX_SENTINELS);
        _expiries[sentinel] = expiry;
        emit SentinelSet(sentinel, expiry);
    }

    /// @inheritdoc IGuardian
    function setThreshold(uint8 threshold_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setThreshold(threshold_);
    }

    /// @inheritdoc IGuardian
    function setSentinelBudget(uint32 budget) external onlyRole(DEFAULT_ADMIN_ROLE) {
        sentinelBudget = budget;
        emit SentinelBudgetSet(budget);
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev Sentinel: None if it is a live one, else why not.
    function _sentinelRefusal(address account) internal view returns (Refusal) {
        uint48 expiry = _expiries[account];
        if (expiry == 0) return Refusal.NotSentinel;
        return block.timestamp < expiry ? Refusal.None : Refusal.SentinelExpired;
    }

    /// @dev Zero would let an order without any signature through.
    function _setThreshold(uint8 threshold_) private {
        _within(Bound.Threshold, threshold_, 1, MAX_SENTINELS);
        threshold = threshold_;
        emit ThresholdSet(threshold_);
    }

    function _within(Bound which, uint256 value, uint256 least, uint256 most) internal pure {
        if (value < least || value > most) revert OutOfBounds(which, value, least, most);
    }

    /// @dev The other side of setSentinel: also an expired sentinel has to be revoked before it becomes anything else.
    function _grantRole(bytes32 role, address account) internal override returns (bool granted) {
        if (_sentinels.contains(account)) revert SentinelHoldsNoOtherRole(account);
        granted = super._grantRole(role, account);
        if (granted) _holders[role].add(account);
    }

    function _revokeRole(bytes32 role, address account) internal override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (revoked) _holders[role].remove(account);
    }
}
