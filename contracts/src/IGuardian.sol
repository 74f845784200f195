// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the guardian contract offers: its words, its events, its errors and its calls
/// @notice The trust assumptions stand at the head of the contract itself.
interface IGuardian {
    // ------------------------------------------------------------------------------------------------- words

    /// @notice How a target is paused. The order is part of the ABI: append only.
    /// None: not registered.
    /// PauseFor: `pauseFor(uint256)`, read by `isPaused()` and `getResumeSinceTimestamp()`. The pause lapses by itself.
    /// Pause: `pause()`, read by `paused()`. The pause does not lapse: people only, orders are refused.
    /// CircuitBreaker: Lido's `pause(address)` at `via`, read at the target as for PauseFor. The pause lapses; the
    /// breaker chooses its length, and it takes the assignment away with the pause: its admin has to assign again.
    enum Lever {
        None,
        PauseFor,
        Pause,
        CircuitBreaker
    }

    /// @notice What sentinel orders do for a target. The order is part of the ABI: append only.
    /// Shadow: an order is checked to the end and told by an event; nothing is paused and no budget is touched.
    enum Arming {
        Disarmed,
        Shadow,
        Armed
    }

    /// @notice Why an order is refused, in the order in which it is looked at. Append only.
    /// Everything stored here is looked at before signatures, signatures before the target is asked anything, and the
    /// block hash at the very end: a call at the head cannot know the hash of the head, so off chain `WrongBlockHash`
    /// alone means that all else holds.
    enum Refusal {
        None,
        /// People stopped all sentinels.
        SentinelsStopped,
        NotRegistered,
        /// A machine's pause has to end by itself.
        LeverDoesNotLapse,
        NotArmed,
        /// The target's sentinel pauses are spent until it is armed again.
        TargetBudgetSpent,
        /// The sentinel pauses of all targets together are spent.
        ContractBudgetSpent,
        /// The last sentinel pause ended less than the cooldown ago.
        CoolingDown,
        /// Signed for another period: since then the target was armed, disarmed, changed or paused, or all were stopped.
        WrongEpoch,
        /// Cancelled by people, or told in shadow before.
        OrderClosed,
        BlockInFuture,
        OrderTooOld,
        /// The signatures are not 65 bytes each, or more than MAX_SENTINELS.
        MalformedSignatures,
        TooFewSignatures,
        /// Not a plain ECDSA signature with low s and v of 27 or 28.
        BadSignature,
        /// Signers have to ascend: no signer counts twice.
        SignersNotAscending,
        NotSentinel,
        SentinelExpired,
        /// The target does not say in READ_GAS whether it is paused.
        StateUnreadable,
        AlreadyPaused,
        /// The breaker does not know this contract as the live pauser of the target, or would pause for too long.
        BreakerNotReady,
        /// `observedBlockHash` is not the hash of `observedBlock` on this chain.
        WrongBlockHash
    }

    /// @notice Which bound a value broke. Append only.
    enum Bound {
        SentinelSeconds,
        GuardianSeconds,
        GuardianQuota,
        Cooldown,
        SentinelLifetime,
        OrderAge,
        GasLimit,
        Budget,
        Threshold,
        SentinelExpiry,
        SentinelCount,
        BatchLength
    }

    /// @notice What no admin can ever go beyond: fixed at deployment. All in seconds but `orderAge`, which is in blocks.
    /// `sentinelSeconds`, `guardianSeconds`: one pause. `guardianQuota`: guardians' pauses of one target until the admin
    /// renews it. `cooldown`: after a sentinel pause. `sentinelLifetime`: from setting a sentinel to its expiry.
    /// `orderAge`: blocks between observation and execution, at most 128; 0 stands for DEFAULT_ORDER_AGE.
    struct Ceilings {
        uint32 sentinelSeconds;
        uint32 guardianSeconds;
        uint32 guardianQuota;
        uint32 cooldown;
        uint32 sentinelLifetime;
        uint16 orderAge;
    }

    /// @notice The admin's bounds of one target.
    /// `sentinelSeconds`: length of a sentinels' pause; 0 for Pause. `guardianSeconds`: length of a guardians' pause; for
    /// Pause the time after which a Releaser may end it. For CircuitBreaker both are the longest pause that is accepted.
    /// `guardianQuota`: seconds that guardians may pause it for, all together, until the admin renews it.
    /// `cooldown`: seconds from the end of a sentinels' pause, as it
    /// was when it began, to the next one. `gasLimit`: gas for the pause call.
    /// `budget`: sentinels' pauses until it is armed again, normally 1; 0 for Pause.
    struct Limits {
        uint32 sentinelSeconds;
        uint32 guardianSeconds;
        uint32 guardianQuota;
        uint32 cooldown;
        uint24 gasLimit;
        uint8 budget;
    }

