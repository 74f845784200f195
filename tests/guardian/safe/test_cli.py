"""``guardian safe`` and ``guardian levers`` as people use them: an RPC URL, files, and keys; nothing else runs."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from monitor.cli.__main__ import main
from monitor.devnet.accounts import key_of
from monitor.guardian.safe.document import load
from tests.guardian.safe.ground import OWNERS, Ground


@dataclass(frozen=True)
class Table:
    """A laptop: a folder, an endpoint, the owners' key files."""

    folder: Path
    ground: Ground
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def do(self, *words: object, code: int = 0) -> str:
        """Runs ``stakewarden guardian ...``; what it wrote."""
        self.monkeypatch.setattr(sys, "argv", ["stakewarden", "guardian", *map(str, words)])
        self.capsys.readouterr()
        found: Any = 0
        try:
            main()
        except SystemExit as end:
            found = end.code
        said = self.capsys.readouterr()
        assert int(found or 0) == code, said.out + said.err
        return said.out + said.err

    def safe(self, *words: object, code: int = 0) -> str:
        """``guardian safe`` with the levers of this chain."""
        return self.do("safe", *words, "--levers", self.folder / "levers.yaml", code=code)

    def levers(self, *words: object, code: int = 0) -> str:
        return self.do("levers", *words, "--levers", self.folder / "levers.yaml", code=code)

    def prepare(self, *more: object, code: int = 0) -> Path:
        self.safe("prepare", "lido/vault", "--out", self.folder / "pause.json", *more, code=code)
        return self.folder / "pause.json"

    def sign(self, file: Path, *owners: int) -> list[Path]:
        for i in owners:
            self.safe("sign", file, "--key-file", self.folder / f"owner-{i}.key", "--yes", "--out", self.folder / f"{i}.sig.json")
        return [self.folder / f"{i}.sig.json" for i in owners]


