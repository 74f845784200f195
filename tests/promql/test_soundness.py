"""Whatever the unseen turns out to be, what a result claimed is right.

Two windows get the same frames up to a moment. Then one of them loses sight of some scopes, while the other sees what they
really say: other values, series gone, series never seen before. What the blind one calls known must be so in the truth, and
what the truth has beyond it must be among what the blind one said may be missing.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Event, EventId, Failed, Family, Labels, Series, blind_frame, labels, ok_frame
from monitor.promql import EvaluationError, Scalar, evaluate, parse
from monitor.samples import FrameWindow, Source
from tests.promql.expressions import expressions
from tests.samples.stamps import stamp

GAUGES = ("x", "y", "z", "c", "g", "n")
FRESH_FOR = 24
BLIND_FROM = 13
"""The blind scopes' last frame is of block 12. Then nobody hears of them while that frame is fresh; from 15 on, the truth does."""
HEARD_AGAIN = 15
END = 20
KEEP = 100_000
SOURCES = (
    Source("a", (*GAUGES, "e"), (labels(p="a"),)),
    Source("b", (*GAUGES, "e"), (labels(p="b"),)),
    Source("rest", (*GAUGES, "e"), (labels(i="2"), labels(p="b", q="k"))),
)
SCOPES = tuple((s.name, scope) for s in SOURCES for scope in s.scopes)
POOL = {
    ("a", labels(p="a")): [labels(p="a", i=i) for i in "13"] + [labels(p="a")],
    ("b", labels(p="b")): [labels(p="b", i=i) for i in "13"] + [labels(p="b")],
    ("rest", labels(i="2")): [labels(p=p, i="2") for p in "ab"] + [labels(i="2")],
    ("rest", labels(p="b", q="k")): [labels(p="b", q="k", i=i) for i in "12"],
}
"""The series that each scope may list, of every family; no series belongs to two scopes."""
CATALOGUE = Catalogue(
    [
        *(Family(name, "gauge", "", "monitor", (), "", fresh_for=FRESH_FOR, coverage=1.0) for name in GAUGES),
        Family("e", "event", "", "monitor", (), "", fresh_for=FRESH_FOR, coverage=1.0, visible_for=60),
    ]
)


@dataclass(frozen=True)
class Case:
    """What each scope said until block 12, what it says from block 15 on, and which scopes go blind."""

    before: dict[tuple[str, Labels], dict[Series, float]]
    after: dict[tuple[str, Labels], dict[Series, float]]
    blind: frozenset[tuple[str, Labels]]


_VALUES = st.sampled_from([-2.0, 0.0, 1.0, 1.0, 2.0, 3.0, math.nan])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    def said() -> dict[tuple[str, Labels], dict[Series, float]]:
        return {
            scope: {Series(f, row): draw(_VALUES) for f in GAUGES for row in rows if draw(st.booleans())} for scope, rows in POOL.items()
        }

    return Case(said(), said(), frozenset(draw(st.sets(st.sampled_from(SCOPES), min_size=1, max_size=2))))


def windows(case: Case) -> tuple[FrameWindow, FrameWindow]:
    """The blind one, and the one that knows."""
    blind, true = FrameWindow(CATALOGUE, SOURCES, KEEP), FrameWindow(CATALOGUE, SOURCES, KEEP)
    for n in range(1, END + 1):
        for collector, scope in SCOPES:
            hidden = (collector, scope) in case.blind and n >= BLIND_FROM
            said = (case.after if n >= HEARD_AGAIN else case.before)[collector, scope]
            frame = ok_frame(collector, scope, stamp(n), {s: v + n % 3 for s, v in said.items()})
            silence = blind_frame(collector, scope, stamp(n), Failed("no answer"))
            true.append(silence if hidden and n < HEARD_AGAIN else frame)
            blind.append(silence if hidden else frame)
    return blind, true


def equal(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9)


def check(both: tuple[FrameWindow, FrameWindow], text: str, at: int) -> str:
    """Fails if a claim is wrong; else tells what kind of claim it was."""
    blind, true = both
    expr = parse(text)
    try:
        truth = evaluate(expr, true, at)
    except EvaluationError:
        return "no truth"
    try:
        claim = evaluate(expr, blind, at)
    except EvaluationError:
        return "no claim"
    if isinstance(claim, Scalar):
        assert isinstance(truth, Scalar)
        assert not claim.known or not truth.known or equal(claim.value, truth.value), f"{text}: {claim} but {truth}"
        return "claim" if claim.known else "unknown"
    assert not isinstance(truth, Scalar)
    for row, (value, known) in claim.rows.items():
        if known:
            assert row in truth.rows, f"{text}: claims {dict(row)} {value}, which is not there"
            real, sure = truth.rows[row]
            assert sure and equal(value, real), f"{text}: claims {dict(row)} {value}, it is {real}, {sure}"
    for row, (value, _) in truth.rows.items():
        assert row in claim.rows or claim.could_hold(row), f"{text}: {dict(row)} {value} is there, which was excluded"
    return "unknown" if not claim.complete or not claim.known.all() else "claim"