    /// @notice All that is known about a target. Lever None: not registered, and only `epoch` has a meaning.
    /// `epoch`: what an order has to name now. `used`: sentinels' pauses since it was armed. `guardianUsed`: seconds of
    /// `limits.guardianQuota` that are used. `via`: the breaker; 0 for the other levers. `pausedAt`, `endsAt`: begin and end
    /// of the last pause made here (for Pause: from `endsAt` a Releaser may end it). `sentinelEndsAt`: end of the last
    /// pause that sentinels made; their cooldown begins there. Times are Unix seconds, 0 for never.
    struct Target {
        Lever lever;
        Arming arming;
        uint64 epoch;
        uint8 used;
        uint32 guardianUsed;
        Limits limits;
        address via;
        uint48 registeredAt;
        uint48 pausedAt;
        uint48 endsAt;
        uint48 sentinelEndsAt;
    }

    /// @notice What sentinels sign (EIP-712). `decision`: hash of the decision document. `observedBlock` and its hash:
    /// the chain that the sentinels saw; on another one, and after `orderAge` blocks, the order is void.
    struct Order {
        address target;
        uint64 epoch;
        bytes32 decision;
        uint64 observedBlock;
        bytes32 observedBlockHash;
    }

    // ------------------------------------------------------------------------------------------------ events

    /// @notice What this contract can never exceed.
    event CeilingsFixed(Ceilings ceilings);

    event TargetRegistered(address indexed target, address indexed via, Lever lever, Limits limits, uint64 epoch);
    event TargetUnregistered(address indexed target, uint64 epoch);
    event LimitsSet(address indexed target, Limits limits, uint64 epoch);
    event ArmingSet(address indexed target, Arming arming, address indexed by, uint64 epoch);
    /// @notice Guardians have their whole time for this target again.
    event GuardianTimeRenewed(address indexed target, uint32 quota);
    /// @notice Pauses that sentinels may make from now on, over all targets together.
    event SentinelBudgetSet(uint32 budget);
    event SentinelSet(address indexed sentinel, uint48 expiry);
    event SentinelRevoked(address indexed sentinel, address indexed by);
    event ThresholdSet(uint8 threshold);

    /// @notice A target was paused. `resumesAt`: first second at which it is not paused any more, as the target itself
    /// says it; 2^256-1 if the pause does not lapse. `by`: the guardian, or who submitted the order.
    event TargetPaused(address indexed target, address indexed by, bool bySentinels, uint256 resumesAt, uint64 epoch);
    /// @notice One of a guardian's batch was not paused; `reason` is the error.
    event TargetNotPaused(address indexed target, address indexed by, bytes reason);
    /// @notice An order led to a pause: TargetPaused stands beside it.
    event OrderExecuted(
        address indexed target,
        bytes32 indexed decision,
        address indexed submitter,
        uint64 observedBlock,
        address[] signers
    );
    /// @notice An order would have led to a pause, had the target been armed.
    event OrderShadowed(
        address indexed target,
        bytes32 indexed decision,
        address indexed submitter,
        uint64 observedBlock,
        address[] signers
    );
    /// @notice One of a batch of orders did nothing; `reason` is the error. Anybody can make this event appear by
    /// submitting nonsense: it is no alarm by itself.
    event OrderFailed(address indexed target, bytes32 indexed decision, address indexed submitter, bytes reason);
    event OrderCancelled(address indexed target, bytes32 indexed decision, address indexed by, bytes32 digest);
    /// @notice This contract stays the live pauser of the breaker's targets until `expiry`.
    event HeartbeatSent(address indexed via, address indexed by, uint256 expiry);

    // ------------------------------------------------------------------------------------------------ errors

    /// @notice A value is outside its bounds. Beyond a ceiling nobody gets, not even the admin.
    error OutOfBounds(Bound which, uint256 value, uint256 least, uint256 most);
    error UnknownLever();
    /// @notice The account has no code: calls to it would succeed and pause nothing.
    error NotAContract(address account);
    /// @notice This contract cannot be its own target or breaker.
    error SelfTarget();
    /// @notice `via` belongs to CircuitBreaker, which is never the target itself, and to no other lever.
    error WrongVia(address via);
    error AlreadyRegistered(address target);
    error NotRegistered(address target);
    /// @notice Only a lever that lapses by itself may be given to sentinels.
    error LeverDoesNotLapse(address target);
    error NotCircuitBreaker(address target);
    /// @notice A sentinel's key must not hold any other power.
    error SentinelHoldsNoOtherRole(address account);
    error NotASentinel(address account);
    error OnlySelf();
    /// @notice Less gas is left than the targets' limits and the checks around them need: nothing was tried.
    error NotEnoughGas(uint256 left, uint256 needed);
    error OrderRefused(address target, Refusal reason);
    /// @notice A pause now would not end later than the one that is on, until `resumesAt` (2^256-1: no end).
    error AlreadyPaused(address target, uint256 resumesAt);
    /// @notice Guardians paused this target for their whole quota; the admin renews it.
    error GuardianTimeSpent(address target);
    /// @notice The target did not say in READ_GAS whether, or until when, it is paused.
    error StateUnreadable(address target);
    /// @notice The pause call reverted; `selector` is the first four bytes of its error, 0 if there are none.
    error PauseFailed(address target, bytes4 selector);
    /// @notice The pause call returned, and the target says that it is not paused.
    error NotPausedAfterwards(address target);
    /// @notice The target says that it is paused until a time that was not asked for.
    error WrongResumeTime(address target, uint256 resumesAt, uint256 earliest, uint256 latest);
    /// @notice The breaker did not take the heartbeat; `selector` as in PauseFailed, 0 if it took it and it shows nowhere.
    error HeartbeatFailed(address via, bytes4 selector);

