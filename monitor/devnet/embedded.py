"""The embedded chain with all that stands around it: three faulty-on-demand endpoints, beacon nodes, Slack's inbox, Grafana, and the files of a service.

``Embedded.start(folder)`` leaves in the folder: ``settings.yaml`` for the service, ``deployment.yaml``, ``baseline.yaml`` (the fresh
deployment, approved), ``levers.yaml``, the accounts' keys, and ``devnet.json`` with every address that drills need.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import structlog
import yaml

from monitor.chain import EndpointSettings, Execution, NetworkSettings
from monitor.collectors import baseline
from monitor.devnet import actions, levers, sentinels
from monitor.devnet.accounts import OWNERS, key_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.beacon import BeaconControl, BeaconSim, Key
from monitor.devnet.deploy import write_keys
from monitor.devnet.gateway import Control, Gateway
from monitor.devnet.grafana import TOKEN as GRAFANA_TOKEN
from monitor.devnet.grafana import FakeGrafana
from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.devnet.place import Devnet
from monitor.devnet.proxies import EndpointProxy
from monitor.devnet.reports import GWEI
from monitor.devnet.validators import lido_validators
from monitor.devnet.world import World
from monitor.protocols import lido
from monitor.protocols.lido import deployment as lido_deployment
from monitor.service.holders import read_holdings

log = structlog.get_logger()

ROOT = Path(__file__).resolve().parents[2]
ENDPOINTS = ("alpha", "bravo", "charlie")
VALIDATORS = 4500
"""Three for each one of Lido's: about its share of mainnet, so that what befalls one operator does not befall the network."""
PAST_EPOCHS = 24
"""The beacon chain's invented past: longer ago than the present frame's reference slot, of which a report may still be due."""
REPORT_SECONDS = 20.0
"""How often the devnet's oracle looks whether its daily report is due."""


class Occupied(RuntimeError):
    """Another embedded chain runs in the folder: its files are not ours to replace."""


