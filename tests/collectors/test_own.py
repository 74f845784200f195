"""What we say about ourselves."""

from __future__ import annotations

import numpy as np

from monitor.collectors.own import FAMILIES, BeaconFacts, DeliveryFacts, EndpointFacts, NodeFacts, OwnFacts, ScopeHealth, own_frames
from monitor.model import Ok, Tick
from monitor.samples.vector import is_unknown
from tests.collectors.lido_state import stamp, values

ENDPOINTS = (
    EndpointFacts("one", True, 0, {"timeout": 2}, 0, False),
    EndpointFacts("two", False, None, {"timeout": 5, "rpc": 1}, 3, True),
)
SCOPES = (ScopeHealth("queue", "lido", 3, True), ScopeHealth("contracts", "lido", 5, True), ScopeHealth("contracts", "lido", 200, False))
NODES = (NodeFacts("north", True, 0, {"timeout": 1}, False), NodeFacts("south", False, None, {"not_found": 2}, True))
FACTS = OwnFacts(
    ENDPOINTS, 0.5, SCOPES, {("queue", "lido", "disputed"): 4}, 2.5, 1, 7, 2, 1, (DeliveryFacts("slack", 3, 12.5, 86_000.0, True), DeliveryFacts("grafana", 0, 0, None, False)),
    {("am", "am-1:9093"): False}, gaps=[(5, 7), (5, 7), (8, 8)], decisions={("vault", "failed"): 2}, beacon=BeaconFacts(NODES, 0.5, 3.5, 1, {"lido": False}),
    senders={"0xA": 12.0, "0xB": None}, causes={("vault", "decision", "unknown"): 3}, causes_since={("vault", "decision"): 7},
)  # fmt: skip


def test_facts_become_series() -> None:
    frame = own_frames(FACTS, stamp(9, 1_700_000_000))
    found = values(frame)
    assert isinstance(frame.status, Ok)
    assert found["stakewarden_blind", "contracts", "lido"] == 1
    assert found["stakewarden_blind", "queue", "lido"] == 0
    assert found["stakewarden_frame_age_seconds", "contracts", "lido"] == 200
    assert found["stakewarden_frames_failed_total", "queue", "lido", "disputed"] == 4
    assert found["stakewarden_endpoints_agreeing_ratio",] == 0.5
    assert found["stakewarden_endpoint_errors_total", "two", "rpc"] == 1
    assert ("stakewarden_endpoint_lag_blocks", "two") not in found
    assert found["stakewarden_delivery_oldest_seconds", "slack"] == 12.5
    assert found["stakewarden_canary_age_seconds", "slack"] == 86_000
    assert (found["stakewarden_canary_failed", "slack"], found["stakewarden_canary_failed", "grafana"]) == (1, 0)
    assert ("stakewarden_canary_age_seconds", "grafana") not in found
    assert found["stakewarden_alertmanager_up", "am-1:9093", "am"] == 0
    assert found["stakewarden_beacon_node_up", "south"] == 0
    assert found["stakewarden_beacon_node_errors_total", "not_found", "south"] == 2
    assert ("stakewarden_beacon_node_lag_slots", "south") not in found
    assert (found["stakewarden_epochs_behind",], found["stakewarden_keys_incomplete", "lido"]) == (1, 1)
    declared = {f.name: {label.name: label.values for label in f.labels} for f in FAMILIES}
    for series in frame.layout.series:
        assert dict(series.labels).keys() == declared[series.family].keys()
        assert all(declared[series.family][k] is None or v in (declared[series.family][k] or ()) for k, v in series.labels)
    assert found["guardian_pause_decisions", "failed", "vault"] == 2
    assert found["guardian_pause_cause", "decision", "unknown", "vault"] == 3
    assert found["guardian_pause_cause_since_timestamp_seconds", "decision", "vault"] == 7
    assert found["guardian_sender_waiting_seconds", "0xA"] == 12
    assert is_unknown(np.array([found["guardian_sender_waiting_seconds", "0xB"]])).all(), "what was not counted is not none"
    assert {s.family for s in frame.layout.series} == {f.name for f in FAMILIES if f.kind != "event"}


def test_each_gap_is_one_event_also_when_it_is_found_twice() -> None:
    frame = own_frames(FACTS, Tick(stamp(9, 1_700_000_000), 1_700_000_024))
    assert [dict(e.series.labels) for e in frame.events] == [{"first": "5", "last": "7"}, {"first": "8", "last": "8"}]
    (declared,) = (f for f in FAMILIES if f.name == "stakewarden_state_gap")
    assert all(
        e.series.family == declared.name and {k for k, _ in e.series.labels} == {s.name for s in declared.labels} for e in frame.events
    )
    assert [e.id for e in frame.events] == ["stakewarden_state_gap/5/7", "stakewarden_state_gap/8/8"]


def test_a_tick_is_admitted_as_a_tick_and_read_at_the_last_block() -> None:
    tick = Tick(stamp(9, 1_700_000_000), 1_700_000_024)
    frame = own_frames(FACTS, tick)
    assert frame.admitted == tick
    assert frame.read_at == tick.last


def test_a_scope_that_never_had_a_frame_has_no_age() -> None:
    found = values(own_frames(OwnFacts((), None, (ScopeHealth("queue", "lido", None, False),)), stamp(9, 1_700_000_000)))
    assert found["stakewarden_blind", "queue", "lido"] == 1
    assert ("stakewarden_frame_age_seconds", "queue", "lido") not in found
    assert ("stakewarden_endpoints_agreeing_ratio",) not in found


def test_before_the_first_beacon_head_nothing_is_said_of_its_age() -> None:
    found = values(own_frames(OwnFacts((), None, (), beacon=BeaconFacts((), 0.0)), stamp(9, 1_700_000_000)))
    assert ("stakewarden_beacon_head_age_seconds",) not in found and ("stakewarden_epochs_behind",) not in found


def test_without_beacon_nodes_nothing_is_said_of_them() -> None:
    found = values(own_frames(OwnFacts((), None, ()), stamp(9, 1_700_000_000)))
    assert not [key for key in found if "beacon" in key[0]]
