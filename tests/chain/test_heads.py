"""Which blocks are agreed, over random forks, lags and liars."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.chain.heads import SAYS_SECONDS, Block, Gap, HeadEvent, Lost, Need, Rewind, Tracker
from monitor.model import BlockStamp, Hash, Slot

HISTORY = 20
NAMES = ("a", "b", "c")


def block(number: int, branch: str, parent: BlockStamp | None) -> BlockStamp:
    up = parent.hash if parent else Hash("0x00")
    return BlockStamp(number, Hash(f"{number}{branch}<{up[:40]}"), up, 1000 + number, Slot(number))


def extend(chain: list[BlockStamp], count: int, branch: str) -> list[BlockStamp]:
    chain = list(chain)
    for _ in range(count):
        chain.append(block(len(chain), branch, chain[-1] if chain else None))
    return chain


@dataclass
class World:
    """Endpoints that each have a chain, and the tracker's events so far, checked as they come."""

    tracker: Tracker
    chains: dict[str, list[BlockStamp]] = field(default_factory=dict)
    events: list[HeadEvent] = field(default_factory=list)
    ours: list[BlockStamp] = field(default_factory=list)
    asked: int = 0

    def says(self, name: str, chain: list[BlockStamp]) -> None:
        self.chains[name] = list(chain)
        self.tracker.announce(name, chain[-1], 1.0)
        self.settle()

    def settle(self) -> None:
        for _ in range(60):
            self.take(self.tracker.advance(2.0))
            needs = self.tracker.needs()
            if not needs:
                return
            for need in needs:
                self.answer(need)
        raise AssertionError("it never stops asking")

    def answer(self, need: Need) -> None:
        self.asked += need.last - need.first + 1
        assert need.first <= need.last
        self.tracker.tell(need.endpoint, self.chains[need.endpoint][need.first : need.last + 1])

    def take(self, events: list[HeadEvent]) -> None:
        self.events += events
        for event in events:
            match event:
                case Block(stamp):
                    assert not self.ours or stamp.parent == self.ours[-1].hash or isinstance(self.previous(event), Gap)
                    self.ours.append(stamp)
                case Rewind(to):
                    assert to in self.ours and to != self.ours[-1]
                    del self.ours[self.ours.index(to) + 1 :]
                case Gap(first, last):
                    assert first == self.ours[-1].number + 1 and first <= last

    def previous(self, event: HeadEvent) -> HeadEvent:
        return self.events[self.events.index(event) - 1]


def world(recent: list[BlockStamp] | None = None, names: tuple[str, ...] = NAMES) -> World:
    recent = recent or []
    return World(Tracker(names, recent, HISTORY), ours=list(recent))


def test_begins_at_the_head_that_a_majority_has() -> None:
    w, chain = world(), extend([], 11, "x")
    w.says("a", chain)
    assert w.events == []
    w.says("b", chain[:-2])
    assert [e.stamp for e in w.events if isinstance(e, Block)] == [chain[8]]
    w.says("c", chain[:-1])
    assert w.ours[-1] == chain[9]


def test_another_block_at_the_judged_height_is_a_split_and_none_is_no_word() -> None:
    chain = extend([], 10, "x")
    w = world(chain)
    assert w.tracker.split(chain[9]) is None, "nobody said anything yet"
    w.says("b", chain)
    assert w.tracker.split(chain[9]) is None, "one of three is no majority"
    w.says("c", chain)
    assert w.tracker.split(chain[9]) is False, "an endpoint that is down disagrees with nobody"
    w.says("a", chain[:5])
    assert w.tracker.split(chain[9]) is False, "nor does one that is behind"
    w.says("a", extend(chain[:9], 3, "other"))
    assert w.tracker.split(chain[9]) is True
    w.says("a", chain)
    assert w.tracker.split(chain[9]) is False


def test_a_branch_that_grows_more_slowly_is_a_split_too() -> None:
    """A client of a minority has fewer proposers: it may never have a block at our height when that is judged."""
    chain = extend([], 40, "x")
    w = world(chain[:30])
    for name in ("b", "c"):
        w.says(name, chain)
    w.says("a", extend(chain[:32], 3, "other"))
    assert w.tracker.split(chain[39]) is True
    w.says("a", chain[:35])
    assert w.tracker.split(chain[39]) is False


def test_lower_than_all_that_is_kept_and_yet_later_is_another_branch() -> None:
    chain = extend([], 200, "x")
    w = world(chain[:150])
    for name in ("b", "c"):
        w.says(name, chain)
    w.says("a", chain[:90])
    assert w.tracker.split(chain[199]) is False, "one that syncs is behind"
    slow = extend(chain[:90], 1, "other")
    w.says("a", [*slow[:-1], replace(slow[-1], timestamp=chain[195].timestamp)])
    assert w.tracker.split(chain[199]) is True


def test_an_endpoint_that_stopped_on_an_orphan_disagrees_for_an_epoch_and_no_longer() -> None:
    chain = extend([], 10, "x")
    w = world(chain)
    for name in ("b", "c"):
        w.says(name, chain)
    w.says("a", extend(chain[:9], 1, "orphan"))
    later = {late: replace(extend(chain, 1, "x")[-1], timestamp=chain[9].timestamp + late) for late in (SAYS_SECONDS, SAYS_SECONDS + 1)}
    for late, stamp in later.items():
        for name in ("b", "c"):
            w.says(name, [*chain, stamp])
        assert w.tracker.split(stamp) is (late == SAYS_SECONDS)


