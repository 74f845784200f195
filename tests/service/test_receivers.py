"""The whole service with every kind of receiver but one that answers: Slack is down, so the next channel is told; Alertmanager is told again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from monitor.devnet.world import World
from monitor.service.build import build, load_rules
from monitor.service.life import Service
from monitor.service.settings import load
from tests.cli.conftest import plain, write
from tests.receivers.alertmanagers import alertmanager
from tests.receivers.far_end import FarEnd

RULE = """
groups:
  - name: test
    rules:
      - alert: AlwaysSo
        expr: stakewarden_head_age_seconds >= 0
        labels: {severity: page, zone: monitor}
        annotations: {summary: It is so, description: So it is., runbook_url: "docs/runbooks/own.md#alwaysso", stakewarden_owner: tests, stakewarden_reason: a test}
"""
ROUTES = """
route:
  receiver: [slack, alertmanager]
  group_wait: 0s
  routes:
    - matchers: ['alertname="AlwaysSo"']
      receiver: slack
      fallback: pager
      fallback_after: 1s
      continue: true
    - matchers: ['alertname=~".*"']
      receiver: alertmanager
"""


def settings_for(world: World, folder: Path, pager: FarEnd, am: str) -> Path:
    world.deployment.write(folder / "deployment.yaml")
    (folder / "rules").mkdir()
    (folder / "rules/test.yaml").write_text(RULE)
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "pager.key").write_text("0123456789abcdef0123456789abcdef\n")
    body = plain(folder)
    body["network"] = {
        "chain_id": int(world.rpc.call("eth_chainId"), 16), "genesis_time": world.deployment.genesis_time, "block_seconds": 1, "wall_clock": False,
        "execution": [{"name": "anvil", "url": world.anvil.http_url}],
    }  # fmt: skip
    body["protocols"] = [{"name": "lido", "deployment": str(folder / "deployment.yaml")}]
    body["rules"] |= {"dirs": [str(folder / "rules")], "routes": str(folder / "routes.yaml")}
    body["web"] = {"port": 0, "public_url": "https://stakewarden.example/"}
    body["canary"] = {"every_seconds": 3600, "patience_seconds": 1}
    body["receivers"] = [
        {"name": "slack", "token": "xoxb-1", "channel": "C123", "base_url": "http://127.0.0.1:1/api/"},
        {"kind": "webhook", "name": "pager", "url": pager.url, "secret_file": str(folder / "pager.key")},
        {"kind": "alertmanager", "urls": [am], "resend_seconds": 1, "heartbeat": True},
    ]
    return write(folder, body)


@contextlib.asynccontextmanager
async def running(settings: Path, world: World) -> AsyncIterator[tuple[Service, Callable[[Callable[[], bool]], Awaitable[None]]]]:
    """A service while its chain goes on, and a way to wait for something."""
    service = Service(build(load(settings)))
    task = asyncio.create_task(service.run())

    async def until(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not happened():
                assert not task.done(), task
                await asyncio.sleep(0.05)

    try:
        await until(lambda: service.pipeline is not None)
        await asyncio.to_thread(world.anvil.mine, 3, apart=1)
        yield service, until
    finally:
        service.stopping.set()
        await task


async def test_every_kind_of_receiver_is_told_by_a_running_service(world: World, tmp_path: Path) -> None:
    async with FarEnd() as pager, alertmanager(tmp_path) as am:

        def posted(kind: str) -> list[dict[str, Any]]:
            return [body for body in (json.loads(r.body) for r in pager.requests) if body["kind"] == kind]

        async with running(settings_for(world, tmp_path, pager, am.url), world) as (service, until):
            gauge = service.parts.gauge
            await until(lambda: bool(posted("canary") and posted("open") and posted("note")))
            await am.until_told(("firing", "AlwaysSo"), ("firing", "StakewardenHeartbeat"), ("firing", "StakewardenCanary"))
            await until(lambda: bool(gauge.members) and "slack" in gauge.canaries)
        (first,) = posted("open")
        assert first["account"]["title"] == "It is so"
        assert first["account"]["page"] == f"https://stakewarden.example/incidents/{first['incident']}"
        assert first["account"]["alerts"][0]["runbook"] == "https://stakewarden.example/runbooks/own.md#alwaysso"
        assert posted("note")[0]["note"]["lines"][0].startswith("Told here since slack took no message")
        assert gauge.members == {("alertmanager", am.url.removeprefix("http://")): True}
        assert [told for told in am.told if told[0] == "resolved"] == []


def test_runbooks_that_the_page_could_not_show_are_named_at_the_start(tmp_path: Path) -> None:
    body = plain(tmp_path)
    body["rules"]["runbooks"] = str(tmp_path)
    (tmp_path / "lido.md").write_text("# Lido\n")
    with capture_logs() as said:
        load_rules(load(write(tmp_path, body)))
    (warning,) = [line for line in said if line["event"] == "rules.runbooks_missing"]
    assert {Path(name).name for name in warning["files"]} == {"ethereum.md", "stakewarden.md"} and "rules.runbooks" in warning["remedy"]


@pytest.mark.parametrize(
    ("receiver", "says"),
    [
        ({"kind": "webhook", "url": "https://x.example/", "secret_file": "/nowhere"}, r"receivers.1: .*check its path"),
        ({"kind": "alertmanager", "urls_file": "/nowhere"}, r"receivers.1: .*check its path"),
        ({"kind": "webhook", "url": "https://x.example/", "secret": "short"}, r"receivers.1: .*openssl rand"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_before_anything_runs(tmp_path: Path, receiver: dict[str, Any], says: str) -> None:
    body = yaml.safe_load(write(tmp_path, plain(tmp_path)).read_text())
    body["receivers"] = [*body["receivers"], receiver]
    with pytest.raises(Exception, match=says):
        build(load(write(tmp_path, body)))
