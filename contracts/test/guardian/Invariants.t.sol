// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guardian} from "../../src/Guardian.sol";
import {GuardianSetUp} from "./Guardian.t.sol";
import {Checks} from "./Checks.sol";
import {Hostile} from "./Hostile.sol";

/// @dev Random people and machines over random targets in random moods; counts what should never be.
contract Actors is Checks {
    Guardian public immutable guardian;
    address private immutable admin;
    address private immutable person;
    address private immutable sentinel;
    Hostile[] public targets;
    mapping(address => bool) private armedByModel;
    uint256 public budgetByModel;
    uint256 public sentinelPauses;
    uint256 public personPauses;
    uint256 public broken;

    constructor(Guardian guardian_, address admin_, address person_, address sentinel_) {
        guardian = guardian_;
        admin = admin_;
        person = person_;
        sentinel = sentinel_;
        for (uint256 i = 0; i < 3; ++i) {
            targets.push(new Hostile(guardian_));
        }
    }

    function change(uint256 which, uint8 mood) external {
        targets[which % 3].become(Hostile.Mood(mood % 17));
    }

    function time(uint16 seconds_) external {
        vm.warp(block.timestamp + seconds_);
    }

    function arm(uint256 which, uint8 budget) external {
        address t = address(targets[which % 3]);
        vm.prank(admin);
        guardian.arm(t);
        vm.prank(admin);
        guardian.setSentinelBudget(budget % 3);
        armedByModel[t] = true;
        budgetByModel = budget % 3;
    }

    function disarm(uint256 which) external {
        address t = address(targets[which % 3]);
        vm.prank(person);
        guardian.disarm(t);
        armedByModel[t] = false;
    }

    function stopOrAllow(bool stop) external {
        if (stop == guardian.paused()) return;
        vm.prank(stop ? person : admin);
        stop ? guardian.stopSentinels() : guardian.allowSentinels();
    }

    function pauseByPerson(uint256 which) external {
        Hostile t = targets[which % 3];
        bool honest = t.mood() == Hostile.Mood.Honest;
        bool before = honest && t.isPaused();
        vm.prank(person);
        try guardian.pauseTarget(address(t)) {
            personPauses += 1;
        } catch {
            // an honest target that is not paused: people can always pause it
            if (honest && !before) broken += 1;
        }
    }

    function pauseBySentinel(uint256 which) external {
        Hostile t = targets[which % 3];
        bool may = armedByModel[address(t)] && budgetByModel > 0 && !guardian.paused();
        vm.prank(sentinel);
        try guardian.sentinelPause(address(t)) {
            if (!may) broken += 1;
            if (t.getResumeSinceTimestamp() > block.timestamp + guardian.MAX_DURATION()) broken += 1;
            sentinelPauses += 1;
            armedByModel[address(t)] = false;
            budgetByModel -= 1;
        } catch {
            if (may && t.mood() == Hostile.Mood.Honest && !t.isPaused()) broken += 1;
        }
    }
}

contract GuardianInvariantTest is GuardianSetUp {
    Actors private actors;

    function setUp() public override {
        super.setUp();
        actors = new Actors(guardian, ADMIN, PERSON, SENTINEL);
        for (uint256 i = 0; i < 3; ++i) {
            register(address(actors.targets(i)));
        }
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(actors);
    }

    /// forge-config: default.invariant.runs = 64
    /// forge-config: default.invariant.depth = 100
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_PowersStayWithinBounds() public view {
        same(actors.broken(), 0, "a power was exceeded or denied");
        same(guardian.sentinelBudget(), actors.budgetByModel(), "budget");
        same(guardian.targets().length, 3, "targets");
    }
}
