"""Debian's Alertmanager as a process, with a far end that keeps what it tells."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.receivers.far_end import FarEnd

CONFIG = """
route: {{receiver: hook, group_by: [alertname, protocol], group_wait: 0s, group_interval: 200ms, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: '{hook}', send_resolved: true}}]}}]
"""


@dataclass
class Alertmanager:
    """``told`` is what it told its receiver: status and name of each alert, in order."""

    url: str
    hook: FarEnd
    folder: Path
    process: asyncio.subprocess.Process = field(repr=False)

    @property
    def told(self) -> list[tuple[str, str]]:
        bodies = [json.loads(r.body) for r in self.hook.requests]
        return [(a["status"], a["labels"]["alertname"]) for body in bodies for a in body["alerts"]]

    async def alerts(self) -> list[dict[str, Any]]:
        """What it holds now, by the API."""
        async with httpx.AsyncClient(trust_env=False) as client:
            found = (await client.get(f"{self.url}/api/v2/alerts")).json()
        return sorted(found, key=lambda a: str(a["labels"]))

    async def silence(self, alertname: str) -> str:
        """As a person does in Alertmanager's own page; returns the silence's id."""
        body = {
            "matchers": [{"name": "alertname", "value": alertname, "isRegex": False, "isEqual": True}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2199-01-01T00:00:00Z", "createdBy": "a person", "comment": "working on it",
        }  # fmt: skip
        async with httpx.AsyncClient(trust_env=False) as client:
            return str((await client.post(f"{self.url}/api/v2/silences", json=body)).json()["silenceID"])

    async def unsilence(self, silence: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.delete(f"{self.url}/api/v2/silence/{silence}")).raise_for_status()

    async def until_told(self, *expected: tuple[str, str], seconds: float = 20.0) -> None:
        """Wait until it told all of these, in whatever order."""
        async with asyncio.timeout(seconds):
            while not set(expected) <= set(self.told):  # noqa: ASYNC110 (what another process tells raises no event here)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def alertmanager(folder: Path, prefix: str = "") -> AsyncIterator[Alertmanager]:
    """A fresh one on a free port, without gossip, in an empty folder."""
    program = shutil.which("prometheus-alertmanager")
    assert program is not None, "python -m tests.needs says what to install"
    async with FarEnd() as hook:
        (folder / "am.yml").write_text(CONFIG.format(hook=hook.url))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program, f"--config.file={folder}/am.yml", f"--storage.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=", f"--web.route-prefix=/{prefix}", stdout=log, stderr=log,
            )  # fmt: skip
        found = Alertmanager(f"http://127.0.0.1:{port}{f'/{prefix}' if prefix else ''}", hook, folder, process)
        try:
            await _ready(found)
            yield found
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ready(found: Alertmanager) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"{found.url}/-/ready")).status_code == 200:
                    return
            except httpx.HTTPError:
                assert found.process.returncode is None, (found.folder / "log").read_text()
            await asyncio.sleep(0.03)
