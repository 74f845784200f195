"""The past is what the window said, for as long as the store keeps frames."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Event, EventId, Failed, Family, Frame, Series, Tick, blind_frame, labels, ok_frame
from monitor.promql import EvaluationError, Scalar, evaluate, parse
from monitor.samples import FrameWindow, Source
from monitor.samples import past as pasts
from monitor.samples.past import TooMuch, Wanted, merged, read, recent
from monitor.store import JudgedEntry, Store, Unit, journal
from monitor.store.retention import Retention, prune
from monitor.web.prom.asking import wants
from tests.promql.expressions import expressions
from tests.samples.stamps import stamp

NAMES = ("x", "y", "z", "c", "g", "n")
END = 200
FAMILIES = Catalogue(
    [
        *(Family(name, "gauge", "", "monitor", (), "", fresh_for=30, coverage=0.8) for name in NAMES),
        Family("e", "event", "", "monitor", (), "", fresh_for=30, visible_for=600),
    ]
)
SOURCES = (Source("a", (*NAMES, "e"), (labels(p="a"),)), Source("b", NAMES, (labels(p="b"),)), Source("idle", ("z",), (labels(p="c"),)))


def frames(n: int) -> list[Frame]:
    """Block n: values, now and then a scope that is blind, an event each ten blocks."""
    rng = random.Random(n)
    found = []
    for p in "ab":
        scope = labels(p=p)
        if rng.random() < 0.15 or (p == "b" and 90 < n < 100):
            found.append(blind_frame(p, scope, stamp(n), Failed("no answer")))
            continue
        values = {Series(f, labels(p=p, i=i)): float(rng.randrange(9)) for f in NAMES for i in "12" if rng.random() < 0.9}
        happened = [Event(EventId(f"e{n}"), Series("e", labels(p="a", n=str(n))), stamp(n))] if p == "a" and n % 10 == 0 else []
        found.append(ok_frame(p, scope, stamp(n), values, happened))
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("past")
    with Store.open(f"sqlite:///{folder / 'past.db'}") as store:
        store.migrate()
        with store.begin() as unit:
            for n in range(1, END + 1):
                write(unit, n)
        yield store


def write(unit: Unit, n: int) -> None:
    at = stamp(n)
    journal.append(unit, JudgedEntry(at, at.timestamp + 1.0, at.timestamp + 2.0, ruleset="r", frames=tuple(frames(n))))


def filled(first: int, keep: int = 100_000) -> FrameWindow:
    window = FrameWindow(FAMILIES, SOURCES, keep)
    for n in range(first, END + 1):
        for frame in frames(n):
            window.append(frame)
    return window


WHOLE = filled(1)


def same(ours: object, theirs: object, what: str) -> None:
    """Equal in what is known. What a long-blind scope showed last need not be remembered: it stays among what may be missing."""
    if isinstance(theirs, Scalar):
        assert isinstance(ours, Scalar) and ours.known == theirs.known, what
        assert not ours.known or ours.value == theirs.value or math.isnan(ours.value), what
        return
    mine, other = ({row: v for row, (v, known) in side.rows.items() if known} for side in (ours, theirs))  # type: ignore[attr-defined]
    assert mine.keys() == other.keys(), what
    assert all(v == other[row] or (math.isnan(v) and math.isnan(other[row])) for row, v in mine.items()), what
    for row in theirs.rows:  # type: ignore[attr-defined]
        assert row in ours.rows or ours.could_hold(row), what  # type: ignore[attr-defined]


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(text=expressions(), n=st.integers(60, END), first=st.sampled_from((None, 1, 120, 195)))
def test_store_and_memory_together_say_what_the_window_said(store: Store, text: str, n: int, first: int | None) -> None:
    expr, at = parse(text), stamp(n).timestamp + 5
    wanted = wants(expr, [at], FAMILIES)
    newest = None if first is None else recent(MEMORIES[first], wanted.families, wanted.first)
    with store.read() as unit:
        past = read(unit, FAMILIES, SOURCES, wanted, newest)
    try:
        theirs = evaluate(expr, WHOLE, at)
    except EvaluationError:
        with pytest.raises(EvaluationError):
            evaluate(expr, past, at)
        return
    same(evaluate(expr, past, at), theirs, f"{text} at block {n}, memory from {first}")


MEMORIES = {1: WHOLE, 120: filled(120), 195: filled(195)}


@pytest.mark.parametrize("first", [None, 1, 120, 195])
@pytest.mark.parametrize(
    "text",
    [
        "e",
        "count_over_time(e[10m])",
        "timestamp(e)",
        'absent(e{n="150"})',
        "x",
        "count_over_time(x[20m])",
        "max_over_time((e * 2)[10m:1m])",
    ],
)
def test_events_are_remembered_as_long_as_they_are_seen(store: Store, text: str, first: int | None) -> None:
    for n in (70, 121, 160, END):
        test_store_and_memory_together_say_what_the_window_said.hypothesis.inner_test(store, text, n, first)  # type: ignore[attr-defined]


def test_what_memory_forgot_comes_from_the_store(store: Store) -> None:
    short = filled(1, keep=120)
    since = recent(short, ["x"], 0).since
    assert stamp(100).timestamp < since < stamp(END).timestamp
    expr, at = parse("sum_over_time(x[30m])"), stamp(END).timestamp
    wanted = wants(expr, [at], FAMILIES)
    with store.read() as unit:
        past = read(unit, FAMILIES, SOURCES, wanted, recent(short, wanted.families, wanted.first))
    same(evaluate(expr, past, at), evaluate(expr, WHOLE, at), "x over half an hour")


def test_a_copy_does_not_change_with_the_window() -> None:
    window = filled(150)
    copy = recent(window, NAMES, 0)
    alone = read(None, FAMILIES, SOURCES, wants(parse("x"), [stamp(END).timestamp], FAMILIES), copy)
    before = evaluate(parse("sum_over_time(x[5m])"), alone, stamp(END).timestamp)
    window.rewind(stamp(180))
    for n in range(181, 230):
        window.append(ok_frame("a", labels(p="a"), stamp(n), {Series("x", labels(p="a", i="1")): 99.0}))
    window.forget(stamp(229).timestamp)
    same(evaluate(parse("sum_over_time(x[5m])"), alone, stamp(END).timestamp), before, "the copy")


def test_a_corrected_frame_and_a_frame_by_a_tick_are_read_as_they_were_judged(tmp_path: Path) -> None:
    def slow(n: int, read_at: int, value: float) -> Frame:
        return ok_frame("a", labels(p="a"), stamp(read_at), {Series("x", labels(p="a")): value}, admitted=stamp(n))

    tick = Tick(stamp(9), stamp(9).timestamp + 40)
    story = [(stamp(5), slow(5, 4, 1.0)), (stamp(7), slow(7, 4, 2.0)), (stamp(9), slow(9, 8, 3.0))]
    ticked = ok_frame("a", labels(p="a"), stamp(9), {Series("x", labels(p="a")): 4.0}, admitted=tick)
    whole = FrameWindow(FAMILIES, SOURCES, 10_000)
    with Store.open(f"sqlite:///{tmp_path / 'slow.db'}") as store:
        store.migrate()
        with store.begin() as unit:
            for at, frame in [*story, (tick, ticked)]:
                whole.append(frame)
                journal.append(unit, JudgedEntry(at, 1.0, 2.0, ruleset="r", frames=(frame,)))
        for text in ("x", "sum_over_time(x[2m])", "timestamp(x)"):
            for at_time in range(stamp(4).timestamp, tick.timestamp + 20, 3):
                wanted = wants(parse(text), [at_time], FAMILIES)
                with store.read() as unit:
                    past = read(unit, FAMILIES, SOURCES, wanted, None)
                same(evaluate(parse(text), past, at_time), evaluate(parse(text), whole, at_time), f"{text} at {at_time}")


def test_a_rewound_block_is_not_in_the_past(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'rewound.db'}") as store:
        store.migrate()
        with store.begin() as unit:
            for n in range(1, 10):
                write(unit, n)
            journal.rewind(unit, stamp(4), seen_at=0.0, ruleset="r")
        wanted = wants(parse("x"), [stamp(9).timestamp], FAMILIES)
        with store.read() as unit:
            past = read(unit, FAMILIES, SOURCES, wanted, None)
        found = evaluate(parse("x"), past, stamp(9).timestamp)
        assert not isinstance(found, Scalar) and not found.known.any()


def test_where_frames_are_thinned_the_one_that_is_left_speaks_for_its_time(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'thin.db'}") as store:
        store.migrate()
        with store.begin() as unit:
            for n in range(1, END + 1):
                write(unit, n)
        with store.begin() as unit:
            while prune(unit, stamp(END).timestamp, Retention(raw=600, thinned=86_400)):
                pass
        expr = parse("y")
        times = [stamp(n).timestamp for n in range(30, END + 1)]
        with store.read() as unit:
            past = read(unit, FAMILIES, SOURCES, wants(expr, times, FAMILIES), None)
            events = read(unit, FAMILIES, SOURCES, wants(parse("e"), times, FAMILIES), None)
        assert past.thinned_until is not None and stamp(100).timestamp < past.thinned_until
        known = [bool(v.known.any()) for t in times if not isinstance(v := evaluate(expr, past, t), Scalar)]
        assert np.mean(known) > 0.95
        alone = []
        for time in times[:60:7]:  # a query of one time alone finds the frame of its five minutes, too
            with store.read() as unit:
                found = evaluate(expr, read(unit, FAMILIES, SOURCES, wants(expr, [time], FAMILIES), None), time)
            alone.append(not isinstance(found, Scalar) and bool(found.known.any()))
        assert alone == known[:60:7]
        at = stamp(60).timestamp
        same(evaluate(parse("e"), events, at), evaluate(parse("e"), WHOLE, at), "events")


def test_what_is_too_much_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pasts, "MAX_FRAMES", 50)
    times = [stamp(n).timestamp for n in range(1, END)]
    with store.read() as unit, pytest.raises(TooMuch, match="larger steps"):
        read(unit, FAMILIES, SOURCES, wants(parse("x"), times, FAMILIES), None)
    monkeypatch.setattr(pasts, "MAX_BYTES", 1_000)
    with pytest.raises(TooMuch, match="MiB"):
        recent(WHOLE, NAMES, 0)


def test_a_reading_can_be_given_up(store: Store) -> None:
    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    with store.read() as unit, pytest.raises(Enough):
        read(unit, FAMILIES, SOURCES, wants(parse("x"), [stamp(9).timestamp], FAMILIES), None, check)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=8))
def test_merged_stretches_are_the_same_times(pairs: list[tuple[int, int]]) -> None:
    stretches = np.array([(low, low + length) for low, length in pairs], np.int64).reshape(-1, 2)
    found = merged(stretches).tolist()
    assert {t for low, high in found for t in range(low, high + 1)} == {t for low, length in pairs for t in range(low, low + length + 1)}
    assert all(b[0] > a[1] + 1 for a, b in itertools.pairwise(found))


def test_nothing_wanted_reads_nothing() -> None:
    assert Wanted(frozenset(), np.empty((0, 2), np.int64)).first == 0
