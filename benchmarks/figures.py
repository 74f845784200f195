"""Figures with what was aimed at, as a table for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One measured number. ``aim``: it should not be above this; ``note``: of what, over how much, or what it was before."""

    part: str
    name: str
    value: float
    unit: str
    aim: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """PASS or MISS, empty without an aim."""
        return "" if self.aim is None else "PASS" if self.value <= self.aim else "MISS"


@dataclass
class Report:
    """All figures of a run in the order of measuring, and how the machine was at each part."""

    figures: list[Figure] = field(default_factory=list)
    machine: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def add(self, part: str, name: str, value: float, unit: str, aim: float | None = None, note: str = "") -> None:
        self.figures.append(Figure(part, name, value, unit, aim, note))

    def spread(self, part: str, name: str, values: Sequence[float], unit: str, aim: float | None = None, note: str = "") -> None:
        """Median, 99th percentile (which the aim is about) and worst of a series of measurements."""
        if not values:
            raise ValueError(f"{part}: nothing was measured for {name!r}")
        for label, q, bound in (("p50", 50, None), ("p99", 99, aim), ("worst", 100, None)):
            text = f"{len(values)} measured{f'; {note}' if note else ''}" if label == "p50" else ""
            self.add(part, f"{name}, {label}", float(np.percentile(values, q, method="higher")), unit, bound, text)

    @property
    def missed(self) -> list[Figure]:
        return [f for f in self.figures if f.verdict == "MISS"]

    def as_json(self) -> dict[str, Any]:
        """Everything; a figure's name and part are its identity from run to run."""
        figures = [{**asdict(f), "verdict": f.verdict or None} for f in self.figures]
        return {"figures": figures, "machine": self.machine, "skipped": self.skipped, "missed": len(self.missed)}

    def as_text(self) -> str:
        """A table a part, with the machine's state above it."""
        lines: list[str] = []
        for part in dict.fromkeys(f.part for f in self.figures):
            lines += ["", part.upper(), *(f"  {line}" for line in _machine_lines(self.machine.get(part, {}))), *_table(self._of(part))]
        lines += ["", *self.skipped, f"{len(self.missed)} aims missed" if self.missed else "every aim met"]
        return "\n".join(lines).lstrip("\n")

    def _of(self, part: str) -> list[Figure]:
        return [f for f in self.figures if f.part == part]


def _machine_lines(state: dict[str, Any]) -> Iterable[str]:
    for when, at in state.items():
        pairs = ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in at.items())
        yield f"{when}: {pairs}"


def _table(figures: Sequence[Figure]) -> list[str]:
    rows = [(f.name, _number(f.value), f.unit, "" if f.aim is None else f"<= {_number(f.aim)}", f.verdict, f.note) for f in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return [
        f"  {name:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {aim:>{widths[3]}}  {verdict:<{widths[4]}}  {note}".rstrip()
        for name, value, unit, aim, verdict, note in rows
    ]


def _number(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) >= 1:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"
