// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Vault} from "../../src/devnet/Vault.sol";
import {SetUp} from "./SetUp.sol";
import {Token} from "./Targets.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @dev What our part of a pause costs: gas beyond a pause by the same call straight at the target, with all slots cold and
/// the first pause of its kind, which is the dearest. Kept in snapshots/pauses.json: another figure there is a change that
/// somebody has to see.
contract GasTest is SetUp {
    event Gas(string what, uint256 beyondTarget, uint256 wholeTransaction);

    uint256 private constant GUARDIAN_MOST = 35_000;
    uint256 private constant ORDER_MOST = 90_000;
    Vault private twin;

    function setUp() public override {
        super.setUp();
        register(address(vault));
        arm(address(vault));
        twin = new Vault(IERC20(address(new Token(OTHER, 1))), ADMIN);
        bytes32 pauseRole = twin.PAUSE_ROLE();
        vm.prank(ADMIN);
        twin.grantRole(pauseRole, PERSON);
    }

    /// @dev With every account and slot as cold as a transaction finds them; the callee too, which overstates by 2,500.
    function measure(address to, address from, bytes memory data) private returns (uint256 used) {
        vm.cool(address(guardian));
        vm.cool(address(vault));
        vm.cool(to);
        vm.prank(from);
        bool ok;
        assembly {
            let before := gas()
            ok := call(gas(), to, 0, add(data, 0x20), mload(data), 0, 0)
            used := sub(before, gas())
        }
        yes(ok, "paused");
    }

    /// @dev What a transaction costs before its first opcode.
    function intrinsic(bytes memory data) private pure returns (uint256 gas_) {
        gas_ = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gas_ += data[i] == 0 ? 4 : 16;
        }
    }

    function bounded(string memory what, bytes memory data, address from, uint256 most) private {
        bytes memory direct = abi.encodeCall(twin.pauseFor, (SENTINEL_SECONDS));
        uint256 ofTarget = measure(address(twin), PERSON, direct) + intrinsic(direct);
        uint256 whole = measure(address(guardian), from, data) + intrinsic(data);
        emit Gas(what, whole - ofTarget, whole);
        vm.snapshotValue("pauses", what, whole - ofTarget);
        yes(whole - ofTarget < most, what);
        yes(vault.isPaused(), "paused");
    }

    function test_GasOfAGuardianPause() public {
        bounded("guardian", abi.encodeCall(guardian.pauseTarget, (address(vault))), PERSON, GUARDIAN_MOST);
    }

    function test_GasOfAnOrderOfThree() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bounded("order, 3 of 5", abi.encodeCall(guardian.execute, (order, signed(order, 3))), OTHER, ORDER_MOST);
    }

    /// @dev In a batch an order costs what it costs alone, and its frame.
    function test_GasOfABatchOfOneOrder() public {
        IGuardian.Order[] memory orders = new IGuardian.Order[](1);
        bytes[] memory signatures = new bytes[](1);
        orders[0] = orderFor(address(vault));
        signatures[0] = signed(orders[0], 3);
        bounded("batch of one", abi.encodeCall(guardian.executeBatch, (orders, signatures)), OTHER, ORDER_MOST);
    }
}
