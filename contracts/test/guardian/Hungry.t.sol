// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {SetUp} from "./SetUp.sol";

/// @dev Honest, and uses nearly all gas that it may use: in its pause and in each read. It is a breaker as well.
contract Hungry {
    uint256 private constant READ_GAS = 50_000;

    Guardian private immutable GUARDIAN;
    uint256 public got;
    uint256 private until;

    constructor(Guardian guardian) {
        GUARDIAN = guardian;
    }

    modifier eating(uint256 share, uint256 rest) {
        if (gasleft() > share) while (gasleft() > rest) {}
        _;
    }

    function pauseFor(uint256 duration) external {
        pauseWith(gasleft(), duration);
    }

    function pause(address target) external {
        uint256 gas_ = gasleft();
        Hungry(target).pauseByBreaker();
        pauseWith(gas_, 0);
    }

    function pauseByBreaker() external {
        until = block.timestamp + 1;
    }

    function pauseWith(uint256 gas_, uint256 duration) private {
        got = gas_;
        until = block.timestamp + duration;
        while (gasleft() > 1000) {}
    }

    function isPaused() external view eating(READ_GAS - 1000, 3000) returns (bool) {
        return block.timestamp < until;
    }

    function getResumeSinceTimestamp() external view eating(READ_GAS - 1000, 3000) returns (uint256) {
        return until;
    }

    function getPauser(address) external view eating(READ_GAS - 1000, 3000) returns (address) {
        return address(GUARDIAN);
    }

    function isPauserLive(address) external view eating(READ_GAS - 1000, 3000) returns (bool) {
        return true;
    }

    function pauseDuration() external view eating(READ_GAS - 1000, 3000) returns (uint256) {
        return 1;
    }
}

/// @dev What the figures of gas promise, at their very edge: with the least gas that is let through, who uses all that it
/// may use still succeeds.
contract HungryTest is SetUp {
    Hungry private hungry;
    Hungry private breaker;
    address[] private list;
    IGuardian.Order[] private orders;
    bytes[] private signatures;

    function setUp() public override {
        super.setUp();
        for (uint160 i = 0; i < 11; ++i) {
            address account = vm.addr(100 + i);
            vm.prank(ADMIN);
            guardian.setSentinel(account, EXPIRY);
        }
        vm.prank(ADMIN);
        guardian.setThreshold(16);
        hungry = new Hungry(guardian);
        breaker = new Hungry(guardian);
        register(address(hungry));
        for (uint256 i = 0; i < 8; ++i) {
            address target = address(new Hungry(guardian));
            IGuardian.Limits memory l = limits();
            l.gasLimit = 1_000_000;
            register(target, address(breaker), IGuardian.Lever.CircuitBreaker, l);
            arm(target);
            list.push(target);
            orders.push(orderFor(target));
            signatures.push(signedByAll(orders[i]));
        }
    }

    function signedByAll(IGuardian.Order memory order) private view returns (bytes memory all) {
        uint256[16] memory list_;
        for (uint256 i = 0; i < 16; ++i) {
            list_[i] = i < 5 ? keys[i] : 95 + i;
        }
        bytes32 digest = guardian.orderDigest(order);
        for (uint256 i = 0; i < 16; ++i) {
            for (uint256 j = i + 1; j < 16; ++j) {
                if (vm.addr(list_[j]) < vm.addr(list_[i])) (list_[i], list_[j]) = (list_[j], list_[i]);
            }
            all = bytes.concat(all, signature(list_[i], digest));
        }
    }

    function tryWith(uint256 gas_, address from, bytes memory data) private returns (bool ok, uint256 short_) {
        uint256 state = vm.snapshotState();
        vm.cool(address(guardian));
        vm.prank(from);
        bytes memory answer;
        (ok, answer) = address(guardian).call{gas: gas_}(data);
        vm.revertToState(state);
        if (ok) return (ok, 0);
        same(uint32(bytes4(answer)), uint32(IGuardian.NotEnoughGas.selector), "refused for the gas, and only for it");
        (uint256 left, uint256 needed) = abi.decode(this.withoutSelector(answer), (uint256, uint256));
        short_ = needed - left;
    }

    function withoutSelector(bytes calldata answer) external pure returns (bytes memory) {
        return answer[4:];
    }

    /// @dev The least gas with which a call is not refused for its gas: the error says how much is missing.
    function leastGas(address from, bytes memory data, uint256 tooLittle) private returns (uint256 gas_) {
        (bool ok, uint256 short_) = tryWith(tooLittle, from, data);
        no(ok, "too little to begin with");
        gas_ = tooLittle + short_;
        (ok, short_) = tryWith(gas_ - 1, from, data);
        same(short_, 1, "one less is one too little");
    }

    function test_TheTargetGetsItsWholeLimitAndNoMore() public {
        bytes memory data = abi.encodeCall(guardian.pauseTarget, (address(hungry)));
        uint256 least = leastGas(PERSON, data, 400_000);
        vm.cool(address(guardian));
        vm.prank(PERSON);
        guardian.pauseTarget{gas: least}(address(hungry));
        yes(hungry.got() <= GAS && hungry.got() > GAS - 500, "the limit with the least gas");
        vm.warp(block.timestamp + GUARDIAN_SECONDS);
        pauseByPerson(address(hungry));
        yes(hungry.got() <= GAS && hungry.got() > GAS - 500, "the limit with plenty");
    }

    function test_ABatchThatBeginsHasGasForTheWorstOfOrders() public {
        bytes memory data = abi.encodeCall(guardian.executeBatch, (orders, signatures));
        uint256 least = leastGas(OTHER, data, 3_000_000);
        vm.cool(address(guardian));
        vm.prank(OTHER);
        same(guardian.executeBatch{gas: least}(orders, signatures), 8, "all eight");
        uint256 intrinsic = 21_000 + 16 * data.length;
        yes(least + intrinsic < guardian.gasNeeded(list), "gasNeeded covers it, whatever the bytes");
        yes(guardian.gasNeeded(list) < 1 << 24, "one transaction can carry it");
    }

    function test_ABatchOfGuardiansThatBeginsHasGasForTheWorst() public {
        bytes memory data = abi.encodeCall(guardian.pauseTargets, (list));
        uint256 least = leastGas(PERSON, data, 3_000_000);
        vm.cool(address(guardian));
        vm.prank(PERSON);
        same(guardian.pauseTargets{gas: least}(list), 8, "all eight");
    }
}
