"""Where an alert is told: the route tree and the inhibition rules of ``rules/policy/routes.yaml``.

The meaning is Alertmanager's. An alert enters at the root and goes to the first child that matches, or on to its
siblings too where a child says ``continue``; a child inherits what it does not set. An inhibition rule mutes alerts
that its target matchers match while another alert, which its source matchers match, fires with equal values of the ``equal`` labels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yaml.nodes import Node, ScalarNode

from monitor.alerts.matchers import BadMatcher, Matcher, all_match, parse_matcher
from monitor.catalogue.catalogue import nearest
from monitor.model import Labels
from monitor.model import labels as make_labels
from monitor.rules.document import Document, is_null, read, read_text
from monitor.rules.problems import Problem, Span, in_order

MAX_DEPTH = 20
FILE_KEYS = ("route", "inhibit_rules")
ROUTE_KEYS = (
    "receiver",
    "matchers",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "fallback",
    "fallback_after",
    "continue",
    "routes",
)
INHIBIT_KEYS = ("source_matchers", "target_matchers", "equal")
ALL_LABELS = "..."
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Route:
    """One node of the tree, with what it inherits filled in. Intervals are seconds of wall time; ``repeat_interval`` 0 never repeats.

    ``fallback``: who is told, one after the other, when nobody before has taken a message for ``fallback_after``.
    ``key`` names the node by the matchers on the way to it, so that it is the same after a restart.
    """

    key: str
    receivers: tuple[str, ...]
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    group_wait: int
    group_interval: int
    repeat_interval: int
    goes_on: bool
    routes: tuple[Route, ...]
    fallback: tuple[str, ...] = ()
    fallback_after: int = 120

    def group(self, labels: Labels) -> Labels:
        """The labels that name the group to which an alert belongs here."""
        if ALL_LABELS in self.group_by:
            return labels
        return make_labels({name: value for name, value in labels if name in self.group_by})


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While a source fires, targets with equal labels are not told."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def mutes(self, target: Mapping[str, str], source: Mapping[str, str]) -> bool:
        """An alert that is both source and target is never muted by another such one, so no two alerts mute each other."""
        if not all_match(self.target, target) or not all_match(self.source, source):
            return False
        if all_match(self.source, target) and all_match(self.target, source):
            return False
        return all(target.get(name, "") == source.get(name, "") for name in self.equal)


class BadRoutes(Exception):
    """The routes file cannot be used; ``problems`` says where and why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Routes:
    """A whole routes file."""

    root: Route
    inhibitions: tuple[Inhibition, ...] = ()

    def match(self, labels: Labels) -> tuple[Route, ...]:
        """The routes at which an alert is told; at least one."""
        return tuple(_match(self.root, dict(labels)))

    def by_key(self, key: str) -> Route | None:
        """The route of that key, if this file still has it."""
        return next((r for r in _walk(self.root) if r.key == key), None)

    def inhibited_by(self, labels: Labels, firing: Iterable[Labels]) -> Labels | None:
        """The labels of the first firing alert that mutes this one, if any."""
        target = dict(labels)
        rules = [i for i in self.inhibitions if all_match(i.target, target)]
        if not rules:
            return None
        return next((source for source in firing if source != labels and any(i.mutes(target, dict(source)) for i in rules)), None)

    @property
    def all(self) -> tuple[Route, ...]:
        """Every node of the tree."""
        return tuple(_walk(self.root))

    @property
    def receivers(self) -> frozenset[str]:
        """All names of receivers that the file uses."""
        return frozenset(name for route in _walk(self.root) for name in (*route.receivers, *route.fallback))


def load_routes(path: Path, receivers: Collection[str]) -> Routes:
    """Read the file. Raises BadRoutes for anything that is wrong with it, also for a receiver that is not configured."""
    return _routes(*read(path), receivers)


def parse_routes(text: str, receivers: Collection[str], name: str = "routes.yaml") -> Routes:
    """As :func:`load_routes`, for text in memory."""
    return _routes(*read_text(name, text), receivers)


def _match(route: Route, labels: Mapping[str, str]) -> list[Route]:
    if not all_match(route.matchers, labels):
        return []
    found: list[Route] = []
    for child in route.routes:
        below = _match(child, labels)
        found += below
        if below and not child.goes_on:
            break
    return found or [route]


def _walk(route: Route) -> Iterable[Route]:
    yield route
    for child in route.routes:
        yield from _walk(child)


# ---------------------------------------------------------------- reading the file


def _routes(document: Document, root: Node | None, receivers: Collection[str]) -> Routes:
    found: Routes | None = None
    if root is not None:
        found = _Reader(document, tuple(receivers)).file(root)
    elif not document.problems:
        document.report(Span(document.file, 1, 1), "empty", "the file is empty", 'a mapping with the key "route"')
    if found is None or document.problems:
        raise BadRoutes(in_order(document.problems))
    return found


_ROOT = Route("", (), (), (), 30, 300, 4 * 3600, False, ())


