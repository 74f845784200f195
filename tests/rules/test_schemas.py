"""The schemas that editors read say what our loaders say: the same keys, and no red line under what is right."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from monitor.alerts import routes
from monitor.alerts.matchers import BadMatcher, parse_matcher
from monitor.catalogue import SHIPPED as FAMILIES
from monitor.catalogue import Catalogue
from monitor.collectors import baseline
from monitor.guardian import policy
from monitor.guardian.policy import cases, incidents
from monitor.guardian.policy import file as policy_file
from monitor.model import Zone
from monitor.protocols.entries import BadEntry
from monitor.rules import files, from_sources, unit_test_files
from monitor.rules.check import REQUIRED_ANNOTATIONS, REQUIRED_LABELS, check, fits
from monitor.rules.document import parse_duration
from monitor.rules.problems import RuleFileErrors

ROOT = Path(__file__).parents[2]
SCHEMAS = {p.name.removesuffix(".schema.json"): json.loads(p.read_text()) for p in sorted((ROOT / "rules/schemas").glob("*.json"))}
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
SHIPPED = sorted((ROOT / "rules").rglob("*.yaml"))
LINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")
ACCOUNT = "0x3e40D73EB977Dc6a537aF587D48316feE66E9C8c"


def as_editors_read(text: str) -> Any:
    """Keys are text, as they are in JSON."""

    def keys(node: Any) -> Any:
        if isinstance(node, dict):
            return {str(k): keys(v) for k, v in node.items()}
        return [keys(item) for item in node] if isinstance(node, list) else node

    return keys(yaml.load(text, Loader=yaml.CSafeLoader))


# ---------------------------------------------------------------- shipped files


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_says_what_each_key_means(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    for where, schema in objects(SCHEMAS[name]):
        for key, value in schema["properties"].items():
            assert value is False or value.get("description"), f"{where}.{key}"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_a_shipped_file_names_its_schema_and_fits_it(path: Path) -> None:
    text = path.read_text()
    line = LINE.match(text)
    assert line is not None, "the first line names no schema"
    schema = (path.parent / line[1]).resolve()
    assert schema.parent == ROOT / "rules/schemas"
    said = as_editors_read(text)
    assert [f"{e.json_path}: {e.message}" for e in VALIDATORS[schema.name.removesuffix(".schema.json")].iter_errors(said)] == []
    # The right one: no other schema takes the file.
    assert sum(v.is_valid(said) for v in VALIDATORS.values()) == 1


# ---------------------------------------------------------------- keys


def objects(schema: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """The parts of a schema that list keys."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False and "properties" in schema:
            yield where, schema
        for key, value in schema.items():
            yield from objects(value, f"{where}.{key}" if where else key)


RECEIVING = set(routes.ROUTE_KEYS) - {"matchers", "continue"}
"""The root takes every alert, so these two are refused there."""
KEYS: dict[str, dict[str, set[str]]] = {
    "rules": {
        "": set(files.FILE_KEYS),
        "$defs.group": set(files.GROUP_KEYS),
        "$defs.rule": set(files.RULE_KEYS),
        "$defs.labels": set(REQUIRED_LABELS),
        "$defs.annotations": {*REQUIRED_ANNOTATIONS, *files.OWN_ANNOTATIONS},
    },
    "routes": {
        "": set(routes.FILE_KEYS),
        "$defs.root": RECEIVING,
        "$defs.route": set(routes.ROUTE_KEYS),
        "$defs.inhibition": set(routes.INHIBIT_KEYS),
    },
    "responses": {
        "": set(policy.FILE_KEYS),
        "$defs.response": set(policy.KEYS),
        "$defs.response.properties.earned": set(policy_file.EARNED_KEYS),
        "$defs.response.properties.incidents": set(policy_file.INCIDENTS_KEYS),
    },
    "incident": {
        "": set(incidents.FILE_KEYS),
        "$defs.series": set(incidents.SERIES_KEYS),
        "$defs.state": set(incidents.CHAIN_KEYS),
        "$defs.blindness": set(incidents.BLIND_KEYS),
        "$defs.judgement": set(incidents.PAUSE_KEYS),
    },
    "responses-tests": {
        "": set(cases.FILE_KEYS),
        "$defs.test": set(cases.TEST_KEYS),
        "$defs.case": set(cases.CASE_KEYS),
        "$defs.input_series": set(unit_test_files.INPUT_KEYS),
    },
    "baseline": {
        "": set(baseline.FILE_KEYS),
        "$defs.contract": set(baseline.CONTRACT_KEYS),
        "$defs.contract.properties.proxy": set(baseline.PROXY_KEYS),
        "$defs.holder": set(baseline.HOLDER_KEYS),
    },
    "rule-tests": {
        "": set(unit_test_files.FILE_KEYS),
        "$defs.test": set(unit_test_files.TEST_KEYS),
        "$defs.input_series": set(unit_test_files.INPUT_KEYS),
        "$defs.alert_test": set(unit_test_files.ALERT_KEYS),
        "$defs.expected_alert": set(unit_test_files.EXPECTED_ALERT_KEYS),
        "$defs.expression_test": set(unit_test_files.EXPRESSION_KEYS),
        "$defs.expected_sample": set(unit_test_files.EXPECTED_SAMPLE_KEYS),
    },
}


