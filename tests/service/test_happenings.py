"""Pauses and rule sets become messages to the receivers that keep a record: each once, also over restarts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import col

from monitor.alerts import Outbox, Patience
from monitor.alerts.desk import DELIVERIES
from monitor.alerts.happenings import forget
from monitor.devnet.grafana import TOKEN, FakeGrafana
from monitor.receivers.grafana import GrafanaReceiver, GrafanaSettings
from monitor.service.happenings import Chronicler
from monitor.store import JudgedEntry, Lease, Store, Unit, journal, lease
from monitor.store.tables.guardian import PauseRow
from tests.guardian import telling
from tests.service.making import block

NOW = time.time()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.create_all()
        yield store


@pytest.fixture
def held(store: Store) -> Lease:
    found = lease.acquire(store, "service", lease.new_owner(), 60)
    assert found is not None
    return found


def pause(store: Store, identity: str, state: str, **more: Any) -> None:
    row: dict[str, Any] = {
        "id": identity, "state": state, "target": "vault", "response": "unbacked", "mode": "automatic", "owner": "risk", "reason": "supply above backing",
        "episode": "e", "rule": "lido/X", "labels": "{}", "evidence": "0x00", "agreed": "[]", "observed_number": 7, "observed_hash": "0x01",
        "observed_timestamp": int(NOW) - 30, "decided_at": NOW - 20, **more,
    }  # fmt: skip
    with store.begin() as unit:
        unit.conn.execute(insert(PauseRow.__table__), [row])  # type: ignore[attr-defined]


def take_rules(store: Store, hash: str, files: Mapping[str, str], at: float = NOW) -> None:
    with store.begin() as unit:
        journal.rules(unit, hash, json.dumps({"rules": files, "sources": []}), seen_at=at)


def owed(store: Store) -> list[dict[str, Any]]:
    with store.read() as unit:
        rows = unit.conn.execute(select(DELIVERIES).order_by(DELIVERIES.c.owed_at, DELIVERIES.c.id)).mappings().all()
    return [json.loads(row["body"]) for row in rows]


def states(unit: Unit) -> set[str]:
    return set(unit.conn.execute(select(DELIVERIES.c.state)).scalars())


async def test_a_rule_set_is_told_once_with_what_changed(store: Store, held: Lease) -> None:
    chronicler = Chronicler(store, ["grafana"])
    assert await chronicler.work(held, NOW) == 0
    take_rules(store, "a" * 64, {"packs/one.yaml": "1", "packs/two.yaml": "2"})
    assert await chronicler.work(held, NOW) == 1
    assert await chronicler.work(held, NOW + 2) == 0
    take_rules(store, "b" * 64, {"packs/one.yaml": "1!", "packs/three.yaml": "3"}, NOW + 5)
    take_rules(store, "c" * 64, {"packs/one.yaml": "1!", "packs/three.yaml": "3"}, NOW + 6)
    assert await chronicler.work(held, NOW + 7) == 2
    assert [b["lines"] for b in sorted(owed(store), key=lambda b: b["at"])] == [
        ["Began with 2 rule files", "rule set aaaaaaaaaaaa"],
        ["Other rules were taken", "changed: one.yaml", "added: three.yaml", "removed: two.yaml", "rule set bbbbbbbbbbbb"],
        ["The same rules go on over other collectors", "rule set cccccccccccc"],
    ]
    assert await Chronicler(store, ["grafana"]).work(held, NOW + 9) == 0, "a restart looks back and tells nothing twice"
    assert await Chronicler(store, []).work(held, NOW + 9) == 0
    assert await Chronicler(store, ["grafana", "second"]).work(held, NOW + 9) == 3, "another receiver has not been told"


async def test_each_kind_of_decision_is_told_in_its_words(store: Store, held: Lease) -> None:
    for state in ("reported", "failed", "proposed", "shadow", "refused", "decided", "sent", "orphaned"):
        more = (
            {"verified_at": NOW - 5, "resumes_timestamp": int(NOW) + 600, "mined_tx": "0xfe", "mined_number": 9}
            if state == "reported"
            else {}
        )
        pause(store, f"p-{state}", state, **more)
    pause(store, "old", "shadow", decided_at=NOW - 90_000)
    assert await Chronicler(store, ["grafana"]).work(held, NOW) == 5
    told = {b["identity"]: b for b in owed(store)}
    assert {i: b["title"] for i, b in told.items()} == {
        "p-reported.verified": "vault was paused", "p-orphaned.orphaned": "vault was paused in a block that is gone: on its way again", "p-failed.failed": "vault could not be paused",
        "p-proposed.proposed": "vault should be paused: a person decides", "p-shadow.shadow": "vault would have been paused",
    }  # fmt: skip
    made = told["p-reported.verified"]
    assert (made["at"], made["ends"]) == (NOW - 5, int(NOW) + 600)
    assert made["lines"][1:] == [
        "rule lido/X at block 7 · response unbacked: supply above backing",
        f"resumes by itself at {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(int(NOW) + 600))}, unless somebody resumes it before",
        "transaction 0xfe in block 9",
    ]


async def test_a_pause_that_is_told_says_what_it_does_and_who_can_undo_it(store: Store, held: Lease) -> None:
    with store.begin() as unit:
        telling.judged(unit.conn, 7)
        telling.remember(unit.conn, telling.memory())
    pause(store, "p", "proposed", note="the chain is ill")
    assert await Chronicler(store, ["grafana"], telling.pauses()).work(held, NOW) == 1
    lines = owed(store)[0]["lines"]
    assert lines[:3] == [
        "vault should be paused: a person decides",
        "rule lido/X at block 7 · response unbacked: supply above backing",
        "the chain is ill",
    ]
    told = dict(line.split(": ", 1) for line in lines[3:])
    assert list(told) == ["stops", "goes on", "costs", "lasts", "undo", "decision", "to pause"]
    assert (told["decision"], told["to pause"]) == ("p", 'stakewarden guardian pause vault --reason "..."')


async def test_one_that_changes_its_state_is_told_again(store: Store, held: Lease) -> None:
    chronicler = Chronicler(store, ["grafana"])
    pause(store, "p", "sent")
    assert await chronicler.work(held, NOW) == 0
    with store.begin() as unit:
        unit.conn.execute(update(PauseRow).where(col(PauseRow.id) == "p").values(state="failed", note="out of gas"))
    assert await chronicler.work(held, NOW) == 1
    assert owed(store)[0]["lines"][-1] == "out of gas"


async def test_in_grafana_a_pause_is_a_region_and_a_rule_set_a_point(store: Store, held: Lease) -> None:
    pause(store, "p", "verified", verified_at=NOW - 5, resumes_timestamp=int(NOW) + 600)
    take_rules(store, "a" * 64, {"one.yaml": "1"})
    with store.begin() as unit:
        journal.append(unit, JudgedEntry(block(1), seen_at=NOW, judged_at=NOW, ruleset="a" * 64))
    async with FakeGrafana(role="Editor") as fake:
        own = GrafanaSettings(kind="grafana", url=fake.url, token=TOKEN, settle_seconds=0)  # type: ignore[arg-type]
        receiver = GrafanaReceiver(own)
        assert await Chronicler(store, ["grafana"]).work(held, NOW) == 2
        fake.fail("drop", "postAnnotation", accepted=True, count=2)
        outbox = Outbox([receiver], store.run, patience=Patience(first=0.01, most=0.02))
        async with asyncio.timeout(10):
            while {"unsure", "owed"} & await store.run(states):
                await outbox.drain()
                await asyncio.sleep(0.02)
        region, point = sorted(fake.state.annotations.values(), key=lambda a: -a["timeEnd"])
        assert region["tags"] == ["stakewarden", "pause", "pause:p.verified", "outcome:verified", "response:unbacked", "target:vault"]
        assert (region["time"], region["timeEnd"]) == (int((NOW - 5) * 1000), (int(NOW) + 600) * 1000)
        assert point["tags"] == ["stakewarden", "reload", f"reload:{'a' * 16}.0"]
        assert point["time"] == point["timeEnd"]
    with store.begin() as unit:
        assert states(unit) == {"sent"}
        forget(unit, NOW - 1)
        assert len(unit.conn.execute(select(DELIVERIES.c.id)).all()) == 2
        forget(unit, NOW + 1)
        assert unit.conn.execute(select(DELIVERIES.c.id)).all() == []
