"""Reading ``responses.yaml``: every mistake with file, line and column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from yaml.nodes import Node, ScalarNode

from monitor.alerts.matchers import BadMatcher, Matcher, parse_matcher
from monitor.catalogue.catalogue import nearest
from monitor.guardian.policy.earned import fault
from monitor.guardian.policy.library import SHIPPED
from monitor.guardian.policy.model import MIN_OPERATORS, Earned, Hold, Incidents, Mode, Policy, Proof, Response
from monitor.guardian.settings import LeverName
from monitor.model import RuleId
from monitor.promql import ParseError
from monitor.promql import parse as parse_expression
from monitor.rules.document import Document, is_null, parse_duration, read, read_text
from monitor.rules.files import Places, Rule
from monitor.rules.problems import Problem, Span, in_order

FILE_KEYS = ("responses",)
REQUIRED = ("name", "matchers", "target", "mode", "owner", "reason")
KEYS = (*REQUIRED, "second", "hold", "agreement", "incidents", "earned")
EARNED_KEYS = (*get_args(Proof), "sha256", "library")
INCIDENTS_KEYS = ("cause", "target")
EMBEDDED_CHAINS = frozenset({31337, 1337})
"""Chains of development tools: nobody's money is there, so nothing has to be earned."""
_HOLD = re.compile(r"([1-9][0-9]{0,3}) blocks?")


