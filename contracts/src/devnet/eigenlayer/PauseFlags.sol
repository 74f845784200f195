// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Stand-in for EigenLayer's PauserRegistry: who may set pause flags, and the one who may clear them
/// @dev Written from the published interface of the contract at 0xB8765ed72235d279c3Fb53936E4606db0Ef12806.
contract PauserRegistry {
    mapping(address account => bool) public isPauser;
    address public unpauser;

    event PauserStatusChanged(address pauser, bool canPause);
    event UnpauserChanged(address previousUnpauser, address newUnpauser);

    error OnlyUnpauser();

    constructor(address[] memory pausers, address unpauser_) {
        for (uint256 i = 0; i < pausers.length; ++i) {
            isPauser[pausers[i]] = true;
            emit PauserStatusChanged(pausers[i], true);
        }
        unpauser = unpauser_;
        emit UnpauserChanged(address(0), unpauser_);
    }

    function setIsPauser(address newPauser, bool canPause) external {
        if (msg.sender != unpauser) revert OnlyUnpauser();
        isPauser[newPauser] = canPause;
        emit PauserStatusChanged(newPauser, canPause);
    }
}

/// @title Stand-in for a pausable contract of EigenLayer: 256 flags, of which a pauser may only set more
/// @notice A pause has no end: the unpauser alone clears flags.
contract PauseFlags {
    PauserRegistry public immutable pauserRegistry;
    uint256 private _paused;

    event Paused(address indexed account, uint256 newPausedStatus);
    event Unpaused(address indexed account, uint256 newPausedStatus);

    error OnlyPauser();
    error OnlyUnpauser();
    error InvalidNewPausedStatus();

    constructor(PauserRegistry registry, uint256 initial) {
        pauserRegistry = registry;
        _paused = initial;
    }

    modifier onlyPauser() {
        if (!pauserRegistry.isPauser(msg.sender)) revert OnlyPauser();
        _;
    }

    function paused() external view returns (uint256) {
        return _paused;
    }

    function paused(uint8 index) external view returns (bool) {
        return _paused & (1 << index) != 0;
    }

    /// @notice Set flags. Reverts if one that is set were cleared, so what is sent must hold all that are set by then.
    function pause(uint256 newPausedStatus) external onlyPauser {
        if (_paused & newPausedStatus != _paused) revert InvalidNewPausedStatus();
        _set(newPausedStatus);
    }

    function pauseAll() external onlyPauser {
        _set(type(uint256).max);
    }

    /// @notice Clear flags. Reverts if one that is clear were set.
    function unpause(uint256 newPausedStatus) external {
        if (msg.sender != pauserRegistry.unpauser()) revert OnlyUnpauser();
        if (_paused & newPausedStatus != newPausedStatus) revert InvalidNewPausedStatus();
        _paused = newPausedStatus;
        emit Unpaused(msg.sender, newPausedStatus);
    }

    function _set(uint256 status) private {
        _paused = status;
        emit Paused(msg.sender, status);
    }
}
