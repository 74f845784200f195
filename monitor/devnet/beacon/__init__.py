"""The beacon side of the devnet: one simulated chain that follows anvil, seen through several nodes that misbehave on demand."""

from monitor.devnet.beacon.control import BeaconControl, BeaconRefused
from monitor.devnet.beacon.registry import Key, credentials_of, derive_pubkey
from monitor.devnet.beacon.sim import DEVNET, BeaconSim

__all__ = ["DEVNET", "BeaconControl", "BeaconRefused", "BeaconSim", "Key", "credentials_of", "derive_pubkey"]
