"""The journal: what was appended comes back exactly, in order, on the branch on which it was judged."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.model import EMPTY_LAYOUT, Disputed, Failed, Frame, Layout, Ok, Series, Tick, blind_frame, labels
from monitor.store import NotOnBranch, Store, journal, replay
from tests.store.entries import RULES, entry, frame, same_frame, stamp, transition


def _append(store: Store, *entries: journal.JudgedEntry) -> None:
    for one in entries:
        with store.begin() as unit:
            journal.append(unit, one)


def _frames(store: Store, since: int = 0) -> list[Frame]:
    with store.read() as unit:
        return list(journal.load_frames(unit, since))


def test_frames_come_back_as_they_were_in_admitted_order(store: Store) -> None:
    written = []
    for n in range(1, 8):
        at = stamp(n)
        frames = [
            frame(at, {"a": 1.0 / n, "b": -0.0, "c": math.inf}, events=n % 3),
            blind_frame("queue", labels(protocol="lido"), at, Failed("no answer \x00 \ud800")),
            blind_frame("peg", labels(venue="curve"), at, Disputed((("one", "ab"), ("two", "cd")))),
            frame(at, {}, collector="empty"),
        ]
        if n > 3:
            slow = frame(at, {"slow": float(n)}, collector="slow")
            frames.append(Frame(slow.collector, slow.scope, stamp(n - 2), at, Ok(), slow.layout, slow.values))
        written += frames
        _append(store, entry(at, *frames))
    read = _frames(store)
    assert len(read) == len(written)
    assert all(same_frame(a, b) for a, b in zip(read, written, strict=True))
    late = _frames(store, stamp(5).timestamp)
    assert [f.admitted for f in late] == [f.admitted for f in written if f.admitted.timestamp >= stamp(5).timestamp]


def test_values_survive_changes_of_base_layout_and_process(store: Store, store_url: str) -> None:
    rng = np.random.default_rng(7)
    written = []
    for n in range(1, 30):
        count = 40 if n < 15 else 41
        values = dict.fromkeys((f"m{i}" for i in range(count)), 32.0)
        values["m3"] = rng.standard_normal()
        if n % 7 == 0:
            values = {name: rng.standard_normal() for name in values}
        one = frame(stamp(n), values)
        written.append(one)
        if n % 5:
            _append(store, entry(stamp(n), one))
        else:
            with Store.open(store_url) as other:
                _append(other, entry(stamp(n), one))
    assert all(same_frame(a, b) for a, b in zip(_frames(store), written, strict=True))


def test_a_rolled_back_base_is_never_written_against(store: Store) -> None:
    with pytest.raises(RuntimeError, match="after"), store.begin() as unit:
        journal.append(unit, entry(stamp(1), frame(stamp(1), {"a": 1.0})))
        raise RuntimeError("after")
    assert _frames(store) == []
    first, second = frame(stamp(1), {"a": 1.0}), frame(stamp(2), {"a": 2.0})
    _append(store, entry(stamp(1), first), entry(stamp(2), second))
    assert all(same_frame(a, b) for a, b in zip(_frames(store), [first, second], strict=True))


any_bits = st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0])
any_text = st.text(st.characters(), max_size=12)
some_labels = st.dictionaries(any_text.filter(bool), any_text, max_size=3).map(labels)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.dictionaries(some_labels, any_bits, max_size=5), st.sampled_from([Ok(), Failed("x"), Disputed((("a", "b"),))])),
        min_size=1,
        max_size=6,
    ),
    details=st.dictionaries(any_text, st.integers().map(str), max_size=3),
)
def test_any_frame_round_trips_bit_by_bit(store: Store, rows: list[tuple[dict[object, float], object]], details: dict[str, str]) -> None:
    with store.begin() as unit:
        journal.lost(unit, "another example", seen_at=0.0, ruleset=RULES)
    written = []
    for n, (samples, status) in enumerate(rows, 1):
        layout = Layout(Series("f", pairs) for pairs in samples)
        exact = np.frombuffer(b"".join(struct.pack("<d", value) for value in samples.values()), dtype=np.float64)
        model = frame(stamp(n), {}, events=1)
        events = tuple(type(e)(e.id, e.series, e.stamp, details) for e in model.events)
        one = Frame("any", labels(protocol="lido"), stamp(n), stamp(n), status, layout, exact, events)
        written.append(one)
        _append(store, entry(stamp(n), one))
    assert all(same_frame(a, b) for a, b in zip(_frames(store), written, strict=True))


def test_memory_and_instances_are_those_of_the_stamp(store: Store) -> None:
    for n in range(1, 6):
        memory = {"oracle": {"n": n, "wei": 10**40 + n}, "queue": {"same": True}}
        _append(store, entry(stamp(n), known=memory, instances=f'{{"n":{n // 2}}}'))
    with store.read() as unit:
        assert journal.known(unit) == {"oracle": {"n": 5, "wei": 10**40 + 5}, "queue": {"same": True}}
        assert journal.known(unit, stamp(2)) == {"oracle": {"n": 2, "wei": 10**40 + 2}, "queue": {"same": True}}
        assert [journal.instances_at(unit, stamp(n)) for n in range(1, 6)] == [f'{{"n":{n // 2}}}' for n in range(1, 6)]
        assert journal.instances_at(unit) == '{"n":2}'


def test_rewind_takes_back_the_branch_and_keeps_it_for_replay(store: Store) -> None:
    for n in range(1, 5):
        _append(store, entry(stamp(n), frame(stamp(n), {"a": n}), known={"c": {"n": n}}, instances=f"{n}"))
    tick = Tick(stamp(4), stamp(4).timestamp + 30)
    _append(store, entry(tick, frame(tick, {"a": 9.0}, collector="own"), known={"c": {"n": 99}}))
    with store.begin() as unit:
        journal.rewind(unit, stamp(2), seen_at=1.0, ruleset=RULES)
    with store.read() as unit:
        assert journal.tail(unit) == [stamp(1), stamp(2)]
        assert journal.known(unit) == {"c": {"n": 2}}
        assert journal.instances_at(unit) == "2"
    b3 = stamp(3, "b", "a")
    _append(store, entry(b3, frame(b3, {"a": 33.0}), known={"c": {"n": 33}}))
    with store.read() as unit:
        assert journal.tail(unit, 2) == [stamp(2), b3]
        assert journal.known(unit, stamp(2)) == {"c": {"n": 2}}
        assert [f.values[0] for f in journal.load_frames(unit, 0)] == [1.0, 2.0, 33.0]
        told = [(e.kind, e.at, e.orphaned) for e in journal.replay(unit)]
    assert told == [
        ("block", stamp(1), False),
        ("block", stamp(2), False),
        ("block", stamp(3), True),
        ("block", stamp(4), True),
        ("tick", tick, True),
        ("rewind", stamp(2), False),
        ("block", b3, False),
    ]


def test_what_is_remembered_of_a_rewind_holds_until_the_next_one(store: Store) -> None:
    for n in range(1, 5):
        _append(store, entry(stamp(n), known={"c": {"n": n}, "pipeline": {}}))
    with store.begin() as unit:
        journal.rewind(unit, stamp(3), seen_at=1.0, ruleset=RULES, known={"pipeline": {"orphaned": 4}})
    with store.read() as unit:
        assert journal.known(unit) == {"c": {"n": 3}, "pipeline": {"orphaned": 4}}
    with store.begin() as unit:
        journal.rewind(unit, stamp(2), seen_at=1.0, ruleset=RULES)
    with store.read() as unit:
        assert journal.known(unit) == {"c": {"n": 2}, "pipeline": {}}


def test_entries_must_follow_the_branch(store: Store) -> None:
    _append(store, entry(stamp(1)), entry(stamp(2)))
    for wrong in (stamp(2), stamp(3, "b"), stamp(1, "b")):
        with pytest.raises(NotOnBranch):
            _append(store, entry(wrong))
    with pytest.raises(NotOnBranch):
        _append(store, entry(Tick(stamp(1), stamp(1).timestamp + 40)))
    with pytest.raises(NotOnBranch), store.begin() as unit:
        journal.rewind(unit, stamp(1, "b"), seen_at=1.0, ruleset=RULES)
    with store.read() as unit:
        assert journal.tail(unit) == [stamp(1), stamp(2)]


def test_contradicting_frames_are_refused_whole(store: Store) -> None:
    good = frame(stamp(1), {"a": 1.0})
    short = Frame("x", (), stamp(1), stamp(1), Ok(), good.layout, np.empty(0))
    with pytest.raises(ValueError, match="admitted"):
        _append(store, entry(stamp(2), good))
    with pytest.raises(ValueError, match="shape"):
        _append(store, entry(stamp(1), good, short))
    assert short.layout is not EMPTY_LAYOUT
    assert _frames(store) == []


def test_replay_gives_everything_in_order(store: Store) -> None:
    with store.begin() as unit:
        assert replay.last_ruleset_text(unit) is None
        journal.rules(unit, RULES, "groups: []\n", seen_at=1.0)
        assert replay.last_ruleset_text(unit) == "groups: []\n"
    one = entry(
        stamp(1), frame(stamp(1), {"a": 1.0}), transitions=(transition(stamp(1), math.nan), transition(stamp(0))), agreed=("x", "y")
    )
    _append(store, one)
    with store.begin() as unit:
        journal.gap(unit, 2, 9, seen_at=2.0, ruleset=RULES)
    _append(store, entry(stamp(10)))
    with store.begin() as unit:
        journal.rules(unit, "rules-2", "groups: [2]\n", seen_at=3.0)
        journal.lost(unit, "deep", seen_at=4.0, ruleset="rules-2")
    with store.read() as unit:
        entries = list(journal.replay(unit))
        part = list(journal.replay(unit, 2, 3))
        changes = journal.transitions(unit)
        assert journal.ruleset_text(unit, RULES) == "groups: []\n"
        with pytest.raises(LookupError, match="rules-9"):
            journal.ruleset_text(unit, "rules-9")
        assert journal.tail(unit) == []
        assert replay.last_ruleset_text(unit) == "groups: [2]\n"
    assert [e.kind for e in entries] == ["rules", "block", "gap", "block", "rules", "lost"]
    assert [e.kind for e in part] == ["gap", "block"]
    assert entries[0].ruleset_text == "groups: []\n"
    assert entries[0].at is None
    assert (entries[1].agreed, entries[1].seen_at, entries[1].judged_at) == (("x", "y"), one.seen_at, one.judged_at)
    assert same_frame(entries[1].frames[0], one.frames[0])
    assert math.isnan(entries[1].transitions[0].value)
    assert entries[1].transitions[1] == transition(stamp(0))
    assert (entries[2].gap, entries[2].at) == ((2, 9), stamp(1))
    assert entries[5].reason == "deep"
    assert len(changes) == 2


def test_lost_chain_forgets_memory_and_keeps_what_was_announced(store: Store) -> None:
    _append(store, entry(stamp(1), frame(stamp(1), {"a": 1.0}), known={"c": {"n": 1}}, instances="[1]"))
    with store.begin() as unit:
        journal.lost(unit, "deep", seen_at=1.0, ruleset=RULES)
    with store.read() as unit:
        assert journal.known(unit) == {}
        assert journal.instances_at(unit) == "[1]"
        assert list(journal.load_frames(unit, 0)) == []
    _append(store, entry(stamp(1, "c")))


def test_old_memory_is_forgotten_and_what_holds_stays(store: Store) -> None:
    _append(store, entry(stamp(1), known={"once": {"v": 1}, "often": {"n": 1}}, instances="[]"))
    with store.begin() as unit:
        for n in range(2, 300):
            journal.append(unit, entry(stamp(n), known={"once": {"v": 1}, "often": {"n": n}}, instances=f"[{n // 10}]"))
    with store.read() as unit:
        assert journal.known(unit) == {"once": {"v": 1}, "often": {"n": 299}}
        for n in range(299 - 64, 300):
            assert journal.known(unit, stamp(n)) == {"once": {"v": 1}, "often": {"n": n}}
            assert journal.instances_at(unit, stamp(n)) == f"[{n // 10}]"
        rows = unit.conn.exec_driver_sql("SELECT count(*) FROM collector_state").scalar_one()
    assert rows < 128 + 32
