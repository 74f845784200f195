// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RebaseMath} from "./RebaseMath.sol";
import {Roles} from "./Roles.sol";

/// @notice The limits of a report that are read from outside. On the devnet only the limit of a rebase can be changed;
/// Accounting takes it from here, so what is read is what holds. Not upgradeable, as on mainnet.
contract OracleReportSanityChecker is Roles {
    event MaxPositiveTokenRebaseSet(uint256 maxPositiveTokenRebase);

    error IncorrectLimitValue(uint256 value, uint256 minAllowedValue, uint256 maxAllowedValue);

    bytes32 public constant MAX_POSITIVE_TOKEN_REBASE_MANAGER_ROLE =
        keccak256("MAX_POSITIVE_TOKEN_REBASE_MANAGER_ROLE");
    /// Says that there is no limit.
    uint256 private constant UNLIMITED = type(uint64).max;

    uint256 private _maxPositiveTokenRebase = RebaseMath.MAX_POSITIVE_REBASE;

    constructor(address admin) {
        if (admin == address(0)) revert AdminCannotBeZero();
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @return the largest growth of the share rate by one report, before fees, in billionths.
    function getMaxPositiveTokenRebase() external view returns (uint256) {
        return _maxPositiveTokenRebase;
    }

    function getMaxCLBalanceDecreaseBP() external pure returns (uint256) {
        return RebaseMath.MAX_CL_DECREASE_BP;
    }

    /// @dev Zero would stop every rebase without a word: mainnet refuses it, too.
    function setMaxPositiveTokenRebase(uint256 maxPositiveTokenRebase)
        external
        onlyRole(MAX_POSITIVE_TOKEN_REBASE_MANAGER_ROLE)
    {
        if (maxPositiveTokenRebase == 0 || maxPositiveTokenRebase > UNLIMITED) {
            revert IncorrectLimitValue(maxPositiveTokenRebase, 1, UNLIMITED);
        }
        _maxPositiveTokenRebase = maxPositiveTokenRebase;
        emit MaxPositiveTokenRebaseSet(maxPositiveTokenRebase);
    }
}
