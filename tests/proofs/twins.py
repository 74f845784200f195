"""The guardian with one guard missing, and the proofs that must notice.

A proof that nothing can break proves nothing: a bound too small, an assumption too strong, and all paths end before the claim
is looked at. So each twin is the contract's own source with one change, made when the proofs are run, and halmos has to find
a counterexample in it. A text that is no longer in the source stops the run: then the twin is changed with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Twin:
    """``name``: what is wrong with it. ``changes``: file name, text (there exactly once), what stands there instead.
    ``contract`` and ``checks``: the proofs of which each must fail."""

    name: str
    changes: tuple[tuple[str, str, str], ...]
    contract: str
    checks: tuple[str, ...]


_G, _O, _P, _T, _R = "Guardian.sol", "Orders.sol", "Powers.sol", "Targets.sol", "Releaser.sol"


def _order(name: str, file: str, text: str, instead: str = "") -> Twin:
    """A guard of orders."""
    return Twin(name, ((file, text, instead),), "AnyOrderProof", ("check_AnOrderIsBounded_PauseFor",))


def _guardian(name: str, file: str, text: str, instead: str = "") -> Twin:
    """A guard of guardians' pauses."""
    return Twin(name, ((file, text, instead),), "AnyGuardianProof", ("check_AGuardiansPauseIsBounded_PauseFor",))


def _threshold(name: str, file: str, text: str, instead: str, *checks: str) -> Twin:
    """A guard of signatures."""
    return Twin(name, ((file, text, instead),), "ThresholdProof", checks)


def _stored(name: str, file: str, text: str, instead: str, check: str) -> Twin:
    """A guard of what is stored."""
    return Twin(name, ((file, text, instead),), "AnyCallProof", (check,))


def _release(name: str, text: str, instead: str = "", check: str = "check_OnlyAPauseWhoseTimeIsOverIsReleased") -> Twin:
    """A guard of the Releaser."""
    return Twin(name, ((_R, text, instead),), "ReleaserProof", (check,))


_ONLY_ADMIN = " external onlyRole(DEFAULT_ADMIN_ROLE) {"
_MORE, _CEILINGS = "check_OnlyTheAdminGivesMore", "check_WhatIsStoredStaysWithinTheCeilings"

