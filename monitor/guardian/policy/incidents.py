"""A library of incidents: what happened, how our families would have told it block by block, and where a pause would have been right.

One file an incident, in the series' notation of rules' unit tests. docs/guardian.md says how one is added, and what it can prove::

    title: Sixty trillion aBNBc minted by stolen code
    date: "2022-12-02"
    record: past                     # or scenario: nobody has seen it yet
    what: ...
    measured: [...]                  # what the sources say
    reconstructed: [...]             # what we made of it, and why
    sources: [...]
    interval: 12s
    begins: 36s                      # from the first value; a pause before that is a false one
    series:
      - {series: 'accounting_share_rate_drift_ratio{protocol="lido"}', values: 0x2 -0.9, basis: derived}
    chain: [{from: 36s, finality: 5, heads: disagree, agreed: [alpha]}]
    blind: [{family: accounting_share_rate_drift_ratio, from: 0s, to: 24s}]
    pause:
      - {target: integrator, cause: unbacked-mint, verdict: right, until: 1h, reason: ...}

``pause`` judges, not the rules: for a class of targets, and where it matters for a cause, whether a pause is ``right`` (and until when, counted from
``begins``, it still helps), ``wrong``, ``too_late`` or without a lever (``no_lever``). Nothing here names a rule, an alert or a threshold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, cast, get_args

from yaml.nodes import Node, ScalarNode

from monitor.guardian.policy.cases import HEADS, finality_of, one_of
from monitor.guardian.policy.library import files_of
from monitor.guardian.policy.model import Agreement, Health
from monitor.rules.document import Document, read_whole
from monitor.rules.problems import Problem, RuleFileErrors, Span, in_order
from monitor.rules.series import InputSeries
from monitor.rules.unit_test_files import INPUT_KEYS, Blindness, read_input

Record = Literal["past", "scenario"]
"""Whether it happened, to whomever, or nobody has seen it yet."""
Verdict = Literal["right", "wrong", "too_late", "no_lever"]
Basis = Literal["measured", "derived", "assumed"]
"""Of a series: a source has the figures; they follow from a source's figures; or we made them up, and say so under ``reconstructed``."""
REQUIRED = ("title", "date", "record", "what", "measured", "reconstructed", "sources", "interval", "begins", "series", "pause")
FILE_KEYS = (*REQUIRED, "chain", "blind")
SERIES_KEYS = (*INPUT_KEYS, "basis")
CHAIN_KEYS = ("from", "finality", "heads", "agreed")
BLIND_KEYS = ("family", "from", "to")
PAUSE_KEYS = ("target", "cause", "verdict", "until", "reason")
PAUSE_REQUIRED = ("target", "verdict", "reason")
ENDPOINTS: Mapping[str, str] = {"alpha": "one", "bravo": "two", "charlie": "three"}
"""The endpoints of every incident, each with who runs it: the fewest with which one may fall out and another be outvoted."""
_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a pause of such a target is right. ``cause``: empty for whatever cause; ``until``: seconds from the incident's begin."""

    target: str
    cause: str
    verdict: Verdict
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChainState:
    """The chain and the endpoints, from a time of the series on."""

    start: int
    health: Health
    agreement: Agreement


CALM = ChainState(0, Health(2.0, False), Agreement(ENDPOINTS, frozenset(ENDPOINTS)))


@dataclass(frozen=True, slots=True)
class Incident:
    """One file. ``name`` is the file's; ``begins`` and the chain's times count from the first value of the series."""

    name: str
    title: str
    date: str
    record: Record
    interval: int
    begins: int
    inputs: tuple[tuple[InputSeries, Span], ...]
    chain: tuple[ChainState, ...]
    blind: tuple[Blindness, ...]
    judgements: tuple[Judgement, ...]
    document: Document
    span: Span

    @property
    def end(self) -> int:
        """The time of the last value of any series."""
        return (max(len(given.values) for given, _ in self.inputs) - 1) * self.interval

    def state(self, at: int) -> ChainState:
        return next((s for s in reversed(self.chain) if s.start <= at), CALM)

    def judgement(self, target: str, cause: str) -> Judgement | None:
        """What is said of a pause of such a target for this cause, else for whatever cause."""
        mine = [j for j in self.judgements if j.target == target]
        return next((j for j in mine if j.cause == cause), None) or next((j for j in mine if not j.cause), None)


