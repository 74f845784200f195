// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Treasury and admin of everything: does what its executor (on mainnet the Dual Governance) tells it.
contract Agent {
    event Execute(address indexed sender, address indexed target, uint256 ethValue, bytes data);

    error NotExecutor();

    address public immutable executor;

    constructor(address executor_) {
        executor = executor_;
    }

    receive() external payable {}

    function execute(address target, uint256 ethValue, bytes calldata data) external returns (bytes memory) {
        if (msg.sender != executor) revert NotExecutor();
        (bool done, bytes memory result) = target.call{value: ethValue}(data);
        if (!done) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
        emit Execute(msg.sender, target, ethValue, data);
        return result;
    }

    /// @notice The ERC-1271 signer; nobody, as on mainnet.
    function designatedSigner() external pure returns (address) {
        return address(0);
    }
}