TWINS = (
    # only listed powers pause
    Twin(
        "anybody pauses at once",
        (
            (
                _G,
                "pauseTarget(address target_) external nonReentrant onlyRole(GUARDIAN_ROLE) {",
                "pauseTarget(address target_) external nonReentrant {",
            ),
        ),
        "AnyGuardianProof",
        ("check_OnlyGuardiansPauseAtOnce",),
    ),
    Twin(
        "anybody pauses by a batch",
        ((_G, "        onlyRole(GUARDIAN_ROLE)\n        returns (uint256 paused_)", "        returns (uint256 paused_)"),),
        "AnyGuardianProof",
        ("check_ABatchOfPausesIsAGuardians",),
    ),
    _stored(
        "anybody calls the inside of a batch",
        _G,
        "pauseAlone(address target_, address by) external onlySelf {",
        "pauseAlone(address target_, address by) external {",
        "check_NothingElseTouchesATarget",
    ),
    Twin(
        "what is not registered is paused too",
        ((_T, "if (e.lever == Lever.None) revert NotRegistered(target_);", ""),),
        "AnyGuardianProof",
        ("check_AnUnregisteredTargetIsNotCalled",),
    ),
    Twin(
        "orders pull a lever that does not lapse",
        ((_G, "if (e.lever == Lever.Pause) return Refusal.LeverDoesNotLapse;", ""),),
        "AnyOrderProof",
        ("check_NoOrderPullsALeverThatDoesNotLapse",),
    ),
    # K-1 sentinels never
    _threshold(
        "too few signatures are enough",
        _O,
        "if (count < threshold) return (Refusal.TooFewSignatures, signers);",
        "",
        "check_ThresholdHolds_OneSignature",
        "check_WithoutSignaturesNothingIsPaused",
    ),
    _threshold("one sentinel signs twice", _O, "if (signer <= last)", "if (signer < last)", "check_ThresholdHolds_TwoSignatures"),
    _threshold(
        "anybody is a sentinel", _O, "if (refusal != Refusal.None) return (refusal, signers);", "", "check_ThresholdHolds_OneSignature"
    ),
    _threshold(
        "expired sentinels sign",
        _P,
        "return block.timestamp < expiry ? Refusal.None : Refusal.SentinelExpired;",
        "return Refusal.None;",
        "check_ThresholdHolds_OneSignature",
        "check_ThresholdHolds_TwoSignatures",
    ),
    _threshold(
        "what is left of broken signatures counts",
        _O,
        "signatures.length % SIGNATURE_LENGTH != 0 || count > MAX_SENTINELS",
        "count > MAX_SENTINELS",
        "check_BrokenSignaturesAreRefused_66",
        "check_BrokenSignaturesAreRefused_129",
    ),
    # sentinels' time within budget
    _order("a target's budget is not looked at", _G, "if (e.used >= e.budget) return Refusal.TargetBudgetSpent;"),
    _order("a target's budget is not charged", _G, "e.used += 1;"),
    _order("the contract's budget is not charged", _G, "sentinelBudget -= 1;"),
    _order("no cooldown", _G, "return Refusal.CoolingDown;", ""),
    _order("the end of a sentinels' pause is forgotten", _G, "e.sentinelEndsAt = uint48(endsAt);"),
    Twin(
        "stopped sentinels pause",
        ((_G, "if (paused()) return Refusal.SentinelsStopped;", ""),),
        "AnyOrderProof",
        ("check_StoppedSentinelsPauseNothing",),
    ),
    _order("disarmed targets are paused", _G, "if (e.arming == Arming.Disarmed) return Refusal.NotArmed;"),
    _order("an order is good in every epoch", _O, "if (order.epoch != epoch) return Refusal.WrongEpoch;"),
    _order("an old order is good", _O, "if (block.number - order.observedBlock > ceilings().orderAge) return Refusal.OrderTooOld;"),
    _order("an order of another chain is good", _O, "return known != bytes32(0) && known == order.observedBlockHash;", "return true;"),
    _order("an unknown block is a known one", _O, "return known != bytes32(0) && known == order", "return known == order"),
    _order("sentinels pause what is paused", _G, "if (paused_) return Refusal.AlreadyPaused;"),
    _order(
        "guardians pay for sentinels", _G, "e.sentinelEndsAt = uint48(endsAt);", "e.sentinelEndsAt = uint48(endsAt); e.guardianUsed += 1;"
    ),
    # never beyond a ceiling
    _order("a target may pause for longer than asked", _G, "resumesAt <= current || resumesAt > latest", "resumesAt <= current"),
    _guardian(
        "a target may pause for longer than asked, by guardians", _G, "resumesAt <= current || resumesAt > latest", "resumesAt <= current"
    ),
    _guardian("the quota is not charged", _G, "e.guardianUsed += uint32(endsAt - current);"),
    _guardian("the quota is not looked at", _G, "if (most < longest) longest = most;"),
    _stored(
        "no ceiling of sentinels' pauses",
        _T,
        "_within(Bound.SentinelSeconds, l.sentinelSeconds, lapses ? 1 : 0, lapses ? c.sentinelSeconds : 0);",
        "",
        _CEILINGS,
    ),
    _stored(
        "no ceiling of guardians' pauses", _T, "_within(Bound.GuardianSeconds, l.guardianSeconds, 1, c.guardianSeconds);", "", _CEILINGS
    ),
    _stored(
        "arming keeps the epoch",
        _T,
        "emit ArmingSet(target_, arming, msg.sender, _raiseEpoch(e));",
        "emit ArmingSet(target_, arming, msg.sender, _epoch(e.epoch));",
        _CEILINGS,
    ),
    _stored("the threshold may be zero", _P, "_within(Bound.Threshold, threshold_, 1, MAX_SENTINELS);", "", _CEILINGS),
    _stored("anybody arms", _T, "function arm(address target_)" + _ONLY_ADMIN, "function arm(address target_) external {", _MORE),
    _stored(
        "anybody sets the budget",
        _P,
        "setSentinelBudget(uint32 budget)" + _ONLY_ADMIN,
        "setSentinelBudget(uint32 budget) external {",
        _MORE,
    ),
    _stored("anybody lets sentinels act again", _P, "allowSentinels()" + _ONLY_ADMIN, "allowSentinels() external {", _MORE),
    # never resumes
    Twin(
        "a shorter pause replaces a longer one",
        (
            (_G, "if (current >= block.timestamp + longest) revert AlreadyPaused(target_, current);", ""),
            (_G, "if (current < block.timestamp) current = block.timestamp;", "current = block.timestamp;"),
        ),
        "AnyGuardianProof",
        ("check_AGuardiansPauseIsBounded_PauseFor",),
    ),
    _stored(
        "a heartbeat resumes",
        _G,
        'Levers.callCapped(via, e.gasLimit, abi.encodeWithSignature("heartbeat()"))',
        'Levers.callCapped(target_, e.gasLimit, abi.encodeWithSignature("resume()"))',
        "check_NothingElseTouchesATarget",
    ),
    # the Releaser ends nothing but what is over
    _release("a pause is released before its time", "if (block.timestamp < t.endsAt) return (Answer.TooEarly, t);"),
    _release("a record counts for ever", "if (block.timestamp >= uint256(t.endsAt) + WINDOW) return (Answer.TooLate, t);"),
    _release("what was closed is released", "if (t.pausedAt == closedPause[target]) return (Answer.Closed, t);"),
    _release("a pause that never was is released", "if (t.pausedAt == 0) return (Answer.NoPause, t);"),
    _release("pauses of other levers are released", "if (t.lever != IGuardian.Lever.Pause) return (Answer.NotPauseLever, t);"),
    _release("what stays paused counts as released", "if (!readable || paused) revert StillPaused(target);"),
    _release("one pause is released twice", "closedPause[target] = t.pausedAt;"),
    _release(
        "settling unpauses",
        "emit SeenRunning(target, msg.sender, pausedAt);",
        'Levers.callCapped(target, 100_000, abi.encodeWithSignature("unpause()"));',
        "check_NothingElseReleases",
    ),
    _release(
        "settling does not ask the target",
        "if (!readable || paused) revert NotRunning(target);",
        check="check_OnlyGuardiansOrTheTargetCloseAPause",
    ),
    _release(
        "anybody disowns",
        "if (!IAccessControl(address(GUARDIAN)).hasRole(GUARDIAN.GUARDIAN_ROLE(), msg.sender)) {",
        "if (msg.sender == address(0)) {",
        "check_OnlyGuardiansOrTheTargetCloseAPause",
    ),
)
