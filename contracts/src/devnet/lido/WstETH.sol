// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ILido} from "./Interfaces.sol";

/// @notice The wrapper that does not rebase: one unit is one share of stETH.
contract WstETH is ERC20 {
    ILido private immutable _steth;

    constructor(address steth) ERC20("Wrapped liquid staked Ether 2.0", "wstETH") {
        _steth = ILido(steth);
    }

    /// @notice Ether sent here is staked and wrapped at once.
    receive() external payable {
        _mint(msg.sender, _steth.submit{value: msg.value}(address(0)));
    }

    function wrap(uint256 stETHAmount) external returns (uint256 amount) {
        amount = _steth.getSharesByPooledEth(stETHAmount);
        _mint(msg.sender, amount);
        require(_steth.transferFrom(msg.sender, address(this), stETHAmount));
    }

    function unwrap(uint256 wstETHAmount) external returns (uint256 stETHAmount) {
        stETHAmount = _steth.getPooledEthByShares(wstETHAmount);
        _burn(msg.sender, wstETHAmount);
        require(_steth.transfer(msg.sender, stETHAmount));
    }

    function stETH() external view returns (address) {
        return address(_steth);
    }

    function getWstETHByStETH(uint256 _stETHAmount) external view returns (uint256) {
        return _steth.getSharesByPooledEth(_stETHAmount);
    }

    function getStETHByWstETH(uint256 _wstETHAmount) external view returns (uint256) {
        return _steth.getPooledEthByShares(_wstETHAmount);
    }

    function stEthPerToken() external view returns (uint256) {
        return _steth.getPooledEthByShares(1 ether);
    }

    function tokensPerStEth() external view returns (uint256) {
        return _steth.getSharesByPooledEth(1 ether);
    }
}
