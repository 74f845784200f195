"""Where nothing is unknown, our results are those of a real Prometheus."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Family, Labels, Series, labels, ok_frame
from monitor.promql import RANKING, Aggregate, EvaluationError, Scalar, bare, evaluate, evaluate_steps, parse
from monitor.samples import FrameWindow, Source, Vector
from tests.promql import prometheus
from tests.promql.expressions import expressions
from tests.samples.stamps import stamp

FRESH_FOR = 30
STEP = 12
ROWS = 80
NAMES = ("x", "y", "z", "c", "g", "n")
FIRST = stamp(1).timestamp
AT = st.integers(40, ROWS).map(lambda n: stamp(n).timestamp + 5)
"""Five seconds after a block: no range begins on a sample, where Prometheus 2 and 3 differ."""


def made_up() -> list[dict[Series, float]]:
    """What every block says: gauges, a counter with resets, series that come and go, and values that are not numbers."""
    rng = random.Random(7)
    total = {(p, i): float(rng.randrange(50)) for p in "ab" for i in "123"}
    rows = []
    for n in range(1, ROWS + 1):
        row: dict[Series, float] = {}
        for p in "ab":
            row[Series("z", labels(p=p))] = rng.randrange(4)
            for i in "123":
                row[Series("x", labels(p=p, i=i))] = rng.randrange(-8, 9)
                if i != "3" or p == "a":
                    row[Series("y", labels(p=p, i=i, q="k"))] = rng.randrange(-8, 9)
                total[p, i] = 0.0 if rng.random() < 0.04 else total[p, i] + rng.randrange(0, 5)
                row[Series("c", labels(p=p, i=i))] = total[p, i]
                if rng.random() < 0.7:
                    row[Series("g", labels(p=p, i=i))] = rng.randrange(3)
                row[Series("n", labels(p=p, i=i))] = rng.choice([math.nan, math.inf, -math.inf, 0.0, 1.5, n])
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def window() -> FrameWindow:
    families = [Family(name, "gauge", "", "monitor", (), "", fresh_for=FRESH_FOR) for name in NAMES]
    window = FrameWindow(Catalogue(families), [Source("all", NAMES)], 10_000)
    for n, row in enumerate(made_up(), 1):
        window.append(ok_frame("all", (), stamp(n), row))
    return window


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[prometheus.Prometheus]:
    samples: dict[Labels, list[tuple[int, bytes]]] = {}
    rows = made_up()
    everything = sorted({s for row in rows for s in row}, key=str)
    for n, row in enumerate(rows, 1):
        for series in everything:
            name = labels(dict(series.labels) | {"__name__": series.family})
            value = row.get(series, prometheus.STALE)
            samples.setdefault(name, []).append((stamp(n).timestamp, prometheus.packed(value)))
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with prometheus.running(folder, FRESH_FOR) as running:
        running.write(samples)
        yield running


def close(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)


def compare(window: FrameWindow, server: prometheus.Prometheus, text: str, at: int) -> str:
    """Fails where we say otherwise than Prometheus; tells how much there was to compare.

    Known differences of 2.42 to 3 are kept out of the expressions: ranges that begin on a sample, atan2 keeping the metric's
    name, stddev of a lone NaN, and how far a counter with gaps is extrapolated to its zero.
    """
    theirs = server.query(text, at)
    try:
        ours = evaluate(parse(text), window, at)
    except EvaluationError:
        assert isinstance(theirs, str), f"{text} at {at}: only we fail; Prometheus says {theirs}"
        return "error"
    if isinstance(theirs, str):  # we judge the rest where a match group has a duplicate; Prometheus gives up
        assert "multiple matches" in theirs or "duplicate" in theirs, f"{text} at {at}: {theirs}"
        return "error"
    if isinstance(ours, Scalar):
        assert isinstance(theirs, float)
        assert not ours.known or close(ours.value, theirs), f"{text} at {at}: {ours}, Prometheus says {theirs}"
        return "scalar"
    assert isinstance(theirs, dict)
    assert ours.complete
    if isinstance(bare(expr := parse(text)), Aggregate) and bare(expr).op in RANKING:  # type: ignore[union-attr]
        return compare_ranked(ours, theirs, f"{text} at {at}")
    for row, (value, known) in ours.rows.items():
        if known:
            assert row in theirs, f"{text} at {at}: only we have {dict(row)} {value}"
            assert close(value, theirs[row]), f"{text} at {at}: {dict(row)} is {value}, Prometheus says {theirs[row]}"
    assert theirs.keys() <= ours.rows.keys(), f"{text} at {at}: we lack {theirs.keys() - ours.rows.keys()}"
    return "known" if np.any(ours.known) else "empty"


def compare_ranked(ours: Vector, theirs: dict[Labels, float], what: str) -> str:
    """Of equal values any may be taken: the values must be the same, and each element one of the input's."""
    if not ours.known.all():
        return "unknown"
    assert sorted(map(str, ours.values.tolist())) == sorted(map(str, theirs.values())), f"{what}: {ours.rows}, Prometheus says {theirs}"
    for row in ours.rows.keys() & theirs.keys():
        assert close(ours.rows[row][0], theirs[row]), what
    return "known" if len(ours) else "empty"


