"""``kill -9`` of the sending process while Grafana misbehaves: each incident is one annotation, and shows how it ended."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from sqlalchemy import select

from monitor.alerts import Book, Judged, Outbox, Patience
from monitor.alerts.desk import DELIVERIES
from monitor.devnet.grafana import TOKEN, FakeGrafana
from monitor.receivers.grafana import GrafanaReceiver, GrafanaSettings
from monitor.store import Store
from tests.alerts.making import START, block, ends, fires, routes
from tests.fixtures.processes import context

ROUNDS = 4
INCIDENTS = [f"Alert{i}" for i in range(4)]


def serve(database: str, grafana: str) -> None:
    """The process that is killed: it only delivers; the parent judges. Its receiver has the name that the made-up routes know."""

    async def main() -> None:
        own = GrafanaSettings(kind="grafana", name="slack", url=grafana, token=TOKEN, timeout_seconds=0.3, settle_seconds=0.5)  # type: ignore[arg-type]
        patience = Patience(first=0.01, most=0.05, refused=0.1, attempt=5.0, idle=0.05)
        await Outbox([GrafanaReceiver(own)], Store.open(database).run, patience=patience).work()

    asyncio.run(main())


class Victim:
    """A process of its own, killed without a chance to tidy up."""

    def __init__(self, database: str, grafana: str) -> None:
        self.process = context.Process(target=serve, args=(database, grafana), daemon=True)

    def __enter__(self) -> Victim:
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join(5)

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(5)
        assert self.process.exitcode == -signal.SIGKILL, "it had died by itself"


async def states(store: Store) -> list[str]:
    return await store.run(lambda unit: list(unit.conn.execute(select(DELIVERIES.c.state)).scalars()))


async def test_killed_at_random_moments_each_incident_is_one_annotation(tmp_path: Path) -> None:
    rng, book, url = random.Random(7), Book(routes()), f"sqlite:///{tmp_path / 'store.db'}"
    todo = [(name, step) for step in ("fire", "end") for name in INCIDENTS]
    in_flight = 0
    with Store.open(url) as store:
        store.create_all()
        async with FakeGrafana(role="Editor") as fake:
            for number in range(1, ROUNDS + 1):
                part, todo = todo[:2], todo[2:]
                at, now = block(number), time.time() - 200 + 2 * number
                moves = [fires(n, at) if step == "fire" else ends(n, at) for n, step in part]
                await store.run(lambda unit, m=moves, a=at, t=now: book.admit(unit, m, Judged(a, t, t)))
                misbehave(fake, rng)
                before = fake.requests.total()
                with Victim(url, fake.url) as victim:
                    async with asyncio.timeout(10):
                        while fake.requests.total() == before:  # noqa: ASYNC110 (a plain counter)
                            await asyncio.sleep(0.002)
                    await asyncio.sleep(rng.uniform(0, 0.15))
                    victim.kill()
                in_flight += "sending" in await states(store)
            fake.faults.clear()
            await store.run(lambda unit: book.tick(unit, time.time()))
            with Victim(url, fake.url):
                async with asyncio.timeout(40):
                    while {"owed", "sending", "unsure"} & set(await states(store)):  # noqa: ASYNC110 (asks a database)
                        await asyncio.sleep(0.05)
            assert in_flight, "no kill hit an attempt: the test proves nothing"
            assert set(await states(store)) <= {"sent", "superseded"}
            check(fake)


def misbehave(fake: FakeGrafana, rng: random.Random) -> None:
    """Something for the first request that writes, so that kills hit attempts; a hang lasts longer than the client's patience."""
    for operation in ("postAnnotation", "patchAnnotation", "getAnnotations"):
        kind: Any = rng.choice(["hang", "slow", "drop", "server_error"])
        fake.fail(kind, operation, seconds=0.4, accepted=rng.random() < 0.6, skip=rng.randrange(2))


def check(fake: FakeGrafana) -> None:
    found = fake.incidents()
    assert sorted(a["text"].splitlines()[0] for a in found) == [f"✅ {name} is broken" for name in INCIDENTS]
    assert len({a["tags"][2] for a in found}) == len(INCIDENTS)
    assert all("state:resolved" in a["tags"] and a["timeEnd"] > a["time"] >= START * 1000 for a in found)
    assert fake.rejected == []