class Embedded:
    """A running devnet in this process. Start it in a running loop; ``stop`` ends all of it."""

    def __init__(self, world: World, inbox: Inbox, folder: Path) -> None:
        self.world, self.inbox, self.folder = world, inbox, folder
        self.gateway = Gateway(world.anvil.http_url, ENDPOINTS)
        self.steering = Control(self.gateway)
        self.proxies: tuple[EndpointProxy, ...] = ()
        self.grafana = FakeGrafana(role="Editor")
        self.beacon: BeaconSim | None = None
        self.others = {name: _page(_free_port()) for name in sentinels.NAMES}
        """Pages of the other sentinels, where they will be."""
        self._alone = contextlib.ExitStack()
        self._control: BeaconControl | None = None

    @classmethod
    async def start(cls, folder: Path, *, web_port: int = 8787, store_url: str | None = None, validators: int = VALIDATORS) -> Self:
        """Begin a new chain; the files of the last one are replaced. ``store_url``: another database than a SQLite file in the folder.

        Raises Occupied while the last one runs.
        """
        with contextlib.ExitStack() as alone:
            if not alone.enter_context(_held(folder / "devnet.lock")):
                raise Occupied(f"an embedded chain runs in {folder} already: end it first, or begin in another folder")
            made = await cls._begin(_fresh(folder), web_port, store_url, validators)
            made._alone = alone.pop_all()
        return made

    @classmethod
    async def _begin(cls, folder: Path, web_port: int, store_url: str | None, validators: int) -> Self:
        world = await asyncio.to_thread(World.start)
        inbox = Inbox(channels={CHANNEL: "alerts", sentinels.CHANNEL: "alerts-of-bravo"})
        made = cls(world, inbox, folder)
        try:
            await inbox.start()
            await made.grafana.start()
            await made.gateway.start()
            await made.steering.start()
            made.proxies = tuple(EndpointProxy(made.gateway.peer(name), name) for name in ENDPOINTS)
            for proxy in made.proxies:
                await proxy.start()
            made.beacon = await _beacon(world, validators)
            made._control = BeaconControl(made.beacon.control_url)
            world.cl_balance = made._control.cl_balance
            await asyncio.to_thread(made._write_files, web_port, store_url)
            await asyncio.to_thread(made._approve)
        except BaseException:
            await made.stop()
            raise
        controls = {proxy.name: proxy.control_url for proxy in made.proxies}
        place = Devnet(
            os.getpid(),
            world.anvil.port,
            str(folder),
            _page(web_port),
            inbox.url,
            controls,
            made.beacon.control_url,
            made.grafana.url,
            made.steering.url,
            made.others,
        )
        place.write()
        return made

    async def stop(self) -> None:
        """End the beacon nodes, the endpoints, the inbox, Grafana and the chain."""
        (self.folder / "devnet.json").unlink(missing_ok=True)
        if self._control is not None:
            self._control.close()
        if self.beacon is not None:
            await self.beacon.stop()
        for proxy in self.proxies:
            await proxy.close()
        await self.steering.close()
        await self.gateway.close()
        await self.inbox.close()
        await self.grafana.close()
        await asyncio.to_thread(self.world.stop)
        self._alone.close()

    async def live(self) -> None:
        """Deliver the oracle's daily report when it is due, unless a drill has the chain. Runs until cancelled."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                with drilling(self.folder) as free:
                    if free:
                        await asyncio.to_thread(actions.heartbeat, self.world)
            except Exception as error:
                log.warning("devnet.report_failed", error=str(error))

    # ------------------------------------------------------------ files

    def _write_files(self, web_port: int, store_url: str | None) -> None:
        self.world.deployment.write(self.folder / "deployment.yaml")
        write_keys(self.folder / "keys.json")
        levers.write(self.world.deployment, self.folder / "levers.yaml")
        people = ("guardian_person", *(f"owner_{i}" for i in range(OWNERS)))
        for name in ("sentinel", "sender", "sentinel_bravo", "sender_bravo", *people):
            _secret(self.folder / f"{name}.key", key_of(name))
        _secret(self.folder / "slack.token", TOKEN)
        _secret(self.folder / "page.token", secrets.token_hex(16))
        _secret(self.folder / "grafana.token", GRAFANA_TOKEN)
        _secret(self.folder / "orders.token", secrets.token_hex(16))
        (self.folder / "routes.yaml").write_text(_routes())
        settings = self._settings(web_port, store_url)
        _write_yaml(self.folder / "settings.yaml", settings)
        (self.folder / "bravo.routes.yaml").write_text(sentinels.ROUTES)
        _write_yaml(self.folder / "bravo.yaml", sentinels.settings_of_bravo(settings, self.folder, self.others, _page(web_port)))

    def _settings(self, web_port: int, store_url: str | None) -> dict[str, Any]:
        folder, contracts = self.folder, self.world.deployment.contracts
        return {
            "network": {
                "chain_id": CHAIN_ID,
                "genesis_time": self.world.deployment.genesis_time,
                "slot_seconds": self.world.deployment.seconds_per_slot,
                "block_seconds": 1,
                "wall_clock": False,
                "request_seconds": 2,
                "block_deadline_seconds": 3,
                "settled_blocks": 3,
                "execution": [{"name": p.name, "url": p.url, "ws_url": p.ws_url} for p in self.proxies],
                "beacon": [{"name": name, "url": url} for name, url in (self.beacon.urls if self.beacon else {}).items()],
            },
            "protocols": [{"name": "lido", "deployment": str(folder / "deployment.yaml")}],
            "rules": {
                "dirs": [str(ROOT / "rules/packs")],
                "baseline": str(folder / "baseline.yaml"),
                "routes": str(folder / "routes.yaml"),
                "responses": str(ROOT / "rules/policy/responses.yaml"),
                "runbooks": str(ROOT / "docs/runbooks"),
            },
            "store": {"url": store_url or f"sqlite:///{folder / 'stakewarden.sqlite3'}", "lease_seconds": 3},
            "receivers": [
                {
                    "name": "slack",
                    "token_file": str(folder / "slack.token"),
                    "channel": CHANNEL,
                    "base_url": self.inbox.base_url,
                    "timeout_seconds": 5,
                    "settle_seconds": 3,
                    "posts_a_second": 20,
                },
                {
                    "kind": "grafana",
                    "name": "grafana",
                    "url": self.grafana.url,
                    "token_file": str(folder / "grafana.token"),
                    "tags": ["devnet"],
                    "timeout_seconds": 5,
                    "settle_seconds": 3,
                },
            ],
            "guardian": {
                "contract": contracts["guardian"],
                "targets": [self._vault()],
                "levers_file": str(folder / "levers.yaml"),
                "sentinel": {"key_file": str(folder / "sentinel.key")},
                "senders": [{"key_file": str(folder / "sender.key")}],
                "peers": sentinels.peers(self.others, folder),
                "orders_token_file": str(folder / "orders.token"),
                # Blocks come every second here: as much time as 10 blocks of mainnet.
                "max_age_blocks": 120,
                "stuck_blocks": 20,
                "poll_seconds": 0.5,
            },
            "web": {"port": web_port, "token_file": str(folder / "page.token"), "public_url": _page(web_port)},
            "heartbeat": {"url": f"{self.inbox.url}/heartbeat"},
        }

    def _vault(self) -> dict[str, Any]:
        """The vault as a target: what a pause of it means, and a user's call that shows that it does."""
        vault = self.world["vault"]
        return {
            "name": "vault",
            "address": vault.address,
            "stops": "deposits and withdrawals",
            "goes_on": "transfers of wstETH outside the vault, and all of Lido",
            "cost": "nobody gets wstETH out while it lasts",
            "probe": {
                "sender": self.world.account("vault_user"),
                "to": vault.address,
                "data": vault.artifact.data("withdraw", 1),
                "error": "ResumedExpected()",
            },
        }

    def _approve(self) -> None:
        """The fresh deployment is what everybody agreed to: it becomes the baseline."""
        sources = lido.protocol(lido_deployment.load(self.folder / "deployment.yaml"))
        endpoint = EndpointSettings.model_validate({"name": "anvil", "url": self.world.anvil.http_url})
        execution = Execution(NetworkSettings(chain_id=CHAIN_ID, execution=(endpoint,)))
        found, failed, _ = asyncio.run(read_holdings(execution, sources))
        if failed:
            raise RuntimeError(f"the fresh deployment's roles could not be read: {', '.join(failed)}")
        text = baseline.approve("", CHAIN_ID, sources.name, found, "fresh devnet", "devnet", datetime.now(UTC))
        (self.folder / "baseline.yaml").write_text(text)


