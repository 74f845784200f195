"""What the page shows, also when strangers wrote what it shows."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.page import RECENT, SHOWN, number, render, utc
from monitor.web.view import SeriesView, StatusView
from tests.web.views import EMPTY, NIGHT, hostile, pause

TAGS = {
    "html", "meta", "title", "div", "style", "h1", "h2", "small", "p", "b", "table", "tr", "th", "td", "span", "br", "code",
}  # fmt: skip


class Seen(HTMLParser):
    """Tags, attributes and text of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def rows(view: StatusView, family: str) -> list[str]:
    return [row for row in render(view).split("<tr>") if f"<code>{family}</code>" in row]


def test_what_strangers_write_stays_text() -> None:
    seen = Seen(render(hostile()))
    assert seen.tags <= TAGS
    assert seen.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class", "data-l"}
    assert "<script>alert(1)</script>" in seen.text


@given(st.text(max_size=30), st.floats())
def test_no_text_and_no_number_breaks_the_page(text: str, value: float) -> None:
    for unit in ("timestamp", "ether"):
        view = replace(EMPTY, problems=(text,), series=(SeriesView(text, {text: text}, value, unit),))
        assert Seen(render(view)).tags <= TAGS
    assert isinstance(utc(value), str) and isinstance(number(value), str)


def test_unknown_is_said_and_never_shown_as_zero() -> None:
    (unknown,) = rows(NIGHT, "queue_coverage_ratio")
    assert "unknown" in unknown and ">0<" not in unknown
    (zero,) = rows(NIGHT, "queue_claimable_ether")
    assert ">0 <small>ether<" in zero and "unknown" not in zero
    (infinite,) = rows(NIGHT, "oracle_quorum")
    assert "inf" in infinite
    down = next(row for row in render(NIGHT).split("<tr>") if "<b>charlie</b>" in row)
    assert down.count("unknown") == 2 and ">0<" in down  # head and distance are unknown; zero disputes are known
    gate = next(row for row in render(NIGHT).split("<tr>") if "<b>gate</b>" in row)
    assert "unknown" in gate and "not ready" not in gate


def test_before_the_first_block_nothing_is_claimed() -> None:
    seen = Seen(render(EMPTY))
    assert "not ready" in seen.text and "no block judged yet" in seen.text and "no block was judged yet" in seen.text


def test_a_family_of_many_series_is_cut_and_says_so() -> None:
    found = rows(NIGHT, "role_holder")
    assert len(found) == SHOWN + 1 and f"and {50 - SHOWN} more" in found[-1]
    assert "55 series" in Seen(render(NIGHT)).text


def test_what_is_unknown_is_never_cut_away() -> None:
    known = [SeriesView("role_holder", {"role": f"R{i}"}, 1.0, "bool") for i in range(50)]
    found = rows(replace(NIGHT, series=(*known, SeriesView("role_holder", {"role": "LAST"}, None, "bool"))), "role_holder")
    assert "LAST" in found[0] and "unknown" in found[0]


def test_a_page_at_night_says_why_a_pause_failed_a_receiver_is_stuck_and_a_rule_is_broken() -> None:
    text = Seen(render(NIGHT)).text
    assert "the budget of the contract is used up" in text
    assert "channel_is_archived" in text
    assert "two elements with equal labels" in text
    assert "gas_money: the key has 0.0100 ether" in text
    assert "endpoints disagree" in text
    assert Seen(render(replace(NIGHT, pauses=(pause("failed", "why"),) * 30))).text.count("automatic") == RECENT


def test_pages_come_first_and_the_title_counts_what_fires() -> None:
    document = render(replace(NIGHT, alerts=NIGHT.alerts[::-1]))
    assert "<title>(1) Stakewarden</title>" in document
    assert document.index("LidoRoleGrantedUnapproved") < document.index("LidoQueueFlood: two") or document.index(
        "<b>LidoRoleGrantedUnapproved"
    ) < document.index("<b>LidoQueueFlood")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "unknown"),
        (0.0, "0"),
        (-0.0, "0"),
        (1234567.0, "1,234,567"),
        (0.5, "0.5000"),
        (1e-9, "1e-09"),
        (float("inf"), "inf"),
        (2.0**200, "1.60694e+60"),
    ],
)
def test_numbers_for_people(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_times_for_people() -> None:
    assert utc(None) == "never" and utc(0) == "1970-01-01 00:00:00 UTC"
    assert utc(2.0**256) == "1.15792e+77 (no date)"
