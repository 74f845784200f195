"""What people do on the page reaches the book, in a database of its own, and comes back onto the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.alerts import Book, CommandRefused, Judged, parse_routes
from monitor.model import EpisodeId, Hash, RuleId, Transition, labels
from monitor.service import status
from monitor.service.people import People
from monitor.store import Store
from tests.service.making import GENESIS, block

ROUTES = "route:\n  receiver: slack\n  group_wait: 0s\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.open(f"sqlite:///{tmp_path / 'page.sqlite3'}")
    made.create_all()
    return made


def open_incident(store: Store, book: Book) -> str:
    fires = Transition(
        EpisodeId("e1"), 1, RuleId("g/OracleReportLate"), labels(alertname="OracleReportLate", severity="page", protocol="lido"), labels(summary="late"),
        "inactive", "firing", block(1), "judged", 1.0, Hash("0x" + "ab" * 32),
    )  # fmt: skip
    with store.begin() as unit:
        book.admit(unit, [fires], Judged(block(1), GENESIS + 12.4, GENESIS + 12.6))
    with store.read() as unit:
        (incident,) = status.kept(unit)["incidents"]
    return str(incident["id"])


async def test_taking_and_silencing_come_back_onto_the_page(store: Store) -> None:
    book, told = Book(parse_routes(ROUTES, ["slack"])), []
    identity = open_incident(store, book)
    people = People(store, book, lambda: told.append(1))
    await people.acknowledge(identity, "ann", "calling")
    silence = await people.silence(['alertname="OracleReportLate"'], "ann", 3600, "works")
    with store.read() as unit:
        found = status.kept(unit)
    (incident,) = found["incidents"]
    assert incident["acknowledged_by"] == "ann" and incident["announced"] and incident["acknowledged_at"] is not None
    assert [(a["who"], a["why"]) for a in incident["acknowledgements"]] == [("ann", "calling")]
    assert [(s.id, s.matchers, s.who, s.why, s.ended_by) for s in found["silences"]] == [
        (silence, ('alertname="OracleReportLate"',), "ann", "works", None)
    ]
    assert found["muted"]["e1"][0] == "silence" and found["fired"]["g/OracleReportLate"][1] == 1
    await people.end_silence(silence, "bob")
    with store.read() as unit:
        found = status.kept(unit)
    assert found["silences"][0].ended_by == "bob" and found["muted"] == {} and len(told) == 3
    assert set(found) == set(status.NOTHING)
    store.close()


@pytest.mark.parametrize(("matchers", "why", "said"), [([], "x", "needs a matcher"), (["protocol lido"], "x", "is not of the form"), (['protocol="lido"'], "", "reason of a silence is missing")])  # fmt: skip
async def test_what_cannot_be_done_is_refused_with_the_reason(store: Store, matchers: list[str], why: str, said: str) -> None:
    people = People(store, Book(parse_routes(ROUTES, ["slack"])))
    with pytest.raises(CommandRefused, match=said):
        await people.silence(matchers, "ann", 3600, why)
    with pytest.raises(CommandRefused, match="there is no open incident"):
        await people.acknowledge("no", "ann", "")
    with pytest.raises(CommandRefused, match="there is no silence"):
        await people.end_silence("no", "ann")
    store.close()


async def test_a_database_that_fails_is_said_and_changes_nothing(tmp_path: Path) -> None:
    empty = Store.open(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    people = People(empty, Book(parse_routes(ROUTES, ["slack"])))
    with pytest.raises(CommandRefused, match="the database did not take it"):
        await people.acknowledge("x", "ann", "")
    empty.close()
