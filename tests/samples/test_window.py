"""The window: what is known, absent and unknown, what rewinding undoes, and what is forgotten."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.catalogue.catalogue import Catalogue, UnknownFamily
from monitor.model import Event, EventId, Failed, Family, Frame, Labels, Series, Tick, blind_frame, labels, ok_frame
from monitor.samples import Blind, FrameWindow, Matcher, OutOfOrder, Selector, Source, Vector, recorded_frame, recorded_scope, recorder
from tests.samples.stamps import stamp

LIDO, ROCKET = labels(protocol="lido"), labels(protocol="rocketpool")


def family(name: str, **more: object) -> Family:
    return Family(name, "event" if "visible_for" in more else "gauge", "", "monitor", (), "", **more)  # type: ignore[arg-type]


CATALOGUE = Catalogue(
    [family("x", fresh_for=30), family("slow", fresh_for=300), family("e", fresh_for=30, visible_for=120), family("sum:x", fresh_for=30)]
)
SOURCES = (Source("one", ("x", "slow", "e"), (LIDO,)), Source("two", ("x",), (ROCKET,)))
X = Selector("x")


def window(keep: int = 600, **more: int) -> FrameWindow:
    return FrameWindow(CATALOGUE, SOURCES, keep, **more)


def ok(n: int, values: dict[str, float], scope: Labels = LIDO, name: str = "x", read: int | None = None) -> Frame:
    samples = {Series(name, labels(dict(scope) | {"i": i})): v for i, v in values.items()}
    return ok_frame("one" if scope == LIDO else "two", scope, stamp(read or n), samples, admitted=stamp(n))


def seen(vector: Vector) -> dict[str, tuple[float, bool]]:
    """Value and known by the labels i and protocol."""
    return {dict(row)["i"] + dict(row)["protocol"][0]: v for row, v in vector.rows.items()}


def at(n: int, more: int = 0) -> int:
    return stamp(n).timestamp + more


def test_known_absent_unknown() -> None:
    w = window()
    w.append(ok(1, {"1": 5, "2": 6}))
    w.append(ok(1, {"1": 7}, ROCKET))
    w.append(ok(2, {"1": 8}))
    found = w.instant(X, at(2))
    assert seen(found) == {"1l": (8, True), "1r": (7, True)}
    assert found.complete
    assert seen(w.instant(X, at(1))) == {"1l": (5, True), "2l": (6, True), "1r": (7, True)}
    assert seen(w.instant(X, at(1, 30)))["1r"] == (7, True), "an age of fresh_for is fresh"
    late = w.instant(X, at(1, 31))
    assert seen(late) == {"1l": (8, True), "1r": (7, False)}
    assert late.missing == {labels(protocol="rocketpool", __name__="x")}
    assert late.could_hold(labels(protocol="rocketpool", __name__="x", i="9")) and not late.could_hold(
        labels(protocol="lido", __name__="x")
    )


def test_a_scope_never_heard_from_is_blind() -> None:
    w = window()
    w.append(ok(1, {"1": 5}))
    found = w.instant(X, at(1))
    assert not found.complete
    assert w.instant(Selector("x", (Matcher("protocol", "=", "lido"),)), at(1)).complete, (
        "a blind scope that contradicts the matchers is no matter"
    )
    assert w.instant(Selector("x", (Matcher("protocol", "!~", "rocket.*"),)), at(1)).complete
    assert not w.instant(Selector("x", (Matcher("i", "=", "1"),)), at(1)).complete
    assert w.blind(at(1)) == [Blind("two", ROCKET, None)]
    assert w.blind(at(1, 31)) == [Blind("one", LIDO, at(1, 30)), Blind("two", ROCKET, None)]
    assert w.instant(Selector("slow"), at(1, 31)).complete, "freshness is the family's"


def test_failed_frames_change_nothing() -> None:
    w = window()
    w.append(ok(1, {"1": 5}))
    w.append(blind_frame("one", LIDO, stamp(2), Failed("timeout")))
    assert seen(w.instant(X, at(2))) == {"1l": (5, True)}
    assert seen(w.instant(X, at(4))) == {"1l": (5, False)}


def test_ranges_are_open_on_the_left_and_closed_on_the_right() -> None:
    w = window()
    for n in range(1, 6):
        w.append(ok(n, {"1": n} if n != 3 else {"1": n, "2": 9}))
    lido = Selector("x", (Matcher("protocol", "=", "lido"),))
    m = w.range(lido, at(5), 36)
    assert m.times.tolist() == [at(3), at(4), at(5)]
    assert m.values[:, m.labels.rows.index(labels(__name__="x", i="1", protocol="lido"))].tolist() == [3, 4, 5]
    assert m.present.sum(axis=0).tolist() == [3, 1] and m.known.all() and m.complete


@pytest.mark.parametrize(
    ("heard", "known"),
    [(range(1, 21), True), ([*range(1, 5), *range(8, 21)], True), ([*range(1, 5), *range(13, 21)], False), (range(1, 18), False)],
)
def test_a_range_is_unknown_if_it_is_not_covered_or_not_fresh(heard: list[int], known: bool) -> None:
    w = window()
    for n in heard:
        w.append(ok(n, {"1": n}))
    m = w.range(Selector("x", (Matcher("protocol", "=", "lido"),)), at(20), 12 * 18)
    assert m.known.tolist() == [known] and m.complete == known


def test_a_series_seen_before_a_blind_range_is_unknown_in_it() -> None:
    w = window()
    w.append(ok(1, {"1": 1}))
    m = w.range(X, at(20), 60)
    assert len(m.labels) == 1 and not m.known.any() and not m.complete and m.values.shape == (0, 1)


def test_events_are_seen_from_their_admission_for_as_long_as_their_family_says() -> None:
    w = window()
    happened = Series("e", labels(protocol="lido", tx="0x1"))
    made_up = Event(EventId("1"), happened, stamp(1))
    w.append(ok_frame("one", LIDO, stamp(3), events=[made_up], admitted=stamp(4)))
    e = Selector("e")
    assert len(w.instant(e, at(3))) == 0
    assert [w.instant(e, at(4, s)).rows for s in (0, 119)] == [{labels(__name__="e", protocol="lido", tx="0x1"): (1.0, True)}] * 2
    assert len(w.instant(e, at(4, 120))) == 0
    assert not w.instant(e, at(4, 119)).complete, "seen, though blind for others by now"
    m = w.range(e, at(5), 24)
    assert m.times.tolist() == [at(4)] and m.known.all()


def test_blocks_made_up_after_a_tick_are_taken_where_the_tick_said_nothing() -> None:
    w = window()
    w.append(ok(5, {"1": 1}))
    w.append(ok_frame("two", ROCKET, stamp(5), admitted=Tick(stamp(5), at(9))))
    w.append(ok(6, {"1": 2}))
    assert seen(w.instant(X, at(6))) == {"1l": (2, True)}
    w.rewind(stamp(5))
    assert seen(w.instant(X, at(5))) == {"1l": (1, True)}


def test_ticks_speak_for_their_own_time_and_slow_frames_for_the_block_they_read() -> None:
    w = window()
    w.append(ok(5, {"1": 1}, read=2))
    assert len(w.instant(X, at(4))) == 0, "not admitted yet"
    assert seen(w.instant(X, at(5))) == {"1l": (1, False)}, "36 seconds old when it came"
    tick = Tick(stamp(5), at(9))
    w.append(ok_frame("one", LIDO, stamp(5), {Series("x", labels(protocol="lido", i="1")): 2.0}, admitted=tick))
    assert seen(w.instant(X, at(9))) == {"1l": (2, True)}
    with pytest.raises(OutOfOrder):
        w.append(ok(6, {"1": 1}))
    with pytest.raises(UnknownFamily, match="did you mean"):
        w.instant(Selector("slw"), at(9))


def test_a_known_series_stands_before_an_unknown_one_of_the_same_labels() -> None:
    both = (Source("one", ("x",), ((),)), Source("two", ("x",), ((),)))
    w = FrameWindow(CATALOGUE, both, 600)
    same = {Series("x", labels(i="1")): 1.0}
    w.append(ok_frame("one", (), stamp(1), same))
    w.append(ok_frame("two", (), stamp(4), dict.fromkeys(same, 2.0)))
    assert list(w.instant(X, at(4)).rows.values()) == [(2.0, True)]
    m = w.range(X, at(4), 60)
    assert m.values[m.present].tolist() == [1.0]
    assert list(w.instant(X, at(9)).rows.values()) == [(1.0, False)]


def test_what_was_unknown_when_recorded_is_unknown_when_read() -> None:
    w = FrameWindow(CATALOGUE, [*SOURCES, Source(recorder("g/r"), ("sum:x",), (recorded_scope("sum:x", labels(team="a")),))], 600)
    w.append(ok(1, {"1": 1, "2": math.nan}))
    w.append(ok(1, {"1": 3}, ROCKET))
    for n in (3, 4):
        w.append(ok(n, {"1": 1, "2": math.nan}))
        w.append(recorded_frame("g/r", "sum:x", labels(team="a"), w.instant(X, at(n)), stamp(n)))
    recorded = w.instant(Selector("sum:x"), at(4))
    told = {(r["i"], r["protocol"], r["team"]): k for r, (_, k) in ((dict(row), v) for row, v in recorded.rows.items())}
    assert told == {("1", "lido", "a"): True, ("2", "lido", "a"): True, ("1", "rocketpool", "a"): False}
    assert recorded.missing == {labels(__name__="sum:x", protocol="rocketpool", team="a")}
    assert w.instant(Selector("sum:x", (Matcher("protocol", "=", "lido"),)), at(4)).complete
    assert not w.instant(Selector("sum:x", (Matcher("protocol", "=", "stakewise"), Matcher("team", "=", "a"))), at(9)).complete
    m = w.range(Selector("sum:x"), at(4), 24)
    unknown_rows = [dict(row)["protocol"] for row, k in zip(m.labels.rows, m.known, strict=True) if not k]
    assert unknown_rows.count("rocketpool") == 1


# ---------------------------------------------------------------- rewinding and forgetting

_VALUES = st.dictionaries(st.sampled_from("123"), st.integers(0, 9).map(float), max_size=3)
_SAID = st.tuples(st.one_of(st.none(), _VALUES), st.one_of(st.none(), _VALUES), st.booleans())
_HISTORY = st.lists(_SAID, min_size=1, max_size=8)


def feed(w: FrameWindow, said: list[tuple[dict[str, float] | None, dict[str, float] | None, bool]], first: int, branch: int = 0) -> None:
    for n, (lido, rocket, happened) in enumerate(said, first):
        at_n = stamp(n, branch)
        event = Event(EventId(str(n)), Series("e", labels(protocol="lido", tx=str(n))), at_n)
        for values, scope, name in ((lido, LIDO, "one"), (rocket, ROCKET, "two")):
            if values is None:
                w.append(blind_frame(name, scope, at_n, Failed("no")))
                continue
            samples = {Series("x", labels(dict(scope) | {"i": i})): v for i, v in values.items()}
            w.append(ok_frame(name, scope, at_n, samples, [event] if happened and scope == LIDO else []))


def same(a: FrameWindow, b: FrameWindow, until: int) -> None:
    for n in range(1, until + 4):
        for selector in (X, Selector("e"), Selector("x", (Matcher("i", "!=", "2"),))):
            one, two = a.instant(selector, at(n)), b.instant(selector, at(n))
            assert (one.rows, one.missing) == (two.rows, two.missing)
            ours, theirs = a.range(selector, at(n), 48), b.range(selector, at(n), 48)
            assert (set(ours.labels.rows), ours.times.tolist(), ours.missing) == (
                set(theirs.labels.rows),
                theirs.times.tolist(),
                theirs.missing,
            )
            order = [theirs.labels.rows.index(row) for row in ours.labels.rows]
            np.testing.assert_array_equal(ours.values, theirs.values[:, order])
            assert ours.known.tolist() == theirs.known[order].tolist()
        assert a.blind(at(n)) == b.blind(at(n))


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(_HISTORY, _HISTORY, _HISTORY)
def test_rewinding_leaves_no_trace(kept: list, orphaned: list, new: list) -> None:  # type: ignore[type-arg]
    reorged, straight = window(), window()
    feed(reorged, kept, 1)
    feed(reorged, orphaned, len(kept) + 1, branch=1)
    same(reorged, reorged, len(kept) + len(orphaned))
    reorged.rewind(stamp(len(kept)))
    feed(straight, kept, 1)
    same(reorged, straight, len(kept))
    feed(reorged, new, len(kept) + 1)
    feed(straight, new, len(kept) + 1)
    same(reorged, straight, len(kept) + len(new))


def test_sixty_four_stamps_can_be_undone_whatever_is_kept() -> None:
    w, other = window(keep=0), window(keep=100_000)
    for n in range(1, 301):
        for each in (w, other):
            each.append(ok(n, {"1": n, str(n // 7): n}))
    assert w.nbytes < other.nbytes
    for each in (w, other):
        each.rewind(stamp(236))
    assert seen(w.instant(X, at(236))) == seen(other.instant(X, at(236))) == {"1l": (236, True), "33l": (236, True)}


def test_memory_stays_bounded() -> None:
    w = window(keep=600)
    sizes = []
    for n in range(1, 2_001):
        w.append(ok(n, {"1": n, "2": n}))
        sizes.append(w.nbytes)
    assert max(sizes[1_000:]) <= max(sizes[:1_000]) * 1.1
    assert len(w.range(X, at(2_000), 600).times) == 50


def test_above_the_cap_long_ranges_become_unknown_not_wrong() -> None:
    w = window(keep=100_000, max_bytes=40_000)
    for n in range(1, 8_001):
        w.append(ok(n, {"1": n}))
    lido = Selector("x", (Matcher("protocol", "=", "lido"),))
    assert w.nbytes < 60_000
    assert seen(w.instant(lido, at(8_000))) == {"1l": (8_000, True)}
    assert not w.range(lido, at(8_000), 90_000).known.any()
    assert w.range(lido, at(8_000), 600).known.all()


def test_reloading_keeps_frames_and_forgets_what_is_not_declared_any_more() -> None:
    w = window()
    w.append(ok(1, {"1": 1}))
    w.append(ok(1, {"1": 1}, ROCKET))
    w.reload(CATALOGUE, [Source("one", ("x",), (LIDO,)), Source("two", ("x",), (labels(protocol="new"),))], 60)
    found = w.instant(X, at(1))
    assert seen(found) == {"1l": (1, True)}
    assert found.missing == {labels(protocol="new", __name__="x")}


def test_an_unchanged_layout_gives_the_same_table() -> None:
    w = window()
    tables = []
    for n in (1, 2):
        w.append(ok(n, {"1": n}))
        w.append(ok(n, {"1": n}, ROCKET))
        tables.append(w.instant(X, at(n)).labels)
    assert tables[0] is tables[1]
    assert tables[0].grouping(frozenset({"i"}), True) is tables[1].grouping(frozenset({"i"}), True)


def test_a_frame_for_the_same_time_corrects_the_one_before_it_from_its_admission_on() -> None:
    w = window()
    w.append(ok(1, {"1": 1}))
    w.append(ok(3, {"1": 3}, read=2))
    w.append(ok(4, {"1": 4, "2": 9}, read=2))
    lido = Selector("x", (Matcher("protocol", "=", "lido"),))
    assert seen(w.instant(lido, at(3))) == {"1l": (3, True)}
    assert seen(w.instant(lido, at(4))) == {"1l": (4, True), "2l": (9, True)}
    before, after = w.range(lido, at(3), 600), w.range(lido, at(4), 600)
    assert before.times.tolist() == after.times.tolist() == [at(1), at(2)]
    assert before.values[before.present].tolist() == [1, 3]
    one = after.labels.rows.index(labels(__name__="x", i="1", protocol="lido"))
    assert after.values[:, one].tolist() == [1, 4] and after.present.sum(axis=0)[one] == 2
    w.append(ok(5, {"1": 5}, read=1))
    assert seen(w.instant(lido, at(5))) == {"1l": (4, False), "2l": (9, False)}, "an older one is passed over; the last is 36 seconds old"
    w.rewind(stamp(3))
    assert seen(w.instant(lido, at(4))) == {"1l": (3, True)}


_READS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()), min_size=1, max_size=10)


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(_READS, st.integers(0, 9))
def test_corrected_rows_are_in_no_range(said: list[tuple[int, int, bool]], kept: int) -> None:
    w = window()
    rows: list[tuple[int, int, float]] = []
    read = 1
    for n, (step, value, other) in enumerate(said, 2):
        read = min(n, read + step)
        w.append(ok(n, {"1": value, "2": 0} if other else {"1": value}, read=read))
        rows.append((n, read, value))
    lido = Selector("x", (Matcher("i", "=", "1"), Matcher("protocol", "=", "lido")))

    def check(rows: list[tuple[int, int, float]]) -> None:
        for n in range(1, len(said) + 2):
            model = {at(r): v for admitted, r, v in rows if admitted <= n and at(n) - 48 < at(r)}
            found = w.range(lido, at(n), 48)
            assert found.times.tolist() == sorted(model)
            assert found.values[found.present].tolist() == [v for _, v in sorted(model.items())]

    check(rows)
    w.rewind(stamp(kept + 1))
    check([row for row in rows if row[0] <= kept + 1])