@dataclass
class _Reader:
    document: Document
    receivers: tuple[str, ...]

    def file(self, node: Node) -> Routes | None:
        keys = self.document.mapping(node, "the file", FILE_KEYS)
        if "route" not in keys:
            self.document.report(node, "missing-key", 'the file has no key "route"', "the root of the route tree")
            return None
        route_node = keys["route"][1]
        root = self.route(route_node, _ROOT, 0)
        inner = self.document.mapping(route_node, "the root route") if not self.document.problems else {}
        for key in ("matchers", "continue"):
            if key in inner:
                self.document.report(inner[key][0], "root-route", f'the root route has "{key}"', "a root that takes every alert")
        if not root.receivers and not self.document.problems:
            self.document.report(
                route_node, "missing-key", "the root route has no receiver", "the name of a receiver, so that no alert is lost"
            )
        inhibitions = tuple(self.inhibition(n) for n in self.items(keys, "inhibit_rules"))
        return Routes(root, inhibitions)

    def route(self, node: Node, parent: Route, depth: int) -> Route:
        if depth > MAX_DEPTH:
            self.document.report(node, "too-deep", f"routes are nested more than {MAX_DEPTH} deep", "a flatter tree")
            return parent
        keys = self.document.mapping(node, "a route", ROUTE_KEYS)
        matchers = self.matchers(keys, "matchers")
        if depth and not matchers and not self.document.problems:
            self.document.report(
                node, "missing-key", "the route has no matchers", "at least one: else the routes after it are never reached"
            )
        key = "{}" if not depth else f"{parent.key}/{{{','.join(sorted(str(m) for m in matchers))}}}"
        receivers = self.receiver_names(keys, "receiver") or parent.receivers
        fallback = self.receiver_names(keys, "fallback") if "fallback" in keys else parent.fallback
        for name in set(fallback) & set(receivers) if "fallback" in keys else ():
            self.document.report(keys["fallback"][1], "told-anyway", f'"{name}" is a receiver of this route already', "another receiver")
        own = Route(
            key,
            receivers,
            matchers,
            self.label_names(keys, "group_by", (ALL_LABELS,)) if "group_by" in keys else parent.group_by,
            self.seconds(keys, "group_wait", parent.group_wait),
            self.seconds(keys, "group_interval", parent.group_interval),
            self.seconds(keys, "repeat_interval", parent.repeat_interval),
            self.flag(keys, "continue"),
            (),
            tuple(name for name in fallback if name not in receivers),
            self.seconds(keys, "fallback_after", parent.fallback_after),
        )
        below = tuple(self.route(child, own, depth + 1) for child in self.items(keys, "routes"))
        self.same_twice(keys, below)
        return replace(own, routes=below)

    def same_twice(self, keys: Mapping[str, tuple[ScalarNode, Node]], below: Sequence[Route]) -> None:
        seen: set[str] = set()
        for child, node in zip(below, self.items(keys, "routes"), strict=False):
            if child.key in seen and not self.document.problems:
                self.document.report(node, "same-route", "two routes side by side have the same matchers", "each set of matchers once")
            seen.add(child.key)

    def receiver_names(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str) -> tuple[str, ...]:
        if key not in keys:
            return ()
        node = keys[key][1]
        nodes = [node] if isinstance(node, ScalarNode) else list(self.document.sequence(node, key))
        names: list[str] = []
        for item in nodes:
            name = self.document.scalar(item, "a receiver's name")
            if name is not None and name not in self.receivers:
                known = (
                    f"one of {', '.join(sorted(self.receivers))}" if self.receivers else "a receiver from the settings (none is configured)"
                )
                self.document.report(item, "unknown-receiver", f'no receiver is named "{name}"', known, nearest(name, self.receivers))
            elif name is not None:
                names.append(name)
        return tuple(dict.fromkeys(names))

    def inhibition(self, node: Node) -> Inhibition:
        keys = self.document.mapping(node, "an inhibition rule", INHIBIT_KEYS)
        for key in ("source_matchers", "target_matchers"):
            if key not in keys and not self.document.problems:
                self.document.report(node, "missing-key", f'the inhibition rule has no "{key}"', "a list of matchers")
        return Inhibition(self.matchers(keys, "source_matchers"), self.matchers(keys, "target_matchers"), self.label_names(keys, "equal"))

    # ------------------------------------------------------------ values

    def items(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str) -> list[Node]:
        return list(self.document.sequence(keys[key][1], key)) if key in keys else []

    def label_names(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str, also: tuple[str, ...] = ()) -> tuple[str, ...]:
        found: list[str] = []
        for item in self.items(keys, key):
            text = self.document.scalar(item, f"an item of {key}")
            if text is not None and text not in also and not _LABEL_NAME.fullmatch(text):
                self.document.report(
                    item, "bad-name", f'"{text}" in {key} cannot be the name of a label', "letters, digits and _, no digit first"
                )
            elif text is not None:
                found.append(text)
        return tuple(found)

    def matchers(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str) -> tuple[Matcher, ...]:
        if key in keys and is_null(keys[key][1]):
            self.document.report(keys[key][1], "wrong-type", f"{key} is empty", "a list of matchers")
        found: list[Matcher] = []
        for item in self.items(keys, key):
            text = self.document.scalar(item, "a matcher")
            if text is None:
                continue
            try:
                found.append(parse_matcher(text))
            except BadMatcher as error:
                self.document.report(item, "bad-matcher", str(error), 'a matcher such as severity="page", in single quotes for YAML')
        return tuple(found)

    def seconds(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str, inherited: int) -> int:
        found = self.document.duration(keys[key][1], key) if key in keys else None
        return inherited if found is None else found

    def flag(self, keys: Mapping[str, tuple[ScalarNode, Node]], key: str) -> bool:
        if key not in keys:
            return False
        text = self.document.scalar(keys[key][1], key)
        if text is not None and text not in ("true", "false"):
            self.document.report(keys[key][1], "wrong-type", f'{key} is "{text}"', "true or false", nearest(text, ("true", "false")))
        return text == "true"