    // ------------------------------------------------------------------------------------------------- views

    /// @notice The role of people: they pause, cancel, disarm, revoke and stop.
    function GUARDIAN_ROLE() external view returns (bytes32);

    /// @notice All registered targets.
    function targets() external view returns (address[] memory);

    /// @notice All about one target.
    function target(address target_) external view returns (Target memory);

    /// @notice All sentinels, also expired ones, and the second from which each one's signature counts no more.
    function sentinels() external view returns (address[] memory accounts, uint48[] memory expiries);

    /// @notice How many distinct live sentinels have to sign.
    function threshold() external view returns (uint8);

    /// @notice Pauses that sentinels may still make, over all targets together.
    function sentinelBudget() external view returns (uint32);

    /// @notice What no admin can go beyond; `orderAge` as it is in force.
    function ceilings() external view returns (Ceilings memory);

    /// @notice The EIP-712 digest that sentinels sign: bound to this chain and this contract.
    function orderDigest(Order calldata order) external view returns (bytes32);

    /// @notice Whether this order was cancelled or told in shadow.
    function isClosed(bytes32 digest) external view returns (bool);

    /// @notice The first reason for which `execute` would refuse this order in this block; None if there is none.
    /// @dev The target may still refuse: simulate its call as well, with this contract as the sender.
    function checkOrder(Order calldata order, bytes calldata signatures) external view returns (Refusal);

    /// @notice The same without an order: whether a well signed, fresh one would be taken for this target now.
    function checkTarget(address target_) external view returns (Refusal);

    /// @notice Gas for a transaction that pauses these targets, by a guardian or by orders of MAX_SENTINELS signatures, so
    /// that gas is no reason to fail. Send that; an estimate may be short of it.
    function gasNeeded(address[] calldata targets_) external view returns (uint256);

    // ---------------------------------------------------------------------------------------- writes: people

    /// @notice Pauses a registered target for the admin's `guardianSeconds`, or for what is left of the quota. Whatever is
    /// stopped, spent, expired, disarmed or cooling down on the sentinels' side does not matter.
    function pauseTarget(address target_) external;

    /// @notice The same for up to MAX_BATCH targets. What fails is told by TargetNotPaused and does not stop the others.
    function pauseTargets(address[] calldata targets_) external returns (uint256 paused);

    /// @notice Voids an order, seen or not yet seen, at once and for ever.
    function cancel(Order calldata order) external;

    /// @notice Takes a target from the sentinels at once. Guardians' pauses are not touched.
    function disarm(address target_) external;

    /// @notice Makes a sentinel's signatures worthless at once, also those that are on their way.
    function revokeSentinel(address sentinel) external;

    /// @notice Stops all sentinels at once and voids all their orders. Guardians' pauses are not touched.
    function stopSentinels() external;

    /// @notice Keeps this contract alive as a pauser at the breaker of this target.
    function heartbeat(address target_) external;

    // ---------------------------------------------------------------------------------------- writes: anyone

    /// @notice Pauses what the order names, if enough sentinels signed it and nothing speaks against it.
    /// @param signatures 65 bytes (r, s, v) each, one after the other, ascending by signer; at least `threshold()`
    function execute(Order calldata order, bytes calldata signatures) external;

    /// @notice The same for up to MAX_BATCH orders. What fails is told by OrderFailed and does not stop the others.
    function executeBatch(Order[] calldata orders, bytes[] calldata signatures) external returns (uint256 executed);

    // ----------------------------------------------------------------------------------------- writes: admin

    /// @notice Registers a target, disarmed. @param via the breaker; 0 for the other levers
    function register(address target_, address via, Lever lever, Limits calldata limits) external;

    /// @notice Forgets a target: nobody can pause it through this contract any more.
    function unregister(address target_) external;

    /// @notice Changes the limits; voids all orders for the target.
    function setLimits(address target_, Limits calldata limits) external;

    /// @notice Lets sentinels pause the target `budget` times.
    function arm(address target_) external;

    /// @notice Lets sentinels' orders for the target be checked and told, and do nothing.
    function shadow(address target_) external;

    /// @notice Gives guardians their whole quota of this target again: a new admin epoch.
    function renewGuardianTime(address target_) external;

    /// @notice Sets how many pauses sentinels may still make, over all targets together.
    function setSentinelBudget(uint32 budget) external;

    /// @notice Adds a sentinel or moves its expiry. @param expiry first second at which its signature counts no more
    function setSentinel(address sentinel, uint48 expiry) external;

    /// @notice Sets how many sentinels have to sign.
    function setThreshold(uint8 threshold_) external;

    /// @notice Lets sentinels act again after stopSentinels.
    function allowSentinels() external;
}
