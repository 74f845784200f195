"""What the service tells about itself at a judged moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from monitor.alerts.canary import Canary
from monitor.alerts.deliveries import Waiting
from monitor.catalogue import SHIPPED, Catalogue
from monitor.chain import EndpointSettings, Execution, NetworkSettings
from monitor.collectors.own import OwnFacts
from monitor.model import Collector, Failed, blind_frame, labels, ok_frame
from monitor.rules import EMPTY_RULES
from monitor.samples import FrameWindow
from monitor.service import status
from monitor.service.facts import Gauge, fact_finder
from monitor.service.parts import Progress
from monitor.service.pipeline import Pipeline
from monitor.service.setup import Setup
from tests.service.making import Small, block

SCOPE = labels(protocol="lido")
SMALL = Small("small", scopes=(SCOPE,))


@pytest.fixture
def execution() -> Execution:
    return Execution(NetworkSettings(execution=(EndpointSettings.model_validate({"name": "one", "url": "http://127.0.0.1:1"}),)))


def facts(execution: Execution, progress: Progress, window: FrameWindow, gauge: Gauge | None = None, number: int = 5) -> OwnFacts:
    collectors: list[Collector] = [SMALL]
    return fact_finder(execution, collectors, gauge or Gauge(), clock=lambda: 1000.0)(progress, window, block(number))


def window() -> FrameWindow:
    return Setup.of(EMPTY_RULES, [SMALL]).window()


def test_a_gap_is_shown_by_one_moment(execution: Execution) -> None:
    progress = Progress(fresh_gaps=[(3, 9), (12, 12)], gap_blocks=8)
    first = facts(execution, progress, window())
    second = facts(execution, progress, window())
    assert (list(first.gaps), list(second.gaps)) == ([(3, 9), (12, 12)], [])
    assert first.gap_blocks == second.gap_blocks == 8
    progress.fresh_gaps.append((20, 30))
    assert list(facts(execution, progress, window()).gaps) == [(20, 30)]


def test_a_scope_is_blind_until_its_frame_and_its_age_grows(execution: Execution) -> None:
    progress, seen = Progress(), window()
    (never,) = facts(execution, progress, seen).scopes
    assert (never.collector, never.protocol, never.age, never.fresh) == ("small", "lido", None, False)
    seen.append(ok_frame("small", SCOPE, block(5)))
    progress.newest_ok[("small", SCOPE)] = block(5).timestamp
    (now,) = facts(execution, progress, seen).scopes
    assert (now.age, now.fresh) == (0, True)
    seen.append(blind_frame("small", SCOPE, block(6), Failed("timeout")))
    (later,) = facts(execution, progress, seen, number=30).scopes
    assert (later.age, later.fresh) == (25 * 12, False)


def test_what_the_database_said_last_is_told(execution: Execution) -> None:
    waiting = {"slack": Waiting(3, 12.5, 0), "pager": Waiting(0, 0.0, 0)}
    gauge = Gauge(waiting, {("vault", "failed"): 1}, {"slack": Canary(100.0, True)}, {("am", "am-1:9093"): False}, {"0xA": None})
    found = facts(execution, Progress(seen_at=940.0), window(), gauge)
    assert [(d.receiver, d.owed, d.oldest_seconds) for d in found.deliveries] == [("slack", 3, 12.5), ("pager", 0, 0.0)]
    assert [(d.canary_age_seconds, d.canary_failed) for d in found.deliveries] == [(100.0, True), (None, None)]
    assert found.members == {("am", "am-1:9093"): False}
    assert found.decisions == {("vault", "failed"): 1} and found.senders == {"0xA": None}
    assert (found.head_age_seconds, found.agreeing_ratio, found.judge_lag_blocks) == (60.0, None, 0)
    (endpoint,) = found.endpoints
    assert endpoint.name == "one" and not endpoint.up


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        (0, "no agreed head for 60 seconds: see the endpoints"),
        (21, "judging is 21 blocks behind: the last judged one was seen 60 seconds ago"),
    ],
)
def test_a_head_that_waits_to_be_judged_is_not_said_to_be_missing(waiting: int, said: str) -> None:
    """Who is told to see the endpoints while the machine is overloaded looks in the wrong place."""
    judged = Progress(at=block(1), last_block=block(1), seen_at=1000.0, judged_at=1001.0)
    pipeline = cast(Pipeline, SimpleNamespace(window=FrameWindow(Catalogue(SHIPPED), (), 60)))
    assert status.problems(pipeline, judged, False, 12.0, waiting, now=1060.0) == (said,)
    assert status.problems(pipeline, judged, False, 12.0, waiting, now=1005.0) == ()
