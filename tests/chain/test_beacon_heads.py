"""Which beacon block is agreed, and which bodies are known before it: pure, by example and by property."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.answers import Header
from monitor.chain.beacon.bodies import Bodies
from monitor.chain.beacon.heads import DEPTH, Canon
from monitor.model import Hash, Slot
from monitor.model.beacon import BeaconBlock

NAMES = ("a", "b", "c")


def root(*what: object) -> Hash:
    return Hash("0x" + hashlib.sha256(repr(what).encode()).hexdigest())


def block(slot: int, on: Header | None = None, salt: str = "") -> Header:
    parent = Hash("0x" + "00" * 32) if on is None else on.root
    own = root(slot, parent, salt)
    return Header(Slot(slot), own, parent, slot % 3, root(own, "state"), root(own, "body"))


def line(first: int, last: int, on: Header | None = None, salt: str = "") -> list[Header]:
    made: list[Header] = []
    for slot in range(first, last + 1):
        made.append(block(slot, made[-1] if made else on, salt))
    return made


def show(canon: Canon, name: str, chain: list[Header], voters: tuple[str, ...] = NAMES) -> None:
    """The node has this chain; it is asked as the client asks."""
    canon.announce(name, chain[-1])
    canon.advance(voters)
    known = {h.root: h for h in chain}
    while (parent := canon.missing(name)) is not None and parent in known:
        if not canon.tell(name, known[parent]):
            return  # a lie that shows
        canon.advance(voters)


def grow(chain: list[Header]) -> Canon:
    """All nodes have followed the chain block by block."""
    canon = Canon(NAMES)
    for header in chain:
        for name in NAMES:
            canon.announce(name, header)
            canon.advance(NAMES)
    return canon


def test_a_head_needs_a_majority_of_all_that_are_configured() -> None:
    canon = Canon(NAMES)
    chain = line(1, 5)
    show(canon, "a", chain)
    assert canon.head is None
    show(canon, "b", chain)
    assert canon.head == chain[-1]


def test_the_newest_common_block_is_agreed_while_one_node_lags() -> None:
    canon = Canon(NAMES)
    chain = line(1, 9)
    show(canon, "a", chain[:6])
    show(canon, "b", chain)
    assert canon.head == chain[5]
    show(canon, "c", chain[:8])
    assert canon.head == chain[7]
    assert [canon.supports(n, chain[7].root) for n in NAMES] == [False, True, True]


def test_a_reorganisation_is_followed_and_an_older_head_is_not() -> None:
    chain = line(1, 5)
    canon = grow(chain)
    show(canon, "a", chain[:3])
    show(canon, "b", chain[:3])
    assert canon.head == chain[-1], "nodes that fell back take nothing back"
    other = [*chain[:4], block(5, chain[3], "other")]
    show(canon, "a", other)
    assert canon.head == chain[-1]
    assert canon.opposes("a")
    show(canon, "b", other)
    assert canon.head == other[-1]
    assert list(canon.chain(other[-1].root)) == list(reversed(other))
    assert canon.opposes("c") and not canon.opposes("a")


def test_a_branch_with_an_older_head_wins_when_a_majority_is_on_it() -> None:
    chain = line(1, 8)
    canon = grow(chain)
    other = [*chain[:3], block(6, chain[2], "other")]
    show(canon, "a", other)
    show(canon, "b", other)
    assert canon.head == other[-1]


def test_who_lies_about_a_parent_stands_alone() -> None:
    canon = Canon(NAMES)
    chain = line(1, 5)
    show(canon, "a", chain)
    honest = chain[-1]
    lie = Header(honest.slot, honest.root, chain[1].root, honest.proposer, honest.state_root, honest.body_root)
    show(canon, "c", [*chain[:-1], lie])
    assert canon.head in chain[:2], "what both have below the lie"
    show(canon, "b", chain)
    assert canon.head == honest


def test_nodes_without_a_vote_are_not_counted() -> None:
    canon = Canon(NAMES)
    chain = line(1, 5)
    show(canon, "a", chain, voters=("a",))
    show(canon, "b", chain, voters=("a",))
    assert canon.head is None
    assert canon.advance(("a", "b"))
    canon.drop("b")
    show(canon, "a", line(1, 6), voters=NAMES)
    assert canon.head == chain[-1]


def test_no_lie_makes_a_circle() -> None:
    canon = Canon(NAMES)
    low, high = block(9), block(10, block(9))
    canon.announce("a", high)
    assert not canon.tell("a", Header(Slot(11), low.root, high.root, 0, root(1), root(2)))
    canon.announce("a", low)
    canon.announce("a", high)
    canon.announce("a", Header(Slot(11), low.root, high.root, 0, root(1), root(2)))
    assert canon.missing("a") == low.root, "the walk ends"
    assert not canon.advance(NAMES)


@given(st.data())
def test_a_minority_never_moves_the_head(data: st.DataObject) -> None:
    """Whatever one of three says, the head is a block that an honest node has; two honest nodes on one chain agree on it."""
    canon = Canon(NAMES)
    trunk = line(1, 6)
    branches = [trunk, [*trunk[:3], *line(4, 8, trunk[2], "x")], line(1, 9, None, "foreign")]
    honest = trunk[: data.draw(st.integers(1, 6))]
    for _ in range(data.draw(st.integers(1, 12))):
        who = data.draw(st.sampled_from(NAMES))
        if who == "c":
            branch = data.draw(st.sampled_from(branches))
            top = branch[: data.draw(st.integers(1, len(branch)))]
            false = top[-1]
            if data.draw(st.booleans()):
                false = Header(
                    Slot(false.slot + 3), false.root, data.draw(st.sampled_from(trunk)).root, 9, false.state_root, false.body_root
                )
            show(canon, "c", [*top[:-1], false])
        else:
            show(canon, who, honest[: data.draw(st.integers(1, len(honest)))])
        assert canon.head is None or canon.head in honest
    show(canon, "a", honest)
    show(canon, "b", honest)
    assert canon.head == honest[-1]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 1), st.integers(1, 60)), min_size=1, max_size=40))
def test_memory_is_bounded_and_the_walk_joins(steps: list[tuple[str, int, int]]) -> None:
    canon = Canon(NAMES, depth=8)
    trunk = line(1, 60)
    fork = [*trunk[:20], *line(21, 60, trunk[19], "x")]
    for name, which, length in steps:
        show(canon, name, (trunk, fork)[which][:length])
        assert all(len(view.stated) <= 3 * 8 + 1 for view in canon._views.values())
        assert len(canon._agreed) <= 60
    for name in NAMES:
        show(canon, name, fork)
    assert canon.head == fork[-1]


def facts(header: Header) -> BeaconBlock:
    return BeaconBlock(header.slot, header.root, header.parent, header.proposer)


def test_bodies_are_asked_for_from_the_head_down_and_run_up_to_it() -> None:
    canon = Canon(("a",))
    chain = line(1, 20)
    canon.announce("a", chain[-1])
    canon.advance(("a",))
    bodies = Bodies(canon, 1.0, depth=6)
    asked = []
    for wanted in bodies.missing(chain[-1]):
        asked.append(wanted)
        bodies.told(wanted, next(facts(h) for h in chain if h.root == wanted))
    assert asked == [h.root for h in reversed(chain[13:])]
    assert [b.slot for b in bodies.run(chain[-1])] == list(range(14, 21))


def test_a_body_that_cannot_be_had_is_asked_for_again_later_and_leaves_no_hole() -> None:
    now = [0.0]
    canon = Canon(("a",))
    chain = line(1, 5)
    for header in chain:
        canon.announce("a", header)
        canon.advance(("a",))
    bodies = Bodies(canon, 1.0, clock=lambda: now[0])
    for wanted in bodies.missing(chain[-1]):
        bodies.told(wanted, None if wanted in (chain[4].root, chain[2].root) else next(facts(h) for h in chain if h.root == wanted))
    assert [b.slot for b in bodies.run(chain[-1])] == [4], "not the head, which is not agreed, and nothing below the hole"
    assert list(bodies.missing(chain[-1])) == []
    now[0] = 1.0
    for wanted in bodies.missing(chain[-1]):
        bodies.told(wanted, next(facts(h) for h in chain if h.root == wanted))
    assert [b.slot for b in bodies.run(chain[-1])] == [1, 2, 3, 4, 5]
    assert DEPTH == 96


def test_a_newer_head_whose_ancestors_are_not_known_yet_opposes_nothing() -> None:
    chain = line(1, 40)
    canon = grow(chain[:5])
    canon.announce("a", chain[-1])
    assert not canon.opposes("a")
    show(canon, "a", chain)
    assert not canon.opposes("a")
    other = line(6, 45, chain[3], salt="another branch")
    show(canon, "b", chain)
    canon.announce("c", other[-1])
    assert not canon.opposes("c")
    show(canon, "c", [*chain[:4], *other])
    assert canon.opposes("c")
