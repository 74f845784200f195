"""``guardian pause | calldata | status`` as people use them: a URL, the guardian's address, a key; and nothing else that works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from monitor.cli.__main__ import main
from monitor.devnet.accounts import address_of, key_of
from tests.cli.conftest import Done, plain, write
from tests.guardian.bench import CHAIN_ID, RESUME_ROLE, SENTINEL_LIFETIME, Bench, Relay

DEAD = "http://127.0.0.1:1"
ROOT = Path(__file__).parents[2]
SCRIPT = """
import atexit, sys
atexit.register(lambda: print("MODULES", *sys.modules, file=sys.stderr))
from monitor.cli.__main__ import main
main()
"""
Run = Callable[..., Done]


@pytest.fixture
def guardian(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs ``stakewarden guardian ...`` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAKEWARDEN_RPC_URL", bench.url)
    monkeypatch.setenv("STAKEWARDEN_GUARDIAN_ADDRESS", bench.guardian)
    monkeypatch.setenv("STAKEWARDEN_GUARDIAN_KEY", key_of("guardian_person"))

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["stakewarden", "guardian", *map(str, words)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Done(int(str(code or 0)), said.out, said.err)

    yield run
    structlog.reset_defaults()


def shell(folder: Path, *words: object) -> Done:
    """The same as a process of its own, whose environment says nothing; its modules stand at the end of stderr."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "guardian", *map(str, words)],
        cwd=folder, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def test_people_pause_with_the_contract_stopped_budgets_spent_sentinels_expired_and_database_and_slack_down(
    guardian: Run, bench: Bench, relay: Relay, tmp_path: Path
) -> None:
    """All at once, from a shell: three endpoints of which one is dead, a key file, and no settings; then with the settings of the service that is down."""
    bench.pause_by_order()
    bench.by_admin("vault", "grantRole", RESUME_ROLE, address_of("governance"))
    bench.by_admin("vault", "resume")
    bench.by_admin("guardian", "setSentinelBudget", 0)
    bench.send("guardian_person", "guardian", "stopSentinels")
    bench.send("guardian_person", "guardian", "disarm", bench.vault)
    bench.anvil.increase_time(SENTINEL_LIFETIME + 1)
    bench.anvil.mine()
    (tmp_path / "me.key").write_text(key_of("guardian_person"))
    down = plain(tmp_path)
    down["network"] = {"chain_id": CHAIN_ID, "execution": [{"name": "one", "url": bench.url}]}
    down["store"] = {"url": "postgresql://stakewarden@127.0.0.1:1/stakewarden"}
    down["guardian"] = {"contract": bench.guardian, "targets": [{"name": "vault", "address": bench.vault}]}
    write(tmp_path, down)

    urls = [word for url in (DEAD, relay.url, bench.url) for word in ("--rpc", url)]
    words = ["pause", bench.vault, "--reason", "drill", "--key-file", tmp_path / "me.key"]
    done = shell(tmp_path, *words, *urls, "--guardian", bench.guardian)
    assert done.code == 0, done.err
    assert bench.call("vault", "isPaused") and bench.pauses() == 2
    lines = done.out.splitlines()
    assert lines[0].startswith(f"pausing {bench.vault} through the guardian {bench.guardian}, on chain {CHAIN_ID}, as ")
    assert re.match(r"sending 0x[0-9a-f]{64} \(nonce \d+", lines[1]) and lines[1].split()[1] in lines[2] and lines[-1] == "reason: drill"
    loaded = done.err.rpartition("MODULES ")[2].split()
    service = (
        "monitor.service",
        "monitor.store",
        "monitor.rules",
        "monitor.collectors",
        "monitor.receivers",
        "sqlalchemy",
        "pandas",
        "slack_sdk",
    )
    assert "monitor.guardian.byhand" in loaded and not [m for m in loaded if m.startswith(service)]

    bench.by_admin("vault", "resume")
    words[1] = "vault"
    done = guardian(*words, "-s", tmp_path / "settings.yaml", "--json")
    assert done.code == 0 and json.loads(done.out)["outcome"] == "paused", done.err
    assert bench.call("vault", "isPaused") and bench.pauses() == 3


