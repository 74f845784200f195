"""The embedded chain and the service in processes of their own, in a folder of their own: nothing else that runs is touched."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from monitor.devnet.drills import Ground
from monitor.devnet.embedded import drilling
from monitor.devnet.place import Devnet

START_SECONDS = 240.0
STOP_SECONDS = 20.0


class RigFailed(RuntimeError):
    """The chain or the service did not come up, or ended: with its last lines."""


class Rig:
    """A context manager. ``ground`` has handles on chain, inbox and page; ``service`` is the watched process."""

    def __init__(self, *devnet: str) -> None:
        """``devnet``: more options of ``stakewarden devnet``."""
        self._options = devnet
        self._temporary = tempfile.TemporaryDirectory(prefix="stakewarden-bench-")
        self.folder = Path(self._temporary.name)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._http = httpx.Client(trust_env=False, timeout=10.0)
        self._alone = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _begin(self) -> None:
        chain = self._start("devnet", "--folder", str(self.folder), "--port", str(_free_port()), "--with-parent", *self._options)
        self._until("the embedded chain", chain, lambda: (self.folder / "devnet.json").exists())
        self.devnet = Devnet.read(self.folder)
        watched = self._start("run", "--settings", str(self.folder / "settings.yaml"))
        self.service = psutil.Process(watched.pid)
        self.ground = Ground.on(self.devnet)
        # The devnet's own oracle leaves the chain alone: a report in the middle of a drill would end what the drill began.
        assert self._alone.enter_context(drilling(self.folder))
        self._until("the service", watched, lambda: self.ground.ready() is None)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            started = subprocess.Popen([sys.executable, "-m", "monitor.cli", *command], stdout=log, stderr=subprocess.STDOUT)
        self._processes.append(started)
        return started

    def _until(self, what: str, process: subprocess.Popen[bytes], done: Any) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not done():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RigFailed(f"{what} did not come up:\n{self.last_lines()}")
            time.sleep(0.1)

    def last_lines(self) -> str:
        """What chain and service said last."""
        return "\n".join(line for path in sorted(self.folder.glob("*.log")) for line in path.read_text(errors="replace").splitlines()[-10:])

    # ------------------------------------------------------------ what is read off

    @property
    def database(self) -> Path:
        return self.folder / "stakewarden.sqlite3"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.database}"

    def database_bytes(self) -> tuple[int, int]:
        """Bytes of the file and of its write-ahead log, as they lie on the disk."""
        log = self.database.with_name(self.database.name + "-wal")
        return self.database.stat().st_size, log.stat().st_size if log.exists() else 0

    def metric(self, name: str, **of: str) -> float:
        """A sample of ``/metrics``. Raises LookupError."""
        pairs = ",".join(f'{k}="{v}"' for k, v in of.items())
        wanted = f"{name}{{{pairs}}} " if pairs else f"{name} "
        for line in self._http.get(f"{self.devnet.web}/metrics").text.splitlines():
            if line.startswith(wanted):
                return float(line.rsplit(" ", 1)[1])
        raise LookupError(f"/metrics has no {wanted.strip()}")

    def judged(self) -> int:
        """Blocks judged since the service started."""
        return int(self.metric("stakewarden_blocks_judged_total"))

    def traffic(self) -> dict[str, tuple[int, Counter[str]]]:
        """For each endpoint, messages and JSON-RPC calls by method, counted by the endpoint itself."""
        told = {name: self._http.get(url).json() for name, url in self.devnet.controls.items()}
        return {name: (int(t["messages"]), Counter(t["asked"])) for name, t in told.items()}

    def cpu_seconds(self) -> float:
        """Processor time that the service has used, user and system."""
        times = self.service.cpu_times()
        return float(times.user + times.system)

    # ------------------------------------------------------------ the end

    def stop_service(self) -> None:
        """End the service alone, so that what is measured next has the machine; its database stays until the rig ends."""
        _stop(self._processes.pop())

    def restart_service(self) -> None:
        """End the service as a machine would that is maintained, and start it again on the same database."""
        _stop(self._processes.pop())
        watched = self._start("run", "--settings", str(self.folder / "settings.yaml"))
        self.service = psutil.Process(watched.pid)
        self._until("the service", watched, self._serves)

    def _serves(self) -> bool:
        try:
            return self._http.get(f"{self.devnet.web}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def _end(self) -> None:
        self._http.close()
        self._alone.close()
        if hasattr(self, "ground"):
            self.ground.__exit__(None, None, None)
        while self._processes:
            _stop(self._processes.pop())
        self._temporary.cleanup()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
