"""Recording rules as sources of families: what they record, in which order, and how long the window must remember."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Family, LabelSpec, Zone, labels
from monitor.promql import selectors, spans
from monitor.rules.files import Rule, RuleSet
from monitor.rules.shapes import output_labels
from monitor.samples import Source, recorded_scope, recorder

FRESH_FOR = 60
"""Seconds for which a recorded value speaks: as the block families that it is made of."""


def in_dependency_order(rules: RuleSet) -> tuple[Rule, ...]:
    """Recording rules, each after those whose series it reads; else in file order. Rules in a cycle come last (check refuses them)."""
    waiting = list(rules.recordings)
    names = {rule.name for rule in waiting}
    done: list[Rule] = []
    while waiting:
        open_names = {rule.name for rule in waiting}
        ready = [r for r in waiting if not (reads(r) & open_names & names)]
        if not ready:
            return (*done, *waiting)
        done += ready
        waiting = [r for r in waiting if r not in ready]
    return tuple(done)


def reads(rule: Rule) -> frozenset[str]:
    """Names of the families that the rule's expression reads."""
    return frozenset(s.selector.family for s in selectors(rule.expr))


def cycles(rules: RuleSet) -> list[Rule]:
    """Recording rules that need their own result, directly or through others."""
    needs = {
        name: frozenset[str]().union(*(reads(r) for r in rules.recordings if r.name == name)) for name in {r.name for r in rules.recordings}
    }
    return [rule for rule in rules.recordings if rule.name in _reachable(rule.name, needs)]


def _reachable(start: str, needs: Mapping[str, frozenset[str]]) -> set[str]:
    found: set[str] = set()
    pending = list(needs.get(start, ()))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += needs.get(name, ())
    return found


def recorded_families(rules: RuleSet, catalogue: Catalogue) -> tuple[Family, ...]:
    """A family for each recorded name, to extend the catalogue with; names that the catalogue has are left out (check reports them)."""
    known = catalogue
    found: dict[str, Family] = {}
    for rule in in_dependency_order(rules):
        if rule.name in known or rule.name in found:
            continue
        of = [known[name] for name in reads(rule) if name in known]
        family = _family(rule, of, output_labels(rule.expr, known))
        found[rule.name] = family
        known = known.extended([family])
    return tuple(found.values())


def _family(rule: Rule, of: Iterable[Family], names: frozenset[str] | None) -> Family:
    inputs = list(of)
    zones = {f.zone for f in inputs}
    zone: Zone = "monitor" if zones <= {"monitor"} else sorted(zones - {"monitor"})[0]
    specs = {spec.name: spec for family in inputs for spec in family.labels}
    own = {name: LabelSpec(name, "Set by the recording rule.", (template.text,)) for name, template in rule.labels}
    kept = specs if names is None else {n: specs.get(n, LabelSpec(n, "Made by the expression.")) for n in sorted(names)}
    return Family(
        rule.name, "gauge", "", zone, tuple({**kept, **own}.values()), f"Recorded by {rule.id}: {rule.text.strip()}", fresh_for=FRESH_FOR
    )


def recording_sources(rules: RuleSet) -> tuple[Source, ...]:
    """The window's sources of the recording rules."""
    return tuple(Source(recorder(r.id), (r.name,), (recorded_scope(r.name, _static(r)),)) for r in rules.recordings)


def _static(rule: Rule) -> tuple[tuple[str, str], ...]:
    return labels({name: template.text for name, template in rule.labels})


def keep_seconds(rules: RuleSet) -> dict[str, int]:
    """By family, the seconds into the past that the rules look: the longest range plus offset."""
    found: dict[str, int] = {}
    for family, seconds in _spans(rules):
        found[family] = max(found.get(family, 0), seconds)
    return found


def _spans(rules: RuleSet) -> Iterator[tuple[str, int]]:
    for rule in rules:
        for select, seconds in spans(rule.expr):
            yield select.selector.family, max(seconds, 0)
