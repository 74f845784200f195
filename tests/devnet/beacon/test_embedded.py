"""The beacon chain of the whole devnet: above its execution chain, with Lido's own keys, and known to whoever drills."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from monitor.chain import NetworkSettings
from monitor.devnet.beacon import BeaconControl
from monitor.devnet.embedded import Embedded
from monitor.devnet.place import Devnet
from monitor.devnet.validators import lido_validators


async def test_the_devnet_has_a_beacon_chain_of_lidos_validators(tmp_path: Path) -> None:
    devnet = await Embedded.start(tmp_path)
    try:
        network = NetworkSettings.model_validate(yaml.safe_load((devnet.folder / "settings.yaml").read_text())["network"])
        assert devnet.beacon is not None
        assert {node.name: node.http for node in network.beacon} == devnet.beacon.urls
        keys = await asyncio.to_thread(lido_validators, devnet.world)
        assert [bytes(key) for key in devnet.beacon.chain.state.pubkeys[: len(keys)]] == [key.pubkey for key in keys]
        assert all(
            bytes(credentials) == keys[0].withdrawal_credentials for credentials in devnet.beacon.chain.state.credentials[: len(keys)]
        )

        def status() -> dict[str, object]:
            with BeaconControl(Devnet.read(devnet.folder).beacon) as control:
                return control.status()

        told = await asyncio.to_thread(status)
        assert told["watched"] == list(dict.fromkeys(key.operator for key in keys))
        assert told["genesis_time"] == network.genesis_time
    finally:
        await devnet.stop()
