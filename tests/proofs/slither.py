"""``python -m tests.proofs.slither``: every finding of slither in our contracts has an answer in ``slither.yaml``, else exit 1.

An answer is for one detector and one function or variable, so a new finding of a known kind elsewhere needs one of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.proofs.halmos import BINARIES, CONTRACTS, ProofsBroken, copy_project

ANSWERS = Path(__file__).parent / "slither.yaml"
RUN_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Finding:
    """``detector`` and ``element`` (a function's signature, or a variable's name) are what an answer is found by."""

    detector: str
    element: str
    description: str


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="stakewarden-slither-") as place:
        found = findings(Path(place))
    answers: dict[str, dict[str, str]] = yaml.safe_load(ANSWERS.read_text())
    open_ones = [finding for finding in found if not answers.get(finding.detector, {}).get(finding.element)]
    for finding in open_ones:
        print(f"FAILED  {finding.detector}, {finding.element}: {finding.description}", file=sys.stderr)
    used = {(finding.detector, finding.element) for finding in found}
    for detector, elements in answers.items():
        for element in elements:
            if (detector, element) not in used:
                print(f"note    {ANSWERS.name} answers {detector}, {element}, which slither does not find any more")
    print(f"slither: {len(found)} findings, {len(open_ones)} without an answer")
    return 1 if open_ones else 0


def findings(project: Path) -> list[Finding]:
    """What slither says of our sources, libraries left out. Raises :class:`ProofsBroken` if it could not run."""
    copy_project(project)
    report = project / "slither.json"
    path = f"{BINARIES}:{CONTRACTS / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1", "FOUNDRY_LINT_LINT_ON_BUILD": "false"}
    command = [str(BINARIES / "slither"), str(project), "--filter-paths", "node_modules|test", "--json", str(report)]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS)
    if not report.exists() or not (said := json.loads(report.read_text()))["success"]:
        raise ProofsBroken(f"slither did not run (exit {done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return [_finding(item) for item in said["results"].get("detectors", [])]


def _finding(item: dict[str, Any]) -> Finding:
    element = item["elements"][0]
    name = element.get("type_specific_fields", {}).get("signature") or element["name"]
    return Finding(item["check"], name, " ".join(item["description"].split()))


if __name__ == "__main__":
    sys.exit(main())
