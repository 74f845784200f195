// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {SetUp} from "./SetUp.sol";
import {Moody} from "./Targets.sol";
import {Burner, DearToRead, Hungry, Lapsing, Miser, Returner} from "./hostile/GasPlayers.sol";

/// @dev All gas limits from 21,000 to 2,000,000, by each of the four ways to pause, on targets that play with gas: either
/// the target is paused and the books say so, or nothing at all is consumed. The whole range goes in steps; around each
/// limit at which the outcome changes every single one is tried. Storage and accounts are cold, as a transaction finds
/// them; each try is undone.
contract GasSweepTest is SetUp {
    enum Way {
        Guardian,
        GuardianBatch,
        Order,
        OrderBatch
    }

    /// @dev Nothing happened, or a pause that is in the books. Anything else reverts.
    enum Outcome {
        Nothing,
        Paused
    }

    error Undone(Outcome outcome);

    uint256 private constant LEAST = 21_000;
    uint256 private constant MOST = 2_000_000;
    uint256 private constant STEP = 7_919;
    /// @dev Gas limits tried one by one on both sides of a change.
    uint256 private constant AROUND = 40;
    /// @dev Whether the target can be paused, given enough gas.
    bool private pausable;

    function sweep(address target, bool pausedAtLast) private {
        register(target);
        arm(target);
        pausable = pausedAtLast;
        for (uint256 way = 0; way < 4; ++way) {
            bytes memory call = callOf(Way(way), target);
            Outcome before = attempt(target, Way(way), call, LEAST);
            yes(before == Outcome.Nothing, "paused with the gas of an empty transaction");
            for (uint256 gas_ = LEAST; gas_ <= MOST; gas_ += STEP) {
                Outcome now_ = attempt(target, Way(way), call, gas_);
                if (now_ != before) around(target, Way(way), call, gas_ - STEP, gas_);
                before = now_;
            }
            yes((before == Outcome.Paused) == pausedAtLast, "with all gas");
        }
    }

    /// @dev Finds where between the two the outcome changes, and tries every limit there.
    function around(address target, Way way, bytes memory call, uint256 low, uint256 high) private {
        Outcome below = attempt(target, way, call, low);
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (attempt(target, way, call, middle) == below) low = middle;
            else high = middle;
        }
        for (uint256 gas_ = high - AROUND; gas_ < high + AROUND; ++gas_) {
            attempt(target, way, call, gas_);
        }
    }

    function callOf(Way way, address target) private view returns (bytes memory) {
        if (way == Way.Guardian) return abi.encodeCall(guardian.pauseTarget, (target));
        if (way == Way.GuardianBatch) return abi.encodeCall(guardian.pauseTargets, (one(target)));
        IGuardian.Order memory order = orderFor(target);
        bytes memory signatures = signed(order, 3);
        if (way == Way.Order) return abi.encodeCall(guardian.execute, (order, signatures));
        IGuardian.Order[] memory orders = new IGuardian.Order[](1);
        bytes[] memory all = new bytes[](1);
        (orders[0], all[0]) = (order, signatures);
        return abi.encodeCall(guardian.executeBatch, (orders, all));
    }

    function attempt(address target, Way way, bytes memory call, uint256 gas_) private returns (Outcome) {
        try this.attemptAndUndo(target, way, call, gas_) {}
        catch (bytes memory said) {
            if (bytes4(said) == Undone.selector) return said[35] == 0 ? Outcome.Nothing : Outcome.Paused;
            assembly ("memory-safe") {
                revert(add(said, 0x20), mload(said))
            }
        }
        revert("not undone");
    }

    function attemptAndUndo(address target, Way way, bytes memory call, uint256 gas_) external {
        IGuardian.Target memory before = guardian.target(target);
        uint256 budget = guardian.sentinelBudget();
        vm.cool(address(guardian));
        vm.cool(target);
        vm.prank(PERSON);
        (bool ok, bytes memory said) = address(guardian).call{gas: gas_}(call);
        bool batch = way == Way.GuardianBatch || way == Way.OrderBatch;
        bool claimed = ok && (!batch || abi.decode(said, (uint256)) == 1);
        IGuardian.Target memory t = guardian.target(target);
        same(Lapsing(target).isPaused() ? 1 : 0, claimed ? 1 : 0, "paused if and only if it is said");
        if (!claimed) {
            // A batch that goes through and pauses nothing is what an estimate of gas would settle for.
            no(ok && pausable, "went through with too little gas");
            same(uint256(keccak256(abi.encode(t))), uint256(keccak256(abi.encode(before))), "nothing consumed");
            same(guardian.sentinelBudget(), budget, "no budget consumed");
            revert Undone(Outcome.Nothing);
        }
        bool bySentinels = way == Way.Order || way == Way.OrderBatch;
        same(t.epoch, before.epoch + 1, "epoch");
        same(t.used, bySentinels ? 1 : 0, "used");
        same(t.guardianUsed, bySentinels ? 0 : GUARDIAN_SECONDS, "guardians' time");
        same(t.endsAt, block.timestamp + (bySentinels ? SENTINEL_SECONDS : GUARDIAN_SECONDS), "end");
        same(guardian.sentinelBudget() + (bySentinels ? 1 : 0), budget, "budget");
        revert Undone(Outcome.Paused);
    }

    function test_AnHonestTarget() public {
        sweep(address(moody), true);
    }

    function test_AGasEater() public {
        moody.become(Moody.Mood.EatsGasByWriting);
        sweep(address(moody), false);
    }

    function test_AMegabyteOfErrors() public {
        moody.become(Moody.Mood.RevertsWithMegabytes);
        sweep(address(moody), false);
    }

    /// @dev It gets its whole limit or is not called, so it never has a reason to be mean.
    function test_ATargetThatPausesOnlyWithPlentyOfGas() public {
        sweep(address(new Miser(GAS - 2_000)), true);
    }

    function test_ATargetThatWantsMoreThanItsLimit() public {
        sweep(address(new Miser(GAS)), false);
    }

    function test_ATargetThatBurnsWhatItGetsAndPauses() public {
        sweep(address(new Burner(true)), true);
    }

    function test_ATargetThatBurnsWhatItGetsAndDoesNothing() public {
        sweep(address(new Burner(false)), false);
    }

    function test_ATargetThatNeedsItsWholeLimit() public {
        sweep(address(new Hungry(12)), true);
    }

    function test_ATargetThatNeedsMoreThanItsLimit() public {
        sweep(address(new Hungry(14)), false);
    }

    function test_ATargetThatIsDearToRead() public {
        sweep(address(new DearToRead(45_000)), true);
    }

    function test_ATargetThatIsTooDearToRead() public {
        sweep(address(new DearToRead(51_000)), false);
    }

    function test_ATargetThatComesBackByEveryDoor() public {
        sweep(address(new Returner(guardian)), true);
    }

    function test_NoDoorIsOpenFromInside() public {
        Returner returner = new Returner(guardian);
        register(address(returner));
        arm(address(returner));
        vm.prank(ADMIN);
        guardian.grantRole(guardianRole, address(returner));
        IGuardian.Order memory order = orderFor(address(returner));
        bytes memory signatures = signed(order, 3);
        returner.arrange(order, signatures);
        execute(order, signatures);
        same(returner.entered(), 0, "entered");
        same(guardian.sentinelBudget(), 8, "one pause");
    }
}