def test_the_schemas_have_the_loaders_keys_and_no_other() -> None:
    assert {name: {where: set(part["properties"]) for where, part in objects(schema)} for name, schema in SCHEMAS.items()} == KEYS


def test_the_closed_sets_are_those_of_the_loaders() -> None:
    labels = SCHEMAS["rules"]["$defs"]["labels"]["properties"]
    assert {name: tuple(labels[name]["anyOf"][0]["enum"]) for name in labels} == dict(REQUIRED_LABELS)
    assert tuple(labels["zone"]["anyOf"][0]["enum"]) == get_args(Zone)
    annotations = SCHEMAS["rules"]["$defs"]["annotations"]
    assert tuple(annotations["properties"]["stakewarden_no_data"]["enum"]) == files.NO_DATA
    assert tuple(annotations["required"]) == REQUIRED_ANNOTATIONS
    assert tuple(SCHEMAS["responses"]["$defs"]["response"]["properties"]["mode"]["enum"]) == get_args(policy.Mode)
    case = SCHEMAS["responses-tests"]["$defs"]["case"]["properties"]
    assert tuple(case["outcome"]["enum"]) == cases.OUTCOMES and tuple(case["heads"]["enum"]) == tuple(cases.HEADS)
    assert set(SCHEMAS["responses"]["$defs"]["response"]["required"]) == set(policy.REQUIRED)
    incident, parts = SCHEMAS["incident"]["properties"], SCHEMAS["incident"]["$defs"]
    assert tuple(incident["record"]["enum"]) == get_args(incidents.Record)
    assert tuple(parts["series"]["properties"]["basis"]["enum"]) == get_args(incidents.Basis)
    assert tuple(parts["judgement"]["properties"]["verdict"]["enum"]) == get_args(incidents.Verdict)
    assert parts["state"]["properties"]["agreed"]["items"]["enum"] == list(incidents.ENDPOINTS)
    assert (SCHEMAS["incident"]["required"], parts["judgement"]["required"]) == (list(incidents.REQUIRED), list(incidents.PAUSE_REQUIRED))


# ---------------------------------------------------------------- the loaders' verdict, and the schema's


def take_rules(text: str, _: Path) -> None:
    problems = check(from_sources({"r.yaml": text}), Catalogue(FAMILIES))
    if not fits(problems):
        raise RuleFileErrors(problems)


def take_unit_tests(text: str, folder: Path) -> None:
    (folder / "r.yaml").touch()
    path = folder / "r.test.yaml"
    path.write_text(text)
    unit_test_files.read_test_file(path)


def take_cases(text: str, folder: Path) -> None:
    (folder / "r.yaml").write_text("groups: []")
    (folder / "responses.yaml").write_text(POLICY)
    path = folder / "responses.test.yaml"
    path.write_text(text)
    cases.read_cases(path)


def take_incident(text: str, folder: Path) -> None:
    path = folder / "incident.yaml"
    path.write_text(text)
    incidents.read_incident(path)


