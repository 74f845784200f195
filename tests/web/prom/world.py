"""A running application over a real store and a real window, whose memory is shorter than the store's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable

import httpx
import uvicorn

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Event, EventId, Failed, Family, Frame, LabelSpec, Series, blind_frame, labels, ok_frame
from monitor.rules import Instances, from_sources, judge
from monitor.samples import FrameWindow, Source
from monitor.store import JudgedEntry, Store, journal
from monitor.web.app import Face, app
from monitor.web.exposition import Sample
from monitor.web.prom import Feed, Judging
from monitor.web.view import StatusView
from tests.samples.stamps import stamp
from tests.web.views import NIGHT

END = 300
IN_MEMORY = 200
"""The first block that memory knows."""
NOW = stamp(END).timestamp + 3
LIDO, ROCKET = labels(protocol="lido"), labels(protocol="rocketpool")
CATALOGUE = Catalogue(
    [
        Family("stakewarden_peg_ratio", "gauge", "ratio", "integration", (LabelSpec("protocol", ""), LabelSpec("asset", "")), "Market price over primary rate.", fresh_for=60),
        Family("stakewarden_polls_total", "counter", "count", "monitor", (LabelSpec("collector", ""),), "Polls.", fresh_for=60),
        Family("role_change", "event", "", "governance", (LabelSpec("protocol", ""),), "A role changed.", fresh_for=60, visible_for=3600),
    ]
)  # fmt: skip
SOURCES = (
    Source("market", ("stakewarden_peg_ratio", "role_change"), (LIDO, ROCKET)),
    Source("own", ("stakewarden_polls_total",)),
)
RULES = """groups:
- name: stakewarden
  rules:
  - alert: Depeg
    expr: stakewarden_peg_ratio{asset="stETH"} < 1
    labels: {severity: critical}
    annotations: {summary: "peg {{ $value }}"}
  - {record: "stakewarden:peg:min", expr: min(stakewarden_peg_ratio)}
"""


def frames(n: int) -> list[Frame]:
    """Rocket Pool's market is blind from block 290 on, and was from 100 to 120."""
    at = stamp(n)
    peg = {Series("stakewarden_peg_ratio", labels(protocol="lido", asset="stETH")): 0.9991 + n * 1e-7}
    changed = [Event(EventId("0x1"), Series("role_change", labels(protocol="lido", tx="0x1")), at)] if n == 150 else []
    other = {Series("stakewarden_peg_ratio", labels(protocol="rocketpool", asset="rETH")): 1.0004}
    blind = n >= 290 or 100 <= n <= 120
    return [
        ok_frame("market", LIDO, at, peg, changed),
        blind_frame("market", ROCKET, at, Failed("no answer")) if blind else ok_frame("market", ROCKET, at, other),
        ok_frame("own", (), at, {Series("stakewarden_polls_total", labels(collector="lido")): float(n)}),
    ]


def filled(url: str) -> Store:
    """A store with all blocks."""
    store = Store.open(url)
    store.migrate()
    with store.begin() as unit:
        for n in range(1, END + 1):
            at = stamp(n)
            journal.append(unit, JudgedEntry(at, at.timestamp + 1.0, at.timestamp + 2.0, ruleset="r", frames=tuple(frames(n))))
    return store


def window(first: int = IN_MEMORY) -> FrameWindow:
    found = FrameWindow(CATALOGUE, SOURCES, 100_000)
    for n in range(first, END + 1):
        for frame in frames(n):
            found.append(frame)
    return found


def feed(store: Store, memory: FrameWindow | None, now: float = NOW) -> Feed:
    ruleset = from_sources({"rules.yml": RULES})
    seen = window(END - 20)
    live, _, verdicts = judge(ruleset, seen, stamp(END), Instances())
    judging = None if memory is None else Judging(ruleset, live, verdicts, NOW - 1.0, 12.0)
    return Feed(store, lambda: (CATALOGUE, SOURCES), lambda: memory, lambda: stamp(END).timestamp, lambda: judging, lambda: now)


async def _status() -> StatusView:
    return NIGHT


async def _metrics() -> Iterable[Sample]:
    return ()


def face(of: Feed) -> Face:
    return Face(_status, _metrics, lambda: None, prom=of)


@contextlib.asynccontextmanager
async def client(of: Feed) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app(face(of)))
    async with httpx.AsyncClient(transport=transport, base_url="http://page/prom/api/v1", timeout=20) as http:
        yield http


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> object:  # type: ignore[override]
        yield


@contextlib.asynccontextmanager
async def serving(of: Feed) -> AsyncIterator[str]:
    """The application on a port of its own; its address with the API's path."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Quiet(uvicorn.Config(app(face(of)), log_config=None, lifespan="off", timeout_graceful_shutdown=2))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/prom"
        finally:
            server.should_exit = True
            await task
