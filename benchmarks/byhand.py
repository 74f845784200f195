"""A pause by hand: from the start of the process until the transaction is sent, and until it is mined and read back, with blocks of a second."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Report
from benchmarks.rig import RigFailed
from monitor.devnet.accounts import key_of
from monitor.devnet.world import World

PART = "pause by hand"
ROUNDS = 9
SENT_SECONDS = 10.0
"""What a person may wait for."""


def run(report: Report, folder: Path) -> None:
    """One endpoint, a key file, no settings; the vault is running again before each round."""
    key = folder / "person.key"
    key.write_text(key_of("guardian_person"))
    sent, done, processor = [], [], []
    with World.start(block_time=1) as world:
        words = [
            "guardian", "pause", world["vault"].address, "--reason", "measured", "--key-file", str(key),
            "--rpc", world.anvil.http_url, "--guardian", world["guardian"].address,
        ]  # fmt: skip
        for _ in range(ROUNDS):
            snapshot = world.anvil.snapshot()
            before = os.times()
            first, last = _pause(folder, words)
            after = os.times()
            sent.append(first)
            done.append(last)
            processor.append(after.children_user + after.children_system - before.children_user - before.children_system)
            if not world["vault"].read("isPaused"):
                raise RigFailed("the vault is not paused after `guardian pause`")
            world.anvil.revert(snapshot)
    report.spread(PART, "process start -> sent", sent, "s", SENT_SECONDS)
    report.spread(PART, "process start -> mined and read back", done, "s")
    report.spread(PART, "processor time", processor, "s", note="this program alone")


def _pause(folder: Path, words: list[str]) -> tuple[float, float]:
    """Seconds until the hash is printed, and until the process has ended."""
    start, sent = time.perf_counter(), None
    command = [sys.executable, "-m", "monitor.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("sending 0x"):
                sent = time.perf_counter() - start
        said = process.stderr.read()
    if process.returncode or sent is None:
        raise RigFailed(f"`guardian pause` failed: {said}")
    return sent, time.perf_counter() - start
