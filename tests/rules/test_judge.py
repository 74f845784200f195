"""How alerts begin, last and end: examples. The state machine as a whole is in test_judge_machine.py."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import numpy as np
import pytest

from monitor.model import Event, EventId, Moment, Series, Tick, Transition, Verdict, labels, ok_frame
from monitor.rules.evidence import seen_samples
from monitor.rules.files import RuleSet, from_sources
from monitor.rules.instances import Instances, episode_id, fingerprint
from monitor.rules.judge import judge, record
from monitor.rules.recording import keep_seconds, recorded_families, recording_sources
from monitor.samples import FrameWindow, LabelTable, Vector, recorded_frame
from tests.rules.chain import CATALOGUE, SOURCES, block, item, level, own, window


def rules(*texts: str, group: str = "limit: 0") -> RuleSet:
    """A group of rules from flow mappings, one a text."""
    return from_sources({"r.yaml": "groups:\n- name: g\n  " + group + "\n  rules:\n" + "".join(f"  - {{{text}}}\n" for text in texts)})


class Story:
    """A chain told block by block: ``after`` gives the transitions of one more block, judged."""

    def __init__(self, of: RuleSet) -> None:
        self.rules, self.window, self.live, self.number = of, window(), Instances(), 0
        self.verdicts: list[Verdict] = []

    def after(self, values: Mapping[str, float] | None, *, skip: int = 0) -> list[tuple[str, str, str]]:
        self.number += 1 + skip
        at = block(self.number)
        self.window.append(level(at, values))
        return self.judged(at)

    def judged(self, at: Moment) -> list[tuple[str, str, str]]:
        self.live, transitions, self.verdicts = judge(self.rules, self.window, at, self.live)
        self.transitions = transitions
        return [(dict(t.labels)["item"], t.new, t.cause) for t in transitions]

    @property
    def state(self) -> Mapping[str, str]:
        return {dict(i.labels)["item"]: i.state for i in self.live}


HIGH = "alert: High, expr: test_level > 5, annotations: {summary: '{{ $labels.item }} at {{ $value }}'}"


def test_an_alert_without_for_fires_at_the_first_true_block_and_ends_at_the_first_false_one() -> None:
    story = Story(rules(HIGH))
    assert story.after({"a": 1.0}) == []
    assert story.after({"a": 7.5}) == [("a", "firing", "judged")]
    assert dict(story.transitions[0].annotations) == {"summary": "a at 7.5"}
    assert story.after({"a": 8.0}) == []
    assert story.after({"a": 2.0}) == [("a", "inactive", "judged")]
    assert len(story.live) == 0


def test_for_counts_block_time_from_the_first_true_block() -> None:
    story = Story(rules(HIGH + ", for: 30s"))
    assert [story.after({"a": 9.0}) for _ in range(3)] == [[], [], []]
    assert story.state == {"a": "pending"}
    assert story.after({"a": 9.0}) == [("a", "firing", "judged")]
    instance = story.live.firing[0]
    assert (instance.since, instance.true_for) == (block(1), 36)


def test_pending_starts_again_after_a_false_block() -> None:
    story = Story(rules(HIGH + ", for: 30s"))
    for values in ({"a": 9.0}, {"a": 9.0}, {"a": 0.0}, {"a": 9.0}, {"a": 9.0}, {"a": 9.0}):
        assert story.after(values) == []
    assert story.after({"a": 9.0}) == [("a", "firing", "judged")]


def test_unknown_neither_resolves_nor_counts() -> None:
    story = Story(rules(HIGH + ", for: 36s"))
    assert story.after({"a": 9.0}) == []
    assert story.after({"a": 9.0}) == []
    assert story.after(None) == []  # the last ok frame still speaks for its 12 seconds
    for _ in range(5):
        assert story.after(None) == []
        assert story.verdicts[0].outcome == "unknown"
    assert story.live.pending[0].true_for == 24
    assert story.after({"a": 9.0}) == []
    assert story.after({"a": 9.0}) == [("a", "firing", "judged")]


def test_a_firing_alert_is_kept_while_its_data_is_missing_and_ends_when_it_is_known_to_be_over() -> None:
    story = Story(rules(HIGH))
    assert story.after({"a": 9.0}) == [("a", "firing", "judged")]
    for _ in range(20):
        assert story.after(None) == []
    assert story.live.firing[0].unknown_since == block(3)
    assert story.after({"b": 1.0}) == [("a", "inactive", "judged")]


def test_an_alert_whose_labels_depend_on_its_value_is_kept_while_the_value_is_unknown() -> None:
    of = rules("alert: High, expr: test_level > 5, labels: {severity: '{{ if gt $value 8.0 }}page{{ else }}ticket{{ end }}'}")
    seen, live, said = FrameWindow(CATALOGUE, (), 0), Instances(), []
    table = LabelTable([labels(item="a")])
    for number, (value, known) in enumerate([(6.0, True), (6.0, False), (6.0, False), (9.0, True)], 1):
        result = Vector(table, np.array([value]), np.array([known]))
        seen.append(recorded_frame("x", "test_level", (), result, block(number)))
        live, transitions, _ = judge(of, seen, block(number), live)
        said.append(sorted((dict(t.labels)["severity"], t.new) for t in transitions))
    assert said == [[("ticket", "firing")], [], [], [("page", "firing"), ("ticket", "inactive")]]


def test_blocks_that_were_never_judged_do_not_count_for_for() -> None:
    story = Story(rules(HIGH + ", for: 24s"))
    assert story.after({"a": 9.0}) == []
    assert story.after({"a": 9.0}, skip=100) == []
    assert story.live.pending[0].true_for == 0
    assert [story.after({"a": 9.0}) for _ in range(2)] == [[], [("a", "firing", "judged")]]


def test_keep_firing_for_bridges_short_recoveries() -> None:
    story = Story(rules(HIGH + ", keep_firing_for: 24s"))
    assert story.after({"a": 9.0}) == [("a", "firing", "judged")]
    assert [story.after({"a": 0.0}) for _ in range(2)] == [[], []]
    assert story.after({"a": 9.0}) == []
    assert [story.after({"a": 0.0}) for _ in range(3)] == [[], [], [("a", "inactive", "judged")]]


def test_the_end_of_an_events_visibility_is_expiry() -> None:
    story = Story(rules("alert: Done, expr: test_happened"))
    at = block(1)
    story.number = 1
    story.window.append(ok_frame("level", (), at, {}, [Event(EventId("e"), Series("test_happened", item("x")), at)]))
    assert story.judged(at) == [("x", "firing", "judged")]
    said = [story.after({}) for _ in range(6)]
    assert [t for t in said if t] == [[("x", "inactive", "expired")]]


def test_at_a_tick_only_rules_about_ourselves_are_judged() -> None:
    story = Story(rules(HIGH, "alert: Own, expr: test_own == 1"))
    at = block(1)
    story.number = 1
    story.window.append(level(at, {"a": 9.0}))
    story.window.append(own(at, {"me": 0.0}))
    assert story.judged(at) == [("a", "firing", "judged")]
    tick = Tick(at, at.timestamp + 30)
    blind = ok_frame("own", (), at, {Series("test_own", item("me")): 1.0}, admitted=tick)
    story.window.append(blind)
    assert story.judged(tick) == [("me", "firing", "judged")]
    assert [v.rule for v in story.verdicts] == ["g/Own"]
    assert story.transitions[0].episode.endswith(str(tick.timestamp))
    assert story.state == {"a": "firing", "me": "firing"}


def test_blocks_made_up_after_a_tick_judge_the_chain_and_leave_us_alone_until_time_is_later_again() -> None:
    story = Story(rules(HIGH, "alert: Own, expr: test_own == 1"))
    story.number = 1
    story.window.append(level(block(1), {"a": 1.0}))
    story.window.append(own(block(1), {"me": 0.0}))
    story.judged(block(1))
    tick = Tick(block(1), block(4).timestamp)
    story.window.append(ok_frame("own", (), block(1), {Series("test_own", item("me")): 1.0}, admitted=tick))
    assert story.judged(tick) == [("me", "firing", "judged")]
    kept = Instances.from_json(story.live.to_json())
    assert kept == story.live and all(kept.is_before_tick(block(n)) for n in (2, 3, 4)) and not kept.is_before_tick(block(5))
    for number, value in ((2, 1.0), (3, 9.0), (4, 9.0)):
        story.window.append(level(block(number), {"a": value}))
        assert story.judged(block(number)) == ([("a", "firing", "judged")] if number == 3 else [])
        assert story.state["me"] == "firing"
    story.window.append(level(block(5), {"a": 9.0}))
    story.window.append(own(block(5), {"me": 0.0}))
    assert story.judged(block(5)) == [("me", "inactive", "judged")]


def test_a_group_with_an_interval_is_judged_once_in_each() -> None:
    story = Story(rules(HIGH, group="interval: 1m"))
    judged = []
    for _ in range(15):
        story.after({"a": 9.0})
        judged += [v.at for v in story.verdicts]
    times = [m.timestamp for m in judged]
    assert len({t // 60 for t in times}) == len(times) == 4


def test_a_rule_that_fails_is_unknown_and_leaves_the_others_alone() -> None:
    twice = "alert: Twice, expr: test_level > 5, labels: {item: same}"
    story = Story(rules(twice, HIGH))
    assert story.after({"a": 9.0}) == [("same", "firing", "judged"), ("a", "firing", "judged")]
    assert story.after({"a": 9.0, "b": 9.0}) == [("b", "firing", "judged")]
    verdict = story.verdicts[0]
    assert verdict.outcome == "unknown" and "two elements have the same labels" in (verdict.error or "")
    assert story.state == {"same": "firing", "a": "firing", "b": "firing"}


def test_more_elements_than_the_groups_limit_are_an_error() -> None:
    story = Story(rules(HIGH, group="limit: 1"))
    assert story.after({"a": 9.0, "b": 9.0}) == []
    assert "limit is 1" in (story.verdicts[0].error or "")


def test_a_rule_may_ask_for_an_alert_of_its_own_when_it_cannot_be_judged() -> None:
    text = "alert: High, expr: test_level > 5, labels: {item: x}, for: 24s, annotations: {stakewarden_no_data: alert}"
    story = Story(rules(text))
    story.after({"a": 1.0})
    story.after(None)
    said = [story.after(None) for _ in range(4)]
    assert [t for t in said if t] == [[("x", "firing", "judged")]]
    assert dict(story.live.firing[0].labels) == {"alertname": "High", "item": "x", "no_data": "true"}
    assert story.after({"a": 1.0}) == [("x", "inactive", "judged")]


def test_recorded_series_are_judged_in_the_same_block_and_carry_what_is_unknown() -> None:
    of = rules(
        "alert: Sum, expr: 'level:sum > 5'", "record: 'level:sum', expr: sum(level:double)", "record: 'level:double', expr: 2 * test_level"
    )
    catalogue = CATALOGUE.extended(recorded_families(of, CATALOGUE))
    seen = FrameWindow(catalogue, (*SOURCES, *recording_sources(of)), keep_seconds(of))
    live = Instances()
    outcomes = []
    for number, values in enumerate([{"a": 1.0}, {"a": 2.0, "b": 1.0}, None, None], 1):
        at = block(number)
        seen.append(level(at, values))
        assert [f.collector for f in record(of, seen, at)] == ["rules:g/level:double", "rules:g/level:sum"]
        live, _, verdicts = judge(of, seen, at, live)
        outcomes.append(verdicts[0].outcome)
    assert outcomes == ["false", "true", "true", "unknown"]


def test_the_fingerprint_is_alertmanagers(alertmanager: str) -> None:
    sets = [
        {"alertname": "A"},
        {"alertname": "Ünïcode", "z": "1", "a": 'quo"ted\n', "Upper": "x y"},
        {"alertname": "B", "protocol": "lido", "role": "0x" + 64 * "0"},
    ]
    httpx.post(f"{alertmanager}/api/v2/alerts", json=[{"labels": labels} for labels in sets], trust_env=False).raise_for_status()
    found = httpx.get(f"{alertmanager}/api/v2/alerts", trust_env=False).json()
    assert len(found) == len(sets)
    for alert in found:
        assert f"{fingerprint(tuple(alert['labels'].items())):016x}" == alert["fingerprint"]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager on a free port."""
    (tmp_path / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = [f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus-alertmanager", *options, "--cluster.listen-address="], stdout=log, stderr=log)
        try:
            _wait_ready(f"http://127.0.0.1:{port}/-/ready", tmp_path / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _wait_ready(url: str, log: Path) -> None:
    for _ in range(300):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(log.read_text())


def test_instances_survive_a_restart_byte_for_byte() -> None:
    story = Story(rules(HIGH + ", for: 24s"))
    for values in ({"a": 9.0, "b": float("inf")}, {"a": 9.0}, {"a": 9.0, "c": 7.0}, {"a": 9.0, "c": 7.0}):
        story.after(values)
    text = story.live.to_json()
    assert Instances.from_json(text) == story.live
    assert Instances.from_json(text).to_json() == text


def test_replaying_the_same_frames_gives_the_same_transitions() -> None:
    def told() -> list[Transition]:
        story = Story(rules(HIGH + ", for: 12s"))
        found = []
        for n in range(30):
            story.after(None if n % 7 == 3 else {"a": float(n % 9), "b": float(n % 4)})
            found += story.transitions
        return found

    first = told()
    assert first == told()
    assert len({t.evidence for t in first}) == len(first) > 2


def test_an_episode_is_named_after_the_block_in_which_it_began() -> None:
    assert episode_id(7, block(1)) == episode_id(7, block(1)) != episode_id(7, block(1, "b"))


def test_a_subquery_is_kept_and_told_in_the_evidence_as_far_as_it_sees() -> None:
    of = rules("alert: Was, expr: 'max_over_time((test_level > 5)[2m:12s] offset 12s) > 6'")
    assert keep_seconds(of) == {"test_level": 120 + 12 + 12}
    digests = []
    for first in (9.0, 8.0):
        seen = FrameWindow(CATALOGUE, SOURCES, keep_seconds(of))
        for n in range(1, 12):
            seen.append(level(block(n), {"a": first if n == 1 else 7.0}))
        (rule,) = of
        digests.append(seen_samples(rule, seen, block(11).timestamp))
    assert digests[0] != digests[1], "the oldest block that the subquery sees is not in the evidence"