EXAMPLES = (
    "x", "-x", 'x{p="a",i!="2"}', 'x{i=~"1|3",p!~"b.*"}', "x + on(p, i) y", "x - ignoring(q) y", "y * on(p) group_left z", "z / on(p) group_right(i) x",
    "y * on(p) group_left(nothing) z", "x > 2", "2 < x", "x == bool 2", "x > on(p) group_left z", "z < on(p) group_right x", "x and on(p) (z > 1)",
    "x unless on(p, i) y", "(x > 3) or on(i) y", "x or y", "sum(x)", "sum by (p) (x)", "avg without (i) (x)", "min by (i) (n)", "max(n)", "count by (p) (g)",
    "group by (q) (y)", "stddev(x)", "stdvar by (p) (x)", "sum by (q) (y) + 1", "avg_over_time(x[2m])", "min_over_time(n[1m])", "max_over_time(n[1m])",
    "sum_over_time(g[2m])", "count_over_time(g[2m])", "last_over_time(g[2m])", "present_over_time(g[36s])", "stddev_over_time(x[2m])",
    "stdvar_over_time(g[3m])", "rate(c[2m])", "increase(c[5m])", "delta(x[2m])", "delta(g[2m])", "changes(g[3m])", "changes(n[3m])", "resets(c[5m])", "rate(c[2m] offset 1m)",
    "x offset 2m", "rate(c[24s])", "rate(c[12s])", "absent(x)", 'absent(x{p="none",i="1",i="2",q=~"k"})', "absent(x > 100)", 'absent_over_time(x{p="none"}[1m])',
    "absent_over_time(x[1m])", "clamp(x, -2, 2)", "clamp(x, 2, -2)", "clamp_min(x, 1)", "clamp_max(n, 1)", "abs(n)", "ceil(x / 3)", "floor(x / 3)", "round(x / 3)",
    "round(x, 5)", "round(x / 7, 0.1)", "sgn(n)", "sqrt(x)", "exp(x)", "ln(x)", "log2(x)", "log10(n)", "scalar(sum(x))", "scalar(x)", "vector(3)", "time()",
    "time() - x", "vector(time()) > 5", "x % 3", "x % -3", "x ^ 2", "2 ^ x", "-x ^ 2", "sum by (p) (x) atan2 sum by (p) (z)", "sum by (p, i) (x) atan2 on(p) group_left sum by (p) (z)", "x / 0", "n / n", "1 == bool 1", "1 + 2 * 3 ^ 2 % 5",
    "sum(rate(c[2m])) by (p) / on(p) sum(x) by (p)", "y * on(i) x", "x + on(p) z", "abs(x or y)", "abs(x or g)", "sum(x == 100)", "x + x", "x == x", "x{p=\"a\"} + x{p=\"b\"}",
    "x and y", "x and ignoring(q) y", "z and on() vector(1)", "x * on(p, i) group_left(q) y", "y * ignoring(q) group_left x", "n > 1", "n != bool 1", "count(x > 0) > bool 3",
    "avg_over_time(n[1m])", "x >= bool on(p, i) y", "sum without (p, i) (y)", "count_over_time(x[1s])", "1 - scalar(z)", "max_over_time(g[13s])",
    "topk(2, x)", "bottomk by (p) (2, x)", "topk(3, n)", "bottomk(4, n)", "topk without (i) (1, y)", "topk(0, x)", "topk(100, x)", "topk(2.9, x)", "topk(scalar(sum(z)), x)",
    "quantile(0.5, x)", "quantile by (p) (0.9, y)", "quantile(0.3, n)", "quantile(-1, x)", "quantile(2, x)", "quantile(scalar(x), x)", 'count_values("v", x)',
    'count_values by (p) ("v", y)', 'count_values without (i) ("p", x)', 'count_values("v", n)', 'count_values("v", x / 3)', 'count_values("v", x * 1e21)', 'count_values by (i) ("i", x)',
    "irate(c[2m])", "irate(g[2m])", "idelta(x[1m])", "idelta(g[36s])", "deriv(x[3m])", "deriv(g[2m])", "deriv(n[2m])", "deriv(z[24s])", "predict_linear(x[3m], 60)",
    "predict_linear(x[3m] offset 1m, 60)", "predict_linear(g[2m], scalar(sum(z)))", "predict_linear((z * 0)[2m:12s], 5)", "deriv(timestamp(x)[2m:12s])", "timestamp(x)", "timestamp(x offset 1m)", "timestamp(-x)", "timestamp((g))", "timestamp(vector(1))",
    "quantile_over_time(0.5, x[2m])", "quantile_over_time(0.25, g[3m])", "quantile_over_time(2, x[1m])", "quantile_over_time(0.4, n[2m])", "quantile_over_time(scalar(z), x[1m])",
    'label_replace(x, "q", "$1", "i", "(1|2)")', 'label_replace(x, "q", "a$1b${1}c$$d", "i", "(.)")', 'label_replace(x, "q", "$named-${named}", "i", "(?P<named>.*)")',
    'label_replace(x, "i", "", "i", ".*")', 'label_replace(x, "p", "same", "p", ".*")', 'label_replace(x, "__name__", "w", "i", "1")', 'label_replace(y, "z", "$0", "none", "")', 'label_replace(x, "q", "$9 $", "i", "(.).?")',
    'label_join(x, "q", "-", "p", "i")', 'label_join(x, "q", ",")', 'label_join(x, "i", "", "none")', 'label_join(y, "p", "/", "p", "q", "none")', "sort(n)", "sort_desc(x)",
    "sin(x)", "cos(x)", "tan(x)", "asin(x / 9)", "acos(x / 9)", "atan(n)", "sinh(x)", "cosh(x)", "tanh(n)", "asinh(x)", "acosh(x + 10)", "atanh(x / 9)", "deg(x)", "rad(x)", "pi()", "x * pi()",
    "day_of_week()", "day_of_month()", "day_of_year()", "days_in_month()", "hour()", "minute()", "month()", "year()", "hour(x * 1e5)", "day_of_week(x * 1e6)", "day_of_month(x * 1e7)", "day_of_year(x * 1e7)",
    "days_in_month(vector(951782400))", "days_in_month(x * 1e8)", "month(x * 1e8)", "year(x * 1e9)", "minute(x / 3)", "year(vector(-1))", "minute(vector(-1.5))",
    "max_over_time(x[2m:12s])", "min_over_time((x + on(p, i) g)[2m:24s])", "sum_over_time(sum(x)[2m:12s])", "count_over_time(g[2m:12s])", "rate(sum(c)[2m:12s])", "increase(c[2m:24s] offset 1m)",
    "avg_over_time(rate(c[1m])[3m:36s])", "max_over_time(max_over_time(x[66s:12s])[2m:24s])", "last_over_time(x[2m:12s])", "absent_over_time((x > 100)[2m:12s])", "absent_over_time(x[2m:12s])", "deriv(c[3m:12s])", "count_over_time(vector(1)[5m:])",
    "x @ 1700000605", "x @ 1700000605 offset 1m", "rate(c[2m] @ 1700000605)", "sum_over_time(x[2m:12s] @ 1700000605)", "x @ start()", "sum_over_time((x @ end())[2m:12s])", "predict_linear(x[2m] @ 1700000605, 60)", "x - x @ start()",
    "timestamp(x @ 1700000605)", "sum_over_time(x[2m:12s] @ 1700000605 offset 1m)",
)  # fmt: skip


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_construct_agrees_with_prometheus(text: str, window: FrameWindow, server: prometheus.Prometheus) -> None:
    for n in (45, 60, 73, ROWS):
        compare(window, server, text, stamp(n).timestamp + 5)