class BadPolicy(Exception):
    """The responses file cannot be used; ``problems`` says where and why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = tuple(problems)


def load_policy(path: Path, targets: Mapping[str, LeverName], operators: Mapping[str, str], chain: int | None = None) -> Policy:
    """Read the file against the configured targets (name to lever) and endpoints (name to operator). Raises BadPolicy.

    ``chain``: the network's id. On a real one each automatic response must name the report that earned it, and the report must be
    there, beside the file, and cover it (``earned.py``); None (no network is known) does not look.
    """
    return _policy(*read(path), targets, operators, chain, path.parent)


def parse_policy(
    text: str, targets: Mapping[str, LeverName], operators: Mapping[str, str], name: str = "responses.yaml", chain: int | None = None
) -> Policy:
    """As :func:`load_policy`, for text in memory."""
    return _policy(*read_text(name, text), targets, operators, chain, Path(name).parent)


def _policy(
    document: Document, root: Node | None, targets: Mapping[str, LeverName], operators: Mapping[str, str], chain: int | None, folder: Path
) -> Policy:
    found: tuple[Response, ...] = ()
    if root is not None:
        found = _Reader(document, targets, operators, chain, folder).file(root)
    elif not document.problems:
        document.report(
            Span(document.file, 1, 1), "empty", "the file is empty", 'a mapping with the key "responses" (its list may be empty)'
        )
    if document.problems:
        raise BadPolicy(in_order(document.problems))
    return Policy(found, document.text)


@dataclass
class _Reader:
    document: Document
    targets: Mapping[str, LeverName]
    operators: Mapping[str, str]
    chain: int | None
    folder: Path

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
        for key in REQUIRED:
            if key not in keys and before == len(self.document.problems):
                self.document.report(node, "missing-key", f'a response has no key "{key}"', f"the keys {', '.join(REQUIRED)}")
        if len(self.document.problems) > before:
            return None
        mode = self.mode(keys["mode"][1])
        response = Response(
            self.text(keys, "name"),
            self.matchers(keys["matchers"][1]),
            self.target(keys["target"][1], mode),
            mode,
            self.text(keys, "owner"),
            self.text(keys, "reason"),
            self.agreement(keys["agreement"][1]) if "agreement" in keys else 0,
            self.second(keys, keys["name"][1]),
            self.hold(keys["hold"][1]) if "hold" in keys else Hold(),
            self.earned(keys["earned"][1]) if "earned" in keys else None,
            self.incidents(keys["incidents"][1]) if "incidents" in keys else None,
        )
        if "second" not in keys and mode != "propose":
            self.document.report(
                keys["mode"][1],
                "one-condition",
                f"mode is {mode} and there is no second condition",
                'the key "second": an expression over what other collectors read elsewhere, or mode propose',
            )
        if len(self.document.problems) > before:
            return None
        self.armed(response, keys)
        return response if len(self.document.problems) == before else None

    def second(self, keys: Mapping[str, tuple[ScalarNode, Node]], name: Node) -> Rule | None:
        """The expression as a rule of its own, so that it is checked and evaluated as rules are."""
        if "second" not in keys:
            return None
        node = keys["second"][1]
        text = self.document.scalar(node, "second") or ""
        try:
            expr = parse_expression(text)
        except ParseError as wrong:
            self.document.report(self.document.inside(node, wrong.position or 0), "bad-expression", wrong.message, wrong.remedy)
            return None
        said = name.value if isinstance(name, ScalarNode) else ""
        places = Places(self.document, node, {"expr": node})
        return Rule(RuleId(f"responses/{said}"), "responses", said, "alert", text, expr, 0, 0, (), (), "keep", 0, 0, places)

    def hold(self, node: Node) -> Hold:
        text = self.document.scalar(node, "hold") or ""
        if found := _HOLD.fullmatch(text):
            return Hold(int(found[1]))
        milliseconds = parse_duration(text) if text else None
        if not milliseconds or milliseconds % 1000:
            self.document.report(node, "bad-hold", f'hold is "{text}"', "a number of blocks such as 2 blocks, or a duration such as 5m")
            return Hold()
        return Hold(1, milliseconds // 1000)

    def earned(self, node: Node) -> Earned | None:
        before = len(self.document.problems)
        keys = self.document.mapping(node, "earned", EARNED_KEYS)
        proofs = [key for key in get_args(Proof) if key in keys]
        if len(self.document.problems) == before and (len(proofs) != 1 or "sha256" not in keys):
            self.document.report(
                node,
                "missing-key",
                f"earned names {' and '.join(keys) or 'nothing'}",
                f"one of {' and '.join(get_args(Proof))}, and sha256",
            )
        elif "library" in keys and "replay" not in keys:
            self.document.report(keys["library"][0], "unknown-key", "a shadow report is made over no library", '"library" beside "replay"')
        if len(self.document.problems) > before:
            return None
        library = self.text(keys, "library") if "library" in keys else SHIPPED
        return Earned(self.text(keys, proofs[0]), self.text(keys, "sha256"), cast(Proof, proofs[0]), library)

    def incidents(self, node: Node) -> Incidents | None:
        before = len(self.document.problems)
        keys = self.document.mapping(node, "incidents", INCIDENTS_KEYS)
        if len(self.document.problems) == before and keys.keys() != set(INCIDENTS_KEYS):
            self.document.report(node, "missing-key", "incidents lacks a key", f"the keys {' and '.join(INCIDENTS_KEYS)}")
        if len(self.document.problems) > before:
            return None
        return Incidents(self.text(keys, "cause"), self.text(keys, "target"))

    def armed(self, response: Response, keys: Mapping[str, tuple[ScalarNode, Node]]) -> None:
        """An automatic response on a real chain names its proof, and the proof holds."""
        if response.mode != "automatic" or self.chain is None or self.chain in EMBEDDED_CHAINS:
            return
        if response.earned is None:
            self.document.report(
                keys["mode"][1],
                "not-earned",
                f"mode is automatic and nothing shows what {response.name} would have done on chain {self.chain}",
                'the key "earned" with the report of `stakewarden guardian shadow-report` or `guardian replay`, or mode shadow until there is one',
            )
        elif (why := fault(response, self.folder, self.chain)) is not None:
            self.document.report(keys["earned"][1], "not-earned", why, "a report that covers this response as it stands")

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
        if text == "automatic" and count < MIN_OPERATORS:
            self.document.report(
                node,
                "too-few-endpoints",
                f"mode is automatic and the settings have endpoints of {count} operator{'s' * (count != 1)}",
                f"endpoints of at least {MIN_OPERATORS} operators in network.execution, or mode propose: one endpoint alone must never pause",
            )
        return cast(Mode, text if text in modes else "shadow")

    def target(self, node: Node, mode: Mode) -> str:
        text = self.document.scalar(node, "target") or ""
        if text not in self.targets:
            known = ", ".join(sorted(self.targets)) or "none is configured"
            self.document.report(
                node, "unknown-target", f'no target is named "{text}"', f"a name of guardian.targets ({known})", nearest(text, self.targets)
            )
        elif mode == "automatic" and self.targets[text] == "pause":
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
