// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILido, ILocator} from "./Interfaces.sol";
import {Roles, Versioned} from "./Roles.sol";

/// @notice Holds shares until a report burns them. Cover burns are not used on the devnet and are always zero.
contract Burner is Roles, Versioned {
    event StETHBurnRequested(
        bool indexed isCover, address indexed requestedBy, uint256 amountOfStETH, uint256 amountOfShares
    );
    event StETHBurnt(bool indexed isCover, uint256 amountOfStETH, uint256 amountOfShares);

    error NotAuthorized();
    error BurnAmountExceedsActual(uint256 requested, uint256 actual);

    bytes32 public constant REQUEST_BURN_MY_STETH_ROLE = keccak256("REQUEST_BURN_MY_STETH_ROLE");
    bytes32 public constant REQUEST_BURN_SHARES_ROLE = keccak256("REQUEST_BURN_SHARES_ROLE");

    ILocator private immutable _locator;

    uint256 private _requested;
    uint256 private _burnt;

    constructor(address locator) {
        _locator = ILocator(locator);
    }

    function initialize(address admin) external {
        if (admin == address(0)) revert AdminCannotBeZero();
        _initializeVersion(1);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(REQUEST_BURN_SHARES_ROLE, _locator.accounting());
    }

    function requestBurnShares(address from, uint256 shares) external onlyRole(REQUEST_BURN_SHARES_ROLE) {
        uint256 amount = ILido(_locator.lido()).transferSharesFrom(from, address(this), shares);
        _requested += shares;
        emit StETHBurnRequested(false, msg.sender, amount, shares);
    }

    function commitSharesToBurn(uint256 shares) external {
        if (msg.sender != _locator.accounting()) revert NotAuthorized();
        if (shares > _requested) revert BurnAmountExceedsActual(shares, _requested);
        _requested -= shares;
        _burnt += shares;
        uint256 amount = ILido(_locator.lido()).getPooledEthByShares(shares);
        ILido(_locator.lido()).burnShares(shares);
        emit StETHBurnt(false, amount, shares);
    }

    function getSharesRequestedToBurn() external view returns (uint256 coverShares, uint256 nonCoverShares) {
        return (0, _requested);
    }

    function getCoverSharesBurnt() external pure returns (uint256) {
        return 0;
    }

    function getNonCoverSharesBurnt() external view returns (uint256) {
        return _burnt;
    }

    function getExcessStETH() external view returns (uint256) {
        ILido lido = ILido(_locator.lido());
        return lido.getPooledEthByShares(lido.sharesOf(address(this)) - _requested);
    }

    function isMigrationAllowed() external pure returns (bool) {
        return false;
    }
}

