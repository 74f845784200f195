"""What the page shows, also when strangers wrote what it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.web import people
from monitor.web.document import Viewer
from monitor.web.incidents import RECENT, latency
from monitor.web.page import SHOWN, incident, render, series
from monitor.web.view import SeriesView, StatusView, Threshold
from monitor.web.words import amount, length, limit, number, utc
from tests.web.views import EMPTY, HOSTILE, NIGHT, chart, hostile, pause
from tests.web.views import incident as told

TAGS = {
    "html", "head", "body", "header", "main", "meta", "title", "div", "style", "script", "noscript", "h2", "h3", "h4", "small", "p", "b", "i", "a", "table",
    "tr", "th", "td", "span", "br", "code", "nav", "section", "article", "details", "summary", "dl", "dt", "dd", "ol", "ul", "li", "svg", "polyline", "polygon",
    "line", "rect", "form", "input", "label", "select", "option", "textarea", "button",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "data-l", "id", "href", "title", "role", "aria-label", "viewbox", "preserveaspectratio",
    "points", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "method", "action", "type", "value", "required", "maxlength", "autocomplete", "rows",
    "spellcheck", "selected", "open",
}  # fmt: skip
ANN = Viewer("ann", "0123abcd", True)
GUEST = Viewer(may=True)


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
    """The rows of a family in the list of all series."""
    return series(view).partition(f"<code>{family}</code>")[2].partition("</details>")[0].split("<tr>")[1:]


def documents(view: StatusView) -> list[str]:
    """Every page, for everybody."""
    ids = [str(i.get("id")) for i in view.incidents]
    found = [
        page(view, viewer)
        for page in (render, series, people.sign_in, people.silences)
        for viewer in (GUEST, ANN, Viewer(HOSTILE, HOSTILE, True))
    ]
    found += [
        people.silences(view, ANN, (HOSTILE,), HOSTILE, HOSTILE),
        people.sign_in(view, GUEST, HOSTILE, HOSTILE),
        people.refused(view, ANN, HOSTILE, HOSTILE),
    ]
    return found + [page for one in ids for viewer in (GUEST, ANN) if (page := incident(view, one, viewer)) is not None]


def test_what_strangers_write_stays_text() -> None:
    for document in documents(hostile()):
        seen = Seen(document)
        assert seen.tags <= TAGS, seen.tags - TAGS
        assert seen.attributes <= ATTRIBUTES, seen.attributes - ATTRIBUTES
        assert document.count("<script") <= 1 and "<script>alert" not in document and "href='javascript" not in document
    assert "<script>alert(1)</script>" in Seen(render(hostile())).text


def test_a_link_leads_only_to_the_web_or_to_ourselves() -> None:
    def runbook(address: str) -> str:
        one = told("X", None)
        one["alerts"][0]["annotations"]["runbook_url"] = address
        return render(replace(EMPTY, block=1, timestamp=1, incidents=(one,)))

    assert "<a href='https://wiki.example/x?a=1&amp;b=2'>" in runbook("https://wiki.example/x?a=1&b=2")
    assert "<a href='/runbooks/lido.md#x'>docs/runbooks/lido.md#x</a>" in runbook("docs/runbooks/lido.md#x")
    for bad in ("javascript:alert(1)", "data:text/html,x", "//evil.example", "../lido.md", "/etc/x.md", "docs/.hidden.md", "notes.txt"):
        assert f"<code>{bad}</code>" in runbook(bad) and f"href='{bad}" not in runbook(bad) and "href='/runbooks" not in runbook(bad)


@settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=30),
    st.floats(),
    st.sampled_from(["ratio", "seconds", "timestamp", "ether", "bool"]),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
)
def test_no_text_and_no_number_breaks_the_page(text: str, value: float, unit: str, course: list[float]) -> None:
    drawn = (tuple((1_699_996_400.0 + i, v) for i, v in enumerate(course)),) if course else ()
    view = replace(
        EMPTY,
        problems=(text,),
        series=(SeriesView(text, {text: text}, value, unit),),
        charts=(chart(text, text, value, unit, lines=drawn, thresholds=(Threshold("<", value, text, text),)),),
    )
    for document in (render(view), series(view)):
        assert Seen(document).tags <= TAGS
    assert all(isinstance(said, str) for said in (utc(value), number(value), length(value), limit("<", value, unit), *amount(value, unit)))
    for y in re.findall(r"points='([^']*)'", render(view)):
        assert all(0 <= float(n) <= 240 for pair in y.split() for n in pair.split(","))


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
    assert (
        "not ready" in seen.text
        and "no block judged yet" in seen.text
        and "no block was judged yet" in seen.text
        and "No incident" not in seen.text
    )


def test_a_family_of_many_series_is_cut_and_says_so_but_never_what_is_unknown() -> None:
    known = [SeriesView("role_holder", {"role": f"R{i}"}, 1.0, "bool") for i in range(SHOWN + 50)]
    found = rows(replace(NIGHT, series=(*known, SeriesView("role_holder", {"role": "LAST"}, None, "bool"))), "role_holder")
    assert len(found) == SHOWN + 1 and "and 51 more" in found[-1]
    assert "LAST" in found[0] and "unknown" in found[0]
    assert "55 series" in Seen(series(NIGHT)).text


def test_a_page_at_night_says_why_a_pause_failed_a_receiver_is_stuck_and_a_rule_is_broken() -> None:
    text = Seen(render(NIGHT)).text
    assert "the budget of the contract is used up" in text
    assert "channel_is_archived" in text
    assert "two elements with equal labels" in text
    assert "gas_money: the key has 0.0100 ether" in text
    assert "endpoints disagree" in text
    assert "looks back 1 h: not all of that is known" in text
    assert "roles of agent: holders cannot be listed on chain" in text
    assert Seen(render(replace(NIGHT, pauses=(pause("failed", "why"),) * 30))).text.count("automatic") == RECENT


def test_incidents_stand_above_everything_and_the_title_counts_what_fires() -> None:
    ticket = told("LidoQueueFlood", None, identity="9")
    ticket["alerts"][0]["labels"]["severity"] = "ticket"
    document = render(replace(NIGHT, alerts=NIGHT.alerts[::-1], incidents=(ticket, *NIGHT.incidents)))
    assert "<title>(1) Stakewarden</title>" in document
    places = [
        document.index(words)
        for words in (
            "LidoRoleGrantedUnapproved: somebody",
            "LidoQueueFlood: somebody",
            "<h2 id=unknown>",
            "<h2>Guardian",
            "Deviation from fair value",
        )
    ]
    assert places == sorted(places)


def test_an_incident_tells_evidence_latency_and_who_has_it() -> None:
    taken = [{"who": "ann", "at": 1_700_000_096.0, "why": "calling the DAO"}]
    one = told("LidoPegSlipping", None, acknowledged_by="ann", acknowledged_at=1_700_000_096.0, acknowledgements=taken)
    now = replace(NIGHT.alerts[0], episode=one["alerts"][0]["episode"], value=-0.0312, threshold="< -0.01", unit="ratio", for_seconds=300)
    text = Seen(render(replace(NIGHT, incidents=(one,), alerts=(now,)))).text
    assert "value-3.12 % alert below -1 %" in text
    assert "since" in text and "block 18,999,000, 2023-11-14 22:12:56 UTC · true for 5 min" in text
    assert "taken by ann" in text and "ann took it at 22:14:56 UTC: calling the DAO" in text
    assert latency(one) == "block 22:12:56 → seen +400 ms → judged +200 ms → sent +600 ms → acknowledged +2 min".replace(
        "2 min", latency(one).rpartition("+")[2]
    )
    assert "not taken" in Seen(render(NIGHT)).text


def test_an_incident_tells_what_a_pause_does_costs_and_how_it_is_made() -> None:
    shown = incident(NIGHT, NIGHT.incidents[0]["id"])
    assert shown is not None
    for page in (render(NIGHT), shown):
        assert "<p class=say>Pause of vault proposed: you decide</p>" in page
        assert "<dt>costs</dt><dd>nobody gets wstETH out while it lasts</dd>" in page
        assert "<dt>to pause</dt><dd><code>stakewarden guardian pause vault --reason &quot;...&quot;</code></dd>" in page


def test_what_can_be_done_depends_on_who_looks() -> None:
    reads, guest, ann = (Seen(render(NIGHT, viewer)) for viewer in (Viewer(), GUEST, ANN))
    assert "form" not in reads.tags and "Sign in" not in reads.text
    assert "form" not in guest.tags and "Sign in to take it" in guest.text
    assert "form" in ann.tags and "I take it" in ann.text and "ann: sign out" in ann.text
    forms = re.findall(r"<form.*?</form>", render(NIGHT, ANN) + people.silences(NIGHT, ANN, now=1_700_000_001.0))
    assert len(forms) >= 5 and all("name=csrf value='0123abcd'" in form for form in forms)


def test_a_chart_says_its_value_its_threshold_and_what_alerts() -> None:
    document = render(NIGHT)
    tile = next(t for t in document.split("<div class='tile ") if "Deviation from fair value" in t)
    assert tile.startswith("ticket'") and "-3.12 <small>%" in tile and "LidoPegSlipping" in tile
    assert "<svg class=spark" in tile and tile.count("class='limit") == 2
    calm = replace(NIGHT.charts[1], alerts=())
    assert "alert above 0.5 %, below -4 %" in Seen(render(replace(NIGHT, charts=(calm,)))).text


def test_an_unknown_chart_shows_no_number_and_an_absent_one_neither() -> None:
    tiles = {
        title: t for t in render(NIGHT).split("<div class='tile ") for title in ("Covered by ether at hand", "Oldest request") if title in t
    }
    unknown, absent = tiles["Covered by ether at hand"].partition("</div>")[0], tiles["Oldest request"].partition("</div>")[0]
    assert "unknown</span>" in unknown and "no answer for 120 s" in unknown and "class=gap" in unknown
    assert "none</span>" in absent and "nothing known" in absent


def test_coverage_tells_what_each_rule_came_to() -> None:
    document = render(NIGHT)
    lines = {
        name: next(row for row in document.split("<tr>") if f"<b>{name}</b>" in row and "governance" in row and "data-l" in row)
        for name in ("LidoRoleGrantedUnapproved", "LidoContractPaused", "LidoNeverJudged")
    }
    assert "2023-11-14 22:12:56 UTC" in lines["LidoRoleGrantedUnapproved"] and ">true<" in lines["LidoRoleGrantedUnapproved"]
    assert (
        "quiet" in lines["LidoContractPaused"]
        and "never" in lines["LidoContractPaused"]
        and "block 18,999,002" in lines["LidoContractPaused"]
    )
    assert "waiting" in lines["LidoNeverJudged"]
    assert "5 rules: 1 firing or pending, 2 unknown, 1 waiting, 1 quiet" in Seen(document).text


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


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "ratio", "unknown"), (0.0, "ratio", "0 %"), (0.005, "ratio", "0.50 %"), (-0.0312, "ratio", "-3.12 %"), (1e-9, "ratio", "1e-9"), (0.9993, "ratio", "99.93 %"), (1.81e-7, "ratio", "0.0000181 %"), (-9.3e-7, "ratio", "-0.000093 %"), (4.7e-5, "ratio", "0.0047 %"),
        (1.000187, "", "1.000187"), (1.0, "", "1"), (2.5, "ratio", "250 %"), (5400.0, "seconds", "1 h 30 min"), (86400.0 * 7, "seconds", "7 d"), (0.0, "seconds", "0 s"),
        (123456.789, "ether", "123.46 k ether"), (1e-9, "ether", "1e-9 ether"), (1.0, "bool", "1"), (float("nan"), "ratio", "nan ratio"),
    ],
)  # fmt: skip
def test_amounts_for_people(value: float | None, unit: str, shown: str) -> None:
    assert " ".join(amount(value, unit)).strip() == shown


def test_what_is_not_told_says_why() -> None:
    first, second = NIGHT.alerts
    silenced = replace(first, episode="e1", muted=("silence", "5111"))
    inhibited = replace(first, episode="e2", muted=("inhibition", "LidoPegBroken"))
    text = Seen(render(replace(NIGHT, alerts=(silenced, inhibited, second), incidents=()))).text
    assert "silenced by ann until 00:13:20 UTC: announced works" in text
    assert "LidoPegBroken says it already" in text and "its condition must hold longer" in text


def test_what_nobody_has_stands_above_what_somebody_took_and_a_cause_above_what_follows() -> None:
    cause, effect, old = (
        told("Cause", None),
        told("Effect", None),
        told("Old", None, acknowledged_by="ann", acknowledged_at=1_700_000_000.0),
    )
    cause["opened_at"], effect["opened_at"], old["opened_at"] = 1_700_000_100.0, 1_700_000_101.0, 1_700_000_000.0
    page = render(replace(NIGHT, incidents=(old, effect, cause)))
    assert re.findall(r"<h4 class=dim>(\w+)", page) == ["Cause", "Effect", "Old"]


def test_an_incidents_own_page_has_one_way_to_take_it_and_the_pause_that_it_led_to() -> None:
    one = told("LidoPegSlipping", None)
    view = replace(
        NIGHT,
        incidents=(one,),
        pauses=(pause("verified", None) | {"episode": one["alerts"][0]["episode"]}, pause("failed", None) | {"episode": "another"}),
    )
    page = incident(view, one["id"], ANN)
    assert page is not None and page.count("action=/acknowledge") == 1 and f"href='/incidents/{one['id']}'" not in page
    assert page.count("class=hash") == 1 and "verified" in page.partition("<h3>Pauses")[2]
    assert "<h3>Pauses" not in str(incident(replace(view, pauses=()), one["id"], ANN))
