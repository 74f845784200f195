"""Rule files: Prometheus' format, read with positions.

What Prometheus has no key for is an annotation with the prefix ``stakewarden_``, so that the same files run in
Prometheus and pass promtool. ``load`` reports everything that is wrong with all files at once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

from yaml.nodes import Node, ScalarNode

from monitor.catalogue.catalogue import nearest
from monitor.model import Labels, RuleId
from monitor.promql import Expr, ParseError
from monitor.promql import parse as parse_expression
from monitor.rules.document import Document, is_null, read, read_text
from monitor.rules.problems import Problem, RuleFileErrors, Span, in_order
from monitor.rules.templates import Template, TemplateError, compile_template
from monitor.samples import Selector

FILE_KEYS = ("groups",)
GROUP_KEYS = ("name", "interval", "limit", "labels", "rules")
RULE_KEYS = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")
OWN_ANNOTATIONS = ("stakewarden_owner", "stakewarden_reason", "stakewarden_no_data")
NO_DATA = ("keep", "alert")

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

Templates = tuple[tuple[str, Template], ...]


@dataclass(frozen=True)
class Places:
    """Where the parts of a rule stand in its file: keys are ``expr``, ``for``, ``labels.NAME``, ``annotations.NAME``, ..."""

    document: Document
    start: Node
    nodes: Mapping[str, Node]

    def span(self, part: str = "", offset: int = 0) -> Span:
        """The place of a part's value, or of one of its characters; of the rule itself for a part that is not written."""
        node = self.nodes.get(part)
        if node is None:
            return self.document.span(self.start)
        return self.document.inside(node, offset) if isinstance(node, ScalarNode) and node.value else self.document.span(node)


@dataclass(frozen=True)
class Rule:
    """One rule. ``interval_s`` 0 means every judged stamp; ``limit`` 0 means none; ``text`` is the expression as written."""

    id: RuleId
    group: str
    name: str
    kind: Literal["alert", "record"]
    text: str
    expr: Expr
    for_s: int
    keep_firing_for_s: int
    labels: Templates
    annotations: Templates
    no_data: Literal["keep", "alert"]
    interval_s: int
    limit: int
    places: Places = field(compare=False, repr=False)

    @property
    def span(self) -> Span:
        return self.places.span()

    def label(self, name: str) -> str | None:
        """The text of a label's template, if the rule sets it."""
        return {n: t.text for n, t in self.labels}.get(name)

    def annotation(self, name: str) -> str | None:
        return {n: t.text for n, t in self.annotations}.get(name)

    @cached_property
    def rendered(self) -> dict[Hashable, tuple[Labels, Labels]]:
        """Final labels and annotations by element: what judging remembers from block to block."""
        return {}

    @cached_property
    def identity(self) -> str:
        """A digest of what makes its alerts the same alerts after a reload: everything but times and wording."""
        parts = [self.id, self.kind, canonical(self.expr), [[n, t.text] for n, t in self.labels], self.no_data]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class RuleSet:
    """All rules in file order. ``sources`` (file to text) is kept so that a journal can be replayed with the rules of its day."""

    rules: tuple[Rule, ...]
    sources: Mapping[str, str]

    @property
    def hash(self) -> str:
        """sha256 over the texts, whatever the files are called."""
        return hashlib.sha256("\x00".join(self.sources.values()).encode()).hexdigest()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def alerts(self) -> tuple[Rule, ...]:
        return tuple(r for r in self.rules if r.kind == "alert")

    @property
    def recordings(self) -> tuple[Rule, ...]:
        return tuple(r for r in self.rules if r.kind == "record")


EMPTY_RULES = RuleSet((), {})


def load(paths: Iterable[Path | str]) -> RuleSet:
    """Rules of files, and of the ``*.yaml`` and ``*.yml`` in folders (``*.test.yaml`` left out). Raises RuleFileErrors with all problems."""
    opened = [read(path) for path in rule_files(paths)]
    return _rule_set(opened)


def from_sources(sources: Mapping[str, str]) -> RuleSet:
    """The rule set of texts by file name, such as ``RuleSet.sources`` gave them. Raises RuleFileErrors."""
    return _rule_set([read_text(name, text) for name, text in sources.items()])


