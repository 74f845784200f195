"""Messages lead to the status page where its address is known; what is kept of an alert does not change by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.alerts import Book, Links
from monitor.alerts.desk import EPISODES
from monitor.model import Acknowledge, Transition, labels
from tests.alerts.making import Desk, Unit, block, engine_at, fires, routes

PAGE = "https://stakewarden.example"


def named(runbook: str) -> Transition:
    first = fires("A", block(1))
    return replace(first, annotations=labels(dict(first.annotations), runbook_url=runbook))


@pytest.mark.parametrize(
    ("page", "runbook", "told"),
    [
        (PAGE, "docs/runbooks/lido.md#lidoqueueflood", f"{PAGE}/runbooks/lido.md#lidoqueueflood"),
        (PAGE, "https://wiki.example/x.md", "https://wiki.example/x.md"),
        (PAGE, "ask Bob", "ask Bob"),
        (None, "docs/runbooks/lido.md#lidoqueueflood", "docs/runbooks/lido.md#lidoqueueflood"),
    ],
)
def test_every_message_of_an_incident_has_the_links(tmp_path: Path, page: str | None, runbook: str, told: str) -> None:
    desk = Desk(engine_at(tmp_path / "book.db"))
    desk.book = Book(routes(), links=Links(page))
    desk.admit(block(1), named(runbook))
    incident = desk.owed()[0]["incident"]
    with desk.engine.begin() as conn:
        desk.book.acknowledge(Unit(conn), Acknowledge(incident, "ann", block(2).timestamp, ""))
    desk.tick(block(2).timestamp + 100_000.0)
    bodies = [d["body"] for d in desk.owed()]
    assert len(bodies) >= 3 and {b["page"] for b in bodies} == {None if page is None else f"{PAGE}/incidents/{incident}"}
    assert {a["runbook"] for b in bodies for a in b["alerts"]} == {told}


def test_what_is_kept_of_an_alert_is_the_same_with_and_without_an_address(tmp_path: Path) -> None:
    kept = []
    for name, links in (("with", Links(PAGE)), ("without", Links())):
        desk = Desk(engine_at(tmp_path / f"{name}.db"))
        desk.book = Book(routes(), links=links)
        desk.admit(block(1), named("docs/runbooks/lido.md#lidoqueueflood"))
        with desk.engine.begin() as conn:
            kept.append([dict(row) for row in conn.execute(select(EPISODES)).mappings()])
    assert kept[0] == kept[1] and "docs/runbooks/lido.md#lidoqueueflood" in kept[0][0]["annotations"]
