"""The table at the head of ``evaluate``, row by row. Scope s=k is known, scope s=u is blind and last showed the same series."""

from __future__ import annotations

import math

import pytest

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Failed, Family, Series, blind_frame, labels, ok_frame
from monitor.promql import EvaluationError, Scalar, evaluate, parse
from monitor.samples import FrameWindow, Source
from tests.samples.stamps import stamp

NAMES = ("x", "y", "whole", "dup", "counter", "odd")
KNOWN, BLIND = labels(s="k"), labels(s="u")
NOW = stamp(30).timestamp


def frame_values(scope: str, n: int) -> dict[Series, float]:
    one = {Series("x", labels(s=scope, i=i)): float(i) for i in "12"} | {Series("y", labels(s=scope, i="1")): 5.0}
    if scope == "k":
        one |= {Series("dup", labels(s="k", i="1", d=d)): 1.0 for d in "ab"} | {Series("dup", labels(s="k", i="2")): 1.0}
        one |= {Series("counter", labels(s="k")): float(10 * n)} if n not in range(20, 27) else {}
        one |= {Series("odd", labels(s="k")): math.nan, Series("whole", labels(i="1")): 1.0}
    return one


@pytest.fixture(scope="module")
def window() -> FrameWindow:
    families = Catalogue([Family(name, "gauge", "", "monitor", (), "", fresh_for=30) for name in NAMES])
    sources = (Source("known", NAMES[2:], ((),)), Source("some", ("x", "y"), (KNOWN, BLIND)))
    window = FrameWindow(families, sources, 10_000)
    for n in range(1, 31):
        k = frame_values("k", n)
        window.append(ok_frame("known", (), stamp(n), {s: v for s, v in k.items() if s.family not in "xy"}))
        window.append(ok_frame("some", KNOWN, stamp(n), {s: v for s, v in k.items() if s.family in "xy"}))
        window.append(
            ok_frame("some", BLIND, stamp(n), frame_values("u", n)) if n < 25 else blind_frame("some", BLIND, stamp(n), Failed("no"))
        )
    return window


def told(window: FrameWindow, text: str) -> tuple[dict[str, float | None], bool]:
    """By the labels but the name: the value, or None if unknown. And whether the result is complete."""
    found = evaluate(parse(text), window, NOW)
    assert not isinstance(found, Scalar)
    rows = {",".join(f"{k}={v}" for k, v in row if k != "__name__"): value if known else None for row, (value, known) in found.rows.items()}
    return rows, found.complete


K1, K2, U1, U2 = "i=1,s=k", "i=2,s=k", "i=1,s=u", "i=2,s=u"


