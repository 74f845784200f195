"""Rules and alerts in the shape of Prometheus' API, so that Grafana's alert list shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.model import AlertInstance, RuleId, Verdict
from monitor.promql import written
from monitor.rules import Rule
from monitor.web.prom.feed import Judging


def alerts(judging: Judging) -> list[dict[str, Any]]:
    """All pending and firing instances."""
    return [_alert(instance) for instance in judging.live]


def groups(judging: Judging, kind: str = "") -> list[dict[str, Any]]:
    """Groups with their rules and the live alerts of each; ``kind`` alert or record leaves the others out."""
    verdicts = {v.rule: v for v in judging.verdicts}
    live: dict[RuleId, list[AlertInstance]] = {}
    for instance in judging.live:
        live.setdefault(instance.rule, []).append(instance)
    found: dict[tuple[str, str], list[Rule]] = {}
    for rule in judging.ruleset:
        if kind in ("", rule.kind):
            found.setdefault((rule.span.file, rule.group), []).append(rule)
    return [_group(judging, file, name, rules, verdicts, live) for (file, name), rules in found.items()]


def _group(
    judging: Judging, file: str, name: str, rules: list[Rule], verdicts: Mapping[RuleId, Verdict], live: Mapping[RuleId, list[AlertInstance]]
) -> dict[str, Any]:  # fmt: skip
    return {
        "name": name,
        "file": file,
        "rules": [_rule(judging, rule, verdicts.get(rule.id), live.get(rule.id, ())) for rule in rules],
        "interval": rules[0].interval_s or judging.block_seconds,
        "limit": rules[0].limit,
        "evaluationTime": 0,
        "lastEvaluation": _moment(judging.judged_at),
    }


def _rule(judging: Judging, rule: Rule, verdict: Verdict | None, live: Iterable[AlertInstance]) -> dict[str, Any]:
    """``health`` is unknown before the first judgement, and while a result is unknown."""
    health = "unknown" if verdict is None else "err" if verdict.error is not None else "unknown" if verdict.outcome == "unknown" else "ok"
    body: dict[str, Any] = {
        "name": rule.name,
        "query": written(rule.expr),
        "labels": {name: template.text for name, template in rule.labels},
        "health": health,
        "evaluationTime": 0,
        "lastEvaluation": _moment(judging.judged_at),
    }
    if verdict is not None and verdict.error is not None:
        body["lastError"] = verdict.error
    if rule.kind == "record":
        return body | {"type": "recording"}
    instances = list(live)
    state = "firing" if any(i.state == "firing" for i in instances) else "pending" if instances else "inactive"
    return body | {
        "type": "alerting",
        "state": state,
        "duration": rule.for_s,
        "keepFiringFor": rule.keep_firing_for_s,
        "annotations": {name: template.text for name, template in rule.annotations},
        "alerts": [_alert(i) for i in instances],
    }


def _alert(instance: AlertInstance) -> dict[str, Any]:
    return {
        "labels": dict(instance.labels),
        "annotations": dict(instance.annotations),
        "state": instance.state,
        "activeAt": _moment(instance.since.timestamp),
        "value": _exponent(instance.value),
    }


def _exponent(value: float) -> str:
    """Go's format ``e`` with the fewest digits, which Prometheus writes alerts' values in."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    return next(text for n in range(17) if float(text := f"{value:.{n}e}") == value)


def _moment(time: float | None) -> str:
    """RFC 3339; Go's zero time for never."""
    if time is None:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
