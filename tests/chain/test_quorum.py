"""A value stands when a strict majority of all configured endpoints says it, whatever the rest does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.quorum import NoVote, Vote, decide, dissenters, majority
from monitor.model import Disputed, Failed, Reverted, Value

A, B = Vote(b"a"), Vote(b"b")
SILENT = NoVote("timeout")
opinions = st.one_of(st.builds(Vote, st.sampled_from([b"", b"a", b"b"]), st.booleans()), st.just(SILENT))


@st.composite
def polls(draw: st.DrawFn) -> tuple[dict[str, Vote | NoVote], int]:
    n = draw(st.integers(1, 7))
    votes = draw(st.lists(opinions, min_size=0, max_size=n))
    return {f"e{i}": vote for i, vote in enumerate(votes)}, n


def test_one_endpoint_is_believed() -> None:
    assert decide({"x": A}, 1) == Value(b"a", ("x",))


def test_two_must_both_agree() -> None:
    assert decide({"x": A}, 2) is None
    assert decide({"x": A, "y": A}, 2) == Value(b"a", ("x", "y"))
    assert isinstance(decide({"x": A, "y": B}, 2), Disputed)
    assert isinstance(decide({"x": A, "y": SILENT}, 2), Failed)


def test_two_of_three_are_enough_and_the_dissenter_is_named() -> None:
    votes = {"x": A, "y": B, "z": A}
    answer = decide(votes, 3)
    assert answer == Value(b"a", ("x", "z"))
    assert dissenters(votes, answer) == ("y",)


def test_a_revert_is_a_vote_of_its_own() -> None:
    assert decide({"x": Vote(b"a", True), "y": Vote(b"a", True)}, 3) == Reverted(b"a", ("x", "y"))
    assert decide({"x": Vote(b"a", True), "y": Vote(b"a")}, 3) is None


def test_a_lone_survivor_decides_nothing() -> None:
    answer = decide({"x": A, "y": SILENT, "z": SILENT}, 3)
    assert isinstance(answer, Failed)
    assert "1 of 3" in answer.reason and "y: timeout" in answer.reason


def test_a_dispute_says_who_said_what() -> None:
    assert decide({"x": A, "y": B, "z": Vote(b"c", True)}, 3) == Disputed((("x", "0x61"), ("y", "0x62"), ("z", "reverted 0x63")))


@given(polls())
def test_a_value_stands_exactly_with_a_majority_of_the_configured(poll: tuple[dict[str, Vote | NoVote], int]) -> None:
    votes, n = poll
    answer = decide(votes, n)
    most = max((sum(v == w for w in votes.values()) for v in votes.values() if isinstance(v, Vote)), default=0)
    assert isinstance(answer, (Value, Reverted)) == (most >= majority(n))
    if isinstance(answer, (Value, Reverted)):
        supporters = {name for name, v in votes.items() if v == Vote(answer.data, isinstance(answer, Reverted))}
        assert set(answer.endpoints) == supporters and len(supporters) * 2 > n
        assert supporters | set(dissenters(votes, answer)) | {k for k, v in votes.items() if isinstance(v, NoVote)} == set(votes)


@given(polls(), st.lists(opinions, max_size=7))
def test_what_is_decided_stays_decided(poll: tuple[dict[str, Vote | NoVote], int], later: list[Vote | NoVote]) -> None:
    votes, n = poll
    before = decide(votes, n)
    more = dict(votes)
    for i, vote in enumerate(later[: n - len(votes)]):
        more[f"late{i}"] = vote
    after = decide(more, n)
    if isinstance(before, (Value, Reverted)):
        assert isinstance(after, type(before)) and after.data == before.data
    elif before is not None:
        assert isinstance(after, (Failed, Disputed))
    if len(more) == n:
        assert after is not None


@given(polls(), st.randoms())
def test_the_order_of_answers_does_not_matter(poll: tuple[dict[str, Vote | NoVote], int], random: st.DataObject) -> None:
    votes, n = poll
    shuffled = list(votes.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(dict(shuffled), n) == decide(votes, n)


@given(st.integers(0, 3), st.lists(st.sampled_from([A, SILENT]), min_size=7, max_size=7))
def test_no_minority_of_liars_can_make_a_value(liars: int, honest: list[Vote | NoVote]) -> None:
    votes: dict[str, Vote | NoVote] = {f"liar{i}": B for i in range(liars)}
    votes |= {f"e{i}": vote for i, vote in enumerate(honest[: 7 - liars])}
    answer = decide(votes, 7)
    assert not isinstance(answer, Value) or answer.data == b"a"
