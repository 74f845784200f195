"""``python -m tests.proofs``: every proof must hold, and in every twin the named ones must fail. Exit 0 if so, else 1.

``--only proofs``, ``--only twins``; ``--twin TEXT``: the twins whose name contains it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.proofs.halmos import Outcome, ProofsBroken, copy_project, run
from tests.proofs.twins import TWINS, Twin


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("--only", choices=("proofs", "twins"))
    parser.add_argument("--twin", default="")
    asked = parser.parse_args()
    began = time.monotonic()
    faults: list[str] = []
    try:
        if asked.only != "twins" and not asked.twin:
            faults += _proofs()
        if asked.only != "proofs":
            faults += _twins([twin for twin in TWINS if asked.twin in twin.name])
    except ProofsBroken as problem:
        faults.append(str(problem))
    for fault in faults:
        print(f"FAILED  {fault}", file=sys.stderr)
    print(f"{'not proven' if faults else 'all proven'}, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


def _proofs() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="stakewarden-proofs-") as place:
        project = Path(place)
        copy_project(project)
        found = run(project)
    for outcome in found:
        print(_line("proof", outcome), flush=True)
    missing = {check for twin in TWINS for check in twin.checks} - {outcome.check for outcome in found}
    faults = [f"{outcome.contract}.{outcome.check}: {outcome.verdict}" for outcome in found if not outcome.proven]
    return faults + [f"no proof is named {name}, which a twin must fail" for name in sorted(missing)]


def _twins(twins: list[Twin]) -> list[str]:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [fault for faults in pool.map(lambda twin: list(_twin(twin)), twins) for fault in faults]


def _twin(twin: Twin) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="stakewarden-twin-") as place:
        project = Path(place)
        copy_project(project, twin.contract)
        for file, text, instead in twin.changes:
            _change(twin, project, file, text, instead)
        found = run(project, twin.contract, twin.checks, a_twin=True)
    for outcome in found:
        print(_line(f"twin: {twin.name}", outcome), flush=True)
        if not outcome.refuted:
            yield f"{outcome.check} does not notice that {twin.name}: {outcome.verdict}"


def _change(twin: Twin, project: Path, file: str, text: str, instead: str) -> None:
    [source] = (project / "src").rglob(file)
    content = source.read_text()
    if content.count(text) != 1:
        raise ProofsBroken(f"twin {twin.name!r}: {file} has {content.count(text)} times, and not once: {text}")
    source.write_text(content.replace(text, instead))


def _line(what: str, outcome: Outcome) -> str:
    return f"{outcome.verdict:15} {outcome.seconds:7.1f} s {outcome.paths:5} paths  {outcome.check}  ({what})"


if __name__ == "__main__":
    sys.exit(main())
