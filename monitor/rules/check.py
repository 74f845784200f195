"""Checks of a rule set before it runs: what would never fire, never resolve, or leave the reader at 3 a.m. without help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from monitor.catalogue.catalogue import Catalogue, nearest
from monitor.model import Labels, Zone
from monitor.promql import selectors
from monitor.rules.check_expression import ExpressionCheck
from monitor.rules.files import Rule, RuleSet
from monitor.rules.problems import Level, Problem, in_order
from monitor.rules.recording import cycles, recorded_families
from monitor.rules.shapes import output_labels

SEVERITIES = ("page", "ticket", "info")
ZONES: tuple[str, ...] = get_args(Zone)
REQUIRED_LABELS: Mapping[str, tuple[str, ...]] = {"severity": SEVERITIES, "zone": ZONES}
"""Labels that every alert has, with their values."""
REQUIRED_ANNOTATIONS = ("summary", "description", "runbook_url", "stakewarden_owner", "stakewarden_reason")


def check(rules: RuleSet, catalogue: Catalogue, cadences: Mapping[str, int] | None = None, block_seconds: int = 12) -> list[Problem]:
    """All that is wrong with the rules: errors forbid their use, warnings do not.

    ``catalogue`` without the recorded families. ``cadences``: seconds between frames, for families whose collector is set
    otherwise than the catalogue says; ``block_seconds``: the chain's slot time.
    """
    known = catalogue.extended(recorded_families(rules, catalogue))
    found: list[Problem] = []
    for rule in rules:
        expression = ExpressionCheck(rule, known, cadences or {}, block_seconds)
        found += expression.problems()
        if rule.kind == "alert":
            found += _texts(rule, known)
            found += _times(rule, known, expression)
    return in_order([*found, *_recordings(rules, catalogue), *_duplicates(rules)])


# ---------------------------------------------------------------- alerts


def _texts(rule: Rule, catalogue: Catalogue) -> Iterator[Problem]:
    templates = {**{f"labels.{n}": t for n, t in rule.labels}, **{f"annotations.{n}": t for n, t in rule.annotations}}
    for name, values in REQUIRED_LABELS.items():
        template = templates.get(f"labels.{name}")
        if template is None or not template.text:
            yield _problem(rule, "", "missing-label", f'the alert {rule.name} has no label "{name}"', f"one of {', '.join(values)}")
        elif template.constant and template.text not in values:
            near = nearest(template.text, values)
            yield _problem(rule, f"labels.{name}", "unknown-value", f'{name} is "{template.text}"', f"one of {', '.join(values)}", near)
    for name in REQUIRED_ANNOTATIONS:
        if not (rule.annotation(name) or "").strip():
            yield _problem(rule, "", "missing-annotation", f'the alert {rule.name} has no annotation "{name}"', _WHAT[name])
    labels = output_labels(rule.expr, catalogue)
    for part, template in templates.items():
        for used in template.labels_used():
            if labels is not None and used.field not in labels:
                have = f"one of {', '.join(sorted(labels))}" if labels else "no label: the result has none"
                near = nearest(used.field or "", labels)
                yield _problem(rule, part, "unknown-label", f'the result has no label "{used.field}"', have, near, offset=used.offset)


_WHAT = {
    "summary": "one line that says what is wrong",
    "description": "what it means, with numbers",
    "runbook_url": "where the reader finds what to do",
    "stakewarden_owner": "the team that answers",
    "stakewarden_reason": "why the threshold is what it is",
}


def _times(rule: Rule, catalogue: Catalogue, expression: ExpressionCheck) -> Iterator[Problem]:
    families = [catalogue[s.selector.family] for s in selectors(rule.expr) if s.selector.family in catalogue]
    if not families:
        return
    slowest = max(expression.cadence(f) for f in families)
    step = max(rule.interval_s, expression.block_seconds)
    for part, seconds in (("for", rule.for_s), ("keep_firing_for", rule.keep_firing_for_s)):
        if 0 < seconds < step:
            found = f"{part} is {seconds} s, but the rule is judged every {step} s"
            yield _problem(rule, part, "short-time", found, f"0, or at least {step} s", level="warning")
        elif part == "for" and 0 < seconds < slowest:
            found = f"for is {seconds} s, but what it reads comes every {slowest} s"
            yield _problem(rule, part, "short-time", found, f"0, or at least {slowest} s: one reading would be enough", level="warning")
    shown = [f.visible_for or 0 for f in families if f.kind == "event"]
    if len(shown) == len(families) and rule.for_s >= min(shown) and all(s.seconds is None for s in selectors(rule.expr)):
        yield _problem(
            rule,
            "for",
            "never-fires",
            f"for is {rule.for_s} s, but the event is seen for {min(shown)} s only",
            "no for: an event is true at once",
        )


# ---------------------------------------------------------------- between rules


def _recordings(rules: RuleSet, catalogue: Catalogue) -> Iterator[Problem]:
    for rule in cycles(rules):
        yield _problem(
            rule, "expr", "cycle", f"{rule.name} needs its own result, directly or through other rules", "rules that need only earlier ones"
        )
    for rule in rules.recordings:
        if rule.name in catalogue:
            yield _problem(
                rule, "record", "taken-name", f"{rule.name} is a metric of the catalogue", "a name of its own, such as lido:queue_ether:sum"
            )
        elif ":" not in rule.name:
            wanted = "level:metric:operation, such as lido:queue_ether:sum"
            yield _problem(rule, "record", "record-name", f"the recorded name {rule.name} has no colon", wanted, level="warning")
        for name, template in rule.labels:
            if not template.constant:
                yield _problem(rule, f"labels.{name}", "not-for-records", "a label of a recording rule is no template", "plain text")


def _duplicates(rules: RuleSet) -> Iterator[Problem]:
    seen: dict[tuple[str, str, Labels], Rule] = {}
    for rule in rules:
        key = (rule.kind, rule.name, tuple((n, t.text) for n, t in rule.labels))
        first = seen.setdefault(key, rule)
        if first is not rule:
            where = f"{first.span.file}:{first.span.line}"
            yield _problem(
                rule,
                rule.kind,
                "duplicate",
                f"{rule.kind} {rule.name} with the same labels is also at {where}",
                "another name or other labels",
            )


def _problem(
    rule: Rule,
    part: str,
    code: str,
    found: str,
    expected: str | None = None,
    near: str | None = None,
    *,
    level: Level = "error",
    offset: int = 0,
) -> Problem:
    return Problem(rule.places.span(part, offset), code, found, expected, near, level, rule.id)


def fits(problems: Iterable[Problem]) -> bool:
    """Whether the rules may be used: no errors among the problems."""
    return not any(p.level == "error" for p in problems)
