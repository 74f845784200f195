# ruff: noqa: T201
"""``python -m benchmarks``: every figure that the documentation claims, measured in one run, one part after the other."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog

from benchmarks import byhand, epochs, growth, judging, keys, live, machine, postgres, states, store
from benchmarks.figures import Report
from benchmarks.rig import Rig, RigFailed

PARTS = ("live", "growth", "judging", "store", "states", "epochs", "keys", "byhand")
BLOCKS = 200
GROWN = 1000
FEW = 120
"""Blocks that are judged when only their frames are wanted."""


def main() -> int:
    """Measure; exit 0 when every aim is met, 1 when one is missed or something did not start, 2 for wrong usage."""
    wanted = _arguments()
    # What the rooms log in this process is not what is asked for here; chain and service log into their folder.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="stakewarden-bench-") as folder:
        try:
            _measure(report, wanted, Path(folder))
        except RigFailed as failed:
            print(failed, file=sys.stderr)
            return 1
    text = json.dumps(report.as_json(), indent=1) if wanted.json == "-" else report.as_text()
    print(text)
    if wanted.json not in (None, "-"):
        Path(wanted.json).write_text(json.dumps(report.as_json(), indent=1) + "\n")
    return 1 if report.missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the documentation claims.")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given more than once")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help=f"blocks at one a second of part live ({BLOCKS})")
    parser.add_argument("--grown", type=int, default=GROWN, help=f"blocks after which memory and database are looked at ({GROWN})")
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON, too; - prints nothing else")
    wanted = parser.parse_args()
    if wanted.blocks < 20 or wanted.grown < 1:
        parser.error("--blocks must be 20 at least, --grown 1")
    wanted.part = [p for p in PARTS if p in (wanted.part or PARTS)]
    return wanted


def _measure(report: Report, wanted: argparse.Namespace, folder: Path) -> None:
    if {"live", "growth", "judging"} & set(wanted.part):
        _say("starting the embedded chain and the service")
        with Rig() as rig:
            _on_the_chain(report, wanted, rig, folder)
    if "judging" in wanted.part:
        with _part(report, judging.WIDE, folder):
            judging.wide(report)
    if "store" in wanted.part:
        _stores(report, folder)
    if "states" in wanted.part:
        with _part(report, states.PART, folder):
            states.run(report)
    if "epochs" in wanted.part:
        with _part(report, epochs.PART, folder):
            epochs.run(report)
    if "keys" in wanted.part:
        with _part(report, keys.PART, folder):
            keys.run(report, folder)
    if "byhand" in wanted.part:
        with _part(report, byhand.PART, folder):
            byhand.run(report, folder)


def _on_the_chain(report: Report, wanted: argparse.Namespace, rig: Rig, folder: Path) -> None:
    if "live" in wanted.part:
        with _part(report, live.PART, folder):
            live.run(report, rig, wanted.blocks)
    if "growth" in wanted.part:
        with _part(report, growth.PART, folder):
            growth.run(report, rig, wanted.grown)
    if "judging" in wanted.part:
        if rig.judged() < FEW:
            growth.grow(rig, FEW)
        rig.stop_service()
        with _part(report, judging.RECORDED, folder):
            judging.recorded(report, rig.url)


def _stores(report: Report, folder: Path) -> None:
    with _part(report, "store sqlite", folder):
        store.bare(report, "store sqlite", folder)
        store.run(report, "store sqlite", f"sqlite:///{folder / 'bench.db'}")
    if postgres.programs() is None:
        report.skipped.append(postgres.MISSING)
        return
    with _part(report, "store postgresql", folder), postgres.server(folder) as url:
        store.run(report, "store postgresql", url)


@contextlib.contextmanager
def _part(report: Report, name: str, folder: Path) -> Iterator[None]:
    """A part of the run, with the machine's state on both sides of it."""
    _say(f"measuring: {name}")
    report.machine[name] = {"before": machine.state(folder)}
    yield
    report.machine[name]["after"] = machine.state(folder)


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
