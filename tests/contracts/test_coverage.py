"""Every line and branch of the guardian contract is run by forge's tests."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "contracts"


def test_every_line_and_branch_of_the_guardian_is_run() -> None:
    command = ["node_modules/.bin/forge", "coverage", "--report", "summary", "--no-match-coverage", "src/devnet|test"]
    done = subprocess.run(command, cwd=CONTRACTS, capture_output=True, text=True, timeout=300, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (row,) = [line for line in done.stdout.splitlines() if "src/Guardian.sol" in line]
    shares = re.findall(r"([\d.]+)% \((\d+)/(\d+)\)", row)
    assert len(shares) == 4, row
    assert all(run == all_of and int(all_of) > 20 for _, run, all_of in shares), row
