"""The commands that show, recompute and check decisions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from monitor.guardian.decision import digest
from monitor.guardian.policy import load_policy
from monitor.guardian.policy.earned import outgrown, text_of
from monitor.guardian.responses import Responses
from monitor.rules import from_sources
from monitor.store import Store
from tests.cli.conftest import Run, plain, write
from tests.collectors.lido_state import NAMES, WHO
from tests.guardian.judged import BASELINE, GUARDIAN, RESPONSES, ROOT, THREE, VAULT, World, calm, ground, shipped
from tests.guardian.test_shadow import SHADOW, recorded, report


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Path]:
    def make(text: str = RESPONSES) -> Path:
        body = plain(tmp_path)
        body["network"] = {"chain_id": 31337, "genesis_time": 1_600_000_000, "execution": [{"name": n, "url": f"http://127.0.0.1:{i + 1}"} for i, n in enumerate("abc")]}  # fmt: skip
        body["protocols"] = [{"name": "lido", "deployment": str(tmp_path / "deployment.yaml")}]
        body["rules"]["baseline"] = str(tmp_path / "baseline.yaml")
        body["guardian"] = {
            "contract": GUARDIAN,
            "targets": [{"name": "vault", "address": VAULT}, {"name": "pool", "address": "0x" + "4d" * 20}],
        }
        for i, endpoint in enumerate(body["network"]["execution"]):
            endpoint["operator"] = f"operator {i}"
        path = write(tmp_path, body)
        contracts = {
            name: {"address": WHO[name], "proxy": "ossifiable_proxy_core"} if name == "accounting_oracle" else WHO[name] for name in NAMES
        }
        (tmp_path / "deployment.yaml").write_text(yaml.safe_dump({"network": 31337, "contracts": contracts}, sort_keys=False))
        (tmp_path / "baseline.yaml").write_text(BASELINE)
        (tmp_path / "responses.yaml").write_text(text)
        (tmp_path / "responses.test.yaml").write_text(
            (ROOT / "rules/policy/responses.test.yaml").read_text().replace("../packs", str(ROOT / "rules/packs"))
        )
        return path

    return make


def test_the_commands_write_and_recompute_a_decision(stakewarden: Run, settings: Callable[..., Path], tmp_path: Path) -> None:
    named, out = settings(), tmp_path / "decision.json"
    world: World = calm()
    world.mint()
    seen = world.step()
    with Store.open(f"sqlite:///{tmp_path}/x.sqlite3") as store:
        store.migrate()
        with store.begin() as unit:
            Responses(world.policy, THREE, True, ground()).admit(unit, world.decided(seen), seen.at, 5.0)
    (found,) = world.decided(seen)
    done = stakewarden("guardian", "evidence", found.id[:8], "-o", out, "-s", named)
    assert done.code == 0 and out.read_bytes() == found.document, done.err
    signed = "0x" + digest(found.document).hex()
    done = stakewarden("guardian", "verify", out, "--decision", signed, "-s", named)
    assert done.code == 0 and signed in done.out and "pauses vault at block 104" in done.out, done.err
    assert stakewarden("guardian", "verify", out, "--decision", "0x00", "-s", named).code == 1
    (tmp_path / "other.yaml").write_text(RESPONSES + "# reworded\n")
    done = stakewarden("guardian", "verify", out, "--policy", tmp_path / "other.yaml", "--json", "-s", named)
    assert done.code == 1 and not json.loads(done.out)["verified"] and "policy" in done.err
    out.write_bytes(found.document.replace(b"vault", b"Vault", 1))
    assert "seal" in stakewarden("guardian", "verify", out, "-s", named).err
    done = stakewarden("guardian", "evidence", "feed", "-s", named)
    assert done.code == 1 and "no decision feed" in done.err


def test_the_policy_is_checked_with_the_settings(stakewarden: Run, settings: Callable[..., Path], tmp_path: Path) -> None:
    named = settings()
    assert stakewarden("guardian", "policy", "check", "-s", named).code == 0
    (tmp_path / "responses.test.yaml").unlink()
    done = stakewarden("guardian", "policy", "check", "-s", named)
    assert done.code == 1 and "no case shows that it pauses" in done.out + done.err


def test_a_report_that_is_written_arms_its_response(stakewarden: Run, settings: Callable[..., Path], tmp_path: Path) -> None:
    named = settings(SHADOW)
    done = stakewarden("guardian", "shadow-report", "vault-unbacked-mint", "-s", named)
    assert done.code == 1
    with Store.open(f"sqlite:///{tmp_path}/x.sqlite3") as store:
        store.migrate()
        recorded(store)
        whole = {**report(store, right=[30]), "seconds": 31 * 86_400, "judged_seconds": 31 * 86_400}
    done = stakewarden(
        "guardian", "shadow-report", "vault-unbacked-mint", "--days", "100000", "--true", 30, "-o", tmp_path / "r.json", "-s", named
    )
    assert done.code == 0 and "1 pauses: 1 right" in done.out, done.err
    assert sha256((tmp_path / "r.json").read_bytes()).hexdigest() in done.out
    (tmp_path / "r.json").write_text(text_of(whole))
    proof = f"    earned: {{report: r.json, sha256: {sha256((tmp_path / 'r.json').read_bytes()).hexdigest()}}}\n"
    armed = SHADOW.replace("    mode: shadow\n", "    mode: automatic\n" + proof, 1)
    (tmp_path / "responses.yaml").write_text(armed)
    found = load_policy(tmp_path / "responses.yaml", {"vault": "pauseFor"}, THREE, 1)
    assert [r.mode for r in found.responses] == ["automatic", "shadow"]
    assert outgrown(found, tmp_path, shipped()) == []
    texts = {n: t.replace('ratio{protocol="lido"}) > 1e-9', 'ratio{protocol="lido"}) > 1e-7') for n, t in shipped().sources.items()}
    (why,) = outgrown(found, tmp_path, from_sources(texts))
    assert "LidoShareRateDrift changed since the report" in why


def test_the_check_warns_of_a_response_that_a_replay_alone_has_armed(
    stakewarden: Run, settings: Callable[..., Path], tmp_path: Path
) -> None:
    named = settings()
    (tmp_path / "incidents").mkdir()
    for name in ("yeth-mint-2025-11", "liar-plus-outage"):
        shutil.copy(ROOT / f"rules/incidents/{name}.yaml", tmp_path / "incidents")
    done = stakewarden(
        "guardian", "replay", "vault-unbacked-mint", "--library", tmp_path / "incidents", "-o", tmp_path / "r.json", "-s", named
    )
    assert done.code == 0, done.err
    proof = done.out.splitlines()[-1].replace("}", ", library: incidents}")
    (tmp_path / "responses.yaml").write_text(RESPONSES.replace("    mode: automatic\n", f"    mode: automatic\n    {proof}\n", 1))
    done = stakewarden("guardian", "policy", "check", "-s", named)
    assert done.code == 0 and "warning: vault-unbacked-mint is armed by a replay alone" in done.out, done.err
    (tmp_path / "incidents/liar-plus-outage.yaml").unlink()
    done = stakewarden("guardian", "policy", "check", "-s", named)
    assert done.code == 1 and "the replay that armed it comes out differently now" in done.out
