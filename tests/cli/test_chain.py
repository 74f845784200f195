"""``roles`` and ``guardian`` against a chain that runs, and what they say when it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.devnet import actions
from monitor.devnet.accounts import address_of, key_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.world import World
from tests.cli.conftest import Done, Run, plain, write


def edit(path: Path, change: Any) -> Path:
    body = yaml.safe_load(path.read_text())
    change(body)
    path.write_text(yaml.safe_dump(body))
    return path


def failed(done: Done, code: int, *said: str) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    for text in said:
        assert text in done.err
    assert done.err.startswith("stakewarden: ") and "Traceback" not in done.err


# ---------------------------------------------------------------- roles


def test_roles_are_compared_approved_and_compared_again(stakewarden: Run, chain_settings: Path, world: World) -> None:
    baseline = chain_settings.parent / "baseline.yaml"
    before = stakewarden("roles", "diff", "-s", chain_settings)
    assert before.code == 1 and "holds it and is not approved" in before.out

    approved = stakewarden("roles", "approve", "--note", "vote 1", "--who", "ann", "-s", chain_settings)
    assert approved.code == 0, approved.err
    assert "differences approved, as of block" in approved.out and "vote 1" in baseline.read_text()
    clean = stakewarden("roles", "diff", "-s", chain_settings)
    assert (clean.code, clean.out) == (0, "0 differences\n")

    stranger = address_of("attacker")
    actions.grant_role(world, "withdrawal_queue", "FINALIZE_ROLE", stranger)
    granted = stakewarden("roles", "diff", "--json", "-s", chain_settings)
    (found,) = json.loads(granted.out)["differences"]
    assert granted.code == 1
    assert (found["contract"], found["what"], found["account"], found["kind"]) == (
        "withdrawal_queue",
        "FINALIZE_ROLE",
        stranger,
        "unapproved",
    )


def test_a_baseline_that_cannot_be_read_or_written(stakewarden: Run, chain_settings: Path) -> None:
    folder = chain_settings.parent
    (folder / "baseline.yaml").write_text("chains: [\n")
    failed(stakewarden("roles", "diff", "-s", chain_settings), 2, "baseline.yaml")
    edit(chain_settings, lambda body: body["rules"].update(baseline=str(folder / "nowhere" / "b.yaml")))
    failed(stakewarden("roles", "approve", "--note", "n", "-s", chain_settings), 1, "cannot be written", "check path and mode")


# ---------------------------------------------------------------- guardian


def test_status_says_that_all_would_work_and_why_not(stakewarden: Run, chain_settings: Path, world: World) -> None:
    ready = stakewarden("guardian", "status", "-s", chain_settings)
    assert ready.code == 0, ready.out + ready.err
    assert "by guardian: ready" in ready.out and "by sentinel: ready" in ready.out and "not paused" in ready.out
    told = json.loads(stakewarden("guardian", "status", "--json", "-s", chain_settings).out)
    assert told["targets"][0]["paused"] is False

    actions.pause_vault(world)
    paused = stakewarden("guardian", "status", "-s", chain_settings)
    assert paused.code == 1 and "PAUSED until 20" in paused.out and "NOT READY" in paused.out and "not_paused" in paused.out


def test_a_person_tries_pauses_and_cannot_pause_twice(stakewarden: Run, chain_settings: Path, world: World) -> None:
    words = ["guardian", "pause", "vault", "--reason", "drill", "--key-file", chain_settings.parent / "person.key", "-s", chain_settings]
    tried = stakewarden(*words, "--dry-run")
    assert tried.code == 0 and "would go through; nothing was sent" in tried.out
    assert not world["vault"].read("isPaused")
    done = stakewarden(*words, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert world["vault"].read("isPaused") and told["reason"] == "drill" and told["resumes_timestamp"] > told["mined_at"]
    assert (
        told["outcome"] == "paused" and told["tx"] in done.err and done.err.startswith(f"pausing vault ({world['vault'].address}) through")
    )
    again = stakewarden(*words)
    assert again.code == 0 and "vault is paused already until 20" in again.out and "nothing was sent" in again.out


def test_calldata_is_what_a_safe_would_send(stakewarden: Run, chain_settings: Path, world: World) -> None:
    edit(chain_settings, lambda body: body["network"]["execution"][0].update(url="http://127.0.0.1:1"))
    told = json.loads(stakewarden("guardian", "calldata", "vault", "--json", "-s", chain_settings).out)
    assert told["to"] == world["guardian"].address and told["value"] == 0
    world.rpc.call("eth_call", {"from": address_of("guardian_person"), "to": told["to"], "data": told["data"]}, "latest")
    spoken = stakewarden("guardian", "calldata", "vault", "-s", chain_settings)
    assert spoken.code == 0 and told["data"] in spoken.out and "GUARDIAN_ROLE" in spoken.out


def test_what_cannot_be_paused_is_said_in_one_line(
    stakewarden: Run, chain_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ["--key-file", tmp_path / "person.key"]
    pause = ["guardian", "pause", "vault", "--reason", "r", "-s", chain_settings]
    failed(stakewarden("guardian", "calldata", "vualt", "-s", chain_settings), 2, 'no target is named "vualt"; did you mean vault?')
    failed(stakewarden("guardian", "pause", "vualt", "--reason", "r", *key, "-s", chain_settings), 1, 'no target is named "vualt"')
    monkeypatch.delenv("STAKEWARDEN_GUARDIAN_KEY", raising=False)
    failed(stakewarden(*pause), 2, "STAKEWARDEN_GUARDIAN_KEY")
    failed(stakewarden("guardian", "pause", "vault", *key, "-s", chain_settings), 2, "--reason is missing")
    failed(stakewarden("guardian", "pause", *key, "-s", chain_settings), 2, "name what is to be paused", "  vault  0x")
    failed(stakewarden(*pause, "--key-file", tmp_path / "nowhere"), 2, "nowhere")
    failed(stakewarden(*pause, "--keystore", tmp_path / "person.key"), 2, "password_file")
    monkeypatch.setenv("STAKEWARDEN_GUARDIAN_KEY", "not a key " + key_of("attacker")[:40])
    wrong = stakewarden(*pause)
    failed(wrong, 2, "STAKEWARDEN_GUARDIAN_KEY")
    assert key_of("attacker")[:40] not in wrong.err
    monkeypatch.setenv("STAKEWARDEN_GUARDIAN_KEY", key_of("attacker"))
    failed(stakewarden(*pause), 1, "nothing was sent")


def test_a_wrong_guardian_a_wrong_chain_and_none_at_all(stakewarden: Run, chain_settings: Path, world: World) -> None:
    key = ["--key-file", chain_settings.parent / "person.key"]
    pause = ["guardian", "pause", "vault", "--reason", "r", *key, "-s", chain_settings]
    edit(chain_settings, lambda body: body["network"].update(chain_id=1))
    failed(stakewarden(*pause), 1, "are of chain 31337, the settings are of chain 1: nothing was signed")
    failed(stakewarden("guardian", "status", "-s", chain_settings), 1, "the settings are of chain 1")
    edit(chain_settings, lambda body: body["network"].update(chain_id=CHAIN_ID))
    edit(chain_settings, lambda body: body["guardian"].update(contract=address_of("attacker")))
    failed(stakewarden("guardian", "status", "-s", chain_settings), 1, "there is no contract at", "correct guardian.contract")
    edit(chain_settings, lambda body: body["guardian"].update(contract=world["lido"].address))
    assert stakewarden("guardian", "status", "-s", chain_settings).code == 1
    edit(chain_settings, lambda body: body.pop("guardian"))
    failed(stakewarden("guardian", "status", "-s", chain_settings), 2, "the settings have no guardian")


def test_endpoints_that_do_not_answer(stakewarden: Run, chain_settings: Path) -> None:
    key = ["--key-file", chain_settings.parent / "person.key"]
    edit(chain_settings, lambda body: body["network"]["execution"][0].update(url="http://127.0.0.1:1/secret-path"))
    for words in (
        ["guardian", "status"],
        ["guardian", "pause", "vault", "--reason", "r", *key],
        ["roles", "diff"],
        ["roles", "approve", "--note", "n"],
    ):
        done = stakewarden(*words, "-s", chain_settings)
        assert (done.code, done.out) == (1, ""), (words, done.err)
        assert "stakewarden: " in done.err and "Traceback" not in done.err and "secret-path" not in done.err


def test_json_stays_json_while_the_logs_go_to_stderr(stakewarden: Run, chain_settings: Path) -> None:
    """Two of three endpoints are dead: what is logged about that must not be mixed with the result."""

    def two_dead(body: Any) -> None:
        body["network"]["execution"] += [{"name": n, "url": f"http://127.0.0.1:{p}"} for n, p in (("two", 1), ("three", 2))]

    edit(chain_settings, two_dead)
    done = stakewarden("guardian", "status", "--json", "-s", chain_settings)
    assert done.code == 1 and done.out == "" and "no majority" in done.err


def test_commands_without_settings_say_what_to_name(stakewarden: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["guardian", "status"], ["roles", "diff"], ["db", "check"], ["replay"]):
        failed(stakewarden(*words), 2, "name one with --settings")
    path = write(tmp_path, plain(tmp_path))
    failed(stakewarden("guardian", "status"), 2, "no guardian")  # settings.yaml of this folder
    assert path.exists()
