// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlEnumerable} from "@openzeppelin/contracts/access/extensions/AccessControlEnumerable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title A vault of a user's own on the devnet: holds wstETH and has the brake that Lido's contracts have
/// @notice wstETH does not rebase, so a balance is what was deposited. While paused, nothing goes in or out.
/// @dev The pause is Lido's PausableUntil to the letter: a paused vault cannot be paused again, a timed pause ends by
/// itself and without an event, 2^256-1 is an open-ended pause.
contract Vault is AccessControlEnumerable {
    using SafeERC20 for IERC20;

    bytes32 public constant PAUSE_ROLE = keccak256("PAUSE_ROLE");
    bytes32 public constant RESUME_ROLE = keccak256("RESUME_ROLE");
    /// @notice The duration that means an open-ended pause.
    uint256 public constant PAUSE_INFINITELY = type(uint256).max;

    /// @notice What the vault holds.
    IERC20 public immutable TOKEN;
    mapping(address account => uint256) public balanceOf;
    uint256 public totalDeposits;
    uint256 private _resumeSince;

    event Paused(uint256 duration);
    event Resumed();
    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    error ZeroPauseDuration();
    error PausedExpected();
    error ResumedExpected();
    error NotEnoughDeposited(address account, uint256 deposited, uint256 asked);

    modifier whenResumed() {
        if (isPaused()) revert ResumedExpected();
        _;
    }

    constructor(IERC20 token, address admin) {
        TOKEN = token;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    function isPaused() public view returns (bool) {
        return block.timestamp < _resumeSince;
    }

    /// @notice First second at which the vault is not paused; a past value or 0 means that it is not paused.
    function getResumeSinceTimestamp() external view returns (uint256) {
        return _resumeSince;
    }

    function deposit(uint256 amount) external whenResumed {
        balanceOf[msg.sender] += amount;
        totalDeposits += amount;
        emit Deposited(msg.sender, amount);
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    function withdraw(uint256 amount) external whenResumed {
        uint256 deposited = balanceOf[msg.sender];
        if (amount > deposited) revert NotEnoughDeposited(msg.sender, deposited, amount);
        balanceOf[msg.sender] = deposited - amount;
        totalDeposits -= amount;
        emit Withdrawn(msg.sender, amount);
        TOKEN.safeTransfer(msg.sender, amount);
    }

    function pauseFor(uint256 duration) external onlyRole(PAUSE_ROLE) whenResumed {
        if (duration == 0) revert ZeroPauseDuration();
        _resumeSince = duration == PAUSE_INFINITELY ? PAUSE_INFINITELY : block.timestamp + duration;
        emit Paused(duration);
    }

    function resume() external onlyRole(RESUME_ROLE) {
        if (!isPaused()) revert PausedExpected();
        _resumeSince = block.timestamp;
        emit Resumed();
    }
}
