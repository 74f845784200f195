"""A real chain, judged by the real pipeline with the shipped rules, asked over the query API: memory and store say the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from monitor.devnet.world import World
from monitor.service import state
from monitor.service.build import build
from monitor.service.facts import fact_finder
from monitor.service.life import Service
from monitor.service.pipeline import Pipeline, Rooms
from monitor.service.querying import feed
from monitor.service.settings import load
from monitor.store import lease
from monitor.web.app import Face, app
from monitor.web.exposition import Sample
from tests.service.test_pipeline import settings  # noqa: F401
from tests.web.views import NIGHT


async def nothing() -> Iterable[Sample]:
    return ()


async def night() -> Any:
    return NIGHT


async def test_the_api_answers_from_a_running_service(world: World, settings: Path) -> None:  # noqa: F811
    parts = build(load(settings))
    parts.store.migrate()
    held = lease.acquire(parts.store, "judging", lease.new_owner(), 30)
    assert held is not None
    service = Service(parts)
    transport = httpx.ASGITransport(app(Face(night, nothing, lambda: None, prom=feed(service))))
    async with httpx.AsyncClient(transport=transport, base_url="http://page/prom/api/v1", timeout=30) as http:

        async def ask(path: str, **params: Any) -> Any:
            answer = await http.post(f"/{path}", data=params)
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert (await ask("query", query="queue_bunker_mode"))["data"]["result"] == []
        before = await parts.store.look(lambda unit: state.load(unit, parts.setup))
        await parts.execution.start()
        finder = fact_finder(parts.execution, parts.collectors, parts.gauge)
        rooms = Rooms(parts.execution, parts.collectors, parts.book, parts.responses, parts.store, finder, lambda: None, 12)
        service.pipeline = Pipeline(rooms, parts.setup, before, parts.progress, held)
        running = asyncio.create_task(service.pipeline.run())
        try:
            async with asyncio.timeout(30):
                for blocks in range(1, 4):
                    while parts.progress.blocks < blocks:
                        assert not running.done(), running
                        await asyncio.sleep(0.05)
                    world.anvil.mine(1, apart=1)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await parts.execution.close()
            lease.release(parts.store, held)

        at = parts.progress.at
        assert at is not None
        queries = (
            "queue_bunker_mode",
            "count(role_holder)",
            "sum_over_time(queue_bunker_mode[1m:1s])",
            "stakewarden_blind",
            "accounting_pooled_ether",
        )
        by_memory = [(await ask("query", query=q, time=at.timestamp))["data"] for q in queries]
        assert by_memory[0]["result"][0]["metric"] == {"__name__": "queue_bunker_mode", "protocol": "lido"}
        rules = (await ask("rules"))["data"]["groups"]
        assert sum(len(g["rules"]) for g in rules) == len(parts.setup.ruleset)
        assert {r["health"] for g in rules for r in g["rules"]} <= {"ok", "unknown"}
        assert "queue_bunker_mode" in (await ask("label/__name__/values"))["data"]
        service.pipeline = None
        assert [(await ask("query", query=q, time=at.timestamp))["data"] for q in queries] == by_memory
    parts.store.close()
