// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface IUpgradeable {
    function proxy__upgradeTo(address newImplementation) external;
}

/// @notice Where Aragon apps get their code from: an upgrade of Lido is a `SetApp` here. The Agent is the only one that
/// may do it; on mainnet APP_MANAGER_ROLE is granted to it for the length of an upgrade.
/// @dev On mainnet the apps' proxies read the kernel at each call. Here it is the admin of Lido's proxy and passes the
/// new code on, so that both ways to see an upgrade agree.
contract Kernel {
    event SetApp(bytes32 indexed namespace, bytes32 indexed appId, address app);

    error AuthFailed();
    error UnknownApp(bytes32 namespace, bytes32 appId);

    bytes32 public constant APP_BASES_NAMESPACE = keccak256("base");
    bytes32 public constant APP_ADDR_NAMESPACE = keccak256("app");
    bytes32 public constant CORE_NAMESPACE = keccak256("core");

    address private immutable _agent;
    bytes32 private immutable _lidoAppId;
    address private immutable _lido;
    mapping(bytes32 => mapping(bytes32 => address)) private _apps;

    constructor(address agent, bytes32 lidoAppId, address lido, address lidoBase) {
        _agent = agent;
        _lidoAppId = lidoAppId;
        _lido = lido;
        _apps[APP_BASES_NAMESPACE][lidoAppId] = lidoBase;
        emit SetApp(APP_BASES_NAMESPACE, lidoAppId, lidoBase);
    }

    function getApp(bytes32 _namespace, bytes32 _appId) external view returns (address) {
        return _apps[_namespace][_appId];
    }

    function setApp(bytes32 _namespace, bytes32 _appId, address _app) external {
        if (msg.sender != _agent) revert AuthFailed();
        if (_namespace != APP_BASES_NAMESPACE || _appId != _lidoAppId) revert UnknownApp(_namespace, _appId);
        _apps[_namespace][_appId] = _app;
        IUpgradeable(_lido).proxy__upgradeTo(_app);
        emit SetApp(_namespace, _appId, _app);
    }

    /// @dev The ACL has no stand-in.
    function acl() external pure returns (address) {
        return address(0);
    }
}