def read_library(folder: Path) -> tuple[Incident, ...]:
    """All incidents of a folder, by name. Raises RuleFileErrors with the problems of all files."""
    found, problems = list[Incident](), list[Problem]()
    files = files_of(folder)
    for path in files:
        try:
            found.append(read_incident(path))
        except RuleFileErrors as wrong:
            problems += wrong.problems
    if not files:
        problems.append(Problem(Span(str(folder), 1, 1), "missing", "the folder holds no incidents", "a folder with a file for each"))
    if problems:
        raise RuleFileErrors(in_order(problems))
    return tuple(found)


def read_incident(path: Path) -> Incident:
    """Raises RuleFileErrors with all problems of the file."""
    return read_whole(path, lambda document, root: _Reader(document, path).file(root), f"the keys {', '.join(REQUIRED)}")


Keys = Mapping[str, tuple[ScalarNode, Node]]


class _Reader:
    def __init__(self, document: Document, path: Path) -> None:
        self.doc, self.path = document, path

    def file(self, root: Node) -> Incident | None:
        keys = self.keys(root, "an incident", FILE_KEYS, REQUIRED)
        if keys is None:
            return None
        record = cast(Record, one_of(self.doc, keys, "record", get_args(Record)))
        for key in ("measured", "sources"):
            if not self.texts(keys, key) and record == "past":
                self.doc.report(keys[key][1], "missing", f"what happened has no {key}", 'what a source says of it, or "record: scenario"')
        self.texts(keys, "reconstructed")
        interval = self.seconds(keys, "interval")
        if not interval:
            self.doc.report(keys["interval"][1], "bad-duration", "interval is 0", "the time between two blocks, such as 12s")
        inputs = [found for node in self.doc.sequence(keys["series"][1], "series") if (found := self.series(node)) is not None]
        if not any(given.values for given, _ in inputs):
            self.doc.report(keys["series"][1], "missing", "no series has a value", "what our families would have said")
        judged = [j for node in self.doc.sequence(keys["pause"][1], "pause") if (j := self.judgement(node)) is not None]
        self.once(keys["pause"][1], judged)
        title, _ = self.text(keys, "title"), self.text(keys, "what")
        return Incident(
            self.path.stem, title, self.date(keys), record, max(1, interval), self.seconds(keys, "begins"), tuple(inputs), self.chain(keys),
            self.blind(keys), tuple(judged), self.doc, self.doc.span(root),
        )  # fmt: skip

    def series(self, node: Node) -> tuple[InputSeries, Span] | None:
        before = len(self.doc.problems)
        found = read_input(self.doc, node, ("basis",))
        if found is not None and len(self.doc.problems) == before:
            keys = self.keys(node, "a series", SERIES_KEYS, SERIES_KEYS)
            if keys is not None:
                one_of(self.doc, keys, "basis", get_args(Basis))
        return found

    def chain(self, keys: Keys) -> tuple[ChainState, ...]:
        found = list[ChainState]()
        for node in self.doc.sequence(keys["chain"][1], "chain") if "chain" in keys else ():
            mine = self.keys(node, "a state of the chain", CHAIN_KEYS, ("from",))
            if mine is None:
                continue
            heads = HEADS.get(one_of(self.doc, mine, "heads", HEADS, "agree"))
            state = ChainState(
                self.seconds(mine, "from"), Health(finality_of(self.doc, mine), heads), Agreement(ENDPOINTS, self.agreed(mine))
            )
            if found and state.start <= found[-1].start:
                self.doc.report(node, "not-in-order", f"a state from {state.start} s on stands after a later one", "them in order of time")
            found.append(state)
        return tuple(found)

    def agreed(self, keys: Keys) -> frozenset[str]:
        if "agreed" not in keys:
            return frozenset(ENDPOINTS)
        found = set[str]()
        for node in self.doc.sequence(keys["agreed"][1], "agreed"):
            name = self.doc.scalar(node, "an endpoint") or ""
            if name not in ENDPOINTS:
                self.doc.report(node, "unknown-value", f'no endpoint is called "{name}"', f"some of {', '.join(ENDPOINTS)}")
            found.add(name)
        return frozenset(found)

    def blind(self, keys: Keys) -> tuple[Blindness, ...]:
        found = list[Blindness]()
        for node in self.doc.sequence(keys["blind"][1], "blind") if "blind" in keys else ():
            mine = self.keys(node, "a blindness", BLIND_KEYS, BLIND_KEYS)
            if mine is not None:
                start, end = self.seconds(mine, "from"), self.seconds(mine, "to")
                found.append(Blindness(self.text(mine, "family"), start, end, self.doc.span(node)))
        return tuple(found)

    def judgement(self, node: Node) -> Judgement | None:
        keys = self.keys(node, "a judgement", PAUSE_KEYS, PAUSE_REQUIRED)
        if keys is None:
            return None
        verdict = cast(Verdict, one_of(self.doc, keys, "verdict", get_args(Verdict)))
        for key in ("cause", "until"):
            if verdict == "right" and key not in keys:
                self.doc.report(
                    node, "missing-key", f'a pause is right and there is no "{key}"', "for which cause, and until when it still helps"
                )
        if verdict != "right" and "until" in keys:
            self.doc.report(
                keys["until"][0], "unknown-key", f'verdict is {verdict} and there is an "until"', '"until" with verdict right alone'
            )
        until = self.seconds(keys, "until") if "until" in keys else 0
        return Judgement(self.name(keys, "target"), self.name(keys, "cause"), verdict, until, self.text(keys, "reason"))

    def once(self, node: Node, judged: Collection[Judgement]) -> None:
        said = [(j.target, j.cause) for j in judged]
        for target, cause in sorted({pair for pair in said if said.count(pair) > 1}):
            self.doc.report(node, "duplicate", f"two judgements are about {target}{f' and {cause}' * bool(cause)}", "one for each")

    # ------------------------------------------------------------ small readers

    def keys(self, node: Node, what: str, known: tuple[str, ...], required: tuple[str, ...]) -> Keys | None:
        """The keys of a mapping, or None after a report."""
        before = len(self.doc.problems)
        keys = self.doc.mapping(node, what, known)
        lacking = [key for key in required if key not in keys]
        if lacking and len(self.doc.problems) == before:
            self.doc.report(node, "missing-key", f'{what} has no key "{lacking[0]}"', f"the keys {', '.join(required)}")
        return keys if len(self.doc.problems) == before else None

    def text(self, keys: Keys, key: str) -> str:
        found = self.doc.scalar(keys[key][1], key)
        if found is not None and not found.strip():
            self.doc.report(keys[key][1], "empty-text", f"{key} is empty", "it in words")
        return (found or "").strip()

    def texts(self, keys: Keys, key: str) -> list[str]:
        return [self.doc.scalar(node, key) or "" for node in self.doc.sequence(keys[key][1], key)]

    def name(self, keys: Keys, key: str) -> str:
        if key not in keys:
            return ""
        found = self.doc.scalar(keys[key][1], key) or ""
        if not _NAME.fullmatch(found):
            self.doc.report(keys[key][1], "bad-name", f'{key} is "{found}"', "small letters, digits and hyphens, such as unbacked-mint")
        return found

    def date(self, keys: Keys) -> str:
        found = self.doc.scalar(keys["date"][1], "date") or ""
        try:
            return date.fromisoformat(found).isoformat()
        except ValueError:
            self.doc.report(keys["date"][1], "bad-date", f'date is "{found}"', 'the day it began, as "2022-12-02"')
            return ""

    def seconds(self, keys: Keys, key: str) -> int:
        return self.doc.duration(keys[key][1], key) or 0
