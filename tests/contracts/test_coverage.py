"""Every line and branch of the guardian's contracts is run by forge's tests."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "contracts"
HELD = (
    "Guardian.sol",
    "Levers.sol",
    "Orders.sol",
    "Powers.sol",
    "Releaser.sol",
    "Targets.sol",
)
NEEDLESS = (
    "test/halmos/**", "test/devnet/**", "**/Gas*.t.sol", "**/Invariants.t.sol", "src/devnet/lido/**", "src/devnet/peg/**", "src/devnet/eigenlayer/**",
)  # fmt: skip


def test_every_line_and_branch_of_the_guardian_is_run() -> None:
    # Without the optimizer, as coverage compiles, gas is not what the gas tests hold; long random runs reach no other lines. Coverage
    # compiles anew each time, so what the guardian's own tests do not use is left out.
    command = ["node_modules/.bin/forge", "coverage", "--report", "summary", "--no-match-coverage", "src/devnet|test|node_modules"]
    command += ["--no-match-contract", "Gas|Invariant", "--skip", *NEEDLESS]
    done = subprocess.run(
        command, cwd=CONTRACTS, capture_output=True, text=True, timeout=600, env={**os.environ, "NO_COLOR": "1", "FOUNDRY_FUZZ_RUNS": "32"}
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = {row.split()[1]: row for row in done.stdout.splitlines() if row.startswith("| src/")}
    assert sorted(found) == [f"src/{name}" for name in HELD], sorted(found)
    for name, row in found.items():
        shares = re.findall(r"([\d.]+)% \((\d+)/(\d+)\)", row)
        assert len(shares) == 4, row
        assert all(run == all_of for _, run, all_of in shares), row
        assert int(shares[0][2]) > 20, f"{name}: too few lines to be the contract"
