"""docs/drills.md says of each drill exactly what the drill itself expects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.devnet.drills import DRILLS, Drill
from monitor.rules import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/drills.md").read_text("utf-8")


def test_every_drill_has_a_section_and_no_other() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(DRILLS)


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_the_section_says_what_must_come(drill: Drill) -> None:
    section = PAGE.split(f"\n## {drill.name}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \| (\w+) \|$", section, re.MULTILINE) == drill.ends
    paused = re.findall(r"The vault is paused once, by the (\w+)\.", section)
    assert tuple(paused) == drill.pauses
    assert bool(paused) != ("No pause" in section)
    proposed = re.findall(r"No pause: it is proposed, since (.+)\.$", section, re.MULTILINE)
    assert proposed == ([drill.proposed] if drill.proposed else [])


def test_every_alert_that_a_drill_expects_is_one_that_ships() -> None:
    shipped = {rule.name for rule in load([ROOT / "rules/packs"]).rules}
    assert {name for drill in DRILLS.values() for name, _ in drill.ends} <= shipped