def rule_files(paths: Iterable[Path | str]) -> list[Path]:
    """The files that ``load`` reads for these paths, in order."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml") and not p.stem.endswith(".test"))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _rule_set(opened: Sequence[tuple[Document, Node | None]]) -> RuleSet:
    rules: list[Rule] = []
    for document, root in opened:
        if root is not None:
            rules += _File(document).rules(root)
    problems = [problem for document, _ in opened for problem in document.problems]
    if problems:
        raise RuleFileErrors(in_order(problems))
    return RuleSet(tuple(_with_unique_ids(rules)), {document.file: document.text for document, _ in opened})


def _with_unique_ids(rules: Iterable[Rule]) -> Iterator[Rule]:
    seen: dict[str, int] = {}
    for rule in rules:
        seen[rule.id] = seen.get(rule.id, 0) + 1
        count = seen[rule.id]
        yield rule if count == 1 else replace(rule, id=RuleId(f"{rule.id}#{count}"))


@dataclass(frozen=True)
class _Group:
    name: str
    interval_s: int
    limit: int
    labels: Mapping[str, tuple[Node, Template]]


class _File:
    """Reads one file; what is wrong is reported to its document."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def rules(self, root: Node) -> Iterator[Rule]:
        if is_null(root):
            return
        top = self.document.mapping(root, "a rule file", FILE_KEYS)
        names: dict[str, Node] = {}
        if "groups" in top:
            for node in self.document.sequence(top["groups"][1], "groups"):
                yield from self._group(node, names)

    def _group(self, node: Node, names: dict[str, Node]) -> Iterator[Rule]:
        doc, before = self.document, len(self.document.problems)
        keys = doc.mapping(node, "a group", GROUP_KEYS)
        if not keys and len(doc.problems) > before:
            return
        name = doc.scalar(keys["name"][1], "the group's name") if "name" in keys else None
        if not name:
            doc.report(keys["name"][1] if "name" in keys else node, "missing", "the group has no name", 'a "name"')
            name = name or ""
        elif name in names:
            first = names[name].start_mark.line + 1
            doc.report(
                keys["name"][1], "duplicate-group", f'the group "{name}" is there twice, first on line {first}', "each name once a file"
            )
        else:
            names[name] = node
        interval = doc.duration(keys["interval"][1], "interval") if "interval" in keys else 0
        limit = doc.integer(keys["limit"][1], "limit") if "limit" in keys else 0
        labels = self._templates(keys.get("labels"), "labels")
        group = _Group(name, interval or 0, limit or 0, labels)
        if "rules" in keys:
            for rule_node in doc.sequence(keys["rules"][1], "rules"):
                rule = self._rule(rule_node, group)
                if rule is not None:
                    yield rule

    def _rule(self, node: Node, group: _Group) -> Rule | None:
        doc, before = self.document, len(self.document.problems)
        keys = doc.mapping(node, "a rule", RULE_KEYS)
        if not keys:
            if len(doc.problems) == before:
                doc.report(node, "missing", "the rule is empty", '"alert" or "record", and "expr"')
            return None
        kind, name = self._kind(node, keys)
        expr = self._expression(node, keys)
        for_s = doc.duration(keys["for"][1], "for") if "for" in keys else 0
        keep = doc.duration(keys["keep_firing_for"][1], "keep_firing_for") if "keep_firing_for" in keys else 0
        own = self._templates(keys.get("labels"), "labels")
        labels = {**group.labels, **own}
        annotations = self._templates(keys.get("annotations"), "annotations")
        no_data = self._own_annotations(annotations)
        if len(doc.problems) > before or expr is None or kind is None or name is None:
            return None
        nodes = {key: value for key, (_, value) in keys.items()}
        nodes |= {f"labels.{n}": value for n, (value, _) in labels.items()} | {
            f"annotations.{n}": value for n, (value, _) in annotations.items()
        }
        return Rule(
            id=RuleId(f"{group.name}/{name}"),
            group=group.name,
            name=name,
            kind=kind,
            text=cast(ScalarNode, keys["expr"][1]).value,
            expr=expr,
            for_s=for_s or 0,
            keep_firing_for_s=keep or 0,
            labels=_sorted(labels),
            annotations=_sorted(annotations),
            no_data=no_data,
            interval_s=group.interval_s,
            limit=group.limit,
            places=Places(doc, node, nodes),
        )

    def _kind(self, node: Node, keys: Mapping[str, tuple[ScalarNode, Node]]) -> tuple[Literal["alert", "record"] | None, str | None]:
        doc = self.document
        kinds = [k for k in ("alert", "record") if k in keys]
        if len(kinds) != 1:
            doc.report(node, "missing", f'the rule has {"both" if kinds else "neither"} of "alert" and "record"', "one of them")
            return None, None
        kind = cast(Literal["alert", "record"], kinds[0])
        value = keys[kind][1]
        name = doc.scalar(value, kind)
        if name == "":
            doc.report(value, "missing", f'"{kind}" is empty', "a name")
        if kind == "record":
            if name and not _METRIC_NAME.fullmatch(name):
                doc.report(value, "bad-name", f'"{name}" is no name of a metric', "letters, digits, _ and :, no digit first")
            for key in ("for", "keep_firing_for", "annotations"):
                if key in keys:
                    doc.report(keys[key][0], "not-for-records", f'a recording rule has no "{key}"', "record, expr and labels")
        return kind, name or None

    def _expression(self, node: Node, keys: Mapping[str, tuple[ScalarNode, Node]]) -> Expr | None:
        doc = self.document
        value = keys["expr"][1] if "expr" in keys else None
        text = doc.scalar(value, "expr") if value is not None else ""
        if text is None:
            return None
        if value is None or not text.strip():
            doc.report(value if value is not None else node, "missing", "the rule has no expression", '"expr"')
            return None
        try:
            return parse_expression(text)
        except ParseError as error:
            place = doc.inside(value, error.position or 0)
            doc.report(place, "bad-expression", f"expr: {error}")
        return None

    def _templates(self, entry: tuple[ScalarNode, Node] | None, what: str) -> dict[str, tuple[Node, Template]]:
        """Name to (value node, template) of a mapping of labels or annotations."""
        doc = self.document
        if entry is None or is_null(entry[1]):
            return {}
        found: dict[str, tuple[Node, Template]] = {}
        for name, (key, value) in doc.mapping(entry[1], what).items():
            text = doc.scalar(value, f'{what} "{name}"')
            reserved = what == "labels" and name in ("__name__", "alertname")
            if not _LABEL_NAME.fullmatch(name) or reserved:
                wanted = "another name: this one is set by us" if reserved else "letters, digits and _, no digit first"
                doc.report(key, "bad-name", f'"{name}" cannot be the name of a {"label" if what == "labels" else "annotation"}', wanted)
                continue
            try:
                found[name] = (value, compile_template(text or ""))
            except TemplateError as error:
                near = error.nearest
                doc.report(doc.inside(value, error.offset), "bad-template", f'template of "{name}": {error.message}', error.expected, near)
        return found

    def _own_annotations(self, annotations: Mapping[str, tuple[Node, Template]]) -> Literal["keep", "alert"]:
        for name, (node, _) in annotations.items():
            if name.startswith("stakewarden_") and name not in OWN_ANNOTATIONS:
                wanted = f"one of {', '.join(OWN_ANNOTATIONS)}"
                self.document.report(node, "unknown-key", f'there is no annotation "{name}"', wanted, nearest(name, OWN_ANNOTATIONS))
        if "stakewarden_no_data" not in annotations:
            return "keep"
        node, template = annotations["stakewarden_no_data"]
        if template.text not in NO_DATA:
            self.document.report(
                node, "bad-value", f'stakewarden_no_data is "{template.text}"', "keep or alert", nearest(template.text, NO_DATA)
            )
            return "keep"
        return cast(Literal["keep", "alert"], template.text)


def canonical(node: object) -> str:
    """A text of an expression that does not depend on how it was laid out."""
    if isinstance(node, Selector):
        return str(node)
    if isinstance(node, frozenset):
        return repr(sorted(node))
    if isinstance(node, tuple):
        return "(" + ",".join(canonical(part) for part in node) + ")"
    if is_dataclass(node):
        parts = ",".join(canonical(getattr(node, f.name)) for f in fields(node) if f.compare)
        return f"{type(node).__name__}({parts})"
    return repr(node)


def _sorted(found: Mapping[str, tuple[Node, Template]]) -> Templates:
    return tuple(sorted((name, template) for name, (_, template) in found.items()))


__all__ = ["EMPTY_RULES", "Places", "Problem", "Rule", "RuleFileErrors", "RuleSet", "from_sources", "load", "rule_files"]
