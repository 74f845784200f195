"""Checking a decision offline: from the document, the files and the program alone, with no endpoint and no clock.

The rule, the response and the baseline must be those that the document names; what the contracts returned is decoded by the very collectors, and
must give the samples in the document; both conditions are evaluated on these samples; what comes out must be the verdict in the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.catalogue import SHIPPED, Catalogue
from monitor.guardian import inputs
from monitor.guardian.deciding import MAX_GAP, Ground
from monitor.guardian.decision import NotCanonical, digest, number_text, opened
from monitor.guardian.policy.conditions import Conditions, held, minimum, written
from monitor.guardian.policy.earned import conditions as conditions_digest
from monitor.guardian.policy.model import CRITICAL, Policy, Response, text_hash
from monitor.guardian.tape import NotOnTape, Player
from monitor.model import Labels, Series
from monitor.model import labels as sorted_labels
from monitor.promql import selectors
from monitor.rules.files import Rule, RuleSet
from monitor.rules.judge import final_labels
from monitor.rules.templates import Context, RenderError
from monitor.samples import NAME


@dataclass(frozen=True, slots=True)
class Verified:
    """What a sound document says."""

    digest: str
    target: str
    response: str
    rule: str
    block: int
    block_hash: str
    inputs: int
    samples: int


class NotVerified(Exception):
    """The document does not follow from what it names; ``reasons`` in the order of the checks."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


def verify(document: bytes, ground: Ground, rules: RuleSet, policy: Policy) -> Verified:
    """Recompute a decision. Raises NotVerified with all that does not hold."""
    try:
        body = opened(document)
    except NotCanonical as wrong:
        raise NotVerified((str(wrong),)) from None
    try:
        reasons = tuple(_Check(body, ground, rules, policy).reasons())
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as wrong:
        raise NotVerified((f"the document is not well formed: {type(wrong).__name__}: {wrong}",)) from None
    if reasons:
        raise NotVerified(reasons)
    return Verified(
        "0x" + digest(document).hex(), body["target"]["name"], body["response"]["name"], body["rule"]["id"], body["block"]["number"],
        body["block"]["hash"], len(body["inputs"]), sum(len(entry["rows"]) for entry in body["samples"]),
    )  # fmt: skip


KEYS = frozenset(
    [
        "version",
        "chain",
        "guardian",
        "target",
        "block",
        "response",
        "rule",
        "policy",
        "baseline",
        "alert",
        "element",
        "hold",
        "points",
        "samples",
        "collectors",
        "inputs",
        "logs",
        "memory",
        "verdict",
    ]
)