@pytest.mark.parametrize(
    ("text", "rows", "complete"),
    [
        ("x", {K1: 1, K2: 2, U1: None, U2: None}, False),
        ('x{s="k"}', {K1: 1, K2: 2}, True),
        ("x + 1", {K1: 2, K2: 3, U1: None, U2: None}, False),
        ("x > 1", {K2: 2, U1: None, U2: None}, False),
        ("x > bool 1", {K1: 0, K2: 1, U1: None, U2: None}, False),
        ("odd > 1", {"s=k": None}, True),
        ("odd == bool odd", {"s=k": None}, True),
        ("odd + 1", {"s=k": math.nan}, True),
        ("x > scalar(x)", {K1: None, K2: None, U1: None, U2: None}, False),
        ("sum(x)", {"": None}, True),
        ("sum by (s) (x)", {"s=k": 3, "s=u": None}, True),
        ("sum by (i) (x)", {"i=1": None, "i=2": None}, False),
        ('sum by (i) (x{s="k"})', {"i=1": 1, "i=2": 2}, True),
        ("count by (s) (x > 1)", {"s=k": 1, "s=u": None}, True),
        ("x and y", {K1: 1, U1: None, U2: None}, False),
        ('x{s="k"} and on(i) y', {K1: 1, K2: None}, True),
        ('x{s="k"} and on(i) y{s="u"}', {K1: None, K2: None}, True),
        ('x{s="k"} and on() vector(1)', {K1: 1, K2: 2}, True),
        ("x and on() (vector(1) > 2)", {}, True),
        ('x{s="k"} unless on(i) y', {K2: None}, True),
        ('x{s="k"} unless on(i) y{s="k"}', {K2: 2}, True),
        ("x unless on(s) y", {U1: None, U2: None}, False),
        ("x unless on() vector(1)", {}, True),
        ('y{s="k"} or on(i) x', {K1: 5, K2: 2, U2: None}, False),
        ('x{s="u",i="1"} or on(i) x{s="k"}', {U1: None, K1: None, K2: 2}, False),
        ("vector(1) or on() x", {"": 1}, True),
        ("absent(x)", {}, True),
        ('absent(x{s="u"})', {"s=u": None}, True),
        ('absent(x{s="u",i="9"})', {"i=9,s=u": None}, True),
        ('absent(x{s="k",i="9"})', {"i=9,s=k": 1}, True),
        ('absent_over_time(x{s="u"}[2m])', {"s=u": None}, True),
        ("x - on(s, i) y", {K1: -4, U1: None, U2: None}, False),
        ('x{s="k"} - on(i) y{s="u"}', {"i=1": None, "i=2": None}, True),
        ('x{s="k"} * on(s) group_left dup{i="2"}', {K1: 1, K2: 2}, True),
        ("dup * on(i) group_left whole", {"d=a,i=1,s=k": 1, "d=b,i=1,s=k": 1}, True),
        ("whole * on(i) dup", {"i=1": None}, True),
        ("x{s=\"k\"} * on(i) group_left dup", {K1: None, K2: 2}, True),
        ("count_over_time(x[2m])", {K1: 10, K2: 10, U1: None, U2: None}, False),
        ("count_over_time(x[2m] offset 2m)", {K1: 10, K2: 10, U1: 10, U2: 10}, True),
        ("vector(scalar(x))", {"": None}, True),
        ('vector(scalar(x{s="k",i="1"}))', {"": 1}, True),
        ('vector(scalar(x{s="k"}))', {"": math.nan}, True),
        ("topk(1, x)", {K2: None, U1: None, U2: None}, False),
        ('topk by (s) (1, x)', {K2: 2, U1: None, U2: None}, False),
        ('topk(3, x{s="k"})', {K1: 1, K2: 2}, True),
        ('topk(scalar(x), x{s="k"})', {K1: None, K2: None}, True),
        ('bottomk(1, x{s="k"})', {K1: 1}, True),
        ("topk(0, x)", {}, True),
        ("quantile by (s) (0.5, x)", {"s=k": 1.5, "s=u": None}, True),
        ('quantile(scalar(x), x{s="k"})', {"": None}, True),
        ('count_values("v", x{s="k"})', {"v=1": 1, "v=2": 1}, True),
        ('count_values("v", x)', {"v=1": None, "v=2": None}, False),
        ('count_values by (s) ("v", x)', {"s=k,v=1": 1, "s=k,v=2": 1}, False),
        ('count_values("v", odd > bool 1)', {}, False),
        ("count_over_time(x[2m:12s])", {K1: 10, K2: 10, U1: None, U2: None}, False),
        ("max_over_time((x > 1)[2m:12s])", {K2: 2, U1: None, U2: None}, False),
        ("max_over_time((x > 1)[2m:12s] offset 2m)", {K2: 2, U2: 2}, True),
        ("x @ 1700000120", {K1: 1, K2: 2, U1: 1, U2: 2}, True),
        ('label_join(y, "j", "-", "s", "i")', {"i=1,j=k-1,s=k": 5, "i=1,j=u-1,s=u": None}, False),
        ('label_replace(y{s="k"}, "s", "", "", "")', {"i=1": 5}, True),
        ("timestamp(y)", {K1: NOW, U1: None}, False),
        ("sort_desc(x)", {K2: 2, K1: 1, U2: None, U1: None}, False),
        ('predict_linear(x{s="k"}[2m], scalar(x))', {K1: None, K2: None}, True),
        ("hour()", {"": 22}, True),
        ("clamp(x, scalar(x), 3)", {K1: None, K2: None, U1: None, U2: None}, False),
    ],
)  # fmt: skip
def test_each_row_of_the_table(window: FrameWindow, text: str, rows: dict[str, float | None], complete: bool) -> None:
    found, whole = told(window, text)
    assert {k: str(v) for k, v in found.items()} == {k: str(None if v is None else float(v)) for k, v in rows.items()}
    assert whole == complete


def test_a_series_that_could_have_been_there_unseen_at_one_step_is_unknown_over_all(window: FrameWindow) -> None:
    """Each step counts by another value; while a scope is blind, any value could be there."""
    found = evaluate(parse('count_over_time(count_values by (i) ("v", timestamp(y))[4m:12s])'), window, NOW)
    assert not isinstance(found, Scalar) and len(found) > 10 and not found.known.any() and not found.complete


def test_too_many_values_are_refused(window: FrameWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.promql.steps.MAX_VALUES", 19)
    assert evaluate(parse('sum_over_time(x{s="k"}[108s:12s])'), window, NOW)
    with pytest.raises(EvaluationError, match="larger steps"):
        evaluate(parse('sum_over_time(x{s="k"}[2m:12s])'), window, NOW)


def test_a_counter_with_a_gap_is_extrapolated_as_prometheus_3_does(window: FrameWindow) -> None:
    """Samples 27 to 30 of 10 n: 30 more in 36 s; the range begins 204 s before the first, so half an interval is added there."""
    rate = evaluate(parse("increase(counter[4m])"), _only_the_end(window), NOW)
    assert not isinstance(rate, Scalar)
    assert rate.values.tolist() == [pytest.approx(30 * (36 + 6 + 0) / 36)]


def _only_the_end(window: FrameWindow) -> FrameWindow:
    found = FrameWindow(window.catalogue, [Source("known", ("counter",), ((),))], 1_000)
    for n in range(27, 31):
        found.append(ok_frame("known", (), stamp(n), {Series("counter", labels(s="k")): 10.0 * n}))
    return found


def test_equal_labels_after_a_function_are_an_error(window: FrameWindow) -> None:
    with pytest.raises(EvaluationError, match="same labels"):
        evaluate(parse("abs(x or ignoring(i) y)  or abs(whole or ignoring(i) odd) or abs(x or on(nothing, i, s, __name__) y)"), window, NOW)
