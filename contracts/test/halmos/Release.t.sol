// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Releaser} from "../../src/Releaser.sol";
import {svm, vm} from "./World.sol";

/// @dev A guardian contract whose record of one target says anything.
contract AnyRecord {
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    IGuardian.Target private _record;
    mapping(address account => bool) public isGuardian;

    constructor(IGuardian.Target memory record, address account, bool isGuardian_) {
        _record = record;
        isGuardian[account] = isGuardian_;
    }

    function target(address) external view returns (IGuardian.Target memory) {
        return _record;
    }

    function hasRole(bytes32 role, address account) external view returns (bool) {
        return role == GUARDIAN_ROLE && isGuardian[account];
    }
}

/// @dev A target that counts who unpauses it, and runs afterwards or not, as it likes.
contract WilfulPausable {
    bool public paused;
    bool public immutable OBEYS;
    uint256 public unpauses;
    /// @dev Something was called that is neither `unpause()` nor a question.
    bool public strange;

    constructor(bool paused_, bool obeys) {
        (paused, OBEYS) = (paused_, obeys);
    }

    /// @dev As targets of the other levers say it.
    function isPaused() external view returns (bool) {
        return paused;
    }

    function unpause() external {
        ++unpauses;
        if (OBEYS) paused = false;
    }

    fallback() external payable {
        strange = true;
    }
}

/// @dev One transaction of anybody to the Releaser, whatever was closed before and whatever the guardian's record says.
contract ReleaserProof {
    uint48 internal constant WINDOW = 7 days;

    Releaser internal releaser;
    AnyRecord internal record;
    WilfulPausable internal target;
    address internal sender;

    function setUp() public {
        uint256 time = svm.createUint(40, "time");
        vm.assume(time > 0);
        vm.warp(time);
        sender = svm.createAddress("sender");
        IGuardian.Target memory t;
        uint256 lever = svm.createUint(8, "lever");
        vm.assume(lever <= uint256(type(IGuardian.Lever).max));
        t.lever = IGuardian.Lever(lever);
        t.pausedAt = uint48(svm.createUint(48, "pausedAt"));
        t.endsAt = uint48(svm.createUint(48, "endsAt"));
        t.limits.gasLimit = 100_000;
        record = new AnyRecord(t, sender, svm.createBool("isGuardian"));
        releaser = new Releaser(IGuardian(address(record)), WINDOW);
        svm.enableSymbolicStorage(address(releaser));
        target = new WilfulPausable(svm.createBool("paused"), svm.createBool("obeys"));
        vm.assume(sender != address(releaser) && sender != address(this));
    }

    /// Only a guardian's pause by the lever Pause is ended, once, after its time and before the window is over; and only
    /// a target that says that it is paused, and says afterwards that it runs.
    function check_OnlyAPauseWhoseTimeIsOverIsReleased() external {
        IGuardian.Target memory t = record.target(address(target));
        uint48 closed = releaser.closedPause(address(target));
        bool paused = target.paused();
        vm.prank(sender);
        releaser.release(address(target));
        assert(t.lever == IGuardian.Lever.Pause);
        assert(t.pausedAt != 0 && t.pausedAt != closed);
        assert(block.timestamp >= t.endsAt && block.timestamp < uint256(t.endsAt) + WINDOW);
        assert(paused && !target.paused());
        assert(target.unpauses() == 1 && !target.strange());
        assert(releaser.closedPause(address(target)) == t.pausedAt);
    }

    /// No other function calls a target at all, whoever calls it.
    function check_NothingElseReleases() external {
        bytes memory data = svm.createCalldata("Releaser");
        vm.assume(bytes4(data) != Releaser.release.selector);
        vm.prank(sender);
        (bool ok,) = address(releaser).call(data);
        vm.assume(ok);
        assert(target.unpauses() == 0 && !target.strange());
    }

    /// A pause that can still be released is closed by a guardian, or because its target runs: by nothing else.
    function check_OnlyGuardiansOrTheTargetCloseAPause() external {
        uint48 closed = releaser.closedPause(address(target));
        bool runs = !target.paused();
        bytes memory data = svm.createCalldata("Releaser");
        vm.assume(bytes4(data) != Releaser.release.selector);
        vm.prank(sender);
        (bool ok,) = address(releaser).call(data);
        vm.assume(ok);
        if (releaser.closedPause(address(target)) != closed) assert(runs || record.isGuardian(sender));
    }
}
