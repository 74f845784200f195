// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILido} from "../lido/Interfaces.sol";

/// @notice A pool of native ether (coin 0) and rebasing stETH (coin 1) with Curve's stableswap invariant and the interface
/// of its stETH pool. Balances are what the pool holds, less fees owed to its admin, so a rebase belongs to the liquidity.
/// @dev The invariant for n = 2 coins: A n^n S + D = A D n^n + D^3 / (n^n x0 x1). The amplification is kept times 100.
contract StableSwapPool {
    event TokenExchange(
        address indexed buyer, int128 sold_id, uint256 tokens_sold, int128 bought_id, uint256 tokens_bought
    );
    event AddLiquidity(
        address indexed provider, uint256[2] token_amounts, uint256[2] fees, uint256 invariant, uint256 token_supply
    );
    event RemoveLiquidity(address indexed provider, uint256[2] token_amounts, uint256[2] fees, uint256 token_supply);

    error Broken();
    error BadCoin();
    error BadValue();
    error EmptyPool();
    error NoConvergence();
    error OnDevnetOnly();
    error Slippage();

    address private constant NATIVE = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;
    uint256 private constant N = 2;
    uint256 private constant A_PRECISION = 100;
    uint256 private constant FEE_DENOMINATOR = 10 ** 10;
    uint256 private constant ADMIN_PART = 5 * 10 ** 9;
    uint256 private constant ROUNDS = 255;

    ILido private immutable _token;
    uint256 private immutable _amp;

    /// @notice Of each exchange, in parts of 1e10.
    uint256 public immutable fee;
    uint256 public totalSupply;
    mapping(address provider => uint256) public balanceOf;
    uint256[2] private _adminBalances;
    bool private _broken;

    constructor(address token, uint256 amplification, uint256 fee_) {
        _token = ILido(token);
        _amp = amplification * A_PRECISION;
        fee = fee_;
    }

    modifier whole() {
        if (_broken) revert Broken();
        _;
    }

    /// @notice Drills only: every call of a broken pool reverts, as after an exploit or a wrong upgrade.
    function devBreak(bool broken) external {
        if (block.chainid != 31337) revert OnDevnetOnly();
        _broken = broken;
    }

    // ------------------------------------------------------------ views

    function A() external view whole returns (uint256) {
        return _amp / A_PRECISION;
    }

    function coins(uint256 i) external view whole returns (address) {
        if (i >= N) revert BadCoin();
        return i == 0 ? NATIVE : address(_token);
    }

    function balances(uint256 i) external view whole returns (uint256) {
        if (i >= N) revert BadCoin();
        return _balances(0)[i];
    }

    function admin_balances(uint256 i) external view whole returns (uint256) {
        return _adminBalances[i];
    }

    function admin_fee() external pure returns (uint256) {
        return ADMIN_PART;
    }

    /// @notice What `dx` of coin `i` buys of coin `j`, after the fee.
    function get_dy(int128 i, int128 j, uint256 dx) external view whole returns (uint256 dy) {
        (dy,) = _quote(_index(i), _index(j), dx, _balances(0));
    }

    /// @notice The invariant a liquidity token, times 1e18.
    function get_virtual_price() external view whole returns (uint256) {
        if (totalSupply == 0) revert EmptyPool();
        return _invariant(_balances(0)) * 1 ether / totalSupply;
    }

    // ------------------------------------------------------------ trading

    function exchange(int128 i, int128 j, uint256 dx, uint256 min_dy) external payable whole returns (uint256 dy) {
        (uint256 from, uint256 to) = (_index(i), _index(j));
        if (msg.value != (from == 0 ? dx : 0)) revert BadValue();
        uint256 charged;
        (dy, charged) = _quote(from, to, dx, _balances(msg.value));
        if (dy < min_dy) revert Slippage();
        _adminBalances[to] += charged * ADMIN_PART / FEE_DENOMINATOR;
        if (from == 1) require(_token.transferFrom(msg.sender, address(this), dx));
        _pay(to, dy);
        emit TokenExchange(msg.sender, i, dx, j, dy);
    }

    // ------------------------------------------------------------ liquidity

    /// @notice Coins that change the pool's proportions pay half an exchange's fee on the part that does.
    function add_liquidity(uint256[2] calldata amounts, uint256 min_mint_amount)
        external
        payable
        whole
        returns (uint256 minted)
    {
        if (msg.value != amounts[0]) revert BadValue();
        uint256[2] memory old = _balances(msg.value);
        if (totalSupply == 0 && (amounts[0] == 0 || amounts[1] == 0)) revert EmptyPool();
        if (amounts[1] > 0) require(_token.transferFrom(msg.sender, address(this), amounts[1]));
        uint256[2] memory current = [old[0] + amounts[0], old[1] + amounts[1]];
        uint256[2] memory fees;
        uint256 invariant = _invariant(current);
        if (totalSupply == 0) {
            minted = invariant;
        } else {
            uint256 before = _invariant(old);
            for (uint256 k = 0; k < N; k++) {
                uint256 ideal = invariant * old[k] / before;
                uint256 off = ideal > current[k] ? ideal - current[k] : current[k] - ideal;
                fees[k] = fee * N / (4 * (N - 1)) * off / FEE_DENOMINATOR;
                _adminBalances[k] += fees[k] * ADMIN_PART / FEE_DENOMINATOR;
                current[k] -= fees[k];
            }
            minted = totalSupply * (_invariant(current) - before) / before;
        }
        if (minted < min_mint_amount) revert Slippage();
        totalSupply += minted;
        balanceOf[msg.sender] += minted;
        emit AddLiquidity(msg.sender, amounts, fees, invariant, totalSupply);
    }

    function remove_liquidity(uint256 amount, uint256[2] calldata min_amounts)
        external
        whole
        returns (uint256[2] memory amounts)
    {
        uint256[2] memory current = _balances(0);
        uint256 supply = totalSupply;
        balanceOf[msg.sender] -= amount;
        totalSupply = supply - amount;
        for (uint256 k = 0; k < N; k++) {
            amounts[k] = current[k] * amount / supply;
            if (amounts[k] < min_amounts[k]) revert Slippage();
            _pay(k, amounts[k]);
        }
        emit RemoveLiquidity(msg.sender, amounts, [uint256(0), 0], totalSupply);
    }

    // ------------------------------------------------------------ the invariant

    function _quote(uint256 i, uint256 j, uint256 dx, uint256[2] memory xp)
        private
        view
        returns (uint256 dy, uint256 charged)
    {
        if (i == j) revert BadCoin();
        // One wei stays behind, so that rounding never favours the trader.
        uint256 gross = xp[j] - _other(xp[i] + dx, _invariant(xp)) - 1;
        charged = gross * fee / FEE_DENOMINATOR;
        dy = gross - charged;
    }

    /// @dev Newton's method for D.
    function _invariant(uint256[2] memory xp) private view returns (uint256 d) {
        uint256 sum = xp[0] + xp[1];
        if (sum == 0) return 0;
        uint256 ann = _amp * N;
        d = sum;
        for (uint256 round = 0; round < ROUNDS; round++) {
            uint256 product = d * d / (xp[0] * N + 1) * d / (xp[1] * N + 1);
            uint256 previous = d;
            d = (ann * sum / A_PRECISION + product * N) * d
                / ((ann - A_PRECISION) * d / A_PRECISION + (N + 1) * product);
            if (_near(d, previous)) return d;
        }
        revert NoConvergence();
    }

    /// @dev Newton's method for the balance of the other coin when one coin's balance is `x` and the invariant is `d`.
    function _other(uint256 x, uint256 d) private view returns (uint256 y) {
        uint256 ann = _amp * N;
        uint256 c = d * d / (x * N) * d * A_PRECISION / (ann * N);
        uint256 b = x + d * A_PRECISION / ann;
        y = d;
        for (uint256 round = 0; round < ROUNDS; round++) {
            uint256 previous = y;
            y = (y * y + c) / (2 * y + b - d);
            if (_near(y, previous)) return y;
        }
        revert NoConvergence();
    }

    function _near(uint256 a, uint256 b) private pure returns (bool) {
        return a > b ? a - b <= 1 : b - a <= 1;
    }

    // ------------------------------------------------------------ coins

    function _balances(uint256 justSent) private view returns (uint256[2] memory) {
        return [
            address(this).balance - justSent - _adminBalances[0],
            IBalance(address(_token)).balanceOf(address(this)) - _adminBalances[1]
        ];
    }

    function _pay(uint256 coin, uint256 amount) private {
        if (coin == 1) {
            require(_token.transfer(msg.sender, amount));
        } else {
            (bool sent,) = msg.sender.call{value: amount}("");
            require(sent);
        }
    }

    function _index(int128 i) private pure returns (uint256) {
        if (i < 0 || i >= int128(uint128(N))) revert BadCoin();
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint256(uint128(i));
    }
}

interface IBalance {
    function balanceOf(address account) external view returns (uint256);
}
