// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What a report may change at most. The growth of the share rate in one report is capped; what is over the cap
/// stays in the vaults and in the burner for later reports.
library RebaseMath {
    /// 0.075 % with 1e9 precision, as on mainnet: what the sanity checker begins with.
    uint256 internal constant MAX_POSITIVE_REBASE = 750_000;
    uint256 internal constant PRECISION = 1e9;
    uint256 internal constant MAX_CL_DECREASE_BP = 360;
    uint256 internal constant SHARE_RATE_DEVIATION_BP = 50;
    uint256 internal constant REQUEST_TIMESTAMP_MARGIN = 7680;
    uint256 internal constant TOTAL_BP = 10_000;

    error IncorrectCLBalanceDecrease(uint256 negativeCLRebase, uint256 maximum);
    error IncorrectSimulatedShareRate(uint256 simulated, uint256 actual);
    error IncorrectRequestFinalization(uint256 requestTimestamp);
    error IncorrectWithdrawalsVaultBalance(uint256 actual);
    error IncorrectELRewardsVaultBalance(uint256 actual);

    /// @return how much of `offered` may flow in before the pool reaches the cap.
    function room(uint256 limit, uint256 preEther, uint256 current, uint256 offered) internal pure returns (uint256) {
        uint256 cap = preEther + Math.mulDiv(preEther, limit, PRECISION);
        return current >= cap ? 0 : Math.min(offered, cap - current);
    }

    /// @return how many shares may be burnt so that ether / shares stays at or below the cap.
    function burnable(uint256 limit, uint256 preEther, uint256 preShares, uint256 ether_, uint256 offered)
        internal
        pure
        returns (uint256)
    {
        uint256 needed = Math.mulDiv(ether_, preShares * PRECISION, preEther * (PRECISION + limit), Math.Rounding.Ceil);
        return needed >= preShares ? 0 : Math.min(offered, preShares - needed);
    }

    /// @dev Mainnet looks at a window of 36 days; a single report here.
    function checkDecrease(uint256 principal, uint256 postBalance, uint256 withdrawals) internal pure {
        if (postBalance + withdrawals >= principal) return;
        uint256 loss = principal - postBalance - withdrawals;
        uint256 maximum = principal * MAX_CL_DECREASE_BP / TOTAL_BP;
        if (loss > maximum) revert IncorrectCLBalanceDecrease(loss, maximum);
    }

    function checkShareRate(uint256 simulated, uint256 actual) internal pure {
        uint256 difference = simulated > actual ? simulated - actual : actual - simulated;
        if (difference * TOTAL_BP > actual * SHARE_RATE_DEVIATION_BP) {
            revert IncorrectSimulatedShareRate(simulated, actual);
        }
    }
}
