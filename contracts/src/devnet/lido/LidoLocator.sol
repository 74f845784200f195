// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The address book. Its entries are immutables of the implementation: only an upgrade can change them.
contract LidoLocator {
    struct Config {
        address accountingOracle;
        address elRewardsVault;
        address lido;
        address burner;
        address stakingRouter;
        address treasury;
        address withdrawalQueue;
        address withdrawalVault;
        address accounting;
        address wstETH;
        address vaultHub;
        address oracleReportSanityChecker;
    }

    address public immutable accountingOracle;
    address public immutable elRewardsVault;
    address public immutable lido;
    address public immutable burner;
    address public immutable stakingRouter;
    address public immutable treasury;
    address public immutable withdrawalQueue;
    address public immutable withdrawalVault;
    address public immutable accounting;
    address public immutable wstETH;
    address public immutable vaultHub;
    address public immutable oracleReportSanityChecker;

    constructor(Config memory config) {
        accountingOracle = config.accountingOracle;
        elRewardsVault = config.elRewardsVault;
        lido = config.lido;
        burner = config.burner;
        stakingRouter = config.stakingRouter;
        treasury = config.treasury;
        withdrawalQueue = config.withdrawalQueue;
        withdrawalVault = config.withdrawalVault;
        accounting = config.accounting;
        wstETH = config.wstETH;
        vaultHub = config.vaultHub;
        oracleReportSanityChecker = config.oracleReportSanityChecker;
    }

    /// @dev Nobody listens to rebases on the devnet.
    function postTokenRebaseReceiver() public pure returns (address) {
        return address(0);
    }

    function oracleReportComponents()
        external
        view
        returns (address, address, address, address, address, address, address)
    {
        return (
            accountingOracle,
            oracleReportSanityChecker,
            burner,
            withdrawalQueue,
            postTokenRebaseReceiver(),
            stakingRouter,
            vaultHub
        );
    }

    function coreComponents() external view returns (address, address, address, address, address, address) {
        return (elRewardsVault, oracleReportSanityChecker, stakingRouter, treasury, withdrawalQueue, withdrawalVault);
    }
}