def test_without_a_target_what_is_registered_is_listed(guardian: Run, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAKEWARDEN_GUARDIAN_KEY")
    done = guardian("pause")
    assert done.code == 2 and "name what is to be paused" in done.err and f"{bench.vault}  PauseFor: people pause it" in done.err


def test_a_single_endpoint_is_said_to_be_believed_alone(guardian: Run, bench: Bench, relay: Relay) -> None:
    assert "read from one endpoint: believed alone" in guardian("pause", bench.vault, "--dry-run").out
    three = ["--rpc", bench.url, "--rpc", relay.url, "--rpc", DEAD]
    said = guardian("pause", bench.vault, "--dry-run", *three)
    assert "read from a majority of 3 endpoints" in said.out and "believed alone" not in said.out
    assert guardian("status").out.startswith("one endpoint: believed alone\n")
    two = guardian("pause", bench.vault, "--dry-run", "--rpc", bench.url, "--rpc", DEAD)
    assert two.code == 1 and "of two endpoints both must agree: give a third one, or the one that you trust alone" in two.err
    assert "it is the only endpoint: give another one" in guardian("pause", bench.vault, "--dry-run", "--rpc", DEAD).err


def test_a_dry_run_is_told_in_words_and_as_json(guardian: Run, bench: Bench) -> None:
    said = guardian("pause", bench.vault, "--dry-run").out
    for wanted in (
        "would go through; nothing was sent",
        "(24 hours), then it lapses by itself",
        "for 10 days more, 9 days after",
        "ether at most",
        "balance   10000.0000",
    ):
        assert wanted in said, said
    told = json.loads(guardian("pause", bench.vault, "--dry-run", "--json").out)
    assert told["outcome"] == "simulated" and told["quota_left"] == 864_000 and told["sender"] == address_of("guardian_person")
    assert bench.nonce("guardian_person") == 0


def test_fees_are_the_persons_to_choose(guardian: Run, bench: Bench) -> None:
    told = json.loads(guardian("pause", bench.vault, "--dry-run", "--json", "--max-fee", "7.5", "--priority-fee", "7").out)
    assert told["fee"] == 7_500_000_000
    low = guardian("pause", bench.vault, "--dry-run", "--max-fee", "0.000000001")
    assert low.code == 1 and "the base fee is" in low.err and "--max-fee" in low.err


def test_calldata_of_an_address_asks_nobody(guardian: Run, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAKEWARDEN_RPC_URL", DEAD)
    told = json.loads(guardian("calldata", bench.vault, "--json").out)
    assert told["to"] == bench.guardian and told["chain_id"] is None
    assert told["data"] == bench.contracts["guardian"].data("pauseTarget", bench.vault)
    monkeypatch.delenv("STAKEWARDEN_GUARDIAN_ADDRESS")
    nothing = guardian("calldata", bench.vault)
    assert nothing.code == 2 and "name one with --settings" in nothing.err and "--rpc URL" in nothing.err
    wrong = guardian("calldata", bench.vault, "--guardian", bench.guardian[:-1])
    assert wrong.code == 2 and "--guardian: " in wrong.err and "is not an address" in wrong.err


def test_calldata_of_a_name_looks_at_what_is_registered(guardian: Run, bench: Bench, tmp_path: Path) -> None:
    texts = {"stops": "everything", "goes_on": "nothing", "cost": "nobody gets out"}
    lever = {"contract": "queue", "address": str(bench.vault), "way": "role", "call": "pauseFor(uint256)", **texts}
    levers = tmp_path / "levers.yaml"
    levers.write_text(yaml.safe_dump({"network": CHAIN_ID, "protocols": [{"protocol": "lido", "levers": [lever]}]}))
    said = guardian("calldata", "queue", "--levers", levers).out
    assert f"pauses lido/queue ({bench.vault}) for the admin's duration; it lapses by itself" in said
    typo = guardian("calldata", "queu", "--levers", levers)
    assert typo.code == 1 and "did you mean lido/queue?" in typo.err
    assert "lido/queue" in guardian("pause", "--levers", levers).err
    assert f"\nqueue {bench.vault}: not paused" in guardian("status", "--levers", levers).out


def test_a_guardian_that_is_none_is_named_by_every_command(guardian: Run, bench: Bench) -> None:
    for words in (["status"], ["pause", bench.vault, "--dry-run"], ["pause"]):
        nowhere = guardian(*words, "--guardian", address_of("staker_0"))
        assert nowhere.code == 1 and "there is no contract at" in nowhere.err and "is this the guardian's chain?" in nowhere.err, words
        other = guardian(*words, "--guardian", bench.vault)
        assert other.code == 1 and "is not a guardian" in other.err, words
