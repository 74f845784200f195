"""What judging depends on besides the frames: the rules, and who fills which families. Kept with the journal for replays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from monitor import rules
from monitor.catalogue import SHIPPED, Catalogue
from monitor.collectors import own
from monitor.model import Collector
from monitor.rules import RuleSet
from monitor.samples import FrameWindow, Source
from monitor.web import charts


@dataclass(frozen=True)
class Setup:
    """A rule set with the sources of its data: equal texts judge equal frames alike."""

    ruleset: RuleSet
    sources: tuple[Source, ...]
    more_seconds: Mapping[str, int] = field(default_factory=dict, compare=False)
    """How far back others than the rules look, by family. Not part of the journal: a longer window judges alike."""

    @classmethod
    def of(cls, ruleset: RuleSet, collectors: Iterable[Collector], more_seconds: Mapping[str, int] | None = None) -> Setup:
        """The setup of a running service: its collectors and ourselves."""
        sources = [Source(c.name, tuple(f.name for f in c.families), tuple(c.scopes)) for c in collectors]
        return cls(ruleset, (*sources, Source(own.NAME, tuple(f.name for f in own.FAMILIES), own.SCOPES)), more_seconds or {})

    @classmethod
    def from_text(cls, text: str) -> Setup:
        """The inverse of ``text``."""
        body = json.loads(text)
        sources = tuple(Source(n, tuple(f), tuple(tuple((k, v) for k, v in scope) for scope in scopes)) for n, f, scopes in body["sources"])
        return cls(rules.from_sources(body["rules"]), sources)

    @cached_property
    def text(self) -> str:
        """Canonical JSON of the texts of the rules and of the sources."""
        body = {"rules": dict(self.ruleset.sources), "sources": [[s.name, s.families, s.scopes] for s in self.sources]}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The shipped families and the recorded ones."""
        shipped = Catalogue(SHIPPED)
        return shipped.extended(rules.recorded_families(self.ruleset, shipped))

    @property
    def keep_seconds(self) -> dict[str, int]:
        """How far back the rules, the responses and the page's charts look, by family."""
        asked = dict(rules.keep_seconds(self.ruleset))
        for more in (charts.kept(), self.more_seconds):
            asked |= {family: max(seconds, asked.get(family, 0)) for family, seconds in more.items() if family in self.catalogue}
        return asked

    @property
    def reach(self) -> int:
        """Seconds of block time that a refilled window must go back: the longest range, freshness or visibility."""
        longest = max(self.keep_seconds.values(), default=0)
        return longest + max(max(f.fresh_for, f.visible_for or 0) for f in self.catalogue)

    @property
    def recorders(self) -> frozenset[str]:
        """Names under which recording rules write frames: these follow from the others."""
        return frozenset(s.name for s in rules.recording_sources(self.ruleset))

    def window(self, max_bytes: int = 1 << 30) -> FrameWindow:
        """An empty window for this setup."""
        return FrameWindow(self.catalogue, self.all_sources, self.keep_seconds, max_bytes)

    def reshape(self, window: FrameWindow) -> None:
        """Make a window of another setup fit this one; frames stay."""
        window.reload(self.catalogue, self.all_sources, self.keep_seconds)

    @property
    def all_sources(self) -> tuple[Source, ...]:
        return (*self.sources, *rules.recording_sources(self.ruleset))
