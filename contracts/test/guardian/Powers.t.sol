// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {SetUp} from "./SetUp.sol";

contract CeilingsTest is SetUp {
    event CeilingsFixed(IGuardian.Ceilings ceilings);
    event ThresholdSet(uint8 threshold);

    function tryCeilings(IGuardian.Ceilings memory c, bytes memory error_) private {
        vm.expectRevert(error_);
        new Guardian(0, ADMIN, 1, c);
    }

    function test_CeilingsAreFixedAtDeployment() public {
        IGuardian.Ceilings memory c = guardian.ceilings();
        same(c.sentinelSeconds, 1 days, "sentinel");
        same(c.guardianSeconds, 3 days, "guardian");
        same(c.guardianQuota, 9 days, "quota");
        same(c.cooldown, 2 days, "cooldown");
        same(c.sentinelLifetime, 90 days, "lifetime");
        same(c.orderAge, 32, "the default age");
        c.orderAge = 128;
        vm.expectEmit(true, true, true, true);
        emit CeilingsFixed(c);
        vm.expectEmit(true, true, true, true);
        emit ThresholdSet(16);
        same(new Guardian(0, ADMIN, 16, c).ceilings().orderAge, 128, "the highest age");
    }

    function test_CeilingsHaveCeilings() public {
        uint32 max = guardian.MAX_SECONDS();
        IGuardian.Ceilings memory c = ceilings();
        c.sentinelSeconds = 0;
        tryCeilings(c, outOfBounds(IGuardian.Bound.SentinelSeconds, 0, 1, max));
        c.sentinelSeconds = max + 1;
        tryCeilings(c, outOfBounds(IGuardian.Bound.SentinelSeconds, max + 1, 1, max));
        c = ceilings();
        c.guardianSeconds = 0;
        tryCeilings(c, outOfBounds(IGuardian.Bound.GuardianSeconds, 0, 1, max));
        c = ceilings();
        c.guardianQuota = c.guardianSeconds - 1;
        tryCeilings(c, outOfBounds(IGuardian.Bound.GuardianQuota, c.guardianSeconds - 1, c.guardianSeconds, max));
        c = ceilings();
        c.cooldown = max + 1;
        tryCeilings(c, outOfBounds(IGuardian.Bound.Cooldown, max + 1, 0, max));
        c = ceilings();
        c.sentinelLifetime = 0;
        tryCeilings(c, outOfBounds(IGuardian.Bound.SentinelLifetime, 0, 1, max));
        c = ceilings();
        c.orderAge = 129;
        tryCeilings(c, outOfBounds(IGuardian.Bound.OrderAge, 129, 1, 128));
    }

    function test_AnOrderNeedsAtLeastOneSignature() public {
        vm.expectRevert(outOfBounds(IGuardian.Bound.Threshold, 0, 1, 16));
        new Guardian(0, ADMIN, 0, ceilings());
        vm.prank(ADMIN);
        vm.expectRevert(outOfBounds(IGuardian.Bound.Threshold, 0, 1, 16));
        guardian.setThreshold(0);
        vm.prank(ADMIN);
        vm.expectRevert(outOfBounds(IGuardian.Bound.Threshold, 17, 1, 16));
        guardian.setThreshold(17);
        vm.expectEmit(true, true, true, true, address(guardian));
        emit ThresholdSet(5);
        vm.prank(ADMIN);
        guardian.setThreshold(5);
        same(guardian.threshold(), 5, "threshold");
    }
}