@dataclass(frozen=True)
class _Check:
    body: Mapping[str, Any]
    ground: Ground
    rules: RuleSet
    policy: Policy

    def reasons(self) -> Iterator[str]:
        yield from self._shape()
        response = next((r for r in self.policy.responses if r.name == self.body["response"]["name"]), None)
        rule = next((r for r in self.rules.alerts if r.id == self.body["rule"]["id"]), None)
        yield from self._place()
        if response is None or response.second is None:
            yield f"the policy has no response {self.body['response']['name']} with a second condition"
        if rule is None:
            yield f"there is no rule {self.body['rule']['id']}"
        if response is None or rule is None or response.second is None:
            return
        yield from self._texts(rule, response)
        yield from self._alert(rule, response)
        tape = Player.of(self.body["samples"])
        if tape.written() != self.body["samples"]:
            yield "samples: they are not written as they are recorded"
        yield from tape.strangers()
        yield from self._samples(tape)
        yield from self._conditions(tape, rule, response)

    def _shape(self) -> Iterator[str]:
        if found := sorted(self.body.keys() ^ KEYS):
            yield f"the document's keys are not those of a decision: {', '.join(found)}"
        if self.body["verdict"] != "pause":
            yield f"the verdict is {self.body['verdict']!r}"

    def _place(self) -> Iterator[str]:
        target = self.body["target"]
        yield from _same("chain", self.body["chain"], self.ground.chain)
        yield from _same("guardian", self.body["guardian"], self.ground.guardian)
        yield from _same(f"target {target['name']}", target, {"name": target["name"], "address": self.ground.targets.get(target["name"])})

    def _texts(self, rule: Rule, response: Response) -> Iterator[str]:
        assert response.second is not None
        said = {"id": rule.id, "expr": rule.text, "identity": rule.identity, "text": text_hash(rule.places.document.text)}
        yield from _same("rule", self.body["rule"], said)
        own = {"name": response.name, "second": response.second.text, "conditions": conditions_digest(response)}
        yield from _same("response", self.body["response"], own)
        yield from _same("policy", self.body["policy"], self.policy.hash)
        yield from _same("baseline", self.body["baseline"], text_hash(self.ground.baseline))

    def _alert(self, rule: Rule, response: Response) -> Iterator[str]:
        labels, element = sorted_labels(self.body["alert"]), sorted_labels(self.body["element"])
        value = float(self.body["points"][-1][1])
        try:
            yield from _same("alert", dict(labels), dict(final_labels(rule, Context({k: v for k, v in element if k != NAME}, value))))
        except RenderError as wrong:
            yield f"the alert's labels cannot be made: {wrong}"
        first = [r.name for r in self.policy.first_per_target(labels) if r.target == self.body["target"]["name"]]
        yield from _same("response to this alert", first, [response.name])
        if dict(labels).get("severity") not in CRITICAL:
            yield f"the alert's severity is {dict(labels).get('severity')}"

    def _samples(self, tape: Player) -> Iterator[str]:
        """What the contracts returned gives the samples of the block; only events that were logged in earlier blocks are taken as they are."""
        at = inputs.stamp_of(self.body["block"])
        yield from _same("block", self.body["block"], inputs.stamp_body(at))
        named = set(self.body["collectors"])
        ours = [c for c in self.ground.collectors if c.name in named]
        snapshot, memory = inputs.snapshot_of(self.body, at), self.body["memory"]
        found = inputs.decode(ours, snapshot, memory)
        samples = tape.at(at.timestamp)
        carried = {s for s in samples if _is_event(s.family) and s not in found}
        needed = {s: v for s, v in samples.items() if s not in carried}
        for series, value in needed.items():
            if not inputs.same({series: value}, found):
                yield f"{_shown(series)} is {number_text(value)} in the document, {_told(found, series)} by what the contracts returned"
        if any(samples[s] != 1.0 for s in carried):
            yield "an event has another value than 1"
        least = inputs.reduced(ours, snapshot, memory, needed)
        for part in ("collectors", "inputs", "logs", "memory"):
            if self.body[part] != least[part]:
                yield f"{part}: the document holds something that its samples do not rest on"

    def _conditions(self, tape: Player, rule: Rule, response: Response) -> Iterator[str]:
        assert response.second is not None
        pair = Conditions(rule.expr, sorted_labels(self.body["element"]), sorted_labels(self.body["alert"]), response.second.expr)
        times = [int(p[0]) for p in self.body["points"]]
        try:
            points = [pair.at(tape, time) for time in times]
        except NotOnTape as lacking:
            yield str(lacking.args[0])
            return
        if sorted(set(times)) != times or not times or times[-1] != self.body["block"]["timestamp"]:
            yield "the times of the conditions do not end with the block"
        for point, said in zip(points, self.body["points"], strict=True):
            yield from _same(f"conditions at {point.at}", said, written(point))
        names = {s.selector.family for expr in (rule.expr, response.second.expr) for s in selectors(expr)}
        families = [f for f in SHIPPED if f.name in names]
        wanted = minimum({f.name: f.zone for f in families}, response.hold)
        yield from _same("hold", self.body["hold"], {"blocks": wanted.blocks, "seconds": wanted.seconds})
        gap = min((f.fresh_for for f in families if f.kind != "event"), default=MAX_GAP)
        if short := held(points, wanted, gap):
            yield short
        if unused := tape.kept.keys() - tape.asked:
            yield f"samples: the conditions do not read {sorted(unused)[0][1]} at {sorted(unused)[0][2]}"


def _same(what: str, said: Any, is_: Any) -> Iterator[str]:
    if said != is_:
        yield f"{what}: the document says {said!r}, it is {is_!r}"


def _is_event(family: str) -> bool:
    catalogue = Catalogue(SHIPPED)
    return family in catalogue and catalogue[family].kind == "event"


def _shown(series: Series) -> str:
    labels: Labels = series.labels
    return series.family + "{" + ",".join(f'{k}="{v}"' for k, v in labels) + "}"


def _told(found: Mapping[Series, float], series: Series) -> str:
    return number_text(found[series]) if series in found else "nothing"
