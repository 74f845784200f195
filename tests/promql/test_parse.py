"""Parsing: our own nodes, errors that say where and what to do, and nothing but ParseError for nonsense."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.promql import Aggregate, Binary, Call, Matching, Number, Paren, ParseError, Select, Unary, parse, selectors, type_of, walk
from monitor.promql.signatures import SIGNATURES
from monitor.samples import Matcher, Selector
from tests.promql.expressions import expressions


def test_nodes_are_our_own() -> None:
    text = 'sum by (a) (rate(x{a="b",c!~"d"}[5m] offset -1m)) > bool on (a) group_left (q) -(y)'
    rate = Call("rate", (Select(Selector("x", (Matcher("a", "=", "b"), Matcher("c", "!~", "d"))), 300, -60),))
    matching = Matching(True, frozenset({"a"}), "many-to-one", ("q",))
    assert parse(text) == Binary(">", Aggregate("sum", rate, frozenset({"a"})), Unary("-", Paren(Select(Selector("y")))), True, matching)


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
        ("topk(3, x)", 0, "topk"),
        ("x[5m:1m]", 4, "subqueries"),
        ("x[5m:]", 4, "subqueries"),
        ("x @ 3", 2, "@ modifier"),
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
    written = {"matrix": "x[1m]", "vector": "x", "scalar": "1", "string": '""'}
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
