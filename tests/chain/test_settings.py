"""Wrong network settings are refused in words that name the endpoint and the remedy, never its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.chain import NetworkSettings
from monitor.chain.settings import MULTICALL3


def endpoint(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "url": f"https://{name}.example/v3/hunter2", **more}


def beacon(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"execution": [endpoint("a")], "beacon": nodes}


def network(*endpoints: dict[str, Any], **more: Any) -> NetworkSettings:
    return NetworkSettings.model_validate({"execution": endpoints, **more})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"execution": []}, "at least 1 item"),
        ({"execution": [endpoint("a"), endpoint("a", url="https://hunter2.example")]}, "two endpoints are named a"),
        ({"execution": [endpoint("a"), {**endpoint("a"), "name": "b"}]}, "endpoints a and b have the same URL"),
        ({"execution": [endpoint("a", url="ftp://hunter2")]}, "endpoint a: url must be http:// or https://"),
        ({"execution": [endpoint("a", url="https://h:hunter2")]}, "endpoint a: url must be"),
        ({"execution": [endpoint("a", ws_url="https://hunter2")]}, "endpoint a: ws_url must be ws:// or wss://"),
        ({"execution": [endpoint("a", url_file="/nowhere")]}, "give either url or url_file"),
        ({"execution": [{"name": "a"}]}, "give either url (in the environment"),
        ({"execution": [{"name": "a", "url_file": "/nowhere/hunter"}]}, "endpoint a: url_file /nowhere/hunter is not there"),
        ({"execution": [endpoint("a", urls="hunter2")]}, "urls"),
        ({"execution": [endpoint("a")], "multicall": "0x12"}, "is not an address"),
        ({"execution": [endpoint("a")], "block_seconds": 0}, "greater than 0"),
        (beacon(endpoint("b"), endpoint("b", url="https://hunter2.example")), "two beacon nodes are named b"),
        (beacon(endpoint("b"), {**endpoint("b"), "name": "c"}), "beacon nodes b and c have the same URL"),
        (beacon(endpoint("b", url="ws://hunter2")), "beacon node b: url must be http:// or https://"),
        (beacon(endpoint("b", url_file="/nowhere")), "give either url or url_file"),
        (beacon({"name": "b", "url_file": "/nowhere/hunter"}), "beacon node b: url_file /nowhere/hunter is not there"),
        (beacon(endpoint("b", ws_url="ws://hunter2")), "ws_url"),
        ({**beacon(endpoint("b")), "beacon_states": "hunter2"}, "'majority' or 'one'"),
        ({**beacon(endpoint("b")), "beacon_state_seconds": 1e9}, "less than or equal to 1200"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NetworkSettings.model_validate(settings)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_url_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://hunter2.example/key\n")
    made = network({"name": "a", "url_file": str(file), "headers": {"authorization": "hunter2"}})
    assert made.execution[0].http == "https://hunter2.example/key"
    assert "hunter2" not in repr(made)


def test_weak_sets_are_warned_of() -> None:
    assert "whatever it says is believed" in network(endpoint("a")).warnings()[0]
    assert "odd number" in network(endpoint("a"), endpoint("b")).warnings()[0]
    same = network(endpoint("a", operator="o"), endpoint("b", operator="o"), endpoint("c"))
    assert "3 execution endpoints but 2 operators" in same.warnings()[0]
    assert network(endpoint("a"), endpoint("b"), endpoint("c")).warnings() == []


def test_weak_sets_of_beacon_nodes_are_warned_of() -> None:
    a, b, c = endpoint("a"), endpoint("b"), endpoint("c")
    assert network(a).beacon_warnings() == []
    assert "one beacon node: whatever it says is believed" in network(a, beacon=[a]).beacon_warnings()[0]
    assert "2 beacon nodes stand no more faults than 1" in network(a, beacon=[a, b]).beacon_warnings()[0]
    same = network(a, beacon=[endpoint("a", operator="o"), endpoint("b", operator="o"), c]).beacon_warnings()
    assert same == ["3 beacon nodes but 2 operators: nodes of one operator fail and err together"]
    assert network(a, beacon=[a, b, c]).beacon_warnings() == []
    assert "a single node" in network(a, beacon=[a, b, c], beacon_states="one").beacon_warnings()[0]


def test_defaults_are_mainnets() -> None:
    made = network(endpoint("a"), endpoint("b"), endpoint("c"))
    assert (made.chain_id, made.slot_seconds, made.genesis_time, made.multicall_address) == (1, 12, 1606824023, MULTICALL3)
    assert made.execution[0].run_by == "a"
