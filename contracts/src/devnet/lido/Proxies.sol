// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";

/// @notice The core protocol's proxy: ERC-1967 slots, an admin that can upgrade, and a way to give that up for ever.
contract OssifiableProxy is ERC1967Proxy {
    event ProxyOssified();

    error NotAdmin();
    error ProxyIsOssified();

    modifier onlyAdmin() {
        address admin = ERC1967Utils.getAdmin();
        if (admin == address(0)) revert ProxyIsOssified();
        if (admin != msg.sender) revert NotAdmin();
        _;
    }

    constructor(address implementation_, address admin_, bytes memory data_)
        payable
        ERC1967Proxy(implementation_, data_)
    {
        ERC1967Utils.changeAdmin(admin_);
    }

    receive() external payable {
        _fallback();
    }

    function proxy__getAdmin() external view returns (address) {
        return ERC1967Utils.getAdmin();
    }

    function proxy__getImplementation() external view returns (address) {
        return _implementation();
    }

    function proxy__getIsOssified() external view returns (bool) {
        return ERC1967Utils.getAdmin() == address(0);
    }

    function proxy__ossify() external onlyAdmin {
        address previous = ERC1967Utils.getAdmin();
        assembly {
            sstore(0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103, 0)
        }
        emit AdminChanged(previous, address(0));
        emit ProxyOssified();
    }

    function proxy__changeAdmin(address newAdmin_) external onlyAdmin {
        ERC1967Utils.changeAdmin(newAdmin_);
    }

    function proxy__upgradeTo(address newImplementation_) external onlyAdmin {
        ERC1967Utils.upgradeToAndCall(newImplementation_, "");
    }

    /// @dev `forceCall_` calls even with empty data, as the original does.
    function proxy__upgradeToAndCall(address newImplementation_, bytes memory setupCalldata_, bool forceCall_)
        external
        onlyAdmin
    {
        ERC1967Utils.upgradeToAndCall(newImplementation_, setupCalldata_);
        if (forceCall_ && setupCalldata_.length == 0) {
            (bool done,) = newImplementation_.delegatecall("");
            require(done, "setup call failed");
        }
    }

    event AdminChanged(address previousAdmin, address newAdmin);
    event BeaconUpgraded(address indexed beacon);

    /// @dev Implementations without set-up (the locator has immutables only) come with empty data.
    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}

/// @notice In front of Lido, also answers as an Aragon app proxy does. On mainnet an upgrade of Lido shows as the
/// Kernel's `SetApp` only; here the proxy's own `Upgraded` comes with it.
contract LidoProxy is OssifiableProxy {
    constructor(address implementation_, address admin_, bytes memory data_)
        payable
        OssifiableProxy(implementation_, admin_, data_)
    {}

    function implementation() external view returns (address) {
        return _implementation();
    }

    /// @dev 2 means upgradeable.
    function proxyType() external pure returns (uint256 proxyTypeId) {
        return 2;
    }
}

/// @notice The older proxy in front of the withdrawal vault: single underscores, and other names.
contract WithdrawalsManagerProxy is ERC1967Proxy {
    event AdminChanged(address previousAdmin, address newAdmin);

    error NotAdmin();

    constructor(address implementation_, address admin_) ERC1967Proxy(implementation_, "") {
        ERC1967Utils.changeAdmin(admin_);
    }

    receive() external payable {
        _fallback();
    }

    function implementation() external view returns (address) {
        return _implementation();
    }

    function proxy_getAdmin() external view returns (address) {
        return ERC1967Utils.getAdmin();
    }

    function proxy_getIsOssified() external view returns (bool) {
        return ERC1967Utils.getAdmin() == address(0);
    }

    function proxy_upgradeTo(address newImplementation, bytes calldata setupCalldata) external {
        if (msg.sender != ERC1967Utils.getAdmin()) revert NotAdmin();
        ERC1967Utils.upgradeToAndCall(newImplementation, setupCalldata);
    }

    function proxy_changeAdmin(address newAdmin) external {
        if (msg.sender != ERC1967Utils.getAdmin()) revert NotAdmin();
        ERC1967Utils.changeAdmin(newAdmin);
    }

    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}
