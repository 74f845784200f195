// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Stand-in for Safe's MultiSendCallOnly 1.4.1: several calls in one transaction of a Safe, all or nothing
/// @notice A Safe runs it by delegatecall. It makes calls only: a part that asks for a delegatecall fails.
contract MultiSendCallOnly {
    /// @param transactions one after the other, packed: operation (1 byte), to (20), value (32), length (32), data
    function multiSend(bytes memory transactions) external payable {
        uint256 done = 0;
        while (done < transactions.length) {
            uint256 operation;
            address to;
            uint256 value;
            uint256 length;
            uint256 data;
            assembly ("memory-safe") {
                let part := add(add(transactions, 0x20), done)
                operation := byte(0, mload(part))
                to := shr(96, mload(add(part, 1)))
                value := mload(add(part, 21))
                length := mload(add(part, 53))
                data := add(part, 85)
            }
            // Zero means this account itself.
            if (to == address(0)) to = address(this);
            bool ok = operation == 0;
            assembly ("memory-safe") {
                if ok { ok := call(gas(), to, value, data, length, 0, 0) }
                if iszero(ok) {
                    let found := mload(0x40)
                    returndatacopy(found, 0, returndatasize())
                    revert(found, returndatasize())
                }
            }
            done += 85 + length;
        }
    }
}
