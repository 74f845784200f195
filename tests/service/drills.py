"""Drills against one running devnet and one running service. ``make drills`` plays all of them on one, in order; the suite plays one of each kind."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx

from benchmarks.rig import Rig
from monitor.devnet.drills import DRILLS, Ground, rehearse
from monitor.service.replay import replay_journal
from monitor.store import Store

IN_THE_SUITE = ("reorg", "unbacked-mint", "orphaned-pause", "two-of-three-sentinels", "slashing", "depeg", "beacon-lies")
"""One of each kind: a branch, an alert with its pause, a pause that is lost, a second sentinel, an epoch, a market and a node. All others are neighbours of these."""


def play(rig: Rig, name: str, during: Callable[[], None] = lambda: None) -> None:
    """Play a drill: exactly what it says must come of it. ``during`` looks on before it is undone."""

    def undo(ground: Ground) -> None:
        try:
            during()
        finally:
            DRILLS[name].undo(ground)

    outcome = rehearse(replace(DRILLS[name], undo=undo), rig.ground, lambda _: None)
    assert not outcome.problems, outcome.as_text() + "\n" + rig.last_lines()
    assert {n for names in outcome.alerts for n in names.split(" and ")} == {n for n, _ in DRILLS[name].ends}


def ask_every_panel(web: str) -> list[str]:
    """Ask the query API what every panel of the dashboards would; the expressions of those that show something.

    Not all do: what is counted over a range is not known for a while after a warp, and some things are there only after a report.
    """
    showing = []
    with httpx.Client(trust_env=False, timeout=30) as client:
        for path in sorted((Path(__file__).parents[2] / "dashboards").glob("*.json")):
            for target in (t for p in json.loads(path.read_text("utf-8"))["panels"] for t in p.get("targets", ())):
                expr = target["expr"].replace("$protocol", ".*")
                answer = client.post(f"{web}/prom/api/v1/query", data={"query": expr})
                assert answer.status_code == 200, f"{path.name}: {expr}: {answer.text}"
                showing += [expr] if answer.json()["data"]["result"] else []
    return showing


def check_ends(rig: Rig, drills: int) -> None:
    """Nothing was said twice or refused, panels show something, and the whole journal judges the same again. Ends the service."""
    incidents = [i for i in rig.ground.status()["incidents"] if i["messages"]]
    told = [m["metadata"]["event_payload"]["incident_id"] for m in rig.ground.messages()]
    assert sorted(told) == sorted(i["id"] for i in incidents)
    assert rig.ground.rejected() == []
    annotations = rig.ground.annotations()
    assert sorted(t for a in annotations for t in a["tags"] if t.startswith("incident:")) == sorted(
        f"incident:{i['id']}" for i in incidents
    )
    assert all(a["timeEnd"] >= a["time"] for a in annotations)
    pauses = [p["id"] for p in rig.ground.status()["pauses"] if p["state"] == "reported"]
    assert sorted(t for a in annotations for t in a["tags"] if t.startswith("pause:") and t.endswith("verified")) == sorted(
        f"pause:{identity}.verified" for identity in pauses
    )
    assert [a["text"].splitlines()[0][:10] for a in annotations if "reload" in a["tags"]] == ["Began with"]
    assert rig.ground.rejected_annotations() == []
    network = rig.ground.network("join")
    assert (network["jam"], network["held"], network["withholding"], network["split"]) == (None, {}, [], [])
    assert set(network["pools"].values()) == {0}, "every transaction that an endpoint took was mined or replaced"
    assert len(ask_every_panel(rig.devnet.web)) > 50
    rig.stop_service()
    with Store.open(rig.url) as store:
        assert store.check() == []
        with store.read() as unit:
            first, again = replay_journal(unit), replay_journal(unit)
    assert first.differences == []
    assert first.transitions > 2 * drills
    assert first.digest == again.digest


def main() -> int:
    """All drills together; 0 when all came out as they should."""
    wrong = 0
    with Rig() as rig:
        for name in DRILLS:
            begun = time.monotonic()
            try:
                play(rig, name)
            except Exception as problem:
                wrong += 1
                print(f"{name}: {problem}", flush=True)
            else:
                print(f"{name}: as expected, {time.monotonic() - begun:.0f} s", flush=True)
        if not wrong:
            check_ends(rig, len(DRILLS))
    print("the journal judges the same again" if not wrong else f"{wrong} drills were not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
