"""Whatever the chain and the process do: each slashing is told exactly once on the surviving branch, and epochs never go back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.catalogue import SHIPPED, Catalogue
from monitor.collectors import beacon_collectors
from monitor.collectors.slashed import unpack
from monitor.collectors.slashing import SlashingEvents
from monitor.model import BlockStamp, Event, Frame, Ok
from monitor.model.beacon import Offence
from monitor.samples import FrameWindow, Matcher, Selector, Source
from monitor.service.reading import Memory, judging, plans
from monitor.turns import at_once
from tests.collectors.beacon_state import SPEC, Chain, offence, owners, snapshot

COLLECTORS = beacon_collectors(["lido"], SPEC)
SOURCES = [Source(c.name, tuple(f.name for f in c.families), c.scopes) for c in COLLECTORS]
OFFENCES = st.lists(
    st.one_of(
        st.builds(lambda v: offence(v, kind="proposal"), st.integers(0, 31)),
        st.builds(lambda v: offence(*v), st.sets(st.integers(0, 31), min_size=1, max_size=24)),
    ),
    max_size=2,
)


class Service(RuleBasedStateMachine):
    """Judges each execution block as the pipeline does; everything judged after a rewound block is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.window = FrameWindow(Catalogue(SHIPPED), SOURCES, 0)
        self.judged: list[tuple[BlockStamp, Memory, tuple[Frame, ...]]] = []

    @initialize(reach=st.integers(3, 16))
    def begin(self, reach: int) -> None:
        self.chain = Chain(reach)

    # ------------------------------------------------------------ what happens

    @rule(offences=OFFENCES, missed=st.sampled_from([0, 0, 0, 1, 5]), evaluate=st.booleans())
    def block(self, offences: Sequence[Offence], missed: int, evaluate: bool) -> None:
        self.chain.advance(offences, missed)
        if evaluate:
            self.chain.evaluate()
        self.catch_up()

    @rule(blocks=st.integers(2, 9))
    def quiet(self, blocks: int) -> None:
        for _ in range(blocks):
            self.chain.advance()
            self.catch_up()
        self.chain.evaluate()

    @rule(offences=st.lists(OFFENCES, min_size=1, max_size=20), evaluate=st.booleans())
    def outage(self, offences: Sequence[Sequence[Offence]], evaluate: bool) -> None:
        """Blocks come while nobody judges; then they are judged with a view of the present."""
        for each in offences:
            self.chain.advance(each)
        if evaluate:
            self.chain.evaluate()
        self.catch_up()

    @rule(depth=st.integers(0, 9), others=st.lists(OFFENCES, min_size=1, max_size=9), evaluate=st.booleans(), late=st.booleans())
    def reorg(self, depth: int, others: Sequence[Sequence[Offence]], evaluate: bool, late: bool) -> None:
        """The consensus layer changes its mind, if depth is 0 about what was evaluated; the execution side follows, perhaps later."""
        self.chain.orphan(depth or self.chain.beneath_state() or 1)
        for each in others:
            self.chain.advance(each)
        if evaluate:
            self.chain.evaluate()
        if late and self.judged:
            orphaned = self.judged[-1][0]
            self.judge(BlockStamp(orphaned.number + 1, orphaned.parent, orphaned.hash, orphaned.timestamp + 12, orphaned.slot))
        self.catch_up()

    @rule(back=st.integers(1, 3))
    def behind(self, back: int) -> None:
        """The consensus side begins anew and evaluates an epoch that was admitted long ago."""
        self.chain.evaluate(back)
        self.chain.advance()
        self.catch_up()

    @rule()
    def restart(self) -> None:
        """All that is left is what was committed."""
        if self.judged:
            at, memory, frames = self.judged[-1]
            kept = Memory.from_json(json.loads(json.dumps(memory.known)), json.loads(json.dumps(memory.to_json())))
            self.judged[-1] = (at, kept, frames)
        self.window = FrameWindow(Catalogue(SHIPPED), SOURCES, 0)
        for _, _, frames in self.judged:
            for frame in frames:
                self.window.append(frame)

    @precondition(lambda self: bool(self.judged))
    @rule(complete=st.booleans())
    def keys(self, complete: bool) -> None:
        self.chain.complete = complete
        self.chain.evaluate()

    # ------------------------------------------------------------ the pipeline

    def catch_up(self) -> None:
        on_branch = {b.stamp for b in self.chain.canonical}
        kept = [row for row in self.judged if row[0] in on_branch]
        if len(kept) < len(self.judged):
            self.judged = kept
            if kept:
                self.window.rewind(kept[-1][0])
            else:
                self.window = FrameWindow(Catalogue(SHIPPED), SOURCES, 0)
        last = kept[-1][0].number if kept else 0
        for block in self.chain.canonical:
            if block.stamp.number > last:
                self.judge(block.stamp)

    def judge(self, at: BlockStamp) -> None:
        memory = self.judged[-1][1] if self.judged else Memory()
        due, failed = plans(COLLECTORS, memory, at)
        assert len(due) == len(COLLECTORS) and not failed, "due at each block"
        seen = snapshot(at, self.chain.view())
        found, again = (at_once(judging(COLLECTORS, due, seen, memory)) for _ in range(2))
        assert list(map(said, found.frames)) == list(map(said, again.frames)) and found.memory == again.memory
        assert json.loads(json.dumps(found.memory.known)) == found.memory.known
        for frame in found.frames:
            assert frame.admitted == at and frame.read_at.timestamp <= at.timestamp
            self.window.append(frame)
        self.admits_the_newest(at, memory, found.memory)
        self.judged.append((at, found.memory, found.frames))

    def admits_the_newest(self, at: BlockStamp, before: Memory, after: Memory) -> None:
        """Also on a block that is orphaned right after: no epoch goes back, and of the same one the view's root stands."""
        was, known, facts = before.known.get("validators", {}), after.known.get("validators", {}), self.chain.view().epoch
        assert known.get("epoch", -1) >= was.get("epoch", -1)
        if facts is not None and facts.read_at.number < at.number and facts.epoch >= known.get("epoch", -1):
            assert (known["epoch"], known["root"]) == (facts.epoch, facts.root)

    # ------------------------------------------------------------ what must hold

    def told(self) -> list[Event]:
        return [e for _, _, frames in self.judged for f in frames for e in f.events]

    @invariant()
    def nobody_is_told_twice(self) -> None:
        ids = Counter(e.id for e in self.told())
        assert not [id for id, n in ids.items() if n > 1]
        for protocol in ("lido", "ethereum"):
            everyone = validators(self.told(), protocol)
            assert len(everyone) == len(set(everyone))

    @invariant()
    def who_is_told_was_slashed(self) -> None:
        if not self.judged:
            return
        truth = self.chain.slashed(self.chain.now)
        assert set(validators(self.told(), "ethereum")) <= truth.keys()

    @invariant()
    def nobody_is_told_before_it_happened(self) -> None:
        assert all(int(e.details["slot"]) <= e.stamp.slot for e in self.told())

    @invariant()
    def epochs_never_go_back(self) -> None:
        epochs = [row[1].known.get("validators", {}).get("epoch", -1) for row in self.judged]
        assert epochs == sorted(epochs)

    @invariant()
    def the_window_shows_what_was_admitted(self) -> None:
        if not self.judged:
            return
        at, memory, _ = self.judged[-1]
        known = memory.known.get("beacon_epoch", {})
        found = self.window.instant(Selector("beacon_active_ether"), at.timestamp)
        if "root" in known:
            assert found.values.tolist() == [int(known["root"][2:10], 16) / 10**9]

    def teardown(self) -> None:
        """Once a state is evaluated whose blocks were all judged, nobody is missing."""
        if not self.judged:
            return
        self.chain.complete = True
        for _ in range(3 * SPEC.slots_per_epoch):
            self.chain.advance()
            self.chain.evaluate()
            self.catch_up()
        self.nobody_is_told_twice()
        self.who_is_told_was_slashed()
        baseline = began_with(self.judged)
        began = next(m.known[SlashingEvents.name]["state"][0] for _, m, _ in self.judged if m.known.get(SlashingEvents.name))
        assert baseline <= self.chain.slashed(began).keys(), "who is slashed later is no part of the beginning"
        truth = set(self.chain.slashed(self.chain.now)) - baseline
        told = self.told()
        assert set(validators(told, "ethereum")) - baseline == truth
        mine = {v for v in truth if owners().group(v) is not None}
        assert set(validators(told, "lido")) - baseline == mine
        for event in told:
            pairs = dict(event.series.labels)
            if pairs["protocol"] == "lido":
                assert {owners().group(int(v)) for v in event.details["indices"].split(",")} == {("lido", pairs["operator"])}
        at = self.judged[-1][0].timestamp
        for selector in (Selector("validator_slashed"), Selector("validator_slashed", (Matcher("protocol", "=", "lido"),))):
            assert self.window.instant(selector, at).complete
        assert all(isinstance(f.status, Ok) for f in self.judged[-1][2])


def validators(events: Sequence[Event], protocol: str) -> list[int]:
    return [int(v) for e in events if dict(e.series.labels)["protocol"] == protocol for v in e.details["indices"].split(",")]


def said(frame: Frame) -> tuple[Any, ...]:
    return frame.collector, frame.scope, frame.read_at, frame.status, frame.layout.series, frame.values.tolist(), frame.events


def began_with(judged: Sequence[tuple[BlockStamp, Memory, Any]]) -> frozenset[int]:
    """Who counted as slashed before the first look."""
    for _, memory, frames in judged:
        known = memory.known.get(SlashingEvents.name, {})
        if "slashed" in known:
            return unpack(known["slashed"]) - set(validators([e for f in frames for e in f.events], "ethereum"))
    return frozenset(range(32))


Service.TestCase.settings = settings(max_examples=60, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
TestService = Service.TestCase
