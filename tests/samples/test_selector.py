"""Matchers, and vectors' notes on what may be missing."""

from __future__ import annotations

import pytest

from monitor.model import labels
from monitor.samples import BadMatcher, Matcher, Selector, widest


@pytest.mark.parametrize(
    ("op", "value", "matching", "other"),
    [("=", "a", "a", "b"), ("!=", "a", "", "a"), ("=~", "a|b.*", "bcd", "xa"), ("!~", "a|b", "ab", "a"), ("=", "", "", "a"), ("=~", "a.c", "a\nc", "abcd")],
)  # fmt: skip
def test_matchers_match_whole_values(op: str, value: str, matching: str, other: str) -> None:
    matcher = Matcher("l", op, value)  # type: ignore[arg-type]
    assert matcher.matches(matching) and not matcher.matches(other)


@pytest.mark.parametrize("pattern", ["(", "a{3000}", "(?=a)", "x" * 1_001])
def test_patterns_that_re2_refuses_or_that_are_too_long_are_refused(pattern: str) -> None:
    with pytest.raises(BadMatcher):
        Matcher("l", "=~", pattern)


def test_a_selector_is_a_key_and_prints_as_promql() -> None:
    one, two = (Selector("x", (Matcher("a", "=~", 'b"\\.'), Matcher("c", "!=", "d"))) for _ in range(2))
    assert one == two and hash(one) == hash(two)
    assert str(one) == 'x{a=~"b\\"\\\\.",c!="d"}'


def test_a_scope_contradicts_a_selector_only_by_a_label_it_has() -> None:
    selector = Selector("x", (Matcher("p", "=", "a"), Matcher("q", "!=", "")))
    assert selector.allows({}) and selector.allows({"p": "a", "r": "z"})
    assert not selector.allows({"p": "b"}) and not selector.allows({"__name__": "y"})


def test_the_widest_entries_cover_the_others() -> None:
    assert widest([labels(a="1"), labels(a="1", b="2"), labels(b="3")]) == {labels(a="1"), labels(b="3")}
    assert widest([labels(a="1"), ()]) == {()}
    many = [labels(a="1", b=str(i)) for i in range(200)]
    assert widest(many) == {labels(a="1")}
