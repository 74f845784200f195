// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {Checks} from "./Checks.sol";
import {SetUp} from "./SetUp.sol";
import {Moody} from "./Targets.sol";

/// @dev Random people, sentinels and thieves over random targets in random moods. Keeps its own books of what may happen,
/// and counts what should never be.
contract Actors is Checks {
    uint256 private constant TARGETS = 3;
    uint8 private constant BUDGET = 2;
    uint32 private constant SENTINEL_SECONDS = 6 hours;
    uint32 private constant GUARDIAN_SECONDS = 1 days;
    uint32 private constant QUOTA = 2 days;
    uint32 private constant COOLDOWN = 1 hours;

    Guardian public immutable guardian;
    address private immutable admin;
    address private immutable person;
    uint256[5] private keys;
    Moody[] public targets;

    struct Book {
        IGuardian.Arming arming;
        uint256 used;
        uint256 sentinelEndsAt;
        uint256 guardianUsed;
        uint64 epoch;
    }

    Book[TARGETS] public books;
    uint256 public budget;
    uint256 public sentinelPauses;
    uint256 public guardianPauses;
    uint256 public shadows;
    uint256 public broken;
    IGuardian.Order[] private old;
    bytes[] private oldSignatures;

    constructor(Guardian guardian_, address admin_, address person_, uint256[5] memory keys_) {
        guardian = guardian_;
        admin = admin_;
        person = person_;
        keys = keys_;
        for (uint256 i = 0; i < TARGETS; ++i) {
            targets.push(new Moody(guardian_));
            books[i].epoch = 1;
        }
    }

    function limits() public pure returns (IGuardian.Limits memory) {
        return IGuardian.Limits(SENTINEL_SECONDS, GUARDIAN_SECONDS, QUOTA, COOLDOWN, 300_000, BUDGET);
    }

    // ------------------------------------------------------------------------------------- the world

    function change(uint256 which, uint8 mood) external {
        targets[which % TARGETS].become(Moody.Mood(mood % 22));
    }

    /// @dev Honest targets are what most of the books are about.
    function calm(uint256 which) external {
        targets[which % TARGETS].become(Moody.Mood.Honest);
    }

    function time(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 1 days);
        vm.roll(block.number + 1 + (seconds_ % 3));
    }

    // ------------------------------------------------------------------------------------- the admin

    function arm(uint256 which, bool inShadow) external {
        uint256 i = which % TARGETS;
        vm.prank(admin);
        inShadow ? guardian.shadow(address(targets[i])) : guardian.arm(address(targets[i]));
        books[i].arming = inShadow ? IGuardian.Arming.Shadow : IGuardian.Arming.Armed;
        books[i].used = 0;
        books[i].epoch += 1;
    }

    function grantBudget(uint8 budget_) external {
        budget = budget_ % 4;
        vm.prank(admin);
        guardian.setSentinelBudget(uint32(budget));
    }

    function renew(uint256 which) external {
        vm.prank(admin);
        guardian.renewGuardianTime(address(targets[which % TARGETS]));
        books[which % TARGETS].guardianUsed = 0;
    }

    // --------------------------------------------------------------------------------------- people

    function disarm(uint256 which) external {
        uint256 i = which % TARGETS;
        vm.prank(person);
        guardian.disarm(address(targets[i]));
        books[i].arming = IGuardian.Arming.Disarmed;
        books[i].epoch += 1;
    }

    function stopOrAllow(bool stop) external {
        if (stop == guardian.paused()) return;
        vm.prank(stop ? person : admin);
        stop ? guardian.stopSentinels() : guardian.allowSentinels();
        for (uint256 i = 0; i < TARGETS; ++i) {
            books[i].epoch += 1;
        }
    }

    function pauseByPerson(uint256 which) external {
        uint256 i = which % TARGETS;
        Moody t = targets[i];
        bool honest = t.mood() == Moody.Mood.Honest;
        bool must = honest && !t.isPaused() && books[i].guardianUsed < QUOTA;
        vm.prank(person);
        try guardian.pauseTarget(address(t)) {
            recordGuardianPause(i, t);
        } catch {
            // Whatever the sentinels' side is in, people can pause an honest target within their time.
            if (must) broken += 1;
        }
    }

    function recordGuardianPause(uint256 i, Moody t) private {
        uint256 used = guardian.target(address(t)).guardianUsed;
        if (used <= books[i].guardianUsed || used > QUOTA) broken += 1;
        if (t.getResumeSinceTimestamp() > block.timestamp + GUARDIAN_SECONDS) broken += 1;
        books[i].guardianUsed = used;
        books[i].epoch += 1;
        guardianPauses += 1;
    }

    // ------------------------------------------------------------------------------------- sentinels

    function makeOrder(Moody t) private view returns (IGuardian.Order memory) {
        uint64 seen = uint64(block.number - 1);
        return IGuardian.Order(address(t), guardian.target(address(t)).epoch, "d", seen, blockhash(seen));
    }

    function sign(IGuardian.Order memory order, uint256 count) private view returns (bytes memory all) {
        bytes32 digest = guardian.orderDigest(order);
        for (uint256 i = 0; i < count; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], digest);
            all = abi.encodePacked(all, r, s, v);
        }
    }

    function pauseByOrder(uint256 which, bool inBatch) external {
        uint256 i = which % TARGETS;
        IGuardian.Order memory order = makeOrder(targets[i]);
        bytes memory signatures = sign(order, 3);
        old.push(order);
        oldSignatures.push(signatures);
        submit(i, order, signatures, inBatch);
    }

    /// @dev Anyone submits again whatever was once signed.
    function replay(uint256 which, bool inBatch) external {
        if (old.length == 0) return;
        IGuardian.Order memory order = old[which % old.length];
        for (uint256 i = 0; i < TARGETS; ++i) {
            if (address(targets[i]) == order.target) submit(i, order, oldSignatures[which % old.length], inBatch);
        }
    }

    /// @dev Thieves of two keys, who sign what they like as often as they like.
    function thieves(uint256 which, bytes32 decision, uint8 copies) external {
        IGuardian.Order memory order = makeOrder(targets[which % TARGETS]);
        order.decision = decision;
        bytes memory signatures = sign(order, 2);
        for (uint256 i = 0; i < copies % 3; ++i) {
            signatures = bytes.concat(signatures, signatures);
        }
        try guardian.execute(order, signatures) {
            broken += 1;
        } catch {}
    }

    function submit(uint256 i, IGuardian.Order memory order, bytes memory signatures, bool inBatch) private {
        Moody t = targets[i];
        Book storage b = books[i];
        bool closed = guardian.isClosed(guardian.orderDigest(order));
        bool may = b.arming != IGuardian.Arming.Disarmed && b.used < BUDGET && budget > 0 && !guardian.paused()
            && (b.sentinelEndsAt == 0 || block.timestamp >= b.sentinelEndsAt + COOLDOWN) && order.epoch == b.epoch
            && !closed;
        bool done = inBatch ? submitInBatch(order, signatures) : submitAlone(order, signatures);
        if (done && !may) broken += 1;
        bool honest = t.mood() == Moody.Mood.Honest;
        bool fresh = block.number - order.observedBlock <= 32;
        if (!done && may && honest && fresh && !t.isPaused()) broken += 1;
        if (!done) return;
        if (b.arming == IGuardian.Arming.Shadow) {
            shadows += 1;
            return;
        }
        if (t.getResumeSinceTimestamp() > block.timestamp + SENTINEL_SECONDS) broken += 1;
        b.used += 1;
        b.sentinelEndsAt = t.getResumeSinceTimestamp();
        b.epoch += 1;
        budget -= 1;
        sentinelPauses += 1;
    }

    function submitAlone(IGuardian.Order memory order, bytes memory signatures) private returns (bool) {
        try guardian.execute(order, signatures) {
            return true;
        } catch {
            return false;
        }
    }

    function submitInBatch(IGuardian.Order memory order, bytes memory signatures) private returns (bool) {
        IGuardian.Order[] memory orders = new IGuardian.Order[](1);
        bytes[] memory all = new bytes[](1);
        (orders[0], all[0]) = (order, signatures);
        return guardian.executeBatch(orders, all) == 1;
    }
}

