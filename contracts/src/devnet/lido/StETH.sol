// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The rebasing token: what is kept are shares, what is shown is ether. The rate is that of the internal part
/// (without stVaults); external shares are worth the same rate.
abstract contract StETH {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event TransferShares(address indexed from, address indexed to, uint256 sharesValue);
    event SharesBurnt(
        address indexed account, uint256 preRebaseTokenAmount, uint256 postRebaseTokenAmount, uint256 sharesAmount
    );

    error BalanceExceeded();
    error AllowanceExceeded();
    error ZeroAddress();

    uint256 internal _totalShares;
    uint256 internal _externalShares;
    mapping(address => uint256) private _shares;
    mapping(address => mapping(address => uint256)) private _allowances;

    function _internalEther() internal view virtual returns (uint256);
    function _requireNotStopped() internal view virtual;

    function name() external pure returns (string memory) {
        return "Liquid staked Ether 2.0";
    }

    function symbol() external pure returns (string memory) {
        return "stETH";
    }

    function decimals() external pure returns (uint8) {
        return 18;
    }

    function getTotalShares() external view returns (uint256) {
        return _totalShares;
    }

    function getExternalShares() external view returns (uint256) {
        return _externalShares;
    }

    function getTotalPooledEther() public view returns (uint256) {
        return _internalEther() + getExternalEther();
    }

    function totalSupply() external view returns (uint256) {
        return getTotalPooledEther();
    }

    function getExternalEther() public view returns (uint256) {
        return _externalShares * _internalEther() / _internalShares();
    }

    function getPooledEthByShares(uint256 _sharesAmount) public view returns (uint256) {
        return _sharesAmount * _internalEther() / _internalShares();
    }

    function getPooledEthBySharesRoundUp(uint256 _sharesAmount) external view returns (uint256) {
        uint256 denominator = _internalShares();
        return (_sharesAmount * _internalEther() + denominator - 1) / denominator;
    }

    function getSharesByPooledEth(uint256 _ethAmount) public view returns (uint256) {
        return _ethAmount * _internalShares() / _internalEther();
    }

    function sharesOf(address _account) external view returns (uint256) {
        return _shares[_account];
    }

    function balanceOf(address _account) external view returns (uint256) {
        return getPooledEthByShares(_shares[_account]);
    }

    function allowance(address owner, address spender) external view returns (uint256) {
        return _allowances[owner][spender];
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        _allowances[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _transferShares(msg.sender, to, getSharesByPooledEth(amount), amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        _spendAllowance(from, amount);
        _transferShares(from, to, getSharesByPooledEth(amount), amount);
        return true;
    }

    function transferShares(address to, uint256 shares) external returns (uint256 amount) {
        amount = getPooledEthByShares(shares);
        _transferShares(msg.sender, to, shares, amount);
    }

    function transferSharesFrom(address from, address to, uint256 shares) external returns (uint256 amount) {
        amount = getPooledEthByShares(shares);
        _spendAllowance(from, amount);
        _transferShares(from, to, shares, amount);
    }

    function _internalShares() internal view returns (uint256) {
        return _totalShares - _externalShares;
    }

    function _spendAllowance(address from, uint256 amount) internal virtual {
        uint256 allowed = _allowances[from][msg.sender];
        if (allowed == type(uint256).max) return;
        if (allowed < amount) revert AllowanceExceeded();
        _allowances[from][msg.sender] = allowed - amount;
    }

    function _transferShares(address from, address to, uint256 shares, uint256 amount) internal {
        _requireNotStopped();
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        if (_shares[from] < shares) revert BalanceExceeded();
        _shares[from] -= shares;
        _shares[to] += shares;
        emit Transfer(from, to, amount);
        emit TransferShares(from, to, shares);
    }

    function _mint(address to, uint256 shares) internal {
        if (to == address(0)) revert ZeroAddress();
        _totalShares += shares;
        _shares[to] += shares;
    }

    function _emitMint(address to, uint256 shares) internal {
        emit Transfer(address(0), to, getPooledEthByShares(shares));
        emit TransferShares(address(0), to, shares);
    }

    function _burn(address from, uint256 shares) internal {
        if (_shares[from] < shares) revert BalanceExceeded();
        uint256 amountBefore = getPooledEthByShares(shares);
        _shares[from] -= shares;
        _totalShares -= shares;
        emit SharesBurnt(from, amountBefore, getPooledEthByShares(shares), shares);
    }
}
