"""Every drill against one running devnet and one running service, and then the whole journal judged again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.rig import Rig
from monitor.devnet.drills import DRILLS, rehearse
from monitor.service.replay import replay_journal
from monitor.store import Store


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """The embedded chain and the service, in processes of their own."""
    with Rig() as running:
        yield running


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_brings_exactly_what_it_says(rig: Rig, name: str) -> None:
    outcome = rehearse(DRILLS[name], rig.ground, lambda _: None)
    assert not outcome.problems, outcome.as_text() + "\n" + rig.last_lines()
    assert {n for names in outcome.alerts for n in names.split(" and ")} == set(DRILLS[name].alerts)


def test_nothing_was_said_twice_or_refused_and_the_journal_judges_the_same_again(rig: Rig) -> None:
    incidents = [i for i in rig.ground.status()["incidents"] if i["messages"]]
    told = [m["metadata"]["event_payload"]["incident_id"] for m in rig.ground.messages()]
    assert sorted(told) == sorted(i["id"] for i in incidents)
    assert rig.ground.rejected() == []
    annotations = rig.ground.annotations()
    assert sorted(t for a in annotations for t in a["tags"] if t.startswith("incident:")) == sorted(
        f"incident:{i['id']}" for i in incidents
    )
    assert all(a["timeEnd"] >= a["time"] for a in annotations)
    pauses = [p["id"] for p in rig.ground.status()["pauses"] if p["state"] == "verified"]
    assert sorted(t for a in annotations for t in a["tags"] if t.startswith("pause:") and t.endswith("verified")) == sorted(
        f"pause:{identity}.verified" for identity in pauses
    )
    assert [a["text"].splitlines()[0][:10] for a in annotations if "reload" in a["tags"]] == ["Began with"]
    assert rig.ground.rejected_annotations() == []
    rig.stop_service()
    with Store.open(rig.url) as store:
        assert store.check() == []
        with store.read() as unit:
            first, again = replay_journal(unit), replay_journal(unit)
    assert first.differences == []
    assert first.transitions > 2 * len(DRILLS)
    assert first.digest == again.digest
