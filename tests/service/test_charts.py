"""Charts out of a real window: the rules' thresholds, what is unknown and absent, gaps, and that they are quick."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from monitor import rules
from monitor.catalogue import SHIPPED, Catalogue
from monitor.catalogue.shipped import PEG, QUEUE
from monitor.model import Series, labels, ok_frame
from monitor.promql import parse
from monitor.rules import RuleSet
from monitor.rules.instances import Instances
from monitor.samples import FrameWindow, Source
from monitor.service.charts import BUCKETS, Charts, comparisons, evidence
from monitor.turns import at_once
from monitor.web.charts import CHARTS, kept
from monitor.web.view import ChartView
from tests.service.making import block

LIDO = labels(protocol="lido")
SOURCES = (Source("peg", tuple(f.name for f in PEG), (LIDO,)), Source("queue", tuple(f.name for f in QUEUE), (LIDO,)))
NOTHING = RuleSet((), {})


def window() -> FrameWindow:
    return FrameWindow(Catalogue(SHIPPED), SOURCES, kept())


def put(into: FrameWindow, number: int, collector: str, *samples: tuple[str, float], **more: str) -> None:
    found = {Series(name, labels(protocol="lido", **more)): value for name, value in samples}
    into.append(ok_frame(collector, LIDO, block(number), found))


def charts(of: FrameWindow, number: int, ruleset: RuleSet = NOTHING) -> dict[str, ChartView]:
    return {c.title: c for c in at_once(Charts().of(ruleset, of, Instances(), block(number)))}


def rule_set(*expressions: str) -> RuleSet:
    head = "groups:\n  - name: g\n    rules:\n"
    body = "".join(f"      - alert: A{i}\n        expr: {e}\n        labels: {{severity: page}}\n" for i, e in enumerate(expressions))
    return rules.from_sources({"rules.yaml": head + body})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("peg_deviation_ratio < -0.01", [("<", -0.01, False)]),
        ("0.6 < peg_pool_share_ratio", [(">", 0.6, False)]),
        ("(beacon_queue_wait_seconds) > 7 * 86400", [(">", 604800.0, False)]),
        ("time() - queue_oldest_request_timestamp_seconds > 5 * 86400", [(">", 432000.0, True)]),
        ("abs(accounting_share_rate_drift_ratio) > 1e-9", [(">", 1e-9, False), ("<", -1e-9, False)]),
        ("peg_deviation_ratio < -0.01 and on () peg_sources >= 2", [("<", -0.01, False), (">=", 2.0, False)]),
        ("peg_deviation_ratio < -0.01 unless on () peg_sources < 2", [("<", -0.01, False)]),
        ("peg_sources < 1 / 0", []),
        ("peg_sources < bool 2", []),
        ("peg_deviation_ratio offset 1h < -0.01", []),
        ("rate(stakewarden_reorgs_total[5m]) > 1", []),
        ("peg_sources < peg_pool_share_ratio", []),
        ("peg_sources", []),
    ],
)
def test_plain_comparisons_are_found_in_rules(text: str, found: list[tuple[str, float, bool]]) -> None:
    assert [(c.op, c.value, c.age) for c in comparisons(parse(text))] == found


def test_evidence_is_the_rules_own_comparison() -> None:
    first, second, third = rule_set(
        "peg_deviation_ratio < -0.01 and on () peg_sources > 1", "role_change", "peg_sources < 1 or peg_sources > 9"
    )
    assert evidence(first, window()) == ("< -0.01", "ratio")
    assert evidence(second, window()) == evidence(third, window()) == ("", "")


def test_every_chart_is_of_a_declared_family_with_declared_labels() -> None:
    catalogue = Catalogue(SHIPPED)
    for chart in CHARTS:
        specs = {spec.name: spec for spec in catalogue[chart.family].labels}
        assert chart.labels.keys() <= specs.keys() and "protocol" in specs
        assert all(not value or specs[name].values is None or value in (specs[name].values or ()) for name, value in chart.labels.items())
        assert chart.age == (catalogue[chart.family].unit == "timestamp")


def test_a_chart_has_value_course_threshold_and_age() -> None:
    held = window()
    for number in range(100):
        put(held, number, "peg", ("peg_deviation_ratio", -0.001 * number), token="stETH")
        put(held, number, "queue", ("queue_unfinalized_ether", 5.0))
    found = charts(
        held, 99, rule_set("peg_deviation_ratio < -0.02", 'peg_deviation_ratio{protocol="other"} < -9', "queue_unfinalized_ether > 7")
    )
    peg = found["Deviation from fair value"]
    assert (peg.state, peg.value, peg.age_seconds) == ("known", pytest.approx(-0.099), 0)
    assert [(t.op, t.value, t.alert, t.severity) for t in peg.thresholds] == [("<", -0.02, "A0", "page")]
    (line,) = peg.lines
    assert line[0] == (block(0).timestamp, 0.0) and line[-1] == (block(99).timestamp, pytest.approx(-0.099))
    assert peg.begins == block(99).timestamp - 1800 and peg.ends == block(99).timestamp
    assert "Oldest request" not in found  # it was never there: nothing to draw


def test_blind_is_unknown_and_never_read_too_and_neither_has_a_value() -> None:
    held = window()
    put(held, 0, "queue", ("queue_unfinalized_ether", 5.0))
    later = charts(held, 100)
    queue, peg = later["Waiting to be withdrawn"], later["Deviation from fair value"]
    assert (queue.state, queue.value, queue.age_seconds) == ("unknown", None, 1200) and "no answer for 1200 s" in queue.why
    assert (peg.state, peg.value, peg.why) == ("unknown", None, "not read yet")
    assert queue.lines[-1][-1][0] == block(0).timestamp


def test_an_outage_is_a_gap_in_the_line() -> None:
    held = window()
    for number in [*range(0, 10), *range(50, 60)]:
        put(held, number, "queue", ("queue_unfinalized_ether", float(number)))
    first, second = charts(held, 59)["Waiting to be withdrawn"].lines
    assert first[-1] == (block(9).timestamp, 9.0) and second[0] == (block(50).timestamp, 50.0)


def test_what_ended_is_absent_and_an_age_grows() -> None:
    held = window()
    for number in range(5):
        put(held, number, "queue", ("queue_unfinalized_ether", 1.0), ("queue_oldest_request_timestamp_seconds", block(0).timestamp - 100.0))
    assert charts(held, 4)["Oldest request"].value == block(4).timestamp - block(0).timestamp + 100
    put(held, 5, "queue", ("queue_unfinalized_ether", 0.0))
    gone = charts(held, 5)["Oldest request"]
    assert (gone.state, gone.value) == ("absent", None) and gone.lines


def test_many_series_come_to_one_by_the_charts_rule() -> None:
    held = window()
    pools = {Series("peg_pool_share_ratio", labels(protocol="lido", token="stETH", venue=f"v{i}")): 0.5 + i / 10 for i in range(3)}
    held.append(ok_frame("peg", LIDO, block(0), pools))
    assert charts(held, 0)["Token's part of the pools"].value == pytest.approx(0.7)


def test_a_spike_is_seen_however_long_the_course() -> None:
    held = window()
    for number in range(300):
        put(held, number, "queue", ("queue_unfinalized_ether", 900.0 if number == 123 else 1.0))
    (line,) = charts(held, 299)["Waiting to be withdrawn"].lines
    assert len(line) <= 2 * BUCKETS + 1 and max(v for _, v in line) == 900.0
    assert [t for t, _ in line] == sorted(t for t, _ in line)


def _crowd(count: int) -> Iterable[tuple[Series, float]]:
    for i in range(count):
        yield Series("peg_price_ratio", labels(protocol="lido", token="stETH", venue=f"venue-{i:05}")), 1.0 + i / 1e6
    yield Series("peg_deviation_ratio", labels(protocol="lido", token="stETH")), -0.001


def test_charts_of_a_full_window_of_three_thousand_series_do_not_hold_up_the_loop() -> None:
    held = window()
    first = ok_frame("peg", LIDO, block(0), _crowd(3000))
    for number in range(300):
        held.append(replace(first, read_at=block(number), admitted=block(number), values=first.values + number / 1e9))
    made = Charts()
    took = []
    for number in range(290, 300):
        steps, ends = made.of(NOTHING, held, Instances(), block(number)), [time.thread_time()]
        ends += [time.thread_time() for _ in steps]
        took.append(max(after - before for before, after in pairwise(ends)))
    assert min(took[1:]) < 0.05