@pytest.mark.parametrize(
    "text", ["x", "rate(c[2m])", "g", "g > 1", "sum by (p) (x @ end()) - x @ start()", "max_over_time(x[2m:12s] @ start())", "time() - 1", "topk by (p) (3, z)", "vector(1)"]
)  # fmt: skip
def test_graphs_agree_with_prometheus(text: str, window: FrameWindow, server: prometheus.Prometheus) -> None:
    start, end, step = stamp(40).timestamp + 5, stamp(70).timestamp + 5, 48  # the last step is before the end
    theirs = server.query_range(text, start, end, step)
    grid = evaluate_steps(parse(text), window, range(start, end + 1, step), (start, end))
    ours = {
        row: {int(t): float(v) for t, v, there in zip(grid.times, grid.values[:, i], grid.present[:, i], strict=True) if there}
        for i, row in enumerate(grid.labels.rows)
    }
    assert grid.known[grid.present].all() and not any(grid.missing)
    assert ours.keys() == theirs.keys()
    for row, points in ours.items():
        assert points.keys() == theirs[row].keys() and all(close(v, theirs[row][t]) for t, v in points.items()), f"{text}: {dict(row)}"


def test_random_expressions_agree_with_prometheus(window: FrameWindow, server: prometheus.Prometheus) -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=250, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(text=expressions(), at=AT)
    def agrees(text: str, at: int) -> None:
        outcomes[compare(window, server, text, at)] += 1

    agrees()
    assert outcomes["known"] > 60, f"too little to compare: {outcomes}"
