// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Stand-in for a Safe's account: all it has of its own is which code it runs
/// @dev As on mainnet, that address is in slot 0, which code run by delegatecall can overwrite: so Bybit's Safe was taken.
contract SafeProxy {
    address private _singleton;

    /// @param initializer a call of `Safe.setup`, made at once, so that nobody else can set the account up
    constructor(address singleton, bytes memory initializer) {
        _singleton = singleton;
        (bool ok, bytes memory said) = singleton.delegatecall(initializer);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(said, 0x20), mload(said))
            }
        }
    }

    /// @dev `masterCopy()` is answered here: the code behind does not know where it runs.
    fallback() external payable {
        assembly {
            let target := sload(0)
            if eq(shr(224, calldataload(0)), 0xa619486e) {
                mstore(0, target)
                return(0, 0x20)
            }
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if ok { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
