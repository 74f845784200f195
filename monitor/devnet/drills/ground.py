"""What a drill stands on: the running devnet, the service that watches it, and the inbox that responders would read."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from monitor.chain.tls import authorities
from monitor.devnet import actions, reports
from monitor.devnet.beacon import BeaconControl
from monitor.devnet.deploy import Deployment
from monitor.devnet.inbox import CHANNEL
from monitor.devnet.place import Devnet
from monitor.devnet.world import World

T = TypeVar("T")
POLL_SECONDS = 0.1
STOP_SECONDS = 20.0
SENTINEL_SECONDS = 180.0
"""Until another service is ready, on a busy machine."""
EPOCHLY = ("beacon_epoch", "validators", "slashing")
"""Collectors whose facts a long jump of block time makes stale."""


class NotReady(RuntimeError):
    """The drill cannot begin: what is not as it should be."""


class Ground:
    """Handles on everything that runs. Use it as a context manager."""

    def __init__(self, devnet: Devnet, world: World) -> None:
        self.devnet, self.world = devnet, world
        self.beacon = BeaconControl(devnet.beacon)
        world.cl_balance = self.beacon.cl_balance
        self._http = httpx.Client(trust_env=False, verify=authorities(), timeout=10.0)
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @classmethod
    def on(cls, devnet: Devnet) -> Self:
        """The ground of a running devnet."""
        deployment = Deployment.load(Path(devnet.folder) / "deployment.yaml")
        return cls(devnet, World.attach(devnet.port, deployment))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end_sentinels()
        self._http.close()
        self.beacon.close()
        self.world.stop()

    # ------------------------------------------------------------ what the service says

    def status(self) -> dict[str, Any]:
        """The service's own account. Raises httpx.HTTPError when it does not answer."""
        answer = self._http.get(f"{self.devnet.web}/api/status")
        answer.raise_for_status()
        return dict(answer.json())

    def ready(self) -> str | None:
        """None when the service is ready, else why not."""
        try:
            answer = self._http.get(f"{self.devnet.web}/readyz")
        except httpx.HTTPError as error:
            return f"the service does not answer at {self.devnet.web} ({type(error).__name__}): start it with `make run`"
        return None if answer.status_code == 200 else answer.text.strip()

    def messages(self) -> list[dict[str, Any]]:
        """The messages of the service's Slack channel in their present form."""
        channels = self._http.get(f"{self.devnet.inbox}/inbox").json()["channels"]
        return [message for channel in channels if channel["id"] == CHANNEL for message in channel["messages"]]

    def rejected(self) -> list[dict[str, Any]]:
        """Requests that Slack would have refused."""
        return list(self._http.get(f"{self.devnet.inbox}/inbox").json()["rejected"])

    def annotations(self) -> list[dict[str, Any]]:
        """The annotations in Grafana in their present form, in the order in which they were put there."""
        return list(self._http.get(f"{self.devnet.grafana}/state").json()["annotations"])

    def rejected_annotations(self) -> list[dict[str, Any]]:
        """Requests that Grafana refused."""
        return list(self._http.get(f"{self.devnet.grafana}/state").json()["rejected"])

    def head(self) -> int:
        """Number of the chain's newest block."""
        return self.world.anvil.head()[0]

    # ------------------------------------------------------------ other sentinels

    def begin_sentinel(self, name: str) -> None:
        """Start another sentinel, a service in a process of its own with an empty database, and wait until it is ready.

        Raises TimeoutError, with its last line if it ended.
        """
        folder, page = Path(self.devnet.folder), self.devnet.sentinels[name]
        for old in folder.glob(f"{name}.sqlite3*"):
            old.unlink()
        with (folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "monitor.cli", "run", "--settings", str(folder / f"{name}.yaml")]
            started = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._sentinels.append(started)

        def watches() -> bool | None:
            if started.poll() is not None:
                last = (folder / f"{name}.log").read_text(errors="replace").splitlines()[-1:]
                raise TimeoutError(f"sentinel {name} ended at once: {''.join(last) or 'it said nothing'}")
            return self._http.get(f"{page}/readyz").status_code == 200 or None

        self.wait(f"sentinel {name}", watches, SENTINEL_SECONDS)

    def sentinel_caught_up(self, name: str, seconds: float = 60.0) -> None:
        """Wait until another sentinel has judged what is now the newest block."""
        head, page = self.head(), self.devnet.sentinels[name]

        def judged() -> bool | None:
            return (self._http.get(f"{page}/api/status").json()["block"] or 0) >= head or None

        self.wait(f"the judgement of block {head} by sentinel {name}", judged, seconds)

    def end_sentinels(self) -> None:
        """End those that were begun here."""
        while self._sentinels:
            process = self._sentinels.pop()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # ------------------------------------------------------------ endpoints

    def fault(self, endpoint: str, mode: str, value: Any = True) -> None:
        """Turn a fault of one endpoint's proxy on or off."""
        self._http.post(self.devnet.controls[endpoint], json={"mode": mode, "value": value}).raise_for_status()

    def network(self, do: str, **how: Any) -> dict[str, Any]:
        """What befalls the network behind the endpoints (``gateway.control``): ``jam``, ``orphan``, ``withhold``, ``split``, ...; how it is then."""
        answer = self._http.post(self.devnet.gateway, json={"do": do, **how})
        answer.raise_for_status()
        return dict(answer.json())

    # ------------------------------------------------------------ time

    def pass_time(self, seconds: int) -> None:
        """Let block time go by with a healthy oracle: each report that falls due is delivered."""
        until = self.world.now() + seconds
        while True:
            actions.heartbeat(self.world)
            _, deadline = self.world["hash_consensus_ao"].read("getCurrentFrame")
            due = self.world.time_of(deadline + 1) + reports.FINALIZATION_DELAY + 60
            if due >= until:
                break
            self.warp(due - self.world.now())
        if until > self.world.now():
            self.warp(until - self.world.now())
        actions.heartbeat(self.world)

    def warp(self, seconds: int) -> None:
        """Move block time on, and wait until the service knows the newest complete epoch again: after a long jump its facts are stale.

        Who is behind when time jumps was behind for all that time, so the judge catches up first.
        """
        self.wait("a judge that keeps up", lambda: (self.status()["block"] or 0) >= self.head() - 1 or None, 60)
        self.world.warp(seconds)
        self.evaluated()

    def epochs(self, count: int = 1) -> None:
        """Let so many epochs go by, each seen by the service."""
        for _ in range(count):
            self.warp(self.epoch_seconds)

    @property
    def epoch_seconds(self) -> int:
        return self.world.deployment.slots_per_epoch * self.world.deployment.seconds_per_slot

    def evaluated(self, seconds: float = 60.0) -> None:
        """Wait until the newest complete epoch at this time is evaluated and judged, and the service is blind on nothing."""
        deployment = self.world.deployment
        epoch = (self.world.now() - deployment.genesis_time) // deployment.seconds_per_slot // deployment.slots_per_epoch - 2
        self.wait(f"the facts of epoch {epoch}", lambda: True if self._sees(epoch) else None, seconds)

    def _sees(self, epoch: int) -> bool:
        status = self.status()
        said = {s["name"]: s["value"] for s in status["series"] if s["name"] in ("validators_epoch", "stakewarden_keys_incomplete")}
        known = (said.get("validators_epoch") or 0.0) >= epoch and said.get("stakewarden_keys_incomplete") == 0
        return known and not any(c["blind"] and c["name"] in EPOCHLY for c in status["collectors"])

    def wait(self, what: str, found: Callable[[], T | None], seconds: float) -> T:
        """Poll until something is found. Raises TimeoutError that says what did not come."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if (value := found()) is not None:
                    return value
            except httpx.HTTPError:
                pass  # the service may be restarting: that is part of some rehearsals
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come within {seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def caught_up(self, seconds: float = 60.0) -> None:
        """Wait until the service has judged what is now the newest block."""
        head = self.head()
        self.wait(f"the judgement of block {head}", lambda: True if (self.status()["block"] or 0) >= head else None, seconds)
