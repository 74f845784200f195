"""Random expressions of the right types, over the families x, y, z (gauges), c (a counter), g (with gaps) and n (with NaN and infinities)."""

from __future__ import annotations

from hypothesis import strategies as st

_LABELS = ("p", "i", "q")
_VALUES = {"p": ("a", "b", "a|b", "z"), "i": ("1", "2", "1|3", "[12]"), "q": ("k", "")}
_RANGES = ("24s", "1m", "2m", "3m")
_OFFSETS = ("", "", "", " offset 24s", " offset 2m")
_OVER = ("min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time", "present_over_time", "changes", "resets")
_INEXACT_OVER = ("avg_over_time", "delta", "stddev_over_time", "deriv", "idelta", "irate")
_STEPS = ("12s", "24s", "36s")


@st.composite
def _selector(draw: st.DrawFn, families: str = "xyzgn") -> str:
    names = draw(st.lists(st.sampled_from(_LABELS), max_size=2, unique=True))
    matchers = [f'{n}{draw(st.sampled_from(("=", "=", "!=", "=~", "!~")))}"{draw(st.sampled_from(_VALUES[n]))}"' for n in names]
    return draw(st.sampled_from(families)) + ("{" + ",".join(matchers) + "}" if matchers else "")


@st.composite
def _range(draw: st.DrawFn, families: str) -> str:
    return f"{draw(_selector(families))}[{draw(st.sampled_from(_RANGES))}]{draw(st.sampled_from(_OFFSETS))}"


@st.composite
def _subquery(draw: st.DrawFn, depth: int) -> str:
    """Steps divide no range in such a way that one falls on its beginning, where Prometheus 2 and 3 differ."""
    inner = draw(st.sampled_from(("{0}", "({1})")))
    return (
        inner.format(draw(_selector("xyzg")), draw(_vector(depth)))
        + f"[{draw(st.sampled_from(('66s', '126s')))}:{draw(st.sampled_from(_STEPS))}]"
    )


@st.composite
def _labels(draw: st.DrawFn) -> str:
    return "(" + ",".join(draw(st.lists(st.sampled_from(_LABELS), max_size=2, unique=True))) + ")"


@st.composite
def _matching(draw: st.DrawFn, grouping: bool) -> str:
    text = draw(st.sampled_from(("", " on", " on", " ignoring")))
    if not text:
        return " "
    names = draw(_labels())
    text += names
    if grouping and draw(st.integers(0, 2)) == 0:
        include = draw(st.sampled_from(("()", "(q)", "(i)")))
        if " on" in text and include.strip("()") and include.strip("()") in names:
            include = "()"
        text += draw(st.sampled_from((" group_left", " group_right"))) + include
    return text + " "


@st.composite
def _scalar(draw: st.DrawFn, depth: int) -> str:
    choice = draw(st.integers(0, 4))
    if choice == 0 and depth > 0:
        return f"scalar({draw(_vector(depth - 1))})"
    if choice == 1:
        return "(time() % 50)"
    return str(draw(st.integers(-4, 6)))


@st.composite
def _vector(draw: st.DrawFn, depth: int) -> str:
    """An expression whose values are exact whichever way they are summed, so that comparisons can't differ by rounding."""
    choice = draw(st.integers(0, 13)) if depth > 0 else 0
    below = _vector(depth - 1)
    match choice:
        case 1 | 2:
            op = draw(st.sampled_from(("+", "-", "*", "%")))
            return f"({draw(below)} {op}{draw(_matching(True))}{draw(below)})"
        case 3 | 4:
            op = draw(st.sampled_from(("==", "!=", ">", "<", ">=", "<=")))
            as_bool = draw(st.sampled_from(("", "", " bool")))
            return f"({draw(below)} {op}{as_bool}{draw(_matching(True))}{draw(below)})"
        case 5:
            return f"({draw(below)} {draw(st.sampled_from(('and', 'or', 'unless')))}{draw(_matching(False))}{draw(below)})"
        case 6:
            op = draw(st.sampled_from(("sum", "min", "max", "count", "group")))
            return f"{op} {draw(st.sampled_from(('by', 'without')))} {draw(_labels())} ({draw(below)})"
        case 7:
            return f"{draw(st.sampled_from(_OVER))}({draw(_range('xyzcg'))})"
        case 8:
            op = draw(st.sampled_from(("+", "-", "*", ">", "<", "== bool", "<=")))
            sides = [draw(below), draw(_scalar(depth - 1))]
            left, right = sides if draw(st.booleans()) else sides[::-1]
            return f"({left} {op} {right})"
        case 9:
            function = draw(
                st.sampled_from(("abs(%s)", "-%s", "floor(%s)", "clamp(%s, -3, 3)", "clamp_min(%s, 0)", "clamp_max(%s, 2)", "sgn(%s)"))
            )
            return function % draw(below)
        case 10:
            return draw(st.sampled_from((f"absent({draw(below)})", f"vector({draw(_scalar(depth - 1))})")))
        case 11:
            over = draw(st.sampled_from((*_OVER, "absent_over_time")))
            return f"{over}({draw(_subquery(depth - 1))}{draw(st.sampled_from(_OFFSETS))})"
        case 12:
            change = draw(
                st.sampled_from(
                    ('label_replace(%s, "q", "$1-", "i", "(1|2)")', 'label_join(%s, "r", "/", "p", "i")', "sort(%s)", "timestamp(%s)")
                )
            )
            return change % draw(below)
        case 13:
            return f'count_values {draw(st.sampled_from(("by", "without")))} {draw(_labels())} ("v", {draw(below)})'
    return draw(_selector()) + draw(st.sampled_from(_OFFSETS))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Any expression; what may be rounded differently stands outermost."""
    exact = draw(_vector(depth))
    choice = draw(st.integers(0, 10))
    match choice:
        case 0:
            return f"{draw(st.sampled_from(('avg', 'sum')))} by {draw(_labels())} ({exact})"
        case 1:
            return f"{draw(st.sampled_from(('rate', 'increase')))}({draw(_range('c'))}) *{draw(_matching(True))}{exact}"
        case 2:
            return f"{draw(st.sampled_from(_INEXACT_OVER))}({draw(_range('xyzcg'))}) unless{draw(_matching(False))}{exact}"
        case 3:
            return f"{exact} /{draw(_matching(True))}{draw(_vector(1))}"
        case 4:
            return f"scalar({exact})"
        case 8:
            op, k = draw(st.sampled_from(("topk", "bottomk"))), draw(st.sampled_from(("1", "2", "3", "-1", "scalar(z)")))
            return f"{op} {draw(st.sampled_from(('by', 'without')))} {draw(_labels())} ({k}, {exact})"
        case 9:
            phi = draw(st.sampled_from(("0", "0.3", "0.5", "1", "1.5", "scalar(z)")))
            return f"quantile {draw(st.sampled_from(('by', 'without')))} {draw(_labels())} ({phi}, {exact})"
        case 10:
            return draw(st.sampled_from(("quantile_over_time(0.7, %s)", "predict_linear(%s, 60)"))) % draw(_range("xyzcg"))
    return exact