@pytest.fixture
def table(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Table]:
    monkeypatch.setenv("STAKEWARDEN_RPC_URL", ground.anvil.http_url)
    monkeypatch.setenv("STAKEWARDEN_SENDER_KEY", key_of("staker_0"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "levers.yaml").write_text(yaml.safe_dump(ground.declarations().model_dump(mode="json", exclude_defaults=True)))
    for i in range(len(OWNERS)):
        (tmp_path / f"owner-{i}.key").write_text("0x" + bytes([11 + i]).hex() * 32)
    yield Table(tmp_path, ground, monkeypatch, capsys)
    structlog.reset_defaults()


def test_a_pause_from_a_laptop_prepared_signed_collected_and_sent(table: Table) -> None:
    file = table.prepare()
    first, second, third = table.sign(file, 0, 2, 5)
    said = table.safe("show", file)
    hashes = load(file).transaction
    for wanted in (
        f"to           {table.ground.at['breaker']} (lido/breaker)", f"function     pause(address pausable = {table.ground.at['vault']} (lido/vault))",
        "value        0 wei", "operation    CALL", f"domain hash  0x{hashes.domain_hash.hex()}", f"message hash 0x{hashes.message_hash.hex()}",
        f"Safe tx hash 0x{hashes.hash.hex()}", "NO   signed               0 of 3 signatures", "ok   nonce                nonce 0 is next",
    ):  # fmt: skip
        assert wanted in said, said
    assert "2 signatures" in table.safe("collect", file, first, second)
    assert "3 of 3 signatures" in table.safe("show", file, third)
    assert "it would go through; nothing was sent" in table.safe("send", file, third, "--dry-run")
    done = table.safe("send", file, third)
    assert re.search(r"done in block \d+, transaction 0x[0-9a-f]{64} .*: 0x\w+ is paused until \d+", done)
    assert table.ground.call("vault", "isPaused")
    again = table.safe("show", file, third, code=1)
    assert (
        "nonce 0 is used" in again
        and "was used in block" in again
        and f"it called {table.ground.at['breaker']} (lido/breaker) pause(address)" in again
    )


def test_an_owner_who_is_asked_and_does_not_say_yes_signs_nothing(table: Table) -> None:
    file = table.prepare()
    table.monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    table.safe("sign", file, "--key-file", table.folder / "owner-0.key", code=1)
    assert not list(table.folder.glob("*.sig.json"))


def test_a_delegatecall_is_shown_as_such_and_never_signed_or_sent(table: Table) -> None:
    from dataclasses import replace

    file = table.prepare()
    document = load(file)
    file.write_text(replace(document, transaction=replace(document.transaction, operation=1)).as_json())
    said = table.safe("sign", file, "--key-file", table.folder / "owner-0.key", "--yes", code=1)
    assert "DO NOT SIGN  DELEGATECALL" in said and "not signed" in said and not list(table.folder.glob("*.sig.json"))
    assert "DELEGATECALL" in table.safe("send", file, code=1)


def test_a_strangers_key_is_not_an_owners(table: Table) -> None:
    (table.folder / "stranger.key").write_text(key_of("attacker"))
    said = table.safe("sign", table.prepare(), "--key-file", table.folder / "stranger.key", "--yes", code=1)
    assert "was no owner of the Safe" in said and key_of("attacker")[2:] not in said


def test_another_transaction_at_the_same_nonce_is_a_conflict(table: Table) -> None:
    file = table.prepare()
    other = table.folder / "other.json"
    said = table.safe("prepare", "lido/other", "--out", other, "--beside", file, code=1)
    assert "CONFLICT" in said and "another transaction at nonce 0" in said
    assert "CONFLICT" in table.safe("show", other, "--beside", file, code=1)
    table.safe("prepare", "lido/other", "--out", other, "--beside", file, "--nonce", 1, code=1)  # not next: the vault's comes first


def test_show_as_json_is_for_programs(table: Table) -> None:
    found = json.loads(table.safe("show", table.prepare(), "--json"))
    assert found["ready"] is False and found["decoded"]["signature"] == "pause(address)" and found["findings"] == []
    assert {c["name"] for c in found["checks"] if not c["ok"]} == {"signed"}


def test_levers_are_told_in_words_and_as_json(table: Table) -> None:
    said = table.levers()
    for wanted in (
        "== lido",
        "== eigenlayer",
        "Safe 3 of 6",
        "21 days, then it lapses by itself",
        "== heartbeats",
        "until somebody lifts it",
        "1 SET: rewards for all",
    ):
        assert wanted in said, said
    found = json.loads(table.levers("--json", "--protocol", "lido"))
    assert [lever["contract"] for lever in found["levers"]] == ["vault", "other"] and found["levers"][0]["lapses"] is True
    assert "no lever of" in table.levers("--protocol", "none", code=2)


def test_a_roll_call_counts_who_can_sign(table: Table) -> None:
    call = table.folder / "roll-call.json"
    table.do("safe", "roll-call", "ask", table.ground.at["safe"], "--out", call)
    for i in (1, 3):
        table.do(
            "safe", "roll-call", "answer", call, "--key-file", table.folder / f"owner-{i}.key", "--out", table.folder / f"{i}.answer.json"
        )
    answers = [table.folder / f"{i}.answer.json" for i in (1, 3)]
    assert "NOT ENOUGH" in table.do("safe", "roll-call", "report", call, *answers, code=1)
    typed = json.loads(table.do("safe", "roll-call", "answer", call, "--typed-data"))
    from eth_account import Account

    raw = Account.sign_typed_data(bytes([15]) * 32, full_message=typed).signature
    wallet = table.folder / "wallet.json"
    table.do(
        "safe", "roll-call", "answer", call, "--signature", "0x" + raw.hex(), "--answered", typed["message"]["answered"], "--out", wallet
    )
    said = table.do("safe", "roll-call", "report", call, *answers, wallet)
    assert "3 of 6 owners answered, 3 must sign: enough after" in said and said.count("no answer") == 3


def test_a_broken_endpoint_and_a_wrong_file_are_told_without_the_url(table: Table) -> None:
    secret = "http://user:hunter2@127.0.0.1:9/key"
    said = table.safe("prepare", "lido/vault", "--rpc", secret, code=1)
    assert "no majority of the configured endpoints" in said and "hunter2" not in said
    (table.folder / "bad.json").write_text("{")
    assert "bad.json" in table.safe("show", table.folder / "bad.json", code=1)


def test_it_takes_less_than_ten_seconds_from_the_shell(table: Table) -> None:
    """The processor's time counts: other programs on this machine must not fail this."""
    import resource

    file = table.prepare()
    signatures = table.sign(file, 0, 1, 2)
    words = ["guardian", "safe", "send", file, *signatures, "--levers", table.folder / "levers.yaml"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "monitor.cli", *map(str, words)], check=True, timeout=120, cwd=Path(__file__).parents[3], capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"sent from the shell in {time.monotonic() - started:.1f} s, of which {used:.1f} s processor time")
    assert table.ground.call("vault", "isPaused") and used < 10