async def _beacon(world: World, validators: int) -> BeaconSim:
    """The beacon chain above the world: Lido's validators as its registries have them, and others."""
    ours = await asyncio.to_thread(lido_validators, world)
    # They hold what the last report says, so that the next one goes on from there.
    reported = (await asyncio.to_thread(world["lido"].read, "getBalanceStats"))[0]
    each = reported // GWEI // len(ours) + 1
    keys = [Key(one.pubkey, one.withdrawal_credentials, one.operator, each) for one in ours]
    return await BeaconSim.start(
        world.anvil.http_url,
        genesis_time=world.deployment.genesis_time,
        nodes=ENDPOINTS,
        keys=keys,
        validators=validators,
        past_epochs=PAST_EPOCHS,
    )


def _page(web_port: int) -> str:
    return f"http://127.0.0.1:{web_port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text("# Written by the devnet at each start.\n" + yaml.safe_dump(content, sort_keys=False))


def _fresh(folder: Path) -> Path:
    """The folder without the last chain's database: its blocks are no longer there."""
    folder = folder.absolute()
    for old in (folder / "devnet.json", *folder.glob("stakewarden.sqlite3*"), *folder.glob("bravo.sqlite3*")):
        old.unlink(missing_ok=True)
    return folder


def _routes() -> str:
    """The routes that ship, told in Grafana too."""
    shipped = (ROOT / "rules/policy/routes.yaml").read_text("utf-8")
    told = shipped.replace("\n  receiver: slack\n", "\n  receiver: [slack, grafana]\n")
    if told == shipped:
        raise RuntimeError("rules/policy/routes.yaml does not begin with Slack as the receiver of everything")
    return told


def _secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def drilling(folder: Path) -> contextlib.AbstractContextManager[bool]:
    """The right to act on the chain: one drill at a time. Gives whether it was free; a process that dies gives it back."""
    return _held(folder / "drill.lock")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Whether the lock was free; it is ours until the end of the block, or of the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
