// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vault} from "../../src/devnet/Vault.sol";
import {Checks} from "./Checks.sol";
import {Token} from "./Targets.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

contract VaultTest is Checks {
    event Paused(uint256 duration);
    event Resumed();

    address private constant USER = address(0xBEEF);
    Vault private vault;
    Token private token;

    function setUp() public {
        vm.warp(1_700_000_000);
        token = new Token(USER, 10 ether);
        vault = new Vault(IERC20(address(token)), address(this));
        vault.grantRole(vault.PAUSE_ROLE(), address(this));
        vault.grantRole(vault.RESUME_ROLE(), address(this));
        vm.prank(USER);
        token.approve(address(vault), type(uint256).max);
    }

    function deposit(uint256 amount) private {
        vm.prank(USER);
        vault.deposit(amount);
    }

    function test_DepositAndWithdraw() public {
        deposit(4 ether);
        same(vault.balanceOf(USER), 4 ether, "credited");
        same(token.balanceOf(address(vault)), 4 ether, "held");
        vm.prank(USER);
        vault.withdraw(3 ether);
        same(vault.totalDeposits(), 1 ether, "total");
        same(token.balanceOf(USER), 9 ether, "given back");
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotEnoughDeposited.selector, USER, 1 ether, 2 ether));
        vault.withdraw(2 ether);
    }

    function test_NothingMovesWhilePaused() public {
        deposit(1 ether);
        vm.expectEmit(true, true, true, true, address(vault));
        emit Paused(100);
        vault.pauseFor(100);
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(Vault.ResumedExpected.selector));
        vault.deposit(1);
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(Vault.ResumedExpected.selector));
        vault.withdraw(1);
    }

    function test_TimedPauseLapsesAtItsSecond() public {
        vault.pauseFor(100);
        same(vault.getResumeSinceTimestamp(), block.timestamp + 100, "resume time");
        vm.warp(block.timestamp + 99);
        yes(vault.isPaused(), "last second");
        vm.warp(block.timestamp + 1);
        no(vault.isPaused(), "over");
        vm.expectRevert(abi.encodeWithSelector(Vault.PausedExpected.selector));
        vault.resume();
        deposit(1);
    }

    function test_PauseCannotBeExtendedNorBeZero() public {
        vm.expectRevert(abi.encodeWithSelector(Vault.ZeroPauseDuration.selector));
        vault.pauseFor(0);
        vault.pauseFor(100);
        vm.expectRevert(abi.encodeWithSelector(Vault.ResumedExpected.selector));
        vault.pauseFor(200);
    }

    function test_OpenEndedPauseEndsByResume() public {
        vault.pauseFor(vault.PAUSE_INFINITELY());
        same(vault.getResumeSinceTimestamp(), type(uint256).max, "open end");
        vm.expectEmit(true, true, true, true, address(vault));
        emit Resumed();
        vault.resume();
        no(vault.isPaused(), "resumed");
        same(vault.getResumeSinceTimestamp(), block.timestamp, "since now");
    }

    function test_OnlyRolesPauseAndResume() public {
        bytes32 pauseRole = vault.PAUSE_ROLE();
        bytes32 resumeRole = vault.RESUME_ROLE();
        bytes4 missing = IAccessControl.AccessControlUnauthorizedAccount.selector;
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(missing, USER, pauseRole));
        vault.pauseFor(1);
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(missing, USER, resumeRole));
        vault.resume();
        same(vault.getRoleMemberCount(pauseRole), 1, "holders can be read in full");
    }
}
