// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {Vault} from "../../src/devnet/Vault.sol";
import {Checks} from "./Checks.sol";
import {Moody, PlainPausable, Token} from "./Targets.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @dev Who is who, five sentinels of whom three have to sign, and targets. The test contract itself is nobody.
abstract contract SetUp is Checks {
    address internal constant ADMIN = address(0xA);
    address internal constant PERSON = address(0xB);
    address internal constant OTHER = address(0xD);
    uint32 internal constant SENTINEL_SECONDS = 6 hours;
    uint32 internal constant GUARDIAN_SECONDS = 1 days;
    uint32 internal constant QUOTA = 2 days;
    uint32 internal constant COOLDOWN = 1 hours;
    uint24 internal constant GAS = 300_000;
    uint48 internal constant EXPIRY = 1_700_000_000 + 30 days;
    uint256 internal constant CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    Guardian internal guardian;
    Vault internal vault;
    PlainPausable internal plain;
    Moody internal moody;
    bytes32 internal guardianRole;
    /// @dev Keys of the sentinels, ascending by address.
    uint256[5] internal keys;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        vm.roll(20_000_000);
        guardian = new Guardian(1 days, ADMIN, 3, ceilings());
        guardianRole = guardian.GUARDIAN_ROLE();
        vault = new Vault(IERC20(address(new Token(OTHER, 100 ether))), ADMIN);
        plain = new PlainPausable();
        moody = new Moody(guardian);
        bytes32 pauseRole = vault.PAUSE_ROLE();
        vm.prank(ADMIN);
        vault.grantRole(pauseRole, address(guardian));
        vm.prank(ADMIN);
        guardian.grantRole(guardianRole, PERSON);
        keys = ascending([uint256(11), 22, 33, 44, 55]);
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(ADMIN);
            guardian.setSentinel(vm.addr(keys[i]), EXPIRY);
        }
        vm.prank(ADMIN);
        guardian.setSentinelBudget(9);
    }

    function ceilings() internal pure returns (IGuardian.Ceilings memory) {
        return IGuardian.Ceilings({
            sentinelSeconds: 1 days,
            guardianSeconds: 3 days,
            guardianQuota: 9 days,
            cooldown: 2 days,
            sentinelLifetime: 90 days,
            orderAge: 0
        });
    }

    function limits() internal pure returns (IGuardian.Limits memory) {
        return IGuardian.Limits({
            sentinelSeconds: SENTINEL_SECONDS,
            guardianSeconds: GUARDIAN_SECONDS,
            guardianQuota: QUOTA,
            cooldown: COOLDOWN,
            gasLimit: GAS,
            budget: 1
        });
    }

    function plainLimits() internal pure returns (IGuardian.Limits memory l) {
        l = limits();
        l.sentinelSeconds = 0;
        l.budget = 0;
    }

    function register(address target) internal {
        register(target, address(0), IGuardian.Lever.PauseFor, limits());
    }

    function register(address target, address via, IGuardian.Lever lever, IGuardian.Limits memory l) internal {
        vm.prank(ADMIN);
        guardian.register(target, via, lever, l);
    }

    function arm(address target) internal {
        vm.prank(ADMIN);
        guardian.arm(target);
    }

    function shadow(address target) internal {
        vm.prank(ADMIN);
        guardian.shadow(target);
    }

    function setLimits(address target, IGuardian.Limits memory l) internal {
        vm.prank(ADMIN);
        guardian.setLimits(target, l);
    }

    function pauseByPerson(address target) internal {
        vm.prank(PERSON);
        guardian.pauseTarget(target);
    }

    /// @dev An order that nothing speaks against: for the block before this one.
    function orderFor(address target) internal view returns (IGuardian.Order memory) {
        uint64 observed = uint64(block.number - 1);
        return IGuardian.Order(target, guardian.target(target).epoch, "decision", observed, blockhash(observed));
    }

    /// @dev Signatures of the first `count` sentinels, ascending by signer.
    function signed(IGuardian.Order memory order, uint256 count) internal view returns (bytes memory all) {
        bytes32 digest = guardian.orderDigest(order);
        for (uint256 i = 0; i < count; ++i) {
            all = bytes.concat(all, signature(keys[i], digest));
        }
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function execute(IGuardian.Order memory order, bytes memory signatures) internal {
        vm.prank(OTHER);
        guardian.execute(order, signatures);
    }

    /// @dev A pause by sentinels to which nothing is in the way.
    function pauseByOrder(address target) internal {
        IGuardian.Order memory order = orderFor(target);
        execute(order, signed(order, 3));
    }

    /// @dev The view and the write must agree, always.
    function expectRefusal(IGuardian.Order memory order, bytes memory signatures, IGuardian.Refusal reason) internal {
        same(uint256(guardian.checkOrder(order, signatures)), uint256(reason), "checkOrder");
        vm.expectRevert(refused(order.target, reason));
        execute(order, signatures);
    }

    /// @dev A well signed, fresh order for the target is refused for what the target is in.
    function expectTargetRefusal(address target, IGuardian.Refusal reason) internal {
        same(uint256(guardian.checkTarget(target)), uint256(reason), "checkTarget");
        IGuardian.Order memory order = orderFor(target);
        expectRefusal(order, signed(order, 3), reason);
    }

    function refused(address target, IGuardian.Refusal reason) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IGuardian.OrderRefused.selector, target, reason);
    }

    function missingRole(address account, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, account, role);
    }

    function outOfBounds(IGuardian.Bound which, uint256 value, uint256 least, uint256 most)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IGuardian.OutOfBounds.selector, which, value, least, most);
    }

    function one(address target) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = target;
    }

    function ascending(uint256[5] memory list) private pure returns (uint256[5] memory) {
        for (uint256 i = 0; i < 5; ++i) {
            for (uint256 j = i + 1; j < 5; ++j) {
                if (vm.addr(list[j]) < vm.addr(list[i])) (list[i], list[j]) = (list[j], list[i]);
            }
        }
        return list;
    }
}