contract OrderInvariantTest is SetUp {
    Actors private actors;

    function setUp() public override {
        super.setUp();
        actors = new Actors(guardian, ADMIN, PERSON, keys);
        for (uint256 i = 0; i < 3; ++i) {
            register(address(actors.targets(i)), address(0), IGuardian.Lever.PauseFor, actors.limits());
        }
        vm.prank(ADMIN);
        guardian.setSentinelBudget(0);
        // Sentinels that outlive any run of the actors.
        vm.warp(block.timestamp + 1);
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(ADMIN);
            guardian.setSentinel(vm.addr(keys[i]), uint48(block.timestamp + 90 days));
        }
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(actors);
    }

    /// forge-config: default.invariant.runs = 16
    /// forge-config: default.invariant.depth = 100
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_TheContractKeepsTheSameBooks() public view {
        same(actors.broken(), 0, "a power was exceeded or denied");
        same(guardian.sentinelBudget(), actors.budget(), "contract-wide budget");
        for (uint256 i = 0; i < 3; ++i) {
            IGuardian.Target memory t = guardian.target(address(actors.targets(i)));
            (IGuardian.Arming arming, uint256 used, uint256 sentinelEndsAt, uint256 guardianUsed, uint64 epoch) =
                actors.books(i);
            same(uint256(t.arming), uint256(arming), "arming");
            same(t.used, used, "used");
            same(t.sentinelEndsAt, sentinelEndsAt, "end of the sentinels' pause");
            same(t.guardianUsed, guardianUsed, "guardians' time");
            same(t.epoch, epoch, "epoch");
            yes(t.used <= t.limits.budget && t.guardianUsed <= t.limits.guardianQuota, "within bounds");
        }
    }

    /// @dev The same actors led by the hand through everything that they can do: a run that never gets to a pause would
    /// keep the books trivially.
    function test_TheActorsGetEverywhere() public {
        actors.grantBudget(3);
        actors.arm(0, false);
        actors.pauseByOrder(0, false);
        same(actors.sentinelPauses(), 1, "order");
        actors.replay(0, true);
        actors.arm(1, true);
        actors.pauseByOrder(1, false);
        same(actors.shadows(), 1, "shadow");
        actors.pauseByPerson(1);
        same(actors.guardianPauses(), 1, "person");
        actors.thieves(0, "any", 2);
        actors.arm(2, false);
        actors.pauseByOrder(2, true);
        same(actors.sentinelPauses(), 2, "order in a batch");
        same(actors.broken(), 0, "nothing broken");
        invariant_TheContractKeepsTheSameBooks();
    }
}
