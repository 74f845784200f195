// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Safe} from "../../src/devnet/safe/Safe.sol";
import {SafeProxy} from "../../src/devnet/safe/SafeProxy.sol";
import {Checks} from "../guardian/Checks.sol";

interface VmKeys {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function etch(address account, bytes calldata code) external;
    function chainId(uint256 id) external;
    function deal(address account, uint256 balance) external;
    function txGasPrice(uint256 price) external;
}

/// @dev Keys in the order of their addresses, and a Safe of theirs.
abstract contract Signing is Checks {
    VmKeys internal constant keys = VmKeys(address(vm));

    /// @dev `count` keys, ascending by address, since signatures must be.
    function sortedKeys(uint256 count) internal pure returns (uint256[] memory list) {
        list = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 0xA11CE + i;
            uint256 j = i;
            for (; j > 0 && keys.addr(list[j - 1]) > keys.addr(key); --j) {
                list[j] = list[j - 1];
            }
            list[j] = key;
        }
    }

    function newSafe(uint256[] memory owners, uint256 threshold) internal returns (Safe) {
        address[] memory accounts = new address[](owners.length);
        for (uint256 i = 0; i < owners.length; ++i) {
            accounts[i] = keys.addr(owners[i]);
        }
        return newSafe(accounts, threshold);
    }

    function newSafe(address[] memory owners, uint256 threshold) internal returns (Safe) {
        address none = address(0);
        bytes memory setup = abi.encodeCall(Safe.setup, (owners, threshold, none, "", none, none, 0, payable(none)));
        return Safe(payable(address(new SafeProxy(address(new Safe()), setup))));
    }

    function signed(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = keys.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The signatures of the keys first to last, which must be sorted.
    function signedBy(uint256[] memory owners, uint256 first, uint256 last, bytes32 hash)
        internal
        pure
        returns (bytes memory all)
    {
        for (uint256 i = first; i <= last; ++i) {
            all = bytes.concat(all, signed(owners[i], hash));
        }
    }

    /// @dev What a committee signs nearly always: a plain call, free of refunds, at the present nonce.
    function hashOf(Safe safe, address to, bytes memory data) internal view returns (bytes32) {
        return safe.getTransactionHash(to, 0, data, Safe.Operation.Call, 0, 0, 0, address(0), address(0), safe.nonce());
    }

    function execute(Safe safe, address to, bytes memory data, bytes memory signatures) internal returns (bool) {
        return
            safe.execTransaction(to, 0, data, Safe.Operation.Call, 0, 0, 0, address(0), payable(address(0)), signatures);
    }

    function text(string memory message) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Error(string)", message);
    }
}
