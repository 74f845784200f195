// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILido, ILocator} from "./Interfaces.sol";
import {Versioned} from "./Roles.sol";

/// @notice Where the consensus layer's withdrawals arrive, without any event; a report takes them.
contract WithdrawalVault is Versioned {
    error NotLido();
    error NotEnoughEther(uint256 requested, uint256 balance);

    ILocator private immutable _locator;

    constructor(address locator) {
        _locator = ILocator(locator);
    }

    receive() external payable {}

    function initialize() external {
        _initializeVersion(3);
    }

    function withdrawWithdrawals(uint256 _amount) external {
        if (msg.sender != _locator.lido()) revert NotLido();
        if (_amount > address(this).balance) revert NotEnoughEther(_amount, address(this).balance);
        ILido(msg.sender).receiveWithdrawals{value: _amount}();
    }
}

/// @notice Where priority fees and MEV rewards arrive.
contract ELRewardsVault {
    event ETHReceived(uint256 amount);

    error NotLido();

    ILocator private immutable _locator;

    constructor(address locator) {
        _locator = ILocator(locator);
    }

    receive() external payable {
        emit ETHReceived(msg.value);
    }

    function withdrawRewards(uint256 _maxAmount) external returns (uint256 amount) {
        if (msg.sender != _locator.lido()) revert NotLido();
        uint256 balance = address(this).balance;
        amount = _maxAmount < balance ? _maxAmount : balance;
        if (amount > 0) ILido(msg.sender).receiveELRewards{value: amount}();
    }
}
