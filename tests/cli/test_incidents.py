"""``stakewarden guardian replay``, as somebody with a laptop and no settings runs it."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run

FEW = ("yeth-mint-2025-11", "liar-plus-outage", "steth-discount-2022-05", "zoth-upgrade-2025-03")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped rules and a few of the incidents."""
    for part in ("packs", "policy"):
        shutil.copytree(ROOT / "rules" / part, tmp_path / "rules" / part)
    (tmp_path / "rules/incidents").mkdir()
    for name in FEW:
        shutil.copy(ROOT / f"rules/incidents/{name}.yaml", tmp_path / "rules/incidents")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_shipped_responses_are_replayed_without_settings(stakewarden: Run, here: Path) -> None:
    done = stakewarden("guardian", "replay")
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    assert ["yeth-mint-2025-11", "past", "pause", "pause", "+0", "in", "time"] in rows
    assert ["liar-plus-outage", "scenario", "none", "refused", "+0", "held", "back"] in rows
    assert "1 pauses in time; 2 times rightly none, 1 of them though the alert fired (1 are scenarios); 1 do not count; 0 wrong" in done.out
    plain = json.loads(stakewarden("guardian", "replay", "--json").out)
    assert {o["verdict"] for o in plain["outcomes"]["vault-unbacked-mint"]} == {"in_time", "held_back", "quiet", "not_counted"}


def test_a_report_is_written_for_the_response_that_is_named(stakewarden: Run, here: Path) -> None:
    done = stakewarden("guardian", "replay", "vault-unbacked-mint", "-o", "rules/policy/r.json")
    raw = (here / "rules/policy/r.json").read_bytes()
    assert done.code == 0 and f"earned: {{replay: r.json, sha256: {sha256(raw).hexdigest()}}}" in done.out
    stakewarden("guardian", "replay", "vault-unbacked-mint", "-o", "again.json", "--json")
    assert (here / "again.json").read_bytes() == raw
    done = stakewarden("guardian", "replay", "-o", "r.json")
    assert done.code == 2 and "name it before --out" in done.err


def test_what_came_out_wrong_is_told_with_its_reason(stakewarden: Run, here: Path) -> None:
    path = here / "rules/incidents/liar-plus-outage.yaml"
    path.write_text(path.read_text().replace("agreed: [charlie]", "agreed: [bravo, charlie]"))
    done = stakewarden("guardian", "replay", "vault-unbacked-mint")
    assert done.code == 1 and "liar-plus-outage: false pause: Nothing happened on the chain: one endpoint says so." in done.out
    assert done.out.splitlines()[2].split()[0] == "liar-plus-outage", "what is wrong stands first"
    done = stakewarden("rules", "test", here / "rules/policy")
    assert done.code == 0, "named files alone are run"
    shutil.copytree(ROOT / "rules/tests", here / "rules/tests")
    for other in (here / "rules/tests").glob("*"):
        if other.name != "stakewarden-beacon.test.yaml":
            other.unlink()
    done = stakewarden("rules", "test")
    assert done.code == 1 and "liar-plus-outage.yaml:1:1: failed: liar-plus-outage: vault-unbacked-mint at 0s" in done.out


def test_what_cannot_be_replayed_is_refused(stakewarden: Run, here: Path) -> None:
    done = stakewarden("guardian", "replay", "vault")
    assert done.code == 2 and "the policy has no response vault; it has vault-unbacked-mint, vault-unapproved-upgrade" in done.err
    (here / "rules/incidents/zoth-upgrade-2025-03.yaml").write_text("title: x\n")
    done = stakewarden("guardian", "replay")
    assert done.code == 2 and "zoth-upgrade-2025-03.yaml:1:1" in done.err and 'no key "date"' in done.err
    done = stakewarden("guardian", "replay", "--library", "nowhere")
    assert done.code == 2 and "holds no incidents" in done.err
    shutil.rmtree(here / "rules/policy")
    done = stakewarden("guardian", "replay")
    assert done.code == 2 and "there is no rules/policy/responses.yaml" in done.err
