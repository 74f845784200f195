"""What an alert may lead to: ``rules/policy/responses.yaml``, and the pure decision over a judged block.

The alert's rule says what is wrong; this file, with owners of its own, says what may be *done*. An automatic pause
needs a critical alert that began to fire at this very block by judging what was seen, and a majority of all configured
endpoints, of distinct operators, behind the block. Endpoints that are down count as not agreeing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from yaml.nodes import Node, ScalarNode

from monitor.alerts.matchers import BadMatcher, Matcher, all_match, parse_matcher
from monitor.catalogue.catalogue import nearest
from monitor.guardian.settings import LeverName
from monitor.model import BlockStamp, EpisodeId, Hash, Labels, Moment, RuleId, Transition
from monitor.rules.document import Document, is_null, read, read_text
from monitor.rules.problems import Problem, Span, in_order

Mode = Literal["shadow", "propose", "automatic"]
DecisionKind = Literal["pause", "shadow", "propose", "refused"]
CRITICAL = frozenset({"critical", "page"})
"""Severities that may lead to a response: both names of "a person must act now"."""
MIN_AUTOMATIC = 2
WITHHELD = 8
"""Blocks for which the pipeline may hold a transition back: after a reorg nothing is announced at once."""
FILE_KEYS = ("responses",)
KEYS = ("name", "matchers", "target", "mode", "owner", "reason", "agreement")


@dataclass(frozen=True, slots=True)
class Response:
    """One entry of the file. ``agreement``: endpoints that must stand behind the block, 0 for the majority."""

    name: str
    matchers: tuple[Matcher, ...]
    target: str
    mode: Mode
    owner: str
    reason: str
    agreement: int = 0

    def matches(self, labels: Labels) -> bool:
        return all_match(self.matchers, dict(labels))


@dataclass(frozen=True, slots=True)
class Policy:
    """All responses, in the order of the file: for each target the first that matches decides."""

    responses: tuple[Response, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who stood behind a judged block. ``operators`` maps each *configured* endpoint to who runs it."""

    operators: Mapping[str, str]
    agreed: frozenset[str]

    def shortfall(self, wanted: int, *, automatic: bool) -> str | None:
        """Why this is not enough, or None. Counted over configured endpoints and their operators, never over those alive."""
        n = len(self.operators)
        endpoints = self.agreed & self.operators.keys()
        operators = {self.operators[e] for e in endpoints}
        every = set(self.operators.values())
        if automatic and len(every) < MIN_AUTOMATIC:
            return f"an automatic pause needs endpoints of at least {MIN_AUTOMATIC} operators, {len(every)} is configured"
        needed = max(wanted, n // 2 + 1, MIN_AUTOMATIC if automatic else 1)
        if len(endpoints) < needed:
            return f"{len(endpoints)} of {n} configured endpoints agreed on the block, {needed} are needed"
        needed = max(len(every) // 2 + 1, MIN_AUTOMATIC if automatic else 1)
        if len(operators) < needed:
            return f"the agreeing endpoints are run by {len(operators)} of {len(every)} operators, {needed} are needed"
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one target in one episode. ``note``: why it was refused."""

    id: str
    kind: DecisionKind
    response: Response
    episode: EpisodeId
    rule: RuleId
    labels: Labels
    evidence: Hash
    at: BlockStamp
    agreed: tuple[str, ...]
    note: str = ""


class BadPolicy(Exception):
    """The responses file cannot be used; ``problems`` says where and why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = tuple(problems)


def decide(policy: Policy, transitions: Iterable[Transition], agreement: Agreement, at: Moment) -> list[Decision]:
    """The decisions that follow from one judged moment. Pure; equal input gives equal ids.

    Only transitions to firing count. At a tick nothing was seen, so nothing is decided.
    """
    if not isinstance(at, BlockStamp):
        return []
    found: dict[str, Decision] = {}
    for transition in transitions:
        if transition.new != "firing" or transition.old == "firing":
            continue
        for response in _first_per_target(policy, transition.labels):
            decision = _decide_one(response, transition, agreement, at)
            found.setdefault(decision.id, decision)
    return list(found.values())


def decision_id(episode: EpisodeId, target: str) -> str:
    """The same episode never leads to two pauses of one target: the id is the key under which a pause is owed."""
    return hashlib.sha256(f"{episode}\n{target}".encode()).hexdigest()[:32]


def _first_per_target(policy: Policy, labels: Labels) -> Iterable[Response]:
    found: dict[str, Response] = {}
    for response in policy.responses:
        if response.target not in found and response.matches(labels):
            found[response.target] = response
    return found.values()


def _decide_one(response: Response, transition: Transition, agreement: Agreement, at: BlockStamp) -> Decision:
    why = _objection(response, transition, agreement, at)
    kinds: dict[Mode, DecisionKind] = {"automatic": "pause", "shadow": "shadow", "propose": "propose"}
    return Decision(
        decision_id(transition.episode, response.target),
        "refused" if why else kinds[response.mode],
        response,
        transition.episode,
        transition.rule,
        transition.labels,
        transition.evidence,
        at,
        tuple(sorted(agreement.agreed & agreement.operators.keys())),
        why or "",
    )


def _objection(response: Response, transition: Transition, agreement: Agreement, at: BlockStamp) -> str | None:
    severity = dict(transition.labels).get("severity", "")
    if transition.cause != "judged":
        return f"the alert fires because of {transition.cause.replace('_', ' ')}, not because a live block was judged"
    if not isinstance(transition.at, BlockStamp) or not 0 <= at.number - transition.at.number <= WITHHELD:
        return "the alert did not begin to fire at the judged block"
    if severity not in CRITICAL:
        return f"the alert's severity is {severity or 'not set'}; only {' or '.join(sorted(CRITICAL))} leads to a response"
    # Shadow mode must say what automatic mode would do, so it is judged by the same conditions.
    return agreement.shortfall(response.agreement, automatic=response.mode != "propose")


# ---------------------------------------------------------------- reading the file


def load_policy(path: Path, targets: Mapping[str, LeverName], operators: Mapping[str, str]) -> Policy:
    """Read the file against the configured targets (name to lever) and endpoints (name to operator). Raises BadPolicy."""
    return _policy(*read(path), targets, operators)


def parse_policy(text: str, targets: Mapping[str, LeverName], operators: Mapping[str, str], name: str = "responses.yaml") -> Policy:
    """As :func:`load_policy`, for text in memory."""
    return _policy(*read_text(name, text), targets, operators)


def _policy(document: Document, root: Node | None, targets: Mapping[str, LeverName], operators: Mapping[str, str]) -> Policy:
    found: tuple[Response, ...] = ()
    if root is not None:
        found = _Reader(document, targets, operators).file(root)
    elif not document.problems:
        document.report(
            Span(document.file, 1, 1), "empty", "the file is empty", 'a mapping with the key "responses" (its list may be empty)'
        )
    if document.problems:
        raise BadPolicy(in_order(document.problems))
    return Policy(found)


@dataclass
class _Reader:
    document: Document
    targets: Mapping[str, LeverName]
    operators: Mapping[str, str]

    def file(self, node: Node) -> tuple[Response, ...]:
        keys = self.document.mapping(node, "the file", FILE_KEYS)
        if "responses" not in keys:
            if not self.document.problems:
                self.document.report(node, "missing-key", 'the file has no key "responses"', "a list of responses")
            return ()
        found: dict[str, Response] = {}
        for item in self.document.sequence(keys["responses"][1], "responses"):
            response = self.response(item)
            if response is not None and response.name in found:
                self.document.report(item, "duplicate-name", f'two responses are named "{response.name}"', "a name of its own for each")
            if response is not None:
                found[response.name] = response
        return tuple(found.values())

    def response(self, node: Node) -> Response | None:
        before = len(self.document.problems)
        keys = self.document.mapping(node, "a response", KEYS)
        for key in KEYS[:-1]:
            if key not in keys and before == len(self.document.problems):
                self.document.report(node, "missing-key", f'a response has no key "{key}"', f"the keys {', '.join(KEYS[:-1])}")
        if len(self.document.problems) > before:
            return None
        mode = self.mode(keys["mode"][1])
        target = self.target(keys["target"][1], mode)
        response = Response(
            self.text(keys, "name"),
            self.matchers(keys["matchers"][1]),
            target,
            mode,
            self.text(keys, "owner"),
            self.text(keys, "reason"),
            self.agreement(keys["agreement"][1]) if "agreement" in keys else 0,
        )
        return response if len(self.document.problems) == before else None

    def text(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str) -> str:
        node = keys[key][1]
        found = self.document.scalar(node, key)
        if found is not None and not found.strip():
            self.document.report(node, "empty-text", f"{key} is empty", "who or what it is, in words")
        return (found or "").strip()

    def mode(self, node: Node) -> Mode:
        text = self.document.scalar(node, "mode")
        modes = get_args(Mode)
        if text is not None and text not in modes:
            self.document.report(node, "unknown-value", f'mode is "{text}"', f"one of {', '.join(modes)}", nearest(text, modes))
        count = len(set(self.operators.values()))
        if text == "automatic" and count < MIN_AUTOMATIC:
            self.document.report(
                node,
                "too-few-endpoints",
                f"mode is automatic and the settings have endpoints of {count} operator{'s' * (count != 1)}",
                f"endpoints of at least {MIN_AUTOMATIC} operators in network.execution, or mode propose: one endpoint alone must never pause",
            )
        return cast(Mode, text if text in modes else "shadow")

    def target(self, node: Node, mode: Mode) -> str:
        text = self.document.scalar(node, "target") or ""
        if text not in self.targets:
            known = ", ".join(sorted(self.targets)) or "none is configured"
            self.document.report(
                node, "unknown-target", f'no target is named "{text}"', f"a name of guardian.targets ({known})", nearest(text, self.targets)
            )
        elif mode == "automatic" and self.targets[text] != "pauseFor":
            self.document.report(
                node,
                "lever-does-not-lapse",
                f'mode is automatic and the pause of "{text}" does not lapse by itself',
                "mode propose: only people may pull such a lever",
            )
        return text

    def matchers(self, node: Node) -> tuple[Matcher, ...]:
        found: list[Matcher] = []
        for item in self.document.sequence(node, "matchers"):
            text = self.document.scalar(item, "a matcher")
            if text is None:
                continue
            try:
                found.append(parse_matcher(text))
            except BadMatcher as bad:
                self.document.report(item, "bad-matcher", str(bad))
        if not any(m.name == "alertname" and m.operator == "=" and m.value for m in found) and not self.document.problems:
            # A pause by "any alert with this label" would grow with every rule that somebody adds.
            self.document.report(
                node, "no-alertname", "the matchers do not name an alert", 'one of the form alertname="LidoShareRateDrift"'
            )
        return tuple(found)

    def agreement(self, node: Node) -> int:
        if is_null(node):
            self.document.report(node, "wrong-type", "agreement is empty", "a number of endpoints")
            return 0
        found = self.document.integer(node, "agreement")
        n = len(self.operators)
        if found is not None and not n // 2 + 1 <= found <= n:
            self.document.report(
                node, "out-of-range", f"agreement is {found}", f"{n // 2 + 1} to {n}: a majority of the {n} configured endpoints, or more"
            )
        return found or 0
