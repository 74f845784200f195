// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControlEnumerable} from "@openzeppelin/contracts/access/extensions/AccessControlEnumerable.sol";

/// @notice OpenZeppelin's enumerable roles as Lido's older core contracts have them: members are read one by one.
abstract contract Roles is AccessControlEnumerable {
    error NotOnThisContract();
    error AdminCannotBeZero();

    /// @dev WithdrawalQueue, HashConsensus, the oracles and the Burner run OpenZeppelin 4, which cannot list members in
    /// one call. It reverts here too, so that nothing which works on the devnet only can go unnoticed.
    function getRoleMembers(bytes32) public view virtual override returns (address[] memory) {
        revert NotOnThisContract();
    }
}

/// @notice Lido's `Versioned`, reduced to what is read. A proxied contract is initialized exactly once.
abstract contract Versioned {
    event ContractVersionSet(uint256 version);

    error AlreadyInitialized();
    error UnexpectedContractVersion(uint256 expected, uint256 received);

    uint256 private _version;

    function getContractVersion() external view returns (uint256) {
        return _version;
    }

    function _initializeVersion(uint256 version) internal {
        if (_version != 0) revert AlreadyInitialized();
        _version = version;
        emit ContractVersionSet(version);
    }

    function _checkContractVersion(uint256 version) internal view {
        if (version != _version) revert UnexpectedContractVersion(_version, version);
    }
}