def test_a_missing_block_is_made_up_in_order() -> None:
    chain = extend([], 30, "x")
    w = world(chain[:20])
    w.says("a", chain)
    w.says("c", chain)
    assert w.ours == chain
    assert [type(e) for e in w.events] == [Block] * 10


def test_a_lone_head_never_becomes_a_block() -> None:
    chain = extend([], 10, "x")
    w = world(chain)
    w.says("b", chain)
    w.says("c", chain)
    w.says("a", extend(chain, 3, "lie"))
    assert w.events == []


def test_a_lagging_endpoint_undoes_nothing() -> None:
    chain = extend([], 10, "x")
    w = world(chain)
    for name in NAMES:
        w.says(name, chain[:-4])
    assert w.events == []
    for name in NAMES[:2]:
        w.says(name, extend(chain, 1, "x"))
    assert [type(e) for e in w.events] == [Block]


def test_an_equally_high_fork_of_the_majority_is_followed() -> None:
    chain = extend([], 10, "x")
    w = world(chain)
    for name in NAMES:
        w.says(name, chain)
    fork = extend(chain[:-1], 1, "y")
    w.says("a", fork)
    assert w.events == []
    w.says("b", fork)
    assert w.events[0] == Rewind(chain[-2]) and w.ours[-1] == fork[-1]


def test_a_reorg_deeper_than_what_we_know_is_a_loss() -> None:
    chain = extend([], 100, "x")
    w = world(chain[-64:])
    other = extend(chain[:30], 80, "y")
    w.says("a", other)
    w.says("b", other)
    assert isinstance(w.events[-1], Lost)
    w.says("c", other)
    assert len(w.events) == 1


def test_a_chain_that_began_anew_is_a_loss() -> None:
    chain = extend([], 100, "x")
    w = world(chain[-64:])
    anew = [BlockStamp(0, Hash("0xnew"), Hash("0x0"), 5000, Slot(0))]
    w.says("a", anew)
    w.says("b", anew)
    assert isinstance(w.events[-1], Lost)


def test_an_outage_beyond_the_history_is_a_gap_and_then_goes_on() -> None:
    chain = extend([], 200, "x")
    w = world(chain[:50])
    for name in NAMES:
        w.says(name, chain)
    assert w.events[0] == Gap(50, 179)
    assert w.ours[-1] == chain[-1] and [s.number for s in w.ours[50:]] == list(range(180, 200))


def test_a_gap_over_a_reorg_rewinds_first() -> None:
    old = extend([], 50, "x")
    chain = extend(old[:47], 100, "y")
    w = world(old)
    for name in NAMES:
        w.says(name, chain)
    assert w.events[:2] == [Rewind(old[46]), Gap(47, len(chain) - HISTORY - 1)]
    assert w.ours[-1] == chain[-1]


def test_the_beacon_root_needs_a_majority_of_its_own_and_splits_no_vote() -> None:
    chain = extend([], 3, "x")
    rooted = [replace(s, beacon_root=Hash("0xroot")) for s in chain]
    w = world()
    w.says("a", rooted)
    w.says("b", chain)
    assert w.ours == [chain[-1]]
    w.says("c", extend(rooted, 1, "x"))
    w.says("a", extend(rooted, 1, "x"))
    assert w.ours[-1].beacon_root is None
    w = world()
    w.says("a", rooted)
    w.says("b", rooted)
    assert w.ours == [rooted[-1]]


actions = st.one_of(
    st.tuples(st.just("mine"), st.integers(1, 4)),
    st.tuples(st.just("reorg"), st.integers(1, 12)),
    st.tuples(st.just("outage"), st.integers(HISTORY, 3 * HISTORY)),
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 5)),
    st.tuples(st.just("lie"), st.integers(0, 30)),
    st.tuples(st.just("retry"), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=40), st.booleans())
def test_two_honest_endpoints_of_three_tell_the_truth(script: list[tuple[str, int]], restart: bool) -> None:
    """Only true blocks are agreed, in order, and in the end the tip is the honest one's: the liar changes nothing."""
    truth = extend([], 5, "t")
    honest = set(truth)
    w = world(truth[-3:] if restart else [])
    for step, (what, size) in enumerate(script):
        if what == "mine" or what == "outage":
            truth = extend(truth, size, f"t{step}")
        elif what == "reorg":
            truth = extend(truth[: max(5, len(truth) - size)], size + 1, f"r{step}")
        elif what == "lie":
            w.says("c", extend(truth[: max(1, len(truth) - size)], size % 7 + 1, f"lie{step}"))
        elif what == "retry":
            w.tracker.retry()
            w.settle()
        else:
            w.says(what, truth[: max(5, len(truth) - size)])
        honest |= set(truth)
    for name in ("a", "b"):
        w.says(name, truth)
    assert all(e.stamp in honest for e in w.events if isinstance(e, Block))
    lost = any(isinstance(e, Lost) for e in w.events)
    assert lost or w.ours[-1] == truth[-1]
    assert w.asked < 4000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**62), st.binary(min_size=1, max_size=2), st.binary(max_size=2)), max_size=40))
def test_nonsense_from_everywhere_never_breaks_it(claims: list[tuple[int, int, bytes, bytes]]) -> None:
    tracker = Tracker(NAMES, extend([], 10, "x"), HISTORY)
    for who, number, own, parent in claims:
        stamp = BlockStamp(number % 40 if own < b"\x80" else number, Hash(own.hex()), Hash(parent.hex()), number % 3000, Slot(0))
        tracker.announce(NAMES[who], stamp, 0.0)
        tracker.advance(0.0)
        for need in tracker.needs():
            assert need.last - need.first < 2**62
            tracker.tell(need.endpoint, [stamp])
        tracker.advance(0.0)