LOADERS: dict[str, Callable[[str, Path], object]] = {
    "rules": take_rules,
    "routes": lambda text, _: routes.parse_routes(text, ["slack", "pager", "x", "5", "0"]),
    "responses": lambda text, _: policy.parse_policy(text, {"vault": "pauseFor"}, {"a": "one", "b": "two", "c": "three"}),
    "responses-tests": take_cases,
    "incident": take_incident,
    "baseline": lambda text, _: baseline.parse(text),
    "rule-tests": take_unit_tests,
}
SAID = {"summary": "s", "description": "d", "runbook_url": "r", "stakewarden_owner": "o", "stakewarden_reason": "w"}
ALERT = {
    "alert": "A",
    "expr": 'role_holders_unapproved{protocol="lido"} > 0',
    "for": "5m",
    "keep_firing_for": "1h30m",
    "labels": {"severity": "page", "zone": "governance", "more": "{{ $labels.role }}"},
    "annotations": {**SAID, "stakewarden_no_data": "alert", "extra": "e"},
}
RECORD = {"record": "lido:queue_ether:sum", "expr": "sum(queue_unfinalized_ether)", "labels": {"of": "lido"}}
BELOW = {
    "receiver": ["slack", "pager"],
    "matchers": ['severity="page"', "protocol=~l.*"],
    "group_by": ["..."],
    "group_wait": "0s",
    "group_interval": "1s",
    "repeat_interval": "1h",
    "fallback": [],
    "fallback_after": "2m",
    "continue": True,
    "routes": [{"matchers": ['zone!="monitor"']}],
}
WHOLE: dict[str, Any] = {
    "rules": {"groups": [{"name": "g", "interval": "1m", "limit": 5, "labels": {"team": "a"}, "rules": [ALERT, RECORD]}]},
    "routes": {
        "route": {
            "receiver": "slack",
            "group_by": ["alertname", "protocol"],
            **{k: BELOW[k] for k in ("group_wait", "group_interval", "repeat_interval", "fallback_after")},
            "fallback": "pager",
            "routes": [BELOW],
        },
        "inhibit_rules": [{"source_matchers": ['a="b"'], "target_matchers": ['c=~"d|e"'], "equal": ["protocol"]}],
    },
    "responses": {
        "responses": [
            {
                "name": "n",
                "matchers": ['alertname="A"', 'protocol="lido"'],
                "target": "vault",
                "mode": "automatic",
                "owner": "risk",
                "reason": "why",
                "agreement": 2,
                "second": 'role_holders_unapproved{protocol="lido"} > 0',
                "hold": "2 blocks",
                "earned": {"report": "r.json", "sha256": "00"},
                "incidents": {"cause": "c", "target": "t"},
            },
            {
                "name": "m",
                "matchers": ['alertname="A"'],
                "target": "vault",
                "mode": "shadow",
                "owner": "risk",
                "reason": "why",
                "second": 'role_holders_unapproved{protocol="lido"} > 0',
                "earned": {"replay": "r.json", "sha256": "00", "library": "../incidents"},
            },
        ]
    },
    "incident": {
        "title": "t",
        "date": "2022-12-02",
        "record": "past",
        "what": "w",
        "measured": ["m"],
        "reconstructed": ["r"],
        "sources": ["s"],
        "interval": "12s",
        "begins": "24s",
        "series": [{"series": 'role_holders_unapproved{protocol="lido"}', "values": "0 1x3 _ stale", "basis": "derived"}],
        "chain": [{"from": "12s", "finality": 3, "heads": "unknown", "agreed": ["alpha"]}],
        "blind": [{"family": "queue_unfinalized_ether", "from": "0", "to": "1m"}],
        "pause": [
            {"target": "integrator", "cause": "unbacked-mint", "verdict": "right", "until": "1h", "reason": "r"},
            {"target": "protocol", "verdict": "wrong", "reason": "r"},
        ],
    },
    "responses-tests": {
        "responses": "responses.yaml",
        "rule_files": ["r.yaml"],
        # Any two of them are enough for the agreement that the responses ask for.
        "endpoints": {"a": "one", "b": "two", "c": "three"},
        "tests": [
            {
                "name": "t",
                "interval": "12s",
                "input_series": [{"series": 'role_holders_unapproved{protocol="lido"}', "values": "0 1x3 _ stale"}],
                "cases": [{"at": "24s", "response": "n", "agreed": [], "finality": 2, "heads": "agree", "outcome": "pause", "reason": "r"}],
            }
        ],
    },
    "baseline": {
        "version": 1,
        "networks": {
            "1": {
                "lido": {
                    "queue": {"proxy": {"implementation": ACCOUNT, "admin": ACCOUNT}, "roles": {"R": [{"account": ACCOUNT, "note": "a"}]}}
                }
            }
        },
    },
    "rule-tests": {
        "rule_files": ["r.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": ["g"],
        "tests": [
            {
                "name": "t",
                "interval": "30s",
                "input_series": [{"series": 'up{a="b"}', "values": "1 2x3 _ stale"}],
                "alert_rule_test": [
                    {"eval_time": "1m", "alertname": "A", "exp_alerts": [{"exp_labels": {"a": "b"}, "exp_annotations": {"s": "t"}}]}
                ],
                "promql_expr_test": [{"expr": "up", "eval_time": "0", "exp_samples": [{"labels": 'up{a="b"}', "value": 1}]}],
                "external_labels": {"a": "b"},
                "external_url": "u",
            }
        ],
    },
}
POLICY = yaml.safe_dump({"responses": WHOLE["responses"]["responses"][:1]})
FAULTS = (RuleFileErrors, routes.BadRoutes, policy.BadPolicy, BadEntry)


def verdicts(name: str, said: Any, folder: Path) -> tuple[bool, bool]:
    """Whether the loader takes it, and whether the schema does."""
    text = yaml.dump(said, Dumper=yaml.CSafeDumper, sort_keys=False)
    try:
        LOADERS[name](text, folder)
        taken = True
    except FAULTS:
        taken = False
    return taken, VALIDATORS[name].is_valid(as_editors_read(text))


def parts(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values below."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*way, key)
        yield from parts(value, (*way, key))


def holder_of(said: Any, way: tuple[Any, ...]) -> Any:
    for key in way[:-1]:
        said = said[key]
    return said


@pytest.mark.parametrize("name", LOADERS)
def test_every_key_is_tried_and_taken(name: str, tmp_path: Path) -> None:
    assert verdicts(name, WHOLE[name], tmp_path) == (True, True)
    used = {key for way in parts(WHOLE[name]) for key in way if isinstance(key, str)}
    assert set().union(*KEYS[name].values()) <= used


@pytest.mark.parametrize("name", LOADERS)
def test_a_misspelt_or_forgotten_key_is_refused_by_both_or_by_neither(name: str, tmp_path: Path) -> None:
    refused = 0
    for way in parts(WHOLE[name]):
        if not isinstance(way[-1], str):
            continue
        for new in (None, f"{way[-1]}-", way[-1][:-1]):
            said = copy.deepcopy(WHOLE[name])
            holder = holder_of(said, way)
            value = holder.pop(way[-1])
            if new:
                holder[new] = value
            taken, fit = verdicts(name, said, tmp_path)
            assert taken == fit, (way, new)
            refused += not taken
    assert refused > len(set().union(*KEYS[name].values()))


def test_a_group_may_set_the_required_labels_for_its_rules(tmp_path: Path) -> None:
    said = copy.deepcopy(WHOLE["rules"])
    (group,) = said["groups"]
    group["labels"] = {name: group["rules"][0]["labels"].pop(name) for name in REQUIRED_LABELS}
    assert verdicts("rules", said, tmp_path) == (True, True)


@pytest.mark.parametrize("name", LOADERS)
def test_what_the_schema_refuses_the_loader_refuses(name: str, tmp_path: Path) -> None:
    """An editor must not underline what runs. The other way round, much needs more than a schema: metrics, receivers, checksums."""
    agreed = 0
    for way in parts(WHOLE[name]):
        for value in (
            None,
            "",
            " ",
            "x",
            "5",
            0,
            5,
            -1,
            1.5,
            True,
            [],
            ["x"],
            [None],
            {},
            {"x": "y"},
            [[]],
            "0s",
            "1500ms",
            "2000ms",
            "4x",
        ):
            said = copy.deepcopy(WHOLE[name])
            holder_of(said, way)[way[-1]] = value
            taken, fit = verdicts(name, said, tmp_path)
            assert fit or not taken, (way, value)
            agreed += not fit
    assert agreed > 100


# ---------------------------------------------------------------- patterns

DURATIONS = [SCHEMAS[name]["$defs"]["duration"] for name in ("rules", "routes", "rule-tests")]
POSITIVE = SCHEMAS["rule-tests"]["$defs"]["positive"]
UNITS = ("y", "w", "d", "h", "m", "s", "ms")
number = st.sampled_from(["", "0", "00", "1", "9", "10", "250", "1000", "01000", "9" * 12])
built = st.tuples(*[number] * len(UNITS)).map(lambda ns: "".join(n + u for n, u in zip(ns, UNITS, strict=True) if n))


@given(built | st.text("0123456789ywdhms -.+٣", max_size=6))
def test_a_duration_is_one_to_the_schema_when_it_is_to_us(text: str) -> None:
    ms = parse_duration(text)
    whole = ms is not None and ms % 1000 == 0
    assert [Draft202012Validator(d).is_valid(text) for d in DURATIONS] == [whole] * 3
    assert Draft202012Validator(POSITIVE).is_valid(text) == (whole and bool(ms))


@given(st.text('ab1_ ="~!\\,{é', max_size=12) | st.text('b ="~!\\,', max_size=6).map(lambda t: f"a={t}"))
def test_a_matcher_is_one_to_the_schema_when_it_is_to_us(text: str) -> None:
    try:
        parse_matcher(text)
        taken = True
    except BadMatcher as error:
        taken = "regular expression" in error.why  # RE2 is no matter for a schema
    for name in ("routes", "responses"):
        assert Draft202012Validator(SCHEMAS[name]["$defs"]["matcher"]).is_valid(text) == taken
