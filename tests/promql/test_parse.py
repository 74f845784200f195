"""Parsing: our own nodes, errors that say where and what to do, and nothing but ParseError for nonsense."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.promql import (
    Aggregate,
    Binary,
    Call,
    Matching,
    Number,
    Paren,
    ParseError,
    Select,
    Subquery,
    Unary,
    parse,
    parse_matchers,
    selectors,
    spans,
    type_of,
    walk,
    written,
)
from monitor.promql.signatures import SIGNATURES
from monitor.samples import Matcher, Selector
from tests.promql.expressions import expressions


def test_nodes_are_our_own() -> None:
    text = 'sum by (a) (rate(x{a="b",c!~"d"}[5m] offset -1m)) > bool on (a) group_left (q) -(y)'
    rate = Call("rate", (Select(Selector("x", (Matcher("a", "=", "b"), Matcher("c", "!~", "d"))), 300, -60),))
    matching = Matching(True, frozenset({"a"}), "many-to-one", ("q",))
    assert parse(text) == Binary(">", Aggregate("sum", rate, frozenset({"a"})), Unary("-", Paren(Select(Selector("y")))), True, matching)


def test_subqueries_and_fixed_times() -> None:
    assert parse("max_over_time(x[1h:5m] offset 1m)") == Call("max_over_time", (Subquery(Select(Selector("x")), 3600, 300, 60),))
    assert parse("max_over_time((x + y)[1h:])").arguments[0].every == 60  # type: ignore[union-attr]
    assert parse("x @ 1700000000.7") == Select(Selector("x"), when=1_700_000_000)
    assert parse("rate(x[5m] @ start() offset 1m)") == Call("rate", (Select(Selector("x"), 300, 60, when="start"),))
    assert parse("topk by (a) (3, x @ end())") == Aggregate("topk", Select(Selector("x"), when="end"), frozenset({"a"}), True, Number(3))
    assert [(s.selector.family, seconds) for s, seconds in spans(parse("max_over_time(rate(x[5m] offset 1m)[1h:1m]) + y"))] == [
        ("x", 3600 + 60 + 360),
        ("y", 0),
    ]


def test_a_selector_alone_may_leave_out_the_name() -> None:
    assert parse_matchers('up{a="b",c!~"d"}') == (Matcher("__name__", "=", "up"), Matcher("a", "=", "b"), Matcher("c", "!~", "d"))
    assert parse_matchers('{__name__=~"a|b"}') == (Matcher("__name__", "=~", "a|b"),)
    for text in ("1", "rate(x[5m])", "x[5m]", '{a="b" or c="d"}', '{a=~"("}', "{"):
        with pytest.raises(ParseError):
            parse_matchers(text)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(expressions())
def test_written_again_it_means_the_same(text: str) -> None:
    expr = parse(text)
    assert parse(written(expr)) == expr
    assert written(parse(written(expr))) == written(expr)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("foo/bar", "foo / bar"),
        ("sum(x)by(b,a)", "sum by (a, b) (x)"),
        ("sum without()(x)", "sum without () (x)"),
        ("topk(3,rate(x{a='b'}[90m]@start() offset -1d))", 'topk(3, rate(x{a="b"}[1h30m] @ start() offset -1d))'),
        ("a*on(x)group_left(y,z)b>bool 1e-7", "a * on (x) group_left (y, z) b > bool 0.0000001"),
        ("max_over_time(x[14d:]) and ignoring(q) -y", "max_over_time(x[2w:]) and ignoring (q) -y"),
        ("x > inf or x < -Inf or x == 1", "x > Inf or x < -Inf or x == 1"),
        (r'count_values("v", x{a="\"\\\n"})', r'count_values("v", x{a="\"\\\n"})'),
        ("x @ 1700000000", "x @ 1700000000.000"),
    ],
)
def test_the_usual_form(text: str, shown: str) -> None:
    assert written(parse(text)) == shown
    assert parse(shown) == parse(text)


def test_precedence_is_that_of_promql() -> None:
    assert parse("-2 ^ 2") == Unary("-", Binary("^", Number(2), Number(2)))
    assert parse("1 + 2 * 3") == Binary("+", Number(1), Binary("*", Number(2), Number(3)))
    assert parse("2 ^ 3 ^ 2") == Binary("^", Number(2), Binary("^", Number(3), Number(2)))


def test_selectors_know_where_they_stand() -> None:
    text = 'sum(alpha{a="beta"}) / on() # gamma\n {__name__="delta"} + time()'
    assert [(s.selector.family, s.position) for s in selectors(parse(text))] == [("alpha", 4), ("delta", text.index("{__"))]
    assert sum(1 for _ in walk(parse(text))) == 6


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "no expression"),
        ("  # nothing", 0, "no expression"),
        ("a ==", 4, "ends where a value is expected"),
        ("a + * b", 4, "unexpected *"),
        ("a\n+\nb b", 6, 'unexpected "b"'),
        ("a = 3", 2, "write =="),
        ("sum(x", 3, "not closed"),
        ("x)", 1, "closes nothing"),
        ("(x]", 2, "wants )"),
        ('x{a="b}', 4, "does not end"),
        ('x{a=~"("}', 5, "regular expression"),
        ('x{a=~"' + "a" * 2000 + '"}', 5, "1000 are allowed"),
        ("foo{bar=}", 8, "value"),
        ("foo{bar}", 7, "unexpected }"),
        ("foo{1}", 4, "label"),
        ("rat(x[5m])", 0, 'did you mean "rate"'),
        ("1 + histogram_quantile(0.9, x)", 4, "histogram_quantile"),
        ("topk(x)", None, "expected 2, got 1"),
        ("sum(3, x)", None, "expected 1, got 2"),
        ('topk("3", x)', None, "scalar"),
        ("count_values(3, x)", None, "string"),
        ('count_values("a b", x)', None, "no name of a label"),
        ('label_replace(x, "0", "$1", "i", "(.*)")', None, "no name of a label"),
        ('label_replace(x, "a", "$1", "i", "(")', None, "regular expression"),
        ('label_join(x, "a")', 0, "argument"),
        ("sum(x[5m:1m])", None, "use a function over time"),
        ("rate(1[5m:1m])", None, "vector"),
        ("rate(x[5m:0s])", None, "greater than 0"),
        ("rate(x[5m:500ms])", None, "whole seconds"),
        ("max_over_time(x[1y:1m])", None, "evaluated 525601 times"),
        ("max_over_time((max_over_time(x[1d:1m]))[1d:1m])", None, "record the inner"),
        ("x @ -3", 4, "@ wants a time"),
        ("x @ y", 4, "@ wants a time"),
        ("x @ start(", 9, "not closed"),
        ("a + fill(0) b", 4, "fill"),
        ('x{a="1" or b="2"}', 8, "alternatives"),
        ('{a="b"}', 0, "without a metric's name"),
        ('{__name__=~"a|b"}', 0, "names"),
        ("1 + abs(x[5m])", 4, "use a function over time"),
        ("1 + rate(x)", 4, "give it a range"),
        ("x[5m] + 1", None, "range vector"),
        ("x + abs(x, x)", 4, "argument"),
        ("1 == 2", None, "bool"),
        ("x[500ms]", None, "whole seconds"),
        ("x[0s]", None, "greater than 0"),
        ('x{a="\ud800"}', None, "surrogates"),
        ("x" * 30_000, 20_000, "characters"),
        ("(" * 100_000, 20_000, "characters"),
        ("(" * 9_000 + "x" + ")" * 9_000, 4_000, "too long"),
        ("(" * 90 + "x" + ")" * 90, 60, "nested too deeply"),
        ("-" * 3_000 + "x", 300, "too long"),
        ("-" * 290 + "x", None, "nested too deeply"),
        ("+".join(["x"] * 1_900), 601, "too long"),
        ("+".join(["x"] * 290), None, "nested too deeply"),
        ("x" + " ^ x" * 290, None, "nested too deeply"),
    ],
)
def test_errors_say_where_and_what(text: str, position: int | None, says: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert caught.value.position == position


def test_a_function_is_supported_if_it_can_be_written() -> None:
    written = {"matrix": "x[1m]", "vector": "x", "scalar": "1", "string": '"a"'}
    for name, signature in SIGNATURES.items():
        assert type_of(parse(f"{name}({', '.join(written[t] for t in signature.takes)})")) == signature.gives


_PIECES = st.sampled_from(
    ['x', 'y', 'sum', 'rate', 'by', 'on', 'ignoring', 'group_left', 'bool', 'offset', 'and', 'or', 'unless', '(', ')', '[', ']', '{', '}', ',', '=', '==', '=~', '!=', '<', '>', '+', '-', '*', '/', '%', '^', '@', ':', '5m', '1', '0x', '1e', '"a"', "'b'", '`c`', '"', '\\', '#', '\n', 'é', '\x00', 'inf', 'nan']
)  # fmt: skip


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=14).map(" ".join), st.lists(_PIECES, max_size=10).map("".join)))
def test_nonsense_is_a_parse_error_and_nothing_else(text: str) -> None:
    try:
        type_of(parse(text))
    except ParseError as error:
        assert error.position is None or 0 <= error.position <= len(text)


@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(expressions(), st.data())
def test_a_slip_is_a_parse_error_and_nothing_else(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    with contextlib.suppress(ParseError):
        parse(text[:at] + data.draw(st.sampled_from(("", "(", ")", "}", '"', "[", " ", "5m", "\\"))) + text[at + 1 :])