contract RolesTest is SetUp {
    event SentinelSet(address indexed sentinel, uint48 expiry);
    event SentinelRevoked(address indexed sentinel, address indexed by);
    event SentinelBudgetSet(uint32 budget);

    function clash(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGuardian.SentinelHoldsNoOtherRole.selector, account);
    }

    function setSentinel(address account, uint48 expiry) private {
        vm.prank(ADMIN);
        guardian.setSentinel(account, expiry);
    }

    function test_ASentinelHasNoOtherPower() public {
        address sentinel = vm.addr(keys[0]);
        vm.prank(ADMIN);
        vm.expectRevert(clash(sentinel));
        guardian.grantRole(guardianRole, sentinel);
        vm.prank(ADMIN);
        guardian.beginDefaultAdminTransfer(sentinel);
        vm.warp(block.timestamp + 2 days);
        vm.prank(sentinel);
        vm.expectRevert(clash(sentinel));
        guardian.acceptDefaultAdminTransfer();
        vm.expectRevert(clash(PERSON));
        setSentinel(PERSON, EXPIRY);
        vm.expectRevert(clash(ADMIN));
        setSentinel(ADMIN, EXPIRY);
    }

    function test_AnExpiredSentinelIsStillNoGuardian() public {
        address sentinel = vm.addr(keys[0]);
        vm.warp(EXPIRY);
        vm.prank(ADMIN);
        vm.expectRevert(clash(sentinel));
        guardian.grantRole(guardianRole, sentinel);
        vm.prank(ADMIN);
        guardian.revokeSentinel(sentinel);
        vm.prank(ADMIN);
        guardian.grantRole(guardianRole, sentinel);
        yes(guardian.hasRole(guardianRole, sentinel), "granted");
    }

    function test_SentinelsAreListedWithTheirExpiry() public {
        (address[] memory accounts, uint48[] memory expiries) = guardian.sentinels();
        same(accounts.length, 5, "accounts");
        same(expiries.length, 5, "expiries");
        for (uint256 i = 0; i < 5; ++i) {
            same(accounts[i], vm.addr(keys[i]), "account");
            same(expiries[i], EXPIRY, "expiry");
        }
        vm.expectEmit(true, true, true, true, address(guardian));
        emit SentinelSet(accounts[2], EXPIRY - 1);
        setSentinel(accounts[2], EXPIRY - 1);
        (accounts, expiries) = guardian.sentinels();
        same(accounts.length, 5, "moved, not added");
        same(expiries[2], EXPIRY - 1, "moved");
    }

    function test_ASentinelIsSetForABoundedTime() public {
        uint256 now_ = block.timestamp;
        bytes memory past = outOfBounds(IGuardian.Bound.SentinelExpiry, now_, now_ + 1, now_ + 90 days);
        vm.expectRevert(past);
        setSentinel(OTHER, uint48(now_));
        vm.expectRevert(outOfBounds(IGuardian.Bound.SentinelExpiry, now_ + 90 days + 1, now_ + 1, now_ + 90 days));
        setSentinel(OTHER, uint48(now_ + 90 days + 1));
        vm.expectRevert(abi.encodeWithSelector(IGuardian.NotASentinel.selector, address(0)));
        setSentinel(address(0), EXPIRY);
        setSentinel(OTHER, uint48(now_ + 90 days));
    }

    function test_SentinelsAreBoundedInNumber() public {
        for (uint160 i = 0; i < 11; ++i) {
            setSentinel(address(0xF000 + i), EXPIRY);
        }
        vm.expectRevert(outOfBounds(IGuardian.Bound.SentinelCount, 17, 1, 16));
        setSentinel(OTHER, EXPIRY);
    }

    function test_PeopleRevokeASentinelAtOnce() public {
        address sentinel = vm.addr(keys[1]);
        vm.expectEmit(true, true, true, true, address(guardian));
        emit SentinelRevoked(sentinel, PERSON);
        vm.prank(PERSON);
        guardian.revokeSentinel(sentinel);
        (address[] memory accounts, uint48[] memory expiries) = guardian.sentinels();
        same(accounts.length, 4, "gone");
        for (uint256 i = 0; i < 4; ++i) {
            yes(accounts[i] != sentinel && expiries[i] == EXPIRY, "the others stay");
        }
        vm.prank(PERSON);
        vm.expectRevert(abi.encodeWithSelector(IGuardian.NotASentinel.selector, sentinel));
        guardian.revokeSentinel(sentinel);
    }

    function test_HoldersAreListed() public {
        vm.prank(ADMIN);
        guardian.grantRole(guardianRole, OTHER);
        vm.prank(ADMIN);
        guardian.grantRole(guardianRole, OTHER);
        same(guardian.getRoleMemberCount(guardianRole), 2, "granted twice, listed once");
        vm.prank(ADMIN);
        guardian.revokeRole(guardianRole, PERSON);
        vm.prank(ADMIN);
        guardian.revokeRole(guardianRole, PERSON);
        address[] memory holders = guardian.getRoleMembers(guardianRole);
        same(holders.length, 1, "one left");
        same(holders[0], OTHER, "the right one");
        same(guardian.getRoleMember(guardianRole, 0), OTHER, "by index");
    }

    function test_AdminHandsOver() public {
        vm.prank(ADMIN);
        guardian.beginDefaultAdminTransfer(OTHER);
        vm.warp(block.timestamp + 2 days);
        vm.prank(OTHER);
        guardian.acceptDefaultAdminTransfer();
        same(guardian.getRoleMember(0x00, 0), OTHER, "admin listed");
        same(guardian.getRoleMemberCount(0x00), 1, "one admin");
    }

    function refusedAs(address caller, bytes32 role, bytes memory call) private {
        vm.prank(caller);
        (bool ok, bytes memory error_) = address(guardian).call(call);
        no(ok, "allowed");
        same(uint256(keccak256(error_)), uint256(keccak256(missingRole(caller, role))), "for another reason");
    }

    /// @dev Each admin call, by everyone else.
    function test_OnlyTheAdminConfigures() public {
        register(address(vault));
        bytes[] memory calls = new bytes[](10);
        calls[0] = abi.encodeCall(guardian.register, (address(plain), address(0), IGuardian.Lever.Pause, plainLimits()));
        calls[1] = abi.encodeCall(guardian.unregister, (address(vault)));
        calls[2] = abi.encodeCall(guardian.setLimits, (address(vault), limits()));
        calls[3] = abi.encodeCall(guardian.arm, (address(vault)));
        calls[4] = abi.encodeCall(guardian.shadow, (address(vault)));
        calls[5] = abi.encodeCall(guardian.renewGuardianTime, (address(vault)));
        calls[6] = abi.encodeCall(guardian.setSentinelBudget, (1));
        calls[7] = abi.encodeCall(guardian.setSentinel, (OTHER, EXPIRY));
        calls[8] = abi.encodeCall(guardian.setThreshold, (1));
        calls[9] = abi.encodeCall(guardian.allowSentinels, ());
        address[3] memory others = [PERSON, vm.addr(keys[0]), OTHER];
        for (uint256 i = 0; i < others.length; ++i) {
            for (uint256 j = 0; j < calls.length; ++j) {
                refusedAs(others[i], 0x00, calls[j]);
            }
        }
    }

    /// @dev Each call of people, by everyone else. Pauses are for guardians, not even for the admin.
    function test_OnlyPeoplePauseAndSwitchOff() public {
        register(address(vault));
        bytes[] memory calls = new bytes[](7);
        calls[0] = abi.encodeCall(guardian.pauseTarget, (address(vault)));
        calls[1] = abi.encodeCall(guardian.pauseTargets, (one(address(vault))));
        calls[2] = abi.encodeCall(guardian.disarm, (address(vault)));
        calls[3] = abi.encodeCall(guardian.revokeSentinel, (vm.addr(keys[0])));
        calls[4] = abi.encodeCall(guardian.stopSentinels, ());
        calls[5] = abi.encodeCall(guardian.cancel, (orderFor(address(vault))));
        calls[6] = abi.encodeCall(guardian.heartbeat, (address(vault)));
        address[2] memory others = [vm.addr(keys[0]), OTHER];
        for (uint256 i = 0; i < others.length; ++i) {
            for (uint256 j = 0; j < calls.length; ++j) {
                refusedAs(others[i], guardianRole, calls[j]);
            }
        }
        refusedAs(ADMIN, guardianRole, calls[0]);
        refusedAs(ADMIN, guardianRole, calls[1]);
        vm.prank(ADMIN);
        guardian.stopSentinels();
        yes(guardian.paused(), "the admin may switch off as well");
    }

    function test_NobodyButItselfUsesTheDoorsOfBatches() public {
        address[4] memory all = [ADMIN, PERSON, vm.addr(keys[0]), OTHER];
        bytes memory only = abi.encodeWithSelector(IGuardian.OnlySelf.selector);
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        for (uint256 i = 0; i < all.length; ++i) {
            vm.prank(all[i]);
            vm.expectRevert(only);
            guardian.pauseAlone(address(vault), PERSON);
            vm.prank(all[i]);
            vm.expectRevert(only);
            guardian.executeAlone(order, signatures, OTHER);
        }
    }

    function test_BudgetIsTheAdmins() public {
        vm.expectEmit(true, true, true, true, address(guardian));
        emit SentinelBudgetSet(4);
        vm.prank(ADMIN);
        guardian.setSentinelBudget(4);
        same(guardian.sentinelBudget(), 4, "budget");
    }

    function test_ItTakesNoEther() public {
        (bool ok,) = address(guardian).call{value: 1}("");
        no(ok, "took ether");
    }
}
