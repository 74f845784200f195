"""Running halmos on a copy of the contracts, and reading what it found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
BINARIES = ROOT / ".venv-proofs" / "bin"
LOOPS = 20
"""Unrolled rounds of a loop: more than any loop has that a proof reaches. Halmos counts the loops that were cut off; one is a failure."""
ASSERTION_SECONDS = 600
"""For one claim on one path. The slowest takes a few seconds."""
RUN_SECONDS = 3600


class ProofsBroken(RuntimeError):
    """The proofs could not be run at all; the message says why and shows what was printed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What halmos found for one proof. ``paths``: ways through the contract that were followed. ``cut``: loops cut off."""

    contract: str
    check: str
    exit_code: int
    paths: int
    cut: int
    seconds: float

    @property
    def proven(self) -> bool:
        """No counterexample, everything decided, nothing cut off, and at least one way reached the end."""
        return self.exit_code == 0 and self.cut == 0

    @property
    def refuted(self) -> bool:
        """Halmos shows an input that breaks the claim."""
        return self.exit_code == 1

    @property
    def verdict(self) -> str:
        names = {0: "proven", 1: "counterexample", 2: "undecided: time is over", 3: "undecided: stuck", 4: "empty: all paths revert"}
        return "cut off: a loop is longer than the bound" if self.exit_code == 0 and self.cut else names.get(self.exit_code, "error")


def copy_project(place: Path, contract: str = "") -> None:
    """The contracts without the devnet's stand-ins, and as their only tests the proofs, or those of one contract."""
    shutil.copytree(CONTRACTS / "src", place / "src", ignore=shutil.ignore_patterns("devnet"))
    shutil.copytree(CONTRACTS / "test" / "halmos", place / "test" / "halmos")
    for tests in (place / "test" / "halmos").glob("*.t.sol"):
        if f"contract {contract}" not in tests.read_text():
            tests.unlink()
    for name in ("foundry.toml", "solc"):
        shutil.copy(CONTRACTS / name, place / name)
    (place / "node_modules").symlink_to(CONTRACTS / "node_modules")


def run(project: Path, contract: str = "", checks: tuple[str, ...] = (), *, a_twin: bool = False) -> list[Outcome]:
    """Run all proofs, or those named. Of a twin one counterexample is enough, and its code need not be optimized. Raises :class:`ProofsBroken` if the contracts do not compile or a proof is missing."""
    report = project / "report.json"
    command = [
        str(BINARIES / "halmos"), "--root", str(project), "--no-status", "--loop", str(LOOPS), "--json-output", str(report),
        "--solver-timeout-assertion", f"{ASSERTION_SECONDS}s",
    ]  # fmt: skip
    command += ["--match-contract", f"^{contract}$"] if contract else []
    command += ["--match-test", f"^({'|'.join(checks)})\\("] if checks else []
    command += ["--early-exit"] if a_twin else []
    done = _run(command, project, {"FOUNDRY_OPTIMIZER": "false"} if a_twin else {})
    if not report.exists():
        raise ProofsBroken(f"halmos wrote no report (exit {done.returncode}):\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    found = _read(report)
    report.unlink()
    if not found:
        raise ProofsBroken(f"halmos ran no proof (exit {done.returncode}):\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    if checks and {outcome.check for outcome in found} != set(checks):
        raise ProofsBroken(f"{contract} has other proofs than {', '.join(checks)}: {', '.join(o.check for o in found) or 'none'}")
    return found


def _run(command: list[str], project: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = f"{BINARIES}:{CONTRACTS / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
        "FOUNDRY_LINT_LINT_ON_BUILD": "false",
        "NO_COLOR": "1",
    }
    try:
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired as problem:
        raise ProofsBroken(f"halmos did not end within {RUN_SECONDS} s") from problem


def _read(report: Path) -> list[Outcome]:
    results = json.loads(report.read_text())["test_results"]
    return [
        Outcome(
            contract=place.rsplit(":", 1)[1],
            check=item["name"].split("(")[0],
            exit_code=item["exitcode"],
            paths=(item["num_paths"] or [0])[0],
            cut=item["num_bounded_loops"] or 0,
            seconds=(item["time"] or [0.0])[0],
        )
        for place, items in results.items()
        for item in items
    ]
