// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../../src/IGuardian.sol";
import {Guardian} from "../../../src/Guardian.sol";

/// @dev What they have in common: a pause as Lido's, told truthfully.
abstract contract Lapsing {
    uint256 public getResumeSinceTimestamp;

    function isPaused() public view virtual returns (bool) {
        return block.timestamp < getResumeSinceTimestamp;
    }

    function _pauseFor(uint256 duration) internal {
        getResumeSinceTimestamp = block.timestamp + duration;
    }
}

/// @dev Pauses with plenty of gas, and says "done" with less: what an estimate of gas falls for.
contract Miser is Lapsing {
    uint256 private immutable NEEDS;

    constructor(uint256 needs) {
        NEEDS = needs;
    }

    function pauseFor(uint256 duration) external {
        if (gasleft() > NEEDS) _pauseFor(duration);
    }
}

/// @dev Burns all but a crumb and returns: the caller has what the 63/64 rule kept, and not a bit more.
contract Burner is Lapsing {
    bool private immutable PAUSES;

    constructor(bool pauses) {
        PAUSES = pauses;
    }

    function pauseFor(uint256 duration) external {
        if (PAUSES) _pauseFor(duration);
        while (gasleft() > 400) {}
    }
}

/// @dev Needs the most gas that its limit gives, as an upgraded target might: one storage slot after the other, then pauses.
contract Hungry is Lapsing {
    uint256 private immutable SLOTS;
    mapping(uint256 => uint256) private junk;

    constructor(uint256 slots) {
        SLOTS = slots;
    }

    function pauseFor(uint256 duration) external {
        for (uint256 i = 0; i < SLOTS; ++i) {
            junk[i] = block.timestamp;
        }
        _pauseFor(duration);
    }
}

/// @dev Its state is dear to read: nearly all of what a read may cost, before the pause and after it.
contract DearToRead is Lapsing {
    uint256 private immutable COST;

    constructor(uint256 cost) {
        COST = cost;
    }

    function pauseFor(uint256 duration) external {
        _pauseFor(duration);
    }

    function isPaused() public view override returns (bool) {
        uint256 until = gasleft() - COST;
        while (gasleft() > until) {}
        return super.isPaused();
    }
}

/// @dev Comes back by every door while it is being paused, swallows what it is told there, and pauses.
contract Returner is Lapsing {
    Guardian private immutable GUARDIAN;
    IGuardian.Order private order;
    bytes private signatures;
    uint256 public entered;

    constructor(Guardian guardian) {
        GUARDIAN = guardian;
    }

    function arrange(IGuardian.Order calldata order_, bytes calldata signatures_) external {
        order = order_;
        signatures = signatures_;
    }

    function pauseFor(uint256 duration) external {
        address[] memory list = new address[](1);
        list[0] = address(this);
        IGuardian.Order[] memory orders = new IGuardian.Order[](1);
        orders[0] = order;
        bytes[] memory all = new bytes[](1);
        all[0] = signatures;
        door(abi.encodeCall(GUARDIAN.pauseTarget, (address(this))));
        door(abi.encodeCall(GUARDIAN.pauseTargets, (list)));
        door(abi.encodeCall(GUARDIAN.pauseAlone, (address(this), msg.sender)));
        door(abi.encodeCall(GUARDIAN.execute, (order, signatures)));
        door(abi.encodeCall(GUARDIAN.executeBatch, (orders, all)));
        door(abi.encodeCall(GUARDIAN.executeAlone, (order, signatures, msg.sender)));
        door(abi.encodeCall(GUARDIAN.heartbeat, (address(this))));
        _pauseFor(duration);
    }

    function door(bytes memory call) private {
        (bool ok,) = address(GUARDIAN).call(call);
        if (ok) ++entered;
    }
}
