"""The commands of "The committee's Safe, by hand" in docs/drills.md, typed exactly as they stand there, on a running devnet."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog

from benchmarks.rig import Rig
from monitor.cli.__main__ import main
from monitor.devnet.drills.pauses import told

PAGE = Path(__file__).parents[2] / "docs/drills.md"
TITLE = "### The committee's Safe, by hand"
ALERT = "LidoContractPaused"


def commands() -> list[str]:
    """The lines of the section's code, in order."""
    section = PAGE.read_text("utf-8").split(f"\n{TITLE}\n")[1].split("\n## ")[0]
    return [line for block in re.findall(r"^```\n(.+?)^```$", section, re.MULTILINE | re.DOTALL) for line in block.splitlines()]


def typed(line: str, folder: Path) -> list[str]:
    """The words that a shell in that folder makes of a line."""
    words = []
    for word in shlex.split(line):
        words += sorted(p.name for p in folder.glob(word)) if "*" in word else [word]
    return words


def walk(rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """Type them all; each line with what it said. Every one must end with exit code 0."""
    (folder / ".stakewarden").mkdir()
    (folder / ".stakewarden/devnet").symlink_to(rig.folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("STAKEWARDEN_RPC_URL", raising=False)
    came = []
    try:
        for line in commands():
            monkeypatch.setattr(sys, "argv", typed(line, folder))
            capsys.readouterr()
            ended: Any = 0
            try:
                main()
            except SystemExit as end:
                ended = end.code
            said = capsys.readouterr()
            assert not ended, f"{line}\n{said.out}{said.err}"
            came.append((line, said.out))
    finally:
        structlog.reset_defaults()
    return came


def check(rig: Rig, came: list[tuple[str, str]]) -> None:
    """What the page promises of them is what the chain and the service say."""
    ground = rig.ground
    queue, breaker, safe = (ground.world[name] for name in ("withdrawal_queue", "circuit_breaker", "committee_circuit_breaker"))
    said = dict(came)  # of a line that comes twice, the later one
    before, after = came[0][1], came[-1][1]
    assert "not paused; CircuitBreaker" in before and "Safe 3 of 6" in before and "21 days, then it lapses by itself" in before
    assert "3 of 6 owners answered, 3 must sign: enough" in next(text for line, text in said.items() if "roll-call report" in line)
    sent = [text for line, text in came if " safe send " in line]
    assert len(sent) == 2 and all(re.search(r"done in block \d+, transaction 0x[0-9a-f]{64}", text) for text in sent)
    assert f"{queue.address} is paused until {queue.read('getResumeSinceTimestamp')}" in sent[1]
    assert "PAUSED until" in after and "PROBLEM" in after and "== not covered by a CircuitBreaker" in after
    assert queue.read("isPaused") and safe.read("nonce") == 2 and int(breaker.read("getPauser", queue.address), 16) == 0
    logs = ground.world.rpc.call("eth_getLogs", {"address": breaker.address, "fromBlock": "0x0", "toBlock": "latest"})
    beats = [
        args["newHeartbeatExpiry"]
        for log in logs
        if (event := breaker.artifact.log(dict(log))) and event[0] == "HeartbeatUpdated"
        for args in [event[1]]
    ]
    assert len(beats) == 3 and beats[1] > beats[0] and beats[2] == 0, "registered, alive, used up"
    ground.wait(f"a message of {ALERT}", lambda: told(ground, ALERT), 60)