def test_what_is_claimed_is_right() -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases(), text=expressions(), at=st.integers(14, END).map(lambda n: stamp(n).timestamp))
    def sound(case: Case, text: str, at: int) -> None:
        outcomes[check(windows(case), text, at)] += 1

    sound()
    assert outcomes["claim"] > 10, outcomes
    assert outcomes["unknown"] > 25, outcomes


GROUPED = (
    "x and on(p) y", "x and on(i) y", "x and y", "x unless on(p) y", "x unless on(i) z", "x unless y", "x or on(p) y", "x or on(i) y", "x or y",
    "x or ignoring(i) y", "x + y", "x + on(p, i) y", "x + on(p, i, q) y", "x - ignoring(q) y", "x == y", "x > on(p, i, q) y", "x * on(p) group_left sum by (p) (y)",
    "x * on(i) group_left(p) (y{p=\"a\"})", "x * on(i) group_left(q) (y{p=\"b\"})", "sum by (i) (x) * on(i) group_right y", "sum(x)", "sum by (p) (x)", "count by (i) (x)",
    "max without (i) (x)", "min by (p, q) (x)", "absent(x)", "absent(x{p=\"b\",q=\"k\"})", "absent(x > 2)", "count(x > 1)", "sum by (i) (x{p=\"a\"} and on(i) y)",
    "abs(x) unless on(p, i, q) abs(y)", "-x or -y", "vector(scalar(x{i=\"2\",p=\"a\"}))", "x{p=\"a\"} unless on() y{p=\"b\"}", "x{i=\"2\"} or on() y", "changes(x[1m])",
    "x offset 1m", "sum_over_time(x[2m] offset 1m) + x", "(x > 1) or on(p) (y > 1)", "sum by (p) (x) / sum by (p) (y)", "group by (q) (x) or group by (i) (y)",
    "x + on(q) y", "x * on(p, q) group_left y", "max by (p) (x) > on(p) group_right y",
    "topk(1, x)", "topk(2, x)", "bottomk(3, x)", "topk by (p) (1, x)", "bottomk by (i) (1, x)", "topk by (p) (2, y)", "topk(scalar(count(x{p=\"a\"})), x)", "topk without (i) (1, x)",
    "quantile(0.5, x)", "quantile by (p) (0.5, x)", "quantile by (i) (scalar(z{p=\"a\",i=\"1\"}), x)", 'count_values("v", x)', 'count_values by (p) ("v", x)', 'count_values without (i) ("v", x)',
    'count_values by (p) ("i", x)', 'label_replace(x, "i", "$1$1", "i", "(1|3)")', 'label_replace(x, "q", "new", "p", "b")', 'label_join(x, "r", "-", "p", "i")', 'sum by (r) (label_join(x, "r", "-", "p", "q"))',
    "label_replace(x, \"__name__\", \"y\", \"\", \"\") or y", "max_over_time(x[1m:12s])", "sum_over_time(sum by (p) (x)[1m:12s])", "count_over_time((x > 1)[1m:12s])", "min_over_time((x unless y)[36s:12s] offset 36s)",
    "absent_over_time(x{p=\"b\",q=\"k\"}[1m:12s])", "max_over_time(absent(x{p=\"b\",i=\"3\"})[1m:12s])", "timestamp(x)", "timestamp(x offset 36s)", "timestamp(x > 1)", "quantile_over_time(0.5, x[1m])",
    "irate(c[1m])", "idelta(x[1m])", "deriv(x[1m])", "predict_linear(x[1m], 60)", "x @ 1700000120", "x @ start() - x", "last_over_time(x[2m:24s])", "sort_desc(x)", "day_of_week(x)",
)  # fmt: skip


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(case=cases(), n=st.integers(15, END))
def test_what_is_claimed_of_groups_and_matches_is_right(case: Case, n: int) -> None:
    both = windows(case)
    for text in GROUPED:
        check(both, text, stamp(n).timestamp)


def test_events_that_a_blind_scope_hid_are_not_excluded() -> None:
    seen = Series("e", labels(p="a", tx="1"))
    hidden = Series("e", labels(p="b", tx="2"))
    for text in (
        "e",
        "count_over_time(e[1m])",
        "sum by (p) (count_over_time(e[1m]))",
        "count(e)",
        'absent(e{p="b"})',
        'e{p="b"} or on() vector(0)',
    ):
        blind, true = FrameWindow(CATALOGUE, SOURCES, KEEP), FrameWindow(CATALOGUE, SOURCES, KEEP)
        for n in range(1, 9):
            for collector, scope in SCOPES:
                happened = [s for s in (seen, hidden) if n == 8 and dict(s.labels)["p"] == collector]
                frame = ok_frame(collector, scope, stamp(n), events=[Event(EventId(s.labels[1][1]), s, stamp(n)) for s in happened])
                true.append(frame)
                if not (collector == "b" and n > 3):
                    blind.append(frame)
        claim, truth = (evaluate(parse(text), w, stamp(8).timestamp) for w in (blind, true))
        assert not isinstance(claim, Scalar) and not isinstance(truth, Scalar)
        for row, (value, known) in claim.rows.items():
            assert not known or truth.rows[row] == (value, True), text
        assert all(row in claim.rows or claim.could_hold(row) for row in truth.rows), text
        assert not (claim.complete and claim.known.all()), f"{text} was claimed to be whole"
