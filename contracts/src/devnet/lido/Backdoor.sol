// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StETH} from "./StETH.sol";

/// @notice Drills only: what a bug or a stolen right would do to the token. Not in the original, and dead on any chain
/// but the devnet.
abstract contract Backdoor is StETH {
    error OnDevnetOnly();

    modifier onDevnet() {
        if (block.chainid != 31337) revert OnDevnetOnly();
        _;
    }

    /// @notice Shares without ether behind them: the rate drops between reports.
    function devMintUnbacked(address to, uint256 shares) external onDevnet {
        _mint(to, shares);
        _emitMint(to, shares);
    }

    /// @notice Undoes `devMintUnbacked`.
    function devBurn(address from, uint256 shares) external onDevnet {
        _burn(from, shares);
    }
}
